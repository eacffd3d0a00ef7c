//! The order of checks before any credential counts. ref: gateway-behaviour.md §1.5, §1.6, §1.7, §2.3, §10

use gateway_core::{Admission, Input, Peer};
use gateway_protocol::SignatureVersion;
use rstest::rstest;
use serde_json::{Value, json};

use crate::driver::{Client, Got, TOKEN, World};

#[test]
fn the_challenge_comes_first_and_without_seq() {
    for (version, capabilities) in [
        ("2026.6.34", Value::Null),
        ("2026.9.6", json!(["model-catalog-snapshot"])),
    ] {
        let mut world = World::new(version);
        let conn = world.open();
        let inbox = world.inbox(conn);
        let [Got::Frame(frame)] = inbox.as_slice() else {
            panic!("{inbox:?}")
        };
        assert_eq!(frame["event"], "connect.challenge");
        assert_eq!(frame["payload"]["nonce"].as_str().unwrap().len(), 36);
        assert_eq!(frame["payload"]["ts"], world.now().wall.0);
        assert_eq!(frame["payload"]["capabilities"], capabilities);
        assert_eq!(frame.get("seq"), None);
    }
}

#[rstest]
#[case::empty("", 1000, "")]
#[case::truncated("{\"type\":\"req\"", 1000, "")]
#[case::array("[]", 1008, "invalid request frame")]
#[case::number("5", 1008, "invalid request frame")]
#[case::response(r#"{"type":"res","id":"1","ok":true}"#, 1008, "invalid request frame")]
#[case::number_id(
    r#"{"type":"req","id":1,"method":"connect"}"#,
    1008,
    "invalid request frame"
)]
#[case::empty_method(
    r#"{"type":"req","id":"1","method":""}"#,
    1008,
    "invalid request frame"
)]
#[case::unknown_key(
    r#"{"type":"req","id":"1","method":"connect","x":1}"#,
    1008,
    "invalid request frame"
)]
fn a_bad_first_frame_is_closed_without_an_answer(
    #[case] text: &str,
    #[case] code: u16,
    #[case] reason: &str,
) {
    let mut world = World::new("2026.6.34");
    let conn = world.open();
    world.text(conn, text);
    assert_eq!(world.closed(conn), Some((code, reason.to_owned())));
    assert_eq!(world.inbox(conn).len(), 1, "only the challenge");
}

#[test]
fn another_first_request_is_answered_and_closed() {
    let mut world = World::new("2026.6.34");
    let conn = world.open();
    let error = world.call(conn, "health", json!({})).unwrap_err();
    let text = "invalid handshake: first request must be connect";
    assert_eq!(error, json!({"code": "INVALID_REQUEST", "message": text}));
    assert_eq!(world.closed(conn), Some((1008, text.to_owned())));
}

#[test]
fn binary_json_counts_like_text() {
    let mut world = World::new("2026.6.34");
    let (conn, _) = world.join(&Client::backend(&["operator.read"]));
    let bytes = br#"{"type":"req","id":"bin","method":"last-heartbeat"}"#.to_vec();
    world.input(Input::Binary { conn, bytes });
    assert_eq!(world.answer(conn, "bin"), Ok(Value::Null));
}

#[rstest]
#[case(Input::TooLarge { conn: 1 }, 1009)]
#[case(Input::ProtocolError { conn: 1, code: 1007 }, 1007)]
#[case(Input::ProtocolError { conn: 1, code: 1002 }, 1002)]
fn what_the_codec_refuses_is_closed_without_reason(#[case] input: Input, #[case] code: u16) {
    let mut world = World::new("2026.6.34");
    let conn = world.open();
    world.input(input);
    assert_eq!(world.closed(conn), Some((code, String::new())));
}

/// Recording 37: each case violates two checks; the first one in the gateway's order is reported.
#[rstest]
#[case::schema_before_protocol("/foo", json!(1), 9, "invalid connect params: at root: unexpected property 'foo'", 1008)]
#[case::protocol_before_role("/role", json!("boss"), 9, "protocol mismatch", 1002)]
#[case::role("/role", json!("boss"), 4, "invalid role", 1008)]
fn earlier_checks_win(
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] protocol: u64,
    #[case] message: &str,
    #[case] code: u16,
) {
    let mut world = World::new("2026.6.34");
    let client = Client::cli(1, &["operator.read"])
        .auth(json!({"token": "wrong"}))
        .set("/minProtocol", json!(protocol))
        .set("/maxProtocol", json!(protocol))
        .set(pointer, value);
    let (error, close) = world.refused(&client, false);
    assert_eq!(error["message"], message);
    assert_eq!(close, (code, message.to_owned()));
}

#[rstest]
#[case("2026.6.34", "cli", "operator", 3, 3, false)]
#[case("2026.6.34", "probe", "operator", 3, 3, false)]
#[case("2026.9.6", "probe", "operator", 3, 3, true)]
#[case("2026.9.6", "cli", "operator", 3, 3, false)]
#[case("2026.9.6", "node", "node", 3, 3, true)]
#[case("2026.6.34", "cli", "operator", 1, 9, true)]
#[case("2026.6.34", "cli", "operator", 5, 4, false)]
fn protocol_ranges(
    #[case] version: &str,
    #[case] mode: &str,
    #[case] role: &str,
    #[case] min: u64,
    #[case] max: u64,
    #[case] accepted: bool,
) {
    let mut world = World::new(version);
    let client = Client::cli(1, &[])
        .set("/client/mode", json!(mode))
        .set("/role", json!(role))
        .set("/minProtocol", json!(min))
        .set("/maxProtocol", json!(max));
    let conn = world.open();
    match world.connect_on(conn, &client) {
        Ok(hello) => assert!(accepted && hello["protocol"] == 4),
        Err(error) => {
            assert!(!accepted);
            let probe = if version == "2026.9.6" { 3 } else { 4 };
            assert_eq!(
                error["details"],
                json!({"code": "PROTOCOL_MISMATCH", "clientMinProtocol": min, "clientMaxProtocol": max,
                       "expectedProtocol": 4, "minimumProbeProtocol": probe})
            );
        }
    }
}

fn peer(origin: Option<&str>, host: Option<&str>, remote: bool) -> Peer {
    let base = if remote {
        Peer::at("203.0.113.7".parse().unwrap())
    } else {
        Peer::loopback()
    };
    Peer {
        origin: origin.map(str::to_owned),
        host: host.map(str::to_owned),
        ..base
    }
}

#[rstest]
#[case::none("cli", "cli", None, None, false, None)]
#[case::control_ui_needs_one(
    "openclaw-control-ui",
    "ui",
    None,
    None,
    false,
    Some("origin missing or invalid")
)]
#[case::webchat_mode_needs_one(
    "cli",
    "webchat",
    None,
    None,
    false,
    Some("origin missing or invalid")
)]
#[case::webchat_id_does_not("webchat", "ui", None, None, false, None)]
#[case::loopback(
    "openclaw-control-ui",
    "ui",
    Some("http://localhost:5173"),
    None,
    false,
    None
)]
#[case::loopback_from_afar(
    "openclaw-control-ui",
    "ui",
    Some("http://localhost:5173"),
    None,
    true,
    Some("origin not allowed")
)]
#[case::own_lan_host(
    "openclaw-control-ui",
    "ui",
    Some("http://10.0.0.8:18789"),
    Some("10.0.0.8:18789"),
    true,
    None
)]
#[case::own_public_host(
    "openclaw-control-ui",
    "ui",
    Some("http://gw.example"),
    Some("gw.example"),
    true,
    Some("origin not allowed")
)]
#[case::foreign(
    "cli",
    "cli",
    Some("http://evil.example"),
    None,
    false,
    Some("origin not allowed")
)]
#[case::null(
    "cli",
    "cli",
    Some("null"),
    None,
    false,
    Some("origin missing or invalid")
)]
fn origins(
    #[case] id: &str,
    #[case] mode: &str,
    #[case] origin: Option<&str>,
    #[case] host: Option<&str>,
    #[case] remote: bool,
    #[case] refused: Option<&str>,
) {
    let mut world = World::new("2026.6.34");
    let client = Client::cli(1, &[])
        .set("/client/id", json!(id))
        .set("/client/mode", json!(mode));
    let conn = world.open_from(peer(origin, host, remote));
    let reason = match world.connect_on(conn, &client) {
        Err(error) if error["details"]["code"] == "CONTROL_UI_ORIGIN_NOT_ALLOWED" => {
            let (code, text) = world.closed(conn).unwrap();
            assert_eq!(code, 1008);
            assert!(
                text.starts_with("origin not allowed (open the Control UI"),
                "{text}"
            );
            error["details"]["reason"].as_str().map(str::to_owned)
        }
        _ => None,
    };
    assert_eq!(reason.as_deref(), refused);
}

#[rstest]
#[case::id_of_another_key(|p: &mut Value| p["device"]["id"] = json!("00"), "device identity mismatch", "DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch")]
#[case::unreadable_key(|p: &mut Value| p["device"]["publicKey"] = json!("!"), "device identity mismatch", "DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch")]
#[case::stale(|p: &mut Value| p["device"]["signedAt"] = json!(p["device"]["signedAt"].as_i64().unwrap() - 120_001), "device signature expired", "DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale")]
#[case::from_the_future(|p: &mut Value| p["device"]["signedAt"] = json!(p["device"]["signedAt"].as_i64().unwrap() + 120_001), "device signature expired", "DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale")]
#[case::blank_nonce(|p: &mut Value| p["device"]["nonce"] = json!(" "), "device nonce required", "DEVICE_AUTH_NONCE_REQUIRED", "device-nonce-missing")]
#[case::other_nonce(|p: &mut Value| p["device"]["nonce"] = json!("x"), "device nonce mismatch", "DEVICE_AUTH_NONCE_MISMATCH", "device-nonce-mismatch")]
#[case::other_signature(|p: &mut Value| p["device"]["signature"] = json!("AAAA"), "device signature invalid", "DEVICE_AUTH_SIGNATURE_INVALID", "device-signature")]
#[case::other_scopes(|p: &mut Value| p["scopes"] = json!(["operator.admin"]), "device signature invalid", "DEVICE_AUTH_SIGNATURE_INVALID", "device-signature")]
fn device_blocks(
    #[case] break_it: fn(&mut Value),
    #[case] message: &str,
    #[case] code: &str,
    #[case] reason: &str,
    #[values(TOKEN, "wrong token")] token: &str,
) {
    let mut world = World::new("2026.6.34");
    let conn = world.open();
    let client = Client::cli(1, &["operator.read"]).auth(json!({"token": token}));
    let mut params = client.signed(world.nonce(conn), world.now().wall.0);
    break_it(&mut params);
    let error = world.call(conn, "connect", params).unwrap_err();
    let details = json!({"code": code, "reason": reason});
    assert_eq!(
        error,
        json!({"code": "INVALID_REQUEST", "message": message, "details": details})
    );
    assert_eq!(world.closed(conn), Some((1008, message.to_owned())));
}

#[rstest]
fn both_signature_versions_count(
    #[values(SignatureVersion::V2, SignatureVersion::V3)] version: SignatureVersion,
) {
    let mut world = World::new("2026.6.34");
    let mut client = Client::cli(1, &["operator.read"]);
    client.version = version;
    world.join(&client);
}

#[test]
fn a_nonce_belongs_to_one_connection() {
    let mut world = World::new("2026.6.34");
    let (first, second) = (world.open(), world.open());
    let nonce = world.nonce(first).to_owned();
    let params = Client::cli(1, &[]).signed(&nonce, world.now().wall.0);
    let error = world.call(second, "connect", params).unwrap_err();
    assert_eq!(error["details"]["code"], "DEVICE_AUTH_NONCE_MISMATCH");
}

#[rstest]
#[case::not_json("{not json", None)]
#[case::empty_object("{}", Some(("invalid", "invalid request frame: must have required property 'type'")))]
#[case::array("[]", Some(("invalid", "invalid request frame: must be object")))]
#[case::event(r#"{"type":"event","event":"x"}"#, Some(("invalid", "invalid request frame: must have required property 'id'; at root: unexpected property 'event'; at /type: must be equal to constant")))]
#[case::no_method(r#"{"type":"req","id":"9"}"#, Some(("9", "invalid request frame: must have required property 'method'")))]
fn bad_frames_after_hello_do_not_end_the_connection(
    #[case] text: &str,
    #[case] answer: Option<(&str, &str)>,
) {
    let mut world = World::new("2026.6.34");
    let (conn, _) = world.join(&Client::backend(&["operator.admin"]));
    world.inbox(conn);
    world.text(conn, text);
    match answer {
        None => assert_eq!(world.inbox(conn), []),
        Some((id, message)) => assert_eq!(world.answer(conn, id).unwrap_err()["message"], message),
    }
    assert_eq!(
        world.call(conn, "last-heartbeat", Value::Null),
        Ok(Value::Null)
    );
}

#[test]
fn a_bad_id_goes_back_as_it_came() {
    let mut world = World::new("2026.6.34");
    let (conn, _) = world.join(&Client::backend(&["operator.admin"]));
    world.inbox(conn);
    world.text(conn, r#"{"type":"req","id":9,"method":"health"}"#);
    let inbox = world.inbox(conn);
    let [Got::Frame(frame)] = inbox.as_slice() else {
        panic!("{inbox:?}")
    };
    assert_eq!((&frame["id"], &frame["ok"]), (&json!(9), &json!(false)));
    assert_eq!(
        frame["error"]["message"],
        "invalid request frame: at /id: must be string"
    );
}

#[rstest]
#[case("connect", &["operator.admin"], "connect is only valid as the first request")]
#[case("connect", &["operator.write"], "missing scope: operator.admin")]
#[case("no.such.method", &["operator.admin"], "unknown method: no.such.method")]
#[case("no.such.method", &["operator.read"], "missing scope: operator.admin")]
#[case("device.pair.rename", &["operator.admin"], "unknown method: device.pair.rename")]
#[case("node.list", &["operator.pairing"], "missing scope: operator.read")]
#[case("node.event", &["operator.admin"], "unauthorized role: operator")]
fn who_may_call_what(#[case] method: &str, #[case] scopes: &[&str], #[case] message: &str) {
    let mut world = World::new("2026.6.34");
    let (conn, _) = world.join(&Client::backend(scopes));
    let error = world.call(conn, method, json!({})).unwrap_err();
    assert_eq!(
        error,
        json!({"code": "INVALID_REQUEST", "message": message})
    );
}

#[test]
fn the_newer_release_details_a_missing_scope() {
    let mut world = World::new("2026.9.6");
    let (conn, _) = world.join(&Client::backend(&[]));
    let error = world.call(conn, "status", json!({})).unwrap_err();
    let details = json!({"code": "MISSING_SCOPE", "missingScope": "operator.read", "requiredScopes": ["operator.read"]});
    assert_eq!(
        error,
        json!({"code": "FORBIDDEN", "message": "missing scope: operator.read", "details": details})
    );
}

#[test]
fn the_eleventh_call_of_the_other_role_ends_the_connection() {
    let mut world = World::new("2026.6.34");
    let (conn, _) = world.join(&Client::node(1, &[]));
    for round in 0..2 {
        for _ in 0..10 {
            let error = world.call(conn, "node.list", json!({})).unwrap_err();
            assert_eq!(error["message"], "unauthorized role: node");
        }
        assert_eq!(world.closed(conn), None, "round {round}");
        world.call(conn, "health", json!({})).unwrap();
    }
    for _ in 0..11 {
        world.call(conn, "status", json!({})).unwrap_err();
    }
    assert_eq!(
        world.closed(conn),
        Some((1008, "repeated unauthorized calls".to_owned()))
    );
}

#[test]
fn thirty_two_unauthenticated_sockets_per_address() {
    let mut world = World::new("2026.6.34");
    let loopback = Peer::loopback();
    let conns: Vec<u32> = (0..32).map(|_| world.open()).collect();
    assert_eq!(
        world.gateway.admission(1, &loopback),
        Admission::TooManyUnauthenticated
    );
    assert!(world.gateway.admits("203.0.113.7".parse().unwrap()));
    world.connect_on(conns[0], &Client::cli(1, &[])).unwrap();
    assert!(
        world.gateway.admits(loopback.remote_ip),
        "a hello frees a slot"
    );
    world.open();
    assert!(!world.gateway.admits(loopback.remote_ip));
    world.hang_up(conns[1]);
    assert!(
        world.gateway.admits(loopback.remote_ip),
        "a close frees a slot"
    );
}

#[test]
fn untrusted_proxy_headers() {
    let headers = vec![("X-Forwarded-For".to_owned(), "203.0.113.9".to_owned())];
    let peer = Peer {
        headers,
        ..Peer::loopback()
    };
    assert_eq!(
        World::new("2026.9.6").gateway.admission(1, &peer),
        Admission::ProxyAttributionRequired
    );
    let mut world = World::new("2026.6.34");
    assert_eq!(world.gateway.admission(1, &peer), Admission::Accept);
    let conn = world.open_from(peer);
    let error = world.connect_on(conn, &Client::cli(1, &[])).unwrap_err();
    assert_eq!(
        error["details"]["reason"], "not-paired",
        "a proxied client is remote"
    );
}
