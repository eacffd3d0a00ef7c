//! Every deliberate bug does what its name says. Run with `--features mutants`.

use rstest::rstest;

use super::*;
use crate::Mutation;

fn bench(
    mutation: Mutation,
    shared: Option<&str>,
    bootstrap: Option<&str>,
    tokens: Option<&str>,
) -> Bench {
    let options = ClientOptions {
        mutations: vec![mutation],
        ..ClientOptions::default()
    };
    let mut record = record(shared, bootstrap);
    record.url = "ws://127.0.0.1:18789".into();
    Bench::with(options, disk(record, Some(identity(tokens, tokens))))
}

fn first_operator(bench: &mut Bench) -> (SocketId, Value) {
    bench.intent(Intent::Connect);
    let socket = bench.socket(Role::Operator);
    let params = bench.challenge(socket);
    (socket, params)
}

#[test]
fn reuse_nonce() {
    let mut bench = bench(Mutation::ReuseNonce, Some("s"), None, None);
    let (first, params) = first_operator(&mut bench);
    bench.closed(first, 1012, "");
    bench.elapse(ms(1_250));
    let second = bench.socket(Role::Operator);
    assert_eq!(
        bench.challenge(second)["device"]["nonce"],
        params["device"]["nonce"]
    );
}

#[test]
fn connect_twice() {
    let mut bench = bench(Mutation::ConnectTwice, Some("s"), None, None);
    let (socket, _) = first_operator(&mut bench);
    assert_eq!(bench.sent(socket, "connect").len(), 2);
}

#[test]
fn second_auth_key() {
    let mut bench = bench(Mutation::SecondAuthKey, Some("s"), None, Some("d"));
    let (_, params) = first_operator(&mut bench);
    assert_eq!(auth_keys(&params).len(), 2);
}

#[test]
fn reconnect_storm() {
    let mut bench = bench(Mutation::ReconnectStorm, Some("s"), None, None);
    let (socket, _) = first_operator(&mut bench);
    bench.closed(socket, 1012, "");
    bench.elapse(ms(10));
    assert_eq!(bench.opened(Role::Operator), 2);
}

#[test]
fn local_clock_signed_at() {
    let mut bench = bench(Mutation::LocalClockSignedAt, Some("s"), None, None);
    assert_eq!(first_operator(&mut bench).1["device"]["signedAt"], EPOCH.0);
}

#[test]
fn new_key_on_reconnect() {
    let mut bench = bench(Mutation::NewKeyOnReconnect, Some("s"), None, None);
    let (first, params) = first_operator(&mut bench);
    bench.closed(first, 1012, "");
    bench.elapse(ms(1_250));
    let second = bench.socket(Role::Operator);
    assert_ne!(
        bench.challenge(second)["device"]["id"],
        params["device"]["id"]
    );
}

#[test]
fn send_before_connect() {
    let mut bench = bench(Mutation::SendBeforeConnect, Some("s"), None, None);
    let (socket, _) = first_operator(&mut bench);
    assert_eq!(bench.sockets[&socket].sent[0]["method"], "health");
}

#[test]
fn duplicate_request_id() {
    let mut bench = bench(Mutation::DuplicateRequestId, Some("s"), None, None);
    let (socket, _) = first_operator(&mut bench);
    bench.hello(socket, admin("o"));
    bench.elapse(ms(500));
    let sent = &bench.sockets[&socket].sent;
    assert!(sent.iter().all(|frame| frame["id"] == sent[0]["id"]));
}

#[test]
fn clear_bootstrap_early() {
    let mut bench = bench(Mutation::ClearBootstrapEarly, None, Some("b"), None);
    let (socket, _) = first_operator(&mut bench);
    bench.hello(socket, admin("o"));
    assert_eq!(bench.stored_record().bootstrap_token, None);
}

#[rstest]
#[case(
    Mutation::KeepRetryingAfterTerminal,
    unauthorized("AUTH_TOKEN_MISMATCH", "no"),
    2
)]
#[case(Mutation::StartingIsFatal, json!({"code": "UNAVAILABLE", "message": "gateway starting"}), 1)]
#[case(Mutation::StopWhilePairing, not_paired("r"), 1)]
#[case(Mutation::ReconnectStorm, not_paired("r"), 2)]
#[case(Mutation::PairingStorm, not_paired("r"), 2)]
fn what_follows_a_refusal(
    #[case] mutation: Mutation,
    #[case] error: Value,
    #[case] sockets: usize,
) {
    let mut bench = bench(mutation, Some("s"), None, None);
    let (socket, _) = first_operator(&mut bench);
    bench.refuse_connect(socket, error);
    bench.elapse(ms(1_250));
    assert_eq!(bench.opened(Role::Operator), sockets);
}

#[test]
fn node_before_operator() {
    let mut bench = bench(Mutation::NodeBeforeOperator, Some("s"), None, None);
    first_operator(&mut bench);
    assert_eq!(bench.opened(Role::Node), 1);
}

#[test]
fn unknown_close_code() {
    let mut bench = bench(Mutation::UnknownCloseCode, Some("s"), None, None);
    let (socket, _) = first_operator(&mut bench);
    bench.intent(Intent::Disconnect);
    assert_eq!(bench.sockets[&socket].ended.as_deref(), Some("4999 bye"));
}

#[test]
fn oversize_frame() {
    let mut bench = bench(Mutation::OversizeFrame, Some("s"), None, None);
    let (socket, _) = first_operator(&mut bench);
    bench.hello(socket, admin("o"));
    bench.elapse(ms(500));
    assert!(
        bench.sent(socket, "health")[0].to_string().len() > gateway_protocol::limits::MESSAGE_BYTES
    );
}

#[test]
fn answer_invoke_twice() {
    let mut bench = bench(Mutation::AnswerInvokeTwice, Some("s"), None, None);
    let (_, node) = bench.ready();
    bench.event(
        node,
        "node.invoke.request",
        json!({"id": "i", "command": "device.info"}),
    );
    assert_eq!(bench.sent(node, "node.invoke.result").len(), 2);
}

#[test]
fn swap_role_tokens() {
    let mut bench = bench(Mutation::SwapRoleTokens, Some("s"), None, None);
    let (socket, _) = first_operator(&mut bench);
    bench.hello(socket, admin("o"));
    assert_eq!(bench.stored_token(Role::Node), Some("o"));
}

#[test]
fn clear_tokens_on_shared_mismatch() {
    let mut bench = bench(
        Mutation::ClearTokensOnSharedMismatch,
        Some("s"),
        None,
        Some("d"),
    );
    let (socket, _) = first_operator(&mut bench);
    bench.refuse_connect(socket, unauthorized("AUTH_TOKEN_MISMATCH", "no"));
    assert_eq!(bench.stored_token(Role::Node), None);
}

#[test]
fn never_recover_token() {
    let mut bench = bench(Mutation::NeverRecoverToken, Some("s"), None, Some("d"));
    let (socket, _) = first_operator(&mut bench);
    bench.refuse_connect(socket, unauthorized("AUTH_DEVICE_TOKEN_MISMATCH", "no"));
    bench.elapse(secs(5));
    assert_eq!(bench.opened(Role::Operator), 1);
}

#[test]
fn zombie_after_restart() {
    let mut bench = bench(Mutation::ZombieAfterRestart, Some("s"), None, None);
    let (operator, _) = bench.ready();
    bench.closed(operator, 1012, "service restart");
    bench.elapse(secs(5));
    assert_eq!(bench.opened(Role::Operator), 1);
}

#[test]
fn close_overwrites_pairing() {
    let mut bench = bench(Mutation::CloseOverwritesPairing, Some("s"), None, None);
    let (socket, _) = first_operator(&mut bench);
    bench.refuse_connect(socket, not_paired("r"));
    assert_eq!(
        bench.client.snapshot().operator.state,
        crate::OperatorState::Connecting
    );
}

#[test]
fn omit_device_family() {
    let mut bench = bench(Mutation::OmitDeviceFamily, Some("s"), None, None);
    let (_, params) = first_operator(&mut bench);
    assert_eq!(params["client"].get("deviceFamily"), None);
}

#[test]
fn bootstrap_forever() {
    let mut bench = bench(Mutation::BootstrapForever, Some("s"), Some("b"), Some("d"));
    assert_eq!(
        first_operator(&mut bench).1["auth"],
        json!({"bootstrapToken": "b"})
    );
}

#[test]
fn keep_old_socket() {
    let mut bench = bench(Mutation::KeepOldSocket, Some("s"), None, Some("d"));
    let (old, _) = bench.ready();
    bench.intent(Intent::Reconnect);
    assert_eq!(bench.sockets[&old].ended, None);
    assert_eq!(bench.opened(Role::Operator), 2);
}

#[test]
fn send_to_strangers() {
    let options = ClientOptions {
        mutations: vec![Mutation::SendToStrangers],
        ..ClientOptions::default()
    };
    let mut record = record(Some("s"), None);
    record.url = "ws://127.0.0.1:18789".into();
    record.setup_managed_distro_name = Some("OpenClaw".into());
    let mut bench = Bench::with(options, disk(record, None));
    bench.intent(Intent::Connect);
    let socket = bench.socket(Role::Operator);
    bench.input(Input::EndpointOwner {
        gateway_id: "g".into(),
        owner: crate::EndpointOwner::Foreign,
    });
    assert_eq!(bench.challenge(socket)["auth"], json!({"token": "s"}));
}

#[test]
fn misses_approval() {
    let mut bench = bench(Mutation::MissesApproval, Some("s"), None, None);
    let (operator, _) = first_operator(&mut bench);
    bench.hello(operator, admin("o"));
    let node = bench.socket(Role::Node);
    bench.challenge(node);
    bench.refuse_connect(node, not_paired("r-1"));
    let own = identity(None, None).device_id;
    bench.event(
        operator,
        "device.pair.resolved",
        json!({"requestId": "r-1", "deviceId": own, "decision": "approved"}),
    );
    bench.elapse(secs(10));
    assert_eq!(bench.opened(Role::Node), 1);
}
