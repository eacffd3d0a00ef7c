//! Every row of the auth matrix. ref: gateway-behaviour.md §4

use gateway_core::{AuthConfig, AuthMode, Config, RateLimitConfig};
use gateway_protocol::{Password, SharedToken};
use rstest::rstest;
use serde_json::{Value, json};

use crate::driver::{Client, TOKEN, World};

fn details(code: &str, reason: &str, retry: bool, next: &str) -> Value {
    json!({"code": code, "authReason": reason, "canRetryWithDeviceToken": retry, "recommendedNextStep": next})
}

const HINT: &str = "set gateway.remote.token to match gateway.auth.token";

#[rstest]
#[case::nothing_but_a_device(json!({}), "token missing", "AUTH_TOKEN_MISSING", "token_missing", false, "update_auth_configuration")]
#[case::blank(json!({"token": "  "}), "token missing", "AUTH_TOKEN_MISSING", "token_missing", false, "update_auth_configuration")]
#[case::wrong_field(json!({"password": TOKEN}), "token missing", "AUTH_TOKEN_MISSING", "token_missing", false, "update_auth_configuration")]
#[case::empty_device_token(json!({"deviceToken": ""}), "token missing", "AUTH_TOKEN_MISSING", "token_missing", false, "update_auth_configuration")]
#[case::wrong(json!({"token": "wrong"}), "token mismatch", "AUTH_TOKEN_MISMATCH", "token_mismatch", true, "retry_with_device_token")]
fn shared_token_failures(
    #[case] auth: Value,
    #[case] what: &str,
    #[case] code: &str,
    #[case] reason: &str,
    #[case] retry: bool,
    #[case] next: &str,
) {
    let mut world = World::new("2026.6.34");
    let (error, close) = world.refused(&Client::cli(1, &["operator.read"]).auth(auth), false);
    let message = format!("unauthorized: gateway {what} ({HINT})");
    assert_eq!(
        error,
        json!({"code": "INVALID_REQUEST", "message": message, "details": details(code, reason, retry, next)})
    );
    assert_eq!(close, (1008, message));
}

#[rstest]
#[case::cli("2026.6.34", "cli", "cli", HINT)]
#[case::local_cli_of_the_newer_release(
    "2026.9.6",
    "cli",
    "cli",
    "use this gateway's gateway.auth.token or pair the device"
)]
#[case::web(
    "2026.6.34",
    "webchat",
    "webchat",
    "open the dashboard URL and paste the token in Control UI settings"
)]
#[case::others("2026.6.34", "test", "test", "provide gateway auth token")]
fn hints(#[case] version: &str, #[case] id: &str, #[case] mode: &str, #[case] hint: &str) {
    let mut world = World::new(version);
    let client = Client::cli(1, &[])
        .set("/client/id", json!(id))
        .set("/client/mode", json!(mode))
        .auth(json!({}));
    let origin = gateway_core::Peer {
        origin: Some("http://localhost".into()),
        ..gateway_core::Peer::loopback()
    };
    let conn = if mode == "webchat" {
        world.open_from(origin)
    } else {
        world.open()
    };
    let error = world.connect_on(conn, &client).unwrap_err();
    assert_eq!(
        error["message"],
        format!("unauthorized: gateway token missing ({hint})")
    );
}

#[rstest]
#[case::wrong_token(json!({"token": "wrong"}), "AUTH_TOKEN_MISMATCH")]
#[case::no_credential(json!({}), "DEVICE_IDENTITY_REQUIRED")]
#[case::device_token_alone(json!({"deviceToken": "x"}), "DEVICE_IDENTITY_REQUIRED")]
#[case::bootstrap_alone(json!({"bootstrapToken": "x"}), "DEVICE_IDENTITY_REQUIRED")]
fn without_a_device(#[case] auth: Value, #[case] code: &str) {
    let mut world = World::new("2026.6.34");
    let (error, _) = world.refused(&Client::backend(&[]).auth(auth), false);
    assert_eq!(error["details"]["code"], code);
    assert_ne!(error["details"]["canRetryWithDeviceToken"], json!(true));
}

#[rstest]
#[case(json!({"token": TOKEN}), "NOT_PAIRED", "device identity required")]
#[case(json!({}), "NOT_PAIRED", "device identity required")]
#[case(json!({"token": "wrong"}), "INVALID_REQUEST", "unauthorized: gateway token mismatch (provide gateway auth token)")]
fn a_node_needs_a_device(#[case] auth: Value, #[case] code: &str, #[case] message: &str) {
    let mut world = World::new("2026.6.34");
    let (error, close) = world.refused(&Client::node(1, &[]).without_device().auth(auth), false);
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!(code), &json!(message))
    );
    assert_eq!(close, (1008, message.to_owned()));
}

#[rstest]
#[case("openclaw-control-ui", "http://localhost")]
#[case("openclaw-tui", "")]
fn some_clients_need_a_device(#[case] id: &str, #[case] origin: &str) {
    let mut world = World::new("2026.6.34");
    let origin = Some(origin.to_owned()).filter(|origin| !origin.is_empty());
    let conn = world.open_from(gateway_core::Peer {
        origin,
        ..gateway_core::Peer::loopback()
    });
    let client = Client::backend(&[])
        .set("/client/id", json!(id))
        .set("/client/mode", json!("ui"));
    let error = world.connect_on(conn, &client).unwrap_err();
    assert_eq!(
        error["details"],
        json!({"code": "CONTROL_UI_DEVICE_IDENTITY_REQUIRED"})
    );
}

/// ref: gateway-behaviour.md §4.3
#[rstest]
#[case("2026.6.34", "gateway-client", "backend", false, true)]
#[case("2026.6.34", "gateway-client", "backend", true, false)]
#[case("2026.6.34", "cli", "cli", false, false)]
#[case("2026.9.6", "cli", "cli", false, true)]
#[case("2026.9.6", "cli", "cli", true, false)]
#[case("2026.9.6", "cli", "probe", false, false)]
#[case("2026.6.34", "test", "test", false, false)]
fn which_device_less_clients_keep_their_scopes(
    #[case] version: &str,
    #[case] id: &str,
    #[case] mode: &str,
    #[case] remote: bool,
    #[case] keeps: bool,
) {
    let mut world = World::new(version);
    let client = Client::backend(&["operator.read"])
        .set("/client/id", json!(id))
        .set("/client/mode", json!(mode));
    let (conn, hello) = if remote {
        world.join_remote(&client)
    } else {
        world.join(&client)
    };
    let expected = if keeps {
        json!(["operator.read"])
    } else {
        json!([])
    };
    assert_eq!(hello["auth"]["scopes"], expected);
    assert_eq!(hello["auth"].get("deviceToken"), None);
    world.call(conn, "health", json!({})).unwrap();
    assert_eq!(world.call(conn, "status", json!({})).is_ok(), keeps);
}

/// A device with a token, and that token.
fn paired(world: &mut World, scopes: &[&str]) -> (Client, String) {
    let client = Client::desktop(2, scopes);
    let (conn, hello) = world.join(&client);
    world.hang_up(conn);
    (
        client,
        hello["auth"]["deviceToken"].as_str().unwrap().to_owned(),
    )
}

/// Recording 45.
#[rstest]
#[case::own_field(|t: &str| json!({"deviceToken": t}), &["operator.read"], None)]
#[case::token_field(|t: &str| json!({"token": t}), &["operator.read"], None)]
#[case::blanks_around(|t: &str| json!({"deviceToken": format!(" {t} ")}), &["operator.read"], None)]
#[case::wrong_token_right_device_token(|t: &str| json!({"token": "wrong", "deviceToken": t}), &["operator.read"], None)]
#[case::right_token_wrong_device_token(|_: &str| json!({"token": TOKEN, "deviceToken": "wrong"}), &["operator.read"], None)]
#[case::no_scopes(|t: &str| json!({"deviceToken": t}), &[], None)]
#[case::wider_scopes(|t: &str| json!({"deviceToken": t}), &["operator.admin"], Some("AUTH_SCOPE_MISMATCH"))]
#[case::wider_scopes_in_token_field(|t: &str| json!({"token": t}), &["operator.admin"], Some("AUTH_SCOPE_MISMATCH"))]
#[case::wrong(|_: &str| json!({"deviceToken": "wrong"}), &["operator.read"], Some("AUTH_DEVICE_TOKEN_MISMATCH"))]
#[case::both_wrong(|_: &str| json!({"token": "wrong", "deviceToken": "wrong"}), &["operator.read"], Some("AUTH_DEVICE_TOKEN_MISMATCH"))]
fn device_tokens(
    #[case] auth: fn(&str) -> Value,
    #[case] scopes: &[&str],
    #[case] refused: Option<&str>,
) {
    let mut world = World::new("2026.6.34");
    let (client, token) = paired(&mut world, &["operator.write", "operator.read"]);
    let client = client.auth(auth(&token)).set("/scopes", json!(scopes));
    let conn = world.open_remote();
    match (world.connect_on(conn, &client), refused) {
        (Ok(hello), None) => {
            assert_eq!(hello["auth"]["deviceToken"], token);
            assert_eq!(
                hello["auth"]["scopes"],
                json!(["operator.read", "operator.write"]),
                "the token's whole set"
            );
        }
        (Err(error), Some(code)) => assert_eq!(error["details"]["code"], code),
        (outcome, _) => panic!("{outcome:?}"),
    }
}

#[test]
fn a_device_token_is_bound_to_device_and_role() {
    let mut world = World::new("2026.6.34");
    let (client, token) = paired(&mut world, &["operator.read"]);
    let as_node = client
        .auth(json!({"deviceToken": token}))
        .set("/role", json!("node"))
        .set("/scopes", json!([]));
    assert_eq!(
        world.refused(&as_node, false).0["details"]["code"],
        "AUTH_DEVICE_TOKEN_MISMATCH"
    );
    let other = Client::desktop(3, &["operator.read"]).auth(json!({"deviceToken": token}));
    assert_eq!(
        world.refused(&other, false).0["details"]["code"],
        "AUTH_DEVICE_TOKEN_MISMATCH"
    );
    let other = Client::desktop(3, &["operator.read"]).auth(json!({"token": token}));
    let error = world.refused(&other, false).0;
    assert_eq!(
        error["details"],
        details(
            "AUTH_TOKEN_MISMATCH",
            "token_mismatch",
            true,
            "retry_with_device_token"
        )
    );
}

#[test]
fn the_newer_release_grants_what_was_asked_in_that_order() {
    let mut world = World::new("2026.9.6");
    let scopes = ["operator.write", "operator.pairing", "operator.write"];
    let (_, hello) = world.join(&Client::cli(1, &scopes));
    assert_eq!(
        hello["auth"]["scopes"],
        json!(["operator.write", "operator.pairing"])
    );
    assert_eq!(hello["auth"]["method"], "token");
    let mut world = World::new("2026.6.34");
    let (_, hello) = world.join(&Client::cli(1, &scopes));
    assert_eq!(
        hello["auth"]["scopes"],
        json!(["operator.pairing", "operator.read", "operator.write"])
    );
    assert_eq!(hello["auth"].get("method"), None);
}

fn password_world(version: &str) -> World {
    let auth = AuthConfig {
        mode: AuthMode::Password,
        password: Some(Password::new("pw")),
        ..AuthConfig::default()
    };
    World::with(
        version,
        Config {
            auth,
            ..Config::default()
        },
    )
}

#[rstest]
#[case("2026.6.34", json!({"password": "pw"}), None)]
#[case("2026.6.34", json!({"password": "no"}), Some("AUTH_PASSWORD_MISMATCH"))]
#[case("2026.6.34", json!({"password": " "}), Some("AUTH_PASSWORD_MISSING"))]
#[case("2026.6.34", json!({"token": "pw"}), Some("AUTH_PASSWORD_MISSING"))]
#[case("2026.9.6", json!({"token": "pw"}), None)]
#[case("2026.9.6", json!({"token": "pw", "password": "no"}), Some("AUTH_PASSWORD_MISMATCH"))]
fn password_mode(#[case] version: &str, #[case] auth: Value, #[case] refused: Option<&str>) {
    let mut world = password_world(version);
    let conn = world.open_remote();
    let outcome = world.connect_on(conn, &Client::backend(&[]).auth(auth));
    let code = outcome
        .err()
        .map(|error| error["details"]["code"].as_str().unwrap().to_owned());
    assert_eq!(code.as_deref(), refused);
}

#[rstest]
#[case("2026.6.34", Err("AUTH_TOKEN_MISSING"))]
#[case("2026.9.6", Ok(()))]
fn token_mode_reads_the_password_field_only_on_the_newer_release(
    #[case] version: &str,
    #[case] expected: Result<(), &str>,
) {
    let mut world = World::new(version);
    let conn = world.open();
    let outcome = world.connect_on(conn, &Client::cli(1, &[]).auth(json!({"password": TOKEN})));
    let code = outcome
        .map(|_| ())
        .map_err(|error| error["details"]["code"].as_str().unwrap().to_owned());
    assert_eq!(code, expected.map_err(str::to_owned));
}

#[test]
fn mode_none_takes_anything_local() {
    let auth = AuthConfig {
        mode: AuthMode::None,
        ..AuthConfig::default()
    };
    let mut world = World::with(
        "2026.6.34",
        Config {
            auth,
            ..Config::default()
        },
    );
    world.join(&Client::cli(1, &["operator.read"]).auth(json!({"deviceToken": "nonsense"})));
    world.join(&Client::backend(&["operator.read"]).auth(json!({})));
    let test = Client::backend(&[])
        .set("/client/id", json!("test"))
        .set("/client/mode", json!("test"));
    assert_eq!(
        world.refused(&test, false).0["details"]["code"],
        "DEVICE_IDENTITY_REQUIRED"
    );
    let remote = Client::cli(3, &[]).auth(json!({}));
    assert_eq!(
        world.refused(&remote, true).0["details"]["reason"],
        "not-paired"
    );
}

fn fail(world: &mut World, times: usize, client: &Client) -> Vec<String> {
    (0..times)
        .map(|_| {
            world.refused(client, true).0["details"]["code"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

/// ref: gateway-behaviour.md §4.5
#[test]
fn the_eleventh_failure_from_an_address_is_limited() {
    let mut world = World::new("2026.6.34");
    let wrong = Client::backend(&[]).auth(json!({"token": "wrong"}));
    assert_eq!(fail(&mut world, 10, &wrong), ["AUTH_TOKEN_MISMATCH"; 10]);
    let (error, close) = world.refused(&Client::backend(&[]), true);
    let text = "unauthorized: too many failed authentication attempts (retry later)";
    assert_eq!(error["message"], text);
    assert_eq!(
        error["details"],
        details(
            "AUTH_RATE_LIMITED",
            "rate_limited",
            false,
            "wait_then_retry"
        )
    );
    assert_eq!(error.get("retryAfterMs"), None);
    assert_eq!(close.1, text);
    // Other kinds and other addresses go on.
    let bad_token = Client::cli(1, &[]).auth(json!({"deviceToken": "wrong"}));
    assert_eq!(
        fail(&mut world, 1, &bad_token),
        ["AUTH_DEVICE_TOKEN_MISMATCH"]
    );
    assert_eq!(
        fail(&mut world, 1, &Client::backend(&[]).auth(json!({}))),
        ["DEVICE_IDENTITY_REQUIRED"]
    );
    world.join(&Client::backend(&[]));
    world.elapse(300_000);
    world.join_remote(&Client::backend(&[]));
}

#[test]
fn a_device_token_gets_in_during_a_lock_out() {
    let mut world = World::new("2026.6.34");
    let (client, token) = paired(&mut world, &["operator.read"]);
    fail(
        &mut world,
        11,
        &Client::backend(&[]).auth(json!({"token": "wrong"})),
    );
    world.join_remote(&client.auth(json!({"deviceToken": token})));
}

#[test]
fn a_success_clears_the_counter_and_pairing_does_not_count() {
    let mut world = World::new("2026.6.34");
    let wrong = Client::backend(&[]).auth(json!({"token": "wrong"}));
    for _ in 0..3 {
        assert_eq!(fail(&mut world, 9, &wrong), ["AUTH_TOKEN_MISMATCH"; 9]);
        world.join_remote(&Client::backend(&[]));
    }
    for _ in 0..12 {
        assert_eq!(
            world.refused(&Client::cli(1, &[]), true).0["code"],
            "NOT_PAIRED"
        );
    }
}

#[test]
fn the_limit_is_configurable_and_the_newer_release_says_when_to_come_back() {
    let rate_limit = RateLimitConfig {
        max_attempts: 3,
        lockout_ms: 5_000,
        ..RateLimitConfig::default()
    };
    let auth = AuthConfig {
        token: Some(SharedToken::new(TOKEN)),
        rate_limit,
        ..AuthConfig::default()
    };
    let mut world = World::with(
        "2026.9.6",
        Config {
            auth,
            ..Config::default()
        },
    );
    let wrong = Client::backend(&[]).auth(json!({"token": "wrong"}));
    fail(&mut world, 3, &wrong);
    world.elapse(1_000);
    let (error, _) = world.refused(&wrong, true);
    assert_eq!(
        (&error["retryable"], &error["retryAfterMs"]),
        (&json!(true), &json!(4_000))
    );
    // Flows limits/device-token and limits/shared-secret: only a paired device, which may have a token, is not told.
    let with_device = world.refused(&Client::cli(1, &[]), true).0;
    assert_eq!(with_device["retryAfterMs"], 4_000);
}

#[test]
fn the_newer_release_slows_local_offenders_down() {
    let mut world = World::new("2026.9.6");
    let wrong = Client::backend(&[]).auth(json!({"token": "wrong"}));
    for delay in [250, 500, 1_000] {
        let conn = world.open();
        let id = world.request(conn, "connect", wrong.signed("", 0));
        world.elapse(delay - 1);
        assert_eq!(world.closed(conn), None);
        world.elapse(1);
        assert_eq!(
            world.answer(conn, &id).unwrap_err()["details"]["code"],
            "AUTH_TOKEN_MISMATCH"
        );
        assert!(world.closed(conn).is_some());
    }
}

#[test]
fn secrets_are_known_to_the_redactor() {
    let mut world = World::new("2026.6.34");
    let (_, token) = paired(&mut world, &["operator.read"]);
    let known: Vec<String> = world
        .gateway
        .secrets()
        .into_iter()
        .map(|(_, secret)| secret)
        .collect();
    assert!(known.contains(&TOKEN.to_owned()) && known.contains(&token));
    let view = serde_json::to_string(&world.gateway.view()).unwrap();
    assert!(
        known.iter().all(|secret| !view.contains(secret)),
        "the view holds a secret"
    );
}
