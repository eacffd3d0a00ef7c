//! Scripted behaviours. See `behavior.rs` for the language.

use gateway_core::{Admission, Control, Peer};
use rstest::rstest;
use serde_json::{Value, json};

use crate::driver::{Client, Got, World, mount};

#[test]
fn a_reply_replaces_the_built_in_answer_as_often_as_asked() {
    let mut world = World::new("2026.6.34");
    let (conn, _) = world.join(&Client::backend(&["operator.read"]));
    world
        .control(mount(json!({"name": "b", "when": {"method": "status"}, "reply": {"respond": {"x": 1}}, "times": 1})))
        .unwrap();
    assert_eq!(world.call(conn, "status", json!({})), Ok(json!({"x": 1})));
    assert_ne!(world.call(conn, "status", json!({})), Ok(json!({"x": 1})));
    let view = serde_json::to_value(&world.gateway.view().behaviors).unwrap();
    assert_eq!(
        view,
        json!([{"name": "b", "matched": 1, "applied": 1}]),
        "used as often as demanded"
    );
    world
        .control(Control::Unmount { name: "b".into() })
        .unwrap();
    assert!(
        world
            .control(Control::Unmount { name: "b".into() })
            .is_err()
    );
}

#[test]
fn an_error_may_end_a_connect() {
    let mut world = World::new("2026.6.34");
    let error = json!({"code": "UNAVAILABLE", "message": "no", "retryable": true, "retry_after_ms": 5,
                       "details": {"a": 1}, "close": {"code": 1008, "reason": "no"}});
    world.control(mount(json!({"name": "b", "when": {"method": "connect", "nth": 1}, "reply": {"error": error}}))).unwrap();
    let (error, close) = world.refused(&Client::cli(1, &[]), false);
    let expected = json!({"code": "UNAVAILABLE", "message": "no", "details": {"a": 1}, "retryable": true, "retryAfterMs": 5});
    assert_eq!((error, close), (expected, (1008, "no".to_owned())));
    world.join(&Client::cli(1, &[]));
}

#[test]
fn a_patch_changes_the_built_in_hello() {
    let mut world = World::new("2026.6.34");
    let patch = json!({"policy": {"tickIntervalMs": 1000}, "features": null});
    world
        .control(mount(
            json!({"name": "b", "when": {"method": "connect"}, "reply": {"patch": patch}}),
        ))
        .unwrap();
    let (conn, hello) = world.join(&Client::cli(1, &["operator.read"]));
    assert_eq!(hello["policy"]["tickIntervalMs"], 1000);
    assert_eq!(hello.get("features"), None);
    world.call(conn, "status", json!({})).unwrap();
}

#[test]
fn a_scripted_hello_lets_anybody_in() {
    let mut world = World::new("2026.6.34");
    world
        .control(mount(json!({"name": "b", "when": {"method": "connect"}, "reply": {"respond": {"type": "hello-ok"}}})))
        .unwrap();
    let stranger = Client::cli(1, &["operator.read"]).auth(json!({"token": "wrong"}));
    let (conn, hello) = world.join(&stranger);
    assert_eq!(hello, json!({"type": "hello-ok"}));
    world.call(conn, "status", json!({})).unwrap();
}

#[rstest]
#[case::ignore(json!("ignore"), &[])]
#[case::close(json!({"close": {"code": 1013, "reason": "x"}}), &["close 1013"])]
#[case::abort(json!("abort"), &["abort"])]
#[case::raw(json!({"raw": "{\"type\":\"res\",\"id\":$id,\"ok\":true}"}), &["res"])]
#[case::late(json!({"delay": {"ms": 500, "then": {"close": {"code": 1000}}}}), &["close 1000"])]
#[case::events_first(json!({"events": [{"event": "e", "payload": 1}]}), &["e", "res"])]
#[case::event_only(json!({"sequence": [{"events": [{"event": "e"}]}, "ignore"]}), &["e"])]
#[case::sequence(json!({"sequence": [{"events": [{"event": "e"}]}, "pass"]}), &["e", "res"])]
#[case::bytes(json!({"bytes": "AAEC"}), &["binary"])]
fn replies(#[case] reply: Value, #[case] expected: &[&str]) {
    let mut world = World::new("2026.6.34");
    let (conn, _) = world.join(&Client::backend(&["operator.read"]));
    world.elapse(100);
    world.inbox(conn);
    world
        .control(mount(
            json!({"name": "b", "when": {"method": "last-*"}, "reply": reply}),
        ))
        .unwrap();
    world.request(conn, "last-heartbeat", json!({}));
    world.elapse(1_000);
    let got: Vec<String> = world
        .inbox(conn)
        .into_iter()
        .map(|got| match got {
            Got::Frame(frame) => frame["event"]
                .as_str()
                .or_else(|| frame["type"].as_str())
                .unwrap_or("binary")
                .to_owned(),
            Got::Close(frame) => format!("close {}", frame.code),
            Got::Abort => "abort".to_owned(),
            Got::Ping => "ping".to_owned(),
        })
        .collect();
    assert_eq!(got, expected);
}

#[test]
fn a_delayed_connect_outlives_the_handshake_time_out() {
    let mut world = World::new("2026.6.34");
    let delay = json!({"delay": {"ms": 60_000, "then": "pass"}});
    world
        .control(mount(
            json!({"name": "b", "when": {"method": "connect"}, "reply": delay}),
        ))
        .unwrap();
    let conn = world.open();
    let params = Client::backend(&[]).signed("", 0);
    let id = world.request(conn, "connect", params);
    world.elapse(59_999);
    assert_eq!(world.closed(conn), None);
    world.elapse(1);
    world.answer(conn, &id).unwrap();
}

#[rstest]
#[case::skipped(json!({"skip": true}), 0, None)]
#[case::late(json!({"delay_ms": 700}), 700, Some(0))]
#[case::wrong_time(json!({"ts_offset_ms": -5}), 0, Some(-5))]
fn challenges(#[case] challenge: Value, #[case] after: u64, #[case] offset: Option<i64>) {
    let mut world = World::new("2026.6.34");
    let opened_at = world.now().wall.0;
    world
        .control(mount(
            json!({"name": "b", "when": {"on": "open"}, "reply": {"challenge": challenge}}),
        ))
        .unwrap();
    let conn = world.open();
    if after > 0 {
        assert_eq!(world.inbox(conn), []);
        world.elapse(after);
    }
    let ts = world
        .event(conn, "connect.challenge")
        .map(|event| event["payload"]["ts"].as_i64().unwrap());
    assert_eq!(ts, offset.map(|offset| opened_at + offset));
}

#[test]
fn a_challenge_may_carry_a_chosen_nonce() {
    let mut world = World::new("2026.6.34");
    let reply = json!({"challenge": {"nonce": "chosen"}});
    world
        .control(mount(
            json!({"name": "b", "when": {"on": "open", "conn": 1}, "reply": reply}),
        ))
        .unwrap();
    let conn = world.open();
    assert_eq!(world.nonce(conn), "chosen");
    world.connect_on(conn, &Client::cli(1, &[])).unwrap();
    let conn = world.open();
    assert_ne!(world.nonce(conn), "chosen");
}

#[test]
fn controls_talk_to_connections() {
    let mut world = World::new("2026.6.34");
    let (operator, _) = world.join(&Client::backend(&[]));
    let (node, _) = world.join(&Client::node(1, &[]));
    let event: Control = serde_json::from_value(
        json!({"verb": "send_event", "event": "node.pair.resolved", "payload": {"a": 1}, "role": "node", "targeted": true}),
    )
    .unwrap();
    assert_eq!(world.control(event), Ok(json!({"connections": [node]})));
    assert_eq!(
        world.event(node, "node.pair.resolved").unwrap().get("seq"),
        None
    );
    assert_eq!(world.event(operator, "node.pair.resolved"), None);
    let raw = Control::SendRaw {
        conn: operator,
        text: "not json".into(),
    };
    world.control(raw).unwrap();
    assert!(
        world
            .inbox(operator)
            .contains(&Got::Frame(json!("not json")))
    );
    world
        .control(Control::CloseConnections {
            conn: None,
            role: None,
            close: None,
        })
        .unwrap();
    assert!(world.inbox(operator).contains(&Got::Abort));
    let gone = world.control(Control::SendRaw {
        conn: operator,
        text: String::new(),
    });
    assert!(gone.is_err());
}

#[test]
fn operations_of_rfc_6902_change_the_built_in_answer() {
    let mut world = World::new("2026.6.34");
    let patch = json!([
        {"op": "test", "path": "/type", "value": "hello-ok"},
        {"op": "replace", "path": "/policy/tickIntervalMs", "value": 7},
        {"op": "remove", "path": "/features"},
    ]);
    world
        .control(mount(
            json!({"name": "b", "when": {"method": "connect"}, "reply": {"json_patch": patch}}),
        ))
        .unwrap();
    let (conn, hello) = world.join(&Client::cli(1, &["operator.read"]));
    assert_eq!(hello["policy"]["tickIntervalMs"], 7);
    assert_eq!(hello.get("features"), None);
    world
        .control(mount(json!({"name": "c", "when": {"method": "status"},
            "reply": {"json_patch": [{"op": "remove", "path": "/nowhere"}]}})))
        .unwrap();
    world.call(conn, "status", json!({})).unwrap();
    let problems = &world.gateway.view().behaviors[1].problems;
    assert!(problems[0].starts_with("json_patch: "), "{problems:?}");
}

#[test]
fn events_stand_before_a_scripted_answer_and_nothing_answers_twice() {
    let mut world = World::new("2026.6.34");
    let (conn, _) = world.join(&Client::backend(&["operator.read"]));
    let reply = json!({"sequence": [{"events": [{"event": "tick"}]}, {"respond": {"x": 1}}]});
    world
        .control(mount(
            json!({"name": "b", "when": {"method": "status"}, "reply": reply}),
        ))
        .unwrap();
    assert_eq!(world.call(conn, "status", json!({})), Ok(json!({"x": 1})));
    let answers = world
        .inbox(conn)
        .into_iter()
        .filter(|got| matches!(got, Got::Frame(frame) if frame["type"] == "res"))
        .count();
    assert_eq!(answers, 0, "nothing follows the answer that was read");
}

#[test]
fn what_a_request_said_comes_back_in_replies() {
    let mut world = World::new("2026.6.34");
    let (conn, _) = world.join(&Client::backend(&["operator.read"]));
    world
        .control(mount(
            json!({"name": "b", "when": {"method": "status"}, "capture": {"word": "/say"},
            "reply": {"respond": {"heard": "$word", "given": "$token"}}}),
        ))
        .unwrap();
    let values = [("token".to_owned(), json!("t1"))].into();
    world.control(Control::Bind { values }).unwrap();
    let answer = world.call(conn, "status", json!({"say": "hi"}));
    assert_eq!(answer, Ok(json!({"heard": "hi", "given": "t1"})));
    let captured = world.control(Control::Captured).unwrap();
    assert_eq!(captured, json!({"token": "t1", "word": "hi"}));
}

#[test]
fn an_upgrade_is_answered_with_a_status_for_the_connections_that_are_named() {
    let mut world = World::new("2026.6.34");
    let http = json!({"status": 429, "retry_after_s": 7, "body": "slow down"});
    world
        .control(mount(
            json!({"name": "b", "when": {"on": "upgrade", "conn": [2]}, "reply": {"http": http}}),
        ))
        .unwrap();
    let peer = Peer::loopback();
    assert_eq!(world.gateway.admission(1, &peer), Admission::Accept);
    let scripted = world.gateway.admission(2, &peer);
    assert!(matches!(scripted, Admission::Scripted(http) if http.retry_after_s == Some(7)));
    assert_eq!(world.gateway.admission(3, &peer), Admission::Accept);
}

#[test]
fn a_behaviour_that_makes_no_sense_is_not_mounted() {
    let mut world = World::new("2026.6.34");
    let error = world
        .control(mount(
            json!({"name": "b", "when": {"on": "upgrade"}, "reply": "ignore"}),
        ))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "behaviour \"b\" makes no sense: an upgrade can only be answered with `http`, or left alone with `pass`"
    );
}
