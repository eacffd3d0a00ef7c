//! `clawproof record` between a client and `clawproof serve`: what it writes, and what it leaves out.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_protocol::{ConnectParams, Keypair, SignatureVersion};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

const TOKEN: &str = "planted-shared-token-of-this-test";
const DEVICE: [u8; 32] = [3; 32];

/// A program of ours that says where it is in its first line. Dropping it kills it.
struct Program {
    child: Child,
    told: Value,
}

impl Program {
    fn start(here: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_clawproof"))
            .args(arguments)
            .current_dir(here)
            .envs([("HOSTNAME", "Annas-Laptop"), ("USER", "anna-b")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let told = serde_json::from_str(&line).expect("the first line is JSON");
        Self { child, told }
    }

    fn url(&self) -> &str {
        self.told["url"].as_str().unwrap()
    }

    fn interrupt(mut self) -> Option<i32> {
        self.signal(Signal::SIGINT);
        self.child.wait().unwrap().code()
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(id, signal).unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn frame(socket: &mut WebSocket<impl Read + Write>) -> Value {
    loop {
        if let Message::Text(text) = socket.read().unwrap() {
            return serde_json::from_str(text.as_str()).unwrap();
        }
    }
}

/// Connects with the shared token and leaves; returns the answer.
fn connect(url: &str) -> Value {
    connect_with(url, TOKEN, "1")
}

fn connect_with(url: &str, token: &str, agent: &str) -> Value {
    let (mut socket, answer) = stay(url, token, agent);
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    answer
}

fn stay(url: &str, token: &str, agent: &str) -> (WebSocket<TcpStream>, Value) {
    let stream = TcpStream::connect(url.trim_start_matches("ws://")).unwrap();
    stay_on(stream, url, token, agent)
}

fn stay_on<S: Read + Write>(
    stream: S,
    url: &str,
    token: &str,
    agent: &str,
) -> (WebSocket<S>, Value) {
    let (mut socket, _response) = tungstenite::client(url, stream)
        .map_err(|error| error.to_string())
        .unwrap();
    let challenge = frame(&mut socket);
    assert_eq!(challenge["event"], "connect.challenge");
    let pair = Keypair::from_seed(DEVICE);
    let mut params = json!({
        "minProtocol": 4, "maxProtocol": 4, "role": "operator", "scopes": ["operator.read"],
        "client": {"id": "cli", "version": "1", "platform": "linux", "mode": "cli"}, "auth": {"token": token}, "userAgent": agent,
        "device": {
            "id": pair.device_id().as_str(), "publicKey": pair.public().to_base64url(),
            "signedAt": challenge["payload"]["ts"], "nonce": challenge["payload"]["nonce"],
        },
    });
    let typed: ConnectParams = serde_json::from_value(params.clone()).unwrap();
    let text = typed
        .signature_payload()
        .unwrap()
        .text(SignatureVersion::V3);
    params["device"]["signature"] = Value::from(pair.sign(&text));
    let request = json!({"type": "req", "id": "1", "method": "connect", "params": params});
    socket.send(Message::text(request.to_string())).unwrap();
    let answer = frame(&mut socket);
    (socket, answer)
}

#[test]
fn a_recording_holds_what_was_said_and_no_secret() {
    let home = tempfile::tempdir().unwrap();
    let gateway = Program::start(home.path(), &["serve", "--token", TOKEN]);
    let recorder = Program::start(
        home.path(),
        &["record", "--to", gateway.url(), "--save", "said.jsonl"],
    );
    let answer = connect(recorder.url());
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(recorder.interrupt(), Some(0));
    let text = std::fs::read_to_string(home.path().join("said.jsonl")).unwrap();
    assert!(!text.contains(TOKEN), "the token is in the transcript");
    let transcript = transcript::Transcript::parse(&text).unwrap();
    let said: Vec<&str> = transcript
        .entries
        .iter()
        .filter_map(|entry| {
            let frame = entry.frame.as_ref()?;
            frame["method"]
                .as_str()
                .or_else(|| frame["event"].as_str())
                .or_else(|| frame["payload"]["type"].as_str())
        })
        .collect();
    for what in ["connect.challenge", "connect", "hello-ok"] {
        assert!(said.contains(&what), "{what} is not in {said:?}");
    }
    let pair = Keypair::from_seed(DEVICE);
    for private in [pair.public().to_base64url(), pair.device_id().to_string()] {
        assert!(!text.contains(&private), "the device is in the transcript");
    }
    assert_eq!(verified(home.path(), "said.jsonl"), Some(0));
    let changed = text.replacen("operator.read", "operator.rea_", 1);
    let mut file = std::fs::File::create(home.path().join("changed.jsonl")).unwrap();
    Write::write_all(&mut file, changed.as_bytes()).unwrap();
    assert_eq!(verified(home.path(), "changed.jsonl"), Some(10));
    // Nothing is overwritten.
    let again = Command::new(env!("CARGO_BIN_EXE_clawproof"))
        .args(["record", "--to", gateway.url(), "--save", "said.jsonl"])
        .current_dir(home.path())
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(30));
    assert_eq!(
        std::fs::read_to_string(home.path().join("said.jsonl")).unwrap(),
        text
    );
}

/// A client that believes the CA in this file, and nobody else.
fn tls(url: &str, ca: &Path) -> StreamOwned<ClientConnection, TcpStream> {
    let trust = gateway_client::tls::TlsTrust::ca_file(ca).unwrap();
    let config = Arc::new(trust.config().unwrap());
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(config, name).unwrap();
    StreamOwned::new(
        connection,
        TcpStream::connect(url.trim_start_matches("wss://")).unwrap(),
    )
}

/// The SHA-256 of the certificate that is shown at a port.
fn fingerprint(url: &str, ca: &Path) -> String {
    let mut stream = tls(url, ca);
    stream.conn.complete_io(&mut stream.sock).unwrap();
    let certificate = &stream.conn.peer_certificates().unwrap()[0];
    let digest = <sha2::Sha256 as sha2::Digest>::digest(certificate);
    digest
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .join(":")
}

/// A gateway behind TLS, recorded for a client that speaks TLS and for one that does not, on one port. Who can't be proven to be
/// the gateway gets nothing.
#[test]
fn tls_on_both_sides_is_recorded() {
    let home = tempfile::tempdir().unwrap();
    let here = home.path();
    let gateway = Program::start(here, &["serve", "--token", TOKEN]);
    // The gateway of this test is the mock behind TLS; what puts TLS before it is another recording.
    let front = [
        "record",
        "--to",
        gateway.url(),
        "--save",
        "front.jsonl",
        "--tls-ca",
        "gateway.pem",
    ];
    let front = Program::start(here, &front);
    let to = front.url().to_owned();
    assert!(to.starts_with("wss://"), "{to}");
    let pin = fingerprint(&to, &here.join("gateway.pem"));
    for (name, trust) in [
        ("ca", ["--to-ca", "gateway.pem"]),
        ("pin", ["--to-pin", &pin]),
    ] {
        let (save, ca) = (format!("{name}.jsonl"), format!("{name}.pem"));
        let mut command = vec!["record", "--to", &to, "--save", &save, "--tls-ca", &ca];
        command.extend(trust);
        let recorder = Program::start(here, &command);
        let url = recorder.url().to_owned();
        let (mut socket, answer) = stay_on(tls(&url, &here.join(&ca)), &url, TOKEN, "1");
        assert_eq!(answer["ok"], true, "{answer}");
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
        assert_eq!(connect(&url.replace("wss://", "ws://"))["ok"], true);
        assert_eq!(recorder.interrupt(), Some(0));
        let text = std::fs::read_to_string(here.join(&save)).unwrap();
        assert_eq!(
            text.matches("\"hello-ok\"").count(),
            4,
            "sent and delivered, twice"
        );
        assert_eq!(text.matches("\"tls\":true").count(), 1);
        assert!(!text.contains(TOKEN) && !text.contains("PRIVATE KEY"));
        assert_eq!(verified(here, &save), Some(0));
        let pem = std::fs::read_to_string(here.join(&ca)).unwrap();
        assert!(
            pem.contains("BEGIN CERTIFICATE") && !pem.contains("KEY"),
            "{pem}"
        );
    }
    let other = "AB".repeat(32);
    let stranger = [
        "record", "--to", &to, "--save", "no.jsonl", "--to-pin", &other,
    ];
    let stranger = Program::start(here, &stranger);
    let stream = TcpStream::connect(stranger.url().trim_start_matches("ws://")).unwrap();
    assert!(tungstenite::client(stranger.url(), stream).is_err());
    assert_eq!(stranger.interrupt(), Some(0));
    assert!(
        !std::fs::read_to_string(here.join("no.jsonl"))
            .unwrap()
            .contains("challenge")
    );
}

/// Every mistake in the options is told before a file is made.
#[rstest::rstest]
#[case::no_port(&["--to", "ws://127.0.0.1"], "expected ws://HOST:PORT or wss://HOST")]
#[case::no_pin(&["--to", "wss://127.0.0.1:1", "--to-pin", "abcd"], "64 hex digits")]
#[case::no_roots(&["--to", "wss://127.0.0.1:1", "--to-ca", "nowhere.pem"], "nowhere.pem")]
#[case::no_name(&["--to", "ws://127.0.0.1:1", "--tls-ca", "ca.pem", "--tls-name", "b\u{e9}"], "--tls-name")]
fn mistakes_are_told(#[case] options: &[&str], #[case] says: &str) {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_clawproof"))
        .arg("record")
        .args(options)
        .current_dir(home.path())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains(says) && told.contains("hint: "), "{told}");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_recording_names_no_machine_and_hides_what_was_learned_late() {
    const LATE: &str = "learned-in-the-second-connection";
    let home = tempfile::tempdir().unwrap();
    let gateway = Program::start(home.path(), &["serve", "--token", TOKEN]);
    let to = format!("{}/?token={TOKEN}", gateway.url());
    let recorder = Program::start(
        home.path(),
        &["record", "--to", &to, "--save", "said.jsonl"],
    );
    let agent = format!("{LATE} of anna-b on annas-laptop, 10.1.2.3, /home/clara/bin");
    assert_eq!(connect_with(recorder.url(), TOKEN, &agent)["ok"], true);
    // Nobody said yet that it is a secret, so it is written, by a thread that the client does not wait for.
    let began = Instant::now();
    let streamed = || std::fs::read_to_string(home.path().join("said.jsonl")).unwrap();
    while !streamed().contains(LATE) {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "it is written while it is said"
        );
        std::thread::yield_now();
    }
    assert_eq!(connect_with(recorder.url(), LATE, "1")["ok"], false);
    assert_eq!(recorder.interrupt(), Some(0));
    let text = std::fs::read_to_string(home.path().join("said.jsonl")).unwrap();
    let shown = text.to_ascii_lowercase();
    for private in [LATE, TOKEN, "anna-b", "annas-laptop", "10.1.2.3", "clara"] {
        assert!(!shown.contains(private), "{private} is in the transcript");
    }
    assert!(
        text.contains("of <user:1> on <host:1>, <ip:1>, /home/<user:2>/bin"),
        "{text}"
    );
    assert_eq!(verified(home.path(), "said.jsonl"), Some(0));
    let named = text.replacen("<ip:1>", "10.1.2.3", 1);
    Write::write_all(
        &mut std::fs::File::create(home.path().join("named.jsonl")).unwrap(),
        named.as_bytes(),
    )
    .unwrap();
    assert_eq!(verified(home.path(), "named.jsonl"), Some(10));
}

/// The exit code of `clawproof verify`.
fn verified(here: &Path, file: &str) -> Option<i32> {
    let output = Command::new(env!("CARGO_BIN_EXE_clawproof"))
        .args(["verify", file])
        .current_dir(here)
        .output()
        .unwrap();
    output.status.code()
}

/// As the real gateway does: its clients are told, closed with 1012, and the program ends well.
#[rstest::rstest]
#[case::service_manager(Signal::SIGTERM)]
#[case::ctrl_c(Signal::SIGINT)]
fn a_served_gateway_says_goodbye_before_it_ends(#[case] signal: Signal) {
    let home = tempfile::tempdir().unwrap();
    let mut gateway = Program::start(home.path(), &["serve", "--token", TOKEN]);
    let (mut socket, answer) = stay(gateway.url(), TOKEN, "1");
    assert_eq!(answer["ok"], true, "{answer}");
    gateway.signal(signal);
    let mut told = Value::Null;
    let closed = loop {
        match socket.read().unwrap() {
            Message::Text(text) => {
                let frame: Value = serde_json::from_str(text.as_str()).unwrap();
                if frame["event"] == "shutdown" {
                    told = frame["payload"].clone();
                }
            }
            Message::Close(close) => break close.unwrap(),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    };
    assert_eq!(told["reason"], "gateway stopping", "{told}");
    assert_eq!(
        (u16::from(closed.code), closed.reason.as_str()),
        (1012, "service restart")
    );
    while socket.read().is_ok() {}
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
}
