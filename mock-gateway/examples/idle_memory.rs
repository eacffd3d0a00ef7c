//! Resident memory of the gateway per idle connection.
//!
//! `cargo run --release -p mock-gateway --example idle_memory [connections]`: serves in this process, lets a second
//! process open the connections (signed connect, hello-ok, then silence), and compares `/proc/self/statm`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example that measures fails loudly and prints"
)]

#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "each program uses its part of the client")]
mod support;

#[path = "../benches/ground/table.rs"]
mod table;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use gateway_protocol::Keypair;
use mock_gateway::{Config, MockGateway};
use support::{TOKEN, tcp};
use tokio::runtime::Builder;

/// Connections opened before the first measurement, so that what is made once is not counted.
const WARM_UP: usize = 100;

const PAGE_BYTES: u64 = 4096;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    match arguments.as_slice() {
        [role, addr, connections] if role == "clients" => {
            runtime.block_on(clients(addr.parse().unwrap(), connections.parse().unwrap()));
        }
        [connections] => runtime.block_on(measure(connections.parse().unwrap())),
        _ => runtime.block_on(measure(2_000)),
    }
}

async fn measure(connections: usize) {
    let gateway = MockGateway::new()
        .config(Config::with_token(TOKEN))
        .serve_tcp(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let addr = gateway.addr().to_string();
    let warm = open(&addr, WARM_UP).await;
    let before = resident();
    let opened = open(&addr, connections).await;
    let after = resident();
    let each = (after - before) / connections as u64;
    println!(
        "{connections} idle connections: {each} bytes each ({before} to {after} bytes resident)"
    );
    table::print(&[table::Figure {
        what: "resident memory of an idle connection".to_owned(),
        target: "at most 12288 bytes",
        measured: format!("{each} bytes"),
        is_met: each <= 12 * 1024,
    }]);
    drop((warm, opened));
    gateway.stop().await;
}

/// A process that holds connections until it is dropped.
struct Clients(std::process::Child);

impl Drop for Clients {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }
}

async fn open(addr: &str, connections: usize) -> Clients {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["clients", addr, &connections.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let ready = tokio::task::spawn_blocking(move || {
        BufReader::new(stdout)
            .read_line(&mut String::new())
            .unwrap()
    });
    ready.await.unwrap();
    Clients(child)
}

async fn clients(addr: std::net::SocketAddr, connections: usize) {
    let key = Keypair::from_seed([5; 32]);
    let mut open = Vec::new();
    for _ in 0..connections {
        let mut client = tcp(addr).await;
        client.hello(&key).await;
        open.push(client);
    }
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    drop(open);
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * PAGE_BYTES
}
