//! No strong credential for a stranger on a managed port: catalogue rows 136, 138 to 144, 211.

use rstest::rstest;

use super::*;
use crate::{EndpointOwner, ErrorKind, NodeState, OperatorState};

fn managed(tokens: Option<&str>) -> DurableState {
    let mut record = record(Some("s"), None);
    record.url = "ws://127.0.0.1:18789".into();
    record.is_local = true;
    record.setup_managed_distro_name = Some("OpenClaw".into());
    disk(record, Some(identity(tokens, None)))
}

fn bench(policy: Policy, owner: Option<EndpointOwner>, tokens: Option<&str>) -> Bench {
    let options = ClientOptions {
        policy,
        probes_owners: true,
        ..ClientOptions::default()
    };
    let mut bench = Bench::with(options, managed(tokens));
    if let Some(owner) = owner {
        bench.input(Input::EndpointOwner {
            gateway_id: "g".into(),
            owner,
        });
    }
    bench
}

const EXPECTED: EndpointOwner = EndpointOwner::Expected { proof: 1 };

#[rstest]
#[case::expected(Some(EXPECTED), None)]
#[case::nobody(Some(EndpointOwner::NoListener), Some((ErrorKind::Network, "not listening yet")))]
#[case::stranger(Some(EndpointOwner::Foreign), Some((ErrorKind::LocalPortConflict, "did not send the shared or bootstrap token")))]
#[case::unproven(None, Some((ErrorKind::LocalPortConflict, "did not send the shared or bootstrap token")))]
fn a_strong_credential_needs_a_proven_owner(
    #[case] owner: Option<EndpointOwner>,
    #[case] error: Option<(ErrorKind, &str)>,
) {
    let mut bench = bench(Policy::Hardened, owner, None);
    bench.intent(Intent::Connect);
    assert_eq!(bench.sockets.is_empty(), error.is_some());
    if let Some((kind, text)) = error {
        let operator = bench.client.snapshot().operator;
        assert_eq!(
            (operator.state, operator.error_kind),
            (OperatorState::Error, Some(kind))
        );
        assert!(operator.error.unwrap().contains(text));
    }
}

#[rstest]
#[case::device_token(Policy::Hardened, Some("d"))]
#[case::older_client(Policy::Pr741, None)]
fn some_connects_are_not_gated(#[case] policy: Policy, #[case] tokens: Option<&str>) {
    let mut bench = bench(policy, Some(EndpointOwner::Foreign), tokens);
    bench.intent(Intent::Connect);
    assert_eq!(bench.opened(Role::Operator), 1);
}

#[test]
fn a_node_that_would_fall_back_to_the_shared_token_is_blocked() {
    let mut bench = bench(Policy::Hardened, Some(EndpointOwner::Foreign), Some("d"));
    bench.intent(Intent::Connect);
    bench.complete(Role::Operator, admin("d"));
    assert_eq!(bench.opened(Role::Node), 0);
    assert_eq!(bench.client.snapshot().node.state, NodeState::Error);
}

#[rstest]
#[case(EndpointOwner::Foreign)]
#[case(EndpointOwner::Expected { proof: 2 })]
fn an_owner_that_changes_before_the_challenge_gets_no_connect_frame(#[case] owner: EndpointOwner) {
    let mut bench = bench(Policy::Hardened, Some(EXPECTED), None);
    bench.intent(Intent::Connect);
    let socket = bench.socket(Role::Operator);
    bench.input(Input::Opened { socket });
    bench.input(Input::EndpointOwner {
        gateway_id: "g".into(),
        owner,
    });
    for _ in 0..2 {
        bench.event(socket, "connect.challenge", json!({"nonce": "n", "ts": 1}));
    }
    assert!(bench.sent(socket, "connect").is_empty());
    assert_eq!(bench.sockets[&socket].ended.as_deref(), Some("abort"));
    bench.elapse(ms(1_250));
    assert_eq!(
        bench.opened(Role::Operator),
        1,
        "the loop asks the gate again and ends"
    );
    assert_eq!(bench.client.snapshot().operator.state, OperatorState::Error);
    bench.elapse(secs(100));
    assert_eq!(bench.opened(Role::Operator), 1);
}

#[rstest]
#[case("AUTH_DEVICE_TOKEN_MISMATCH")]
#[case("AUTH_TOKEN_MISMATCH")]
fn a_strangers_token_error_clears_nothing(#[case] code: &str) {
    let mut bench = bench(Policy::Hardened, Some(EndpointOwner::Foreign), Some("d"));
    bench.intent(Intent::Connect);
    let socket = bench.socket(Role::Operator);
    bench.challenge(socket);
    bench.refuse_connect(socket, unauthorized(code, "no"));
    bench.elapse(secs(5));
    assert_eq!(
        bench.client.snapshot().operator.error_kind,
        Some(ErrorKind::LocalPortConflict)
    );
    assert_eq!(
        (
            bench.stored_token(Role::Operator),
            bench.opened(Role::Operator)
        ),
        (Some("d"), 1)
    );
}

#[test]
fn a_validation_is_gated_as_well() {
    let mut bench = bench(Policy::Hardened, Some(EndpointOwner::Foreign), Some("d"));
    bench.intent(Intent::Connect);
    bench.intent(Intent::ConnectSharedToken {
        url: "ws://localhost:18789".into(),
        token: "t".into(),
        ssh_tunnel: None,
    });
    assert_eq!(bench.outcome().0, IntentOutcome::ConnectionFailed);
    assert_eq!(bench.opened(Role::Operator), 1);
}

/// A finding and the deadline that asks for it come in one moment, and the finding counts.
#[test]
fn a_finding_comes_before_the_attempt_that_is_due_with_it() {
    let mut bench = bench(Policy::Hardened, Some(EXPECTED), None);
    bench.intent(Intent::Connect);
    let socket = bench.socket(Role::Operator);
    bench.input(Input::OpenFailed {
        socket,
        error: "refused".into(),
    });
    let at = bench.client.wake_at().unwrap();
    let now = Now::at(at, EPOCH);
    assert_eq!(
        bench.client.looks_at_deadline(at).len(),
        1,
        "an attempt is due"
    );
    bench.client.hold_attempts(true);
    assert!(
        bench.client.looks_at_deadline(at).is_empty(),
        "once is enough"
    );
    assert!(
        bench.client.wake_at().is_none_or(|next| next > at),
        "a held deadline wakes nobody"
    );
    bench.client.handle(now, Input::Woke);
    let is_open = |it: &Output| matches!(it, Output::Open { .. });
    assert!(!std::iter::from_fn(|| bench.client.poll()).any(|it| is_open(&it)));
    bench.client.hold_attempts(false);
    assert_eq!(bench.client.wake_at(), Some(at));
    let owner = EndpointOwner::Foreign;
    let gateway_id = "g".to_owned();
    bench
        .client
        .handle(now, Input::EndpointOwner { gateway_id, owner });
    bench.client.handle(now, Input::Woke);
    assert!(!std::iter::from_fn(|| bench.client.poll()).any(|it| is_open(&it)));
}

#[test]
fn it_is_looked_before_a_connect_an_attempt_and_a_challenge_and_not_else() {
    let mut bench = bench(Policy::Hardened, Some(EXPECTED), None);
    let looks = |bench: &Bench, input: Input| {
        let found = bench.client.looks_before(&input);
        found.first().map(|it| (it.distro.clone(), it.port))
    };
    let wanted = Some(("OpenClaw".to_owned(), 18_789));
    assert_eq!(looks(&bench, Input::User(Intent::Connect)), wanted);
    assert_eq!(looks(&bench, Input::User(Intent::RefreshPending)), None);
    bench.intent(Intent::Connect);
    let socket = bench.socket(Role::Operator);
    bench.input(Input::Opened { socket });
    let message = || Inbound::Text("{}".into());
    let said = |socket| Input::Message {
        socket,
        message: message(),
    };
    assert_eq!(looks(&bench, said(socket)), wanted);
    assert_eq!(looks(&bench, Input::Woke), None);
    bench.challenge(socket);
    assert_eq!(looks(&bench, said(socket)), None, "the frame has left");
}

#[rstest]
#[case::no_probe(false, Policy::Hardened)]
#[case::older_client(true, Policy::Pr741)]
fn nobody_looks_for_nothing(#[case] probes_owners: bool, #[case] policy: Policy) {
    let options = ClientOptions {
        policy,
        probes_owners,
        ..ClientOptions::default()
    };
    let bench = Bench::with(options, managed(None));
    let connect = Input::User(Intent::Connect);
    assert_eq!(bench.client.looks_before(&connect), []);
}
