//! How fast scenarios run. Figures and how they were taken: docs/performance.md.
//!
//! - `memory`: short scenarios a second on one core, and protocol time against wall time when nothing happens.
//! - `core`: signed handshakes a second between the two brains.
//! - `sign and verify`: what the machine can do this minute, to read the others by.
//! - `suite`: every scenario in the virtual worlds, in one process.
//! - `conform`: every flow against the mock, both releases.

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
use gateway_protocol::Keypair;
use scenarios::conform::{Library, Plan, Target, compare};
use scenarios::explore::{Hunt, hunt};
use scenarios::matrix::{cells, judge_cell};
use scenarios::run::{Job, RunOptions, Source, handshakes, jobs, run_all, run_job};
use scenarios::scenario::{Scenario, WorldName, parse};

#[path = "../../mock-gateway/benches/ground/table.rs"]
mod table;

use table::{Figure, lowest_decile};

/// The program's: what is measured is what it does.
#[cfg(target_os = "linux")]
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

/// One connection, and then nothing but ticks and pings for half a day, all of them recorded and judged.
const IDLE: &str = r#"
title = "a quiet half-day"
about = "benches/speed.rs"
worlds = ["memory"]
[actor.raw]
kind = "raw"
[[step]]
start = "raw"
[[step]]
send = { from = "raw", connect = { auth = { token = "$gateway.token" }, scopes = ["operator.read"] } }
[[step]]
expect = { to = "raw", response = "connect", ok = true }
[[step]]
elapse = "12h"
"#;

/// Protocol time of [`IDLE`].
const HALF_DAY: Duration = Duration::from_hours(12);

/// Flows that a hunt is measured by.
const FLOWS: u64 = 3_000;

/// Handshakes in one call.
const HANDSHAKES: u32 = 500;

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
        ground: None,
        client: None,
    }
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
    let mut group = criterion.benchmark_group("quiet half-day");
    group.sample_size(10);
    let job = job(&scenario(IDLE), WorldName::Memory);
    let began = Instant::now();
    passes(&job);
    let ratio = HALF_DAY.as_secs_f64() / began.elapsed().as_secs_f64();
    eprintln!("idle: {ratio:.0} times real time");
    group.bench_function("memory", |bencher| bencher.iter(|| passes(&job)));
    group.finish();
}

/// What the yardstick shows on the quiet machine that the targets were set on.
const TARGET_YARDSTICK: Duration = Duration::from_micros(49);

/// The machine's own measure: one signature and its verification.
fn yardstick(criterion: &mut Criterion) {
    let key = Keypair::from_seed([7; 32]);
    let payload = "x".repeat(260);
    criterion.bench_function("sign and verify", |bencher| {
        bencher.iter(|| {
            let signature = key.sign(black_box(&payload));
            assert!(key.public().verify(&payload, &signature));
        });
    });
}

fn handshake(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("signed handshakes");
    group
        .throughput(Throughput::Elements(u64::from(HANDSHAKES)))
        .sample_size(20);
    group.bench_function("core", |bencher| {
        bencher.iter(|| assert_eq!(handshakes(black_box(HANDSHAKES), 7), HANDSHAKES));
    });
    group.finish();
}

/// Every scenario in the virtual worlds that it claims.
fn suite_jobs() -> Vec<Job> {
    let source =
        Source::find(None, Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the suite is there");
    let files = source.files().expect("the suite can be read");
    let suite: Vec<Arc<Scenario>> = files
        .iter()
        .filter_map(|file| parse(&file.id, &file.text).ok().map(Arc::new))
        .collect();
    jobs(&suite, &[WorldName::Core, WorldName::Memory])
}

fn suite(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("whole suite");
    group.sample_size(10);
    let (jobs, options) = (suite_jobs(), RunOptions::new(7));
    group.bench_function("memory and core", |bencher| {
        bencher.iter(|| run_all(&jobs, &options, |_outcome| ()).len());
    });
    group.finish();
}

/// The table: the same work as above, timed here because criterion keeps its figures to itself.
fn figures(_criterion: &mut Criterion) {
    let short = job(&scenario(SHORT), WorldName::Memory);
    let shorts = 1.0 / lowest_decile(500, || passes(&short)).as_secs_f64();
    let shakes = || assert_eq!(handshakes(black_box(HANDSHAKES), 7), HANDSHAKES);
    let shakes = f64::from(HANDSHAKES) / lowest_decile(20, shakes).as_secs_f64();
    let (key, payload) = (Keypair::from_seed([7; 32]), "x".repeat(260));
    let stick = lowest_decile(500, || {
        let signature = key.sign(black_box(&payload));
        assert!(key.public().verify(&payload, &signature));
    });
    eprintln!(
        "yardstick: {stick:?} for a signature and its verification; a handshake takes {:.2} of them, and 12000 a \
         second on the machine of the targets ({TARGET_YARDSTICK:?}) are {:.2}",
        1.0 / shakes / stick.as_secs_f64(),
        1.0 / 12_000.0 / TARGET_YARDSTICK.as_secs_f64(),
    );
    let quiet = job(&scenario(IDLE), WorldName::Memory);
    let ratio = HALF_DAY.as_secs_f64() / lowest_decile(10, || passes(&quiet)).as_secs_f64();
    table::print(&[
        Figure {
            what: "memory: short scenarios a second on one core (lowest decile)".to_owned(),
            target: "at least 1000",
            measured: format!("{shorts:.0}"),
            is_met: shorts >= 1_000.0,
        },
        Figure {
            what: "memory: protocol time against wall time, idle (lowest decile)".to_owned(),
            target: "at least 500000",
            measured: format!("{ratio:.0}"),
            is_met: ratio >= 500_000.0,
        },
        Figure {
            what: "core: signed handshakes a second (lowest decile)".to_owned(),
            target: "at least 12000",
            measured: format!("{shakes:.0}"),
            is_met: shakes >= 12_000.0,
        },
        suite_figure(),
        catalogue_figure(),
        explore_figure(WorldName::Core, 3_000.0, "at least 3000"),
        explore_figure(WorldName::Memory, 1_900.0, "at least 1900"),
        matrix_figure(),
        week_figure(),
        conform_figure(),
    ]);
}

/// Seeded flows a second on one thread, arranged, run and judged by every invariant.
fn explore_figure(world: WorldName, wanted: f64, target: &'static str) -> Figure {
    let plan = Hunt {
        seeds: 0..FLOWS,
        world,
        // In memory every link has a latency of its own.
        has_latency: world == WorldName::Memory,
        threads: 1,
        keeps_going: true,
        ..Hunt::default()
    };
    // What is arranged once is arranged, and pages are there.
    hunt(
        &Hunt {
            seeds: 0..50,
            ..plan.clone()
        },
        |_| (),
    );
    let hunted = hunt(&plan, |_| ());
    let rate =
        f64::from(u32::try_from(hunted.runs).unwrap_or(u32::MAX)) / hunted.took.as_secs_f64();
    Figure {
        what: format!(
            "explore in {}: seeded runs a second on one core",
            world.name()
        ),
        target,
        measured: format!("{rate:.0}"),
        is_met: rate >= wanted,
    }
}

/// Scenarios of the catalogue that run in `memory`, one after the other in one process.
fn catalogue_figure() -> Figure {
    let jobs: Vec<Job> = suite_jobs()
        .into_iter()
        .filter(|job| {
            job.world == WorldName::Memory && job.scenario.about.contains("scenario-catalogue")
        })
        .collect();
    let taken = lowest_decile(3, || {
        run_all(&jobs, &RunOptions::new(7), |_outcome| ());
    });
    Figure {
        what: "catalogue in memory, one process".to_owned(),
        target: "under 5 s",
        measured: format!("{:.2} s, {} scenarios", taken.as_secs_f64(), jobs.len()),
        is_met: taken < Duration::from_secs(5),
    }
}

/// Every cell of the credential matrix on one thread.
fn matrix_figure() -> Figure {
    let cells = cells();
    let began = Instant::now();
    let wrong = cells
        .iter()
        .filter(|cell| !judge_cell(cell, 7).problems.is_empty())
        .count();
    let taken = began.elapsed();
    assert_eq!(wrong, 0, "cells with problems");
    Figure {
        what: "credential matrix, one thread".to_owned(),
        target: "under 10 s",
        measured: format!("{:.2} s, {} cells", taken.as_secs_f64(), cells.len()),
        is_met: taken < Duration::from_secs(10),
    }
}

/// Seven days of ticks on one idle connection, recorded and judged.
fn week_figure() -> Figure {
    // Ticks alone: with pings a week is more than a run may record.
    let text = IDLE.replace("12h", "168h").replace(
        "[actor.raw]",
        "[gateway.config.mock]\npingIntervalMs = 700000000\n[actor.raw]",
    );
    let week = job(&scenario(&text), WorldName::Memory);
    let taken = lowest_decile(3, || passes(&week));
    Figure {
        what: "memory: seven virtual days of ticks".to_owned(),
        target: "under 1 s",
        measured: format!("{:.2} s", taken.as_secs_f64()),
        is_met: taken < Duration::from_secs(1),
    }
}

fn suite_figure() -> Figure {
    let (jobs, options) = (suite_jobs(), RunOptions::new(7));
    let taken = lowest_decile(3, || {
        run_all(&jobs, &options, |_outcome| ());
    });
    Figure {
        what: "whole suite in memory and core, one process".to_owned(),
        target: "under 3 s",
        measured: format!("{:.2} s, {} runs", taken.as_secs_f64(), jobs.len()),
        is_met: taken < Duration::from_secs(3),
    }
}

fn conform_figure() -> Figure {
    let library =
        Library::load(None, Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the flows are there");
    let plan = Plan::of(&library, &[], &[], false).expect("every flow is selected");
    let mut flows = 0;
    let taken = lowest_decile(3, || {
        let report = compare(&library, &plan, &Target::Mock).expect("the mock needs nothing");
        flows = report.cases.len();
    });
    Figure {
        what: "conform against the mock, both releases".to_owned(),
        target: "under 5 s",
        measured: format!("{:.2} s, {flows} flows", taken.as_secs_f64()),
        is_met: taken < Duration::from_secs(5),
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = yardstick, short, idle, handshake, suite, figures
}
criterion_main!(benches);
