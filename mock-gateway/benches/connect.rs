//! A full signed connect against a bare WebSocket connect, in the same run.
//!
//! `gateway`: TCP, upgrade, challenge, v3-signed connect verified, hello-ok, close. `bare`: TCP, upgrade, one echo of
//! the same size as the connect frame, close, with a tokio-tungstenite server. Both: one client thread, one server
//! thread, one connection after the other. Prints the p50 from challenge to hello-ok at the end.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "a bench fails loudly")]

#[path = "../tests/support/mod.rs"]
mod support;

mod ground;

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gateway_protocol::Keypair;
use ground::{Ground, block_on, runtime};
use support::{Client, connect_frame, tcp};

async fn signed_connect(ground: &Ground, key: &Keypair) -> Duration {
    let mut client = tcp(ground.addr).await;
    let challenge = client.event("connect.challenge").await;
    let start = Instant::now();
    client.send(connect_frame(key, &challenge.payload)).await;
    client.response("connect").await.outcome.unwrap();
    let taken = start.elapsed();
    end(client).await;
    taken
}

async fn bare_connect(ground: &Ground, text: &str) {
    let mut client = tcp(ground.addr).await;
    client.send(text).await;
    client.text().await;
    end(client).await;
}

async fn end(mut client: Client<tokio::net::TcpStream>) {
    client.socket.close(None).await.ok();
    client.closed().await;
}

fn connect(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("connect");
    group.measurement_time(Duration::from_secs(8));
    let challenge = serde_json::json!({"nonce": "00000000-0000-4000-8000-000000000000", "ts": 0});
    let key = Keypair::from_seed([3; 32]);
    let text = connect_frame(&key, &challenge);

    let bare = Ground::bare();
    group.bench_function(BenchmarkId::new("bare", text.len()), |bencher| {
        bencher.iter(|| block_on(&runtime, bare_connect(&bare, &text)));
    });

    let mut taken = Vec::new();
    let gateway = Ground::gateway(false);
    group.bench_function("gateway", |bencher| {
        bencher.iter(|| taken.push(block_on(&runtime, signed_connect(&gateway, &key))));
    });
    let recorded = Ground::gateway(true);
    group.bench_function("gateway, recorded", |bencher| {
        bencher.iter(|| block_on(&runtime, signed_connect(&recorded, &key)));
    });
    group.finish();
    taken.sort_unstable();
    let at = |share: usize| taken.get(taken.len() * share / 100).copied().unwrap_or_default();
    eprintln!("challenge to hello-ok: p50 {:?}, p99 {:?} of {}", at(50), at(99), taken.len());
}

criterion_group!(benches, connect);
criterion_main!(benches);
