//! What the judge saw, as a file: the part of a run's record that its transcript does not hold.
//!
//! With the scenario file and the transcript beside it, `record.json` is the whole input of the judge, so a verdict can
//! be judged again by somebody who never ran anything.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use transcript::Transcript;

use crate::judge::RunRecord;
use crate::judge::record::{
    EndOutcome, FinalViews, Leak, ProgramNote, RunEnd, Shown, StepOutcome, StoreNote, Unclaimed,
    Withheld,
};
use crate::referee::Standing;
use crate::run::Outcome;

/// Version of the file.
pub const FORMAT: u32 = 1;

/// `record.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedRecord {
    /// [`FORMAT`].
    pub format: u32,
    /// A deliberate bug that the client under test was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutant: Option<String>,
    /// What became of each step. Expectations are compared with raw values while a run goes on, so this is the part
    /// that is taken and not derived again.
    pub steps: Vec<StepOutcome>,
    /// The states at the end, secrets as booleans.
    pub views: FinalViews,
    /// What became of `never`, `count` and `finally`.
    pub ends: Vec<EndOutcome>,
    /// How the run came to its end.
    pub end: RunEnd,
    /// What outlived the run.
    pub leftovers: Vec<String>,
    /// Secrets that were found in artifacts.
    pub leaks: Vec<Leak>,
    /// Requests that nothing answered.
    pub unclaimed: Vec<Unclaimed>,
    /// Every durable change.
    pub stores: Vec<StoreNote>,
    /// Credentials that a client kept back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<Withheld>,
    /// Secrets that a client showed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<Shown>,
    /// Whether the published schema was asked about every frame.
    pub referee_verified: bool,
    /// ERROR-level log lines.
    pub errors_logged: Vec<String>,
    /// The processes of a foreign client.
    pub programs: Vec<ProgramNote>,
    /// Seed of the run.
    pub seed: u64,
    /// World of the run.
    pub world: String,
}

impl SavedRecord {
    /// The record of an outcome as JSON, without any of the run's secrets.
    pub fn redacted(outcome: &Outcome) -> Value {
        let record = &outcome.record;
        let saved = Self {
            format: FORMAT,
            mutant: outcome.scenario.mutation().map(str::to_owned),
            steps: record.steps.clone(),
            views: record.views.clone(),
            ends: record.ends.clone(),
            end: record.end.clone(),
            leftovers: record.leftovers.clone(),
            leaks: record.leaks.clone(),
            unclaimed: record.unclaimed.clone(),
            stores: record.stores.clone(),
            withheld: record.withheld.clone(),
            shown: record.shown.clone(),
            referee_verified: record.referee.verified(),
            errors_logged: record.errors_logged.clone(),
            programs: record.programs.clone(),
            seed: record.seed,
            world: record.world.clone(),
        };
        // Strings, numbers and JSON values: printing them can't fail.
        let value = serde_json::to_value(saved).unwrap_or_default();
        outcome.redactor().redact(&value)
    }

    /// The judge's input again.
    pub fn record(self, transcript: Transcript, referee: Standing) -> RunRecord {
        RunRecord {
            transcript,
            steps: self.steps,
            views: self.views,
            ends: self.ends,
            end: self.end,
            leftovers: self.leftovers,
            leaks: self.leaks,
            unclaimed: self.unclaimed,
            stores: self.stores,
            withheld: self.withheld,
            shown: self.shown,
            referee,
            errors_logged: self.errors_logged,
            programs: self.programs,
            seed: self.seed,
            world: self.world,
            took: Duration::ZERO,
        }
    }
}
