//! A configuration that changes while the gateway runs, by its owner and over the wire. ref: gateway-behaviour.md §8; the same
//! is held against both releases by the flows lifecycle/reload* and config/*.

use gateway_core::{Config, Control, ControlError, Lifecycle, Peer};
use rstest::rstest;
use serde_json::{Value, json};

use super::driver::{Client, TOKEN, World};

const OLDER: &str = "2026.6.34";
const NEWER: &str = "2026.9.6";

fn reload(world: &mut World, config: Value) -> Value {
    world.control(Control::Reload { config }).unwrap()
}

fn restarts(world: &World) -> usize {
    let is_restart = |change: &&Lifecycle| matches!(change, Lifecycle::Restarting { .. });
    world.lifecycle.iter().filter(is_restart).count()
}

/// An operator by device token, who holds no shared secret.
fn by_device(world: &mut World) -> (Client, u32) {
    let client = Client::desktop(1, &["operator.read"]);
    let (conn, hello) = world.join(&client);
    world.hang_up(conn);
    let client = client.auth(json!({"deviceToken": hello["auth"]["deviceToken"]}));
    let conn = world.join(&client).0;
    (client, conn)
}

#[test]
fn the_older_release_restarts_and_then_runs_on_the_new_file() {
    let mut world = World::new(OLDER);
    let admin = world.admin();
    let done = reload(
        &mut world,
        json!({"gateway": {"trustedProxies": ["10.0.0.0/8"]}}),
    );
    assert_eq!(
        done,
        json!({"mode": "hybrid", "changed": ["gateway.trustedProxies"], "effect": "restart"})
    );
    let shutdown = world.event(admin, "shutdown").unwrap();
    assert_eq!(
        shutdown["payload"],
        json!({"reason": "gateway restarting", "restartExpectedMs": 1500})
    );
    assert_eq!(world.closed(admin).unwrap().0, 1012);
    assert!(world.gateway.config().trusted_proxies.is_empty());
    world.elapse(10_000);
    assert_eq!(world.gateway.config().trusted_proxies, ["10.0.0.0/8"]);
    assert_eq!(restarts(&world), 1);
}

#[test]
fn the_newer_release_goes_on_and_sends_everybody_away_whose_address_was_judged() {
    let mut world = World::new(NEWER);
    let (_, phone) = by_device(&mut world);
    let admin = world.admin();
    let done = reload(
        &mut world,
        json!({"gateway": {"trustedProxies": ["10.0.0.0/8"]}}),
    );
    assert_eq!(done["effect"], "applied");
    for conn in [phone, admin] {
        let closed = world.closed(conn).unwrap();
        assert_eq!(closed, (4001, "gateway policy changed".to_owned()));
        assert_eq!(world.event(conn, "config.changed"), None);
    }
    assert_eq!(world.gateway.config().trusted_proxies, ["10.0.0.0/8"]);
    assert_eq!(restarts(&world), 0);
    world.admin();
}

#[test]
fn the_newer_release_tells_whoever_may_read_and_nobody_else() {
    let mut world = World::new(NEWER);
    let reader = world.join(&Client::backend(&["operator.read"])).0;
    let pairing = world.join(&Client::backend(&["operator.pairing"])).0;
    let before = world.call(reader, "config.get", json!({})).unwrap();
    let done = reload(
        &mut world,
        json!({"gateway": {"nodes": {"commands": {"deny": ["system.which"]}}}}),
    );
    assert_eq!(done["effect"], "applied");
    let told = world.event(reader, "config.changed").unwrap()["payload"].clone();
    let after = world.call(reader, "config.get", json!({})).unwrap();
    assert_eq!(told["hash"], after["hash"]);
    assert_eq!(told["path"], after["path"]);
    assert_ne!(before["hash"], after["hash"]);
    assert_ne!(before["appliedConfigHash"], after["appliedConfigHash"]);
    assert!(world.event(pairing, "config.changed").is_none());
    assert_eq!(world.closed(reader), None);
    assert_eq!(world.gateway.config().nodes.deny_commands, ["system.which"]);
}

#[rstest]
#[case::older(OLDER, false)]
#[case::newer(NEWER, true)]
fn a_page_from_an_origin_that_was_taken_away_goes(#[case] version: &str, #[case] goes: bool) {
    let mut config = Config::with_token(TOKEN);
    config.allowed_origins = vec!["https://ui.example".to_owned()];
    let mut world = World::with(version, config);
    let page = |world: &mut World| {
        let mut peer = Peer::loopback();
        peer.origin = Some("https://ui.example".to_owned());
        let conn = world.open_from(peer);
        world.connect_on(conn, &Client::backend(&[])).unwrap();
        conn
    };
    let (page, native) = (page(&mut world), world.admin());
    reload(
        &mut world,
        json!({"gateway": {"controlUi": {"allowedOrigins": null}}}),
    );
    let closed = world.closed(page).unwrap();
    if goes {
        assert_eq!(closed, (1008, "origin not allowed".to_owned()));
        assert_eq!(world.closed(native), None);
    } else {
        assert_eq!(closed, (1012, "service restart".to_owned()));
    }
}

#[rstest]
#[case::older(OLDER, true)]
#[case::newer(NEWER, false)]
fn a_new_shared_secret_sends_away_who_came_with_the_old_one(
    #[case] version: &str,
    #[case] restart: bool,
) {
    let mut world = World::new(version);
    let (phone, conn) = by_device(&mut world);
    let admin = world.admin();
    reload(&mut world, json!({"gateway": {"auth": {"token": "new"}}}));
    let closed = world.closed(admin).unwrap();
    assert_eq!(closed, (4001, "gateway auth changed".to_owned()));
    assert_eq!(world.closed(conn).is_some(), restart);
    assert_eq!(restarts(&world), usize::from(restart));
    world.elapse(10_000);
    world.join(&phone);
    world.join(&Client::backend(&[]).auth(json!({"token": "new"})));
    let error = world.refused(&Client::backend(&[]), true).0;
    assert_eq!(error["details"]["code"], "AUTH_TOKEN_MISMATCH");
    // Known to the redactor from then on.
    let secrets = world.gateway.secrets();
    assert!(secrets.iter().any(|(_, secret)| secret == "new"));
}

#[rstest]
#[case::older(OLDER)]
#[case::newer(NEWER)]
fn another_kind_of_secret_restarts_both(#[case] version: &str) {
    let mut world = World::new(version);
    let admin = world.admin();
    let off = json!({"gateway": {"auth": {"mode": "none", "token": null}}});
    assert_eq!(reload(&mut world, off)["effect"], "restart");
    let closed = world.closed(admin).unwrap();
    assert_eq!(closed, (4001, "gateway auth changed".to_owned()));
    world.elapse(10_000);
    world.join(&Client::backend(&[]).auth(json!({})));
}

#[rstest]
#[case::older(OLDER, false)]
#[case::newer(NEWER, true)]
fn with_reload_off_a_file_waits_for_a_restart(#[case] version: &str, #[case] told: bool) {
    let mut world = World::new(version);
    reload(&mut world, json!({"gateway": {"reload": {"mode": "off"}}}));
    world.elapse(10_000);
    let admin = world.admin();
    let done = reload(&mut world, json!({"gateway": {"auth": {"token": "new"}}}));
    assert_eq!(
        (&done["mode"], &done["effect"]),
        (&json!("off"), &json!("left until a restart"))
    );
    assert_eq!(world.event(admin, "config.changed").is_some(), told);
    assert_eq!(world.closed(admin), None);
    world.admin();
    let restart = Control::Restart {
        down_for_ms: None,
        reason: None,
    };
    world.control(restart).unwrap();
    world.elapse(10_000);
    world.join(&Client::backend(&[]).auth(json!({"token": "new"})));
}

#[rstest]
#[case::older(OLDER, "hot", "left until a restart")]
#[case::newer(NEWER, "hybrid", "applied")]
fn only_the_older_release_has_a_mode_that_never_restarts(
    #[case] version: &str,
    #[case] mode: &str,
    #[case] effect: &str,
) {
    let mut world = World::new(version);
    reload(&mut world, json!({"gateway": {"reload": {"mode": "hot"}}}));
    let done = reload(&mut world, json!({"gateway": {"auth": {"token": "new"}}}));
    assert_eq!(
        (&done["mode"], &done["effect"]),
        (&json!(mode), &json!(effect))
    );
    assert_eq!(restarts(&world), 0);
}

#[rstest]
#[case(json!({"gateway": {"trustedProxies": "x"}}), "gateway.trustedProxies: expected a list of texts")]
#[case(json!({"gateway": {"nope": 1}}), "gateway.nope: 2026.6.34 does not know this key; allowed here: ")]
#[case(json!({"mock": {"tickIntervalMs": 5}}), "mock: this section is read at the start only")]
#[case(json!([]), "config: expected an object")]
fn an_order_that_makes_no_sense_names_the_key(#[case] config: Value, #[case] expected: &str) {
    let mut world = World::new(OLDER);
    let admin = world.admin();
    let error = world.control(Control::Reload { config }).unwrap_err();
    assert!(matches!(error, ControlError::Config(_)));
    assert!(error.to_string().starts_with(expected), "{error}");
    assert_eq!(world.closed(admin), None);
}

#[test]
fn what_is_written_while_it_is_down_counts_when_it_comes_back() {
    let mut world = World::new(NEWER);
    world.control(Control::Halt).unwrap();
    let done = reload(&mut world, json!({"gateway": {"auth": {"token": "new"}}}));
    assert_eq!(done["effect"], "left until a restart");
    world.control(Control::Start).unwrap();
    world.join(&Client::backend(&[]).auth(json!({"token": "new"})));
}
