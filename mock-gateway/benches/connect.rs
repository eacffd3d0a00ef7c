//! A full signed connect against a bare WebSocket connect, in the same run.
//!
//! `gateway`: TCP, upgrade, challenge, v3-signed connect verified, hello-ok, close. `bare`: TCP, upgrade, one echo of
//! the same size as the connect frame, close, with a tokio-tungstenite server. Both: one client thread, one server
//! thread, one connection after the other. Prints the p50 from challenge to hello-ok at the end, and beside it what that
//! consists of at least on this machine: one exchange with the bare echo, one signature, one verification.
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
use ground::{Ground, block_on, one_processor, runtime};
use serde_json::{Value, json};
use support::{Client, connect_frame, tcp};
use tokio::net::TcpStream;

/// Handshakes whose time is taken.
const LATENCIES: usize = 2_000;

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
    one_processor();
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
                Box::new(|| {
                    block_on(&runtime, signed_connect(&gateway, &key));
                }),
            ),
            (
                "gateway, recorded",
                Box::new(|| {
                    block_on(&runtime, signed_connect(&recorded, &key));
                }),
            ),
        ],
    );
    let (mut taken, mut floor) = (Vec::new(), Vec::new());
    let mut echoing = block_on(&runtime, tcp(bare.addr));
    // By turns: what the gateway still does about the end of one connection is not the next one's.
    for _ in 0..LATENCIES {
        floor.push(block_on(&runtime, least(&mut echoing, &key, &text)));
        taken.push(block_on(&runtime, signed_connect(&gateway, &key)));
    }
    tell(&walls, &mut taken, &mut floor);
}

/// The time of what stands between challenge and hello-ok at the least: an exchange, a signature, a verification.
async fn least(echo: &mut Client<TcpStream>, key: &Keypair, text: &str) -> Duration {
    let start = Instant::now();
    let signature = key.sign(text);
    echo.send(text).await;
    echo.text().await;
    assert!(key.public().verify(text, &signature));
    start.elapsed()
}

/// Prints the percentiles and the table.
fn tell(walls: &[Duration], taken: &mut [Duration], floor: &mut [Duration]) {
    let mut at = [Duration::ZERO; 3];
    for (name, times) in [
        ("echo, signature, verification", floor),
        ("challenge to hello-ok", taken),
    ] {
        times.sort_unstable();
        at = [10, 50, 99].map(|share| {
            let time = times.get(times.len() * share / 100);
            time.copied().unwrap_or_default()
        });
        let [p10, p50, p99] = at;
        eprintln!(
            "{name}: p10 {p10:?}, p50 {p50:?}, p99 {p99:?} of {}",
            times.len()
        );
    }
    let [_, p50, _] = at;
    let share = percent(walls, 1, 0);
    table::print(&[
        Figure {
            what: "signed connect against a bare one, rate (lowest decile)".to_owned(),
            target: "at least 40 %",
            measured: format!("{share:.0} %"),
            is_met: share >= 40.0,
        },
        Figure {
            what: "challenge to hello-ok, p50".to_owned(),
            target: "at most 120 us",
            measured: format!("{} us", p50.as_micros()),
            is_met: p50 <= Duration::from_micros(120),
        },
    ]);
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = connect
}
criterion_main!(benches);
