//! A full signed connect against a bare WebSocket connect, in the same run.
//!
//! `gateway`: TCP, upgrade, challenge, v3-signed connect verified, hello-ok, close. `bare`: TCP, upgrade, one echo of
//! the same size as the connect frame, close, with a tokio-tungstenite server. Both: one client thread, one server
//! thread, one connection after the other. Prints the p50 from challenge to hello-ok at the end.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a bench fails loudly"
)]

#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "each program uses its part of the client")]
mod support;

mod ground;

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use gateway_protocol::Keypair;
use ground::race::{percent, race};
use ground::table::{self, Figure};
use ground::{Ground, block_on, runtime};
use serde_json::{Value, json};
use support::{Client, connect_frame, tcp};
use tokio::net::TcpStream;

/// Returns the time from the challenge to hello-ok, the client's signing included.
async fn signed_connect(ground: &Ground, key: &Keypair) -> Duration {
    let mut client = tcp(ground.addr).await;
    let challenge: Value = serde_json::from_str(&client.text().await).unwrap();
    let start = Instant::now();
    client.send(connect_frame(key, &challenge["payload"])).await;
    let hello = client.text().await;
    let taken = start.elapsed();
    assert!(
        hello.starts_with(r#"{"type":"res","id":"connect","ok":true"#),
        "{hello}"
    );
    end(client).await;
    taken
}

async fn bare_connect(ground: &Ground, text: &str) {
    let mut client = tcp(ground.addr).await;
    client.send(text).await;
    client.text().await;
    end(client).await;
}

async fn end(mut client: Client<TcpStream>) {
    client.socket.close(None).await.ok();
    client.closed().await;
}

fn connect(criterion: &mut Criterion) {
    let runtime = runtime();
    let key = Keypair::from_seed([3; 32]);
    let text = connect_frame(
        &key,
        &json!({"nonce": "00000000-0000-4000-8000-000000000000", "ts": 0}),
    );
    let (bare, gateway, recorded) = (
        Ground::bare(),
        Ground::gateway(false),
        Ground::gateway(true),
    );
    let mut group = criterion.benchmark_group("connect");
    group.bench_function("bare", |bencher| {
        bencher.iter(|| block_on(&runtime, bare_connect(&bare, &text)));
    });
    for (name, ground) in [("gateway", &gateway), ("gateway, recorded", &recorded)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| block_on(&runtime, signed_connect(ground, &key)));
        });
    }
    group.finish();

    let mut taken = Vec::new();
    let walls = race(
        "connect",
        5,
        vec![
            (
                "bare",
                Box::new(|| block_on(&runtime, bare_connect(&bare, &text))),
            ),
            (
                "gateway",
                Box::new(|| taken.push(block_on(&runtime, signed_connect(&gateway, &key)))),
            ),
            (
                "gateway, recorded",
                Box::new(|| {
                    block_on(&runtime, signed_connect(&recorded, &key));
                }),
            ),
        ],
    );
    tell(&walls, &mut taken);
}

/// Prints the percentiles and the table.
fn tell(walls: &[Duration], taken: &mut [Duration]) {
    taken.sort_unstable();
    let at = |share: usize| {
        taken
            .get(taken.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    eprintln!(
        "challenge to hello-ok: p10 {:?}, p50 {:?}, p99 {:?} of {}",
        at(10),
        at(50),
        at(99),
        taken.len()
    );
    let share = percent(walls, 1, 0);
    table::print(&[
        Figure {
            what: "signed connect against a bare one, rate (lowest decile)",
            target: "at least 40 %",
            measured: format!("{share:.0} %"),
            is_met: share >= 40.0,
        },
        Figure {
            what: "challenge to hello-ok, p50",
            target: "at most 120 us",
            measured: format!("{} us", at(50).as_micros()),
            is_met: at(50) <= Duration::from_micros(120),
        },
    ]);
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = connect
}
criterion_main!(benches);
