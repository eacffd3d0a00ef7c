//! What proof costs: redaction, the recording proxy, the report. docs/performance.md says how to read it.
//!
//! `proof_figures` measures what uses all processors, `proof_figures latency` what wants one (`taskset -c 1`).

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that can't go on has nothing to say, and its lines are its product"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use link::{FaultTable, Proxy, ProxyOptions};
use scenarios::report::html;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use transcript::{Draft, Follower, Header, Kind, Payload, Recorder, Redactor};

/// As the program `clawproof` has it, which is what redacts and stands between.
#[cfg(target_os = "linux")]
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes of a frame that passes the proxy.
const FRAME: usize = 600;
/// Round trips in one turn, and turns.
const TURN: u32 = 20;
const TURNS: usize = 400;
/// Frames of the flood, each way.
const FLOOD: usize = 200_000;
/// Frames of the report.
const MESSAGES: u64 = 10_000;

fn main() {
    if std::env::args().any(|argument| argument == "latency") {
        latency();
    } else {
        redaction();
        flood();
        report();
    }
}

fn figure(what: &str, target: &str, measured: &str, is_met: bool) {
    let verdict = if is_met { "met" } else { "NOT MET" };
    println!("figure: {what} | {target} | {measured} | {verdict}");
}

// --- redaction ---------------------------------------------------------------------------------------

/// Every message of the recorded real gateways, as it was said.
fn said() -> Vec<String> {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mock-gateway/core/recordings");
    let mut said = Vec::new();
    for release in ["2026.6.34", "2026.9.6"] {
        let folder = std::fs::read_dir(recordings.join(release)).expect("the recordings are there");
        let mut files: Vec<_> = folder.flatten().map(|file| file.path()).collect();
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(file).expect("a recording is text");
            let lines = text
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let frames = lines.filter_map(|line| {
                line.get("frame")
                    .filter(|frame| frame.get("type").is_some())
                    .cloned()
            });
            said.extend(frames.map(|frame| frame.to_string()));
        }
    }
    said
}

/// From the text of a message to the line of its redacted entry, on one core.
fn redaction() {
    let said = said();
    let bytes: usize = said.iter().map(String::len).sum();
    for (what, header) in [
        (
            "secrets",
            Header::new(1, "memory", "mock profile 2026.6.34"),
        ),
        (
            "secrets and names",
            Header::new(1, "recorded", "whoever answers"),
        ),
    ] {
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let recorder = Recorder::in_memory(header.clone());
            let mut redactor = Redactor::of_record(&header, &[]);
            for (at, text) in (0_u64..).zip(&said) {
                recorder.record(
                    Draft::new(at, Kind::Text)
                        .conn(1)
                        .payload(Payload::text(text.as_str())),
                );
            }
            let raw = recorder.raw_since(0);
            let began = Instant::now();
            let mut written = 0;
            for entry in &raw {
                written += redactor.line(entry).len();
            }
            best = best.min(began.elapsed());
            assert!(written > bytes / 2, "the lines hold the frames");
        }
        let rate = mega(bytes) / best.as_secs_f64();
        figure(
            &format!(
                "redaction of {} recorded frames, {:.1} MB, {what}, one core",
                said.len(),
                mega(bytes)
            ),
            "at least 300 MB/s",
            &format!("{rate:.0} MB/s"),
            rate >= 300.0,
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "megabytes for people")]
fn mega(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

// --- the recording proxy -----------------------------------------------------------------------------

fn frame() -> String {
    let text =
        |pad: &str| json!({"type": "event", "event": "echo", "payload": {"text": pad}}).to_string();
    text(&"x".repeat(FRAME - text("").len()))
}

/// A runtime on a thread of its own.
fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a thread")
}

/// As `clawproof record` has it: bytes pass, a copy is recorded, and a thread redacts and writes it.
struct Recording {
    proxy: Proxy,
    follower: Follower,
    recorder: Recorder,
}

impl Recording {
    fn start(runtime: &Runtime, upstream: SocketAddr) -> Self {
        let header = Header::new(1, "recorded", "whoever answers").resigned(1);
        let recorder = Recorder::in_memory(header);
        let file = tempfile::tempfile().expect("a file");
        let follower = Follower::start(&recorder, Box::new(std::io::BufWriter::new(file)), |_| {});
        let mut options = ProxyOptions::new(upstream, recorder.clone(), FaultTable::new());
        options.only_records = true;
        let proxy = runtime.block_on(async { Proxy::start(options).expect("a free port") });
        Self {
            proxy,
            follower,
            recorder,
        }
    }

    /// How long the thread still writes when everything has passed.
    fn end(self, runtime: &Runtime) -> Duration {
        let began = Instant::now();
        runtime.block_on(self.proxy.stop());
        self.follower.finish().expect("the file is written");
        began.elapsed()
    }
}

async fn connected(addr: SocketAddr) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(addr).await.expect("somebody listens");
    stream.set_nodelay(true).expect("a socket");
    let (socket, _) = tokio_tungstenite::client_async(format!("ws://{addr}/"), stream)
        .await
        .expect("an upgrade");
    socket
}

/// Direct and recorded round trips take turns on one processor; the medians are compared.
fn latency() {
    let (ours, theirs, between) = (runtime(), runtime(), runtime());
    let listener = theirs
        .block_on(TcpListener::bind(("127.0.0.1", 0)))
        .expect("a free port");
    let peer = listener.local_addr().expect("an address");
    theirs.spawn(async move {
        let mut echoes = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            echoes.spawn(async move {
                stream.set_nodelay(true).expect("a socket");
                let mut socket = tokio_tungstenite::accept_async(stream)
                    .await
                    .expect("an upgrade");
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() && socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let recording = Recording::start(&between, peer);
    let mut ways =
        [peer, recording.proxy.addr()].map(|addr| (ours.block_on(connected(addr)), Vec::new()));
    let frame = frame();
    for _ in 0..TURNS {
        for (socket, taken) in &mut ways {
            ours.block_on(async {
                for _ in 0..TURN {
                    let began = Instant::now();
                    socket
                        .send(Message::text(frame.as_str()))
                        .await
                        .expect("it is sent");
                    socket.next().await.expect("an echo").expect("an echo");
                    taken.push(began.elapsed());
                }
            });
        }
    }
    let [direct, recorded] = ways.map(|(_, mut taken)| {
        taken.sort_unstable();
        taken.get(taken.len() / 2).copied().unwrap_or_default()
    });
    recording.end(&between);
    let added = recorded.saturating_sub(direct);
    figure(
        "recording proxy: added to a 600-byte round trip, median, one processor",
        "at most 25 us",
        &format!("{:.1} us ({:.1} us direct)", micros(added), micros(direct)),
        added <= Duration::from_micros(25),
    );
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// As many frames as pass in both directions at once, recorded meanwhile, and all of them in the file at the end.
fn flood() {
    let (ends, between) = (runtime(), runtime());
    let listener = ends
        .block_on(TcpListener::bind(("127.0.0.1", 0)))
        .expect("a free port");
    let recording = Recording::start(&between, listener.local_addr().expect("an address"));
    let addr = recording.proxy.addr();
    let took = ends.block_on(async {
        let client = TcpStream::connect(addr);
        let upgrade = b"GET / HTTP/1.1\r\nupgrade: websocket\r\n\r\n";
        let switch = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
        let mut client = client.await.expect("somebody listens");
        client.write_all(upgrade).await.expect("it is sent");
        let (mut gateway, _) = listener.accept().await.expect("somebody comes");
        let mut head = vec![0; upgrade.len()];
        gateway.read_exact(&mut head).await.expect("the upgrade");
        gateway.write_all(switch).await.expect("it is sent");
        let mut head = vec![0; switch.len()];
        client.read_exact(&mut head).await.expect("the answer");
        let began = Instant::now();
        tokio::join!(pour(client), pour(gateway));
        began.elapsed()
    });
    let recorded = recording.recorder.len();
    let after = recording.end(&between);
    let sent = u64::try_from(2 * FLOOD).unwrap_or_default();
    assert!(recorded >= 2 * sent, "{recorded} entries of {sent} frames");
    let rate = count(2 * FLOOD) / took.as_secs_f64();
    figure(
        &format!(
            "recording proxy: 600-byte frames a second, {} both ways",
            2 * FLOOD
        ),
        "at least 60000",
        &format!(
            "{rate:.0}, written {:.1} s after the last",
            after.as_secs_f64()
        ),
        rate >= 60_000.0,
    );
}

#[expect(clippy::cast_precision_loss, reason = "counts for people")]
fn count(number: usize) -> f64 {
    number as f64
}

/// Writes the flood and reads the other one.
async fn pour(stream: TcpStream) {
    let text = frame();
    let length = u16::try_from(text.len()).expect("a short frame");
    let mut one = vec![0x81, 126];
    one.extend(length.to_be_bytes());
    one.extend(text.as_bytes());
    let batch = one.repeat(50);
    let (mut from, mut to) = stream.into_split();
    let writing = async {
        for _ in 0..FLOOD / 50 {
            to.write_all(&batch).await.expect("it is sent");
        }
    };
    let reading = async {
        let mut left = one.len() * FLOOD;
        let mut buffer = vec![0; 256 * 1024];
        while left > 0 {
            let count = from.read(&mut buffer).await.expect("the other flood");
            assert!(count > 0, "the other side ended early");
            left -= count;
        }
    };
    tokio::join!(writing, reading);
}

// --- the report --------------------------------------------------------------------------------------

/// A run folder's files with one scenario of ten thousand frames.
fn files() -> BTreeMap<String, Vec<u8>> {
    let recorder = Recorder::in_memory(Header::new(1, "memory", "mock profile 2026.6.34"));
    recorder.record(Draft::new(0, Kind::Open).conn(1).actor("companion"));
    for n in 0..MESSAGES {
        let frame = match n % 3 {
            0 => json!({"type": "req", "id": format!("r-{n}"), "method": "health", "params": {}}),
            1 => {
                json!({"type": "res", "id": format!("r-{}", n - 1), "ok": true, "payload": {"ok": true, "n": n}})
            }
            _ => json!({"type": "event", "event": "tick", "payload": {"ts": n}, "seq": n}),
        };
        let dir = if n % 3 == 0 {
            transcript::Direction::ClientToGateway
        } else {
            transcript::Direction::GatewayToClient
        };
        recorder.record(
            Draft::new(n * 1000, Kind::Text)
                .conn(1)
                .passing(dir, transcript::Stage::Sent)
                .payload(Payload::text(frame.to_string())),
        );
    }
    let place = "scenarios/network-recovery/ten-thousand/memory";
    let verdict = json!({"scenario": "network-recovery/ten-thousand", "world": "memory", "title": "ten thousand", "verdict": "passed", "findings": []});
    [
        (
            format!("{place}/transcript.jsonl"),
            recorder.transcript().to_jsonl(),
        ),
        (format!("{place}/verdict.json"), verdict.to_string()),
    ]
    .map(|(path, text)| (path, text.into_bytes()))
    .into()
}

fn report() {
    let files = files();
    let mut best = Duration::MAX;
    let mut size = 0;
    for _ in 0..5 {
        let began = Instant::now();
        size = html::page(&files).len();
        best = best.min(began.elapsed());
    }
    figure(
        "report of 10000 frames: written",
        "under 300 ms",
        &format!("{:.0} ms", best.as_secs_f64() * 1e3),
        best < Duration::from_millis(300),
    );
    figure(
        "report of 10000 frames: size",
        "at most 2 MB",
        &format!("{:.2} MB", mega(size)),
        size <= 2_000_000,
    );
}
