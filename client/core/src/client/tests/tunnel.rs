//! Gateways behind an SSH tunnel: §14.4, §16 (3), §18, §24.

use rstest::rstest;

use super::*;
use crate::{EndpointOwner, ErrorKind, OperatorState};

fn spec(local_port: u16) -> SshTunnel {
    SshTunnel {
        user: "u".into(),
        host: "far.example".into(),
        remote_port: 18_789,
        local_port,
        include_browser_proxy_forward: false,
        ssh_port: 22,
    }
}

fn bench(policy: Policy, tunnels: bool, tokens: Option<&str>) -> Bench {
    let mut record = record(Some("s"), None);
    record.url = "ws://far.example:18789".into();
    record.ssh_tunnel = Some(spec(4_000));
    let options = ClientOptions {
        policy,
        tunnels,
        ..ClientOptions::default()
    };
    Bench::with(options, disk(record, Some(identity(tokens, tokens))))
}

fn tunnel(bench: &Bench) -> TunnelId {
    *bench.tunnels.keys().next_back().expect("a tunnel")
}

fn up(bench: &mut Bench) -> TunnelId {
    let tunnel = tunnel(bench);
    bench.input(Input::TunnelUp {
        tunnel,
        local_port: 4_000,
    });
    tunnel
}

fn down(bench: &mut Bench) {
    let tunnel = tunnel(bench);
    bench.tunnels.remove(&tunnel);
    bench.input(Input::TunnelDown {
        tunnel,
        error: "exit 255".into(),
    });
}

#[test]
fn no_socket_opens_before_the_tunnel_is_up() {
    let mut bench = bench(Policy::Hardened, true, Some("t"));
    bench.intent(Intent::Connect);
    assert!(bench.sockets.is_empty());
    assert!(bench.client.snapshot().busy, "connecting is not done yet");
    up(&mut bench);
    let socket = bench.socket(Role::Operator);
    assert_eq!(bench.sockets[&socket].url, "ws://localhost:4000");
    assert_eq!(bench.outcome().0, IntentOutcome::Success);
    bench.complete(Role::Operator, admin("t"));
    bench.complete(Role::Node, json!({"deviceToken": "t"}));
    assert!(bench.client.snapshot().is_fully_connected());
    assert_eq!(bench.tunnels.len(), 1, "both roles share it");
}

#[test]
fn a_tunnel_that_does_not_start_fails_the_wish() {
    let mut bench = bench(Policy::Hardened, true, None);
    bench.intent(Intent::Connect);
    down(&mut bench);
    let operator = bench.client.snapshot().operator;
    assert_eq!(
        (operator.state, operator.error_kind),
        (OperatorState::Error, Some(ErrorKind::Tunnel))
    );
    assert_eq!(bench.outcome().0, IntentOutcome::ConnectionFailed);
    bench.elapse(secs(400));
    assert!(bench.tunnels.is_empty(), "a first start is not repeated");
}

#[rstest]
#[case(Policy::Hardened, 0)]
#[case(Policy::Pr741, 1)]
fn without_ssh_only_the_older_client_sends_credentials(
    #[case] policy: Policy,
    #[case] opened: usize,
) {
    let mut bench = bench(policy, false, Some("t"));
    bench.intent(Intent::Connect);
    assert_eq!(bench.opened(Role::Operator), opened);
    if opened == 0 {
        let error = bench.client.snapshot().operator.error.unwrap();
        assert!(error.contains("credentials were not sent"), "{error}");
    }
}

#[rstest]
#[case::shared(None)]
#[case::device_token(Some("t"))]
fn a_stranger_on_the_near_end_gets_no_credential_of_any_kind(#[case] tokens: Option<&str>) {
    let mut bench = bench(Policy::Hardened, true, tokens);
    bench.intent(Intent::Connect);
    up(&mut bench);
    let socket = bench.socket(Role::Operator);
    bench.input(Input::Opened { socket });
    bench.input(Input::EndpointOwner {
        gateway_id: "g".into(),
        owner: EndpointOwner::Foreign,
    });
    bench.event(socket, "connect.challenge", json!({"nonce": "n", "ts": 1}));
    assert!(bench.sent(socket, "connect").is_empty());
    let kind = bench.client.snapshot().operator.error_kind;
    assert_eq!(kind, Some(ErrorKind::LocalPortConflict));
}

#[test]
fn a_connection_of_an_older_tunnel_sends_nothing_through_a_newer_one() {
    let mut bench = bench(Policy::Hardened, true, Some("t"));
    bench.intent(Intent::Connect);
    up(&mut bench);
    let socket = bench.socket(Role::Operator);
    bench.input(Input::Opened { socket });
    down(&mut bench);
    bench.event(socket, "connect.challenge", json!({"nonce": "n", "ts": 1}));
    assert!(bench.sent(socket, "connect").is_empty());
}

#[test]
fn a_tunnel_that_ends_is_restarted_three_times_in_five_minutes() {
    let mut bench = bench(Policy::Hardened, true, Some("t"));
    bench.intent(Intent::Connect);
    up(&mut bench);
    for delay in [3, 10, 30] {
        down(&mut bench);
        bench.elapse(ms(delay * 1_000 - 1));
        assert!(bench.tunnels.is_empty(), "too early before {delay} s");
        bench.elapse(ms(1));
        assert_eq!(bench.tunnels.len(), 1, "after {delay} s");
        up(&mut bench);
    }
    down(&mut bench);
    bench.elapse(secs(200));
    assert!(bench.tunnels.is_empty(), "the budget is used up");
    assert!(bench.diagnosed("budget is used up"));
}

#[test]
fn a_recovery_that_connects_gives_the_budget_back() {
    let mut bench = bench(Policy::Hardened, true, Some("t"));
    bench.intent(Intent::Connect);
    up(&mut bench);
    for _ in 0..5 {
        down(&mut bench);
        bench.elapse(secs(3));
        up(&mut bench);
        bench.complete(Role::Operator, admin("t"));
    }
    assert!(!bench.diagnosed("budget is used up"));
}

#[rstest]
#[case::disconnect(Intent::Disconnect)]
#[case::switch(Intent::SwitchGateway { id: "h".into() })]
fn who_leaves_takes_the_tunnel_down_and_is_not_brought_back(#[case] leave: Intent) {
    let mut bench = bench(Policy::Hardened, true, Some("t"));
    let mut other = GatewayRecord::new("h", "ws://other.example:1");
    other.shared_gateway_token = Some(SharedToken::new("x"));
    bench.intent(Intent::AddGateway {
        record: Box::new(other),
    });
    bench.intent(Intent::Connect);
    up(&mut bench);
    bench.intent(leave);
    assert!(bench.tunnels.is_empty());
    bench.elapse(secs(400));
    assert!(bench.tunnels.is_empty());
}

#[test]
fn a_late_tunnel_is_stopped_and_not_used() {
    let mut bench = bench(Policy::Hardened, true, Some("t"));
    bench.intent(Intent::Connect);
    let late = tunnel(&bench);
    bench.intent(Intent::Stop);
    bench.input(Input::TunnelUp {
        tunnel: late,
        local_port: 4_000,
    });
    assert!(bench.sockets.is_empty() && bench.tunnels.is_empty());
}

#[test]
fn a_validation_has_a_tunnel_of_its_own() {
    let mut bench = bench(Policy::Hardened, true, Some("t"));
    bench.intent(Intent::Connect);
    let live = up(&mut bench);
    let (old, _) = bench.complete(Role::Operator, admin("t"));
    bench.intent(Intent::ConnectSharedToken {
        url: "ws://far.example:18789".into(),
        token: "fresh".into(),
        ssh_tunnel: Some(spec(4_000)),
    });
    let trial = tunnel(&bench);
    assert_ne!(trial, live);
    assert_eq!(bench.tunnels[&trial].local_port, 0, "any free port");
    bench.input(Input::TunnelUp {
        tunnel: trial,
        local_port: 4_999,
    });
    let socket = bench.socket(Role::Operator);
    assert_eq!(bench.sockets[&socket].url, "ws://localhost:4999");
    let params = bench.challenge(socket);
    assert_eq!(params["auth"], json!({"token": "fresh"}));
    assert!(bench.sockets[&old].live);
    bench.hello(socket, json!({"role": "operator", "scopes": []}));
    assert!(
        !bench.tunnels.contains_key(&trial),
        "its tunnel goes with it"
    );
    assert!(bench.tunnels.contains_key(&live), "same place: reused");
    let socket = bench.socket(Role::Operator);
    assert_eq!(bench.sockets[&socket].url, "ws://localhost:4000");
}

#[test]
fn a_shared_token_without_a_tunnel_removes_the_tunnel() {
    let mut bench = bench(Policy::Hardened, true, None);
    bench.intent(Intent::Connect);
    up(&mut bench);
    bench.intent(Intent::ConnectSharedToken {
        url: "ws://far.example:18789".into(),
        token: "fresh".into(),
        ssh_tunnel: None,
    });
    assert!(bench.tunnels.is_empty());
    assert_eq!(bench.stored_record().ssh_tunnel, None);
}
