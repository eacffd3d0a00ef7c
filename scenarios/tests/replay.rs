//! Recordings played again: of the real gateways against the mock, and of our client both ways.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use client_core::{ClientOptions, DurableState, GatewayRecord, Intent, Mutation, OperatorState};
use gateway_client::{ClientHandle, Clock, Connector, MemoryState, MemoryStore, Setup};
use gateway_protocol::SharedToken;
use gateway_protocol::time::VIRTUAL_EPOCH;
use link::{FaultTable, MemoryNet, MemoryStream};
use mock_gateway::{Config, Control, MockGateway};
use rstest::rstest;
use scenarios::import;
use scenarios::replay::{
    Credentials, Drive, Finding, Outcome, Pace, Player, Script, Side, as_client, as_server,
};
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use transcript::{Header, Recorder, Transcript};

const DRIVE: Drive = Drive {
    pace: Pace::Dropped,
    patience: Duration::from_secs(5),
    epoch: VIRTUAL_EPOCH,
};

fn block_on<F: Future>(story: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(story)
}

fn recording(version: &str, name: &str) -> Script {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../mock-gateway/core/recordings")
        .join(version);
    let begins = format!("{name}-");
    let path = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(&begins)
        })
        .unwrap();
    let read = import::read(&path).unwrap();
    assert_eq!(read.problems, []);
    Script::of(&import::transcript(&[read]))
}

/// Plays the client half against a mock with this token.
async fn against_the_mock(
    script: &Script,
    version: &'static str,
    token: &str,
    seed: u64,
) -> Outcome {
    let faults = FaultTable::new();
    let net = MemoryNet::new(faults.clone());
    let mut config = Config::with_token(token);
    config.trusted_proxies = vec!["127.0.0.2".into()];
    let gateway = MockGateway::new()
        .config(config)
        .profile(gateway_core::profile(version).unwrap())
        .seed(seed)
        .faults(faults)
        .serve_on(net.listener());
    let credentials = Credentials {
        token: Some(token.to_owned()),
        ..Credentials::default()
    };
    let player = Player::new(script, Side::Client, seed, credentials.bind(script));
    let dial = |known: &Value| {
        let from: Option<IpAddr> = known["from"].as_str().and_then(|ip| ip.parse().ok());
        std::future::ready(from.map_or_else(|| net.connect(), |ip| net.connect_from(ip)))
    };
    let outcome = as_client(player, "ws://127.0.0.1:18789/", None, dial, DRIVE).await;
    gateway.stop().await;
    outcome
}

fn failing(outcome: &Outcome) -> Vec<String> {
    let failing = outcome
        .findings
        .iter()
        .filter(|finding| finding.fails(false));
    failing.map(ToString::to_string).collect()
}

/// Three times, each with other devices and other nonces. Not recording 45: a device token is replaced in it under the
/// same place, and the binding of the later one is sent where the earlier one was.
#[rstest]
fn what_was_said_to_a_real_gateway_is_answered_by_the_mock_as_it_was(
    #[values("2026.6.34", "2026.9.6")] version: &'static str,
    #[values("70", "71", "72", "74", "101", "31", "35", "36")] name: &str,
) {
    let script = recording(version, name);
    let mut nonces = Vec::new();
    for seed in 1..=3 {
        let outcome = block_on(against_the_mock(&script, version, "another-token", seed));
        assert_eq!(failing(&outcome), Vec::<String>::new(), "seed {seed}");
        assert!(outcome.heard > 1 && outcome.said > 1, "{outcome:?}");
        nonces.extend(
            outcome
                .bindings
                .into_iter()
                .filter(|line| line.starts_with("Nonce")),
        );
    }
    nonces.sort();
    let all = nonces.len();
    nonces.dedup();
    assert_eq!(nonces.len(), all, "each time other nonces are signed");
}

/// The way to a mock.
#[derive(Clone)]
struct Net(MemoryNet);

impl Connector for Net {
    type Stream = MemoryStream;

    async fn connect(&self, _url: &str) -> io::Result<MemoryStream> {
        self.0.connect()
    }
}

/// The way to a recording that plays the gateway.
#[derive(Clone)]
struct Played(mpsc::Sender<DuplexStream>);

impl Connector for Played {
    type Stream = DuplexStream;

    async fn connect(&self, _url: &str) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let sent = self.0.send(theirs).await;
        sent.map_err(|_over| io::ErrorKind::ConnectionRefused)?;
        Ok(ours)
    }
}

fn client(net: impl Connector, mutations: &[Mutation]) -> ClientHandle {
    let mut record = GatewayRecord::new("g", "ws://127.0.0.1:18789");
    record.shared_gateway_token = Some(SharedToken::new("shared"));
    let mut state = DurableState::default();
    state.registry.upsert(record);
    state.registry.active_id = Some("g".to_owned());
    let options = ClientOptions {
        mutations: mutations.to_vec(),
        ..ClientOptions::default()
    };
    let store = MemoryStore::over(MemoryState::new(state));
    Setup::new(options, store, net, Clock::starting_at(VIRTUAL_EPOCH))
        .spawn()
        .unwrap()
}

/// Our client connects twice; recorded at the wire, devices replaced. Its owner lets it in between, or does not.
async fn recorded(let_in: bool) -> Transcript {
    let faults = FaultTable::new();
    let net = MemoryNet::new(faults.clone());
    let recorder =
        Recorder::in_memory(Header::new(1, "memory", "mock profile 2026.6.34").resigned(5));
    let gateway = MockGateway::new()
        .config(Config::with_token("shared"))
        .recorder(recorder.clone())
        .faults(faults)
        .serve_on(net.listener());
    let client = client(Net(net), &[]);
    once(&client).await;
    if let_in {
        let request_id = "latest".to_owned();
        gateway
            .control(Control::Approve { request_id })
            .await
            .unwrap();
    }
    once(&client).await;
    client.shutdown().await;
    gateway.stop().await;
    recorder.transcript()
}

/// Connects until it is clear how that ends, and disconnects.
async fn once(client: &ClientHandle) {
    client.intent(Intent::Connect).await.unwrap();
    until(client, |state| {
        !matches!(state, OperatorState::Idle | OperatorState::Connecting)
    })
    .await;
    // What a client asks after its hello, before its user goes on; virtual.
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.intent(Intent::Disconnect).await.unwrap();
    until(client, |state| state == OperatorState::Idle).await;
}

async fn until(client: &ClientHandle, is_so: impl Fn(OperatorState) -> bool) {
    let mut snapshot = client.snapshot();
    let seen = snapshot.wait_for(|now| is_so(now.operator.state));
    timeout(Duration::from_mins(1), seen)
        .await
        .unwrap()
        .unwrap();
}

fn read_back(transcript: &Transcript) -> Script {
    let text = transcript.to_jsonl();
    assert!(
        !text.contains("\"shared\""),
        "the token is in the transcript"
    );
    Script::of(&Transcript::parse(&text).unwrap())
}

#[test]
fn a_recording_of_our_client_is_played_against_the_mock_three_times() {
    let script = read_back(&block_on(recorded(false)));
    assert!(script.connections() >= 2, "{script:?}");
    for seed in 1..=3 {
        let outcome = block_on(against_the_mock(&script, "2026.6.34", "shared", seed));
        assert_eq!(failing(&outcome), Vec::<String>::new(), "seed {seed}");
    }
}

async fn for_our_client(script: &Script, seed: u64, mutations: &[Mutation]) -> Outcome {
    let (came, incoming) = mpsc::channel(8);
    let player = Player::new(
        script,
        Side::Server,
        seed,
        Credentials::default().bind(script),
    );
    let client = client(Played(came), mutations);
    let both = async {
        once(&client).await;
        once(&client).await;
    };
    let ((), outcome) = tokio::join!(both, as_server(player, incoming, DRIVE));
    client.shutdown().await;
    outcome
}

#[test]
fn a_recording_of_our_client_is_played_for_it_three_times() {
    let script = read_back(&block_on(recorded(true)));
    for seed in 1..=3 {
        let outcome = block_on(for_our_client(&script, seed, &[]));
        assert_eq!(failing(&outcome), Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn a_client_that_signs_an_old_nonce_is_found() {
    let script = read_back(&block_on(recorded(true)));
    let outcome = block_on(for_our_client(&script, 1, &[Mutation::ReuseNonce]));
    let is_signature = |finding: &Finding| matches!(finding, Finding::Contradiction { at, .. } if at.ends_with("/nonce"));
    assert!(
        outcome.findings.iter().any(is_signature),
        "{:?}",
        outcome.findings
    );
}
