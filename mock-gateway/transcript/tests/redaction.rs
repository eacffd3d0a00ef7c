//! Secrets are replaced wherever they stand and in whatever form, and nothing else is.

#![expect(
    clippy::unwrap_used,
    reason = "helpers outside of test functions fail by panicking too"
)]

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use rstest::rstest;
use serde_json::{Value, json};
use transcript::canary::{Canary, scan_bytes};
use transcript::encoding::Encoding;
use transcript::{Direction, Draft, Header, Kind, Payload, Recorder, Redactor, Stage};

const TOKEN: &str = "yV3-Issued_Token-0123456789abcdefghijklmnopq";

fn redact(value: &Value) -> Value {
    Redactor::new().redact(value)
}

#[rstest]
#[case::shared_token(
    json!({"auth": {"token": "abc"}}),
    json!({"auth": {"token": "<shared-token:1>"}}))]
#[case::password(
    json!({"auth": {"password": "p w"}}),
    json!({"auth": {"password": "<password:1>"}}))]
#[case::numeric_password(
    json!({"auth": {"password": 123_456}}),
    json!({"auth": {"password": "<password:1>"}}))]
#[case::device_tokens(
    json!({"auth": {"deviceToken": "dev-node-1", "deviceTokens": [{"deviceToken": "dev-op-22", "role": "operator"}]}}),
    json!({"auth": {"deviceToken": "<device-token:1>", "deviceTokens": [{"deviceToken": "<device-token:2>", "role": "operator"}]}}))]
#[case::rotated_token(
    json!({"deviceId": "d", "role": "node", "token": "rotated-1"}),
    json!({"deviceId": "d", "role": "node", "token": "<device-token:1>"}))]
#[case::bootstrap_token(
    json!({"auth": {"bootstrapToken": "boot-1"}}),
    json!({"auth": {"bootstrapToken": "<bootstrap-token:1>"}}))]
#[case::signature(
    json!({"device": {"id": "d1", "publicKey": "pk", "signature": "sig", "nonce": "n-1", "signedAt": 5}}),
    json!({"device": {"id": "d1", "publicKey": "pk", "signature": "<signature:1>", "nonce": "n-1", "signedAt": 5}}))]
#[case::header_map(
    json!({"headers": {"Authorization": "Bearer tok-abcdef", "X-Api-Key": "k"}}),
    json!({"headers": {"Authorization": "Bearer <bearer-token:1>", "X-Api-Key": "<api-key:1>"}}))]
#[case::bare_authorization(
    json!({"authorization": "raw-credential"}),
    json!({"authorization": "<authorization:1>"}))]
#[case::header_pairs(
    json!([["Authorization", "Bearer x1"], ["Host", "h"], {"name": "Cookie", "value": "sid=1"}]),
    json!([["Authorization", "Bearer <bearer-token:1>"], ["Host", "h"], {"name": "Cookie", "value": "<cookie:1>"}]))]
#[case::short_bearer(
    json!({"note": "Authorization: Bearer ab"}),
    json!({"note": "Authorization: Bearer <bearer-token:1>"}))]
#[case::url_parts(
    json!({"url": "wss://u:pw@h/p?x=1&token=q%2D1&y=2#bootstrapToken=b1"}),
    json!({"url": "wss://u:<password:1>@h/p?x=1&token=<shared-token:1>&y=2#bootstrapToken=<bootstrap-token:1>"}))]
#[case::command_line(
    json!({"argv": "openclaw gateway --token s1 --password=p1 --port 80"}),
    json!({"argv": "openclaw gateway --token <shared-token:1> --password=<password:1> --port 80"}))]
#[case::nested_json(
    json!({"paramsJSON": "{\"auth\": {\"token\": \"t\"}, \"n\": 1}"}),
    json!({"paramsJSON": "{\"auth\":{\"token\":\"<shared-token:1>\"},\"n\":1}"}))]
#[case::nested_json_without_secrets_keeps_its_spelling(
    json!({"paramsJSON": "{ \"n\": 1 }"}),
    json!({"paramsJSON": "{ \"n\": 1 }"}))]
#[case::private_key(
    json!({"log": "a -----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY----- b"}),
    json!({"log": "a <private-key:1> b"}))]
#[case::equal_secrets_have_equal_names(
    json!([{"token": "same-value"}, {"deviceToken": "same-value"}, {"token": "other"}]),
    json!([{"token": "<device-token:1>"}, {"deviceToken": "<device-token:1>"}, {"token": "<shared-token:1>"}]))]
#[case::everything_else_stays(
    json!({"id": "r-1", "nonce": "3f0c", "ok": true, "code": "NOT_PAIRED", "deviceId": "ab".repeat(32), "tokens": 3,
        "authReason": "token_missing", "auth": "token", "canRetryWithDeviceToken": false, "token": null,
        "message": "unauthorized: gateway token missing (set gateway.remote.token)"}),
    json!({"id": "r-1", "nonce": "3f0c", "ok": true, "code": "NOT_PAIRED", "deviceId": "ab".repeat(32), "tokens": 3,
        "authReason": "token_missing", "auth": "token", "canRetryWithDeviceToken": false, "token": null,
        "message": "unauthorized: gateway token missing (set gateway.remote.token)"}))]
fn places(#[case] frame: Value, #[case] expected: Value) {
    let redacted = redact(&frame);
    assert_eq!(redacted, expected);
    assert_eq!(
        redact(&redacted),
        redacted,
        "redacting twice changes nothing"
    );
}

#[test]
fn basic_credentials_hide_and_teach_their_password() {
    let header = format!("Basic {}", BASE64_STANDARD.encode("user:open-sesame"));
    let redacted = redact(&json!({"header": header, "log": "tried open-sesame"}));
    assert_eq!(
        redacted,
        json!({"header": "Basic <basic-credential:1:base64>", "log": "tried <basic-credential:1>"})
    );
}

#[rstest]
#[case::url_alphabet(BASE64_URL_SAFE_NO_PAD.encode(r#"{"url":"ws://127.0.0.1:1","bootstrapToken":"boot-inner-1"}"#))]
#[case::standard_alphabet(BASE64_STANDARD.encode(r#"{"bootstrapToken":"boot-inner-1","url":"ws://h??"}"#))]
fn a_setup_code_is_known_by_what_it_holds(#[case] code: String) {
    let frame =
        json!({"line": format!("scan {code} now"), "setupCode": code, "log": "boot-inner-1"});
    assert_eq!(
        redact(&frame),
        json!({"line": "scan <setup-code:1> now", "setupCode": "<setup-code:1>", "log": "<bootstrap-token:1>"})
    );
}

#[rstest]
#[case::raw(TOKEN.to_owned(), "<device-token:1>")]
#[case::base64(BASE64_STANDARD.encode(TOKEN), "<device-token:1:base64>")]
#[case::base64_shifted_by_one(BASE64_STANDARD.encode(format!("x{TOKEN}")), "<device-token:1:base64>")]
#[case::base64_shifted_by_two(BASE64_STANDARD.encode(format!("xy{TOKEN}")), "<device-token:1:base64>")]
#[case::hex(each_byte(|byte| format!("{byte:02X}")), "<device-token:1:hex>")]
#[case::percent(each_byte(|byte| format!("%{byte:02x}")), "<device-token:1:percent>")]
#[case::cut_off(TOKEN[..20].to_owned(), "<device-token:1:prefix>")]
#[case::second_half(TOKEN[20..].to_owned(), "<device-token:1:part>")]
fn a_known_secret_is_found_in_every_form(#[case] form: String, #[case] name: &str) {
    let mut redactor = Redactor::new();
    redactor.register("device-token", TOKEN);
    let text = redactor.redact_text(&format!("see \"{form}\" there"));
    assert!(text.contains(name), "{text}");
    assert!(
        !text.contains(&form[form.len() / 3..form.len() / 3 * 2]),
        "{text}"
    );
    assert!(
        text.starts_with("see ") && text.ends_with(" there"),
        "{text}"
    );
}

#[test]
fn a_password_with_odd_characters_is_found_escaped() {
    let mut redactor = Redactor::new();
    redactor.register("password", "a\"b\\c d&e");
    for form in ["a\\\"b\\\\c d&e", "a%22b%5Cc%20d%26e", "a%22b%5cc%20d%26e"] {
        let text = redactor.redact_text(&format!("[{form}]"));
        assert!(text.starts_with("[<password:1"), "{text}");
    }
}

#[test]
fn a_password_that_is_a_word_is_only_hidden_in_its_place() {
    let frame = json!({"auth": {"password": "node"}, "role": "node"});
    assert_eq!(
        redact(&frame),
        json!({"auth": {"password": "<password:1>"}, "role": "node"})
    );
}

#[test]
fn a_secret_learned_late_is_hidden_in_earlier_entries() {
    let recorder = Recorder::in_memory(Header::new(1, "core", "mock profile 2026.6.34"));
    let say = |text: &str| {
        recorder.record(
            Draft::new(0, Kind::Text)
                .passing(Direction::GatewayToClient, Stage::Sent)
                .payload(Payload::text(text)),
        );
    };
    say(r#"{"log": "about to issue late-token-1"}"#);
    say(r#"{"auth": {"deviceToken": "late-token-1"}}"#);
    let entries = recorder.transcript().entries;
    assert_eq!(
        entries[0].frame.as_ref().unwrap()["log"],
        "about to issue <device-token:1>"
    );
}

#[test]
fn what_is_no_frame_is_redacted_before_it_is_encoded() {
    let recorder = Recorder::in_memory(Header::new(1, "core", "mock profile 2026.6.34"));
    recorder.register_secret("device-token", TOKEN);
    let mut utf16: Vec<u8> = TOKEN.encode_utf16().flat_map(u16::to_le_bytes).collect();
    utf16.extend([0xff, 0xfe, 0xff]);
    recorder.record(Draft::new(0, Kind::Text).payload(Payload::text(format!("not json {TOKEN}"))));
    recorder.record(Draft::new(0, Kind::Binary).payload(Payload::binary(utf16)));
    for entry in recorder.transcript().entries {
        let bytes = BASE64_STANDARD.decode(entry.raw.unwrap()).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains("<device-token:1"));
        assert_eq!(scan_bytes(&bytes, &recorder.secrets()), []);
    }
}

#[test]
fn close_reasons_notes_and_facts_are_redacted() {
    let recorder = Recorder::in_memory(Header::new(1, "core", "mock profile 2026.6.34"));
    recorder.register_secret("shared-token", TOKEN);
    recorder.record(
        Draft::new(0, Kind::Note)
            .close(Some(1008), format!("bad {TOKEN}"))
            .text(TOKEN)
            .data(json!({ TOKEN: [TOKEN] })),
    );
    let lines = recorder.transcript().to_jsonl();
    assert_eq!(scan_bytes(lines.as_bytes(), &recorder.secrets()), []);
    assert!(
        lines.contains(r#"{"<shared-token:1>":["<shared-token:1>"]}"#),
        "{lines}"
    );
}

/// The scan finds every form when redaction is off, and none when it is on.
#[test]
fn canaries_of_every_kind_are_on_the_wire_and_in_no_line() {
    let mut canary = Canary::new(11);
    let recorder = Recorder::in_memory(Header::new(11, "core", "mock profile 2026.6.34"));
    let mut wire = Vec::new();
    for kind in [
        "shared-token",
        "password",
        "device-token",
        "bootstrap-token",
        "signature",
        "private-key",
    ] {
        let value = canary.plant(kind);
        for form in transcript::encoding::forms(&value) {
            let Ok(text) = String::from_utf8(form.1) else {
                continue;
            };
            // JSON escapes the zeros of UTF-16 one by one; files hold it as bytes, see the test above.
            if text.contains('\0') {
                continue;
            }
            wire.push(
                json!({"type": "event", "event": kind, "payload": {"echo": format!("[{text}]")}})
                    .to_string(),
            );
        }
        recorder.register_secret(kind, &value);
    }
    assert_eq!(
        canary.never_seen(&recorder).len(),
        6,
        "nothing was on the wire yet"
    );
    for text in &wire {
        recorder.record(Draft::new(0, Kind::Text).payload(Payload::text(text.as_str())));
    }
    assert!(canary.never_seen(&recorder).is_empty());
    assert!(scan_bytes(wire.join("\n").as_bytes(), canary.secrets()).len() >= wire.len());
    let lines = recorder.transcript().to_jsonl();
    assert_eq!(scan_bytes(lines.as_bytes(), canary.secrets()), []);
}

#[test]
fn a_scan_names_file_place_kind_and_form() {
    let mut canary = Canary::new(3);
    let token = canary.plant("device-token");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.log");
    std::fs::copy(
        write(&folder, &format!("0123{}", BASE64_STANDARD.encode(token))),
        &file,
    )
    .unwrap();
    let scan = transcript::canary::scan(folder.path(), canary.secrets()).unwrap();
    assert_eq!((scan.files, scan.secrets, scan.leaks.len()), (2, 1, 2));
    assert_eq!(scan.leaks[0].file, file);
    assert_eq!(
        (scan.leaks[0].offset, scan.leaks[0].encoding),
        (4, Encoding::Base64)
    );
    assert!(!format!("{:?}", scan.leaks).contains(canary.secrets()[0].1.as_str()));
    assert!(transcript::canary::scan(&folder.path().join("none"), &[]).is_err());
}

fn write(folder: &tempfile::TempDir, text: &str) -> std::path::PathBuf {
    use std::io::Write as _;
    let path = folder.path().join("b.log");
    std::fs::File::create(&path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    path
}

fn each_byte(form: impl Fn(u8) -> String) -> String {
    let forms: Vec<String> = TOKEN.bytes().map(form).collect();
    forms.concat()
}
