//! The program `mock-gateway`: its first line, and how it ends when it was told nonsense.

#![cfg(feature = "program")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mock-gateway"));
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

fn file(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("protocol.schema.json");
    File::create(&path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    path
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[rstest]
#[case::no_such_profile(&["--profile", "2020.1.1"], 2, "unknown profile \"2020.1.1\"")]
#[case::no_such_key(&["--set", "gateway.auth.mode=magic"], 2, "gateway.auth.mode")]
#[case::no_such_option(&["--agent-script", "x.toml"], 2, "--agent-script")]
#[case::no_such_schema(&["--schema", "nowhere.json"], 20, "hint: give the file protocol.schema.json")]
fn nonsense_is_told_with_its_exit_code(
    #[case] words: &[&str],
    #[case] code: i32,
    #[case] says: &str,
) {
    let output = program().args(words).output().unwrap();
    let told = told(&output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(says), "{told}");
    assert!(output.stdout.is_empty(), "nothing is said to be ready");
}

#[rstest]
#[case::no_json("{", "is no published schema")]
#[case::no_definitions("{}", "has no definitions")]
fn a_schema_that_is_none_is_refused(#[case] text: &str, #[case] says: &str) {
    let folder = TempDir::new().unwrap();
    let output = program()
        .arg("--schema")
        .arg(file(&folder, text))
        .output()
        .unwrap();
    let told = told(&output);
    assert_eq!(output.status.code(), Some(20), "{told}");
    assert!(told.contains(says), "{told}");
}

#[test]
fn it_says_where_it_is_and_its_control_endpoint_ends_it() {
    let folder = TempDir::new().unwrap();
    let schema = r#"{"methods": {}, "definitions": {"XGetParams": {"type": "object"}}}"#;
    let state = folder.path().join("state");
    let mut child = program()
        .args(["--token", "t", "--profile", "2026.9.6", "--schema"])
        .arg(file(&folder, schema))
        .arg("--state")
        .arg(&state)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    let ready: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(
        (&ready["profile"], &ready["token"]),
        (&"2026.9.6".into(), &"t".into())
    );
    // What it keeps is its own for as long as it runs.
    let second = program().arg("--state").arg(&state).output().unwrap();
    let told = told(&second);
    assert_eq!(second.status.code(), Some(22), "{told}");
    assert!(
        told.contains("another gateway keeps its state in")
            && told.contains("hint: end that gateway"),
        "{told}"
    );
    let url = ready["control"]["url"].as_str().unwrap();
    let control = url.strip_prefix("http://").unwrap();
    let token = ready["control"]["token"].as_str().unwrap();
    let mut stream = std::net::TcpStream::connect(control).unwrap();
    let order = r#"{"verb":"stop"}"#;
    write!(
        stream,
        "POST /v1/control HTTP/1.1\r\nhost: {control}\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{order}",
        order.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    assert!(child.wait().unwrap().success());
    let kept = std::fs::read_to_string(state.join("gateway-state.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["setupTokens"].as_array().unwrap().len(), 1);
}

#[rstest]
#[case::half_a_file(r#"{"version": 1"#, "is no state of a mock gateway: ")]
#[case::another_version(r#"{"version": 9}"#, "reads version 1")]
fn a_state_that_is_none_is_left_as_it_is(#[case] text: &str, #[case] says: &str) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("gateway-state.json");
    let mut file = File::create(&path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let output = program()
        .arg("--state")
        .arg(folder.path())
        .output()
        .unwrap();
    let told = told(&output);
    assert_eq!(output.status.code(), Some(20), "{told}");
    assert!(
        told.contains(says) && told.contains("gateway-state.json") && told.contains("hint: "),
        "{told}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}
