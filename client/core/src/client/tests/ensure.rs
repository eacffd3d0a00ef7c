//! Waiting for the node, and what helpers may ask for: §14.1, §14.3.

use rstest::rstest;

use super::*;

fn paired() -> DurableState {
    disk(
        record(Some("s"), None),
        Some(identity(Some("o"), Some("n"))),
    )
}

/// How the last wish of this name ended; none while it runs.
fn ended(bench: &Bench, name: &str) -> Option<(IntentOutcome, Option<String>)> {
    bench.events.iter().rev().find_map(|event| match event {
        ClientEvent::IntentDone {
            intent,
            outcome,
            error,
            ..
        } if intent == name => Some((*outcome, error.clone())),
        _ => None,
    })
}

fn ensured(bench: &Bench) -> Option<(IntentOutcome, Option<String>)> {
    ended(bench, "ensure_node_connected")
}

#[test]
fn a_node_that_is_paired_is_ensured_at_once_and_not_restarted() {
    let mut bench = Bench::new(Policy::Hardened, paired());
    bench.ready();
    bench.intent(Intent::EnsureNodeConnected);
    assert_eq!(ensured(&bench), Some((IntentOutcome::Success, None)));
    assert_eq!(bench.opened(Role::Node), 1);
}

#[test]
fn ensuring_waits_for_the_pairing() {
    let mut bench = Bench::new(Policy::Hardened, paired());
    bench.intent(Intent::Connect);
    bench.complete(Role::Operator, admin("o"));
    bench.intent(Intent::EnsureNodeConnected);
    assert_eq!(ensured(&bench), None);
    bench.complete(Role::Node, json!({"deviceToken": "n"}));
    assert_eq!(ensured(&bench), Some((IntentOutcome::Success, None)));
}

#[rstest]
#[case::without_operator(false, "operator is not connected")]
#[case::too_late(true, "timed out after 35 s")]
fn ensuring_can_fail(#[case] operator: bool, #[case] why: &str) {
    let mut bench = Bench::new(Policy::Hardened, paired());
    if operator {
        bench.intent(Intent::Connect);
        bench.complete(Role::Operator, admin("o"));
    }
    bench.intent(Intent::EnsureNodeConnected);
    if operator {
        bench.elapse(ms(34_999));
        assert_eq!(ensured(&bench), None);
        bench.elapse(ms(1));
    }
    let expected = Some((IntentOutcome::ConnectionFailed, Some(why.to_owned())));
    assert_eq!(ensured(&bench), expected);
}

#[test]
fn a_refused_node_ends_the_wait_with_its_error() {
    let mut bench = Bench::new(Policy::Hardened, paired());
    bench.intent(Intent::Connect);
    bench.complete(Role::Operator, admin("o"));
    bench.intent(Intent::EnsureNodeConnected);
    let socket = bench.socket(Role::Node);
    bench.challenge(socket);
    bench.refuse_connect(
        socket,
        unauthorized("AUTH_RATE_LIMITED", "too many failed attempts"),
    );
    let (outcome, error) = ensured(&bench).unwrap();
    assert_eq!(outcome, IntentOutcome::ConnectionFailed);
    assert!(error.unwrap().contains("too many failed"));
}

#[test]
fn a_newer_lifecycle_supersedes_the_wait() {
    let mut bench = Bench::new(Policy::Hardened, paired());
    bench.intent(Intent::Connect);
    bench.complete(Role::Operator, admin("o"));
    bench.intent(Intent::EnsureNodeConnected);
    bench.intent(Intent::Reconnect);
    let error = ensured(&bench).unwrap().1.unwrap();
    assert!(error.contains("superseded"), "{error}");
}

#[rstest]
#[case::active("g", false, IntentOutcome::Success)]
#[case::another("h", false, IntentOutcome::ConnectionFailed)]
#[case::against_the_user("g", true, IntentOutcome::ConnectionFailed)]
fn a_helper_reconnects_only_what_the_user_wants(
    #[case] id: &str,
    #[case] disconnected: bool,
    #[case] outcome: IntentOutcome,
) {
    let mut bench = Bench::new(Policy::Hardened, paired());
    bench.ready();
    if disconnected {
        bench.intent(Intent::Disconnect);
    }
    let before = bench.opened(Role::Operator);
    bench.intent(Intent::ReconnectIfCurrent { id: id.into() });
    assert_eq!(ended(&bench, "reconnect_if_current").unwrap().0, outcome);
    let opened = usize::from(outcome == IntentOutcome::Success);
    assert_eq!(bench.opened(Role::Operator), before + opened);
    assert_eq!(bench.client.snapshot().user_disconnected, disconnected);
}
