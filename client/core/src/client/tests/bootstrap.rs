//! Setup codes and the bootstrap handoff: catalogue rows 010, 011, 035 to 040, 051 to 066, 107.

use gateway_protocol::SetupCode;
use rstest::rstest;

use super::*;
use crate::OperatorState;

fn code(url: Option<&str>, token: Option<&str>) -> Intent {
    let code = SetupCode {
        url: url.map(str::to_owned),
        bootstrap_token: token.map(BootstrapToken::new),
        expires_at_ms: None,
    };
    Intent::ApplySetupCode {
        code: code.encode(),
    }
}

const URL: &str = "ws://gateway.example:18789";

fn handoff() -> Value {
    json!({"role": "operator", "scopes": ["operator.read"], "deviceTokens": [
        {"role": "operator", "deviceToken": "op", "scopes": ["operator.read"]},
        {"role": "node", "deviceToken": "nd", "scopes": []}]})
}

#[test]
fn a_first_setup_code_makes_a_record_a_key_and_a_bootstrap_connect() {
    let mut bench = Bench::new(Policy::Hardened, DurableState::default());
    bench.intent(code(Some(URL), Some("boot")));
    let socket = bench.socket(Role::Operator);
    let params = bench.challenge(socket);
    assert_eq!(params["auth"], json!({"bootstrapToken": "boot"}));
    assert_eq!(
        params["scopes"],
        json!([
            "operator.approvals",
            "operator.read",
            "operator.talk.secrets",
            "operator.write"
        ])
    );
    assert_eq!(bench.outcome(), (IntentOutcome::Success, None));
    let registry = &bench.client.durable().registry;
    assert_eq!(registry.gateways.len(), 1);
    assert_eq!(registry.active().unwrap().url, URL);
}

#[test]
fn a_full_handoff_clears_the_bootstrap_token_and_reconnects_with_the_device_token() {
    let mut bench = Bench::new(Policy::Hardened, disk(record(None, Some("b")), None));
    bench.intent(Intent::Connect);
    let (first, _) = bench.complete(Role::Operator, handoff());
    assert_eq!(
        (
            bench.stored_token(Role::Operator),
            bench.stored_token(Role::Node)
        ),
        (Some("op"), Some("nd"))
    );
    assert_eq!(bench.stored_record().bootstrap_token, None);
    let node = bench.socket(Role::Node);
    assert_eq!(bench.challenge(node)["auth"], json!({"deviceToken": "nd"}));
    bench.elapse(ms(199));
    assert_eq!(bench.opened(Role::Operator), 1);
    bench.elapse(ms(1));
    assert_eq!(bench.sockets[&first].ended.as_deref(), Some("abort"));
    let second = bench.socket(Role::Operator);
    let params = bench.challenge(second);
    assert_eq!(params["auth"], json!({"deviceToken": "op"}));
    assert_eq!(params["scopes"], json!(["operator.read"]));
    assert!(bench.stored_record().requires_v2_signature);
}

#[test]
fn the_bootstrap_token_goes_only_after_both_role_tokens_are_on_disk() {
    let mut bench = Bench::new(Policy::Hardened, disk(record(None, Some("b")), None));
    bench.intent(Intent::Connect);
    bench.complete(Role::Operator, handoff());
    let at = |wanted: fn(&StoreOp) -> bool| bench.ops.iter().position(wanted).expect("the write");
    let cleared = at(
        |op| matches!(op, StoreOp::SaveRegistry { registry } if registry.gateways[0].bootstrap_token.is_none()),
    );
    let operator = at(|op| {
        matches!(
            op,
            StoreOp::SaveToken {
                role: Role::Operator,
                ..
            }
        )
    });
    let node = at(|op| {
        matches!(
            op,
            StoreOp::SaveToken {
                role: Role::Node,
                ..
            }
        )
    });
    assert!(operator < cleared && node < cleared);
}

#[test]
fn a_node_only_handoff_with_a_shared_token_reconnects_with_it() {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record(Some("s"), None), Some(identity(None, None))),
    );
    bench.intent(code(Some(URL), Some("b")));
    let socket = bench.socket(Role::Operator);
    assert_eq!(
        bench.challenge(socket)["auth"],
        json!({"bootstrapToken": "b"})
    );
    bench.hello(
        socket,
        json!({"deviceTokens": [{"role": "node", "deviceToken": "nd"}]}),
    );
    assert_eq!(bench.stored_record().usable_bootstrap_token(), Some("b"));
    assert!(bench.diagnosed("Retaining bootstrap token until role tokens are durable"));
    bench.elapse(ms(200));
    let second = bench.socket(Role::Operator);
    let params = bench.challenge(second);
    assert_eq!(params["auth"], json!({"token": "s"}));
    assert_eq!(
        params["scopes"],
        json!(["operator.admin", "operator.pairing"])
    );
    bench.hello(second, admin("op"));
    assert_eq!(bench.stored_record().bootstrap_token, None);
}

#[test]
fn a_node_only_handoff_without_a_shared_token_stays() {
    let mut bench = Bench::new(Policy::Hardened, disk(record(None, Some("b")), None));
    bench.intent(Intent::Connect);
    bench.complete(
        Role::Operator,
        json!({"deviceTokens": [{"role": "node", "deviceToken": "nd"}]}),
    );
    bench.elapse(secs(20));
    assert_eq!(bench.opened(Role::Operator), 1);
    assert_eq!(bench.stored_record().usable_bootstrap_token(), Some("b"));
}

#[test]
fn a_failed_write_keeps_the_bootstrap_token_until_a_later_event() {
    let mut bench = Bench::new(Policy::Hardened, disk(record(None, Some("b")), None));
    bench.fails = |op| matches!(op, StoreOp::SaveRegistry { registry } if registry.gateways[0].bootstrap_token.is_none());
    bench.intent(Intent::Connect);
    bench.complete(Role::Operator, handoff());
    assert!(bench.diagnosed("Failed to persist cleared bootstrap token"));
    assert_eq!(bench.stored_record().usable_bootstrap_token(), Some("b"));
    bench.fails = |_| false;
    let node = bench.socket(Role::Node);
    bench.challenge(node);
    bench.hello(node, json!({"deviceToken": "nd"}));
    assert_eq!(bench.stored_record().bootstrap_token, None);
}

#[test]
fn a_token_that_can_not_be_stored_keeps_the_bootstrap_token() {
    let mut bench = Bench::new(Policy::Hardened, disk(record(None, Some("b")), None));
    bench.fails = |op| {
        matches!(
            op,
            StoreOp::SaveToken {
                role: Role::Node,
                ..
            }
        )
    };
    bench.intent(Intent::Connect);
    bench.complete(Role::Operator, handoff());
    let tries = bench
        .ops
        .iter()
        .filter(|op| {
            matches!(
                op,
                StoreOp::SaveToken {
                    role: Role::Node,
                    ..
                }
            )
        })
        .count();
    assert_eq!(tries, 2, "the client's write and the manager's own");
    assert_eq!(bench.stored_record().usable_bootstrap_token(), Some("b"));
    assert_eq!(
        bench.client.snapshot().operator.state,
        OperatorState::Connected
    );
}

#[rstest]
#[case(Policy::Hardened, Some("o"), Some("n"))]
#[case(Policy::Pr741, None, None)]
fn applying_a_code_keeps_or_clears_the_role_tokens(
    #[case] policy: Policy,
    #[case] operator: Option<&str>,
    #[case] node: Option<&str>,
) {
    let state = disk(
        record(Some("s"), None),
        Some(identity(Some("o"), Some("n"))),
    );
    let device = state.identities["g"].device_id.clone();
    let mut bench = Bench::new(policy, state);
    bench.ready();
    bench.intent(code(Some(URL), Some("b")));
    assert_eq!(bench.outcome().0, IntentOutcome::Success);
    let kept = |token: Option<&'static str>| token;
    let expected = if policy == Policy::Hardened {
        (kept(Some("op-token")), kept(Some("node-token")))
    } else {
        (operator, node)
    };
    assert_eq!(
        (
            bench.stored_token(Role::Operator),
            bench.stored_token(Role::Node)
        ),
        expected
    );
    let socket = bench.socket(Role::Operator);
    let params = bench.challenge(socket);
    assert_eq!(
        auth_keys(&params),
        ["bootstrapToken"],
        "neither token nor device token"
    );
    assert_eq!(params["device"]["id"], device.as_str());
    assert_eq!(bench.stored_record().usable_shared_token(), Some("s"));
    assert_eq!(bench.live_sockets(Role::Operator), 1);
}

#[test]
fn bootstrap_is_forced_for_one_connect_only() {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(
            record(Some("s"), None),
            Some(identity(Some("o"), Some("n"))),
        ),
    );
    bench.intent(code(Some(URL), Some("b")));
    bench.intent(Intent::Reconnect);
    let socket = bench.socket(Role::Operator);
    assert_eq!(bench.challenge(socket)["auth"], json!({"deviceToken": "o"}));
}

#[test]
fn a_connect_that_bailed_out_consumes_the_forced_bootstrap() {
    let mut state = disk(record(Some("s"), None), None);
    state
        .damaged
        .insert("g".into(), crate::IdentityDamage::Corrupt("x".into()));
    let mut bench = Bench::new(Policy::Hardened, state);
    bench.intent(code(Some(URL), Some("b")));
    assert_eq!(bench.outcome().0, IntentOutcome::ConnectionFailed);
    let fixed = Ok(Some(identity(None, None)));
    bench.input(Input::IdentityRead {
        gateway_id: "g".into(),
        identity: fixed,
    });
    bench.intent(Intent::Connect);
    let socket = bench.socket(Role::Operator);
    assert_eq!(bench.challenge(socket)["auth"], json!({"token": "s"}));
}

#[test]
fn a_loopback_alias_is_the_same_gateway() {
    let mut record = GatewayRecord::new("g", "ws://localhost:18789");
    record.shared_gateway_token = Some(SharedToken::new("s"));
    let mut bench = Bench::new(Policy::Hardened, disk(record, Some(identity(None, None))));
    bench.intent(code(Some("ws://127.0.0.1:18789"), Some("b")));
    let registry = &bench.client.durable().registry;
    assert_eq!(registry.gateways.len(), 1);
    assert_eq!(bench.stored_record().usable_shared_token(), Some("s"));
    assert_eq!(bench.stored_record().url, "ws://127.0.0.1:18789");
}

#[rstest]
#[case::empty("  ".into(), "Setup code is empty")]
#[case::too_long("a".repeat(2049), "exceeds 2048 character limit")]
#[case::base64("!!!!".into(), "Invalid base64")]
#[case::token_only(SetupCode { url: None, bootstrap_token: Some(BootstrapToken::new("b")), expires_at_ms: None }.encode(), "must include a gateway URL")]
fn a_bad_code_changes_nothing(#[case] text: String, #[case] error: &str) {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(
            record(Some("s"), None),
            Some(identity(Some("o"), Some("n"))),
        ),
    );
    bench.ready();
    let before = (bench.client.durable().clone(), bench.sockets.len());
    bench.intent(Intent::ApplySetupCode { code: text });
    let (outcome, message) = bench.outcome();
    assert_eq!(outcome, IntentOutcome::InvalidCode);
    assert!(message.unwrap().contains(error));
    assert_eq!(
        (bench.client.durable().clone(), bench.sockets.len()),
        before
    );
    assert!(bench.client.snapshot().is_fully_connected());
}

#[test]
fn a_code_without_a_token_keeps_the_stored_one_and_forces_nothing() {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record(Some("s"), Some("b")), Some(identity(None, None))),
    );
    bench.intent(code(Some(URL), None));
    let socket = bench.socket(Role::Operator);
    assert_eq!(bench.challenge(socket)["auth"], json!({"token": "s"}));
    assert_eq!(bench.stored_record().usable_bootstrap_token(), Some("b"));
}

#[test]
fn a_failed_save_leaves_the_live_connection_alone() {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(
            record(Some("s"), None),
            Some(identity(Some("o"), Some("n"))),
        ),
    );
    bench.ready();
    bench.fails = |_| true;
    bench.intent(code(Some("ws://other.example:1"), Some("b")));
    assert_eq!(bench.outcome().0, IntentOutcome::ConnectionFailed);
    assert!(bench.client.snapshot().is_fully_connected());
    assert_eq!(
        bench.client.durable().registry.active_id.as_deref(),
        Some("g")
    );
}

#[test]
fn a_switch_within_the_handoff_delay_cancels_the_reconnect() {
    let mut state = disk(record(None, Some("b")), None);
    let mut other = GatewayRecord::new("h", "ws://other.example:1");
    other.shared_gateway_token = Some(SharedToken::new("t"));
    state.registry.upsert(other);
    let mut bench = Bench::new(Policy::Hardened, state);
    bench.intent(Intent::Connect);
    bench.complete(Role::Operator, handoff());
    bench.elapse(ms(100));
    bench.intent(Intent::SwitchGateway { id: "h".into() });
    let opened = bench.opened(Role::Operator);
    bench.elapse(secs(5));
    assert_eq!(bench.opened(Role::Operator), opened);
    assert_eq!(
        bench.sockets[&bench.socket(Role::Operator)].url,
        "ws://other.example:1"
    );
}

#[test]
fn two_codes_in_a_row_run_one_after_the_other() {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record(Some("s"), None), Some(identity(None, None))),
    );
    bench.held = Some(Vec::new());
    bench.intent(code(Some(URL), Some("b1")));
    bench.intent(code(Some(URL), Some("b2")));
    let held = bench.held.take().unwrap();
    assert_eq!(held.len(), 1, "the second waits for the first");
    for op in held {
        bench.answer(op);
    }
    bench.input(Input::Woke);
    let done = bench
        .events
        .iter()
        .filter(|event| matches!(event, ClientEvent::IntentDone { .. }))
        .count();
    assert_eq!(done, 2);
    assert_eq!(bench.live_sockets(Role::Operator), 1);
    assert_eq!(bench.stored_record().usable_bootstrap_token(), Some("b2"));
}
