//! Request and response on one connection, closed loop, frames of 600 bytes, against a bare echo in the same run.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a bench fails loudly"
)]

#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "each program uses its part of the client")]
mod support;

mod ground;

use std::net::SocketAddr;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gateway_protocol::Keypair;
use ground::race::{Contender, percent, race};
use ground::table::{self, Figure};
use ground::{FRAME_BYTES, Ground, block_on, one_processor, runtime};
use serde_json::json;
use support::{Client, tcp};
use tokio::net::TcpStream;

/// A request of [`FRAME_BYTES`]; the answer has as many.
fn request() -> String {
    let frame = |text: &str| {
        json!({"type": "req", "id": "r", "method": "bench.echo", "params": {"text": text}})
            .to_string()
    };
    frame(&"x".repeat(FRAME_BYTES - frame("").len()))
}

async fn exchange(client: &mut Client<TcpStream>, text: &str) {
    client.send(text).await;
    loop {
        let answer = client.text().await;
        // A tick may come between: the clock of a bench is the real one.
        if !answer.starts_with(r#"{"type":"event""#) {
            assert_eq!(answer.len(), FRAME_BYTES, "{answer}");
            return;
        }
    }
}

async fn connected(addr: SocketAddr) -> Client<TcpStream> {
    let mut client = tcp(addr).await;
    client.hello(&Keypair::from_seed([4; 32])).await;
    client.event("health").await;
    client
}

fn echo(criterion: &mut Criterion) {
    one_processor();
    let runtime = runtime();
    let text = request();
    let (bare, gateway, recorded) = (
        Ground::bare(),
        Ground::gateway(false),
        Ground::gateway(true),
    );
    let mut clients = [
        ("bare echo", block_on(&runtime, tcp(bare.addr))),
        ("gateway", block_on(&runtime, connected(gateway.addr))),
        (
            "gateway, recorded",
            block_on(&runtime, connected(recorded.addr)),
        ),
    ];
    let mut group = criterion.benchmark_group("request");
    for (name, client) in &mut clients {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| block_on(&runtime, exchange(client, &text)));
        });
    }
    group.finish();
    let contenders = clients.iter_mut().map(|(name, client)| -> Contender<'_> {
        (
            name,
            Box::new(|| block_on(&runtime, exchange(client, &text))),
        )
    });
    let walls = race("request", 100, contenders.collect());
    let share = percent(&walls, 1, 0);
    let cost = 100.0 - percent(&walls, 2, 1);
    table::print(&[
        Figure {
            what: "request and response against a bare echo, rate (lowest decile)".to_owned(),
            target: "at least 50 %",
            measured: format!("{share:.0} %"),
            is_met: share >= 50.0,
        },
        Figure {
            what: "what recording costs a request (lowest decile)".to_owned(),
            target: "at most 15 %",
            measured: format!("{cost:.0} %"),
            is_met: cost <= 15.0,
        },
    ]);
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = echo
}
criterion_main!(benches);
