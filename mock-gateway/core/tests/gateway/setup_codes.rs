//! Setup codes and what they turn into. ref: gateway-behaviour.md §5

use gateway_core::{Control, ControlError};
use gateway_protocol::SetupCode;
use rstest::rstest;
use serde_json::{Value, json};

use crate::driver::{Client, Got, TOKEN, World};

fn mint(world: &mut World) -> Value {
    let url = Some("ws://127.0.0.1:1".to_owned());
    world
        .control(Control::MintSetupCode {
            url,
            ttl_ms: None,
            limited: false,
        })
        .unwrap()
}

fn bootstrap(code: &Value) -> Value {
    json!({"bootstrapToken": code["bootstrapToken"]})
}

#[rstest]
#[case("2026.6.34", false)]
#[case("2026.9.6", true)]
fn a_code_holds_url_and_token(#[case] version: &str, #[case] with_expiry: bool) {
    let mut world = World::new(version);
    let minted = mint(&mut world);
    let code = SetupCode::decode(minted["setupCode"].as_str().unwrap()).unwrap();
    assert_eq!(code.url.as_deref(), Some("ws://127.0.0.1:1"));
    assert_eq!(
        code.bootstrap_token.unwrap().expose(),
        minted["bootstrapToken"]
    );
    assert_eq!(
        code.expires_at_ms,
        with_expiry.then(|| world.now().wall.0 + 600_000)
    );
    let none = world.control(Control::MintSetupCode {
        url: None,
        ttl_ms: None,
        limited: false,
    });
    assert_eq!(none, Err(ControlError::NoUrl));
}

/// Recordings 60 and 61.
#[rstest]
fn a_mobile_node_is_handed_both_tokens(
    #[values("2026.6.34", "2026.9.6")] version: &str,
    #[values(true, false)] remote: bool,
) {
    let newer = version == "2026.9.6";
    let mut world = World::new(version);
    let admin = world.admin();
    world.inbox(admin);
    let code = mint(&mut world);
    let client = Client::ios(1, &["device.info"]).auth(bootstrap(&code));
    let (conn, hello) = if remote {
        world.join_remote(&client)
    } else {
        world.join(&client)
    };
    assert_eq!(world.event(admin, "device.pair.requested"), None);
    assert_eq!(
        world.event(admin, "device.pair.resolved").unwrap()["payload"]["decision"],
        "approved"
    );
    assert_eq!(hello["auth"]["role"], "node");
    let handed = &hello["auth"]["deviceTokens"][0];
    assert_eq!(handed["role"], "operator");
    let mut profile = vec![
        "operator.approvals",
        "operator.read",
        "operator.talk.secrets",
        "operator.write",
    ];
    if newer {
        profile.extend(["operator.admin", "operator.questions"]);
        profile.sort_unstable();
    }
    assert_eq!(handed["scopes"], json!(profile));
    let state = &world.gateway.view().nodes[0].approval_state;
    assert_eq!(
        state,
        if newer {
            "approved"
        } else {
            "pending-approval"
        }
    );
    assert_eq!(
        world.event(admin, "device.pair.setup.completed").is_some(),
        newer
    );
    // The other leg, and the spent code.
    let operator = Client::ios(1, &[])
        .set("/role", json!("operator"))
        .set("/client/mode", json!("ui"))
        .set("/scopes", json!(["operator.read"]))
        .auth(json!({"deviceToken": handed["deviceToken"]}));
    world.join_remote(&operator);
    let error = world.refused(&client, true).0;
    assert_eq!(error["details"]["code"], "AUTH_BOOTSTRAP_TOKEN_INVALID");
    world.hang_up(conn);
    world.join_remote(&client.auth(json!({"deviceToken": hello["auth"]["deviceToken"]})));
}

#[rstest]
#[case("2026.6.34", &["voicewake.changed", "voicewake.routing.changed", "res"])]
#[case("2026.9.6", &["res"])]
fn voicewake_overtakes_the_handoff_hello_on_the_older_release(
    #[case] version: &str,
    #[case] expected: &[&str],
) {
    let mut world = World::new(version);
    let code = mint(&mut world);
    let conn = world.open();
    let client = Client::ios(1, &[]).auth(bootstrap(&code));
    let params = client.signed(world.nonce(conn), world.now().wall.0);
    world.inbox(conn);
    world.request(conn, "connect", params);
    let inbox = world.inbox(conn);
    let names: Vec<&str> = inbox
        .iter()
        .filter_map(|got| match got {
            Got::Frame(frame) => frame["event"].as_str().or_else(|| frame["type"].as_str()),
            Got::Ping | Got::Close(_) | Got::Abort => None,
        })
        .filter(|name| *name != "presence")
        .collect();
    assert_eq!(names, expected);
}

/// Recording 62.
#[test]
fn other_clients_wait_for_an_approval_and_bind_the_code() {
    let mut world = World::new("2026.6.34");
    let code = mint(&mut world);
    let node = Client::node(1, &[]).auth(bootstrap(&code));
    let error = world.refused(&node, true).0;
    let details = &error["details"];
    assert_eq!(details["recommendedNextStep"], "wait_then_retry");
    assert_eq!(
        (&details["retryable"], &details["pauseReconnect"]),
        (&json!(true), &json!(false))
    );
    let again = world.refused(&node, true).0;
    assert_eq!(
        again["details"]["requestId"], details["requestId"],
        "the same request"
    );
    let other = Client::ios(2, &[]).auth(bootstrap(&code));
    assert_eq!(
        world.refused(&other, true).0["details"]["code"],
        "AUTH_BOOTSTRAP_TOKEN_INVALID"
    );
    let other_role = node
        .clone()
        .set("/role", json!("operator"))
        .set("/client/mode", json!("ui"));
    assert_eq!(
        world.refused(&other_role, true).0["details"]["code"],
        "AUTH_BOOTSTRAP_TOKEN_INVALID"
    );
    world
        .control(Control::Approve {
            request_id: "latest".into(),
        })
        .unwrap();
    let (_, hello) = world.join_remote(&node);
    assert!(hello["auth"]["deviceToken"].is_string());
    assert_eq!(hello["auth"].get("deviceTokens"), None);
    world.join_remote(&node);
}

#[test]
fn an_operator_waits_without_the_retry_fields() {
    let mut world = World::new("2026.6.34");
    let code = mint(&mut world);
    let error = world
        .refused(
            &Client::desktop(1, &["operator.read"]).auth(bootstrap(&code)),
            true,
        )
        .0;
    assert_eq!(error["details"]["code"], "PAIRING_REQUIRED");
    assert_eq!(error["details"].get("retryable"), None);
}

#[rstest]
#[case::unknown(|_: &mut World, _: &Value| json!({"bootstrapToken": "nope"}))]
#[case::unknown_with_wrong_shared_token(|_: &mut World, _: &Value| json!({"token": "wrong", "bootstrapToken": "nope"}))]
#[case::expired(|world: &mut World, code: &Value| { world.elapse(600_000); bootstrap(code) })]
#[case::revoked(|world: &mut World, code: &Value| {
    world.control(Control::RevokeSetupCode { setup_code: code["setupCode"].as_str().unwrap().to_owned() }).unwrap();
    bootstrap(code)
})]
#[case::rejected(|world: &mut World, code: &Value| {
    world.refused(&Client::node(1, &[]).auth(bootstrap(code)), true);
    world.control(Control::Reject { request_id: "latest".into() }).unwrap();
    bootstrap(code)
})]
fn worthless_codes(
    #[case] prepare: fn(&mut World, &Value) -> Value,
    #[values("2026.6.34", "2026.9.6")] version: &str,
) {
    let mut world = World::new(version);
    let code = mint(&mut world);
    let auth = prepare(&mut world, &code);
    let (error, close) = world.refused(&Client::node(1, &[]).auth(auth), true);
    let message = if version == "2026.6.34" {
        "unauthorized: bootstrap token invalid or expired (scan a fresh setup code)"
    } else {
        "unauthorized: setup code invalid, expired, revoked, or already used (create a new code; review `openclaw \
         devices list`)"
    };
    assert_eq!(error["message"], message);
    assert_eq!(
        error["details"]["recommendedNextStep"],
        "review_auth_configuration"
    );
    assert_eq!(close.0, 1008);
}

#[test]
fn a_code_beside_the_right_shared_token_still_hands_over() {
    let mut world = World::new("2026.6.34");
    let code = mint(&mut world);
    let auth = json!({"token": TOKEN, "bootstrapToken": code["bootstrapToken"]});
    let (_, hello) = world.join_remote(&Client::ios(1, &[]).auth(auth));
    assert!(hello["auth"]["deviceTokens"].is_array());
    let blank = json!({"bootstrapToken": ""});
    assert_eq!(
        world.refused(&Client::ios(2, &[]).auth(blank), true).0["details"]["code"],
        "AUTH_TOKEN_MISSING"
    );
}

/// Recording 65.
#[test]
fn the_newer_release_mints_codes_over_the_wire() {
    let mut world = World::new("2026.9.6");
    let admin = world.admin();
    let error = world
        .call(admin, "device.pair.setupCode", json!({}))
        .unwrap_err();
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("Gateway is only bound to loopback.")
    );
    let minted = world
        .call(
            admin,
            "device.pair.setupCode",
            json!({"publicUrl": "ws://10.0.0.8"}),
        )
        .unwrap();
    assert_eq!(
        (
            &minted["urlSource"],
            &minted["access"],
            &minted["accessDowngraded"]
        ),
        (&json!("request.publicUrl"), &json!("limited"), &json!(true)),
        "not with full access through clear text"
    );
    let secure = json!({"publicUrl": "wss://gw.example"});
    let full = world.call(admin, "device.pair.setupCode", secure).unwrap();
    assert_eq!(full["access"], "full");
    let asked = json!({"publicUrl": "ws://127.0.0.1:1", "bootstrapProfile": "limited"});
    let limited = world.call(admin, "device.pair.setupCode", asked).unwrap();
    assert_eq!(
        (&limited["access"], &limited["accessDowngraded"]),
        (&json!("limited"), &Value::Null)
    );
    let status = json!({"setupId": minted["setupId"]});
    assert_eq!(
        world.call(admin, "device.pair.setupStatus", status.clone()),
        Ok(json!({}))
    );
    let code = SetupCode::decode(minted["setupCode"].as_str().unwrap()).unwrap();
    let token = code.bootstrap_token.unwrap();
    let client = Client::ios(1, &[]).auth(json!({"bootstrapToken": token.expose()}));
    world.join_remote(&client);
    let completed = world
        .call(admin, "device.pair.setupStatus", status)
        .unwrap();
    assert_eq!(completed["completion"]["deviceId"], client.id());
    let mut older = World::new("2026.6.34");
    let admin = older.admin();
    let error = older
        .call(admin, "device.pair.setupCode", json!({}))
        .unwrap_err();
    assert_eq!(error["message"], "unknown method: device.pair.setupCode");
}

/// A gateway lets go of what has expired when somebody asks for it; a view does not show it until then.
#[test]
fn a_view_leaves_out_what_has_expired_unasked() {
    let mut world = World::new("2026.6.34");
    world.refused(&Client::desktop(1, &[]), true);
    mint(&mut world);
    let seen = |after_ms: i64| {
        let view = world.gateway.view_at(world.now().wall.shifted(after_ms));
        (view.pending_devices.len(), view.live_setup_codes)
    };
    let ttl = world.gateway.config().pairing_ttl_ms.cast_signed();
    assert_eq!(seen(ttl - 1), (1, 1));
    assert_eq!(seen(ttl).0, 0);
    let ttl = world.gateway.config().setup_code_ttl_ms.cast_signed();
    assert_eq!(seen(ttl - 1).1, 1);
    assert_eq!(seen(ttl).1, 0);
}
