//! Backoff, ends of sockets, watchdog: catalogue rows 111, 113, 209 to 214, 217; field bugs 23, 76, 77, 80, 90, 91.

use rstest::rstest;

use super::*;
use crate::backoff::DELAYS_MS;
use crate::{NodeState, OperatorState, OverallState};

fn shared() -> DurableState {
    disk(
        record(Some("s"), None),
        Some(identity(Some("o"), Some("n"))),
    )
}

#[test]
fn refused_connects_follow_the_delay_table() {
    let mut bench = Bench::new(Policy::Hardened, shared());
    bench.intent(Intent::Connect);
    for base in DELAYS_MS {
        let socket = bench.socket(Role::Operator);
        bench.end(socket, "refused".into());
        bench.input(Input::OpenFailed {
            socket,
            error: "connection refused".into(),
        });
        assert_eq!(
            bench.client.snapshot().operator.state,
            OperatorState::Connecting
        );
        let opened = bench.opened(Role::Operator);
        bench.elapse(ms(base - 1));
        assert_eq!(bench.opened(Role::Operator), opened, "not before {base} ms");
        bench.elapse(ms(base / 4 + 1));
        assert_eq!(
            bench.opened(Role::Operator),
            opened + 1,
            "within 25 % of {base} ms"
        );
    }
}

#[test]
fn only_hello_ok_resets_the_backoff() {
    let mut bench = Bench::new(Policy::Hardened, shared());
    bench.intent(Intent::Connect);
    for base in [1_000, 2_000, 4_000] {
        let socket = bench.socket(Role::Operator);
        bench.input(Input::Opened { socket });
        bench.closed(socket, 1006, "");
        bench.elapse(ms(base + base / 4));
    }
    let (socket, _) = bench.complete(Role::Operator, admin("o"));
    bench.closed(socket, 1012, "service restart");
    assert_eq!(
        bench.client.snapshot().operator.state,
        OperatorState::Connecting
    );
    bench.elapse(ms(1_250));
    assert_eq!(bench.opened(Role::Operator), 5);
}

#[test]
fn after_a_restart_both_roles_come_back_on_their_own_loops() {
    let mut bench = Bench::new(Policy::Hardened, shared());
    let (operator, node) = bench.ready();
    assert_eq!(bench.client.snapshot().overall_state, OverallState::Ready);
    let before = bench.client.durable().identities.clone();
    bench.closed(operator, 1012, "service restart");
    bench.closed(node, 1012, "service restart");
    assert_eq!(
        bench.client.snapshot().overall_state,
        OverallState::Connecting
    );
    bench.elapse(ms(1_250));
    let (operator, params) = bench.complete(Role::Operator, admin("op-token"));
    assert_eq!(auth_keys(&params), ["deviceToken"]);
    let (_, params) = bench.complete(Role::Node, json!({"deviceToken": "node-token"}));
    assert_eq!(auth_keys(&params), ["deviceToken"]);
    assert_eq!(bench.client.snapshot().overall_state, OverallState::Ready);
    assert_eq!(
        bench.opened(Role::Node),
        2,
        "the operator's hello starts no second node"
    );
    assert_eq!(bench.client.durable().identities, before);
    assert_eq!(bench.sent(operator, "connect").len(), 1);
}

#[test]
fn one_role_may_drop_alone() {
    let mut bench = Bench::new(Policy::Hardened, shared());
    let (operator, node) = bench.ready();
    bench.closed(node, 1006, "");
    assert_eq!(
        bench.client.snapshot().overall_state,
        OverallState::Connecting
    );
    assert!(bench.sockets[&operator].live);
    bench.elapse(ms(1_250));
    bench.complete(Role::Node, json!({"deviceToken": "node-token"}));
    bench.closed(operator, 1006, "");
    let snapshot = bench.client.snapshot();
    assert_eq!(
        (snapshot.overall_state, snapshot.node.state),
        (OverallState::Connecting, NodeState::Connected)
    );
}

#[test]
fn a_starting_gateway_is_asked_again_not_before_its_hint() {
    let mut bench = Bench::new(Policy::Hardened, shared());
    bench.intent(Intent::Connect);
    let socket = bench.socket(Role::Operator);
    bench.challenge(socket);
    let starting = json!({"code": "UNAVAILABLE", "message": "gateway starting; retry shortly", "retryable": true,
        "retryAfterMs": 5000, "details": {"reason": "startup-sidecars"}});
    bench.refuse(socket, "connect", starting);
    bench.closed(socket, 1013, "gateway starting");
    bench.elapse(ms(4_999));
    assert_eq!(bench.opened(Role::Operator), 1);
    bench.elapse(ms(1));
    assert_eq!(bench.opened(Role::Operator), 2);
    assert_eq!(bench.stored_token(Role::Operator), Some("o"));
}

#[rstest]
#[case(Policy::Hardened, 2)]
#[case(Policy::Pr741, 1)]
fn a_half_open_connection_is_given_up_after_two_ticks(
    #[case] policy: Policy,
    #[case] sockets: usize,
) {
    let mut bench = Bench::new(policy, shared());
    let (operator, node) = bench.ready();
    bench.elapse(secs(59));
    bench.event(operator, "tick", json!({"ts": 1}));
    bench.event(node, "tick", json!({"ts": 1}));
    bench.elapse(secs(59));
    assert!(bench.sockets[&operator].live);
    bench.elapse(secs(4));
    assert_eq!(bench.opened(Role::Operator), sockets);
    assert_eq!(bench.sockets[&operator].live, policy == Policy::Pr741);
}

#[test]
fn a_dial_that_finishes_too_late_closes_itself() {
    let mut bench = Bench::new(Policy::Hardened, shared());
    bench.intent(Intent::Connect);
    let first = bench.socket(Role::Operator);
    bench.intent(Intent::Reconnect);
    let second = bench.socket(Role::Operator);
    bench.challenge(second);
    bench.input(Input::Opened { socket: first });
    bench.event(first, "connect.challenge", json!({"nonce": "n", "ts": 1}));
    assert!(bench.sent(first, "connect").is_empty());
    bench.closed(first, 1006, "");
    assert!(bench.sockets[&second].live);
    assert_eq!(
        bench.client.snapshot().operator.state,
        OperatorState::Connecting
    );
}

#[test]
fn a_superseded_loop_leaves_the_newer_socket_alone() {
    let mut bench = Bench::new(Policy::Hardened, shared());
    bench.intent(Intent::Connect);
    let first = bench.socket(Role::Operator);
    bench.closed(first, 1006, "");
    bench.intent(Intent::Reconnect);
    let (second, _) = bench.complete(Role::Operator, admin("o"));
    bench.elapse(secs(20));
    assert!(bench.sockets[&second].live);
    assert_eq!(bench.opened(Role::Operator), 2);
}

#[test]
fn a_user_who_disconnects_stays_disconnected() {
    let mut bench = Bench::new(Policy::Hardened, shared());
    bench.ready();
    bench.intent(Intent::Disconnect);
    bench.elapse(secs(600));
    assert_eq!(
        bench.live_sockets(Role::Operator) + bench.live_sockets(Role::Node),
        0
    );
    let snapshot = bench.client.snapshot();
    assert_eq!(
        (snapshot.overall_state, snapshot.user_disconnected),
        (OverallState::Idle, true)
    );
    assert_eq!(bench.client.wake_at(), None);
    bench.intent(Intent::Connect);
    assert_eq!(bench.live_sockets(Role::Operator), 1);
}

#[test]
fn a_message_over_the_limit_closes_with_1009() {
    let mut bench = Bench::new(Policy::Hardened, shared());
    let (operator, _) = bench.ready();
    let huge = "x".repeat(gateway_protocol::limits::CLIENT_INBOUND_CHARS + 1);
    bench.input(Input::Message {
        socket: operator,
        message: Inbound::Text(huge),
    });
    assert_eq!(
        bench.sockets[&operator].ended.as_deref(),
        Some("1009 message too large")
    );
    bench.elapse(ms(1_250));
    assert_eq!(bench.opened(Role::Operator), 2);
}

/// A dial that nobody answers: field-bugs.md 88.
#[rstest]
#[case::hardened(Policy::Hardened, 20_000, 2)]
#[case::not_sooner(Policy::Hardened, 19_999, 1)]
#[case::pr741_waits(Policy::Pr741, 600_000, 1)]
fn a_dial_without_an_answer_is_given_up(
    #[case] policy: Policy,
    #[case] silent_ms: u64,
    #[case] dials: usize,
) {
    let mut bench = Bench::new(policy, shared());
    bench.intent(Intent::Connect);
    let first = bench.socket(Role::Operator);
    bench.elapse(ms(silent_ms));
    if dials > 1 {
        let snapshot = bench.client.snapshot();
        let error = snapshot.operator.error.unwrap_or_default();
        assert!(error.starts_with("timed out"), "{error}");
        assert!(bench.sockets[&first].ended.is_some());
        bench.elapse(ms(1_250));
    }
    assert_eq!(bench.opened(Role::Operator), dials);
    // What answers after that is nobody's any more.
    if dials > 1 {
        bench.input(Input::Opened { socket: first });
        assert_eq!(bench.opened(Role::Operator), dials);
    }
}

#[test]
fn a_client_that_is_reseeded_goes_on_like_one_of_that_seed() {
    let fail = |bench: &mut Bench| {
        let socket = bench.socket(Role::Operator);
        bench.input(Input::OpenFailed {
            socket,
            error: "connection refused".into(),
        });
    };
    let begun = |seed| {
        let options = ClientOptions {
            seed,
            ..ClientOptions::default()
        };
        let mut bench = Bench::with(options, shared());
        bench.intent(Intent::Connect);
        fail(&mut bench);
        bench
    };
    let (mut one, mut other) = (begun(1), begun(2));
    assert_ne!(one.client.wake_at(), other.client.wake_at());
    other.client.reseed(1);
    // The delay that is running, and those that are drawn later.
    for _attempt in 0..4 {
        assert_eq!(one.client.wake_at(), other.client.wake_at());
        for bench in [&mut one, &mut other] {
            bench.elapse(secs(40));
            fail(bench);
        }
    }
}
