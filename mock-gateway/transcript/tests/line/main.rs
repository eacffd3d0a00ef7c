//! The line of an entry, whose text is copied, is the line that is printed of its redacted value; and what was learned on
//! the way is the same.

#![expect(
    clippy::unwrap_used,
    reason = "helpers outside of test functions fail by panicking too"
)]

mod said;
mod shortcuts;

use std::path::Path;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use transcript::{Direction, Draft, Header, Kind, Payload, RawEntry, Recorder, Redactor, Stage};

/// A redactor of every kind.
fn modes() -> [(&'static str, Redactor); 6] {
    let told = [
        ("shared-token", "oracle-token"),
        ("password", "a\"b\\c d&e"),
    ];
    let told = told.map(|(kind, value)| (kind.to_owned(), value.to_owned()));
    let mut told = Redactor::with_secrets(&told).hiding_places();
    told.register_name("host", "anna-box");
    let resigning = || Redactor::new().resigning(7);
    [
        ("secrets", Redactor::new()),
        ("places", Redactor::new().hiding_places()),
        ("people", Redactor::new().hiding_people()),
        ("resigned", resigning()),
        ("resigned people", resigning().hiding_people()),
        ("told", told),
    ]
}

/// The entries of these messages, each sent and delivered, with a note between some.
fn entries(texts: &[String]) -> Vec<RawEntry> {
    let recorder = Recorder::in_memory(Header::new(1, "core", "mock profile 2026.6.34"));
    for (at, text) in (0_u64..).zip(texts) {
        let payload = Payload::text(text.as_str());
        let message = |stage| {
            Draft::new(at, Kind::Text)
                .conn(1)
                .actor("compan\"ion")
                .passing(Direction::ClientToGateway, stage)
                .payload(payload.clone())
        };
        recorder.record(message(Stage::Sent));
        if at % 3 == 1 {
            let note = Draft::new(at, Kind::Note).text(text.as_str());
            recorder.record(note.data(json!({"user": "bert", "note": text})));
        }
        recorder.record(message(Stage::Delivered));
    }
    recorder.raw_since(0)
}

/// What both ways of redaction make of these messages is the same.
fn check(texts: &[String]) -> Result<(), TestCaseError> {
    check_in(texts, |_| true)
}

/// The same where very much is said: in the two modes of a record.
fn check_much(texts: &[String]) -> Result<(), TestCaseError> {
    check_in(texts, |mode| ["secrets", "people"].contains(&mode))
}

fn check_in(texts: &[String], is_meant: impl Fn(&str) -> bool) -> Result<(), TestCaseError> {
    let entries = entries(texts);
    let redactors = modes().into_iter().zip(modes()).zip(modes());
    let meant = redactors.filter(|(((mode, _), _), _)| is_meant(mode));
    for (((mode, mut copying), (_, mut printing)), (_, mut mixed)) in meant {
        for (at, raw) in entries.iter().enumerate() {
            let line = copying.line(raw);
            let printed = printing.entry(raw);
            let printed = serde_json::to_string(&printed).unwrap() + "\n";
            prop_assert_eq!(&line, &printed, "{}: {:?}", mode, texts);
            let either = if at % 2 == 0 {
                mixed.line(raw)
            } else {
                serde_json::to_string(&mixed.entry(raw)).unwrap() + "\n"
            };
            prop_assert_eq!(&either, &printed, "{}, both: {:?}", mode, texts);
        }
        let secrets: Vec<_> = copying.secrets().collect();
        prop_assert_eq!(secrets, printing.secrets().collect::<Vec<_>>(), "{}", mode);
        let names: Vec<_> = copying.names().collect();
        prop_assert_eq!(names, printing.names().collect::<Vec<_>>(), "{}", mode);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn frames_are_copied_as_they_are_printed(
        frames in prop::collection::vec(said::value(), 1..6),
    ) {
        check(&frames.iter().map(Value::to_string).collect::<Vec<_>>())?;
    }

    #[test]
    fn texts_in_any_spelling_are_redacted_as_their_values(
        frames in prop::collection::vec((said::value(), 0_usize..20, any::<usize>()), 1..5),
    ) {
        let texts = frames.iter().map(|(frame, how, at)| said::respelled(&frame.to_string(), *how, *at));
        check(&texts.collect::<Vec<_>>())?;
    }
}

/// Frames in which more was found at random, or that are none.
#[rstest]
#[case::white_space(r#"{"auth": {"token":"abcdef"}}"#)]
#[case::escaped_otherwise(r#"{"auth":{"t\u006fken":"abcdef"},"x":"\/"}"#)]
#[case::escaped_twice(r#"{"payload":"{\"token\":\"abc\\\"def\"}"}"#)]
#[case::named_twice(r#"{"token":"first-token","token":"second-token","a":"first-token"}"#)]
#[case::float(r#"{"a":1e5,"token":"abcdef"}"#)]
#[case::minus_zero(r#"{"a":-0,"token":"abcdef"}"#)]
#[case::big(r#"{"a":18446744073709551616,"token":"abcdef"}"#)]
#[case::most(r#"{"a":18446744073709551615,"b":-9223372036854775808,"token":"abcdef"}"#)]
#[case::lone_surrogate(r#"{"a":"\ud800","token":"abcdef"}"#)]
#[case::surrogates(r#"{"a":"\ud83d\ude00","token":"abcdef"}"#)]
#[case::password_of_digits(r#"{"password":1234567,"log":"1234567 and 1234567"}"#)]
#[case::paired_digits(r#"[{"name":"password","value":1234567},"1234567"]"#)]
#[case::secret_as_a_name(
    r#"{"token":"a-secret-name","a-secret-name":1,"x":{"a-secret-name":"a-secret-name"}}"#
)]
#[case::raw_value(r#"{"$serde_json::private::RawValue":"{\"token\":1}"}"#)]
#[case::number(r#"{"$serde_json::private::Number":"17","token":"abcdef"}"#)]
#[case::garbage("{]")]
#[case::trailing(r#"{"token":"abcdef"}}"#)]
#[case::literal(r#"{"token":"abcdef","a":truefalse}"#)]
#[case::no_frame(r#""token=abcdefgh""#)]
#[case::nothing("")]
#[case::nobody("[]")]
#[case::brackets(r#"{"a":{},"b":[],"c":[[],{}],"token":"abcdef"}"#)]
#[case::mark("\u{feff}{}")]
fn odd_texts(#[case] text: &str) {
    let again = r#"{"log":"abcdef, 1234567, first-token, second-token"}"#;
    check(&[text.to_owned(), again.to_owned()]).unwrap();
}

/// What a note in between gives away is looked for in the same message again.
#[test]
fn a_name_that_is_learned_in_between_is_hidden_from_then_on() {
    let texts = ["{}".to_owned(), r#"{"log":"bert was here"}"#.to_owned()];
    check(&texts).unwrap();
    let mut redactor = Redactor::new().hiding_places();
    let entries = entries(&texts);
    let lines: Vec<String> = entries.iter().map(|raw| redactor.line(raw)).collect();
    let shows = |line: &&String| line.contains("bert was here");
    assert_eq!(lines.iter().filter(shows).count(), 1, "{lines:#?}");
    assert!(
        lines
            .last()
            .is_some_and(|line| line.contains("<user:1> was here"))
    );
}

#[test]
fn deep_and_wide_texts() {
    for depth in [99, 100, 101, 126, 127, 128, 129, 500] {
        let deep = format!(
            "{}\"token=abcdefgh\"{}",
            "[".repeat(depth),
            "]".repeat(depth)
        );
        let named = format!(
            "{}{{\"token\":\"abcdefgh\"}}{}",
            "{\"a\":".repeat(depth),
            "}".repeat(depth)
        );
        check(&[deep, named]).unwrap();
    }
    let member = |at: usize| format!("\"m{at}\":\"token=abcdef{at}\"");
    for width in [63, 64, 65, 300] {
        let members: Vec<String> = (0..width).map(member).collect();
        check(&[format!("{{{},\"m3\":\"last\"}}", members.join(","))]).unwrap();
        check(&[format!("{{{}}}", members.join(","))]).unwrap();
    }
}

/// A hello-ok that is kept in brief is not copied: its lists are left out.
#[test]
fn a_brief_hello_is_written_in_brief() {
    let text = r#"{"type":"res","id":"1","ok":true,"payload":{"type":"hello-ok","features":{"a":1},"auth":{"deviceToken":"issued-token"}}}"#;
    let recorder = Recorder::in_memory(Header::new(1, "core", "mock profile 2026.6.34"));
    recorder.record(Draft::new(1, Kind::Text).payload(Payload::brief(text)));
    let [raw] = recorder.raw_since(0).try_into().unwrap();
    let line = Redactor::new().line(&raw);
    assert!(
        line.contains("<device-token:1>") && !line.contains("features"),
        "{line}"
    );
}

/// Whatever real clients and real gateways said.
#[test]
fn recordings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/recordings");
    let mut read = 0;
    for release in ["2026.6.34", "2026.9.6"] {
        for file in std::fs::read_dir(root.join(release)).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let lines = text
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap());
            let frames: Vec<String> = lines.map(|line| line["frame"].to_string()).collect();
            read += frames.len();
            check(&frames).unwrap();
        }
    }
    assert!(read > 4000, "{read} frames");
}
