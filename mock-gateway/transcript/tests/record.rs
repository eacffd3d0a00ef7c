//! What is recorded can be streamed, cut off, read back, selected, compared.

#![expect(
    clippy::unwrap_used,
    reason = "helpers outside of test functions fail by panicking too"
)]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use rstest::rstest;
use serde_json::json;
use transcript::normalize::{normalize, per_connection};
use transcript::{
    Direction, Draft, Entry, Header, Kind, Payload, Query, ReadError, Reading, Recorder, Stage,
    Transcript, WriteError, digest,
};

#[derive(Clone, Default)]
struct Sink {
    bytes: Arc<Mutex<Vec<u8>>>,
    flushes: Arc<Mutex<usize>>,
    room: Option<usize>,
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut bytes = self.bytes.lock().unwrap();
        if self.room.is_some_and(|room| bytes.len() + buf.len() > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        bytes.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        *self.flushes.lock().unwrap() += 1;
        Ok(())
    }
}

fn header() -> Header {
    Header::new(7, "core", "mock profile 2026.6.34")
}

fn connect(recorder: &Recorder, conn: u32, id: &str) {
    let frame = json!({"type": "req", "id": id, "method": "connect", "params": {"auth": {"token": "tok-123456"},
        "device": {"id": "0a".repeat(32), "nonce": format!("nonce-{id}"), "signedAt": 1_767_225_600_000_i64}}});
    let payload = Payload::text(frame.to_string());
    for stage in [Stage::Sent, Stage::Delivered] {
        recorder.record(
            Draft::new(u64::from(conn) * 10, Kind::Text)
                .conn(conn)
                .passing(Direction::ClientToGateway, stage)
                .payload(payload.clone()),
        );
    }
}

fn run(recorder: &Recorder) {
    recorder.record(
        Draft::new(1, Kind::Open)
            .conn(1)
            .data(json!({"remote": "127.0.0.1:40001"})),
    );
    connect(recorder, 1, "a");
    connect(recorder, 2, "b");
    recorder.record(
        Draft::new(30, Kind::Close)
            .conn(1)
            .passing(Direction::GatewayToClient, Stage::Sent)
            .close(Some(1012), "service restart"),
    );
    recorder.record(Draft::new(31, Kind::Step).actor("node").text("start"));
}

#[test]
fn a_stream_has_its_header_first_and_a_flush_per_line() {
    let sink = Sink::default();
    let recorder = Recorder::to_writer(header(), Box::new(sink.clone()));
    assert_eq!(sink.text().lines().count(), 1);
    run(&recorder);
    assert_eq!(*sink.flushes.lock().unwrap(), 8);
    assert_eq!(sink.text(), recorder.transcript().to_jsonl());
    assert_eq!(
        Transcript::parse(&sink.text()).unwrap(),
        recorder.transcript()
    );
    assert!(recorder.finish().is_ok());
    assert!(!sink.text().contains("tok-123456"));
}

#[test]
fn a_full_disk_is_reported_and_leaves_whole_lines() {
    let sink = Sink {
        room: Some(900),
        ..Sink::default()
    };
    let recorder = Recorder::to_writer(header(), Box::new(sink.clone()));
    run(&recorder);
    assert!(Transcript::parse(&sink.text()).is_ok());
    let Err(WriteError::Io { line, .. }) = recorder.finish() else {
        panic!("the writer failed");
    };
    assert_eq!(line, sink.text().lines().count() as u64 + 1);
    assert_eq!(recorder.len(), 7, "what is in memory is not lost");
}

#[test]
fn a_torn_last_line_is_accepted_and_named() {
    let recorder = Recorder::in_memory(header());
    run(&recorder);
    let text = recorder.transcript().to_jsonl();
    let reading = Reading::parse(&text[..text.len() - 9]).unwrap();
    assert_eq!(reading.torn_line, Some(8));
    assert_eq!(reading.transcript.entries.len(), 6);
    assert!(matches!(
        Transcript::parse(&text[..text.len() - 9]),
        Err(ReadError::Torn { line: 8 })
    ));
    assert_eq!(Reading::parse(&text).unwrap().torn_line, None);
}

#[rstest]
#[case::empty("", "line 1: expected a transcript header, got an empty file")]
#[case::no_header("{}\n", "line 1: expected a transcript header, got missing field")]
#[case::later_format(
    "{\"format\":2,\"seed\":1,\"world\":\"w\",\"gateway\":\"g\"}\n",
    "line 1: expected transcript format 1 or lower, got 2"
)]
#[case::no_entry(
    "{\"format\":1,\"seed\":1,\"world\":\"w\",\"gateway\":\"g\"}\n{}\n",
    "line 2: expected a transcript entry, got missing field"
)]
#[case::gap(
    "{\"format\":1,\"seed\":1,\"world\":\"w\",\"gateway\":\"g\"}\n{\"n\":1,\"t_us\":0,\"kind\":\"note\"}\n{\"n\":3,\"t_us\":0,\"kind\":\"note\"}\n",
    "line 3: expected entry 2, got entry 3"
)]
fn bad_files_are_refused_with_their_line(#[case] text: &str, #[case] expected: &str) {
    let error = Transcript::parse(text).unwrap_err().to_string();
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn fields_of_later_writers_are_accepted() {
    let text = "{\"format\":1,\"seed\":1,\"world\":\"w\",\"gateway\":\"g\",\"host\":\"x\"}\n{\"n\":1,\"t_us\":0,\"kind\":\"note\",\"mood\":1}\n";
    assert_eq!(Transcript::parse(text).unwrap().entries.len(), 1);
}

#[test]
fn raw_entries_keep_the_secret_and_share_one_parse() {
    let recorder = Recorder::in_memory(header());
    connect(&recorder, 1, "a");
    let raw = recorder.raw_since(0);
    assert_eq!(
        raw[0].frame().unwrap()["params"]["auth"]["token"],
        "tok-123456"
    );
    assert!(std::ptr::eq(
        raw[0].frame().unwrap(),
        raw[1].frame().unwrap()
    ));
    assert_eq!(recorder.raw_since(1).len(), 1);
    assert_eq!(recorder.raw_since(9).len(), 0);
    assert!(!format!("{raw:?} {recorder:?}").contains("tok-123456"));
}

#[test]
fn listeners_see_each_entry_once_and_redacted() {
    let recorder = Recorder::in_memory(header());
    let seen: Arc<Mutex<Vec<Entry>>> = Arc::default();
    let woken: Arc<Mutex<Vec<u64>>> = Arc::default();
    let (to, wake) = (Arc::clone(&seen), Arc::clone(&woken));
    recorder.on_record(Box::new(move |entry| {
        to.lock().unwrap().push(entry.clone());
    }));
    recorder.on_raw(Box::new(move |entry| wake.lock().unwrap().push(entry.n)));
    run(&recorder);
    assert_eq!(*seen.lock().unwrap(), recorder.transcript().entries);
    assert_eq!(*woken.lock().unwrap(), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_bounded_recorder_keeps_the_last_entries_with_their_numbers() {
    let recorder = Recorder::keeping_last(header(), 2);
    run(&recorder);
    let numbers: Vec<u64> = recorder.raw_since(0).iter().map(|entry| entry.n).collect();
    assert_eq!(numbers, [6, 7]);
    assert_eq!(recorder.raw_since(6).len(), 1);
    assert_eq!(recorder.entries_since(5).len(), 2);
    assert_eq!(Recorder::off().record(Draft::new(0, Kind::Note)), 0);
}

#[rstest]
#[case("kind=open", 1)]
#[case("conn=1 dir=c2g", 2)]
#[case("method=conn* stage=sent", 2)]
#[case("method=health", 0)]
#[case("kind=close dir=g2c", 1)]
#[case("actor=node", 1)]
#[case("", 7)]
fn queries_select(#[case] query: &str, #[case] count: usize) {
    let recorder = Recorder::in_memory(header());
    run(&recorder);
    let query: Query = query.parse().unwrap();
    assert_eq!(recorder.transcript().select(&query).count(), count);
}

#[rstest]
#[case("connection=1", "query word `connection=1`: expected conn, actor")]
#[case("conn=x", "query word `conn=x`: expected a connection number")]
#[case("dir=up", "query word `dir=up`: expected c2g or g2c")]
#[case("kind", "query word `kind`: expected conn")]
fn bad_queries_say_what_is_understood(#[case] query: &str, #[case] expected: &str) {
    let error = query.parse::<Query>().unwrap_err().to_string();
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn runs_that_differ_in_ids_and_times_are_equal_when_normalised() {
    let make = |id: &str, nonce: &str, ts: i64, t_us: u64| {
        let recorder = Recorder::in_memory(header());
        let frame = json!({"type": "req", "id": id, "method": "health", "params": {"nonce": nonce, "ts": ts,
            "url": format!("ws://127.0.0.1:{ts}/"), "lan": format!("http://192.168.1.20:{ts}/x"), "ref": "0b0e3a1c-1111-4222-8333-444455556666"}});
        recorder.record(
            Draft::new(t_us, Kind::Text)
                .conn(1)
                .payload(Payload::text(frame.to_string())),
        );
        recorder.transcript()
    };
    let (left, right) = (make("r1", "n1", 40_001, 5), make("x9", "n7", 40_777, 900));
    assert_ne!(digest::exact(&left), digest::exact(&right));
    assert_eq!(digest::normalized(&left), digest::normalized(&right));
    assert_eq!(
        normalize(&left).entries[0].frame.as_deref().unwrap(),
        &json!({"type": "req", "id": "<request:1>", "method": "health", "params": {"nonce": "<nonce:1>", "ts": "<time>",
            "url": "ws://127.0.0.1:<port>/", "lan": "http://192.168.1.20:<port>/x", "ref": "<uuid:1>"}})
    );
}

#[test]
fn connections_are_compared_on_their_own() {
    let recorder = Recorder::in_memory(header());
    run(&recorder);
    let groups = per_connection(&recorder.transcript());
    let sizes: Vec<(u32, usize)> = groups
        .iter()
        .map(|(conn, entries)| (*conn, entries.len()))
        .collect();
    assert_eq!(sizes, [(0, 1), (1, 4), (2, 2)]);
    assert_eq!(groups[&2][0].n, 1);
}
