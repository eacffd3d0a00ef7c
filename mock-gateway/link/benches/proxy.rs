//! What the recording proxy adds to a request and its response over TCP on this machine.
//!
//! One run compares three ways to the same echo: directly, through the proxy, and through the proxy with a recorder. Look at
//! the ratios: all three share the machine. A socket at either end stands in for client and gateway.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench that cannot go on has nothing to say"
)]

use std::net::SocketAddr;

use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::{SinkExt as _, StreamExt as _};
use link::{FaultTable, Proxy, ProxyOptions};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use transcript::{Header, Recorder};

/// Echoes every message of every connection until the set is dropped.
async fn echo(tasks: &mut JoinSet<()>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(async move {
                stream.set_nodelay(true).unwrap();
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() && socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    addr
}

async fn connect(addr: SocketAddr) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let url = format!("ws://{addr}/");
    let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    socket
}

async fn round_trip(socket: &mut WebSocketStream<TcpStream>, frame: &str) {
    socket.send(Message::text(frame)).await.unwrap();
    socket.next().await.expect("an echo").unwrap();
}

fn proxy(c: &mut Criterion) {
    let frame = format!(
        r#"{{"type":"event","event":"echo","payload":{{"text":"{}"}}}}"#,
        "x".repeat(540)
    );
    let runtime = Runtime::new().unwrap();
    let mut tasks = JoinSet::new();
    let peer = runtime.block_on(echo(&mut tasks));
    let through = |recorder: Recorder| {
        let options = ProxyOptions::new(peer, recorder, FaultTable::new());
        runtime.block_on(async { Proxy::start(options).unwrap() })
    };
    let silent = through(Recorder::off());
    let recording = through(Recorder::in_memory(Header::new(1, "bench", "none")));
    let ways = [
        ("directly", peer),
        ("through the proxy", silent.addr()),
        ("through the recording proxy", recording.addr()),
    ];
    for (way, addr) in ways {
        let mut socket = runtime.block_on(connect(addr));
        c.bench_function(&format!("a 600-byte round trip over TCP, {way}"), |b| {
            b.iter(|| runtime.block_on(round_trip(&mut socket, &frame)));
        });
    }
    runtime.block_on(async {
        silent.stop().await;
        recording.stop().await;
        tasks.shutdown().await;
    });
}

criterion_group!(benches, proxy);
criterion_main!(benches);
