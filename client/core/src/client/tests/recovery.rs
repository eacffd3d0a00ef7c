//! A device token that no longer fits: catalogue rows 094 to 097, 112, 199, 218, 219; field bugs 19, 20, 23, 28.

use rstest::rstest;

use super::*;
use crate::{ErrorKind, NodeState, OperatorState};

fn mismatch() -> Value {
    unauthorized(
        "AUTH_DEVICE_TOKEN_MISMATCH",
        "unauthorized: device token mismatch (rotate/reissue device token)",
    )
}

fn local(shared: Option<&str>, bootstrap: Option<&str>) -> DurableState {
    let mut record = record(shared, bootstrap);
    record.url = "ws://127.0.0.1:18789".into();
    record.is_local = true;
    disk(record, Some(identity(Some("old"), Some("node"))))
}

fn refuse_operator(bench: &mut Bench, error: Value) -> Value {
    let socket = bench.socket(Role::Operator);
    let params = bench.challenge(socket);
    bench.refuse_connect(socket, error);
    params
}

#[rstest]
#[case::both(Policy::Hardened, Some("s"), Some("b"), json!({"token": "s"}))]
#[case::bootstrap(Policy::Hardened, None, Some("b"), json!({"bootstrapToken": "b"}))]
#[case::older(Policy::Pr741, Some("s"), Some("b"), json!({"token": "s"}))]
fn a_refused_operator_token_is_cleared_once(
    #[case] policy: Policy,
    #[case] shared: Option<&str>,
    #[case] bootstrap: Option<&str>,
    #[case] auth: Value,
) {
    let mut bench = Bench::new(policy, local(shared, bootstrap));
    bench.intent(Intent::Connect);
    assert_eq!(
        refuse_operator(&mut bench, mismatch())["auth"],
        json!({"deviceToken": "old"})
    );
    assert_eq!(
        (
            bench.stored_token(Role::Operator),
            bench.stored_token(Role::Node)
        ),
        (None, Some("node"))
    );
    bench.elapse(ms(199));
    assert_eq!(bench.opened(Role::Operator), 1);
    bench.elapse(ms(1));
    assert_eq!(refuse_operator(&mut bench, mismatch())["auth"], auth);
    bench.elapse(secs(600));
    assert_eq!(
        bench.opened(Role::Operator),
        2,
        "no loop, no second recovery"
    );
    assert_eq!(bench.client.snapshot().operator.state, OperatorState::Error);
    assert_eq!(bench.stored_token(Role::Node), Some("node"));
}

#[test]
fn after_a_success_the_role_may_recover_again() {
    let mut bench = Bench::new(Policy::Hardened, local(Some("s"), None));
    bench.intent(Intent::Connect);
    refuse_operator(&mut bench, mismatch());
    bench.elapse(ms(200));
    let (socket, _) = bench.complete(Role::Operator, admin("new"));
    bench.closed(socket, 4001, "device removed");
    bench.elapse(ms(1_250));
    refuse_operator(&mut bench, mismatch());
    bench.elapse(ms(200));
    let socket = bench.socket(Role::Operator);
    assert_eq!(bench.challenge(socket)["auth"], json!({"token": "s"}));
}

#[rstest]
#[case::plain_remote(Policy::Hardened, "ws://gateway.example:1", false)]
#[case::tls_remote(Policy::Hardened, "wss://gateway.example:1", true)]
#[case::loopback(Policy::Hardened, "ws://127.0.0.1:1", true)]
#[case::older_client_goes_anywhere(Policy::Pr741, "ws://gateway.example:1", true)]
fn only_a_safe_endpoint_gets_the_fallback(
    #[case] policy: Policy,
    #[case] url: &str,
    #[case] recovers: bool,
) {
    let mut record = record(Some("s"), Some("b"));
    record.url = url.into();
    let mut bench = Bench::new(policy, disk(record, Some(identity(Some("old"), None))));
    bench.intent(Intent::Connect);
    refuse_operator(&mut bench, mismatch());
    bench.elapse(secs(5));
    assert_eq!(bench.opened(Role::Operator) == 2, recovers);
    assert_eq!(
        bench.stored_token(Role::Operator).is_none(),
        recovers,
        "nothing is cleared without a recovery"
    );
}

#[rstest]
#[case(Policy::Hardened, true)]
#[case(Policy::Pr741, false)]
fn the_older_client_needs_a_bootstrap_token_to_recover(
    #[case] policy: Policy,
    #[case] recovers: bool,
) {
    let mut bench = Bench::new(policy, local(Some("s"), None));
    bench.intent(Intent::Connect);
    refuse_operator(&mut bench, mismatch());
    bench.elapse(secs(5));
    assert_eq!(bench.opened(Role::Operator) == 2, recovers);
}

#[rstest]
#[case::code(unauthorized("AUTH_TOKEN_MISMATCH", "unauthorized: gateway token mismatch"))]
#[case::legacy_text(json!({"message": "device token mismatch"}))]
fn an_error_about_the_shared_token_never_clears_a_device_token(#[case] error: Value) {
    let mut record = record(Some("s"), Some("b"));
    record.url = "ws://127.0.0.1:18789".into();
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record, Some(identity(None, Some("node")))),
    );
    bench.intent(Intent::Connect);
    let before = bench.client.durable().identities.clone();
    assert_eq!(
        refuse_operator(&mut bench, error)["auth"],
        json!({"token": "s"})
    );
    bench.elapse(secs(60));
    assert_eq!(bench.client.durable().identities, before);
    assert_eq!(bench.opened(Role::Operator), 1);
}

#[test]
fn a_removed_device_walks_the_chain_once_and_ends_in_pairing() {
    let mut bench = Bench::new(Policy::Hardened, local(Some("s"), None));
    let (operator, _) = bench.ready();
    let device = bench.client.snapshot().operator.device_id;
    bench.closed(operator, 4001, "device removed");
    bench.elapse(ms(1_250));
    refuse_operator(&mut bench, mismatch());
    bench.elapse(ms(200));
    let socket = bench.socket(Role::Operator);
    assert_eq!(bench.challenge(socket)["auth"], json!({"token": "s"}));
    bench.refuse_connect(socket, not_paired("r-1"));
    let snapshot = bench.client.snapshot();
    assert_eq!(snapshot.operator.state, OperatorState::PairingRequired);
    assert_eq!(snapshot.operator.pairing_request_id.as_deref(), Some("r-1"));
    assert_eq!(snapshot.operator.device_id, device, "the key stays");
}

#[test]
fn the_node_recovers_alone_and_once() {
    let mut bench = Bench::new(Policy::Hardened, local(Some("s"), None));
    bench.intent(Intent::Connect);
    let (operator, _) = bench.complete(Role::Operator, admin("o"));
    let node = bench.socket(Role::Node);
    bench.challenge(node);
    bench.refuse_connect(node, mismatch());
    assert_eq!(
        (
            bench.stored_token(Role::Operator),
            bench.stored_token(Role::Node)
        ),
        (Some("o"), None)
    );
    bench.elapse(ms(200));
    let node = bench.socket(Role::Node);
    assert_eq!(bench.challenge(node)["auth"], json!({"token": "s"}));
    bench.refuse_connect(node, mismatch());
    bench.elapse(secs(20));
    assert_eq!(bench.opened(Role::Node), 2);
    assert!(bench.sockets[&operator].live);
    let snapshot = bench.client.snapshot();
    assert_eq!(
        (snapshot.node.state, snapshot.node.error_kind),
        (NodeState::Error, Some(ErrorKind::DeviceTokenMismatch))
    );
}

#[test]
fn the_older_node_stops_at_a_mismatch() {
    let mut bench = Bench::new(Policy::Pr741, local(Some("s"), Some("b")));
    bench.intent(Intent::Connect);
    bench.complete(Role::Operator, admin("o"));
    let node = bench.socket(Role::Node);
    bench.challenge(node);
    bench.refuse_connect(node, mismatch());
    bench.elapse(ms(150));
    assert_eq!(bench.opened(Role::Node), 1);
    assert_eq!(bench.stored_token(Role::Node), Some("node"));
}

#[test]
fn a_failed_node_is_started_again_by_the_next_operator_hello() {
    let mut bench = Bench::new(Policy::Hardened, local(Some("s"), None));
    bench.intent(Intent::Connect);
    let (operator, _) = bench.complete(Role::Operator, admin("o"));
    let node = bench.socket(Role::Node);
    bench.challenge(node);
    bench.refuse_connect(
        node,
        unauthorized("AUTH_TOKEN_MISMATCH", "gateway token mismatch"),
    );
    bench.elapse(secs(30));
    assert_eq!(bench.opened(Role::Node), 1);
    bench.closed(operator, 1012, "service restart");
    bench.elapse(ms(1_250));
    bench.complete(Role::Operator, admin("o"));
    assert_eq!(bench.opened(Role::Node), 2);
}
