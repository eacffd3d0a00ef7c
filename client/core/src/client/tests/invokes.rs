//! Node invokes: catalogue rows 170, 198, 244, 245.

use rstest::rstest;

use super::*;
use crate::InvokeOutcome;

fn ready() -> (Bench, SocketId) {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(
            record(Some("s"), None),
            Some(identity(Some("o"), Some("n"))),
        ),
    );
    let (_, node) = bench.ready();
    (bench, node)
}

fn invoke(bench: &mut Bench, node: SocketId, id: &str, command: &str) {
    bench.event(
        node,
        "node.invoke.request",
        json!({"id": id, "command": command, "paramsJSON": "{\"a\":1}"}),
    );
}

fn results(bench: &Bench, node: SocketId) -> Vec<Value> {
    bench
        .sent(node, "node.invoke.result")
        .into_iter()
        .map(|frame| frame["params"].clone())
        .collect()
}

#[test]
fn an_invoke_reaches_the_shell_and_is_answered_once() {
    let (mut bench, node) = ready();
    invoke(&mut bench, node, "i-1", "System.Which");
    let request = bench.invokes[0].clone();
    assert_eq!(
        (request.command.as_str(), request.args),
        ("system.which", json!({"a": 1}))
    );
    for _ in 0..2 {
        bench.input(Input::InvokeDone {
            key: request.key,
            outcome: InvokeOutcome::Ok(json!({"path": "/bin/sh"})),
        });
    }
    let own = identity(None, None).device_id;
    assert_eq!(
        results(&bench, node),
        [json!({"id": "i-1", "nodeId": own, "ok": true, "payload": {"path": "/bin/sh"}})]
    );
}

/// What stands in the arguments is somebody else's word.
#[rstest]
#[case::none(None, None)]
#[case::null(Some(json!(null)), None)]
#[case::number(Some(json!(7)), None)]
#[case::object(Some(json!({"key": "agent:main"})), None)]
#[case::empty(Some(json!("")), None)]
#[case::blank(Some(json!(" \t")), None)]
#[case::text(Some(json!("agent:main")), Some("agent:main"))]
fn only_the_envelope_names_the_session(
    #[case] envelope: Option<Value>,
    #[case] expected: Option<&str>,
    #[values(true, false)] by_event: bool,
) {
    let (mut bench, node) = ready();
    let args = json!({"sessionKey": "agent:args", "session": {"sessionKey": "agent:nested"}});
    let mut params = json!({"id": "i-1", "command": "system.which", "args": args});
    if let Some(key) = envelope {
        params["sessionKey"] = key;
    }
    if by_event {
        bench.event(node, "node.invoke.request", params);
    } else {
        let request =
            json!({"type": "req", "id": "r-1", "method": "node.invoke", "params": params});
        bench.text(node, &request);
    }
    let invoke = &bench.invokes[0];
    assert_eq!(
        (invoke.session_key.as_deref(), &invoke.args),
        (expected, &args)
    );
}

#[rstest]
#[case::missing(json!({"id": "i"}), "Missing command")]
#[case::too_long(json!({"id": "i", "command": "a".repeat(101)}), "Invalid command format")]
#[case::blank_inside(json!({"id": "i", "command": "a b"}), "Invalid command format")]
#[case::empty(json!({"id": "i", "command": ""}), "Invalid command format")]
#[case::unknown(json!({"id": "i", "command": "no.such"}), "Command not supported: no.such")]
fn a_bad_invoke_gets_the_documented_error(
    #[values(true, false)] as_request: bool,
    #[case] params: Value,
    #[case] error: &str,
) {
    let (mut bench, node) = ready();
    if as_request {
        bench.text(
            node,
            &json!({"type": "req", "id": "q", "method": "node.invoke", "params": params}),
        );
        let answer = bench.sockets[&node].sent.last().unwrap().clone();
        assert_eq!(
            (&answer["id"], &answer["error"]["message"]),
            (&json!("q"), &json!(error))
        );
    } else {
        bench.event(node, "node.invoke.request", params);
        assert_eq!(results(&bench, node)[0]["error"]["message"], error);
    }
}

#[test]
fn the_ninth_is_busy_the_duplicate_is_named_and_pings_pass() {
    let (mut bench, node) = ready();
    for n in 0..7 {
        invoke(&mut bench, node, &format!("i-{n}"), "camera.clip");
    }
    invoke(&mut bench, node, "i-0", "camera.clip");
    assert_eq!(
        results(&bench, node)[0]["error"]["message"],
        "duplicate active request id"
    );
    invoke(&mut bench, node, "i-7", "camera.clip");
    invoke(&mut bench, node, "i-8", "camera.clip");
    assert_eq!(
        results(&bench, node)[1]["error"]["message"],
        "node busy, retry"
    );
    bench.text(node, &json!({"type": "req", "id": "p", "method": "ping"}));
    let answer = bench.sockets[&node].sent.last().unwrap();
    assert_eq!(answer["payload"], json!({"pong": true}));
    assert_eq!(bench.invokes.len(), 8);
}

#[rstest]
fn a_cancelled_invoke_is_answered_once(
    #[values("invokeId", "requestId")] key: &str,
    #[values(true, false)] as_request: bool,
) {
    let (mut bench, node) = ready();
    invoke(&mut bench, node, "i-1", "camera.clip");
    let params = json!({ key: "i-1" });
    if as_request {
        bench.text(
            node,
            &json!({"type": "req", "id": "c", "method": "node.invoke.cancel", "params": params}),
        );
        let answer = bench.sockets[&node].sent.last().unwrap();
        assert_eq!(answer["payload"], json!({"cancelled": true}));
        bench.text(
            node,
            &json!({"type": "req", "id": "d", "method": "node.invoke.cancel", "params": params}),
        );
        let answer = bench.sockets[&node].sent.last().unwrap();
        assert_eq!(answer["payload"], json!({"cancelled": false}));
    } else {
        bench.event(node, "node.invoke.cancel", params);
    }
    let key = bench.invokes[0].key;
    bench.input(Input::InvokeDone {
        key,
        outcome: InvokeOutcome::Ok(Value::Null),
    });
    let results = results(&bench, node);
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["error"]["message"], "cancelled");
}

#[test]
fn a_lost_connection_drops_running_work_in_silence() {
    let (mut bench, node) = ready();
    invoke(&mut bench, node, "i-1", "camera.clip");
    bench.closed(node, 1006, "");
    let key = bench.invokes[0].key;
    bench.elapse(ms(1_250));
    let (node, _) = bench.complete(Role::Node, json!({"deviceToken": "node-token"}));
    bench.input(Input::InvokeDone {
        key,
        outcome: InvokeOutcome::Ok(Value::Null),
    });
    assert!(results(&bench, node).is_empty());
    invoke(&mut bench, node, "i-2", "device.info");
    assert_eq!(results(&bench, node)[0]["payload"]["platform"], "windows");
}

#[test]
fn an_invoke_before_hello_ok_is_not_executed() {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(
            record(Some("s"), None),
            Some(identity(Some("o"), Some("n"))),
        ),
    );
    bench.intent(Intent::Connect);
    bench.complete(Role::Operator, admin("o"));
    let node = bench.socket(Role::Node);
    bench.challenge(node);
    invoke(&mut bench, node, "i-1", "device.info");
    bench.text(node, &json!({"type": "req", "id": "p", "method": "ping"}));
    assert!(bench.invokes.is_empty());
    assert_eq!(bench.sockets[&node].sent.len(), 1, "only the connect frame");
}

#[test]
fn unknown_methods_and_missing_ids_are_named() {
    let (mut bench, node) = ready();
    for (method, error) in [
        ("node.nope", "Unknown method: node.nope"),
        ("node.invoke.cancel", "Missing invokeId"),
        ("node.invoke", "Missing params"),
    ] {
        bench.text(node, &json!({"type": "req", "id": "x", "method": method}));
        assert_eq!(
            bench.sockets[&node].sent.last().unwrap()["error"]["message"],
            error
        );
    }
}

#[test]
fn tools_of_this_computer_are_neither_offered_nor_run() {
    let mut options = ClientOptions::default();
    let local = ["app.status", "App.connection.reconnect"].map(str::to_owned);
    options.node.commands.extend(local);
    options.node.caps.push("app".to_owned());
    let state = disk(
        record(Some("s"), None),
        Some(identity(Some("o"), Some("n"))),
    );
    let mut bench = Bench::with(options, state);
    bench.intent(Intent::Connect);
    bench.complete(Role::Operator, admin("o"));
    let (node, params) = bench.complete(Role::Node, json!({"deviceToken": "n"}));
    let frame = params.to_string();
    assert!(!frame.contains("app."), "{frame}");
    assert_eq!(params["caps"].as_array().unwrap().len(), 9);
    invoke(&mut bench, node, "i-1", "app.status");
    assert!(bench.invokes.is_empty());
    assert_eq!(
        results(&bench, node)[0]["error"]["message"],
        "Command not supported: app.status"
    );
}

/// The gateway may invoke as soon as it has said hello-ok; the client may still be writing the token down.
#[test]
fn an_invoke_that_comes_while_the_token_is_stored_waits_and_a_ping_does_not() {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record(Some("s"), None), Some(identity(Some("o"), None))),
    );
    bench.intent(Intent::Connect);
    bench.complete(Role::Operator, admin("o"));
    let node = bench.socket(Role::Node);
    bench.challenge(node);
    bench.held = Some(Vec::new());
    bench.hello(node, json!({"deviceToken": "n"}));
    invoke(&mut bench, node, "i-1", "system.which");
    bench.text(node, &json!({"type": "req", "id": "p", "method": "ping"}));
    let answered = |bench: &Bench| {
        let sent = &bench.sockets[&node].sent;
        sent.iter()
            .any(|frame| frame["id"] == "p" && frame["ok"] == true)
    };
    assert!(answered(&bench), "a ping does not wait for a disk");
    assert!(bench.invokes.is_empty(), "there is no node yet");
    let held = bench.held.take().unwrap();
    for op in held {
        bench.answer(op);
    }
    bench.input(Input::Woke);
    assert_eq!(bench.invokes.len(), 1);
}

/// A gateway that floods a client whose disk hangs is given up, not piled up.
#[test]
fn what_waits_for_the_disk_is_bounded() {
    let mut bench = Bench::new(
        Policy::Hardened,
        disk(record(Some("s"), None), Some(identity(None, None))),
    );
    bench.intent(Intent::Connect);
    let operator = bench.socket(Role::Operator);
    bench.challenge(operator);
    bench.held = Some(Vec::new());
    bench.hello(operator, admin("o"));
    for _ in 0..64 {
        bench.event(operator, "health", json!({}));
    }
    assert!(bench.sockets[&operator].live);
    bench.event(operator, "health", json!({}));
    assert!(!bench.sockets[&operator].live);
}
