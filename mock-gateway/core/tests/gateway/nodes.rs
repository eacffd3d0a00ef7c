//! Nodes: surfaces, lists, invokes, events, pending work. ref: gateway-behaviour.md §7

use gateway_core::{Config, Control, NodesConfig};
use rstest::rstest;
use serde_json::{Value, json};

use crate::driver::{Client, TOKEN, World};

/// An admin, a node with an approved surface, and the node's id.
pub(crate) fn approved(world: &mut World, client: &Client) -> (u32, u32, String) {
    let admin = world.admin();
    let (node, _) = world.join(client);
    world
        .control(Control::ApproveNode {
            request_id: "latest".into(),
        })
        .unwrap();
    world.inbox(node);
    world.inbox(admin);
    (admin, node, client.id())
}

pub(crate) fn invoke(world: &mut World, conn: u32, node: &str, command: &str) -> String {
    world.request(
        conn,
        "node.invoke",
        json!({"nodeId": node, "command": command, "idempotencyKey": "k"}),
    )
}

/// Recording 101.
#[rstest]
fn a_first_connect_asks_for_its_surface(#[values("2026.6.34", "2026.9.6")] version: &str) {
    let newer = version == "2026.9.6";
    let mut world = World::new(version);
    let admin = world.admin();
    let client = Client::node(1, &["system.which", "system.run", "dir.list"]);
    let (node, hello) = world.join(&client);
    let asked = world.event(admin, "node.pair.requested").unwrap()["payload"].clone();
    assert_eq!(asked["nodeId"], client.id());
    assert_eq!(
        asked["commands"],
        json!(["system.which", "system.run"]),
        "filtered by platform"
    );
    assert_eq!(asked["caps"], json!(["system"]));
    assert_eq!(asked["silent"], json!(newer));
    assert_eq!(asked.get("requiredApproveScopes").is_some(), newer);
    assert_eq!(hello["snapshot"]["presence"] == json!([]), newer);
    assert!(
        world
            .event(node, "voicewake.changed")
            .unwrap()
            .get("seq")
            .is_none()
    );
    let listed = world.call(admin, "node.list", json!({})).unwrap()["nodes"][0].clone();
    assert_eq!(listed["approvalState"], "pending-approval");
    assert_eq!(
        (&listed["caps"], &listed["commands"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(listed["pendingRequestId"], asked["requestId"]);
    assert_eq!(
        (&listed["paired"], &listed["connected"]),
        (&json!(true), &json!(true))
    );
    let pending = world.call(admin, "node.pair.list", json!({})).unwrap()["pending"][0].clone();
    assert_eq!(
        pending["requiredApproveScopes"],
        json!(["operator.pairing", "operator.admin"])
    );
    let params = json!({"requestId": asked["requestId"]});
    let answer = world
        .call(admin, "node.pair.approve", params.clone())
        .unwrap();
    assert_eq!(answer["node"]["token"].is_string(), !newer);
    assert_eq!(world.event(node, "node.pair.resolved").is_some(), newer);
    let described = world
        .call(admin, "node.describe", json!({"nodeId": client.id()}))
        .unwrap();
    assert_eq!(described["approvalState"], "approved");
    assert_eq!(
        described["commands"],
        json!(["system.run", "system.which"]),
        "sorted"
    );
    assert_eq!(
        world.call(admin, "node.pair.approve", params).unwrap_err()["message"],
        "unknown requestId"
    );
}

/// Recording 91.
#[rstest]
#[case(&["operator.pairing"], &[], None)]
#[case(&["operator.pairing"], &["device.info"], Some("operator.write"))]
#[case(&["operator.pairing", "operator.write"], &["device.info"], None)]
#[case(&["operator.pairing", "operator.write"], &["system.run"], Some("operator.admin"))]
fn approving_a_surface_takes_scopes(
    #[case] granted: &[&str],
    #[case] commands: &[&str],
    #[case] missing: Option<&str>,
    #[values("2026.6.34", "2026.9.6")] version: &str,
) {
    let mut world = World::new(version);
    let (approver, _) = world.join(&Client::backend(granted));
    let client = if commands == ["system.run"] {
        Client::node(1, commands)
    } else {
        Client::ios(1, commands)
    };
    world.join(&client);
    let id = world.event(approver, "node.pair.requested").unwrap()["payload"]["requestId"].clone();
    let outcome = world.call(approver, "node.pair.approve", json!({"requestId": id}));
    assert_eq!(
        outcome.err().map(|error| error["message"].clone()),
        missing.map(|scope| json!(format!("missing scope: {scope}")))
    );
}

/// ref: gateway-behaviour.md §7.4
#[test]
fn a_surface_that_grows_is_asked_for_again() {
    let mut world = World::new("2026.6.34");
    let client = Client::ios(1, &["device.info"]);
    let (admin, node, id) = approved(&mut world, &client);
    world.hang_up(node);
    let (node, _) = world.join(&Client::ios(1, &["device.info", "location.get"]));
    let first = world.event(admin, "node.pair.requested").unwrap()["payload"]["requestId"].clone();
    let described = world
        .call(admin, "node.describe", json!({"nodeId": id}))
        .unwrap();
    assert_eq!(described["approvalState"], "pending-reapproval");
    assert_eq!(
        described["commands"],
        json!(["device.info"]),
        "what is approved keeps working"
    );
    world.hang_up(node);
    world.join(&client);
    let resolved = world.event(admin, "node.pair.resolved").unwrap()["payload"].clone();
    assert_eq!(
        (&resolved["requestId"], &resolved["decision"]),
        (&first, &json!("rejected"))
    );
    assert_eq!(world.event(admin, "node.pair.requested"), None);
}

#[test]
fn a_rejected_node_stays_with_nothing_and_asks_at_its_next_connect() {
    let mut world = World::new("2026.6.34");
    let client = Client::ios(1, &["device.info"]);
    let admin = world.admin();
    let (node, _) = world.join(&client);
    world
        .control(Control::RejectNode {
            request_id: client.id(),
        })
        .unwrap();
    assert_eq!(world.closed(node), None);
    let described = world
        .call(admin, "node.describe", json!({"nodeId": client.id()}))
        .unwrap();
    assert_eq!(described["approvalState"], "unapproved");
    world.inbox(admin);
    world.join(&client);
    assert!(world.event(admin, "node.pair.requested").is_some());
}

#[test]
fn a_removed_node_loses_its_role_and_its_connection() {
    let mut world = World::new("2026.6.34");
    let (admin, node, id) = approved(&mut world, &Client::ios(1, &[]));
    world
        .call(admin, "node.pair.remove", json!({"nodeId": id}))
        .unwrap();
    let resolved = world.event(admin, "node.pair.resolved").unwrap()["payload"].clone();
    assert_eq!(
        (&resolved["requestId"], &resolved["decision"]),
        (&json!(""), &json!("removed"))
    );
    assert_eq!(
        world.closed(node),
        Some((4001, "device removed".to_owned()))
    );
    assert_eq!(world.gateway.view().nodes, []);
    let error = world
        .call(admin, "node.pair.remove", json!({"nodeId": id}))
        .unwrap_err();
    assert_eq!(error["message"], "unknown nodeId");
}

/// Recordings 92 and 101.
#[rstest]
#[case::payload(json!({"payload": {"bins": 1}}), json!({"bins": 1}), Value::Null)]
#[case::text(json!({"payloadJSON": "{\"bins\":1}"}), json!({"bins": 1}), json!("{\"bins\":1}"))]
#[case::text_that_is_no_json(json!({"payloadJSON": "oops"}), json!({"payloadJSON": "oops"}), json!("oops"))]
#[case::nothing(json!({}), Value::Null, Value::Null)]
fn an_invoke_goes_to_the_node_and_back(
    #[case] result: Value,
    #[case] payload: Value,
    #[case] text: Value,
) {
    let mut world = World::new("2026.6.34");
    let (admin, node, id) = approved(&mut world, &Client::node(1, &["system.which"]));
    let params = json!({"nodeId": id, "command": "system.which", "params": {"bins": ["ls"]}, "idempotencyKey": "k"});
    let request = world.request(admin, "node.invoke", params);
    let asked = world.event(node, "node.invoke.request").unwrap();
    assert_eq!(asked.get("seq"), None);
    assert_eq!(asked["payload"]["paramsJSON"], "{\"bins\":[\"ls\"]}");
    assert_eq!(asked["payload"].get("timeoutMs"), None);
    let mut answer = json!({"id": asked["payload"]["id"], "nodeId": id, "ok": true});
    answer
        .as_object_mut()
        .unwrap()
        .extend(result.as_object().unwrap().clone());
    assert_eq!(
        world.call(node, "node.invoke.result", answer.clone()),
        Ok(json!({"ok": true}))
    );
    let mut expected =
        json!({"ok": true, "nodeId": id, "command": "system.which", "payloadJSON": text});
    // Flow node/invoke-results: nothing said is nothing passed on.
    if !payload.is_null() {
        expected["payload"] = payload;
    }
    assert_eq!(world.answer(admin, &request), Ok(expected));
    assert_eq!(
        world.call(node, "node.invoke.result", answer),
        Ok(json!({"ok": true, "ignored": true}))
    );
}

#[test]
fn system_run_gets_a_run_id() {
    let mut world = World::new("2026.9.6");
    let (admin, node, id) = approved(&mut world, &Client::node(1, &["system.run"]));
    let params = json!({"nodeId": id, "command": "system.run", "params": {"command": ["ls"]}, "idempotencyKey": "k"});
    world.request(admin, "node.invoke", params);
    let asked = world.event(node, "node.invoke.request").unwrap()["payload"].clone();
    let params: Value = serde_json::from_str(asked["paramsJSON"].as_str().unwrap()).unwrap();
    assert_eq!(params["runId"].as_str().unwrap().len(), 36);
    assert_eq!(asked["timeoutMs"], 30_000);
}

fn node_error(version: &str, code: &str, message: &str) -> Value {
    let mut details = json!({"nodeError": {"code": code, "message": message}});
    if version == "2026.9.6" {
        details["nodeCommandDispatched"] = json!(true);
    }
    json!({"code": "UNAVAILABLE", "message": format!("{code}: {message}"), "details": details})
}

#[rstest]
fn a_node_s_error_reaches_the_operator(#[values("2026.6.34", "2026.9.6")] version: &str) {
    let mut world = World::new(version);
    let (admin, node, id) = approved(&mut world, &Client::ios(1, &["device.info"]));
    let request = invoke(&mut world, admin, &id, "device.info");
    let invoke_id = world.event(node, "node.invoke.request").unwrap()["payload"]["id"].clone();
    let error = json!({"code": "BROKEN", "message": "no"});
    world
        .call(
            node,
            "node.invoke.result",
            json!({"id": invoke_id, "nodeId": id, "ok": false, "error": error}),
        )
        .unwrap();
    assert_eq!(
        world.answer(admin, &request).unwrap_err(),
        node_error(version, "BROKEN", "no")
    );
}

/// Recording 105.
#[rstest]
#[case("2026.6.34", Some(700), 700)]
#[case("2026.6.34", None, 30_000)]
#[case("2026.6.34", Some(0), 0)]
#[case("2026.9.6", Some(700), 700)]
fn an_invoke_times_out(#[case] version: &str, #[case] timeout_ms: Option<u64>, #[case] after: u64) {
    let mut world = World::new(version);
    let (admin, _, id) = approved(&mut world, &Client::ios(1, &["device.info"]));
    let mut params = json!({"nodeId": id, "command": "device.info", "idempotencyKey": "k"});
    if let Some(timeout_ms) = timeout_ms {
        params["timeoutMs"] = json!(timeout_ms);
    }
    let request = world.request(admin, "node.invoke", params);
    world.elapse(after);
    let expected = node_error(version, "TIMEOUT", "node invoke timed out");
    assert_eq!(world.answer(admin, &request).unwrap_err(), expected);
    assert_eq!(world.gateway.view().invokes[0].outcome, "timeout");
}

/// Recording 93.
#[rstest]
fn a_node_that_leaves_fails_its_invokes(#[values("2026.6.34", "2026.9.6")] version: &str) {
    let newer = version == "2026.9.6";
    let mut world = World::new(version);
    let (admin, node, id) = approved(&mut world, &Client::ios(1, &["device.info"]));
    let request = invoke(&mut world, admin, &id, "device.info");
    world.hang_up(node);
    let expected = if newer {
        node_error(version, "DISCONNECTED", "node disconnected (device.info)")
    } else {
        json!({"code": "UNAVAILABLE", "message": "Error: node disconnected (device.info)"})
    };
    assert_eq!(world.answer(admin, &request).unwrap_err(), expected);
    let request = invoke(&mut world, admin, &id, "device.info");
    let error = world.answer(admin, &request).unwrap_err();
    assert_eq!(
        (&error["message"], &error["details"]["code"]),
        (&json!("node not connected"), &json!("NOT_CONNECTED"))
    );
    assert_eq!(
        error["details"].get("nodeCommandDispatched"),
        newer.then(|| json!(false)).as_ref()
    );
}

#[rstest]
#[case(
    "2026.6.34",
    "camera.list",
    "the node (platform: iOS 18.4.0) does not support \"camera.list\"",
    "command not declared by node"
)]
#[case(
    "2026.6.34",
    "made.up",
    "\"made.up\" is not in the allowlist for platform \"iOS 18.4.0\"",
    "command not allowlisted"
)]
#[case(
    "2026.6.34",
    "camera.snap",
    "\"camera.snap\" is not in the allowlist for platform \"iOS 18.4.0\"",
    "command not allowlisted"
)]
#[case(
    "2026.9.6",
    "camera.snap",
    "\"camera.snap\" requires explicit gateway.nodes.commands.allow opt-in",
    "command not allowlisted"
)]
fn commands_that_may_not_be_invoked(
    #[case] version: &str,
    #[case] command: &str,
    #[case] problem: &str,
    #[case] reason: &str,
) {
    let mut world = World::new(version);
    let (admin, _, id) = approved(&mut world, &Client::ios(1, &["device.info", "camera.snap"]));
    let request = invoke(&mut world, admin, &id, command);
    let error = world.answer(admin, &request).unwrap_err();
    assert_eq!(error["code"], "INVALID_REQUEST");
    assert_eq!(
        error["message"],
        format!("node command not allowed: {problem}")
    );
    assert_eq!(
        error["details"],
        json!({"reason": reason, "command": command})
    );
}

/// Recording 106.
#[rstest]
#[case(
    "2026.6.34",
    "INVALID_REQUEST",
    "node command not allowed: the node did not declare any supported commands"
)]
#[case(
    "2026.9.6",
    "UNAVAILABLE",
    "node pairing changed while invocation was active"
)]
fn an_unapproved_node_cannot_be_invoked(
    #[case] version: &str,
    #[case] code: &str,
    #[case] message: &str,
) {
    let mut world = World::new(version);
    let admin = world.admin();
    let client = Client::ios(1, &["device.info"]);
    let (node, _) = world.join(&client);
    let request = invoke(&mut world, admin, &client.id(), "device.info");
    let error = world.answer(admin, &request).unwrap_err();
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!(code), &json!(message))
    );
    let event = world.call(
        node,
        "node.event",
        json!({"event": "chat.subscribe", "payload": {}}),
    );
    assert_eq!(event.is_ok(), version == "2026.6.34");
}

#[test]
fn configuration_allows_and_denies_commands() {
    let nodes = NodesConfig {
        allow_commands: vec!["camera.snap".into(), "made.up".into()],
        deny_commands: vec!["device.info".into()],
        ..NodesConfig::default()
    };
    let mut world = World::with(
        "2026.6.34",
        Config {
            nodes,
            ..Config::with_token(TOKEN)
        },
    );
    let (admin, _, id) = approved(
        &mut world,
        &Client::ios(1, &["device.info", "camera.snap", "made.up"]),
    );
    let described = world
        .call(admin, "node.describe", json!({"nodeId": id}))
        .unwrap();
    assert_eq!(described["commands"], json!(["camera.snap", "made.up"]));
}

/// Recording 104.
#[test]
fn an_ios_node_in_the_background_gets_its_command_later() {
    let mut world = World::new("2026.6.34");
    let (admin, node, id) = approved(
        &mut world,
        &Client::ios(1, &["camera.list", "canvas.navigate"]),
    );
    let fail = |world: &mut World, command: &str| {
        let request = invoke(world, admin, &id, command);
        let invoke_id = world.event(node, "node.invoke.request").unwrap()["payload"]["id"].clone();
        let error = json!({"code": "NODE_BACKGROUND_UNAVAILABLE", "message": "app in background"});
        let result = json!({"id": invoke_id, "nodeId": id, "ok": false, "error": error});
        world.call(node, "node.invoke.result", result).unwrap();
        world.answer(admin, &request).unwrap_err()
    };
    let error = fail(&mut world, "canvas.navigate");
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!("INVALID_REQUEST"), &json!("app in background"))
    );
    let error = fail(&mut world, "camera.list");
    assert_eq!(
        (&error["details"]["code"], &error["retryable"]),
        (&json!("QUEUED_UNTIL_FOREGROUND"), &json!(true))
    );
    let pulled = world.call(node, "node.pending.pull", json!({})).unwrap();
    let action = pulled["actions"][0]["id"].clone();
    assert_eq!(action, error["details"]["queuedActionId"]);
    let acked = world
        .call(node, "node.pending.ack", json!({"ids": [action]}))
        .unwrap();
    assert_eq!(acked["remainingCount"], 0);
}

#[test]
fn a_control_invokes_and_cancels() {
    let mut world = World::new("2026.6.34");
    let (_, node, id) = approved(&mut world, &Client::node(1, &["system.which"]));
    let control = Control::Invoke {
        node_id: id.clone(),
        command: "any.thing".into(),
        params: None,
        timeout_ms: None,
        idempotency_key: None,
    };
    let started = world.control(control).unwrap();
    assert!(world.event(node, "node.invoke.request").is_some());
    world
        .control(Control::InvokeCancel {
            invoke_id: "latest".into(),
        })
        .unwrap();
    let cancel = world.event(node, "node.invoke.cancel").unwrap()["payload"].clone();
    assert_eq!(
        cancel,
        json!({"invokeId": started["invokeId"], "nodeId": id})
    );
    assert_eq!(world.gateway.view().invokes[0].outcome, "cancelled");
    let late = json!({"id": started["invokeId"], "nodeId": id, "ok": true});
    assert_eq!(
        world.call(node, "node.invoke.result", late),
        Ok(json!({"ok": true, "ignored": true}))
    );
}
