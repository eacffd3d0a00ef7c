//! Every invariant with a conversation that keeps it and one that breaks it.

use gateway_protocol::Role;
use rstest::rstest;
use serde_json::json;
use transcript::Direction;

use super::super::record::{Leak, StoreNote, Withheld};
use super::super::sample::{Talk, breaches, connect_frame, named_entries, refused};
use super::*;

/// A client that does everything right, twice, and ticks.
fn well_behaved() -> Talk {
    Talk::new()
        .joined(1, "companion", "operator")
        .joined(2, "companion", "node")
        .says(1, &json!({"type":"req","id":"r1","method":"health"}))
        .hears(1, &json!({"type":"res","id":"r1","ok":true,"payload":{"ok":true}}))
        .hears(1, &json!({"type":"event","event":"tick","payload":{"ts":1},"seq":1}))
        .hears(1, &json!({"type":"event","event":"tick","payload":{"ts":2},"seq":2}))
        .hears(2, &json!({"type":"event","event":"node.invoke.request","payload":{"id":"i1","command":"system.which"}}))
        .says(2, &json!({"type":"req","id":"r2","method":"node.invoke.result","params":{"id":"i1","ok":true}}))
        .hears(2, &json!({"type":"res","id":"r2","ok":true,"payload":{"ok":true}}))
        .close(1, Direction::ClientToGateway, 1000, "")
        .close(1, Direction::GatewayToClient, 1000, "")
        .eof(1)
}

#[test]
fn a_well_behaved_run_breaks_nothing() {
    let record = well_behaved().record();
    for row in REGISTRY {
        assert_eq!(breaches(row.name, &record), [], "{}", row.name);
    }
}

#[test]
fn every_row_is_documented_and_named_once() {
    let mut names: Vec<&str> = REGISTRY.iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), REGISTRY.len());
    assert!(REGISTRY.len() >= 12);
    for row in REGISTRY {
        assert!(
            row.doc.ends_with('.') && !row.source.is_empty() && row.mutant.contains(':'),
            "{}",
            row.name
        );
    }
}

#[test]
fn every_client_mutant_is_one_that_the_client_has() {
    for row in REGISTRY {
        let Some(mutation) = row.mutant.strip_prefix("client:") else {
            continue;
        };
        let read: Result<client_core::Mutation, _> = serde_json::from_value(json!(mutation));
        assert!(read.is_ok(), "{}: {mutation}", row.name);
    }
}

fn invoke(id: &str) -> Value {
    json!({"type":"event","event":"node.invoke.request","payload":{"id":id,"command":"c"}})
}

fn result_of(request: &str, id: &str) -> Value {
    json!({"type":"req","id":request,"method":"node.invoke.result","params":{"id":id,"ok":true}})
}

fn tick(seq: u64) -> Value {
    json!({"type":"event","event":"tick","payload":{},"seq":seq})
}

fn answer(id: &str) -> Value {
    json!({"type":"res","id":id,"ok":true,"payload":null})
}

/// hello-ok that issues an operator token, and a later connect that uses it.
fn reuse_of_operator_token(role: &str) -> Talk {
    let auth = json!({"role":"operator","deviceToken":"issued-token-0123456789"});
    let hello = json!({"type":"res","id":"c1","ok":true,"payload":{"type":"hello-ok","auth":auth}});
    Talk::new()
        .connect(
            1,
            "companion",
            "operator",
            &json!({"token":"shared-0123456789"}),
        )
        .hears(1, &hello)
        .connect(
            2,
            "companion",
            role,
            &json!({"deviceToken":"issued-token-0123456789"}),
        )
}

/// A black hole keeps a tick for five minutes; a client that left it unseen has another connection meanwhile.
fn let_go_late(was_left: bool) -> Talk {
    let talk = Talk::new()
        .after(1)
        .joined(1, "companion", "operator")
        .waits_for(1, &tick(1))
        .after(1_000);
    let talk = if was_left {
        talk.joined(2, "companion", "operator").eof(2)
    } else {
        talk
    };
    talk.after(300_000).hears(1, &tick(1)).eof(1)
}

/// A client that asks for the same again after each refusal.
fn insisting(times: u32, gap_ms: u64) -> Talk {
    (0..times).fold(Talk::new().joined(1, "companion", "operator"), |talk, at| {
        let ask = json!({"type":"req","id":format!("a{at}"),"method":"node.pair.approve","params":{"requestId":"r"}});
        let no = json!({"type":"res","id":format!("a{at}"),"ok":false,"error":{"code":"INVALID_REQUEST","message":"no"}});
        talk.says(1, &ask).hears(1, &no).after(gap_ms)
    })
}

fn storm(gap_ms: u64) -> Talk {
    (1..=4).fold(Talk::new().after(10), |talk, conn| {
        talk.connect(
            conn,
            "companion",
            "operator",
            &json!({"token":"t-0123456789"}),
        )
        .eof(conn)
        .after(gap_ms)
    })
}

#[rstest]
#[case::let_go_to_a_client_that_waits(
    "silence_is_noticed",
    let_go_late(false),
    "heard nothing for 301"
)]
#[case::text("every_frame_parses", Talk::new().open(1, "companion").says_text(1, "hello"), "no JSON object")]
#[case::shape("every_frame_parses", Talk::new().open(1, "companion").says(1, &json!({"type":"req","id":1,"method":"x"})), "no frame")]
#[case::params("every_frame_parses", Talk::new().open(1, "companion").says(1, &json!({"type":"req","id":"1","method":"connect","params":{"minProtocol":4}})), "invalid connect")]
#[case::gateway("every_frame_parses", Talk::new().open(1, "companion").hears(1, &json!({"type":"evnt"})), "the gateway said")]
#[case("nothing_before_connect", Talk::new().open(1, "companion").challenge(1).says(1, &json!({"type":"req","id":"1","method":"health"})), "began with health")]
#[case("one_connect_per_socket", Talk::new().joined(1, "companion", "node").says(1, &connect_frame("again", "node", &json!({}), "nonce-1")), "2 connects")]
#[case::late("challenge_comes_first", Talk::new().open(1, "companion").hears(1, &tick(1)).challenge(1), "before the challenge")]
#[case::twice("challenge_comes_first", Talk::new().open(1, "companion").challenge(1).challenge(1), "came twice")]
#[case("one_response_per_request", Talk::new().joined(1, "companion", "operator").hears(1, &answer("c1")), "answered 2 times")]
#[case("responses_name_a_request", Talk::new().joined(1, "companion", "operator").hears(1, &answer("nobody")), "nobody had asked")]
#[case("request_ids_are_unique", Talk::new().joined(1, "companion", "operator").says(1, &json!({"type":"req","id":"c1","method":"health"})), "2 times")]
#[case::gap("seq_only_grows", Talk::new().joined(1, "companion", "operator").hears(1, &tick(1)).hears(1, &tick(3)), "expected 2")]
#[case::start("seq_only_grows", Talk::new().joined(1, "companion", "operator").hears(1, &tick(0)), "expected 1")]
#[case::client("nonce_used_once", Talk::new().joined(1, "companion", "operator").open(2, "companion").challenge(2).says(2, &connect_frame("c2", "operator", &json!({}), "nonce-1")), "was not given")]
#[case::gateway("nonce_used_once", Talk::new().open(1, "companion").challenge(1).open(2, "companion").hears(2, &json!({"type":"event","event":"connect.challenge","payload":{"nonce":"nonce-1"}})), "same nonce")]
#[case::before_hello("limits_respected", Talk::new().open(1, "companion").says(1, &json!({"type":"req","id":"x","method":"connect","params":{"pad":"x".repeat(70_000)}})), "65536 are allowed")]
#[case::client("close_code_is_known", Talk::new().joined(1, "companion", "operator").close(1, Direction::ClientToGateway, 4999, ""), "companion closed with 4999")]
#[case::gateway("close_code_is_known", Talk::new().joined(1, "companion", "operator").close(1, Direction::GatewayToClient, 4999, ""), "the gateway closed with 4999")]
#[case::reason("close_code_is_known", Talk::new().joined(1, "companion", "operator").close(1, Direction::GatewayToClient, 1008, &"x".repeat(121)), "121 bytes")]
#[case("nothing_after_close", Talk::new().joined(1, "companion", "operator").close(1, Direction::GatewayToClient, 1008, "").hears(1, &tick(1)), "spoke after")]
#[case("reconnect_is_not_a_storm", storm(10), "without success")]
#[case("refusals_are_heeded", insisting(11, 90), "11 times within 902 ms")]
#[case("every_request_is_claimed", Talk::new().joined(1, "companion", "operator").says(1, &json!({"type":"req","id":"r","method":"usage.status"})).hears(1, &json!({"type":"res","id":"r","ok":false,"error":{"code":"INVALID_REQUEST","message":"unknown method: usage.status"}})), "usage.status")]
#[case::two("one_auth_key_per_connect", Talk::new().connect(1, "companion", "node", &json!({"token":"t-0123456789","deviceToken":"d-0123456789"})), "token and deviceToken")]
#[case::none("one_auth_key_per_connect", Talk::new().connect(1, "companion", "node", &json!({})), "no credential")]
#[case(
    "tokens_stay_with_their_role",
    reuse_of_operator_token("node"),
    "issued for operator"
)]
#[case("device_id_never_changes", Talk::new().joined(1, "companion", "operator").open(2, "companion").challenge(2).says(2, &{ let mut frame = connect_frame("c2", "operator", &json!({"token":"t"}), "nonce-2"); frame["params"]["device"]["id"] = json!("d2"); frame }), "changed its device id")]
#[case("operator_comes_first", Talk::new().connect(1, "companion", "operator", &json!({"token":"t"})).connect(2, "companion", "node", &json!({"token":"t"})).hello(1), "before its operator")]
#[case::twice("one_result_per_invoke", Talk::new().joined(1, "companion", "node").hears(1, &invoke("i")).says(1, &result_of("a", "i")).says(1, &result_of("b", "i")), "answered 2 times")]
#[case::elsewhere("one_result_per_invoke", Talk::new().joined(1, "companion", "node").hears(1, &invoke("i")).joined(2, "companion", "node").says(2, &result_of("a", "i")), "not asked to run")]
#[case::beside("one_operator_at_a_time", Talk::new().joined(1, "companion", "operator").after(1_000).joined(2, "companion", "operator").after(1_000).hears(1, &tick(1)).hears(2, &tick(1)), "as operator for 1000 ms together")]
#[case::third("one_operator_at_a_time", Talk::new().joined(1, "companion", "operator").eof(1).after(1_000).joined(2, "companion", "operator").after(1_000).joined(3, "companion", "operator").after(1_000).hears(3, &tick(1)).eof(2), "connection 2 and connection 3")]
#[case("no_socket_after_terminal", Talk::new().after(1).connect(1, "companion", "operator", &json!({"token":"t-0123456789"})).refusal(1, "AUTH_TOKEN_MISMATCH").after(1_000).connect(2, "companion", "operator", &json!({"token":"t-0123456789"})), "same credential")]
fn a_broken_rule_is_told(#[case] name: &str, #[case] talk: Talk, #[case] says: &str) {
    let record = talk.record();
    let found = breaches(name, &record);
    assert!(
        found.iter().any(|breach| breach.what.contains(says)),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .all(|breach| !named_entries(&record, breach).is_empty()),
        "a breach names its entries"
    );
}

#[rstest]
#[case::raw_actors_may("nothing_before_connect", Talk::new().open(1, "mallory").says_text(1, "hello"))]
#[case::raw_frames_may("every_frame_parses", Talk::new().open(1, "mallory").says_text(1, "hello"))]
#[case::backoff("reconnect_is_not_a_storm", storm(1_000))]
#[case::ten_refusals("refusals_are_heeded", insisting(10, 1))]
#[case::slow_refusals("refusals_are_heeded", insisting(30, 100))]
#[case::one_quick_retry("reconnect_is_not_a_storm", Talk::new().after(10).connect(1, "companion", "operator", &json!({"deviceToken":"a-0123456789"})).after(200).connect(2, "companion", "operator", &json!({"token":"b-0123456789"})).after(1_000).connect(3, "companion", "operator", &json!({"token":"b-0123456789"})))]
#[case::unheard_refusal("no_socket_after_terminal", Talk::new().after(1).connect(1, "companion", "operator", &json!({"token":"t-0123456789"})).misses(1, &refused("c1", "AUTH_TOKEN_MISMATCH")).eof(1).after(1_000).connect(2, "companion", "operator", &json!({"token":"t-0123456789"})))]
#[case::other_credential("no_socket_after_terminal", Talk::new().after(1).connect(1, "companion", "operator", &json!({"deviceToken":"a-0123456789"})).refusal(1, "AUTH_DEVICE_TOKEN_MISMATCH").after(200).connect(2, "companion", "operator", &json!({"token":"b-0123456789"})))]
#[case::same_role("tokens_stay_with_their_role", reuse_of_operator_token("operator"))]
#[case::echoed_code("close_code_is_known", Talk::new().joined(1, "mallory", "operator").close(1, Direction::ClientToGateway, 4321, "").close(1, Direction::GatewayToClient, 4321, ""))]
#[case::after_the_end("one_operator_at_a_time", Talk::new().joined(1, "companion", "operator").eof(1).joined(2, "companion", "operator").after(9_000).hears(2, &tick(1)))]
#[case::after_a_goodbye("one_operator_at_a_time", Talk::new().joined(1, "companion", "operator").close(1, Direction::ClientToGateway, 1000, "").joined(2, "companion", "operator").after(9_000).eof(1))]
#[case::after_a_cut("one_operator_at_a_time", Talk::new().joined(1, "companion", "operator").fault(1, "reset").joined(2, "companion", "operator").after(9_000).hears(2, &tick(1)))]
#[case::dropped_in_silence("one_operator_at_a_time", Talk::new().joined(1, "companion", "operator").after(1_000).joined(2, "companion", "operator").after(9_000).hears(2, &tick(1)))]
#[case::two_roles("one_operator_at_a_time", Talk::new().joined(1, "companion", "operator").joined(2, "companion", "node").after(9_000).hears(2, &tick(1)))]
#[case::two_actors("one_operator_at_a_time", Talk::new().joined(1, "companion", "operator").joined(2, "other", "operator").after(9_000).hears(2, &tick(1)))]
#[case::let_go_to_a_socket_that_was_left("silence_is_noticed", let_go_late(true))]
#[case::node_alone("operator_comes_first", Talk::new().joined(1, "companion", "node"))]
fn what_is_allowed_is_no_breach(#[case] name: &str, #[case] talk: Talk) {
    assert_eq!(breaches(name, &talk.record()), []);
}

fn note(what: &str, present: bool) -> StoreNote {
    StoreNote {
        actor: "companion".to_owned(),
        t_us: 5,
        what: format!("g/{what}"),
        present,
        value: None,
    }
}

#[rstest]
#[case::last(&[("bootstrap_token", true), ("operator_token", true), ("node_token", true), ("bootstrap_token", false)], 0)]
#[case::before_the_node(&[("bootstrap_token", true), ("operator_token", true), ("bootstrap_token", false)], 1)]
#[case::never_there(&[("bootstrap_token", false)], 0)]
fn the_bootstrap_token_goes_last(#[case] notes: &[(&str, bool)], #[case] expected: usize) {
    let mut record = well_behaved().record();
    record.stores = notes
        .iter()
        .map(|(what, present)| note(what, *present))
        .collect();
    assert_eq!(breaches("bootstrap_cleared_last", &record).len(), expected);
}

#[rstest]
#[case::there(&[("operator_token", true), ("node_token", true)], 0)]
#[case::another_kind(&[("bootstrap_token", true), ("operator_token", true)], 1)]
#[case::gone_meanwhile(&[("operator_token", true), ("node_token", true), ("operator_token", false)], 0)]
#[case::never_there(&[("operator_token", false)], 2)]
#[case::nobody_saw_the_disk(&[], 0)]
fn a_credential_is_stored(#[case] notes: &[(&str, bool)], #[case] expected: usize) {
    let mut record = well_behaved().record();
    record.stores = notes
        .iter()
        .map(|(what, present)| note(what, *present))
        .collect();
    let found = breaches("credential_is_stored", &record);
    assert_eq!(found.len(), expected, "{found:?}");
}

/// Where time is real, a client has chosen what it sends before its connection is open.
#[rstest]
#[case::no_time_passes("memory", 50, 2)]
#[case::gone_while_it_dials("loopback", 50, 0)]
#[case::gone_long_before("loopback", 150, 2)]
fn a_credential_may_go_while_its_client_dials(
    #[case] world: &str,
    #[case] millis: u64,
    #[case] expected: usize,
) {
    let talk = Talk::new().after(millis);
    let talk = talk
        .joined(1, "companion", "operator")
        .joined(2, "companion", "node");
    let mut record = talk.record();
    world.clone_into(&mut record.world);
    record.stores = ["operator_token", "node_token"]
        .into_iter()
        .flat_map(|what| [note(what, true), note(what, false)])
        .collect();
    let found = breaches("credential_is_stored", &record);
    assert_eq!(found.len(), expected, "{found:?}");
}

fn address(id: &str, url: Option<&str>) -> StoreNote {
    StoreNote {
        actor: "companion".to_owned(),
        t_us: 5,
        what: format!("{id}/record"),
        present: url.is_some(),
        value: url.map(str::to_owned),
    }
}

#[rstest]
#[case::alias(&[("a", Some("ws://localhost:1")), ("b", Some("ws://127.0.0.1:1/"))], 1)]
#[case::another_port(&[("a", Some("ws://localhost:1")), ("b", Some("ws://localhost:2"))], 0)]
#[case::another_query(&[("a", Some("ws://h:1/?x=1")), ("b", Some("ws://h:1/?x=2"))], 0)]
#[case::letter_case(&[("a", Some("ws://h:1/x")), ("b", Some("ws://H:1/X"))], 1)]
#[case::respelled(&[("a", Some("ws://localhost:1")), ("a", Some("ws://127.0.0.1:1"))], 0)]
#[case::removed_first(&[("a", Some("ws://localhost:1")), ("a", None), ("b", Some("ws://localhost:1"))], 0)]
fn one_gateway_has_one_record(#[case] notes: &[(&str, Option<&str>)], #[case] expected: usize) {
    let mut record = well_behaved().record();
    record.stores = notes.iter().map(|(id, url)| address(id, *url)).collect();
    let found = breaches("one_record_for_one_gateway", &record);
    assert_eq!(found.len(), expected, "{found:?}");
}

#[rstest]
#[case::same_socket(Role::Operator, 5, 1)]
#[case::other_role(Role::Node, 5, 0)]
#[case::said_before(Role::Operator, 15, 0)]
#[case::opened_later(Role::Operator, 0, 0)]
fn what_was_kept_back_is_not_sent(#[case] role: Role, #[case] at_ms: u64, #[case] expected: usize) {
    let connect = connect_frame("c1", "operator", &json!({"token": "t"}), "nonce-1");
    let talk = Talk::new()
        .after(1)
        .open(1, "companion")
        .after(9)
        .challenge(1)
        .says(1, &connect);
    let mut record = talk.record();
    record.withheld.push(Withheld {
        actor: "companion".to_owned(),
        role,
        t_us: at_ms * 1_000,
    });
    let found = breaches("nothing_for_a_stranger", &record);
    assert_eq!(found.len(), expected, "{found:?}");
}

#[test]
fn what_is_left_behind_is_told() {
    let mut record = well_behaved().record();
    record.leaks.push(Leak {
        kind: "device-token".to_owned(),
        form: "base64".to_owned(),
        file: "t.jsonl".to_owned(),
    });
    record.leftovers.push("port 18789".to_owned());
    record.errors_logged.push("oh".to_owned());
    for name in [
        "no_secret_in_artifacts",
        "nothing_left_running",
        "no_error_is_logged",
    ] {
        assert_eq!(breaches(name, &record).len(), 1, "{name}");
    }
}

#[test]
fn store_operations_become_notes_without_values() {
    use client_core::{DurableState, GatewayRecord, Registry, StoreOp};
    use gateway_protocol::{BootstrapToken, DeviceToken};
    let mut record = GatewayRecord::new("g", "ws://localhost:1");
    record.bootstrap_token = Some(BootstrapToken::new("secret"));
    let registry = Registry {
        gateways: vec![record.clone()],
        active_id: Some("g".to_owned()),
    };
    let state = DurableState {
        registry,
        ..DurableState::default()
    };
    let mut notes = super::super::durable::StoreNotes::new("companion", &state);
    let save = StoreOp::SaveToken {
        gateway_id: "g".to_owned(),
        device_id: "d".to_owned(),
        role: Role::Operator,
        token: DeviceToken::new("hush"),
        scopes: None,
    };
    let told = notes.of(9, &save);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].what.as_str(), told[0].present),
        ("g/operator_token", true)
    );
    record.bootstrap_token = None;
    let registry = Registry {
        gateways: vec![record],
        active_id: Some("g".to_owned()),
    };
    let told = notes.of(10, &StoreOp::SaveRegistry { registry });
    assert_eq!(told.len(), 1, "only what changed: {told:?}");
    assert!(!told[0].present);
    let view = super::super::durable::view(&state);
    assert_eq!(view["bootstrap_token"], true);
    assert!(!view.to_string().contains("secret"));
}
