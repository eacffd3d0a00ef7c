//! Looks through many runs fast: what they begin with is arranged once and copied, and nothing is redacted, so nothing of
//! them may leave this process. What a scout finds is run again by [`super::run_job`] before anybody hears of it.

use std::collections::BTreeMap;

use transcript::{Header, Recorder};

use super::conductor::{Brief, Conducted};
use super::one::{captures, guarded, nothing, planned_faults, staged};
use super::plan::Job;
use crate::judge::record::RunEnd;
use crate::judge::{Verdict, judge};
use crate::world::{ArrangeError, Arrangement};

/// Runs jobs of one thread.
#[derive(Default)]
pub(crate) struct Scout {
    bases: BTreeMap<u64, Arrangement>,
}

impl Scout {
    /// Runs a job. Jobs of one `base` have the same actors and the same gateway, and begin as the same devices with the
    /// same tokens.
    pub(crate) fn look(&mut self, base: u64, job: &Job, seed: u64) -> Verdict {
        let (record, _) = guarded(job, || {
            self.conduct(base, job, seed).unwrap_or_else(|error| {
                let what = format!("arrange the scenario: {error}");
                nothing(job, seed, RunEnd::HarnessBroke { what })
            })
        });
        judge(&job.scenario, &record)
    }

    fn conduct(&mut self, base: u64, job: &Job, seed: u64) -> Result<Conducted, ArrangeError> {
        let scenario = job.scenario.as_ref();
        let arrangement = if let Some(known) = self.bases.get(&base) {
            known.anew(scenario, seed)?
        } else {
            let shared = Arrangement::shared(scenario)?;
            let first = shared.anew(scenario, seed)?;
            self.bases.insert(base, shared);
            first
        };
        let brief = Brief {
            scenario,
            seed,
            world: job.world.name(),
            redacts: false,
            captured: captures(&arrangement),
            patience: 1.0,
        };
        // The schema is judged by what this release is known to say.
        let gateway = format!("mock profile {}", arrangement.profile.version);
        let header = Header::new(seed, job.world.name(), gateway);
        // Only whoever checks frames against the schema reads the lists of a hello-ok.
        let recorder = if crate::referee::standing().catalog().is_none() {
            Recorder::brief(header)
        } else {
            Recorder::in_memory(header)
        };
        match planned_faults(scenario) {
            Ok(faults) => Ok(staged(job, brief, arrangement, recorder, faults)),
            Err(error) => {
                let what = format!("arrange faults: {error}");
                Ok(nothing(job, seed, RunEnd::HarnessBroke { what }))
            }
        }
    }
}
