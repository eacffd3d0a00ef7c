//! What recording costs a message, and what redaction costs afterwards.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use transcript::canary::Canary;
use transcript::{Direction, Draft, Header, Kind, Payload, Recorder, Redactor, Stage};

fn frame(bytes: usize) -> String {
    let pad = "x".repeat(bytes.saturating_sub(120));
    format!(
        r#"{{"type":"req","id":"c1-1","method":"health","params":{{"auth":{{"deviceToken":"tok-0123456789abcdef"}},"pad":"{pad}"}}}}"#
    )
}

fn message(recorder: &Recorder, text: &str) {
    let payload = Payload::text(text);
    for stage in [Stage::Sent, Stage::Delivered] {
        recorder.record(
            Draft::new(1, Kind::Text)
                .conn(1)
                .passing(Direction::ClientToGateway, stage)
                .payload(payload.clone()),
        );
    }
}

/// Messages per recorder: a run's worth, so that memory is used as in a run.
const MESSAGES: u64 = 1000;

fn record(c: &mut Criterion) {
    let text = frame(600);
    let header = || Header::new(1, "bench", "none");
    let mut group = c.benchmark_group("1000 messages of 600 bytes, sent and delivered");
    group.throughput(Throughput::Elements(MESSAGES));
    group.bench_function("recorded", |b| {
        b.iter_batched(
            || Recorder::in_memory(header()),
            |recorder| fill(recorder, &text),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("streamed", |b| {
        b.iter_batched(
            || Recorder::to_writer(header(), Box::new(std::io::sink())),
            |recorder| fill(recorder, &text),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("recorded, then redacted", |b| {
        b.iter_batched(
            || fill(Recorder::in_memory(header()), &text),
            |recorder| recorder.transcript(),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn fill(recorder: Recorder, text: &str) -> Recorder {
    for _ in 0..MESSAGES {
        message(&recorder, black_box(text));
    }
    recorder
}

fn redact(c: &mut Criterion) {
    let text = frame(600);
    let value = serde_json::from_str(&text).unwrap_or_default();
    c.bench_function("redact a 600-byte frame, 12 secrets known", |b| {
        b.iter_batched_ref(
            || {
                let mut redactor = Redactor::new();
                for n in 0..12 {
                    redactor.register("device-token", &format!("{n}-secret-token-of-a-device-{n}"));
                }
                redactor.redact(&value);
                redactor
            },
            |redactor| redactor.redact(black_box(&value)),
            BatchSize::LargeInput,
        );
    });
}

/// Ten thousand tokens, as a storm of reconnects leaves them.
fn tokens(count: u32) -> Vec<(String, String)> {
    let mut canary = Canary::new(1);
    for _ in 0..count {
        canary.plant("device-token");
    }
    canary.secrets().to_vec()
}

/// Both must grow with the number of secrets, or not at all: ten times as many take ten times as long to learn, and
/// a text takes as long as before.
fn many_secrets(c: &mut Criterion) {
    let text = "{\"event\":\"tick\",\"payload\":{\"ts\":1795600000000,\"note\":\"nothing to hide in here\"}}\n"
        .repeat(14_000);
    let mut group = c.benchmark_group("many secrets");
    group.sample_size(10);
    for count in [100, 1_000, 10_000] {
        let secrets = tokens(count);
        group.throughput(Throughput::Elements(u64::from(count)));
        group.bench_function(format!("learn {count}"), |b| {
            b.iter(|| Redactor::with_secrets(black_box(&secrets)));
        });
        let mut redactor = Redactor::with_secrets(&secrets);
        // A byte that is no text, so that only the search is measured and not the places where secrets stand.
        let bytes = [text.as_bytes(), &[0xff]].concat();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("search 1 MB for {count}"), |b| {
            b.iter(|| redactor.redact_bytes(black_box(&bytes)).len());
        });
    }
    group.finish();
}

criterion_group!(benches, record, redact, many_secrets);
criterion_main!(benches);
