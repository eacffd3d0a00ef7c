//! Timers, broadcasts, shutdown and restart. ref: gateway-behaviour.md §1.4, §1.5, §8

use std::time::Duration;

use gateway_core::{Config, Control, Input, Lifecycle, Peer};
use gateway_protocol::SharedToken;
use rstest::rstest;
use serde_json::{Value, json};

use crate::driver::{Client, Got, TOKEN, World};

#[test]
fn a_silent_client_is_closed_after_fifteen_seconds() {
    let mut world = World::new("2026.6.34");
    let conn = world.open();
    world.elapse(14_999);
    assert_eq!(world.closed(conn), None);
    world.elapse(1);
    assert_eq!(world.closed(conn), Some((1000, String::new())));
    let (conn, _) = world.join(&Client::backend(&[]));
    world.elapse(20_000);
    assert_eq!(world.closed(conn), None, "hello ends the time limit");
}

#[test]
fn ticks_are_global_and_pings_count_from_hello() {
    let mut world = World::new("2026.6.34");
    world.elapse(20_000);
    let (conn, _) = world.join(&Client::backend(&[]));
    world.elapse(10_000);
    let tick = world.event(conn, "tick").unwrap();
    assert_eq!(tick["payload"], json!({"ts": world.now().wall.0}));
    assert!(tick["seq"].is_u64());
    let pings = |world: &mut World| {
        world
            .inbox(conn)
            .iter()
            .filter(|got| **got == Got::Ping)
            .count()
    };
    assert_eq!(pings(&mut world), 0);
    world.elapse(15_000);
    assert_eq!(pings(&mut world), 1, "25 s after hello");
    world.elapse(50_000);
    assert_eq!(pings(&mut world), 2);
}

/// Recordings 114 and 120.
#[rstest]
#[case("2026.6.34", &["health"], &["presence"])]
#[case("2026.9.6", &["presence"], &["presence"])]
fn what_a_coming_and_going_client_causes(
    #[case] version: &str,
    #[case] on_connect: &[&str],
    #[case] on_disconnect: &[&str],
) {
    let mut world = World::new(version);
    let (watcher, _) = world.join(&Client::cli(1, &["operator.admin"]));
    world.elapse(100);
    world.inbox(watcher);
    let events = |world: &mut World| -> Vec<String> {
        world.elapse(100);
        let names = world
            .inbox(watcher)
            .into_iter()
            .filter_map(|got| match got {
                Got::Frame(frame) => frame["event"].as_str().map(str::to_owned),
                Got::Ping | Got::Close(_) | Got::Abort => None,
            });
        names
            .filter(|name| !name.starts_with("device.") && name != "tick")
            .collect()
    };
    let (conn, _) = world.join(&Client::desktop(2, &["operator.read"]));
    assert_eq!(events(&mut world), on_connect);
    world.hang_up(conn);
    assert_eq!(events(&mut world), on_disconnect);
    let presence = world.call(watcher, "system-presence", json!({})).unwrap();
    assert_eq!(presence[0]["reason"], "self");
    assert_eq!(presence[1]["reason"], "disconnect");
    let (cli, _) = world.join(&Client::cli(3, &[]));
    world.hang_up(cli);
    assert!(
        !events(&mut world).contains(&"presence".to_owned()),
        "command lines do not appear"
    );
}

#[test]
fn seq_counts_broadcasts_of_one_connection() {
    let mut world = World::new("2026.6.34");
    let (conn, _) = world.join(&Client::backend(&[]));
    world.elapse(60_000);
    let inbox = world.inbox(conn);
    let seqs: Vec<u64> = inbox
        .iter()
        .filter_map(|got| match got {
            Got::Frame(frame) => frame["seq"].as_u64(),
            Got::Ping | Got::Close(_) | Got::Abort => None,
        })
        .collect();
    assert_eq!(seqs, [1, 2, 3], "health and two ticks");
}

fn shutdown_of(world: &mut World, conn: u32) -> (Value, Option<(u16, String)>) {
    (
        world.event(conn, "shutdown").unwrap()["payload"].clone(),
        world.closed(conn),
    )
}

/// ref: gateway-behaviour.md §8
#[rstest]
#[case("2026.6.34", json!({"reason": "gateway stopping", "restartExpectedMs": null}), false)]
#[case("2026.9.6", json!({"reason": "gateway stopping"}), true)]
fn a_stop_says_goodbye(#[case] version: &str, #[case] payload: Value, #[case] clean: bool) {
    let mut world = World::new(version);
    let (conn, _) = world.join(&Client::backend(&[]));
    let waiting = world.open();
    world.control(Control::Stop).unwrap();
    let service_restart = Some((1012, "service restart".to_owned()));
    assert_eq!(shutdown_of(&mut world, conn), (payload, service_restart));
    let inbox = world.inbox(waiting);
    assert_eq!(inbox.contains(&Got::Abort), !clean);
    assert_eq!(
        inbox
            .iter()
            .any(|got| matches!(got, Got::Close(frame) if frame.code == 1012)),
        clean
    );
    assert_eq!(world.lifecycle, [Lifecycle::Stopping]);
    world.elapse(100_000);
    world.input(Input::Opened {
        conn: 99,
        peer: Peer::loopback(),
    });
    assert_eq!(world.inbox(99), [Got::Abort]);
}

#[rstest]
#[case("2026.6.34", 1)]
#[case("2026.9.6", 5)]
fn a_restart_comes_back(
    #[case] version: &str,
    #[case] seconds: u64,
    #[values(true, false)] over_the_wire: bool,
) {
    let mut world = World::new(version);
    let (conn, _) = world.join(&Client::backend(&["operator.admin"]));
    if over_the_wire {
        let answer = world
            .call(conn, "gateway.restart.request", json!({"reason": "test"}))
            .unwrap();
        assert_eq!(answer["status"], "scheduled");
        world.elapse(50);
    } else {
        world
            .control(Control::Restart {
                down_for_ms: None,
                reason: None,
            })
            .unwrap();
    }
    let (payload, close) = shutdown_of(&mut world, conn);
    assert_eq!(
        payload,
        json!({"reason": "gateway restarting", "restartExpectedMs": 1500})
    );
    assert_eq!(close, Some((1012, "service restart".to_owned())));
    let down_for = Duration::from_secs(seconds);
    assert_eq!(world.lifecycle, [Lifecycle::Restarting { down_for }]);
    assert!(!world.gateway.view().up);
    world.hang_up(conn);
    world.elapse(seconds * 1_000);
    assert_eq!(world.lifecycle.last(), Some(&Lifecycle::Ready));
    let (_, hello) = world.join(&Client::backend(&["operator.admin"]));
    assert_eq!(
        hello["snapshot"]["presence"].as_array().unwrap().len(),
        // The gateway, and both connections of the backend, which the newer release does not show. Flows
        // lifecycle/restart-keeps-devices and pairing/local-backend.
        if seconds == 5 { 1 } else { 1 + 2 },
        "presence keeps who was there"
    );
    assert_eq!(hello["snapshot"]["uptimeMs"], 0);
}

#[test]
fn early_connects_are_told_to_come_back() {
    let config = Config {
        starting_ms: Some(2_000),
        ..Config::with_token(TOKEN)
    };
    let mut world = World::with("2026.9.6", config);
    let (error, close) = world.refused(&Client::backend(&[]), false);
    assert_eq!(
        error,
        json!({"code": "UNAVAILABLE", "message": "gateway starting; retry shortly",
               "details": {"reason": "startup-sidecars"}, "retryable": true, "retryAfterMs": 500})
    );
    assert_eq!(close, (1013, "gateway starting".to_owned()));
    world.elapse(2_000);
    world.join(&Client::backend(&[]));
}

#[rstest]
#[case("2026.6.34", true)]
#[case("2026.9.6", false)]
fn a_new_shared_token_ends_what_the_old_one_opened(#[case] version: &str, #[case] restarts: bool) {
    let mut world = World::new(version);
    let client = Client::desktop(1, &["operator.read"]);
    let (shared, hello) = world.join(&client);
    let (by_device, _) = world.join(
        &client
            .clone()
            .auth(json!({"deviceToken": hello["auth"]["deviceToken"]})),
    );
    let token = SharedToken::new("new");
    world
        .control(Control::SetSharedToken {
            token,
            at_restart: false,
        })
        .unwrap();
    assert_eq!(
        world.closed(shared),
        Some((4001, "gateway auth changed".to_owned()))
    );
    assert_eq!(world.closed(by_device).is_some(), restarts);
    world.elapse(1_000);
    let error = world.refused(&client, true).0;
    assert_eq!(
        error["details"]["recommendedNextStep"],
        "retry_with_device_token"
    );
}

#[test]
fn a_shifted_clock_is_what_frames_and_checks_see() {
    let mut world = World::new("2026.6.34");
    world
        .control(Control::ShiftClock {
            offset_ms: -200_000,
        })
        .unwrap();
    let conn = world.open();
    let Got::Frame(challenge) = world.inbox(conn).remove(0) else {
        panic!("no challenge")
    };
    assert_eq!(challenge["payload"]["ts"], world.now().wall.0 - 200_000);
    let error = world.connect_on(conn, &Client::cli(1, &[])).unwrap_err();
    assert_eq!(error["details"]["code"], "DEVICE_AUTH_SIGNATURE_EXPIRED");
    world.control(Control::ShiftClock { offset_ms: 0 }).unwrap();
    world.join(&Client::cli(1, &[]));
}

#[test]
fn equal_seeds_give_equal_gateways() {
    let run = || {
        let mut world = World::new("2026.9.6");
        let (conn, _) = world.join(&Client::node(1, &["system.which"]));
        world.elapse(100_000);
        format!("{:?}{:?}", world.inbox(conn), world.gateway.view())
    };
    assert_eq!(run(), run());
}

/// client-behaviour.md §32, real-clients.md §2
#[rstest]
#[case("health", "ok")]
#[case("sessions.list", "sessions")]
#[case("sessions.subscribe", "subscribed")]
#[case("usage.status", "providers")]
#[case("usage.cost", "daily")]
#[case("node.list", "nodes")]
#[case("agents.list", "agents")]
#[case("config.get", "config")]
#[case("logs.tail", "lines")]
fn what_real_clients_ask_after_hello_is_answered(#[case] method: &str, #[case] member: &str) {
    let mut world = World::new("2026.6.34");
    let (conn, _) = world.join(&Client::cli(1, &["operator.read"]));
    let payload = world.call(conn, method, json!({})).unwrap();
    assert!(payload.get(member).is_some(), "{payload}");
}

#[test]
fn the_newer_status_has_what_its_command_line_needs() {
    let mut world = World::new("2026.9.6");
    let admin = world.admin();
    let status = world.call(admin, "status", json!({})).unwrap();
    assert!(status["sessions"]["byAgent"].is_array() && status["channelSummary"].is_array());
}
