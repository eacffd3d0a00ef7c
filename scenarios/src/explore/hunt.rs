//! Many seeds on many threads; the lowest one that fails is shrunk.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::flow::Flow;
use super::shrink::shrink;
use crate::judge::{Finding, Verdict};
use crate::run::{Job, Scout, record_at_most, run_job};
use crate::scenario::{Scenario, WorldName};

/// What a flow records at the most: a good one stays far below it, and a storm is cut short.
const MOST_ENTRIES: u64 = 3_000;

/// What to look through.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// Seeds of flows.
    pub seeds: Range<u64>,
    /// Where they run: `core` or `memory`.
    pub world: WorldName,
    /// A deliberate bug of the client that must be found.
    pub mutation: Option<String>,
    /// Whether to go on after a find: the lowest seed of each rule is shrunk then.
    pub keeps_going: bool,
    /// The folder of finds inside a suite, as their ids begin: what is drawn depends on the id.
    pub folder: String,
    /// Whether links have the latencies that their seeds draw.
    pub has_latency: bool,
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
            keeps_going: false,
            folder: "found/".to_owned(),
            has_latency: false,
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
    /// What fails, by its seed.
    pub failing: BTreeMap<u64, Failing>,
    /// The find of the lowest seed that failed; of each rule when the hunt keeps going.
    pub finds: Vec<Find>,
}

/// A flow that fails, as it was drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// The rule of its first finding.
    pub rule: String,
    /// What is wrong with it.
    pub summary: String,
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

/// Runs every seed until one fails or, when it keeps going, all of them; calls `tick` with the number of runs so far, and
/// shrinks the lowest find.
pub fn hunt(hunt: &Hunt, tick: impl Fn(u64) + Sync) -> Hunted {
    let began = Instant::now();
    let next = AtomicU64::new(hunt.seeds.start);
    let lowest = AtomicU64::new(u64::MAX);
    let failing = Mutex::new(BTreeMap::new());
    let runs = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..hunt.threads.max(1) {
            scope.spawn(|| {
                record_at_most(Some(MOST_ENTRIES));
                let mut scout = Scout::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let done = seed >= hunt.seeds.end || seed > lowest.load(Ordering::Relaxed);
                    if done || hunt.stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let flow = drawn(hunt, seed);
                    if let Some((_, seen)) = verdict(hunt, &flow, seed, &mut quickly(&mut scout)) {
                        let Finding { rule, summary, .. } = settled(hunt, &flow, seed, &seen).1;
                        if !hunt.keeps_going {
                            lowest.fetch_min(seed, Ordering::Relaxed);
                        }
                        let mut failing = failing.lock().unwrap_or_else(PoisonError::into_inner);
                        failing.insert(seed, Failing { rule, summary });
                    }
                    tick(runs.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    let took = began.elapsed();
    let failing = failing.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut rules = BTreeSet::new();
    let first = failing
        .iter()
        .filter(|(_, it)| rules.insert(it.rule.clone()))
        .take(if hunt.keeps_going { usize::MAX } else { 1 });
    let finds = first.filter_map(|(seed, _)| find(hunt, *seed)).collect();
    Hunted {
        runs: runs.into_inner(),
        took,
        failing,
        finds,
    }
}

fn drawn(hunt: &Hunt, seed: u64) -> Flow {
    let mut flow = Flow::drawn(seed);
    if !hunt.has_latency {
        flow.links.clear();
    }
    flow
}

/// The first finding of a flow, with the scenario that shows it; none when it passes.
///
/// With a deliberate bug, only what the bug is to blame for counts: the good client must pass the same flow.
fn verdict(
    hunt: &Hunt,
    flow: &Flow,
    seed: u64,
    look: &mut Look<'_>,
) -> Option<(Scenario, Finding)> {
    let found = judged(hunt, flow, seed, hunt.mutation.as_deref(), look)?;
    let sound = hunt.mutation.is_some();
    (!sound || judged(hunt, flow, seed, None, look).is_none()).then_some(found)
}

/// Runs the flow that a job was made of.
type Look<'a> = dyn FnMut(&Flow, &Job) -> Verdict + 'a;

/// The whole run: arranged for itself, recorded, redacted, judged.
fn wholly(_flow: &Flow, job: &Job) -> Verdict {
    run_job(job, 0, None).verdict
}

/// The same at a fraction of the price, for this process only.
fn quickly(scout: &mut Scout) -> impl FnMut(&Flow, &Job) -> Verdict {
    |flow, job| {
        let seed = job.scenario.seed.unwrap_or_default();
        scout.look(flow.base(), job, seed)
    }
}

/// What the whole run of a flow says that a fast look has seen something in; the look's own words hold secrets.
fn settled(hunt: &Hunt, flow: &Flow, seed: u64, seen: &Finding) -> (Scenario, Finding) {
    verdict(hunt, flow, seed, &mut wholly).unwrap_or_else(|| {
        let what = format!("a fast look finds {}, the whole run does not", seen.rule);
        (Scenario::default(), told("broken", what))
    })
}

fn judged(
    hunt: &Hunt,
    flow: &Flow,
    seed: u64,
    mutation: Option<&str>,
    look: &mut Look<'_>,
) -> Option<(Scenario, Finding)> {
    let id = format!("{}seed-{seed}", hunt.folder);
    let mut scenario = flow.scenario(&id, mutation)?;
    scenario.seed = Some(seed);
    let job = Job {
        scenario: Arc::new(scenario),
        world: hunt.world,
        missing: None,
        ground: None,
        client: None,
    };
    let finding = first_finding(look(flow, &job))?;
    Some((Arc::unwrap_or_clone(job.scenario), finding))
}

fn first_finding(verdict: Verdict) -> Option<Finding> {
    match verdict {
        Verdict::Passed | Verdict::Skipped { .. } => None,
        // An act that could not be done says nothing about the client.
        // An invariant before the state at the end, which a run that was cut short never reached.
        Verdict::Failed(findings) => {
            let is_invariant = |it: &&Finding| it.rule.starts_with("invariant:");
            let first = findings.iter().find(is_invariant);
            let first = first.or_else(|| findings.iter().find(|it| it.rule != "step"));
            first.cloned()
        }
        // Cut short, and nothing wrong so far: that says nothing.
        Verdict::Inconclusive { why } if why.starts_with("out of budget") => None,
        Verdict::Inconclusive { why } => Some(told("inconclusive", why)),
        Verdict::Broken { what } => Some(told("broken", what)),
    }
}

fn told(rule: &str, summary: String) -> Finding {
    Finding {
        rule: rule.to_owned(),
        summary,
        ..Finding::default()
    }
}

fn find(hunt: &Hunt, seed: u64) -> Option<Find> {
    record_at_most(Some(MOST_ENTRIES));
    let find = shrunk(hunt, seed);
    record_at_most(None);
    find
}

fn shrunk(hunt: &Hunt, seed: u64) -> Option<Find> {
    let flow = drawn(hunt, seed);
    let mut scout = Scout::default();
    let mut look = quickly(&mut scout);
    let (_, first) = verdict(hunt, &flow, seed, &mut look)?;
    let same = |flow: &Flow| {
        verdict(hunt, flow, seed, &mut look).is_some_and(|(_, finding)| finding.rule == first.rule)
    };
    let small = shrink(&flow, same);
    let (mut scenario, finding) = settled(hunt, &small, seed, &first);
    scenario.title = format!("Found: {}", finding.summary);
    scenario.about = format!("clawproof explore --seeds {seed}..{}", seed + 1);
    Some(Find {
        seed,
        drawn: flow.events.len(),
        scenario,
        finding,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Both arrange, record and redact in their own ways, and judge the same.
    #[rstest]
    #[case::core(WorldName::Core, None, 120)]
    #[case::memory(WorldName::Memory, None, 40)]
    #[case::bootstrap(WorldName::Core, Some("clear_bootstrap_early"), 60)]
    #[case::token_recovery(WorldName::Core, Some("never_recover_token"), 60)]
    #[case::backoff(WorldName::Core, Some("reconnect_storm"), 20)]
    fn a_fast_look_says_what_the_whole_run_says(
        #[case] world: WorldName,
        #[case] bug: Option<&str>,
        #[case] seeds: u64,
    ) {
        let hunt = Hunt {
            world,
            has_latency: true,
            ..Hunt::default()
        };
        record_at_most(Some(MOST_ENTRIES));
        let mut scout = Scout::default();
        let mut found = 0;
        for seed in 0..seeds {
            let flow = drawn(&hunt, seed);
            let finding = |look: &mut Look<'_>| judged(&hunt, &flow, seed, bug, look);
            let finding = |look: &mut Look<'_>| finding(look).map(|(_, finding)| finding);
            let (fast, whole) = (finding(&mut quickly(&mut scout)), finding(&mut wholly));
            let rule = |finding: &Option<Finding>| finding.as_ref().map(|it| it.rule.clone());
            assert_eq!(
                rule(&fast),
                rule(&whole),
                "seed {seed}: {fast:#?} {whole:#?}"
            );
            found += usize::from(whole.is_some());
        }
        record_at_most(None);
        assert_eq!(found > 0, bug.is_some(), "{found} finds");
    }
}
