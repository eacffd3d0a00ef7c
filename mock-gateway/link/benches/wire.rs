//! What the link adds to a request and its response.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gateway_protocol::{Now, UnixMillis};
use link::{FaultTable, Wire, WireMessage};
use transcript::{Direction, Header, Recorder};

fn round_trip(wire: &mut Wire, text: &str) {
    let now = Now::at(Duration::from_micros(5), UnixMillis(0));
    for dir in Direction::BOTH {
        wire.enter(now, dir, WireMessage::Text(text.to_owned()));
        black_box(wire.poll(now));
    }
    black_box(wire.poll(now));
}

fn wire(c: &mut Criterion) {
    let text = "x".repeat(600);
    let mut silent = Wire::new(1, FaultTable::new(), Recorder::off());
    c.bench_function(
        "a 600-byte round trip through the wire, not recorded",
        |b| {
            b.iter(|| round_trip(&mut silent, &text));
        },
    );
    let recorder = Recorder::in_memory(Header::new(1, "bench", "none"));
    let mut recorded = Wire::new(1, FaultTable::new(), recorder);
    c.bench_function("a 600-byte round trip through the wire, recorded", |b| {
        b.iter(|| round_trip(&mut recorded, &text));
    });
}

criterion_group!(benches, wire);
criterion_main!(benches);
