//! Whatever arrives, the gateway neither panics nor answers twice.

use gateway_core::Input;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::driver::{Client, Got, World};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z.]{0,12}".prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((member_name(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn member_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,6}",
        prop::sample::select(vec![
            "type",
            "id",
            "method",
            "params",
            "client",
            "auth",
            "device",
            "token",
            "requestId",
            "deviceId",
            "nodeId",
            "role",
            "scopes",
            "command",
            "idempotencyKey",
            "timeoutMs",
            "ok",
            "payload",
            "event",
            "ids",
        ])
        .prop_map(str::to_owned),
    ]
}

fn any_method() -> impl Strategy<Value = String> {
    let known: Vec<&'static str> = gateway_protocol::method::methods()
        .iter()
        .map(|row| row.name)
        .collect();
    prop_oneof![4 => prop::sample::select(known).prop_map(str::to_owned), 1 => "[a-z.]{1,12}"]
}

/// Connections of every kind, all with the same history.
fn populated(version: &str) -> (World, Vec<u32>) {
    let mut world = World::new(version);
    let admin = world.admin();
    let (operator, _) = world.join(&Client::desktop(1, &["operator.pairing"]));
    let (node, _) = world.join(&Client::node(2, &["system.which"]));
    let waiting = world.open_remote();
    (world, vec![admin, operator, node, waiting])
}

fn answers(inbox: &[Got], id: &str) -> usize {
    inbox
        .iter()
        .filter(
            |got| matches!(got, Got::Frame(frame) if frame["type"] == "res" && frame["id"] == id),
        )
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(
        texts in proptest::collection::vec((0_usize..4, prop_oneof!["\\PC{0,60}", any_json().prop_map(|v| v.to_string())]), 1..8),
        newer in any::<bool>(),
    ) {
        let (mut world, conns) = populated(if newer { "2026.9.6" } else { "2026.6.34" });
        for (which, text) in texts {
            world.text(conns[which], &text);
        }
        world.elapse(60_000);
        let _view = world.gateway.view();
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), which in 0_usize..4) {
        let (mut world, conns) = populated("2026.6.34");
        world.input(Input::Binary { conn: conns[which], bytes });
    }

    #[test]
    fn each_request_gets_exactly_one_answer(
        calls in proptest::collection::vec((0_usize..3, any_method(), any_json()), 1..12),
        newer in any::<bool>(),
    ) {
        let (mut world, conns) = populated(if newer { "2026.9.6" } else { "2026.6.34" });
        let mut asked = Vec::new();
        for (index, (which, method, params)) in calls.into_iter().enumerate() {
            let id = format!("p{index}");
            let open = world.gateway.view().connections.iter().any(|c| c.conn == conns[which] && c.role.is_some());
            let frame = json!({"type": "req", "id": id, "method": method, "params": params});
            world.text(conns[which], &frame.to_string());
            if open && method != "gateway.restart.request" {
                asked.push((conns[which], id));
            }
        }
        world.elapse(40_000);
        let inboxes: Vec<(u32, Vec<Got>)> = conns.iter().map(|conn| (*conn, world.inbox(*conn))).collect();
        for (conn, id) in asked {
            let inbox = inboxes.iter().find(|(number, _)| *number == conn).map(|(_, inbox)| inbox.as_slice());
            prop_assert_eq!(answers(inbox.unwrap_or_default(), &id), 1, "{} on {}", id, conn);
        }
    }
}
