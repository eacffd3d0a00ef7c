//! Request and response on one connection, closed loop, frames of 600 bytes, against a bare echo in the same run.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "a bench fails loudly")]

#[path = "../tests/support/mod.rs"]
mod support;

mod ground;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gateway_protocol::Keypair;
use ground::{Ground, block_on, runtime};
use serde_json::json;
use support::tcp;

const FRAME_BYTES: usize = 600;

/// A request of exactly [`FRAME_BYTES`] whose answer has about as many: an invalid parameter is named back.
fn request() -> String {
    let frame = |padding: usize| {
        json!({"type": "req", "id": "r", "method": "last-heartbeat", "params": {"x".repeat(padding): 1}}).to_string()
    };
    frame(FRAME_BYTES - frame(0).len())
}

fn echo(criterion: &mut Criterion) {
    let runtime = runtime();
    let text = request();
    assert_eq!(text.len(), FRAME_BYTES);
    let mut group = criterion.benchmark_group("request");
    group.measurement_time(Duration::from_secs(6));

    let bare = Ground::bare();
    let mut client = block_on(&runtime, tcp(bare.addr));
    group.bench_function("bare echo", |bencher| {
        bencher.iter(|| {
            block_on(&runtime, async {
                client.send(text.as_str()).await;
                client.text().await.len()
            })
        });
    });

    for (name, recorded) in [("gateway", false), ("gateway, recorded", true)] {
        let gateway = Ground::gateway(recorded);
        let mut client = block_on(&runtime, async {
            let mut client = tcp(gateway.addr).await;
            client.hello(&Keypair::from_seed([4; 32])).await;
            client.event("health").await;
            client
        });
        let mut answer = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                block_on(&runtime, async {
                    client.send(text.as_str()).await;
                    answer = client.text().await.len();
                });
            });
        });
        eprintln!("{name}: answers of {answer} bytes");
    }
    group.finish();
}

criterion_group!(benches, echo);
criterion_main!(benches);
