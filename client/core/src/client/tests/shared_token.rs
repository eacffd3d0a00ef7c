//! Shared tokens, validated first: catalogue rows 013, 015, 042 to 049, 115.

use rstest::rstest;

use super::*;

const URL: &str = "ws://gateway.example:18789";

fn connect(token: &str) -> Intent {
    Intent::ConnectSharedToken {
        url: URL.to_owned(),
        token: token.to_owned(),
        ssh_tunnel: None,
    }
}

fn paired(policy: Policy) -> Bench {
    let mut bench = Bench::new(
        policy,
        disk(
            record(Some("s"), Some("stale")),
            Some(identity(Some("o"), Some("n"))),
        ),
    );
    bench.ready();
    bench
}

#[rstest]
#[case(Policy::Hardened, "deviceToken")]
#[case(Policy::Pr741, "token")]
fn a_good_token_is_validated_before_the_old_connection_ends(
    #[case] policy: Policy,
    #[case] key: &str,
) {
    let mut bench = paired(policy);
    let old = bench.socket(Role::Operator);
    bench.intent(connect("fresh"));
    let validation = bench.socket(Role::Operator);
    assert_ne!(validation, old);
    let params = bench.challenge(validation);
    assert_eq!(params["auth"], json!({"token": "fresh"}));
    assert_eq!(
        params["scopes"],
        json!(["operator.admin", "operator.pairing"])
    );
    assert!(bench.sockets[&old].live);
    bench.hello(validation, json!({"role": "operator", "scopes": []}));
    assert_eq!(
        bench.sockets[&validation].ended.as_deref(),
        Some("1000 Disconnecting")
    );
    assert!(!bench.sockets[&old].live);
    assert_eq!(bench.outcome(), (IntentOutcome::Success, None));
    assert_eq!(bench.stored_record().usable_shared_token(), Some("fresh"));
    assert_eq!(bench.stored_record().bootstrap_token, None);
    let socket = bench.socket(Role::Operator);
    assert_eq!(auth_keys(&bench.challenge(socket)), [key]);
    assert_eq!(
        bench.stored_token(Role::Node).is_some(),
        policy == Policy::Hardened
    );
}

#[test]
fn a_validation_issues_no_tokens_to_the_hardened_client() {
    let mut bench = paired(Policy::Hardened);
    bench.intent(connect("fresh"));
    let validation = bench.socket(Role::Operator);
    bench.challenge(validation);
    bench.hello(validation, admin("issued-by-validation"));
    assert_eq!(bench.stored_token(Role::Operator), Some("op-token"));
}

#[rstest]
#[case::refused(|bench: &mut Bench, socket| {
    bench.challenge(socket);
    bench.refuse_connect(socket, unauthorized("AUTH_TOKEN_MISMATCH", "unauthorized: gateway token mismatch"));
}, "unauthorized: gateway token mismatch")]
#[case::closed_after_the_challenge(|bench: &mut Bench, socket| {
    bench.challenge(socket);
    bench.closed(socket, 1006, "");
}, "Shared token validation failed")]
#[case::pairing_required(|bench: &mut Bench, socket| {
    bench.challenge(socket);
    bench.refuse_connect(socket, not_paired("r-1"));
}, "Shared token validation failed")]
#[case::unreachable(|bench: &mut Bench, socket| {
    bench.input(Input::OpenFailed { socket, error: "refused".into() });
}, "Shared token validation failed")]
#[case::silent(|bench: &mut Bench, socket| {
    bench.input(Input::Opened { socket });
    bench.elapse(secs(15));
}, "Timed out validating shared gateway token")]
fn a_failed_validation_changes_nothing(
    #[case] fail: fn(&mut Bench, SocketId),
    #[case] error: &str,
) {
    let mut bench = paired(Policy::Hardened);
    let old = bench.socket(Role::Operator);
    let before = bench.client.durable().clone();
    bench.intent(connect("bad"));
    let validation = bench.socket(Role::Operator);
    fail(&mut bench, validation);
    assert_eq!(
        bench.outcome(),
        (IntentOutcome::ConnectionFailed, Some(error.to_owned()))
    );
    assert!(bench.sockets[&old].live);
    assert!(bench.client.snapshot().is_fully_connected());
    assert_eq!(*bench.client.durable(), before);
}

#[test]
fn a_validation_waits_15_seconds_and_not_less() {
    let mut bench = paired(Policy::Hardened);
    bench.intent(connect("slow"));
    bench.elapse(ms(14_999));
    assert!(bench.client.snapshot().busy);
    bench.elapse(ms(1));
    assert!(!bench.client.snapshot().busy);
}

#[test]
fn a_fresh_gateway_needs_no_validation() {
    let mut bench = Bench::new(Policy::Hardened, DurableState::default());
    bench.intent(connect("s"));
    assert_eq!(bench.opened(Role::Operator), 1);
    let socket = bench.socket(Role::Operator);
    assert_eq!(bench.challenge(socket)["auth"], json!({"token": "s"}));
    assert_eq!(bench.client.durable().registry.gateways.len(), 1);
}

#[test]
fn a_bad_url_is_refused() {
    let mut bench = paired(Policy::Hardened);
    bench.intent(Intent::ConnectSharedToken {
        url: "gateway".into(),
        token: "t".into(),
        ssh_tunnel: None,
    });
    assert_eq!(bench.outcome().0, IntentOutcome::InvalidUrl);
    assert!(bench.client.snapshot().is_fully_connected());
}

/// Whoever edits the record wants no other credential; only a connect with a token replaces one. ref: §16
#[rstest]
fn an_edit_of_the_shared_token_leaves_the_pairing_alone(
    #[values(Policy::Hardened, Policy::Pr741)] policy: Policy,
) {
    let mut bench = paired(policy);
    let socket = bench.socket(Role::Operator);
    let edited = record(Some("fresh"), None);
    bench.intent(Intent::AddGateway {
        record: Box::new(edited),
    });
    assert_eq!(bench.outcome(), (IntentOutcome::Success, None));
    assert!(bench.sockets[&socket].live);
    let tokens = |bench: &Bench| Role::ALL.map(|role| bench.stored_token(role).is_some());
    assert_eq!(tokens(&bench), [true, true]);
    assert_eq!(bench.stored_record().usable_shared_token(), Some("fresh"));
    bench.intent(Intent::Reconnect);
    let socket = bench.socket(Role::Operator);
    assert_eq!(auth_keys(&bench.challenge(socket)), ["deviceToken"]);

    bench.intent(connect("fresh"));
    let validation = bench.socket(Role::Operator);
    bench.challenge(validation);
    bench.hello(validation, json!({"role": "operator", "scopes": []}));
    let kept = policy == Policy::Hardened;
    assert_eq!(tokens(&bench), [kept, kept]);
}
