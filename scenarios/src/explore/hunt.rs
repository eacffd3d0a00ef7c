//! Many seeds on many threads; the lowest one that fails is shrunk.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::flow::Flow;
use super::shrink::shrink;
use crate::judge::{Finding, Verdict};
use crate::run::{Job, run_job};
use crate::scenario::{Scenario, WorldName};

/// What to look through.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// Seeds of flows.
    pub seeds: Range<u64>,
    /// Where they run: `core` or `memory`.
    pub world: WorldName,
    /// A deliberate bug of the client that must be found.
    pub mutation: Option<String>,
    /// Threads.
    pub threads: usize,
    /// Set to end early.
    pub stop: Arc<AtomicBool>,
}

impl Default for Hunt {
    fn default() -> Self {
        Self {
            seeds: 0..1_000,
            world: WorldName::Core,
            mutation: None,
            threads: thread::available_parallelism().map_or(1, std::num::NonZero::get),
            stop: Arc::default(),
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Hunted {
    /// Flows that were run, without those of the shrinking.
    pub runs: u64,
    /// Wall time of those runs.
    pub took: Duration,
    /// The find of the lowest seed that failed.
    pub find: Option<Find>,
}

/// A flow that fails, as small as it gets.
#[derive(Debug)]
pub struct Find {
    /// The seed of the flow, and of its ids and keys.
    pub seed: u64,
    /// Events of the flow as it was drawn.
    pub drawn: usize,
    /// The shrunk scenario.
    pub scenario: Scenario,
    /// What is wrong with it.
    pub finding: Finding,
}

/// Runs every seed until one fails, calls `tick` with the number of runs so far, and shrinks the lowest find.
pub fn hunt(hunt: &Hunt, tick: impl Fn(u64) + Sync) -> Hunted {
    let began = Instant::now();
    let next = AtomicU64::new(hunt.seeds.start);
    let lowest = AtomicU64::new(u64::MAX);
    let runs = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..hunt.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let done = seed >= hunt.seeds.end || seed > lowest.load(Ordering::Relaxed);
                    if done || hunt.stop.load(Ordering::Relaxed) {
                        return;
                    }
                    if verdict(hunt, &Flow::drawn(seed), seed).is_some() {
                        lowest.fetch_min(seed, Ordering::Relaxed);
                    }
                    tick(runs.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    let took = began.elapsed();
    let seed = lowest.into_inner();
    Hunted {
        runs: runs.into_inner(),
        took,
        find: (seed != u64::MAX).then(|| find(hunt, seed)).flatten(),
    }
}

/// The first finding of a flow, with the scenario that shows it; none when it passes.
///
/// With a deliberate bug, only what the bug is to blame for counts: the good client must pass the same flow.
fn verdict(hunt: &Hunt, flow: &Flow, seed: u64) -> Option<(Scenario, Finding)> {
    let found = judged(hunt, flow, seed, hunt.mutation.as_deref())?;
    let is_sound = || judged(hunt, flow, seed, None).is_none();
    (hunt.mutation.is_none() || is_sound()).then_some(found)
}

fn judged(
    hunt: &Hunt,
    flow: &Flow,
    seed: u64,
    mutation: Option<&str>,
) -> Option<(Scenario, Finding)> {
    let scenario = flow.scenario(&format!("found/seed-{seed}"), mutation)?;
    let scenario = Arc::new(scenario);
    let job = Job {
        scenario: Arc::clone(&scenario),
        world: hunt.world,
        missing: None,
        ground: None,
        client: None,
    };
    let finding = match run_job(&job, seed, None).verdict {
        Verdict::Passed | Verdict::Skipped { .. } => return None,
        // An act that could not be done says nothing about the client.
        Verdict::Failed(findings) => findings.into_iter().find(|it| it.rule != "step")?,
        Verdict::Inconclusive { why } => told("inconclusive", why),
        Verdict::Broken { what } => told("broken", what),
    };
    Some((Arc::unwrap_or_clone(scenario), finding))
}

fn told(rule: &str, summary: String) -> Finding {
    Finding {
        rule: rule.to_owned(),
        summary,
        ..Finding::default()
    }
}

fn find(hunt: &Hunt, seed: u64) -> Option<Find> {
    let flow = Flow::drawn(seed);
    let (_, first) = verdict(hunt, &flow, seed)?;
    let same = |flow: &Flow| {
        verdict(hunt, flow, seed).is_some_and(|(_, finding)| finding.rule == first.rule)
    };
    let small = shrink(&flow, same);
    let (mut scenario, finding) = verdict(hunt, &small, seed)?;
    scenario.title = format!("Found: {}", finding.summary);
    scenario.about = format!("clawproof explore --seeds {seed}..{}", seed + 1);
    Some(Find {
        seed,
        drawn: flow.events.len(),
        scenario,
        finding,
    })
}
