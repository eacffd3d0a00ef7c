//! How fast scenarios run. Figures and how they were taken: docs/performance.md.
//!
//! - `memory`: short scenarios a second on one core, and protocol time against wall time when nothing happens.
//! - `core`: signed handshakes a second between the two brains.
//! - `suite`: every scenario in the virtual worlds, in one process.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a bench that can't run stops, and its ratio is told beside criterion's figures"
)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use scenarios::run::{Job, RunOptions, Source, jobs, run_all, run_job};
use scenarios::scenario::{Scenario, WorldName, parse};

/// A raw client connects with a signed frame, asks one thing and leaves.
const SHORT: &str = r#"
title = "a short conversation"
about = "benches/speed.rs"
worlds = ["core", "memory"]
[actor.raw]
kind = "raw"
[[step]]
start = "raw"
[[step]]
send = { from = "raw", connect = { auth = { token = "$gateway.token" }, scopes = ["operator.read"] } }
[[step]]
expect = { to = "raw", response = "connect", ok = true }
[[step]]
send = { from = "raw", request = "health" }
[[step]]
expect = { to = "raw", response = "health", ok = true }
[[step]]
stop = "raw"
"#;

/// One companion, both roles connected, and then nothing but ticks for a day.
const IDLE: &str = r#"
title = "a quiet day"
about = "benches/speed.rs"
worlds = ["memory"]
[actor.companion]
kind = "client"
node = true
holds = { shared_token = "valid", operator_token = "valid", node_token = "valid" }
[[step]]
start = "companion"
[[step]]
elapse = "24h"
"#;

/// Protocol time of [`IDLE`].
const DAY: Duration = Duration::from_hours(24);

/// Handshakes in one run of [`handshakes`].
const HANDSHAKES: usize = 200;

fn scenario(text: &str) -> Arc<Scenario> {
    match parse("setup-connect/bench", text) {
        Ok(scenario) => Arc::new(scenario),
        Err(problems) => panic!("{problems}"),
    }
}

fn job(scenario: &Arc<Scenario>, world: WorldName) -> Job {
    Job {
        scenario: Arc::clone(scenario),
        world,
        missing: None,
    }
}

/// A scenario with many signed handshakes, one after the other.
fn handshakes() -> Arc<Scenario> {
    let one = "[[step]]\nstart = \"raw\"\n\
        [[step]]\nsend = { from = \"raw\", connect = { auth = { token = \"$gateway.token\" } } }\n\
        [[step]]\nexpect = { to = \"raw\", response = \"connect\", ok = true }\n\
        [[step]]\nstop = \"raw\"\n";
    let head = "title = \"handshakes\"\nabout = \"benches/speed.rs\"\nworlds = [\"core\", \"memory\"]\n\
        [actor.raw]\nkind = \"raw\"\n";
    scenario(&(head.to_owned() + &one.repeat(HANDSHAKES)))
}

fn passes(job: &Job) {
    let outcome = run_job(black_box(job), 7, None);
    assert!(outcome.verdict.is_passed(), "{:?}", outcome.verdict);
}

fn short(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("short scenario");
    group.throughput(Throughput::Elements(1));
    let short = scenario(SHORT);
    for world in [WorldName::Memory, WorldName::Core] {
        let job = job(&short, world);
        group.bench_function(world.name(), |bencher| bencher.iter(|| passes(&job)));
    }
    group.finish();
}

fn idle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("idle day");
    group.sample_size(10);
    let job = job(&scenario(IDLE), WorldName::Memory);
    let began = Instant::now();
    passes(&job);
    let ratio = DAY.as_secs_f64() / began.elapsed().as_secs_f64();
    eprintln!("idle: {ratio:.0} times real time");
    group.bench_function("memory", |bencher| bencher.iter(|| passes(&job)));
    group.finish();
}

fn handshake(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("signed handshakes");
    group
        .throughput(Throughput::Elements(HANDSHAKES as u64))
        .sample_size(10);
    let many = handshakes();
    for world in [WorldName::Core, WorldName::Memory] {
        let job = job(&many, world);
        group.bench_function(world.name(), |bencher| bencher.iter(|| passes(&job)));
    }
    group.finish();
}

fn suite(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("whole suite");
    group.sample_size(10);
    let source =
        Source::find(None, Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the suite is there");
    let files = source.files().expect("the suite can be read");
    let suite: Vec<Arc<Scenario>> = files
        .iter()
        .filter_map(|file| parse(&file.id, &file.text).ok().map(Arc::new))
        .collect();
    let jobs = jobs(&suite, &[WorldName::Core, WorldName::Memory]);
    let options = RunOptions::new(7);
    group.bench_function("memory and core", |bencher| {
        bencher.iter(|| run_all(&jobs, &options, |_outcome| ()).len());
    });
    group.finish();
}

criterion_group!(benches, short, idle, handshake, suite);
criterion_main!(benches);
