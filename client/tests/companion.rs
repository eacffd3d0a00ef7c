//! The `companion` process: what it says, what it never says, and how it ends.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic"
)]

#[expect(dead_code, reason = "the peer serves several test programs")]
mod peer;
mod process;

use std::io::Write as _;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::sys::signal::Signal;
use peer::Connection;
use process::{Companion, command, is_state};
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;

async fn ends_at_once(data_dir: &Path, arguments: &[&str]) -> Output {
    timeout(
        Duration::from_mins(1),
        command(data_dir, arguments).output(),
    )
    .await
    .unwrap()
    .unwrap()
}

#[rstest]
#[case(Signal::SIGTERM)]
#[case(Signal::SIGINT)]
#[tokio::test]
async fn it_connects_both_roles_keeps_secrets_and_ends_cleanly(#[case] signal: Signal) {
    let folder = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let arguments = [
        "--url",
        &url,
        "--token",
        "s3cret-shared",
        "--node",
        "--seed",
        "7",
        "--log-format",
        "json",
    ];
    let mut companion = Companion::start(folder.path(), &arguments);
    assert_eq!(companion.line(|_| true).await["type"], "ready");
    let mut operator = Connection::over(listener.accept().await.unwrap().0).await;
    assert_eq!(
        operator.admit().await["params"]["auth"],
        json!({"token": "s3cret-shared"})
    );
    let mut node = Connection::over(listener.accept().await.unwrap().0).await;
    let commands = &node.admit().await["params"]["commands"];
    assert_eq!(
        commands,
        &json!([
            "system.notify",
            "system.run",
            "system.which",
            "device.info",
            "device.status"
        ])
    );
    companion.line(is_state("Ready")).await;
    node.event(
        "node.invoke.request",
        json!({"id": "1", "command": "system.which", "args": {"bins": ["sh"]}}),
    )
    .await;
    let result = node.request("node.invoke.result").await;
    assert!(result["params"].to_string().contains("/sh"), "{result}");
    companion.signal(signal);
    let (code, said) = companion.end().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(r#"{"type":"stopped","exitCode":0}"#),
        "{said}"
    );
    let stored = std::fs::read_to_string(folder.path().join("gateways.json")).unwrap();
    assert!(
        stored.contains("s3cret-shared"),
        "the secret was there to be told: {stored}"
    );
    let identity = identity(folder.path());
    let key = identity["PrivateKeyBase64"].as_str().unwrap();
    for secret in ["s3cret-shared", "operator-token", "node-token", key] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

/// Pairing by setup code alone never offers the browser: its control host wants the shared token.
#[rstest]
#[case::with_the_token(true)]
#[case::with_a_setup_code(false)]
#[tokio::test]
async fn the_browser_is_offered_only_with_the_shared_token(#[case] by_token: bool) {
    let folder = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let code = URL_SAFE_NO_PAD.encode(json!({"url": url, "bootstrapToken": "b00t"}).to_string());
    let way = if by_token {
        vec!["--url", &url, "--token", "t0k"]
    } else {
        vec!["--setup-code", &code]
    };
    let _companion = Companion::start(folder.path(), &[way, vec!["--node", "--browser"]].concat());
    let mut operator = Connection::over(listener.accept().await.unwrap().0).await;
    operator.admit().await;
    let mut node = Connection::over(listener.accept().await.unwrap().0).await;
    let connect = node.challenge().await;
    assert_eq!(
        connect["params"]["caps"].to_string().contains("browser"),
        by_token
    );
    assert_eq!(
        connect["params"]["commands"]
            .to_string()
            .contains("browser.proxy"),
        by_token
    );
}

/// The only identity of a data directory.
fn identity(data_dir: &Path) -> Value {
    let folder = std::fs::read_dir(data_dir.join("gateways"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    serde_json::from_slice(&std::fs::read(folder.join("device-key-ed25519.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn the_next_start_needs_no_more_than_the_data_directory() {
    let folder = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    for (arguments, auth) in [
        (
            vec!["--url", url.as_str(), "--token", "shared"],
            json!({"token": "shared"}),
        ),
        (vec![], json!({"deviceToken": "operator-token"})),
    ] {
        let mut companion = Companion::start(folder.path(), &arguments);
        let mut operator = Connection::over(listener.accept().await.unwrap().0).await;
        assert_eq!(operator.admit().await["params"]["auth"], auth);
        companion.line(is_state("Ready")).await;
        companion.signal(Signal::SIGTERM);
        assert_eq!(companion.end().await.0, Some(0));
    }
}

/// Nothing is lost by a kill: what was told as stored is there at the next start.
#[tokio::test]
async fn a_killed_process_keeps_its_identity() {
    let folder = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let mut companion = Companion::start(folder.path(), &["--url", &url, "--token", "shared"]);
    let mut operator = Connection::over(listener.accept().await.unwrap().0).await;
    let device = operator.admit().await["params"]["device"]["id"].clone();
    companion.line(is_state("Ready")).await;
    companion.signal(Signal::SIGKILL);
    assert_eq!(companion.end().await.0, None);
    assert_eq!(identity(folder.path())["DeviceToken"], "operator-token");
    let _companion = Companion::start(folder.path(), &[]);
    let mut operator = Connection::over(listener.accept().await.unwrap().0).await;
    assert_eq!(operator.admit().await["params"]["device"]["id"], device);
}

#[rstest]
#[case::no_arguments(&["--url", "ws://h:1"], 2, "--token")]
#[case::setup_code(&["--setup-code", "%%%"], 4, r#""outcome":"InvalidCode""#)]
#[case::url(&["--url", "ftp://h", "--token", "s3cret"], 4, r#""outcome":"InvalidUrl""#)]
#[tokio::test]
async fn bad_input_ends_with_its_own_code(
    #[case] arguments: &[&str],
    #[case] code: i32,
    #[case] says: &str,
) {
    let folder = TempDir::new().unwrap();
    let output = ends_at_once(folder.path(), arguments).await;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(says), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_used_ends_with_3() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::File::create(&file)
        .unwrap()
        .write_all(b"x")
        .unwrap();
    let output = ends_at_once(&file, &[]).await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let mut first = Companion::start(folder.path(), &[]);
    first.line(|line| line["type"] == "ready").await;
    let output = ends_at_once(folder.path(), &[]).await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(
        log.contains("the data directory is in use by another client"),
        "{log}"
    );
}
