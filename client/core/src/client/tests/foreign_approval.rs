//! Somebody else approves the request of this device's node. client-behaviour 20.3, 20.4

use rstest::rstest;

use super::pairing::{ADMIN, PAIRING, with_node_asking};
use super::*;
use crate::PairingStatus;

/// Operator connected with these scopes, node at its challenge.
fn asking(scopes: &[&str]) -> (Bench, SocketId, SocketId) {
    with_node_asking(Policy::Hardened, scopes)
}

fn own_id() -> String {
    identity(None, None).device_id
}

fn decide(bench: &mut Bench, operator: SocketId, device: &str, decision: &str) {
    let payload = json!({"requestId": "r-1", "deviceId": device, "decision": decision, "ts": 1});
    bench.event(operator, "device.pair.resolved", payload);
}

/// The answer to an approval that came second.
fn too_late(bench: &mut Bench, operator: SocketId) {
    let error = json!({"code": "INVALID_REQUEST", "message": "unknown requestId"});
    bench.refuse(operator, "device.pair.approve", error);
}

fn list(bench: &mut Bench, operator: SocketId, pending: Value, roles: &[&str]) {
    let paired = json!([{"deviceId": own_id(), "roles": roles}]);
    let payload = json!({"pending": pending, "paired": paired});
    bench.ok(operator, "device.pair.list", payload);
}

/// The node is back after exactly one second, and its approval counts.
fn comes_back(bench: &mut Bench) {
    bench.elapse(ms(999));
    assert_eq!(bench.opened(Role::Node), 1);
    bench.elapse(ms(1));
    assert_eq!(bench.opened(Role::Node), 2);
    bench.complete(Role::Node, json!({"deviceToken": "n"}));
    assert!(bench.client.snapshot().is_fully_connected());
    bench.elapse(secs(20));
    assert_eq!(bench.opened(Role::Node), 2, "one restart is enough");
}

fn stays_away(bench: &mut Bench) {
    bench.elapse(secs(100));
    assert_eq!(bench.opened(Role::Node), 1);
    assert_eq!(
        bench.client.snapshot().node.pairing_status,
        PairingStatus::Pending
    );
}

#[rstest]
fn the_decision_restarts_the_node(#[values(ADMIN, PAIRING)] scopes: &[&str]) {
    let (mut bench, operator, node) = asking(scopes);
    bench.refuse_connect(node, not_paired("r-1"));
    decide(&mut bench, operator, &own_id(), "approved");
    if scopes == ADMIN {
        too_late(&mut bench, operator);
    }
    comes_back(&mut bench);
}

#[rstest]
fn the_decision_may_come_before_the_refusal(#[values(ADMIN, PAIRING)] scopes: &[&str]) {
    let (mut bench, operator, node) = asking(scopes);
    decide(&mut bench, operator, &own_id(), "approved");
    bench.refuse_connect(node, not_paired("r-1"));
    assert!(
        bench.sent(operator, "device.pair.approve").is_empty(),
        "it is known to be approved"
    );
    comes_back(&mut bench);
}

#[rstest]
#[case::of_another_device("somebody-else".to_owned(), "approved")]
#[case::against_it(own_id(), "rejected")]
#[case::of_no_kind(own_id(), "expired")]
fn another_decision_restarts_nothing(#[case] device: String, #[case] decision: &str) {
    let (mut bench, operator, node) = asking(PAIRING);
    bench.refuse_connect(node, not_paired("r-1"));
    decide(&mut bench, operator, &device, decision);
    stays_away(&mut bench);
}

#[test]
fn the_own_approval_is_not_counted_twice() {
    let (mut bench, operator, node) = asking(ADMIN);
    bench.refuse_connect(node, not_paired("r-1"));
    decide(&mut bench, operator, &own_id(), "approved");
    bench.elapse(ms(300));
    bench.ok(operator, "device.pair.approve", json!({"requestId": "r-1"}));
    bench.elapse(ms(699));
    assert_eq!(bench.opened(Role::Node), 1);
    bench.elapse(ms(1));
    bench.complete(Role::Node, json!({"deviceToken": "n"}));
    bench.elapse(secs(20));
    assert_eq!(bench.opened(Role::Node), 2);
}

#[test]
fn a_node_that_waits_for_trust_in_its_commands_stays_connected() {
    let (mut bench, operator, node) = asking(PAIRING);
    bench.hello(node, json!({"deviceToken": "n"}));
    let requested = json!({"requestId": "r-2", "nodeId": own_id()});
    bench.event(node, "node.pair.requested", requested);
    decide(&mut bench, operator, &own_id(), "approved");
    bench.elapse(secs(20));
    assert!(bench.sockets[&node].live);
}

#[test]
fn the_list_tells_of_an_approval_whose_event_was_lost() {
    let (mut bench, operator, node) = asking(ADMIN);
    bench.refuse_connect(node, not_paired("r-1"));
    too_late(&mut bench, operator);
    list(&mut bench, operator, json!([]), &["operator", "node"]);
    comes_back(&mut bench);
}

#[rstest]
#[case::rejected_or_expired(json!([]), &["operator"])]
#[case::asked_again(json!([{"requestId": "r-1"}]), &["operator", "node"])]
fn a_request_that_is_gone_for_another_reason_is_not_asked_again(
    #[case] pending: Value,
    #[case] roles: &[&str],
) {
    let (mut bench, operator, node) = asking(ADMIN);
    bench.refuse_connect(node, not_paired("r-1"));
    too_late(&mut bench, operator);
    list(&mut bench, operator, pending, roles);
    stays_away(&mut bench);
}

#[test]
fn a_list_alone_restarts_nothing() {
    let (mut bench, operator, node) = asking(ADMIN);
    bench.refuse_connect(node, not_paired("r-1"));
    let error = json!({"code": "FORBIDDEN", "message": "missing scope: operator.admin"});
    bench.refuse(operator, "device.pair.approve", error);
    list(&mut bench, operator, json!([]), &["operator", "node"]);
    stays_away(&mut bench);
}
