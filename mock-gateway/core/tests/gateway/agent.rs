//! Turns of the scripted agent, and the conversations they make.

use gateway_core::{AgentScript, Config};
use rstest::rstest;
use serde_json::{Value, json};

use crate::driver::{Client, TOKEN, World};

fn scripted(turns: &Value) -> World {
    let script: AgentScript = serde_json::from_value(json!({ "turns": turns })).unwrap();
    let mut config = Config::with_token(TOKEN);
    config.agent = script;
    World::with("2026.6.34", config)
}

fn chatter(world: &mut World) -> u32 {
    world
        .join(&Client::backend(&["operator.read", "operator.write"]))
        .0
}

fn send(message: &str, run: &str) -> Value {
    json!({"sessionKey": "main", "message": message, "idempotencyKey": run})
}

/// State, text and seq of every `chat` event so far.
fn chat(world: &mut World, conn: u32) -> Vec<(String, String, u64)> {
    std::iter::from_fn(|| world.event(conn, "chat"))
        .map(|event| {
            let payload = &event["payload"];
            let text = payload["message"]["content"][0]["text"].as_str();
            (
                payload["state"].as_str().unwrap().to_owned(),
                text.unwrap_or_default().to_owned(),
                payload["seq"].as_u64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_message_is_started_streamed_and_finished() {
    let mut world = scripted(
        &json!([{"text": "It is sunny today", "pieces": 2, "after_ms": 100, "every_ms": 200}]),
    );
    let conn = chatter(&mut world);
    let started = world.call(conn, "chat.send", send("weather?", "run-1"));
    assert_eq!(started, Ok(json!({"runId": "run-1", "status": "started"})));
    world.elapse(99);
    assert_eq!(chat(&mut world, conn), [], "99 ms: nothing is said");
    world.elapse(1);
    assert_eq!(
        chat(&mut world, conn),
        [("delta".into(), "It is ".into(), 2)]
    );
    world.elapse(199);
    assert_eq!(chat(&mut world, conn), []);
    world.elapse(500);
    let rest = chat(&mut world, conn);
    let whole = "It is sunny today".to_owned();
    assert_eq!(
        rest,
        [
            ("delta".into(), whole.clone(), 3),
            ("final".into(), whole, 4)
        ]
    );
    let streams: Vec<Value> = std::iter::from_fn(|| world.event(conn, "agent"))
        .map(|event| event["payload"]["data"]["phase"].clone())
        .collect();
    assert_eq!(
        streams,
        [json!("start"), Value::Null, Value::Null, json!("end")]
    );
}

#[test]
fn a_conversation_is_remembered() {
    let mut world = World::new("2026.6.34");
    let conn = chatter(&mut world);
    world.call(conn, "chat.send", send("hello", "a")).unwrap();
    world.elapse(5_000);
    let history = world
        .call(
            conn,
            "chat.history",
            json!({"sessionKey": "agent:main:main"}),
        )
        .unwrap();
    let said: Vec<(&str, &str)> = history["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| {
            let text = message["content"][0]["text"].as_str().unwrap();
            (message["role"].as_str().unwrap(), text)
        })
        .collect();
    assert_eq!(said, [("user", "hello"), ("assistant", "You said: hello")]);
    let list = world.call(conn, "sessions.list", json!({})).unwrap();
    assert_eq!(list["sessions"][0]["key"], "agent:main:main");
}

#[test]
fn an_agent_request_has_two_answers() {
    let mut world = scripted(&json!([{"text": "done"}]));
    let conn = chatter(&mut world);
    let params = json!({"message": "go", "idempotencyKey": "run-1"});
    let id = world.request(conn, "agent", params);
    let first = world.answer(conn, &id).unwrap();
    assert_eq!(
        (&first["status"], &first["runId"]),
        (&json!("accepted"), &json!("run-1"))
    );
    let waiting = world.request(conn, "agent.wait", json!({"runId": "run-1"}));
    world.elapse(5_000);
    let second = world.answer(conn, &id).unwrap();
    assert_eq!(second["result"]["payloads"][0]["text"], "done");
    assert_eq!(world.answer(conn, &waiting).unwrap()["status"], "ok");
    let again = world.call(
        conn,
        "agent",
        json!({"message": "go", "idempotencyKey": "run-1"}),
    );
    assert_eq!(
        again.unwrap()["status"],
        "ok",
        "a repeated request is not run again"
    );
}

#[test]
fn an_abort_ends_a_turn_and_keeps_what_was_said() {
    let mut world = scripted(&json!([{"deltas": ["half", " and more"], "every_ms": 60_000}]));
    let conn = chatter(&mut world);
    world.call(conn, "chat.send", send("go", "run-1")).unwrap();
    world.elapse(100);
    chat(&mut world, conn);
    let aborted = world.call(conn, "chat.abort", json!({"sessionKey": "main"}));
    assert_eq!(
        aborted,
        Ok(json!({"ok": true, "aborted": true, "runIds": ["run-1"]}))
    );
    assert_eq!(
        chat(&mut world, conn),
        [("aborted".into(), "half".into(), 3)]
    );
    world.elapse(600_000);
    assert_eq!(chat(&mut world, conn), [], "an aborted turn is over");
    let again = world.call(
        conn,
        "chat.abort",
        json!({"sessionKey": "main", "runId": "run-1"}),
    );
    assert_eq!(
        again,
        Ok(json!({"ok": true, "aborted": false, "runIds": []}))
    );
}

#[test]
fn a_turn_may_fail_or_hang() {
    let mut world = scripted(&json!([
        {"contains": "fail", "text": "I try", "ends": "error", "error": "no model", "times": 1},
        {"contains": "hang", "ends": "never"},
    ]));
    let conn = chatter(&mut world);
    world
        .call(conn, "chat.send", send("FAIL please", "a"))
        .unwrap();
    world.elapse(5_000);
    let last = chat(&mut world, conn).pop().unwrap();
    assert_eq!(
        (last.0.as_str(), last.1.as_str()),
        ("error", "Error: no model")
    );
    world
        .call(conn, "chat.send", send("fail again", "b"))
        .unwrap();
    world.elapse(5_000);
    assert_eq!(
        chat(&mut world, conn).pop().unwrap().1,
        "You said: fail again",
        "it was used up"
    );
    world.call(conn, "chat.send", send("hang", "c")).unwrap();
    world.elapse(3_600_000);
    assert_eq!(chat(&mut world, conn), []);
    let repeated = world.call(conn, "chat.send", send("hang", "c")).unwrap();
    assert_eq!(repeated["status"], "in_flight");
}

// Both sides of each line: who may listen, and who hears a session.
#[rstest]
#[case(&["operator.read"], true)]
#[case(&["operator.pairing"], false)]
fn only_readers_hear_the_agent(#[case] scopes: &[&str], #[case] hears: bool) {
    let mut world = World::new("2026.6.34");
    let conn = chatter(&mut world);
    let (other, _) = world.join(&Client::backend(scopes));
    world.call(conn, "chat.send", send("hello", "a")).unwrap();
    world.elapse(5_000);
    assert_eq!(!chat(&mut world, other).is_empty(), hears);
}

#[test]
fn messages_reach_those_who_asked_for_them() {
    let mut world = World::new("2026.6.34");
    let conn = chatter(&mut world);
    let listener = chatter(&mut world);
    let answer = world.call(
        listener,
        "sessions.messages.subscribe",
        json!({"key": "main"}),
    );
    assert_eq!(
        answer,
        Ok(json!({"subscribed": true, "key": "agent:main:main"}))
    );
    world.call(conn, "chat.send", send("hello", "a")).unwrap();
    world.elapse(5_000);
    let roles: Vec<Value> = std::iter::from_fn(|| world.event(listener, "session.message"))
        .map(|event| event["payload"]["message"]["role"].clone())
        .collect();
    assert_eq!(roles, [json!("user"), json!("assistant")]);
    assert_eq!(world.event(conn, "session.message"), None);
}

#[test]
fn sessions_are_made_changed_reset_and_deleted() {
    let mut world = World::new("2026.9.6");
    let conn = world.admin();
    let made = world.call(
        conn,
        "sessions.create",
        json!({"key": "trip", "label": "Trip"}),
    );
    let id = made.unwrap()["sessionId"].clone();
    let taken = world.call(
        conn,
        "sessions.patch",
        json!({"key": "other", "label": "Trip"}),
    );
    assert_eq!(taken.unwrap_err()["message"], "label already in use: Trip");
    world
        .call(
            conn,
            "sessions.patch",
            json!({"key": "trip", "label": null, "pinned": true}),
        )
        .unwrap();
    let row = world
        .call(conn, "sessions.describe", json!({"key": "trip"}))
        .unwrap();
    assert_eq!(
        (row["session"].get("label"), &row["session"]["pinned"]),
        (None, &json!(true))
    );
    let reset = world
        .call(conn, "sessions.reset", json!({"key": "trip"}))
        .unwrap();
    assert_ne!(reset["entry"]["sessionId"], id);
    let gone = world
        .call(conn, "sessions.delete", json!({"key": "trip"}))
        .unwrap();
    assert_eq!(gone["deleted"], true);
    let missing = world.call(conn, "sessions.resolve", json!({"key": "trip"}));
    assert_eq!(missing.unwrap_err()["message"], "No session found: trip");
}
