//! The mock and the real gateway side by side: start, signed connects, memory; ratios of one run.
//!
//! ```text
//! clawproof fetch gateway-2026.6.34 gateway-2026.9.6 schema
//! cargo build --release --workspace --bins && cargo run --release -p scenarios --example side_by_side
//! ```
//!
//! Both are processes of their own, and the same client connects to both: TCP, upgrade, challenge, a signed
//! `connect` of a paired device, hello-ok, one connection after the other. Ends with lines `figure:`; exits with
//! 22 where the real gateway can't be had.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it prints its figures"
)]

#[path = "../../mock-gateway/benches/ground/table.rs"]
mod table;

use std::error::Error;
use std::net::SocketAddr;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use gateway_protocol::{
    AuthParams, ClientInfo, ConnectParams, DeviceParams, Frame, Keypair, Request, SignatureVersion,
    UnixMillis,
};
use scenarios::fetch::{Cache, Component};
use scenarios::process::{ChildTree, resident_bytes};
use scenarios::real::{RELEASES, RealError, RealGateway, RealOptions};
use serde_json::Value;
use table::Figure;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

type Failure = Box<dyn Error>;

/// Connects that are not counted: the first one pairs the device, and both sides warm up.
const WARM_UP: u32 = 5;
/// On 2026.9.6 every one of them leaves an entry in the list that hello-ok carries: both sides make as many.
const CONNECTS: u32 = 60;
/// The mock's are over in an instant, so several mocks are started, and the median of them is told.
const MOCKS: usize = 7;
/// What the mock does after many: with 2026.9.6, the whole list in each hello-ok.
const MANY_CONNECTS: u32 = 1_000;
/// The program whose figures count.
const ALONE: &str = "mock-gateway";
const TOKEN: &str = "side-by-side-shared-token";
/// How both begin it.
const HELLO: &str = r#"{"type":"res","id":"1","ok":true,"#;

/// What was measured of one gateway.
struct Figures {
    start: Duration,
    connects_per_second: f64,
    resident_bytes: u64,
}

/// Of all mocks the one in the middle.
fn median(mut mocks: Vec<Figures>) -> Option<Figures> {
    mocks.sort_by(|one, other| {
        one.connects_per_second
            .total_cmp(&other.connects_per_second)
    });
    let middle = mocks.len() / 2;
    mocks.into_iter().nth(middle)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match compare().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let absent = matches!(
                error.downcast_ref::<RealError>(),
                Some(RealError::Missing(_))
            );
            ExitCode::from(if absent { 22 } else { 1 })
        }
    }
}

async fn compare() -> Result<(), Failure> {
    for release in RELEASES {
        let real = real(release).await?;
        let mut mocks = Vec::new();
        for _ in 0..MOCKS {
            mocks.push(mock(ALONE, release, CONNECTS).await?);
        }
        let alone = median(mocks).ok_or("no mock was started")?;
        let many = mock(ALONE, release, MANY_CONNECTS).await?;
        let whole = mock("clawproof", release, CONNECTS).await?;
        table::print(&beside(release, &real, &alone));
        println!(
            "yardstick: {release}: clawproof serve, the same inside the harness, is ready after {:.1} ms and keeps {} MB resident",
            whole.start.as_secs_f64() * 1e3,
            whole.resident_bytes >> 20,
        );
        println!(
            "{release}: over {MANY_CONNECTS} connects the mock does {:.0} a second, {:.0} times as many",
            many.connects_per_second,
            many.connects_per_second / real.connects_per_second,
        );
    }
    Ok(())
}

/// What is wanted of the mock beside `real`.
fn beside(release: &str, real: &Figures, mock: &Figures) -> [Figure; 3] {
    let (real_start, mock_start) = (real.start.as_secs_f64(), mock.start.as_secs_f64());
    let connects = mock.connects_per_second / real.connects_per_second;
    let memory = real.resident_bytes / mock.resident_bytes.max(1);
    [
        Figure {
            what: format!("{release}: start to ready"),
            target: "at least 100 times faster",
            measured: format!(
                "{real_start:.2} s and {:.1} ms: {:.0} times",
                mock_start * 1e3,
                real_start / mock_start
            ),
            is_met: real_start / mock_start >= 100.0,
        },
        Figure {
            what: format!("{release}: full signed connects a second"),
            target: "at least 50 times as many",
            measured: format!(
                "{:.0} and {:.0}: {connects:.0} times",
                real.connects_per_second, mock.connects_per_second
            ),
            is_met: connects >= 50.0,
        },
        Figure {
            what: format!("{release}: resident memory"),
            target: "at most 1/40",
            measured: format!(
                "{} and {} MB: 1/{memory}",
                real.resident_bytes >> 20,
                mock.resident_bytes >> 20
            ),
            is_met: memory >= 40,
        },
    ]
}

async fn real(release: &str) -> Result<Figures, Failure> {
    let mut options = RealOptions::new(release);
    TOKEN.clone_into(&mut options.token);
    let gateway = RealGateway::start(&Cache::open().map_err(RealError::from)?, options).await?;
    let address = SocketAddr::from(([127, 0, 0, 1], gateway.port()));
    let connects_per_second = connects(address, CONNECTS).await?;
    let figures = Figures {
        start: gateway.started_in(),
        connects_per_second,
        resident_bytes: gateway.rss_bytes().ok_or("its memory is not told here")?,
    };
    gateway.terminate().await?;
    Ok(figures)
}

/// A mock with the published schema, from a program that was built beside this example: `mock-gateway`, the figures' own,
/// or `clawproof serve`, the same inside the whole harness.
async fn mock(program: &str, release: &str, count: u32) -> Result<Figures, Failure> {
    let here = std::env::current_exe()?;
    let folder = here.parent().and_then(|examples| examples.parent());
    let path = folder.ok_or("no folder of programs")?.join(program);
    let began = Instant::now();
    let mut command = tokio::process::Command::new(path);
    if program == ALONE {
        let schema = Cache::open()?.locate(Component::Schema)?.entry();
        command.arg("--schema").arg(schema);
    } else {
        command.arg("serve");
    }
    command
        .args(["--token", TOKEN, "--profile", release])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut tree = ChildTree::spawn(&mut command)?;
    let stdout = tree.child().stdout.take().ok_or("no output")?;
    let first = BufReader::new(stdout).lines().next_line().await?;
    let ready: Value = serde_json::from_str(&first.ok_or("it ended")?)?;
    let url = ready.get("url").and_then(Value::as_str).ok_or("no url")?;
    let address: SocketAddr = url
        .trim_start_matches("ws://")
        .trim_end_matches('/')
        .parse()?;
    let start = began.elapsed();
    let process = tree.id().ok_or("it ended")?;
    let connects_per_second = connects(address, count).await?;
    let resident_bytes = resident_bytes(process).ok_or("its memory is not told here")?;
    let figures = Figures {
        start,
        connects_per_second,
        resident_bytes,
    };
    tree.terminate(Duration::from_secs(5)).await?;
    Ok(figures)
}

async fn connects(address: SocketAddr, count: u32) -> Result<f64, Failure> {
    let key = Keypair::from_seed([7; 32]);
    for _ in 0..WARM_UP {
        connect(address, &key).await?;
    }
    let began = Instant::now();
    for _ in 0..count {
        connect(address, &key).await?;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

/// One connection up to hello-ok.
async fn connect(address: SocketAddr, key: &Keypair) -> Result<(), Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut socket, _response) =
        tokio_tungstenite::client_async(format!("ws://{address}/"), stream).await?;
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else {
            continue;
        };
        // Reading a hello-ok of 70 KB would be the client's time, which is not what is measured.
        if text.as_str().starts_with(HELLO) {
            return Ok(());
        }
        match Frame::parse(text.as_str())? {
            Frame::Event(event) => {
                if let Some(nonce) = event.payload.get("nonce").and_then(Value::as_str) {
                    let params = serde_json::to_value(params(key, nonce))?;
                    let request = Frame::Request(Request::new("1", "connect", Some(params)));
                    socket.send(Message::text(request.to_text())).await?;
                }
            }
            Frame::Response(response) => {
                response.outcome.map_err(|error| error.message)?;
                return Err(format!("a hello-ok that does not begin with {HELLO}").into());
            }
            Frame::Request(_) => {}
        }
    }
    Err("the connection ended before hello-ok".into())
}

fn params(key: &Keypair, nonce: &str) -> ConnectParams {
    let since_epoch = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let mut params = ConnectParams {
        min_protocol: 4,
        max_protocol: 4,
        client: ClientInfo {
            id: "test".to_owned(),
            version: "1".to_owned(),
            platform: "linux".to_owned(),
            mode: "test".to_owned(),
            ..ClientInfo::default()
        },
        role: Some("operator".to_owned()),
        scopes: Some(vec!["operator.read".to_owned()]),
        auth: Some(AuthParams {
            token: Some(TOKEN.to_owned()),
            ..AuthParams::default()
        }),
        ..ConnectParams::default()
    };
    params.device = Some(DeviceParams {
        id: key.device_id().to_string(),
        public_key: key.public().to_base64url(),
        signature: None,
        signed_at: UnixMillis(0).plus(since_epoch).0,
        nonce: nonce.to_owned(),
    });
    let signature = params
        .signature_payload()
        .map(|payload| key.sign(&payload.text(SignatureVersion::V3)));
    if let Some(device) = &mut params.device {
        device.signature = signature;
    }
    params
}
