//! Node events, work that waits for a node, and nodes with several connections. ref: gateway-behaviour.md §7.5, §7.6

use gateway_core::Control;
use rstest::rstest;
use serde_json::{Value, json};

use crate::driver::{Client, World};
use crate::nodes::{approved, invoke};

/// Recording 97.
#[rstest]
#[case(json!({"event": "node.presence.alive"}), json!({"ok": true, "event": "node.presence.alive", "handled": false, "reason": "invalid_payload"}))]
#[case(json!({"event": "node.presence.alive", "payloadJSON": "{\"trigger\":\"x\"}"}), json!({"ok": true, "event": "node.presence.alive", "handled": true, "reason": "persisted"}))]
#[case(json!({"event": "exec.finished", "payload": {}}), json!({"ok": true, "event": "exec.finished", "handled": false, "reason": "unmatched_exec_event"}))]
#[case(json!({"event": "something.else"}), json!({"ok": true}))]
fn node_events(#[case] params: Value, #[case] expected: Value) {
    let mut world = World::new("2026.6.34");
    let (_, node, _) = approved(&mut world, &Client::ios(1, &[]));
    assert_eq!(world.call(node, "node.event", params), Ok(expected));
}

/// Recording 98.
#[test]
fn pending_work_is_queued_once_and_drained() {
    let mut world = World::new("2026.6.34");
    let (admin, node, id) = approved(&mut world, &Client::ios(1, &[]));
    let location = json!({"nodeId": id, "type": "location.request", "priority": "high"});
    let first = world
        .call(admin, "node.pending.enqueue", location.clone())
        .unwrap();
    let again = world.call(admin, "node.pending.enqueue", location).unwrap();
    assert_eq!(
        (&first["revision"], &first["queued"]["id"]),
        (&again["revision"], &again["queued"]["id"])
    );
    world
        .call(
            admin,
            "node.pending.enqueue",
            json!({"nodeId": id, "type": "status.request"}),
        )
        .unwrap();
    let drained = world
        .call(node, "node.pending.drain", json!({"maxItems": 1}))
        .unwrap();
    assert_eq!(
        (&drained["items"][0]["type"], &drained["hasMore"]),
        (&json!("location.request"), &json!(true))
    );
    world.call(node, "node.pending.drain", json!({})).unwrap();
    let empty = world.call(node, "node.pending.drain", json!({})).unwrap();
    assert_eq!(empty["items"][0]["id"], "baseline-status");
    let error = world
        .call(node, "node.pending.drain", json!({"maxItems": 99}))
        .unwrap_err();
    assert_eq!(
        error["message"],
        "invalid node.pending.drain params: at /maxItems: must be <= 10"
    );
}

/// Recording 96.
#[test]
fn legacy_node_pairing_over_an_operator_connection() {
    let mut world = World::new("2026.6.34");
    let admin = world.admin();
    let params = json!({"nodeId": "legacy-1", "displayName": "Legacy", "platform": "ios", "commands": ["device.info"]});
    let first = world
        .call(admin, "node.pair.request", params.clone())
        .unwrap();
    assert_eq!(
        (&first["status"], &first["created"]),
        (&json!("pending"), &json!(true))
    );
    let again = world.call(admin, "node.pair.request", params).unwrap();
    assert_eq!(
        (&again["created"], &again["request"]["requestId"]),
        (&json!(false), &first["request"]["requestId"])
    );
    let id = first["request"]["requestId"].clone();
    let token = world
        .call(admin, "node.pair.approve", json!({"requestId": id}))
        .unwrap()["node"]["token"]
        .clone();
    let verify = |world: &mut World, token: Value| {
        world
            .call(
                admin,
                "node.pair.verify",
                json!({"nodeId": "legacy-1", "token": token}),
            )
            .unwrap()["ok"]
            .clone()
    };
    assert_eq!(verify(&mut world, token), true);
    assert_eq!(verify(&mut world, json!("wrong")), false);
}

/// ref: gateway-behaviour.md §7.6
#[test]
fn the_newest_connection_of_a_node_gets_the_invokes() {
    let mut world = World::new("2026.6.34");
    let client = Client::ios(1, &["device.info"]);
    let (admin, old, id) = approved(&mut world, &client);
    let (new, _) = world.join(&client);
    invoke(&mut world, admin, &id, "device.info");
    assert!(world.event(new, "node.invoke.request").is_some());
    assert!(world.event(old, "node.invoke.request").is_none());
    world.hang_up(old);
    assert!(world.gateway.view().nodes[0].connected);
}

#[test]
fn renaming_a_node() {
    let mut world = World::new("2026.6.34");
    let (admin, node, id) = approved(&mut world, &Client::ios(1, &[]));
    let renamed = json!({"nodeId": id, "displayName": "Rack 1"});
    assert_eq!(
        world.call(admin, "node.rename", renamed.clone()),
        Ok(renamed)
    );
    let listed = |world: &mut World| {
        world.call(admin, "node.list", json!({})).unwrap()["nodes"][0]["displayName"].clone()
    };
    assert_eq!(
        listed(&mut world),
        "client 1",
        "a live node keeps its own name (recording 101)"
    );
    world.hang_up(node);
    assert_eq!(listed(&mut world), "Rack 1");
    let error = world
        .call(
            admin,
            "node.rename",
            json!({"nodeId": "x", "displayName": "y"}),
        )
        .unwrap_err();
    assert_eq!(error["message"], "unknown nodeId");
}

/// real-clients.md §1, gateway-behaviour.md C
#[test]
fn what_the_newer_node_host_sends_after_hello_is_answered() {
    let mut world = World::new("2026.9.6");
    let client = Client::node(1, &["system.which"]);
    let (node, _) = world.join(&client);
    let inventory = json!({"protocolFeatures": ["node-worker-supervisor-v6"], "workerHost": {"enabled": false}});
    let error = world
        .call(node, "node.runnerInventory.update", inventory.clone())
        .unwrap_err();
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("node capability surface is awaiting operator approval")
    );
    world
        .control(Control::ApproveNode {
            request_id: "latest".into(),
        })
        .unwrap();
    let own = json!({"nodeId": client.id()});
    assert_eq!(
        world.call(node, "node.runnerInventory.update", inventory),
        Ok(own)
    );
    let skills = json!({"nodeId": client.id(), "skills": []});
    assert_eq!(
        world.call(node, "node.skills.update", json!({"skills": []})),
        Ok(skills)
    );
    let mut stats = |payload: &str| {
        let params = json!({"event": "node.host.stats", "payloadJSON": payload});
        world.call(node, "node.event", params).unwrap()["reason"].clone()
    };
    assert_eq!(stats("{}"), "invalid_payload");
    let fine = r#"{"cpuCount": 2, "memoryTotalBytes": 8, "memoryFreeBytes": 3}"#;
    assert_eq!(stats(fine), "updated");
}
