//! Foreign clients: a stranger's client of forty lines is started, judged and stopped like those of the repository.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    reason = "a test that can't run its program fails"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rstest::rstest;

fn stranger() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stranger")
}

fn clawproof(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clawproof"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .expect("clawproof runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What is right passes, what is wrong is named by a default invariant, what it can't do is skipped, and nothing is
/// left running.
#[test]
fn a_stranger_is_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = folder.path().join("table.json");
    let save = folder.path().join("run");
    let adapter = stranger().join("adapter.toml").display().to_string();
    let ran = clawproof(&[
        "run",
        "setup-connect/client/connects-with-the-shared-token",
        "setup-connect/client/rate-limit-is-respected",
        "setup-connect/client/node-is-invoked",
        "network-recovery/client/tcp-reset",
        "--client",
        &adapter,
        "--table",
        &table.display().to_string(),
        "--save",
        &save.display().to_string(),
    ]);
    let out = text(&ran.stdout);
    assert_eq!(ran.status.code(), Some(10), "{out}{}", text(&ran.stderr));
    assert!(
        out.trim_end().ends_with("2 passed, 1 failed, 1 skipped"),
        "{out}"
    );
    let table: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&table).expect("the table is written"))
            .expect("the table is JSON");
    assert!(
        table["findings"]["invariant:no_socket_after_terminal"].as_u64() > Some(0),
        "{table}"
    );
    assert_eq!(
        table["findings"].as_object().map(serde_json::Map::len),
        Some(1),
        "{table}"
    );
    let log = save
        .join("scenarios/setup-connect/client/connects-with-the-shared-token/loopback/client.log");
    assert!(log.is_file(), "what the client printed is kept");
}

/// Each mistake has its exit code, and a message that says what to do.
#[rstest]
#[case::unknown(None, "", 20, "there is no adapter called nobody")]
#[case::mistake(
    Some("title = \"x\"\ncapabilities = []\n[start]\ncommand = [\"true\", \"{uri}\"]\n"),
    "",
    20,
    "nothing fills {uri}"
)]
#[case::not_there(
    Some("title = \"x\"\ncapabilities = []\n[start]\ncommand = [\"./nowhere\"]\n"),
    "",
    21,
    "./nowhere"
)]
#[case::ends(
    Some(
        "title = \"x\"\ncapabilities = []\n[start]\ncommand = [\"sh\", \"-c\", \"echo no such luck; exit 3\"]\n"
    ),
    "",
    21,
    "no such luck"
)]
#[case::silent(
    Some(
        "title = \"x\"\ncapabilities = []\n[start]\nready_within = \"1s\"\ncommand = [\"sleep\", \"600\"]\n"
    ),
    "",
    21,
    "opened no connection within 1s"
)]
#[case::reasonless(
    Some("title = \"x\"\ncapabilities = []\n[start]\ncommand = [\"true\"]\n"),
    "[[known]]\nscenario = \"a\"\nlink = \"l\"\nsince = \"2026-11-25\"\n",
    20,
    "without a reason"
)]
fn mistakes_have_exit_codes(
    #[case] adapter: Option<&str>,
    #[case] known: &str,
    #[case] code: i32,
    #[case] says: &str,
) {
    use std::io::Write as _;
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        let mut file = std::fs::File::create(folder.path().join(name)).expect("a file");
        file.write_all(text.as_bytes()).expect("it is written");
    };
    let path = folder.path().join("adapter.toml");
    let client = match adapter {
        Some(text) => {
            put("adapter.toml", text);
            if !known.is_empty() {
                put("known-failures.toml", known);
            }
            path.display().to_string()
        }
        None => "nobody".to_owned(),
    };
    let ran = clawproof(&["run", "--client", &client, "--no-save"]);
    let told = text(&ran.stderr);
    assert_eq!(ran.status.code(), Some(code), "{told}");
    assert!(told.contains(says), "{told}");
    assert!(told.contains("hint: ") || code == 21, "{told}");
}
