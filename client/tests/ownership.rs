//! The `companion` process and the port of a gateway that the app manages: whoever listens there has to be proven before
//! it sees a credential, and again after its challenge. catalogue rows 136, 138 to 142

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic"
)]

#[expect(dead_code, reason = "the peer serves several test programs")]
mod peer;
#[expect(dead_code, reason = "the process serves several test programs")]
mod process;

use std::io::Write as _;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};

use client_core::{GatewayRecord, Registry};
use futures_util::FutureExt as _;
use gateway_protocol::SharedToken;
use peer::Connection;
use process::{Companion, command, is_state};
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};

/// A data directory that knows a managed gateway, and what its distribution says of the port.
struct Bench {
    folder: TempDir,
    port: u16,
}

impl Bench {
    async fn listening() -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (Self::at(listener.local_addr().unwrap().port()), listener)
    }

    fn at(port: u16) -> Self {
        let folder = TempDir::new().unwrap();
        let mut record = GatewayRecord::new("g", format!("ws://127.0.0.1:{port}"));
        record.shared_gateway_token = Some(SharedToken::new("s3cret-shared"));
        record.setup_managed_distro_name = Some("OpenClaw".to_owned());
        let registry = Registry {
            active_id: Some(record.id.clone()),
            gateways: vec![record],
        };
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let text = serde_json::to_string(&registry).unwrap();
        put(&data.join("gateways.json"), &text);
        Self { folder, port }
    }

    fn answer(&self) -> PathBuf {
        self.folder.path().join("guest")
    }

    /// Lets the distribution say that this process is its gateway and has these sockets.
    fn guest_owns(&self, listeners: &[&TcpListener]) {
        let (pid, port) = (std::process::id(), self.port);
        let mut said = vec![format!("MainPID={pid}")];
        for listener in listeners {
            let fd = listener.as_fd().as_raw_fd();
            let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
            let name = link.to_str().unwrap().to_owned();
            let inode = name.trim_start_matches("socket:[").trim_end_matches(']');
            let ip = listener.local_addr().unwrap().ip();
            let users = format!("users:((\"x\",pid={pid},fd={fd}))");
            said.push(format!(
                "LISTEN 0 9 {ip}:{port} 0.0.0.0:* {users} ino:{inode} sk:1 <->"
            ));
        }
        put(&self.answer(), &said.join("\n"));
    }

    fn guest_is_silent(&self) {
        put(&self.answer(), "MainPID=0\n");
    }

    fn companion(&self, asks: bool) -> Companion {
        let wsl = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/process/wsl");
        let arguments: &[&str] = if asks { &["--wsl", wsl] } else { &[] };
        let mut command = command(&self.folder.path().join("data"), arguments);
        command.env("CLAWPROOF_TEST_GUEST", self.answer());
        Companion::spawn(command)
    }
}

fn put(path: &Path, text: &str) {
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The operator's error, once it is in Error.
async fn error(companion: &mut Companion) -> (Value, String) {
    let line = companion.line(is_state("Error")).await;
    let operator = &line["snapshot"]["operator"];
    let text = operator["error"].as_str().unwrap().to_owned();
    (operator["errorKind"].clone(), text)
}

#[rstest]
#[case::another_process(true)]
#[case::nobody_can_be_asked(false)]
#[tokio::test]
async fn a_foreign_listener_sees_nobody(#[case] asks: bool) {
    let (bench, listener) = Bench::listening().await;
    bench.guest_is_silent();
    let mut companion = bench.companion(asks);
    let (kind, text) = error(&mut companion).await;
    assert_eq!(kind, "LocalPortConflict", "{text}");
    assert!(text.contains("did not send the shared"), "{text}");
    let dialed = listener.accept().now_or_never();
    assert!(dialed.is_none(), "somebody dialled");
}

#[tokio::test]
async fn the_proven_gateway_gets_the_credential() {
    let (bench, listener) = Bench::listening().await;
    bench.guest_owns(&[&listener]);
    let mut companion = bench.companion(true);
    let stream = listener.accept().await.unwrap().0;
    let mut operator = Connection::over(stream).await;
    let connect = operator.admit().await;
    assert_eq!(connect["params"]["auth"], json!({"token": "s3cret-shared"}));
    companion.line(is_state("Ready")).await;
}

#[tokio::test]
async fn nobody_listens_is_no_conflict() {
    // Bound, so that nobody else gets the port, and not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let bench = Bench::at(socket.local_addr().unwrap().port());
    bench.guest_is_silent();
    let mut companion = bench.companion(true);
    let (kind, text) = error(&mut companion).await;
    assert_eq!(kind, "Network", "{text}");
    assert!(text.contains("not listening yet"), "{text}");
}

/// What changes between the connection and the challenge.
enum Change {
    Silent,
    AnotherOwner,
}

#[rstest]
#[case::silent(Change::Silent, "did not send the shared")]
#[case::another_owner(Change::AnotherOwner, "ownership changed after preflight")]
#[tokio::test]
async fn an_owner_that_changes_before_the_challenge_gets_no_frame(
    #[case] change: Change,
    #[case] says: &str,
) {
    let (bench, listener) = Bench::listening().await;
    bench.guest_owns(&[&listener]);
    let mut companion = bench.companion(true);
    let stream = listener.accept().await.unwrap().0;
    let mut operator = Connection::over(stream).await;
    let second = match change {
        Change::Silent => {
            bench.guest_is_silent();
            None
        }
        Change::AnotherOwner => {
            let second = TcpListener::bind(("127.0.0.2", bench.port)).await.unwrap();
            bench.guest_owns(&[&listener, &second]);
            Some(second)
        }
    };
    let challenge = json!({"nonce": "n0nce", "ts": 1_767_225_600_000_i64});
    operator.event("connect.challenge", challenge).await;
    assert!(
        !matches!(operator.message().await, Some(Ok(_))),
        "the stream ends without a frame"
    );
    let (kind, text) = error(&mut companion).await;
    assert_eq!(kind, "LocalPortConflict", "{text}");
    assert!(text.contains(says), "{text}");
    drop(second);
}
