//! What a run leaves behind: the whole input of the judge.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway_protocol::Role;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use transcript::Transcript;

use crate::referee::Standing;

/// A finished run of one scenario in one world.
///
/// The transcript is the redacted one. What needs raw values (captures, equality of tokens) was decided
/// while the run went on, through [`super::expectations`], and stands in `steps`.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// The record of the wire, redacted.
    pub transcript: Transcript,
    /// What became of each step, in the order of the script.
    pub steps: Vec<StepOutcome>,
    /// The states at the end.
    pub views: FinalViews,
    /// Results of `never` and `count` and `finally` that were evaluated on raw values.
    pub ends: Vec<EndOutcome>,
    /// How the run came to its end.
    pub end: RunEnd,
    /// Tasks, ports, processes and files that outlived the run.
    pub leftovers: Vec<String>,
    /// Secrets found in artifacts, by kind and file; never the value.
    pub leaks: Vec<Leak>,
    /// Requests that nothing on the gateway's side knew how to answer: connection and method.
    pub unclaimed: Vec<Unclaimed>,
    /// Every change of durable state, in order, as the clients reported it.
    pub stores: Vec<StoreNote>,
    /// Every time that a client kept a credential back because it did not know who listens, as it reported it.
    pub withheld: Vec<Withheld>,
    /// Where a client showed a secret of its own to whoever asks it how it is.
    pub shown: Vec<Shown>,
    /// Who checks its frames against the published schema.
    pub referee: Standing,
    /// ERROR-level log lines during the run.
    pub errors_logged: Vec<String>,
    /// The processes of a foreign client, in the order of their start.
    pub programs: Vec<ProgramNote>,
    /// Seed of the run, for the repeat command.
    pub seed: u64,
    /// Name of the world, for the repeat command.
    pub world: String,
    /// Wall time that the run took.
    pub took: Duration,
}

/// How a run came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunEnd {
    /// Every step was taken.
    Completed,
    /// A step failed; the ones after it were not taken.
    Stopped {
        /// Index of the step.
        step: usize,
    },
    /// The run took more time or more work than it may; nothing can be said.
    OutOfBudget {
        /// What was exceeded.
        what: String,
    },
    /// The scenario could not be run here.
    Unavailable {
        /// What is missing.
        missing: String,
    },
    /// Our own bug: a panic, an error in the harness.
    HarnessBroke {
        /// What happened.
        what: String,
    },
}

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepOutcome {
    /// Index in the script, from 0.
    pub index: usize,
    /// Time since the start of the run when it began, in microseconds.
    pub began_us: u64,
    /// Time since the start of the run when it was over, in microseconds.
    pub ended_us: u64,
    /// Number of the first transcript entry that may belong to it.
    pub first_entry: u64,
    /// The result.
    pub result: StepResult,
}

/// Result of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum StepResult {
    /// Done as asked.
    Done,
    /// The expectation was met by this transcript entry.
    Met {
        /// Number of the entry, absent for snapshots and views.
        entry: Option<u64>,
    },
    /// The expectation was not met in time, or `quiet` was broken.
    Missed(Missed),
    /// The step could not be done: the gateway refused, the actor was not there.
    Refused {
        /// Why.
        why: String,
    },
    /// An earlier step failed.
    NotReached,
}

/// An expectation that was not met.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Missed {
    /// How long it waited.
    pub waited: Duration,
    /// What was wanted, in words.
    pub wanted: String,
    /// What came closest.
    pub nearest: Option<Nearest>,
}

/// What came closest to an expectation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Nearest {
    /// Number of the transcript entry, absent for snapshots and views.
    pub entry: Option<u64>,
    /// JSON pointer of the first difference; empty when the whole thing is of another kind.
    pub pointer: String,
    /// What was wanted there (redacted).
    pub expected: String,
    /// What was there (redacted).
    pub got: String,
    /// How many of the pattern's fields agreed; higher is nearer.
    pub agreed: usize,
}

/// Which end section an [`EndOutcome`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndSection {
    /// `[[never]]`
    Never,
    /// `[[count]]`
    Count,
    /// `[[finally]]`
    Finally,
}

/// Result of one `never`, `count` or `finally`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndOutcome {
    /// Which section.
    pub section: EndSection,
    /// Index within it, from 0.
    pub index: usize,
    /// Transcript entries that matched (`never`, `count`).
    pub entries: Vec<u64>,
    /// Whether it held.
    pub held: bool,
    /// The difference, when it did not (`finally`).
    pub nearest: Option<Nearest>,
}

/// States at the end of a run, without secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FinalViews {
    /// The gateway's view (`gateway_core::StateView` as JSON).
    pub gateway: Value,
    /// Each client's snapshot (`client_core::Snapshot` as JSON).
    pub snapshots: BTreeMap<String, Value>,
    /// Each client's durable state, secrets as booleans.
    pub durable: BTreeMap<String, Value>,
    /// The same before the first step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub durable_before: BTreeMap<String, Value>,
    /// What of each durable state is the same at the end as before the first step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub durable_kept: BTreeMap<String, Value>,
}

/// A secret in an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// Kind of the secret (`device-token`).
    pub kind: String,
    /// Form in which it was found (`raw`, `base64`, ...).
    pub form: String,
    /// The artifact.
    pub file: String,
}

/// A request that nothing knew how to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unclaimed {
    /// The connection.
    pub conn: u32,
    /// The method.
    pub method: String,
    /// Number of the transcript entry.
    pub entry: u64,
}

/// One process of a foreign client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramNote {
    /// The client.
    pub actor: String,
    /// `start`, or the action that it carries out.
    pub what: String,
    /// Whether it runs until it is stopped.
    pub stays: bool,
    /// Time since the start of the run, in microseconds.
    pub started_us: u64,
    /// When it ended by itself; absent when the script ended it.
    pub ended_us: Option<u64>,
    /// Its exit code, when it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it, when the script did not send it.
    pub signal: Option<i32>,
    /// What it printed. Not redacted: see [`crate::run::Outcome`].
    pub output: Vec<String>,
}

/// A credential that a client kept back, because who listens at the gateway's address was not proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// The client.
    pub actor: String,
    /// Whose credential.
    pub role: Role,
    /// Time since the start of the run, in microseconds.
    pub t_us: u64,
}

/// A secret in what a client shows of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The client.
    pub actor: String,
    /// Which secret, in words (`the shared token`).
    pub secret: String,
    /// Where it stands: `its snapshot`, or the kind of report.
    pub place: String,
}

/// One durable change of a client, without values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreNote {
    /// The client.
    pub actor: String,
    /// Time since the start of the run, in microseconds.
    pub t_us: u64,
    /// What was stored, as a word (`operator_token`, `node_token`, `bootstrap_token`, `record`, ...).
    pub what: String,
    /// Whether it is there afterwards.
    pub present: bool,
    /// Id or address where one may be told (`device`, `record`).
    pub value: Option<String>,
}
