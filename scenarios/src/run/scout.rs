//! Looks through many runs fast: what they begin with is arranged once and copied, and nothing is redacted, so nothing of
//! them may leave this process. What a scout finds is run again by [`super::run_job`] before anybody hears of it.
//!
//! In the world `core` the start of the client is part of what they begin with: up to where its connections stand, nothing but
//! ids, keys and the delay before another attempt depends on the seed, so that is run once too, and each run goes on from there.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use futures_util::FutureExt as _;
use transcript::{Header, Recorder};

use super::conductor::{Brief, Conducted, Conductor, Opening};
use super::one::{captures, guarded, nothing, planned_faults, staged};
use super::plan::Job;
use crate::judge::record::RunEnd;
use crate::judge::{Verdict, judge};
use crate::scenario::captures::Captured;
use crate::scenario::{Scenario, Step, WorldName};
use crate::world::{ArrangeError, Arrangement, Brains, Draw};

/// The chances of two openings that are held against each other.
const OPENINGS: [Draw; 2] = [Draw::new(1), Draw::new(2)];

/// Steps of an opening: the start of the client.
const OPENING_STEPS: usize = 1;

/// Which opening: the base, and the deliberate bug of the client.
type OpeningKey = (u64, Option<String>);

/// Runs jobs of one thread.
#[derive(Default)]
pub(crate) struct Scout {
    bases: BTreeMap<u64, Arrangement>,
    /// None where the seed decides more before the opening is over than names and delays.
    openings: BTreeMap<OpeningKey, Option<Opening>>,
}

impl Scout {
    /// Runs a job. Jobs of one `base` have the same actors and the same gateway, and begin as the same devices with the
    /// same tokens.
    pub(crate) fn look(&mut self, base: u64, job: &Job, seed: u64) -> Verdict {
        let (record, _) = self.run(base, job, seed);
        judge(&job.scenario, &record)
    }

    /// What such a run leaves behind, secrets and all.
    pub(super) fn run(&mut self, base: u64, job: &Job, seed: u64) -> Conducted {
        guarded(job, || {
            self.conduct(base, job, seed).unwrap_or_else(|error| {
                let what = format!("arrange the scenario: {error}");
                nothing(job, seed, RunEnd::HarnessBroke { what })
            })
        })
    }

    fn conduct(&mut self, base: u64, job: &Job, seed: u64) -> Result<Conducted, ArrangeError> {
        let scenario = job.scenario.as_ref();
        let Self { bases, openings } = self;
        let shared = match bases.entry(base) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(Arrangement::shared(scenario)?),
        };
        if opens(job) {
            let key = (base, scenario.mutation().map(str::to_owned));
            let opening = match openings.entry(key) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(free) => free.insert(opening(shared, job)?),
            };
            let rest = opening.as_ref().and_then(|opening| {
                let brief = brief(job, seed, Captured::default());
                Conductor::after(opening, brief, recorder(job, seed, shared))
            });
            if let Some(done) = rest.and_then(|rest| rest.run().now_or_never()) {
                return Ok(done);
            }
        }
        let arrangement = shared.anew(scenario, Draw::of(&scenario.id, seed))?;
        let brief = brief(job, seed, captures(&arrangement));
        let recorder = recorder(job, seed, shared);
        match planned_faults(scenario) {
            Ok(faults) => Ok(staged(job, brief, arrangement, recorder, faults)),
            Err(error) => {
                let what = format!("arrange faults: {error}");
                Ok(nothing(job, seed, RunEnd::HarnessBroke { what }))
            }
        }
    }
}

/// Whether a job begins with an opening, and nothing else of it has to be there at its start.
fn opens(job: &Job) -> bool {
    let Scenario { gateway, steps, .. } = job.scenario.as_ref();
    let mut steps = steps.iter().map(|step| &step.value);
    let starts = matches!(steps.next(), Some(Step::Start(_)));
    // What acts lets everything happen first that is due, and so does the end of an opening.
    let acts = steps.next().is_some_and(Step::acts);
    let is_plain = gateway.latency.is_empty() && gateway.connection.is_empty();
    job.world == WorldName::Core && starts && acts && is_plain
}

/// The opening of a job; none when the seed has a say in it.
fn opening(shared: &Arrangement, job: &Job) -> Result<Option<Opening>, ArrangeError> {
    let open = |draw| -> Result<Option<Opening>, ArrangeError> {
        let arrangement = shared.anew(&job.scenario, draw)?;
        let brief = brief(job, 0, captures(&arrangement));
        let recorder = recorder(job, 0, shared);
        let world = planned_faults(&job.scenario)
            .ok()
            .and_then(|faults| Brains::new(arrangement, recorder, faults));
        Ok(world.and_then(|world| Conductor::new(brief, world).opening(OPENING_STEPS)))
    };
    let [one, other] = OPENINGS;
    Ok(match (open(one)?, open(other)?) {
        (Some(first), Some(second)) if second.is_like(&first, one) => Some(first),
        _ => None,
    })
}

fn brief(job: &Job, seed: u64, captured: Captured) -> Brief<'_> {
    Brief {
        scenario: &job.scenario,
        seed,
        world: job.world.name(),
        redacts: false,
        captured,
        patience: 1.0,
    }
}

fn recorder(job: &Job, seed: u64, arrangement: &Arrangement) -> Recorder {
    // The schema is judged by what this release is known to say.
    let gateway = format!("mock profile {}", arrangement.profile.version);
    let header = Header::new(seed, job.world.name(), gateway);
    // Only whoever checks frames against the schema reads the lists of a hello-ok.
    if crate::referee::standing().catalog().is_none() {
        Recorder::brief(header)
    } else {
        Recorder::in_memory(header)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::explore::Flow;
    use crate::judge::RunRecord;
    use crate::judge::wire::{Wire, line};
    use crate::run::{record_at_most, run_job};

    const SEEDS: u64 = 150;

    /// What was said and when, without ids.
    fn said(record: &RunRecord) -> Vec<String> {
        let entries = &record.transcript.entries;
        let wire = Wire::of(entries);
        let lines = entries.iter().map(|entry| line(entry, &wire));
        lines.map(|line| without_id(&line)).collect()
    }

    /// A line without the id of the pairing request that it names.
    fn without_id(line: &str) -> String {
        let named = line.split_once("(requestId: ");
        named.map_or_else(
            || line.to_owned(),
            |(before, after)| {
                let rest = after.split_once(')').map_or("", |(_id, rest)| rest);
                format!("{before}{rest}")
            },
        )
    }

    #[test]
    fn a_run_that_goes_on_from_an_opening_is_the_run_itself() {
        record_at_most(Some(3_000));
        let mut scout = Scout::default();
        for seed in 0..SEEDS {
            let mut flow = Flow::drawn(seed);
            flow.links.clear();
            let mut scenario = flow.scenario(&format!("found/seed-{seed}"), None).unwrap();
            scenario.seed = Some(seed);
            let job = Job {
                scenario: Arc::new(scenario),
                world: WorldName::Core,
                missing: None,
                ground: None,
                client: None,
            };
            let (fast, _) = scout.run(flow.base(), &job, seed);
            let whole = run_job(&job, seed, None).record;
            assert_eq!(said(&fast), said(&whole), "seed {seed}");
            assert_eq!(fast.steps, whole.steps, "seed {seed}");
            assert_eq!(fast.stores, whole.stores, "seed {seed}");
        }
        record_at_most(None);
        let open = scout.openings.values().filter(|it| it.is_some()).count();
        assert!(open > 10, "{open} of {} openings", scout.openings.len());
    }
}
