//! `config.get`, `config.set`, `config.patch` and `config.apply`. The words are those of both releases, recorded by the flows
//! config/refused and config/written.

use rstest::rstest;
use serde_json::{Value, json};

use super::driver::{Client, TOKEN, World};

const OLDER: &str = "2026.6.34";
const NEWER: &str = "2026.9.6";

fn get(world: &mut World, conn: u32) -> Value {
    world.call(conn, "config.get", json!({})).unwrap()
}

/// The file as it stands, with `edit` done to it, as the text of a write.
fn edited(got: &Value, edit: impl FnOnce(&mut Value)) -> String {
    let mut file: Value = serde_json::from_str(got["raw"].as_str().unwrap()).unwrap();
    edit(&mut file);
    file.to_string()
}

fn message(outcome: Result<Value, Value>) -> String {
    let error = outcome.map_or_else(|error| error, |done| panic!("was done: {done}"));
    error["message"].as_str().unwrap().to_owned()
}

#[rstest]
#[case::older(OLDER)]
#[case::newer(NEWER)]
fn a_file_is_shown_without_its_secrets(#[case] version: &str) {
    let mut world = World::new(version);
    let admin = world.admin();
    let got = get(&mut world, admin);
    assert!(!got.to_string().contains(TOKEN), "{got}");
    assert_eq!(
        got["parsed"]["gateway"]["auth"],
        json!({"mode": "token", "token": "__OPENCLAW_REDACTED__"})
    );
    assert_eq!(
        got["hash"].as_str().unwrap().starts_with("hmac-sha256:v1:"),
        version == NEWER
    );
}

#[rstest]
#[case::older(OLDER)]
#[case::newer(NEWER)]
fn a_whole_file_is_set_with_its_hidden_secret_kept(#[case] version: &str) {
    let mut world = World::new(version);
    let admin = world.admin();
    let got = get(&mut world, admin);
    let raw = edited(&got, |file| {
        file["gateway"]["nodes"] = json!({"pairing": {"autoApproveCidrs": ["10.0.0.0/8"]}});
    });
    let params = json!({"raw": raw, "baseHash": got["hash"]});
    let done = world.call(admin, "config.set", params).unwrap();
    assert_eq!(done["ok"], true);
    assert_eq!(done.get("hash").is_some(), version == NEWER);
    // Noticed a little later.
    assert!(world.gateway.config().nodes.auto_approve_cidrs.is_empty());
    world.elapse(15_000);
    assert_eq!(
        world.gateway.config().nodes.auto_approve_cidrs,
        ["10.0.0.0/8"]
    );
    let admin = world.admin();
    let again = get(&mut world, admin);
    assert_ne!(again["hash"], got["hash"]);
    assert_eq!(again["parsed"]["meta"]["lastTouchedVersion"], version);
}

#[rstest]
#[case::set("config.set", json!({}), "invalid config.set params: must have required property 'raw'")]
#[case::extra("config.get", json!({"x": 1}), "invalid config.get params: at root: unexpected property 'x'")]
#[case::no_base("config.set", json!({"raw": "{}"}), "config base hash required; re-run config.get and retry")]
#[case::stale("config.set", json!({"raw": "{}", "baseHash": "x"}), "config changed since last load; re-run config.get and retry")]
#[case::stale_patch("config.patch", json!({"raw": "{}", "baseHash": "x"}), "config changed since last load; re-run config.get and retry")]
#[case::apply_no_base("config.apply", json!({"raw": "{}"}), "config base hash required; re-run config.get and retry")]
fn who_has_not_read_the_file_does_not_write_it(
    #[values(OLDER, NEWER)] version: &str,
    #[case] method: &str,
    #[case] params: Value,
    #[case] expected: &str,
) {
    let mut world = World::new(version);
    let admin = world.admin();
    assert_eq!(message(world.call(admin, method, params)), expected);
}

#[rstest]
#[case(r#"{"gateway""#, "SyntaxError: JSON5: invalid end of input at 1:11")]
#[case("[1 2]", "SyntaxError: JSON5: invalid character '2' at 1:4")]
#[case(
    "[]",
    "invalid config: <root>: Invalid input: expected object, received array"
)]
#[case(r#"{"nope":1}"#, r#"invalid config: <root>: Unrecognized key: "nope""#)]
#[case(
    r#"{"gateway":{"nope":1}}"#,
    r#"invalid config: gateway: Unrecognized key: "nope""#
)]
#[case(
    r#"{"gateway":{"trustedProxies":"x"}}"#,
    "invalid config: gateway.trustedProxies: Invalid input: expected array, received string"
)]
#[case(
    r#"{"gateway":{"allowRealIpFallback":1}}"#,
    "invalid config: gateway.allowRealIpFallback: Invalid input: expected boolean, received number (allowed: true, false)"
)]
#[case(r#"{"gateway":{"auth":{"mode":"tokn"}}}"#, r#"invalid config: gateway.auth.mode: Invalid input (allowed: "none", "token", "password", "trusted-proxy")"#)]
#[case(
    r#"{"gateway":{"auth":{"rateLimit":{"maxAttempts":"x"}}}}"#,
    "invalid config: gateway.auth.rateLimit.maxAttempts: Invalid input: expected number, received string"
)]
fn a_file_that_makes_no_sense_is_refused_with_its_place(
    #[values(OLDER, NEWER)] version: &str,
    #[case] raw: &str,
    #[case] expected: &str,
) {
    let mut world = World::new(version);
    let admin = world.admin();
    let hash = get(&mut world, admin)["hash"].clone();
    let params = json!({"raw": raw, "baseHash": hash});
    assert_eq!(message(world.call(admin, "config.set", params)), expected);
    assert_eq!(get(&mut world, admin)["hash"], hash);
}

#[test]
fn a_patch_loses_no_list_entries_by_accident() {
    let mut world = World::new(NEWER);
    let admin = world.admin();
    let patch = |raw: &Value| json!({"raw": raw.to_string()});
    let two = json!({"gateway": {"controlUi": {"allowedOrigins": ["https://a.example", "https://b.example"]}}});
    let done = world.call(admin, "config.patch", patch(&two)).unwrap();
    assert_eq!(
        done["changedPaths"],
        json!(["gateway.controlUi.allowedOrigins"])
    );
    assert_eq!(
        done["sentinel"]["payload"]["stats"]["requiresRestart"],
        false
    );
    let noop = world.call(admin, "config.patch", patch(&two)).unwrap();
    assert_eq!(
        (&noop["noop"], &noop["changedPaths"]),
        (&json!(true), &json!([]))
    );
    let one = json!({"gateway": {"controlUi": {"allowedOrigins": ["https://a.example"]}}});
    let lost = message(world.call(admin, "config.patch", patch(&one)));
    assert!(
        lost.starts_with("config.patch would remove entries from array path(s): gateway.controlUi.allowedOrigins."),
        "{lost}"
    );
    let params =
        json!({"raw": one.to_string(), "replacePaths": ["gateway.controlUi.allowedOrigins"]});
    world.call(admin, "config.patch", params).unwrap();
    world.elapse(1_000);
    assert_eq!(
        world.gateway.config().allowed_origins,
        ["https://a.example"]
    );
}

#[test]
fn the_older_release_takes_three_writes_a_minute_whatever_comes_of_them() {
    let mut world = World::new(OLDER);
    let admin = world.admin();
    for _ in 0..2 {
        world.call(admin, "config.patch", json!({})).unwrap_err();
    }
    world.call(admin, "config.apply", json!({})).unwrap_err();
    world.elapse(10_000);
    let error = world.call(admin, "config.patch", json!({})).unwrap_err();
    assert_eq!(
        error,
        json!({"code": "UNAVAILABLE", "message": "rate limit exceeded for config.patch; retry after 50s", "retryable": true,
               "retryAfterMs": 50_000, "details": {"method": "config.patch", "limit": "3 per 60s"}})
    );
    // Of each connection for itself, and not of config.set.
    world.call(admin, "config.set", json!({})).unwrap_err();
    let other = world.admin();
    assert!(message(world.call(other, "config.patch", json!({}))).contains("required property"));
    world.elapse(50_000);
    assert!(message(world.call(admin, "config.patch", json!({}))).contains("required property"));
}

#[test]
fn a_write_is_answered_before_the_older_release_restarts() {
    let mut world = World::new(OLDER);
    let admin = world.admin();
    let hash = get(&mut world, admin)["hash"].clone();
    let raw = json!({"gateway": {"trustedProxies": ["10.0.0.0/8"]}}).to_string();
    let params = json!({"raw": raw, "baseHash": hash, "note": "why"});
    let done = world.call(admin, "config.patch", params).unwrap();
    let payload = &done["sentinel"]["payload"];
    assert_eq!(
        (
            &payload["kind"],
            &payload["message"],
            &payload["stats"]["requiresRestart"]
        ),
        (&json!("config-patch"), &json!("why"), &json!(true))
    );
    assert_eq!(world.closed(admin), None);
    world.elapse(300);
    assert_eq!(world.closed(admin).unwrap().0, 1012);
}

#[test]
fn reading_needs_read_and_writing_needs_admin() {
    let mut world = World::new(OLDER);
    let reader = world.join(&Client::backend(&["operator.read"])).0;
    get(&mut world, reader);
    let refused = message(world.call(reader, "config.set", json!({"raw": "{}"})));
    assert_eq!(refused, "missing scope: operator.admin");
}
