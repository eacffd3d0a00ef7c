//! The running client against a scripted gateway, in virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod peer;
mod watch;

use std::time::Duration;

use client_core::{
    ClientEvent, DurableState, IDENTITY_RECOVERY, IdentityDamage, Intent, OperatorState,
    OverallState, Role, Snapshot, StoreError,
};
use gateway_client::{
    ClientHandle, Clock, FailurePlan, Invocation, InvokeError, InvokeFuture, InvokeHandler,
    MemoryState, MemoryStore, Setup,
};
use gateway_protocol::UnixMillis;
use peer::{Connection, Listener, Net, known_gateway, net, options};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use watch::until;

const EPOCH: UnixMillis = UnixMillis(1_767_225_600_000);

/// A client over a shared state, told to connect.
async fn connecting(state: &MemoryState, commands: &[&str]) -> (ClientHandle, Listener) {
    let (net, listener) = net();
    let client = setup(MemoryStore::over(state.clone()), net, commands)
        .spawn()
        .unwrap();
    client.intent(Intent::Connect).await.unwrap();
    (client, listener)
}

fn setup(store: MemoryStore, net: Net, commands: &[&str]) -> Setup<Net, MemoryStore> {
    Setup::new(options(commands), store, net, Clock::starting_at(EPOCH))
}

fn state() -> MemoryState {
    MemoryState::new(known_gateway())
}

#[tokio::test(start_paused = true)]
async fn both_roles_connect_and_their_tokens_are_stored() {
    let state = state();
    let (client, mut listener) = connecting(&state, &["system.which"]).await;
    let mut operator = listener.accept().await;
    let connect = operator.admit().await;
    assert_eq!(connect["params"]["auth"], json!({"token": "shared"}));
    let mut node = listener.accept().await;
    assert_eq!(node.admit().await["params"]["role"], "node");
    let snapshot = until(&client, Snapshot::is_fully_connected).await;
    assert_eq!(snapshot.overall_state, OverallState::Ready);
    let identity = state.read().identities["g"].clone();
    assert_eq!(
        (identity.token(Role::Operator), identity.token(Role::Node)),
        (Some("operator-token"), Some("node-token"))
    );
    client.shutdown().await;
}

/// The whole of a client's life is a function of its seed and of what it is told.
#[tokio::test(start_paused = true)]
async fn two_equal_runs_say_the_same() {
    let mut said = Vec::new();
    for _ in 0..2 {
        let (client, mut listener) = connecting(&state(), &["system.which"]).await;
        let mut operator = listener.accept().await;
        let connect = operator.admit().await;
        operator.close(1012, "service restart").await;
        let again = listener.accept().await.challenge().await;
        said.push([connect, again]);
        client.shutdown().await;
    }
    assert_eq!(said[0], said[1]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_uses_what_was_stored() {
    let state = state();
    let (client, mut listener) = connecting(&state, &[]).await;
    let mut connection = listener.accept().await;
    let first = connection.admit().await;
    until(&client, |now| {
        now.operator.state == OperatorState::Connected
    })
    .await;
    client.shutdown().await;
    let (_client, mut listener) = connecting(&state, &[]).await;
    let second = listener.accept().await.admit().await;
    assert_eq!(
        second["params"]["auth"],
        json!({"deviceToken": "operator-token"})
    );
    assert_eq!(
        second["params"]["device"]["id"],
        first["params"]["device"]["id"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_is_dialled_again_after_a_second() {
    let (client, mut listener) = connecting(&state(), &[]).await;
    let mut connection = listener.accept().await;
    connection.admit().await;
    until(&client, |now| {
        now.operator.state == OperatorState::Connected
    })
    .await;
    connection.close(1012, "service restart").await;
    let closed = Instant::now();
    listener.accept().await;
    let waited = closed.elapsed();
    assert!(
        (Duration::from_secs(1)..Duration::from_millis(1260)).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_tried_again_for_hours() {
    let (net, listener) = net();
    drop(listener);
    let client = setup(MemoryStore::over(state()), net, &[]).spawn().unwrap();
    client.intent(Intent::Connect).await.unwrap();
    let snapshot = until(&client, |now| now.operator.attempts >= 10).await;
    assert_eq!(snapshot.overall_state, OverallState::Connecting);
}

#[rstest]
#[case::disconnect(Some(Intent::Disconnect))]
#[case::the_handle_is_dropped(None)]
#[tokio::test(start_paused = true)]
async fn a_retired_connection_ends_without_a_close_frame(#[case] intent: Option<Intent>) {
    let (client, mut listener) = connecting(&state(), &[]).await;
    let mut connection = listener.accept().await;
    connection.admit().await;
    until(&client, |now| {
        now.operator.state == OperatorState::Connected
    })
    .await;
    match intent {
        Some(intent) => client.intent(intent).await.unwrap(),
        None => drop(client),
    }
    while let Some(message) = connection.message().await {
        let Ok(message) = message else { return };
        assert!(!message.is_close(), "{message:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_client_says_so_and_takes_no_more_wishes() {
    let (mut client, mut listener) = connecting(&state(), &[]).await;
    let mut connection = listener.accept().await;
    connection.admit().await;
    let (mut events, wishes) = (client.events().unwrap(), client.wishes());
    assert!(client.events().is_none());
    client.shutdown().await;
    let mut said = Vec::new();
    while let Some(event) = events.recv().await {
        said.push(event);
    }
    assert!(said.contains(&ClientEvent::Stopped), "{said:?}");
    assert!(wishes.intent(Intent::Connect).await.is_err());
}

/// Nothing can be sent with a key that might be gone after a restart.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_durable_is_never_used() {
    let plan = FailurePlan::nth(1, StoreError::Write("no space left on device".to_owned()));
    let (net, mut listener) = net();
    let client = setup(MemoryStore::over(state()).failing(plan), net, &[])
        .spawn()
        .unwrap();
    client.intent(Intent::Connect).await.unwrap();
    let snapshot = until(&client, |now| now.operator.state == OperatorState::Error).await;
    assert_eq!(snapshot.operator.error.as_deref(), Some(IDENTITY_RECOVERY));
    assert!(!listener.is_dialed_within(Duration::from_hours(1)).await);
}

#[tokio::test(start_paused = true)]
async fn a_repaired_identity_is_taken_up_when_the_client_looks_again() {
    let healthy = state();
    healthy.with(|state: &mut DurableState| {
        state.damaged.insert(
            "g".to_owned(),
            IdentityDamage::Corrupt("cut off".to_owned()),
        );
    });
    let (client, mut listener) = connecting(&healthy, &[]).await;
    until(&client, |now| now.operator.state == OperatorState::Error).await;
    healthy.with(|state| state.damaged.clear());
    client.reread_identities().await.unwrap();
    client.intent(Intent::Connect).await.unwrap();
    let mut again = listener.accept().await;
    again.admit().await;
    until(&client, |now| {
        now.operator.state == OperatorState::Connected
    })
    .await;
}

/// Whoever does not read events can't hold up the client.
#[tokio::test(start_paused = true)]
async fn unread_events_are_counted_and_stop_nothing() {
    let (client, mut listener) = connecting(&state(), &[]).await;
    let mut connection = listener.accept().await;
    connection.admit().await;
    for n in 0..5_000 {
        connection.event("presence", json!({"n": n})).await;
    }
    connection.close(1012, "service restart").await;
    let mut again = listener.accept().await;
    again.admit().await;
    until(&client, |now| {
        now.operator.state == OperatorState::Connected
    })
    .await;
    assert!(client.events_lost() > 900, "{}", client.events_lost());
}

/// A gateway that takes nothing more costs one socket, not the client.
#[tokio::test(start_paused = true)]
async fn a_stuck_socket_is_dropped() {
    let (client, mut listener) = connecting(&state(), &[]).await;
    let mut stuck = listener.accept().await;
    stuck.admit().await;
    until(&client, |now| {
        now.operator.state == OperatorState::Connected
    })
    .await;
    for _ in 0..400 {
        let params = Some(json!({"filler": "x".repeat(500)}));
        let request = Intent::Request {
            role: Role::Operator,
            method: "health".to_owned(),
            params,
            tag: None,
            limit_ms: None,
        };
        client.intent(request).await.unwrap();
    }
    let mut again = listener.accept().await;
    again.admit().await;
    until(&client, |now| {
        now.operator.state == OperatorState::Connected
    })
    .await;
}

struct Handler;

impl InvokeHandler for Handler {
    fn invoke(&self, call: Invocation, cancel: CancellationToken) -> InvokeFuture {
        Box::pin(async move {
            match call.command.as_str() {
                "system.echo" => Ok(json!({"args": call.args, "session": call.session_key})),
                "system.fail" => Err(InvokeError::Denied),
                "system.wait" => {
                    cancel.cancelled().await;
                    Err(InvokeError::Cancelled)
                }
                _ => panic!("the handler broke, as it should"),
            }
        })
    }
}

const COMMANDS: [&str; 4] = ["system.echo", "system.fail", "system.wait", "system.panic"];

/// What must stay for a node to be left in peace: without its operator the client would connect anew.
struct Others {
    _operator: Connection,
    _listener: Listener,
}

async fn node() -> (ClientHandle, Connection, Others) {
    let (net, mut listener) = net();
    let client = setup(MemoryStore::over(state()), net, &COMMANDS)
        .invoke_handler(Handler)
        .spawn()
        .unwrap();
    client.intent(Intent::Connect).await.unwrap();
    let mut operator = listener.accept().await;
    operator.admit().await;
    let mut node = listener.accept().await;
    node.admit().await;
    until(&client, Snapshot::is_fully_connected).await;
    (
        client,
        node,
        Others {
            _operator: operator,
            _listener: listener,
        },
    )
}

#[rstest]
#[case("system.echo", true, json!({"args": {"a": 1}, "session": "s"}))]
#[case("system.fail", false, json!("SYSTEM_RUN_DENIED: approval required"))]
#[case("system.panic", false, json!("Command execution failed"))]
#[tokio::test(start_paused = true)]
async fn an_invoke_is_answered(#[case] command: &str, #[case] ok: bool, #[case] expected: Value) {
    let (_client, mut node, _others) = node().await;
    let payload =
        json!({"id": "i1", "command": command, "paramsJSON": "{\"a\":1}", "sessionKey": "s"});
    node.event("node.invoke.request", payload).await;
    let result = node.request("node.invoke.result").await;
    let params = &result["params"];
    assert_eq!((&params["id"], &params["ok"]), (&json!("i1"), &json!(ok)));
    let shown = if ok {
        payload_of(params)
    } else {
        params["error"]["message"].clone()
    };
    assert_eq!(shown, expected);
}

/// The payload may go as a value or as JSON in a string.
fn payload_of(params: &Value) -> Value {
    match params["payloadJSON"].as_str() {
        Some(text) => serde_json::from_str(text).unwrap(),
        None => params["payload"].clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_invoke_holds_up_nothing_and_can_be_cancelled() {
    let (client, mut node, _others) = node().await;
    node.event(
        "node.invoke.request",
        json!({"id": "slow", "command": "system.wait"}),
    )
    .await;
    until(&client, |now| now.node.running_invokes == 1).await;
    node.event(
        "node.invoke.request",
        json!({"id": "quick", "command": "system.echo"}),
    )
    .await;
    assert_eq!(
        node.request("node.invoke.result").await["params"]["id"],
        "quick"
    );
    node.event("node.invoke.cancel", json!({"invokeId": "slow"}))
        .await;
    let result = node.request("node.invoke.result").await;
    assert_eq!(
        (
            &result["params"]["id"],
            &result["params"]["error"]["message"]
        ),
        (&json!("slow"), &json!("cancelled"))
    );
    until(&client, |now| now.node.running_invokes == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_client_drops_its_running_invokes() {
    let (client, mut node, _others) = node().await;
    node.event(
        "node.invoke.request",
        json!({"id": "slow", "command": "system.wait"}),
    )
    .await;
    until(&client, |now| now.node.running_invokes == 1).await;
    let began = Instant::now();
    client.shutdown().await;
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert!(node.message().await.is_none_or(|end| end.is_err()));
}
