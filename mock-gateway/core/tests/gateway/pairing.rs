//! Device pairing: requests, approvals, upgrades, tokens. ref: gateway-behaviour.md §6

use gateway_core::{Config, Control, ControlError, NodesConfig};
use gateway_protocol::{Role, SharedToken};
use rstest::rstest;
use serde_json::{Value, json};

use crate::driver::{Client, REMOTE, TOKEN, World};

fn approve(world: &mut World, request_id: &str) -> Value {
    world
        .control(Control::Approve {
            request_id: request_id.to_owned(),
        })
        .unwrap()
}

fn request_id(error: &Value) -> String {
    error["details"]["requestId"].as_str().unwrap().to_owned()
}

/// Recording 70.
#[test]
fn a_local_device_is_paired_silently() {
    let mut world = World::new("2026.6.34");
    let admin = world.admin();
    let client = Client::cli(1, &["operator.read"]);
    let (_, hello) = world.join(&client);
    let resolved = world.event(admin, "device.pair.resolved").unwrap();
    assert_eq!(
        (
            &resolved["payload"]["deviceId"],
            &resolved["payload"]["decision"]
        ),
        (&json!(client.id()), &json!("approved"))
    );
    assert_eq!(world.event(admin, "device.pair.requested"), None);
    assert_eq!(hello["auth"]["deviceToken"].as_str().unwrap().len(), 43);
    let list = world.call(admin, "device.pair.list", json!({})).unwrap();
    assert_eq!(list["paired"][0]["scopes"], json!(["operator.read"]));
    assert_eq!(list["paired"][0].get("remoteIp"), None);
    assert_eq!(list["paired"][0].get("approvedVia"), None);
}

#[rstest]
#[case::scope_of_another_role("operator", &["node.exec"], false)]
#[case::unknown_operator_scope("operator", &["operator.future"], true)]
#[case::operator_scope_for_a_node("node", &["operator.read"], false)]
fn scopes_have_to_fit_the_role_to_be_silent(
    #[case] role: &str,
    #[case] scopes: &[&str],
    #[case] silent: bool,
) {
    let mut world = World::new("2026.6.34");
    let admin = world.admin();
    let conn = world.open();
    let client = Client::cli(1, scopes).set("/role", json!(role));
    assert_eq!(world.connect_on(conn, &client).is_ok(), silent);
    let asked = world.event(admin, "device.pair.requested");
    assert_eq!(
        asked.map(|event| event["payload"]["silent"].clone()),
        (!silent).then(|| json!(true))
    );
}

/// Recording 71.
#[test]
fn a_remote_device_waits_for_approval() {
    let mut world = World::new("2026.6.34");
    let admin = world.admin();
    let client = Client::desktop(1, &["operator.read"]);
    let (error, close) = world.refused(&client, true);
    let id = request_id(&error);
    let details = json!({
        "code": "PAIRING_REQUIRED", "reason": "not-paired", "requestId": id,
        "remediationHint": "Approve this device from the pending pairing requests.",
        "deviceId": client.id(), "requestedRole": "operator", "requestedScopes": ["operator.read"],
    });
    let message = "pairing required: device is not approved yet";
    assert_eq!(
        error,
        json!({"code": "NOT_PAIRED", "message": message, "details": details})
    );
    assert_eq!(close, (1008, format!("{message} (requestId: {id})")));
    let asked = world.event(admin, "device.pair.requested").unwrap();
    assert_eq!(asked["payload"]["remoteIp"], REMOTE);
    assert_eq!(asked["payload"]["isRepair"], false);
    assert_eq!(asked["seq"], 1);
    let approved = world
        .call(admin, "device.pair.approve", json!({"requestId": id}))
        .unwrap();
    assert_eq!(
        approved["device"]["tokens"][0]["scopes"],
        json!(["operator.read"])
    );
    assert_eq!(
        world.event(admin, "device.pair.resolved").unwrap()["payload"]["decision"],
        "approved"
    );
    world.join_remote(&client);
    let again = world
        .call(admin, "device.pair.approve", json!({"requestId": id}))
        .unwrap_err();
    assert_eq!(again["message"], "unknown requestId");
}

#[test]
fn a_rejected_device_asks_anew() {
    let mut world = World::new("2026.6.34");
    let client = Client::desktop(1, &[]);
    let first = request_id(&world.refused(&client, true).0);
    world
        .control(Control::Reject {
            request_id: "latest".into(),
        })
        .unwrap();
    let second = request_id(&world.refused(&client, true).0);
    assert_ne!(first, second);
    let unknown = world
        .control(Control::Approve { request_id: first })
        .unwrap_err();
    assert!(matches!(unknown, ControlError::UnknownRequest { pending, .. } if pending == [second]));
}

/// ref: gateway-behaviour.md §6.3, recordings 73 and 82
#[rstest]
#[case("2026.6.34", 299_999, true)]
#[case("2026.6.34", 300_000, false)]
#[case("2026.9.6", 300_000, true)]
fn a_request_lives_five_minutes_and_retries_renew_it_only_on_the_newer_release(
    #[case] version: &str,
    #[case] after: u64,
    #[case] same: bool,
) {
    let mut world = World::new(version);
    let client = Client::desktop(1, &["operator.read"]);
    let first = request_id(&world.refused(&client, true).0);
    world.elapse(100_000);
    assert_eq!(request_id(&world.refused(&client, true).0), first);
    world.elapse(after - 100_000);
    assert_eq!(request_id(&world.refused(&client, true).0) == first, same);
}

#[rstest]
#[case("2026.6.34", false)]
#[case("2026.9.6", true)]
fn a_changed_request_supersedes_the_old_one(#[case] version: &str, #[case] announced: bool) {
    let mut world = World::new(version);
    let admin = world.admin();
    let first = request_id(
        &world
            .refused(&Client::desktop(1, &["operator.read"]), true)
            .0,
    );
    let second = request_id(
        &world
            .refused(&Client::desktop(1, &["operator.approvals"]), true)
            .0,
    );
    assert_ne!(first, second);
    let resolved = world.event(admin, "device.pair.resolved");
    assert_eq!(
        resolved.map(|event| event["payload"]["requestId"].clone()),
        announced.then(|| json!(first))
    );
    let list = world.call(admin, "device.pair.list", json!({})).unwrap();
    assert_eq!(list["pending"].as_array().unwrap().len(), 1);
    assert_eq!(
        list["pending"][0]["scopes"],
        json!(["operator.read", "operator.approvals"])
    );
}

/// Recording 74.
#[test]
fn a_second_role_is_never_silent() {
    let mut world = World::new("2026.6.34");
    let (operator, _) = world.join(&Client::desktop(1, &["operator.read"]));
    let node = Client::desktop(1, &[])
        .set("/role", json!("node"))
        .set("/client/mode", json!("node"));
    let (error, close) = world.refused(&node, false);
    assert_eq!(error["details"]["reason"], "role-upgrade");
    assert_eq!(error["details"]["approvedRoles"], json!(["operator"]));
    assert_eq!(error["details"]["approvedScopes"], json!(["operator.read"]));
    assert_eq!(close.1.len(), 120, "the reason is cut");
    approve(&mut world, "latest");
    let (_, hello) = world.join(&node);
    assert_eq!(hello["auth"]["role"], "node");
    world.call(operator, "last-heartbeat", json!({})).unwrap();
    let view = world.gateway.view();
    assert_eq!(view.devices[0].roles, [Role::Operator, Role::Node]);
    assert_eq!(view.devices[0].tokens.len(), 2);
}

#[rstest]
#[case("2026.6.34", Some("scope-upgrade"))]
#[case("2026.9.6", None)]
fn a_local_node_that_becomes_an_operator(#[case] version: &str, #[case] refused: Option<&str>) {
    let mut world = World::new(version);
    let admin = world.admin();
    world.join(&Client::node(1, &[]));
    world.inbox(admin);
    let operator = Client::node(1, &[])
        .set("/role", json!("operator"))
        .set("/scopes", json!(["operator.read"]));
    let conn = world.open();
    let reason = world.connect_on(conn, &operator).err().map(|error| {
        assert_eq!(error["details"]["approvedRoles"], json!(["node"]));
        error["details"]["reason"].as_str().unwrap().to_owned()
    });
    assert_eq!(reason.as_deref(), refused);
    assert!(
        world.event(admin, "device.pair.resolved").is_some(),
        "the role is approved silently"
    );
}

/// Recording 75.
#[test]
fn more_scopes_wait_and_their_approval_replaces_the_token() {
    let mut world = World::new("2026.6.34");
    let (conn, hello) = world.join(&Client::desktop(1, &["operator.read"]));
    let old = hello["auth"]["deviceToken"].clone();
    let wider = Client::desktop(1, &["operator.read", "operator.admin"]);
    assert_eq!(
        world.refused(&wider, false).0["details"]["reason"],
        "scope-upgrade"
    );
    let with_token = Client::desktop(1, &["operator.read"]).auth(json!({"deviceToken": old}));
    world.join(&with_token);
    approve(&mut world, "latest");
    world
        .call(conn, "last-heartbeat", json!({}))
        .expect("the live connection stays");
    assert_eq!(
        world.refused(&with_token, false).0["details"]["code"],
        "AUTH_DEVICE_TOKEN_MISMATCH"
    );
    let (_, hello) = world.join(&wider);
    assert_eq!(
        hello["auth"]["scopes"],
        json!(["operator.admin", "operator.read", "operator.write"])
    );
    assert_ne!(hello["auth"]["deviceToken"], old);
}

#[test]
fn the_newer_release_widens_local_scopes_silently() {
    let mut world = World::new("2026.9.6");
    world.join(&Client::desktop(1, &["operator.read"]));
    world.join(&Client::desktop(1, &["operator.admin"]));
    let nodes = NodesConfig {
        auto_approve_local: false,
        ..NodesConfig::default()
    };
    let config = Config {
        nodes,
        ..Config::with_token(TOKEN)
    };
    let mut world = World::with("2026.9.6", config);
    assert_eq!(
        world.refused(&Client::desktop(1, &[]), false).0["details"]["reason"],
        "not-paired"
    );
}

/// Recording 76.
#[rstest]
#[case::same("2026.6.34", "cli", "linux", None, None)]
#[case::other_case("2026.6.34", "cli", "LINUX", None, None)]
#[case::other_platform("2026.6.34", "cli", "windows", None, Some("metadata-upgrade"))]
#[case::new_family("2026.6.34", "cli", "linux", Some("Linux"), Some("metadata-upgrade"))]
fn the_platform_is_pinned(
    #[case] version: &str,
    #[case] id: &str,
    #[case] platform: &str,
    #[case] family: Option<&str>,
    #[case] refused: Option<&str>,
) {
    let mut world = World::new(version);
    let client = Client::cli(1, &[]).set("/client/id", json!(id));
    world.join(&client);
    let mut changed = client
        .set("/client/platform", json!(platform))
        .set("/client/version", json!("9.9"));
    if let Some(family) = family {
        changed = changed.set("/client/deviceFamily", json!(family));
    }
    let conn = world.open();
    let reason = world
        .connect_on(conn, &changed)
        .err()
        .map(|error| error["details"]["reason"].as_str().unwrap().to_owned());
    assert_eq!(reason.as_deref(), refused);
}

#[rstest]
#[case("2026.6.34", "macOS 27.0.0", Some("metadata-upgrade"))]
#[case("2026.9.6", "macOS 27.0.0", None)]
fn a_new_macos_version(
    #[case] version: &str,
    #[case] platform: &str,
    #[case] refused: Option<&str>,
) {
    let mut world = World::new(version);
    let client = Client::desktop(1, &[]).set("/client/id", json!("cli"));
    world.join(&client);
    let conn = world.open();
    let outcome = world.connect_on(conn, &client.set("/client/platform", json!(platform)));
    let reason = outcome
        .err()
        .map(|error| error["details"]["reason"].as_str().unwrap().to_owned());
    assert_eq!(reason.as_deref(), refused);
}

/// ref: gateway-behaviour.md §6.4
#[rstest]
#[case::admin(&["operator.admin"], "operator", &["operator.admin"], None)]
#[case::pairing_for_nothing(&["operator.pairing"], "operator", &[], None)]
#[case::pairing_for_read(&["operator.pairing"], "operator", &["operator.read"], Some("missing scope: operator.read"))]
#[case::pairing_for_a_node(&["operator.pairing"], "node", &[], Some("device pairing approval denied"))]
fn who_may_approve(
    #[case] granted: &[&str],
    #[case] role: &str,
    #[case] asked: &[&str],
    #[case] refused: Option<&str>,
    #[values("2026.6.34", "2026.9.6")] version: &str,
) {
    let mut world = World::new(version);
    let (approver, _) = world.join(&Client::backend(granted));
    let id = request_id(
        &world
            .refused(&Client::desktop(1, asked).set("/role", json!(role)), true)
            .0,
    );
    let outcome = world.call(approver, "device.pair.approve", json!({"requestId": id}));
    let expected = refused.map(|message| json!({"code": "INVALID_REQUEST", "message": message}));
    assert_eq!(outcome.err(), expected);
}

/// A pairing-only device in a device-token connection.
fn confined(world: &mut World) -> (u32, Client) {
    let client = Client::desktop(9, &["operator.pairing"]);
    let (conn, hello) = world.join(&client);
    world.hang_up(conn);
    let with_token = client.auth(json!({"deviceToken": hello["auth"]["deviceToken"]}));
    (world.join(&with_token).0, with_token)
}

#[test]
fn a_device_token_without_admin_sees_only_its_own_device() {
    let mut world = World::new("2026.6.34");
    let (conn, own) = confined(&mut world);
    let other = Client::desktop(1, &[]);
    world.join(&other);
    let pending = request_id(&world.refused(&Client::desktop(2, &[]), true).0);
    let list = world.call(conn, "device.pair.list", json!({})).unwrap();
    assert_eq!(list["pending"], json!([]));
    assert_eq!(list["paired"].as_array().unwrap().len(), 1);
    assert_eq!(list["paired"][0]["deviceId"], own.id());
    let cases = [
        (
            "device.pair.approve",
            json!({"requestId": pending}),
            "device pairing approval denied",
        ),
        (
            "device.pair.reject",
            json!({"requestId": pending}),
            "device pairing rejection denied",
        ),
        (
            "device.pair.remove",
            json!({"deviceId": other.id()}),
            "device pairing removal denied",
        ),
        (
            "device.token.rotate",
            json!({"deviceId": other.id(), "role": "operator"}),
            "device token rotation denied",
        ),
        (
            "device.token.revoke",
            json!({"deviceId": other.id(), "role": "operator"}),
            "device token revocation denied",
        ),
    ];
    for (method, params, message) in cases {
        let error = world.call(conn, method, params).unwrap_err();
        assert_eq!(
            error,
            json!({"code": "INVALID_REQUEST", "message": message}),
            "{method}"
        );
    }
}

#[test]
fn only_the_device_itself_gets_its_rotated_token() {
    let mut world = World::new("2026.6.34");
    let (conn, own) = confined(&mut world);
    let params = json!({"deviceId": own.id(), "role": "operator"});
    let rotated = world
        .call(conn, "device.token.rotate", params.clone())
        .unwrap();
    assert_eq!(rotated["token"].as_str().unwrap().len(), 43);
    assert_eq!(
        world.closed(conn),
        Some((4001, "device removed".to_owned())),
        "after the answer"
    );
    assert_eq!(
        world.refused(&own, false).0["details"]["code"],
        "AUTH_DEVICE_TOKEN_MISMATCH"
    );
    world.join(&own.auth(json!({"deviceToken": rotated["token"]})));
    let admin = world.admin();
    let rotated = world.call(admin, "device.token.rotate", params).unwrap();
    assert_eq!(rotated.get("token"), None);
}

#[test]
fn rotation_narrows_the_token_and_a_shared_token_widens_it_again() {
    let mut world = World::new("2026.6.34");
    let client = Client::desktop(1, &["operator.write"]);
    world.join(&client);
    let scopes = Some(vec!["operator.read".to_owned()]);
    world
        .control(Control::RotateToken {
            device_id: client.id(),
            role: Role::Operator,
            scopes,
        })
        .unwrap();
    let tokens = |world: &World| world.gateway.view().devices[0].tokens[0].scopes.clone();
    assert_eq!(tokens(&world), ["operator.read"]);
    world.join(&client);
    assert_eq!(tokens(&world), ["operator.read", "operator.write"]);
    let scopes = Some(vec!["operator.admin".to_owned()]);
    let wider = world.control(Control::RotateToken {
        device_id: client.id(),
        role: Role::Operator,
        scopes,
    });
    assert!(wider.is_err(), "beyond what is approved");
}

#[test]
fn a_revoked_role_has_to_be_approved_again_from_afar() {
    let mut world = World::new("2026.6.34");
    let client = Client::desktop(1, &["operator.read"]);
    let (conn, hello) = world.join(&client);
    let admin = world.admin();
    let revoked = world.call(
        admin,
        "device.token.revoke",
        json!({"deviceId": client.id(), "role": "operator"}),
    );
    assert_eq!(revoked.unwrap()["revokedAtMs"], world.now().wall.0);
    assert_eq!(
        world.closed(conn),
        Some((4001, "device removed".to_owned()))
    );
    let with_token = client
        .clone()
        .auth(json!({"deviceToken": hello["auth"]["deviceToken"]}));
    assert_eq!(
        world.refused(&with_token, false).0["details"]["code"],
        "AUTH_DEVICE_TOKEN_MISMATCH"
    );
    let error = world.refused(&client, true).0;
    assert_eq!(error["details"]["reason"], "role-upgrade");
    assert_eq!(
        error["details"]["approvedRoles"],
        json!(["operator"]),
        "recording 102"
    );
    // Flow pairing/token-revoke: on the gateway's own machine the role comes back silently.
    world.join(&client);
}

#[test]
fn a_removed_device_is_forgotten() {
    let mut world = World::new("2026.6.34");
    let client = Client::desktop(1, &[]);
    let (conn, _) = world.join(&client);
    let admin = world.admin();
    assert_eq!(
        world.call(
            admin,
            "device.pair.remove",
            json!({"deviceId": client.id()})
        ),
        Ok(json!({"deviceId": client.id()}))
    );
    assert_eq!(
        world.closed(conn),
        Some((4001, "device removed".to_owned()))
    );
    assert_eq!(world.gateway.view().devices, []);
    let error = world
        .call(
            admin,
            "device.pair.remove",
            json!({"deviceId": client.id()}),
        )
        .unwrap_err();
    assert_eq!(error["message"], "unknown deviceId");
}

/// Recording 85.
#[test]
fn a_local_backend_needs_no_record() {
    let mut world = World::new("2026.6.34");
    let backend = Client::cli(1, &["operator.admin"])
        .set("/client/id", json!("gateway-client"))
        .set("/client/mode", json!("backend"));
    let (_, hello) = world.join(&backend);
    assert_eq!(
        hello["auth"],
        json!({"role": "operator", "scopes": ["operator.admin"]})
    );
    assert_eq!(world.gateway.view().devices, []);
    assert_eq!(
        world.refused(&backend, true).0["details"]["reason"],
        "not-paired"
    );
}

#[test]
fn two_connections_of_one_device_live_side_by_side() {
    let mut world = World::new("2026.6.34");
    let client = Client::desktop(1, &["operator.read"]);
    let ((first, _), (second, _)) = (world.join(&client), world.join(&client));
    for conn in [first, second] {
        world.call(conn, "status", json!({})).unwrap();
    }
}

/// ref: gateway-behaviour.md §8
#[test]
fn devices_tokens_and_requests_survive_a_restart() {
    let mut world = World::new("2026.6.34");
    let client = Client::desktop(1, &["operator.read"]);
    let (_, hello) = world.join(&client);
    let pending = request_id(&world.refused(&Client::desktop(2, &[]), true).0);
    let token = SharedToken::new("another");
    world
        .control(Control::SetSharedToken {
            token,
            at_restart: true,
        })
        .unwrap();
    world
        .control(Control::Restart {
            down_for_ms: None,
            reason: None,
        })
        .unwrap();
    world.elapse(1_000);
    assert_eq!(
        world.refused(&client, false).0["details"]["code"],
        "AUTH_TOKEN_MISMATCH"
    );
    world.join(&client.auth(json!({"deviceToken": hello["auth"]["deviceToken"]})));
    approve(&mut world, &pending);
}

#[test]
fn pairing_may_expire_at_a_scenario_s_will() {
    let mut world = World::new("2026.6.34");
    let client = Client::desktop(1, &[]);
    let first = request_id(&world.refused(&client, true).0);
    world.control(Control::ExpirePending).unwrap();
    assert_ne!(request_id(&world.refused(&client, true).0), first);
}
