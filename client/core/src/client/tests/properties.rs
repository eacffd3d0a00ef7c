//! Arbitrary interleavings: no panic, one connect frame per socket, one live operator, one device id.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{ApprovalKind, InvokeOutcome};

/// One move of the world.
#[derive(Clone, Debug)]
enum Move {
    User(u8),
    /// Something happens to the n-th newest socket.
    Socket(u8, u8),
    /// The newest socket gets as far as hello-ok.
    Complete,
    Elapse(u64),
    Invoke(u8),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        2 => (0u8..12).prop_map(Move::User),
        8 => (0u8..4, 0u8..16).prop_map(|(socket, what)| Move::Socket(socket, what)),
        4 => Just(Move::Complete),
        3 => prop_oneof![Just(0u64), 1..300u64, 900..2_000u64, Just(15_000), Just(61_000)].prop_map(Move::Elapse),
        1 => (0u8..3).prop_map(Move::Invoke),
    ];
    prop::collection::vec(one, 0..80)
}

fn user(n: u8) -> Intent {
    let code = gateway_protocol::SetupCode {
        url: Some("ws://gateway.example:18789".into()),
        bootstrap_token: Some(BootstrapToken::new("boot")),
        expires_at_ms: None,
    };
    match n {
        0 | 1 => Intent::Connect,
        2 => Intent::Disconnect,
        3 => Intent::Reconnect,
        4 => Intent::ReconnectNode,
        5 => Intent::ApplySetupCode {
            code: code.encode(),
        },
        6 | 7 => Intent::ConnectSharedToken {
            url: "ws://gateway.example:18789".into(),
            token: "s2".into(),
            ssh_tunnel: None,
        },
        8 => Intent::Approve {
            kind: ApprovalKind::Device,
            request_id: "r-1".into(),
        },
        9 => Intent::SetNodeEnabled {
            enabled: n % 2 == 1,
        },
        10 => Intent::SetNodeEnabled { enabled: true },
        _ => Intent::Request {
            role: Role::Operator,
            method: "status".into(),
            params: None,
            tag: None,
            limit_ms: None,
        },
    }
}

fn touch(bench: &mut Bench, socket: SocketId, what: u8) {
    let own = identity(None, None).device_id;
    match what {
        0 | 1 => bench.input(Input::Opened { socket }),
        2 | 3 => bench.event(socket, "connect.challenge", json!({"nonce": "n", "ts": 5})),
        4..=10 => answer(bench, socket, &answers()[usize::from(what) - 4]),
        11 | 12 => bench.closed(socket, 1012, "service restart"),
        13 => {
            bench.end(socket, "failed".into());
            bench.input(Input::OpenFailed {
                socket,
                error: "refused".into(),
            });
        }
        14 => {
            let payload = json!({"deviceId": own, "requestId": "r-1", "decision": "approved"});
            bench.event(socket, "device.pair.resolved", payload);
        }
        _ => bench.event(
            socket,
            "node.invoke.request",
            json!({"id": "i-1", "command": "camera.clip"}),
        ),
    }
}

fn answers() -> [Value; 7] {
    let hello = |auth: Value| json!({"ok": true, "payload": {"type": "hello-ok", "auth": auth}});
    let refusal = |error: Value| json!({"ok": false, "error": error});
    let both =
        json!([{"role": "operator", "deviceToken": "o2"}, {"role": "node", "deviceToken": "n2"}]);
    [
        hello(admin("op")),
        hello(json!({"deviceToken": "nd"})),
        hello(json!({ "deviceTokens": both })),
        refusal(not_paired("r-1")),
        refusal(unauthorized(
            "AUTH_DEVICE_TOKEN_MISMATCH",
            "device token mismatch",
        )),
        refusal(unauthorized(
            "DEVICE_AUTH_SIGNATURE_INVALID",
            "device signature invalid",
        )),
        json!({"ok": true, "payload": {}}),
    ]
}

/// Answers the last request of this socket, or one that never was.
fn answer(bench: &mut Bench, socket: SocketId, outcome: &Value) {
    let last = bench.sockets[&socket]
        .sent
        .iter()
        .rev()
        .find(|frame| frame["type"] == "req");
    let id = last.map_or_else(|| json!("none"), |frame| frame["id"].clone());
    let mut frame = json!({"type": "res", "id": id});
    for (key, value) in outcome.as_object().unwrap() {
        frame[key] = value.clone();
    }
    bench.text(socket, &frame);
}

fn play(policy: Policy, state: DurableState, moves: &[Move]) -> Bench {
    let mut bench = Bench::new(policy, state);
    for step in moves {
        match step {
            Move::User(n) => bench.intent(user(*n)),
            Move::Socket(back, what) => {
                let socket = bench.sockets.keys().rev().nth(usize::from(*back)).copied();
                if let Some(socket) = socket {
                    touch(&mut bench, socket, *what);
                }
            }
            Move::Complete => {
                if let Some(socket) = bench.sockets.keys().next_back().copied() {
                    for what in [0, 2, 4] {
                        touch(&mut bench, socket, what);
                    }
                }
            }
            Move::Elapse(by) => bench.elapse(ms(*by)),
            Move::Invoke(n) => {
                if let Some(key) = bench.invokes.get(usize::from(*n)).map(|it| it.key) {
                    bench.input(Input::InvokeDone {
                        key,
                        outcome: InvokeOutcome::Ok(Value::Null),
                    });
                }
            }
        }
        // The validation socket is the one exception to "one live operator". K2
        assert!(
            bench.live_sockets(Role::Operator) <= 1 + usize::from(bench.client.snapshot().busy)
        );
        assert!(bench.live_sockets(Role::Node) <= 1);
    }
    bench
}

fn check(bench: &Bench) {
    let mut devices = BTreeSet::new();
    for socket in bench.sockets.values() {
        let connects: Vec<&Value> = socket
            .sent
            .iter()
            .filter(|frame| frame["method"] == "connect")
            .collect();
        assert!(connects.len() <= 1, "one connect frame per socket");
        assert!(
            socket
                .sent
                .first()
                .is_none_or(|frame| frame["method"] == "connect"),
            "connect comes first"
        );
        for frame in connects {
            devices.insert(frame["params"]["device"]["id"].to_string());
            assert_eq!(
                frame["params"]["auth"].as_object().unwrap().len(),
                1,
                "one credential"
            );
        }
    }
    assert!(devices.len() <= 1, "one device id");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_keeps_the_invariants(moves in moves(), hardened in any::<bool>(), stored in any::<bool>()) {
        let policy = if hardened { Policy::Hardened } else { Policy::Pr741 };
        let identity = stored.then(|| identity(Some("o"), Some("n")));
        let bench = play(policy, disk(record(Some("s"), Some("b")), identity), &moves);
        check(&bench);
    }

    #[test]
    fn the_same_inputs_give_the_same_outputs(moves in moves()) {
        let run = || {
            let bench = play(Policy::Hardened, disk(record(Some("s"), Some("b")), None), &moves);
            (format!("{:?}", bench.sockets), bench.events, bench.ops)
        };
        prop_assert_eq!(run(), run());
    }
}
