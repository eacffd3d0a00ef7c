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
use process::{Companion, bare_command, command, is_state};
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

fn put(path: &Path, text: &str) {
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
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

/// A gateway's listener, and its control host two ports above.
async fn with_control_host() -> (TcpListener, TcpListener) {
    loop {
        let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = gateway.local_addr().unwrap().port().saturating_add(2);
        if let Ok(control) = TcpListener::bind(("127.0.0.1", port)).await {
            return (gateway, control);
        }
    }
}

/// Pairing by setup code alone never offers the browser: its control host wants the shared token. Nor does anybody whose
/// gateway has no control host.
#[rstest]
#[case::with_the_token(true, true, true)]
#[case::with_a_setup_code(false, true, false)]
#[case::without_a_control_host(true, false, false)]
#[tokio::test]
async fn the_browser_is_offered_only_with_the_shared_token_and_a_control_host(
    #[case] by_token: bool,
    #[case] is_live: bool,
    #[case] is_offered: bool,
) {
    let folder = TempDir::new().unwrap();
    let (listener, control) = with_control_host().await;
    let _control = is_live.then_some(control);
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
        is_offered
    );
    assert_eq!(
        connect["params"]["commands"]
            .to_string()
            .contains("browser.proxy"),
        is_offered
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

/// The file lies beside the data directory; what the command line says wins.
#[tokio::test]
async fn a_config_file_says_what_the_command_line_does_not() {
    let folder = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = folder.path().join("companion.toml");
    let text = format!(
        "data_dir = \"data\"\nurl = \"ws://{}\"\ntoken = \"of-the-file\"\nnode = true\nallow_run = [\"true\"]\n\
         policy = \"pr741\"\nseed = 7\nlog_format = \"json\"\n",
        listener.local_addr().unwrap()
    );
    put(&config, &text);
    let mut command = bare_command();
    command.arg("--config").arg(&config);
    let mut companion = Companion::spawn(command);
    let mut operator = Connection::over(listener.accept().await.unwrap().0).await;
    let auth = &operator.admit().await["params"]["auth"];
    assert_eq!(auth, &json!({"token": "of-the-file"}));
    let mut node = Connection::over(listener.accept().await.unwrap().0).await;
    let connect = node.admit().await;
    let commands = connect["params"]["commands"].to_string();
    assert!(commands.contains("system.run"), "{commands}");
    let state = companion.line(is_state("Ready")).await;
    assert_eq!(state["snapshot"]["policy"], "pr741");
    companion.signal(Signal::SIGTERM);
    let (code, said) = companion.end().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(r#"{"timestamp":"#), "the log is JSON: {said}");
    assert!(!said.contains("of-the-file"), "{said}");
    assert!(folder.path().join("data/gateways.json").exists());
    let mut command = bare_command();
    let config = ["--config", config.to_str().unwrap()];
    command.args(config).args(["--policy", "hardened"]);
    let mut companion = Companion::spawn(command);
    let state = companion.line(|line| line["type"] == "state").await;
    assert_eq!(state["snapshot"]["policy"], "hardened");
}

#[rstest]
#[case::syntax("data_dir = \"d\"\nnode = yes\n", 2, "string values must be quoted")]
#[case::unknown("\nnodes = true\n", 2, "unknown field `nodes`, expected one of")]
#[case::type_of_a_secret("token = 12345\n", 1, "expected a text in quotes")]
#[case::type_of_a_port("\n\nmcp_port = 70000\n", 3, "expected u16")]
#[case::policy("policy = \"newest\"\n", 1, "expected `pr741` or `hardened`")]
#[case::url_alone("node = true\nurl = \"ws://h\"\n", 2, "expected `token` beside `url`")]
#[case::two_ways(
    "url = \"ws://h\"\ntoken = \"12345\"\nsetup_code = \"12345\"\n",
    3,
    "either `setup_code` or `url`"
)]
#[case::no_node("browser = true\n", 1, "expected `node` to be on beside `browser`")]
#[case::pin("\ntls_fingerprint = \"AB\"\n", 2, "expected a SHA-256 fingerprint")]
#[tokio::test]
async fn a_config_file_that_cannot_be_used_is_named_with_its_line(
    #[case] text: &str,
    #[case] line: usize,
    #[case] says: &str,
) {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("companion.toml");
    put(&config, text);
    let output = ends_at_once(folder.path(), &["--config", config.to_str().unwrap()]).await;
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(
        said.contains(&format!("companion.toml, line {line}: ")),
        "{said}"
    );
    assert!(said.contains(says) && said.contains("hint: "), "{said}");
    assert!(!said.contains("12345"), "{said}");
    assert!(
        !folder.path().join("gateways.json").exists(),
        "nothing was done"
    );
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_used_ends_with_3() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    put(&file, "x");
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
