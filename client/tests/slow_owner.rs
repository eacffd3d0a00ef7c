//! A distribution that takes its time to say who listens: only what must be proven first waits.
//! ref: client-behaviour.md §18

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic"
)]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod peer;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use client_core::{EndpointOwner, Intent, ManagedEndpoint, OperatorState, Role, Snapshot};
use gateway_client::{ClientHandle, Clock, MemoryStore, OwnerFuture, OwnerProbe, Setup};
use gateway_protocol::UnixMillis;
use peer::{Connection, Listener, known_gateway, net, options};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;
use watch::until;

/// Says that all is well: at once, or when the test lets it.
#[derive(Clone, Default)]
struct Distribution(Arc<State>);

#[derive(Default)]
struct State {
    is_slow: AtomicBool,
    looks: AtomicU64,
    looked: Notify,
    go: Notify,
}

impl Distribution {
    fn becomes_slow(&self) {
        self.0.is_slow.store(true, Ordering::Relaxed);
    }

    /// Waits until it has been asked this many times, and gives back how often it was.
    async fn is_asked(&self, times: u64) {
        while self.0.looks.load(Ordering::Relaxed) < times {
            self.0.looked.notified().await;
        }
    }

    fn looks(&self) -> u64 {
        self.0.looks.load(Ordering::Relaxed)
    }
}

impl OwnerProbe for Distribution {
    fn look(&self, _endpoint: ManagedEndpoint) -> OwnerFuture {
        let state = Arc::clone(&self.0);
        Box::pin(async move {
            state.looks.fetch_add(1, Ordering::Relaxed);
            state.looked.notify_one();
            if state.is_slow.load(Ordering::Relaxed) {
                state.go.notified().await;
            }
            EndpointOwner::Expected { proof: 1 }
        })
    }
}

/// Both roles of a managed gateway, connected; from now on the distribution is slow.
async fn connected() -> (Distribution, ClientHandle, Listener, Connection, Connection) {
    let distribution = Distribution::default();
    let (net, mut listener) = net();
    let mut state = known_gateway();
    let mut record = state.registry.find("g").unwrap().clone();
    record.is_local = true;
    record.setup_managed_distro_name = Some("OpenClaw".to_owned());
    state.registry.upsert(record);
    let clock = Clock::starting_at(UnixMillis(1_767_225_600_000));
    let client = Setup::new(
        options(&["system.which"]),
        MemoryStore::new(state),
        net,
        clock,
    )
    .owner_probe(distribution.clone())
    .spawn()
    .unwrap();
    client.intent(Intent::Connect).await.unwrap();
    let mut operator = listener.accept().await;
    operator.admit().await;
    let mut node = listener.accept().await;
    node.admit().await;
    until(&client, Snapshot::is_fully_connected).await;
    distribution.becomes_slow();
    (distribution, client, listener, operator, node)
}

/// Asks the gateway, which answers.
async fn ask(client: &ClientHandle, operator: &mut Connection) -> Duration {
    let start = Instant::now();
    let control = client.control();
    let ask = control.request(Role::Operator, "cron.list", json!({}));
    let answer = async {
        let request = operator.request("cron.list").await;
        operator.answer(&request["id"], json!({"jobs": []})).await;
    };
    let (answer, ()) = tokio::join!(ask, answer);
    assert_eq!(answer.unwrap(), Ok(json!({"jobs": []})));
    start.elapsed()
}

/// The node's reconnect waits for the distribution; the operator's connection and its user do not.
#[tokio::test(start_paused = true)]
async fn a_look_holds_up_the_reconnect_and_nothing_else() {
    let (distribution, client, mut listener, mut operator, node) = connected().await;
    let before = distribution.looks();
    drop(node);
    distribution.is_asked(before + 1).await;
    assert!(ask(&client, &mut operator).await < Duration::from_secs(1));
    assert!(!listener.is_dialed_within(Duration::from_secs(1)).await);
    assert_eq!(distribution.looks(), before + 1, "nobody asks twice");

    distribution.0.go.notify_one();
    let mut node = listener.accept().await;
    // The challenge is looked at too, and what comes behind it keeps its place.
    node.event("connect.challenge", json!({"nonce": "n", "ts": 1}))
        .await;
    distribution.is_asked(before + 2).await;
    assert!(ask(&client, &mut operator).await < Duration::from_secs(1));
    distribution.0.go.notify_one();
    assert_eq!(node.frame().await["method"], "connect");
    client.shutdown().await;
}

/// What a user wants of the connections happens in the order in which it was wanted.
#[tokio::test(start_paused = true)]
async fn a_disconnect_does_not_overtake_the_reconnect_before_it() {
    let (distribution, client, mut listener, mut operator, _node) = connected().await;
    let before = distribution.looks();
    client.intent(Intent::Reconnect).await.unwrap();
    client.intent(Intent::Disconnect).await.unwrap();
    distribution.is_asked(before + 1).await;
    assert!(ask(&client, &mut operator).await < Duration::from_secs(1));
    distribution.0.go.notify_one();
    until(&client, |now| {
        now.operator.state == OperatorState::Idle && now.user_disconnected
    })
    .await;
    assert!(!listener.is_dialed_within(Duration::from_secs(10)).await);
    client.shutdown().await;
}

/// A probe that never answers proves nothing, and a stop does not wait for it.
#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_look() {
    let (distribution, client, _listener, _operator, _node) = connected().await;
    let before = distribution.looks();
    client.intent(Intent::Reconnect).await.unwrap();
    distribution.is_asked(before + 1).await;
    let start = Instant::now();
    client.shutdown().await;
    assert!(start.elapsed() < Duration::from_secs(1));
}
