//! Switching, staleness, plain requests, node-only: catalogue rows 064, 087 to 090, and §14, §28.

use super::*;
use crate::{NodeState, OperatorState, OverallState};

fn two_gateways() -> DurableState {
    let mut state = disk(
        record(Some("s"), None),
        Some(identity(Some("o"), Some("n"))),
    );
    let mut other = GatewayRecord::new("h", "ws://other.example:1");
    other.shared_gateway_token = Some(SharedToken::new("t"));
    state.registry.upsert(other);
    state
}

#[test]
fn a_switch_leaves_late_events_of_the_old_gateway_without_effect() {
    let mut bench = Bench::new(Policy::Hardened, two_gateways());
    bench.intent(Intent::Connect);
    let old = bench.socket(Role::Operator);
    bench.challenge(old);
    bench.intent(Intent::SwitchGateway { id: "h".into() });
    assert_eq!(bench.outcome().0, IntentOutcome::Success);
    assert_eq!(bench.sockets[&old].ended.as_deref(), Some("abort"));
    bench.hello(old, admin("late"));
    bench.refuse(
        old,
        "connect",
        unauthorized("DEVICE_AUTH_SIGNATURE_INVALID", "device signature invalid"),
    );
    assert_eq!(bench.stored_token(Role::Operator), Some("o"));
    let snapshot = bench.client.snapshot();
    assert_eq!(snapshot.operator.state, OperatorState::Connecting);
    assert_eq!(snapshot.gateway.unwrap().id, "h");
    assert_ne!(
        bench.client.durable().identities["h"].device_id,
        bench.client.durable().identities["g"].device_id
    );
}

#[test]
fn an_unknown_gateway_changes_nothing() {
    let mut bench = Bench::new(Policy::Hardened, two_gateways());
    bench.ready();
    bench.intent(Intent::SwitchGateway { id: "nope".into() });
    assert_eq!(bench.outcome().0, IntentOutcome::ConnectionFailed);
    assert!(bench.client.snapshot().is_fully_connected());
    assert_eq!(
        bench.client.durable().registry.active_id.as_deref(),
        Some("g")
    );
}

#[test]
fn a_second_connect_is_ignored() {
    let mut bench = Bench::new(Policy::Hardened, two_gateways());
    bench.ready();
    let sockets = bench.sockets.len();
    bench.intent(Intent::Connect);
    assert_eq!(bench.sockets.len(), sockets);
}

#[test]
fn a_node_token_alone_connects_the_node_only() {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record(None, None), Some(identity(None, Some("n")))),
    );
    bench.intent(Intent::Connect);
    assert_eq!(
        (bench.opened(Role::Operator), bench.opened(Role::Node)),
        (0, 1)
    );
    bench.complete(Role::Node, json!({"deviceToken": "n"}));
    assert_eq!(
        bench.client.snapshot().overall_state,
        OverallState::Connected
    );
}

#[test]
fn node_mode_can_be_off() {
    let options = ClientOptions {
        node_enabled: false,
        ..ClientOptions::default()
    };
    let mut bench = Bench::with(options, two_gateways());
    bench.intent(Intent::Connect);
    bench.complete(Role::Operator, admin("o"));
    let snapshot = bench.client.snapshot();
    assert_eq!(
        (snapshot.overall_state, snapshot.node.state),
        (OverallState::Ready, NodeState::Disabled)
    );
    bench.intent(Intent::SetNodeEnabled { enabled: true });
    bench.complete(Role::Node, json!({"deviceToken": "n"}));
    assert!(bench.client.snapshot().is_fully_connected());
}

#[test]
fn a_restarted_node_keeps_the_operator() {
    let mut bench = Bench::new(Policy::Hardened, two_gateways());
    let (operator, node) = bench.ready();
    bench.intent(Intent::ReconnectNode);
    assert!(bench.sockets[&operator].live);
    assert_eq!(bench.sockets[&node].ended.as_deref(), Some("abort"));
    bench.complete(Role::Node, json!({"deviceToken": "node-token"}));
    assert!(bench.client.snapshot().is_fully_connected());
}

fn responses(bench: &Bench) -> Vec<(bool, String)> {
    let text = |payload: &Value| payload["message"].as_str().unwrap_or_default().to_owned();
    bench
        .events
        .iter()
        .filter_map(|event| match event {
            ClientEvent::Response { ok, payload, .. } => Some((*ok, text(payload))),
            _ => None,
        })
        .collect()
}

#[test]
fn plain_requests_are_answered_time_out_and_fail_with_their_connection() {
    let mut bench = Bench::new(Policy::Hardened, two_gateways());
    let request = || Intent::Request {
        role: Role::Operator,
        method: "status".into(),
        params: None,
        tag: Some("t".into()),
        limit_ms: None,
    };
    bench.intent(request());
    assert_eq!(
        responses(&bench),
        [(false, "operator is not connected".to_owned())]
    );
    let (operator, node) = bench.ready();
    bench.intent(request());
    bench.ok(operator, "status", json!({}));
    bench.intent(request());
    bench.elapse(ms(29_999));
    assert_eq!(responses(&bench).len(), 2);
    bench.elapse(ms(1));
    assert_eq!(
        responses(&bench)[2],
        (false, "timed out after 30 s".to_owned())
    );
    bench.intent(request());
    bench.closed(operator, 1012, "service restart");
    assert_eq!(responses(&bench)[3], (false, "connection lost".to_owned()));
    bench.intent(Intent::NodeEvent {
        event: "x".into(),
        payload: json!({"a": 1}),
    });
    assert_eq!(
        bench.sent(node, "node.event")[0]["params"],
        json!({"event": "x", "payloadJSON": "{\"a\":1}"})
    );
}

#[test]
fn a_refused_list_is_not_asked_for_again_on_this_connection() {
    let mut bench = Bench::new(Policy::Hardened, two_gateways());
    let (operator, _) = bench.ready();
    bench.elapse(ms(500));
    bench.refuse(
        operator,
        "usage.status",
        json!({"message": "unknown method: usage.status"}),
    );
    assert_eq!(bench.sent(operator, "usage").len(), 1);
    bench.refuse(
        operator,
        "node.list",
        json!({"message": "missing scope: operator.read"}),
    );
    let asked = bench.sent(operator, "node.list").len();
    bench.event(operator, "node.pair.requested", json!({}));
    assert_eq!(bench.sent(operator, "node.list").len(), asked);
}

#[test]
fn a_lost_race_for_the_identity_file_adopts_the_winner() {
    let mut bench = Bench::new(Policy::Hardened, disk(record(Some("s"), None), None));
    bench.held = Some(Vec::new());
    bench.intent(Intent::Connect);
    let op = bench.held.take().unwrap().remove(0);
    let winner = identity(None, None);
    let result = Err(StoreError::IdentityExists(Box::new(winner.clone())));
    bench.input(Input::Stored { op, result });
    let socket = bench.socket(Role::Operator);
    assert_eq!(
        bench.challenge(socket)["device"]["id"],
        winner.device_id.as_str()
    );
}

#[test]
fn an_identity_that_can_not_be_created_is_an_error_with_the_fixed_message() {
    let mut bench = Bench::new(Policy::Hardened, disk(record(Some("s"), None), None));
    bench.fails = |op| matches!(op, StoreOp::CreateIdentity { .. });
    bench.intent(Intent::Connect);
    assert!(bench.sockets.is_empty());
    let (outcome, error) = bench.outcome();
    assert_eq!(outcome, IntentOutcome::ConnectionFailed);
    assert!(
        error
            .unwrap()
            .starts_with("Device identity could not be loaded or saved.")
    );
}

#[test]
fn a_stopped_client_does_nothing_more() {
    let mut bench = Bench::new(Policy::Hardened, two_gateways());
    bench.ready();
    bench.intent(Intent::Stop);
    bench.intent(Intent::Connect);
    bench.elapse(secs(100));
    assert_eq!(
        bench.live_sockets(Role::Operator) + bench.live_sockets(Role::Node),
        0
    );
    assert_eq!(bench.client.wake_at(), None);
    assert!(bench.events.contains(&ClientEvent::Stopped));
}
