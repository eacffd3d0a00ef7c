//! Pairing and approvals: catalogue rows 070 to 086, 189 to 196, 220; field bugs 34, 35, 36.

use rstest::rstest;

use super::*;
use crate::{ApprovalKind, NodeState, OperatorState, OverallState, PairingStatus};

fn shared() -> DurableState {
    disk(record(Some("s"), None), Some(identity(Some("o"), None)))
}

/// Operator connected with these scopes, node at its challenge.
pub(super) fn with_node_asking(policy: Policy, scopes: &[&str]) -> (Bench, SocketId, SocketId) {
    let mut bench = Bench::new(policy, shared());
    bench.intent(Intent::Connect);
    let auth = json!({"role": "operator", "scopes": scopes, "deviceToken": "o"});
    let (operator, _) = bench.complete(Role::Operator, auth);
    let node = bench.socket(Role::Node);
    bench.challenge(node);
    (bench, operator, node)
}

pub(super) const ADMIN: &[&str] = &["operator.admin", "operator.pairing"];
pub(super) const PAIRING: &[&str] = &["operator.pairing"];

#[rstest]
#[case::code_and_text(not_paired("r-1"), Some("r-1"))]
#[case::text_only(json!({"message": "pairing required"}), None)]
#[case::code_only(json!({"message": "no", "details": {"code": "PAIRING_REQUIRED", "requestId": "r-1"}}), Some("r-1"))]
#[case::nested(json!({"message": "no", "data": {"details": {"code": "PAIRING_REQUIRED", "requestId": "r-1"}}}), Some("r-1"))]
#[case::unsafe_id(not_paired("r 1; rm"), None)]
fn an_operator_in_pairing_keeps_asking_with_backoff(
    #[case] error: Value,
    #[case] id: Option<&str>,
) {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record(Some("s"), None), Some(identity(None, None))),
    );
    bench.intent(Intent::Connect);
    for delay in [1_000, 2_000, 4_000] {
        let socket = bench.socket(Role::Operator);
        bench.challenge(socket);
        bench.refuse_connect(socket, error.clone());
        let snapshot = bench.client.snapshot();
        assert_eq!(
            snapshot.operator.state,
            OperatorState::PairingRequired,
            "the close does not overwrite it"
        );
        assert_eq!(snapshot.operator.pairing_request_id.as_deref(), id);
        let opened = bench.opened(Role::Operator);
        bench.elapse(ms(delay - 1));
        assert_eq!(bench.opened(Role::Operator), opened);
        bench.elapse(ms(delay / 4 + 1));
    }
    bench.complete(Role::Operator, admin("o"));
    let snapshot = bench.client.snapshot();
    assert_eq!(
        (
            snapshot.operator.state,
            snapshot.operator.pairing_request_id
        ),
        (OperatorState::Connected, None)
    );
}

#[test]
fn the_newest_request_id_is_shown() {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record(Some("s"), None), Some(identity(None, None))),
    );
    bench.intent(Intent::Connect);
    for id in ["r-1", "r-2"] {
        let socket = bench.socket(Role::Operator);
        bench.challenge(socket);
        bench.refuse_connect(socket, not_paired(id));
        assert_eq!(
            bench
                .client
                .snapshot()
                .operator
                .pairing_request_id
                .as_deref(),
            Some(id)
        );
        bench.elapse(ms(2_500));
    }
}

#[test]
fn a_refusal_while_pairing_ends_in_error() {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record(None, Some("b")), Some(identity(None, None))),
    );
    bench.intent(Intent::Connect);
    let socket = bench.socket(Role::Operator);
    bench.challenge(socket);
    bench.refuse_connect(socket, not_paired("r-1"));
    bench.elapse(ms(1_250));
    let socket = bench.socket(Role::Operator);
    bench.challenge(socket);
    bench.refuse_connect(
        socket,
        unauthorized(
            "AUTH_BOOTSTRAP_TOKEN_INVALID",
            "bootstrap token invalid or expired",
        ),
    );
    bench.elapse(secs(100));
    assert_eq!(bench.client.snapshot().operator.state, OperatorState::Error);
    assert_eq!(bench.opened(Role::Operator), 2);
}

#[test]
fn a_node_in_pairing_waits_silently() {
    let (mut bench, _, node) = with_node_asking(Policy::Hardened, PAIRING);
    bench.refuse(node, "connect", not_paired("r-1"));
    bench.event(
        node,
        "device.pair.requested",
        json!({"requestId": "r-1", "deviceId": identity(None, None).device_id}),
    );
    bench.closed(node, 1008, "pairing required");
    bench.elapse(secs(50));
    assert_eq!(bench.opened(Role::Node), 1);
    let snapshot = bench.client.snapshot();
    assert_eq!(
        (snapshot.node.state, snapshot.overall_state),
        (NodeState::PairingRequired, OverallState::PairingRequired)
    );
    assert_eq!(snapshot.node.approval_kind, Some(ApprovalKind::Device));
    assert_eq!(
        snapshot.node.approval_command.as_deref(),
        Some("openclaw devices approve r-1")
    );
    let pending = bench.events.iter().filter(|event| {
        matches!(
            event,
            ClientEvent::Pairing {
                role: Role::Node,
                status: PairingStatus::Pending,
                ..
            }
        )
    });
    assert_eq!(pending.count(), 1);
}

#[test]
fn an_admin_operator_approves_the_role_upgrade_and_restarts_the_node() {
    let (mut bench, operator, node) = with_node_asking(Policy::Hardened, ADMIN);
    bench.refuse_connect(node, not_paired("r-1"));
    let asked = bench.sent(operator, "device.pair.approve");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["params"], json!({"requestId": "r-1"}));
    bench.ok(operator, "device.pair.approve", json!({"requestId": "r-1"}));
    assert!(
        !bench.sent(operator, "device.pair.list").is_empty(),
        "the list is refreshed"
    );
    bench.elapse(ms(999));
    assert_eq!(bench.opened(Role::Node), 1);
    bench.elapse(ms(1));
    assert_eq!(bench.opened(Role::Node), 2);
    bench.complete(Role::Node, json!({"deviceToken": "n"}));
    assert!(bench.client.snapshot().is_fully_connected());
}

#[test]
fn without_admin_nothing_is_approved() {
    let (mut bench, operator, node) = with_node_asking(Policy::Hardened, PAIRING);
    bench.refuse_connect(node, not_paired("r-1"));
    assert!(bench.sent(operator, "device.pair.approve").is_empty());
    assert!(bench.diagnosed("operator.admin"));
}

#[rstest]
#[case::node_queue(Policy::Pr741, PAIRING, true)]
#[case::a_person_decides(Policy::Hardened, ADMIN, false)]
fn node_trust_is_approved_by_the_older_client_only(
    #[case] policy: Policy,
    #[case] scopes: &[&str],
    #[case] approves: bool,
) {
    let (mut bench, operator, node) = with_node_asking(policy, scopes);
    let own = identity(None, None).device_id;
    bench.event(
        node,
        "node.pair.requested",
        json!({"requestId": "r-1", "nodeId": own}),
    );
    assert_eq!(
        !bench.sent(operator, "node.pair.approve").is_empty(),
        approves
    );
    assert!(bench.sent(operator, "device.pair.approve").is_empty());
    let snapshot = bench.client.snapshot();
    assert_eq!(snapshot.node.approval_kind, Some(ApprovalKind::Node));
    assert_eq!(bench.sent(operator, "node.list").is_empty(), approves);
}

#[rstest]
#[case(ADMIN, 1)]
#[case(PAIRING, 0)]
fn an_unknown_queue_falls_back_to_devices_only_with_admin(
    #[case] scopes: &[&str],
    #[case] expected: usize,
) {
    let (mut bench, operator, node) = with_node_asking(Policy::Pr741, scopes);
    let unknown =
        json!({"code": "NOT_PAIRED", "message": "not paired", "details": {"requestId": "r-1"}});
    bench.refuse_connect(node, unknown);
    bench.refuse(
        operator,
        "node.pair.approve",
        json!({"message": "unknown requestId"}),
    );
    let fallback = bench.sent(operator, "device.pair.approve");
    assert_eq!(fallback.len(), expected);
    assert!(
        fallback
            .iter()
            .all(|frame| frame["params"]["requestId"] == "r-1")
    );
}

#[rstest]
#[case(Policy::Pr741, 1)]
#[case(Policy::Hardened, 0)]
fn the_own_node_in_the_pending_list(#[case] policy: Policy, #[case] approvals: usize) {
    let (mut bench, operator, node) = with_node_asking(policy, ADMIN);
    bench.hello(node, json!({"deviceToken": "n"}));
    bench.event(operator, "node.pair.requested", json!({}));
    let own = identity(None, None).device_id;
    let pending = json!({"pending": [{"requestId": "r-1", "nodeId": own}, {"requestId": "r-2", "nodeId": "x"}]});
    bench.ok(operator, "node.pair.list", pending);
    assert_eq!(bench.sent(operator, "node.pair.approve").len(), approvals);
    let listed = bench.events.iter().rev().find_map(|event| match event {
        ClientEvent::PendingChanged { node, .. } => Some(node.clone()),
        _ => None,
    });
    assert_eq!(
        listed.unwrap().len(),
        1,
        "the own request is not for this user"
    );
}

#[test]
fn a_failed_approval_may_be_tried_again() {
    let (mut bench, operator, node) = with_node_asking(Policy::Hardened, ADMIN);
    bench.refuse_connect(node, not_paired("r-1"));
    bench.refuse(
        operator,
        "device.pair.approve",
        json!({"message": "missing scope: operator.admin"}),
    );
    bench.elapse(secs(5));
    assert_eq!(bench.opened(Role::Node), 1);
    bench.intent(Intent::ReconnectNode);
    let node = bench.socket(Role::Node);
    bench.challenge(node);
    bench.refuse_connect(node, not_paired("r-1"));
    assert_eq!(bench.sent(operator, "device.pair.approve").len(), 2);
}

#[test]
fn an_approval_without_an_answer_fails_after_12_seconds() {
    let (mut bench, operator, node) = with_node_asking(Policy::Hardened, ADMIN);
    bench.refuse_connect(node, not_paired("r-1"));
    bench.elapse(ms(11_999));
    let failed = |bench: &Bench| {
        bench.events.iter().any(|event| {
            matches!(
                event,
                ClientEvent::ApprovalDone {
                    succeeded: false,
                    ..
                }
            )
        })
    };
    assert!(!failed(&bench));
    bench.elapse(ms(1));
    assert!(failed(&bench));
    bench.ok(operator, "device.pair.approve", json!({}));
    bench.elapse(secs(5));
    assert_eq!(bench.opened(Role::Node), 1, "a late answer is ignored");
}

#[test]
fn the_same_id_restarts_the_node_at_most_twice() {
    let (mut bench, operator, node) = with_node_asking(Policy::Hardened, ADMIN);
    bench.refuse_connect(node, not_paired("r-1"));
    bench.ok(operator, "device.pair.approve", json!({}));
    for _ in 0..5 {
        bench.elapse(secs(2));
        let Some((node, _)) = bench
            .sockets
            .iter()
            .rfind(|(_, it)| it.role == Role::Node && it.live)
        else {
            break;
        };
        let node = *node;
        bench.challenge(node);
        bench.refuse_connect(node, not_paired("r-1"));
    }
    assert_eq!(bench.sent(operator, "device.pair.approve").len(), 1);
    assert_eq!(bench.opened(Role::Node), 3);
}

#[test]
fn a_disconnect_during_the_delay_keeps_the_node_down() {
    let (mut bench, operator, node) = with_node_asking(Policy::Hardened, ADMIN);
    bench.refuse_connect(node, not_paired("r-1"));
    bench.ok(operator, "device.pair.approve", json!({}));
    bench.elapse(ms(500));
    bench.intent(Intent::Disconnect);
    bench.elapse(secs(10));
    assert_eq!(bench.opened(Role::Node), 1);
}

#[rstest]
fn a_manual_restart_wins_over_the_automatic_one(#[values(true, false)] answered_before: bool) {
    let (mut bench, operator, node) = with_node_asking(Policy::Hardened, ADMIN);
    bench.refuse_connect(node, not_paired("r-1"));
    if answered_before {
        bench.ok(operator, "device.pair.approve", json!({}));
    }
    bench.intent(Intent::ReconnectNode);
    if !answered_before {
        bench.ok(operator, "device.pair.approve", json!({}));
    }
    bench.elapse(secs(10));
    assert_eq!(bench.opened(Role::Node), 2);
}

#[test]
fn after_pairing_the_same_id_may_be_approved_again() {
    let (mut bench, operator, node) = with_node_asking(Policy::Hardened, ADMIN);
    bench.refuse_connect(node, not_paired("r-1"));
    bench.ok(operator, "device.pair.approve", json!({}));
    bench.elapse(secs(1));
    bench.complete(Role::Node, json!({"deviceToken": "n"}));
    bench.intent(Intent::ReconnectNode);
    let node = bench.socket(Role::Node);
    bench.challenge(node);
    bench.refuse_connect(node, not_paired("r-1"));
    assert_eq!(bench.sent(operator, "device.pair.approve").len(), 2);
}

#[test]
fn an_approved_event_reconnects_without_waiting_for_a_token() {
    let (mut bench, _, node) = with_node_asking(Policy::Hardened, PAIRING);
    bench.hello(node, json!({}));
    assert_eq!(
        bench.client.snapshot().node.state,
        NodeState::PairingRequired
    );
    let own = identity(None, None).device_id;
    bench.event(
        node,
        "node.pair.resolved",
        json!({"nodeId": "other", "decision": "approved"}),
    );
    assert!(bench.sockets[&node].live, "somebody else's approval");
    bench.event(
        node,
        "node.pair.resolved",
        json!({"nodeId": own, "decision": "approved"}),
    );
    assert_eq!(
        bench.sockets[&node].ended.as_deref(),
        Some("1000 Disconnecting")
    );
    bench.complete(Role::Node, json!({}));
    let snapshot = bench.client.snapshot();
    assert_eq!(
        (snapshot.node.state, snapshot.node.pairing_status),
        (NodeState::Connected, PairingStatus::Paired)
    );
}

#[test]
fn a_rejected_event_degrades() {
    let (mut bench, _, node) = with_node_asking(Policy::Hardened, PAIRING);
    bench.hello(node, json!({}));
    let own = identity(None, None).device_id;
    bench.event(
        node,
        "device.pair.resolved",
        json!({"deviceId": own, "decision": "rejected"}),
    );
    let snapshot = bench.client.snapshot();
    assert_eq!(
        (snapshot.node.state, snapshot.overall_state),
        (NodeState::PairingRejected, OverallState::Degraded)
    );
    bench.closed(node, 1008, "");
    bench.elapse(secs(30));
    assert_eq!(bench.opened(Role::Node), 1);
}

#[test]
fn paired_is_told_once_over_many_reconnects() {
    let (mut bench, _, mut node) = with_node_asking(Policy::Hardened, ADMIN);
    bench.hello(node, json!({"deviceToken": "n"}));
    for _ in 0..3 {
        bench.closed(node, 1012, "service restart");
        bench.elapse(ms(1_250));
        (node, _) = bench.complete(Role::Node, json!({"deviceToken": "n"}));
    }
    let paired = bench.events.iter().filter(|event| {
        matches!(
            event,
            ClientEvent::Pairing {
                role: Role::Node,
                status: PairingStatus::Paired,
                ..
            }
        )
    });
    assert_eq!(paired.count(), 1);
}

#[rstest]
#[case(ApprovalKind::Device, "device.pair.approve", "device.pair.list")]
#[case(ApprovalKind::Node, "node.pair.approve", "node.pair.list")]
fn a_person_approves_somebody_else(
    #[case] kind: ApprovalKind,
    #[case] method: &str,
    #[case] list: &str,
) {
    let (mut bench, operator, _) = with_node_asking(Policy::Hardened, ADMIN);
    bench.intent(Intent::Approve {
        kind,
        request_id: "r-9".into(),
    });
    assert_eq!(
        bench.sent(operator, method)[0]["params"],
        json!({"requestId": "r-9"})
    );
    bench.ok(operator, method, json!({}));
    let done = bench.events.iter().any(|event| {
        matches!(event, ClientEvent::ApprovalDone { succeeded: true, automatic: false, request_id, .. } if request_id == "r-9")
    });
    assert!(done);
    assert!(!bench.sent(operator, list).is_empty());
}
