//! What is read, and what is said of what can't be.

use rstest::rstest;
use serde_json::{Value, json};
use transcript::{Direction, Kind};

use super::{ImportError, What, merge, parse, transcript};

const NONCE: &str = "f565cfd3-03bc-4c8c-96fb-aa11293590d2";

fn har(messages: &Value) -> String {
    json!({ "log": { "entries": [
        { "request": { "url": "https://example.org/" } },
        { "startedDateTime": "2026-11-25T10:00:00.000Z", "request": { "url": "ws://127.0.0.1:18789/" },
          "_webSocketMessages": messages },
    ]}})
    .to_string()
}

fn challenge() -> String {
    json!({ "type": "event", "event": "connect.challenge", "payload": { "nonce": NONCE, "ts": 1 } })
        .to_string()
}

#[test]
fn a_har_file_becomes_a_connection() {
    let text = har(&json!([
        { "type": "receive", "time": 1_795_600_800.5, "opcode": 1, "data": challenge() },
        { "type": "send", "time": 1_795_600_800.75, "opcode": 2, "data": "AQID" },
    ]));
    let source = parse("page.har", &text).unwrap();
    assert_eq!(source.problems, []);
    let whole = transcript(&[source]);
    let kinds: Vec<Kind> = whole.entries.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [Kind::Open, Kind::Text, Kind::Binary]);
    assert_eq!(whole.entries[1].dir, Some(Direction::GatewayToClient));
    assert_eq!(whole.entries[2].t_us - whole.entries[1].t_us, 250_000);
}

#[test]
fn a_message_that_is_none_is_named_and_the_others_are_read() {
    let text = har(&json!([
        { "type": "receive", "time": 1.0, "opcode": 1, "data": challenge() },
        { "type": "sent", "time": 1.0, "opcode": 1, "data": "{}" },
        { "type": "send", "time": "soon", "opcode": 1, "data": "{}" },
    ]));
    let source = parse("page.har", &text).unwrap();
    let places: Vec<&str> = source
        .problems
        .iter()
        .map(|problem| problem.place.as_str())
        .collect();
    assert_eq!(
        places,
        [
            "log.entries[1]._webSocketMessages[1]",
            "log.entries[1]._webSocketMessages[2]"
        ]
    );
    assert_eq!(source.moments.len(), 2, "the opening and the challenge");
}

#[rstest]
#[case::no_sockets(
    r#"{"log": {"entries": [{"request": {}}]}}"#,
    "none of its 1 entries has _webSocketMessages"
)]
#[case::cut_off(r#"{"log": {"entries": [{"_webSock"#, "line 1 column")]
#[case::no_har(r#"{"logs": 1}"#, "log.entries")]
#[case::junk("\u{1}\u{2} junk", "expected a HAR file")]
#[case::empty("", "expected a HAR file")]
#[case::no_transcript(
    "{\"format\": 99, \"seed\": 1, \"world\": \"x\", \"gateway\": \"y\"}",
    "99"
)]
fn what_holds_nothing_is_explained(#[case] text: &str, #[case] said: &str) {
    let error = parse("file", text).unwrap_err().to_string();
    assert!(error.contains(said) && error.contains("file"), "{error}");
}

#[test]
fn binary_is_no_text() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("junk.bin");
    std::io::Write::write_all(
        &mut std::fs::File::create(&path).unwrap(),
        &[0x7b, 0xff, 0xfe],
    )
    .unwrap();
    let error = super::read(&path).unwrap_err();
    assert!(matches!(&error, ImportError::Unknown(..)), "{error}");
    assert!(error.to_string().contains("byte 1"), "{error}");
}

#[test]
fn diagnostics_are_notes_in_their_time() {
    let text = concat!(
        r#"{"Timestamp":"2026-11-25T10:00:01Z","Category":"state","Message":"Idle to Connecting","Detail":null}"#,
        "\n",
        "cut off {\n",
        r#"{"Timestamp":"2026-11-25T10:00:02.5Z","Category":"websocket","Message":"WebSocket connected"}"#,
        "\n",
    );
    let source = parse("timeline.jsonl", text).unwrap();
    assert_eq!(source.problems.len(), 1);
    assert_eq!(source.problems[0].place, "2");
    assert_eq!(source.moments[1].t_us, 1_500_000);
    assert!(
        matches!(&source.moments[1].what, What::Note(text, _) if text == "websocket: WebSocket connected")
    );
}

#[test]
fn a_gateway_log_gives_who_said_what_when() {
    let text = "\
2026-11-25T10:00:00.000Z [gateway] listening on ws://127.0.0.1:18789
2026-11-25T10:00:01.000Z [gateway/ws] \u{1b}[32m←\u{1b}[39m req connect conn=7f921a21…4f4e id=1
2026-11-25T10:00:01.250Z [gateway/ws] → res ✗ connect 12ms errorCode=INVALID_REQUEST conn=7f921a21…4f4e id=1
2026-11-25T10:00:01.500Z [gateway/ws] → event tick seq=4 conn=7f921a21…4f4e
2026-11-25T10:00:01.500Z [gateway/ws] → nonsense
";
    let source = parse("gateway.log", text).unwrap();
    assert_eq!(source.problems.len(), 1, "{:?}", source.problems);
    let whole = transcript(&[source]);
    let frames: Vec<Value> = whole
        .entries
        .iter()
        .filter_map(|entry| entry.frame.as_deref().cloned())
        .collect();
    assert_eq!(
        frames[0],
        json!({ "type": "req", "id": "1", "method": "connect" })
    );
    assert_eq!(frames[1]["ok"], false);
    assert_eq!(frames[2]["event"], "tick");
    assert_eq!(whole.entries[0].kind, Kind::Open, "a log does not show it");
}

#[test]
fn sources_are_put_on_one_clock_by_a_challenge_that_both_saw() {
    let text = har(
        &json!([{ "type": "receive", "time": 1_795_600_800.5, "opcode": 1, "data": challenge() }]),
    );
    let page = parse("page.har", &text).unwrap();
    let line = json!({ "t_ms": 40, "conn": "c1", "dir": "g2c", "frame": serde_json::from_str::<Value>(&challenge()).unwrap() });
    let wire = parse("wire.jsonl", &line.to_string()).unwrap();
    let challenged = page
        .moments
        .iter()
        .find(|moment| matches!(moment.what, What::Text(_)))
        .unwrap()
        .t_us;
    let offsets = merge(&[page, wire], &std::collections::BTreeMap::new());
    assert_eq!(offsets[0].us, 0);
    assert_eq!(offsets[1].us, i64::try_from(challenged).unwrap() - 40_000);
    assert_eq!(offsets[1].because, "a challenge that both saw");
}

#[test]
fn a_transcript_with_a_broken_line_is_read_up_to_it() {
    let mut whole =
        transcript::Recorder::in_memory(transcript::Header::new(1, "memory", "mock")).transcript();
    let entry = |n: u64| json!({ "n": n, "t_us": n, "conn": 1, "kind": "open" });
    whole.entries = vec![serde_json::from_value(entry(1)).unwrap()];
    let text = format!(
        "{}{}\n{}\n",
        whole.to_jsonl(),
        "{\"n\": 2, nonsense}",
        entry(3)
    );
    let source = parse("cut.jsonl", &text).unwrap();
    assert_eq!(source.moments.len(), 1);
    assert!(
        source.problems[0].what.contains("line 3"),
        "{:?}",
        source.problems
    );
}
