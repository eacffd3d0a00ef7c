//! What outlives the gateway's process. ref: gateway-behaviour.md §6, §9 row 15

use gateway_core::{Control, Memory};
use rstest::rstest;
use serde_json::{Value, json};

use crate::driver::{Client, World};

/// Another process that finds what this one has left on its disk.
fn next_process(version: &str, before: &World) -> World {
    let kept = serde_json::to_string(&before.gateway.memory()).unwrap();
    let memory: Memory = serde_json::from_str(&kept).unwrap();
    let mut world = World::new(version);
    let now = world.now().wall;
    world.gateway.remember(memory, now);
    let again = serde_json::to_string(&world.gateway.memory()).unwrap();
    assert_eq!(again, kept, "nothing is lost or added on the way");
    world
}

fn setup_code(world: &mut World) -> Value {
    let url = Some("ws://127.0.0.1:1".to_owned());
    let minted = world.control(Control::MintSetupCode {
        url,
        ttl_ms: None,
        limited: false,
    });
    json!({"bootstrapToken": minted.unwrap()["bootstrapToken"]})
}

#[rstest]
fn a_paired_device_comes_back_with_its_token(#[values("2026.6.34", "2026.9.6")] version: &str) {
    let mut world = World::new(version);
    let code = setup_code(&mut world);
    let phone = Client::ios(1, &["device.info"]);
    let (conn, hello) = world.join_remote(&phone.clone().auth(code));
    world.hang_up(conn);

    let mut world = next_process(version, &world);
    let token = json!({"deviceToken": hello["auth"]["deviceToken"]});
    world.join_remote(&phone.clone().auth(token));
    let admin = world.admin();
    let paired = world.call(admin, "device.pair.list", json!({})).unwrap();
    assert_eq!(paired["paired"].as_array().unwrap().len(), 1);
    assert_eq!(paired["paired"][0]["deviceId"], phone.id());
    let secrets = world.gateway.secrets();
    let token = hello["auth"]["deviceToken"].as_str().unwrap();
    assert!(
        secrets.iter().any(|(_, secret)| secret == token),
        "the redactor is told of it"
    );
}

#[rstest]
fn a_request_waits_for_its_approval(#[values("2026.6.34", "2026.9.6")] version: &str) {
    let mut world = World::new(version);
    let client = Client::desktop(2, &["operator.read"]);
    let (error, _) = world.refused(&client, true);
    let request_id = error["details"]["requestId"].as_str().unwrap().to_owned();

    let mut world = next_process(version, &world);
    world.control(Control::Approve { request_id }).unwrap();
    world.join_remote(&client);
}

/// Its token is as good as before, once.
#[rstest]
fn a_setup_code_can_still_be_used(#[values("2026.6.34", "2026.9.6")] version: &str) {
    let mut world = World::new(version);
    let code = setup_code(&mut world);
    let mut world = next_process(version, &world);
    let (conn, _) = world.join_remote(&Client::ios(1, &[]).auth(code.clone()));
    world.hang_up(conn);
    let mut world = next_process(version, &world);
    world.refused(&Client::ios(2, &[]).auth(code), true);
}

/// A node that was connected when the process died is not connected in the next one.
#[rstest]
fn nobody_is_connected_at_the_start(#[values("2026.6.34", "2026.9.6")] version: &str) {
    let mut world = World::new(version);
    let node = Client::ios(1, &["device.info"]);
    let code = setup_code(&mut world);
    world.join_remote(&node.auth(code));
    let listed = |world: &mut World| {
        let admin = world.admin();
        let list = world.call(admin, "node.list", json!({})).unwrap();
        let node = &list["nodes"][0];
        (
            node["connected"].clone(),
            node.get("connectedAtMs").is_some(),
        )
    };
    assert_eq!(listed(&mut world), (json!(true), true));

    let kept = serde_json::to_string(&world.gateway.memory()).unwrap();
    let mut world = World::new(version);
    let now = world.now().wall;
    world
        .gateway
        .remember(serde_json::from_str(&kept).unwrap(), now);
    assert_eq!(listed(&mut world), (json!(false), false));
}

#[rstest]
#[case::of_another_version("version", json!(2), "reads version 1")]
#[case::with_something_else("sessions", json!([]), "unknown field `sessions`")]
fn what_another_program_wrote_is_refused(
    #[case] member: &str,
    #[case] value: Value,
    #[case] says: &str,
) {
    let world = World::new("2026.6.34");
    let mut kept = serde_json::to_value(world.gateway.memory()).unwrap();
    kept[member] = value;
    let error = serde_json::from_value::<Memory>(kept).unwrap_err();
    assert!(error.to_string().contains(says), "{error}");
}
