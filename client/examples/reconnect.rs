//! Many clients in one process: what each takes of memory, and how fast all are back after the gateway restarts.
//!
//! `cargo run --release -p gateway-client --example reconnect [clients]`: a thousand of them, or 100 and as many as it says.
//! Serves the mock gateway in a second process, connects the clients (real sockets, both ends signed and checked), compares
//! `/proc/self/statm`, and restarts the gateway. All clients are one device, so that one approval is enough.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example that measures fails loudly and prints"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use client_core::backoff::DELAYS_MS;
use client_core::url::GatewayUrl;
use client_core::{ClientOptions, DurableState, GatewayRecord, Intent, OperatorState, Snapshot};
use gateway_client::{ClientHandle, Clock, Connector, MemoryState, MemoryStore, Setup};
use gateway_protocol::SharedToken;
use mock_gateway::{Config, Control, MockGateway};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Builder;

/// Clients connected before the first measurement, so that what is made once is not counted.
const WARM_UP: usize = 100;

const PAGE_BYTES: u64 = 4096;

/// Bytes that a client may take.
const LIMIT_BYTES: u64 = 60 * 1024;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    match arguments.as_slice() {
        [role] if role == "gateway" => runtime.block_on(serve()),
        [clients] => runtime.block_on(measure(clients.parse().unwrap())),
        _ => runtime.block_on(measure(1_000 - WARM_UP)),
    }
}

/// The second process: a command a line in, an answer a line out.
async fn serve() {
    let gateway = MockGateway::new().config(Config::with_token("shared"));
    let gateway = gateway.serve_tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
    println!("{}", gateway.ws_url());
    loop {
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
            line
        });
        let line = line.await.unwrap();
        if line.is_empty() {
            return gateway.stop().await;
        }
        let command: Control = serde_json::from_str(&line).unwrap();
        gateway.control(command).await.unwrap();
        println!("done");
    }
}

struct Gateway {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    url: String,
}

impl Gateway {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("gateway")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let mut url = String::new();
        answers.read_line(&mut url).unwrap();
        Self {
            child,
            commands,
            answers,
            url: url.trim().to_owned(),
        }
    }

    fn control(&mut self, command: &Control) {
        let line = serde_json::to_string(command).unwrap();
        writeln!(self.commands.as_mut().unwrap(), "{line}").unwrap();
        self.answers.read_line(&mut String::new()).unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.commands.take());
        self.child.wait().ok();
    }
}

async fn measure(count: usize) {
    let mut gateway = Gateway::start();
    let state = pair(&mut gateway).await;
    let mut clients = connect(&state, 0, WARM_UP).await;
    let before = resident();
    clients.extend(connect(&state, WARM_UP, count).await);
    let each = (resident() - before) / u64::try_from(count).unwrap();
    figure(
        "resident memory of a connected client",
        &format!("at most {LIMIT_BYTES} bytes"),
        &format!("{each} bytes"),
        each <= LIMIT_BYTES,
    );

    // The slowest first delay of the backoff, and a tenth.
    let floor = Duration::from_millis(DELAYS_MS[0]) * 5 / 4;
    let limit = floor * 11 / 10;
    let restart = Control::Restart {
        down_for_ms: Some(500),
        reason: None,
    };
    let start = Instant::now();
    gateway.control(&restart);
    for client in &clients {
        until(client, |now| now.operator.state != OperatorState::Connected).await;
    }
    for client in &clients {
        until(client, |now| now.operator.state == OperatorState::Connected).await;
    }
    let taken = start.elapsed();
    figure(
        &format!("{} clients are back after a restart", clients.len()),
        &format!("at most {} ms", limit.as_millis()),
        &format!("{} ms", taken.as_millis()),
        taken <= limit,
    );
    for client in clients {
        client.shutdown().await;
    }
}

/// The state of a device that the gateway knows.
async fn pair(gateway: &mut Gateway) -> DurableState {
    let mut record = GatewayRecord::new("g", gateway.url.clone());
    record.shared_gateway_token = Some(SharedToken::new("shared"));
    let mut state = DurableState::default();
    state.registry.upsert(record);
    state.registry.active_id = Some("g".to_owned());
    let state = MemoryState::new(state);
    let client = spawn(MemoryStore::over(state.clone()), 0);
    client.intent(Intent::Connect).await.unwrap();
    until(&client, |now| {
        now.operator.state == OperatorState::PairingRequired
    })
    .await;
    gateway.control(&Control::Approve {
        request_id: "latest".to_owned(),
    });
    until(&client, |now| {
        now.operator.state == OperatorState::Connected
    })
    .await;
    client.shutdown().await;
    state.read()
}

/// Connects clients from this number on, one after the other.
async fn connect(state: &DurableState, first: usize, count: usize) -> Vec<ClientHandle> {
    let mut clients = Vec::with_capacity(count);
    for number in first..first + count {
        let client = spawn(MemoryStore::new(state.clone()), number);
        client.intent(Intent::Connect).await.unwrap();
        until(&client, |now| {
            now.operator.state == OperatorState::Connected
        })
        .await;
        clients.push(client);
    }
    clients
}

/// Dials from an address of its own, as a companion on its own computer does: a gateway lets only so many sockets of one
/// address wait for their handshake.
struct From(Ipv4Addr);

impl From {
    fn of(number: usize) -> Self {
        let number = u32::try_from(number).unwrap();
        Self(Ipv4Addr::from_bits(
            Ipv4Addr::new(127, 1, 0, 1).to_bits() + number,
        ))
    }
}

impl Connector for From {
    type Stream = TcpStream;

    async fn connect(&self, url: &str) -> std::io::Result<TcpStream> {
        let url = GatewayUrl::parse(url).unwrap();
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.0, 0).into())?;
        let gateway = (Ipv4Addr::LOCALHOST, url.port).into();
        let stream = socket.connect(gateway).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

fn spawn(store: MemoryStore, number: usize) -> ClientHandle {
    let options = ClientOptions {
        seed: u64::try_from(number).unwrap(),
        node_enabled: false,
        ..ClientOptions::default()
    };
    let setup = Setup::new(options, store, From::of(number), Clock::system());
    let mut client = setup.spawn().unwrap();
    // Nobody watches: what a gateway broadcasts would stay in the queue of events, 4,096 of them.
    drop(client.events());
    client
}

async fn until(client: &ClientHandle, is_so: impl Fn(&Snapshot) -> bool) {
    let mut snapshot = client.snapshot();
    drop(snapshot.wait_for(|now| is_so(now)).await.unwrap());
}

fn figure(what: &str, target: &str, measured: &str, is_met: bool) {
    let verdict = if is_met { "met" } else { "NOT MET" };
    println!("figure: {what} | {target} | {measured} | {verdict}");
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * PAGE_BYTES
}
