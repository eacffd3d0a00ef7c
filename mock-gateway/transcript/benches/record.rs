//! What recording costs a message, and what redaction costs afterwards.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
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

fn record(c: &mut Criterion) {
    let text = frame(600);
    let recorder = Recorder::in_memory(Header::new(1, "bench", "none"));
    c.bench_function("record a 600-byte message, sent and delivered", |b| {
        b.iter(|| message(&recorder, black_box(&text)));
    });
    let recorder = Recorder::to_writer(Header::new(1, "bench", "none"), Box::new(std::io::sink()));
    recorder.register_secret("shared-token", "a-shared-token-of-the-bench");
    c.bench_function("stream a 600-byte message, sent and delivered", |b| {
        b.iter(|| message(&recorder, black_box(&text)));
    });
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

criterion_group!(benches, record, redact);
criterion_main!(benches);
