//! Which credential, which scopes, which signature: catalogue rows 029 to 034, 067 to 069, 184 to 188, 207.

use rstest::rstest;

use super::*;
use crate::{ErrorKind, NodeState, OperatorState, OverallState};

fn first_connect(policy: Policy, state: DurableState) -> (Bench, Value) {
    let mut bench = Bench::new(policy, state);
    bench.intent(Intent::Connect);
    let socket = bench.socket(Role::Operator);
    let params = bench.challenge(socket);
    (bench, params)
}

#[rstest]
#[case::device_token(Some("s"), Some("b"), Some("d"), "deviceToken", "d")]
#[case::shared(Some("s"), Some("b"), None, "token", "s")]
#[case::bootstrap(None, Some("b"), None, "bootstrapToken", "b")]
#[case::blank_is_absent(Some("  "), Some("b"), None, "bootstrapToken", "b")]
fn the_strongest_stored_credential_is_sent_alone(
    #[values(Policy::Pr741, Policy::Hardened)] policy: Policy,
    #[case] shared: Option<&str>,
    #[case] bootstrap: Option<&str>,
    #[case] token: Option<&str>,
    #[case] key: &str,
    #[case] value: &str,
) {
    let (_, params) = first_connect(
        policy,
        disk(record(shared, bootstrap), Some(identity(token, None))),
    );
    assert_eq!(auth_keys(&params), [key]);
    assert_eq!(params["auth"][key], value);
    assert_eq!(params["role"], "operator");
}

#[test]
fn a_node_prefers_its_own_device_token() {
    let state = disk(
        record(Some("s"), Some("b")),
        Some(identity(Some("o"), Some("n"))),
    );
    let mut bench = Bench::new(Policy::Hardened, state);
    bench.intent(Intent::Connect);
    bench.complete(Role::Operator, admin("o"));
    let node = bench.socket(Role::Node);
    let params = bench.challenge(node);
    assert_eq!(params["auth"], json!({"deviceToken": "n"}));
    assert_eq!(params["scopes"], json!([]));
    assert_eq!(params["commands"].as_array().unwrap().len(), 30);
}

#[test]
fn without_a_credential_no_socket_opens() {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record(None, None), Some(identity(None, None))),
    );
    bench.intent(Intent::Connect);
    assert!(bench.sockets.is_empty());
    let snapshot = bench.client.snapshot();
    assert_eq!(snapshot.operator.state, OperatorState::Error);
    assert!(snapshot.operator.error.unwrap().contains("credential"));
    assert_eq!(bench.outcome().0, IntentOutcome::ConnectionFailed);
}

#[test]
fn a_damaged_identity_fails_closed() {
    let mut state = disk(record(Some("s"), None), None);
    state
        .damaged
        .insert("g".into(), crate::IdentityDamage::Corrupt("x".into()));
    let mut bench = Bench::new(Policy::Hardened, state);
    bench.intent(Intent::Connect);
    assert!(bench.sockets.is_empty());
    assert!(
        bench.ops.is_empty(),
        "nothing is written over a damaged file"
    );
    assert!(
        bench
            .client
            .snapshot()
            .operator
            .error
            .unwrap()
            .starts_with("Device identity could not be loaded or saved.")
    );
}

#[rstest]
#[case::fresh(None, None, json!(["operator.admin", "operator.pairing"]))]
#[case::without_stored_scopes(Some("d"), None, json!(["operator.admin", "operator.pairing"]))]
#[case::with_stored_scopes(Some("d"), Some(vec!["operator.read", "operator.write"]), json!(["operator.read", "operator.write"]))]
fn the_operator_asks_for_the_documented_scopes(
    #[case] token: Option<&str>,
    #[case] scopes: Option<Vec<&str>>,
    #[case] expected: Value,
) {
    let mut identity = identity(None, None);
    let scopes = scopes.map(|it| it.into_iter().map(str::to_owned).collect());
    identity.set_token(Role::Operator, token.map(DeviceToken::new), scopes);
    let (_, params) = first_connect(
        Policy::Hardened,
        disk(record(Some("s"), None), Some(identity)),
    );
    assert_eq!(params["scopes"], expected);
}

fn signature_version(params: &Value) -> Option<gateway_protocol::SignatureVersion> {
    let params: gateway_protocol::ConnectParams = serde_json::from_value(params.clone()).unwrap();
    let device = params.device.as_ref().unwrap();
    let key = gateway_protocol::PublicKey::parse(&device.public_key).unwrap();
    assert_eq!(key.device_id().as_str(), device.id);
    params
        .signature_payload()
        .unwrap()
        .verify(key, device.signature.as_ref().unwrap())
}

use gateway_protocol::SignatureVersion::{V2, V3};

#[rstest]
#[case::remote(|_: &mut GatewayRecord| {}, Some("s"), V3)]
#[case::local(|r: &mut GatewayRecord| r.is_local = true, Some("s"), V2)]
#[case::sticky(|r: &mut GatewayRecord| r.requires_v2_signature = true, Some("s"), V2)]
#[case::bootstrap(|_: &mut GatewayRecord| {}, None, V2)]
fn the_first_signature_has_the_documented_version(
    #[case] change: fn(&mut GatewayRecord),
    #[case] shared: Option<&str>,
    #[case] expected: gateway_protocol::SignatureVersion,
) {
    let mut record = record(shared, Some("b"));
    change(&mut record);
    let (_, params) = first_connect(Policy::Hardened, disk(record, Some(identity(None, None))));
    assert_eq!(signature_version(&params), Some(expected));
}

#[rstest]
#[case(Policy::Hardened, CHALLENGE_TS)]
#[case(Policy::Pr741, EPOCH.0)]
fn signed_at_is_the_challenges_time_or_the_local_clock(
    #[case] policy: Policy,
    #[case] expected: i64,
) {
    let mut bench = Bench::new(
        policy,
        disk(record(Some("s"), None), Some(identity(None, None))),
    );
    bench.intent(Intent::Connect);
    let (_, operator) = bench.complete(Role::Operator, admin("o"));
    let node = bench.socket(Role::Node);
    let node = bench.challenge(node);
    assert_eq!(operator["device"]["signedAt"], expected);
    assert_eq!(node["device"]["signedAt"], expected);
}

#[test]
fn a_refused_v3_signature_falls_back_once_and_sticks() {
    let (mut bench, params) = first_connect(
        Policy::Hardened,
        disk(record(Some("s"), None), Some(identity(None, None))),
    );
    assert_eq!(signature_version(&params), Some(V3));
    let first = bench.socket(Role::Operator);
    let invalid = unauthorized("DEVICE_AUTH_SIGNATURE_INVALID", "device signature invalid");
    bench.refuse(first, "connect", invalid.clone());
    assert_eq!(
        bench.sent(first, "connect").len(),
        1,
        "no retry on this socket"
    );
    bench.closed(first, 1008, "device signature invalid");
    assert!(bench.stored_record().requires_v2_signature);
    bench.elapse(secs(2));
    let second = bench.socket(Role::Operator);
    let params = bench.challenge(second);
    assert_eq!(signature_version(&params), Some(V2));
    bench.refuse_connect(second, invalid);
    bench.elapse(secs(600));
    assert_eq!(bench.opened(Role::Operator), 2, "terminal on v2");
    assert_eq!(bench.client.snapshot().operator.state, OperatorState::Error);
}

#[rstest]
#[case(Role::Operator)]
#[case(Role::Node)]
fn an_expired_signature_never_leads_to_v2(#[case] role: Role) {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record(Some("s"), None), Some(identity(None, None))),
    );
    bench.intent(Intent::Connect);
    if role == Role::Node {
        bench.complete(Role::Operator, admin("o"));
    }
    let socket = bench.socket(role);
    bench.challenge(socket);
    let error = json!({"message": "device signature invalid",
        "data": {"details": {"code": "DEVICE_AUTH_SIGNATURE_EXPIRED"}}});
    bench.refuse_connect(socket, error);
    let before = bench.opened(role);
    bench.elapse(secs(50));
    assert_eq!(bench.opened(role), before);
    assert!(!bench.stored_record().requires_v2_signature);
}

#[rstest]
#[case("AUTH_TOKEN_MISMATCH", ErrorKind::Auth)]
#[case("AUTH_BOOTSTRAP_TOKEN_INVALID", ErrorKind::Auth)]
#[case("AUTH_RATE_LIMITED", ErrorKind::RateLimited)]
#[case("AUTH_TOKEN_NOT_CONFIGURED", ErrorKind::Auth)]
fn terminal_codes_stop_both_roles(
    #[values(false, true)] nested: bool,
    #[values(Role::Operator, Role::Node)] role: Role,
    #[case] code: &str,
    #[case] kind: ErrorKind,
) {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record(Some("s"), None), Some(identity(None, None))),
    );
    bench.intent(Intent::Connect);
    if role == Role::Node {
        bench.complete(Role::Operator, admin("o"));
    }
    let socket = bench.socket(role);
    bench.challenge(socket);
    let details = json!({"code": code});
    let error = if nested {
        json!({"message": "no", "data": {"details": details}})
    } else {
        json!({"message": "no", "details": details})
    };
    bench.refuse_connect(socket, error);
    bench.elapse(secs(55));
    assert_eq!(bench.opened(role), 1, "no further sockets");
    let snapshot = bench.client.snapshot();
    match role {
        Role::Operator => {
            assert_eq!(
                (snapshot.operator.state, snapshot.operator.error_kind),
                (OperatorState::Error, Some(kind))
            );
        }
        Role::Node => {
            assert_eq!(
                (snapshot.node.state, snapshot.node.error_kind),
                (NodeState::Error, Some(kind))
            );
            assert_eq!(snapshot.overall_state, OverallState::Degraded);
        }
    }
}

#[test]
fn the_companions_seven_requests_follow_after_half_a_second() {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record(Some("s"), None), Some(identity(None, None))),
    );
    bench.intent(Intent::Connect);
    let (socket, _) = bench.complete(Role::Operator, admin("o"));
    bench.elapse(ms(499));
    assert_eq!(bench.sockets[&socket].sent.len(), 1);
    bench.elapse(ms(1));
    let methods: Vec<&str> = bench.sockets[&socket].sent[1..]
        .iter()
        .map(|it| it["method"].as_str().unwrap())
        .collect();
    let expected = [
        "health",
        "sessions.list",
        "sessions.subscribe",
        "usage.status",
        "usage.cost",
        "node.list",
        "agents.list",
    ];
    assert_eq!(methods, expected);
}

#[test]
fn an_uncorrelated_hello_is_ignored() {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record(Some("s"), None), Some(identity(None, None))),
    );
    bench.intent(Intent::Connect);
    let socket = bench.socket(Role::Operator);
    bench.challenge(socket);
    let hello = json!({"type": "hello-ok", "auth": {"deviceToken": "evil"}});
    bench.text(
        socket,
        &json!({"type": "res", "id": "other", "ok": true, "payload": hello}),
    );
    assert_eq!(
        bench.client.snapshot().operator.state,
        OperatorState::Connecting
    );
    assert_eq!(bench.stored_token(Role::Operator), None);
}

#[test]
fn a_repeated_challenge_gets_no_second_connect_frame() {
    let (mut bench, _) = first_connect(
        Policy::Hardened,
        disk(record(Some("s"), None), Some(identity(None, None))),
    );
    let socket = bench.socket(Role::Operator);
    bench.event(
        socket,
        "connect.challenge",
        json!({"nonce": "again", "ts": 1}),
    );
    assert_eq!(bench.sent(socket, "connect").len(), 1);
}

#[test]
fn a_role_in_capitals_keeps_the_handshake_open() {
    let (mut bench, _) = first_connect(
        Policy::Hardened,
        disk(record(None, Some("b")), Some(identity(None, None))),
    );
    let socket = bench.socket(Role::Operator);
    bench.hello(
        socket,
        json!({"deviceTokens": [{"role": "Node", "deviceToken": "n"}]}),
    );
    assert_eq!(
        bench.client.snapshot().operator.state,
        OperatorState::Connecting
    );
}

#[test]
fn the_timeline_holds_no_secret() {
    let shared = "sharedsecretsharedsecret";
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record(Some(shared), None), Some(identity(None, None))),
    );
    bench.intent(Intent::Connect);
    let socket = bench.socket(Role::Operator);
    bench.challenge(socket);
    bench.refuse_connect(
        socket,
        unauthorized("AUTH_TOKEN_MISMATCH", &format!("bad {shared}")),
    );
    let told = serde_json::to_string(&bench.events).unwrap()
        + &serde_json::to_string(&bench.client.snapshot()).unwrap();
    assert!(!told.contains(shared));
    assert!(told.contains("[REDACTED]"));
}
