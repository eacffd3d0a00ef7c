//! Cut points: one scenario, cut at every frame boundary in every way, and whether the pairing survives.
//!
//! The script's acts are kept, its waits become the time that they took, and what only a wait could tell (captures) is
//! left out: requests are approved as they come. Then every fault has ended, the user asks for a new connection, and the
//! companion must end as it does without a cut. One that does not is stranded.
//!
//! ```
//! use scenarios::cutpoints::{Cut, KINDS};
//! let cut = Cut { conn: 1, to_client: true, after: 2, kind: KINDS[0] };
//! assert_eq!(cut.to_string(), "connection 1, after 2 messages to the client: reset");
//! ```

mod plain;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use link::FaultName;
use serde_json::Value;
use transcript::{Direction, Kind, Stage};

use crate::judge::Verdict;
use crate::judge::record::RunRecord;
use crate::run::{Job, Outcome, run_job};
use crate::scenario::{ConnectionPlan, Fault, Lapse, Located, Scenario, Way, WorldName};

pub use plain::plain;

/// A way to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutKind {
    /// The stream is reset.
    Reset,
    /// The stream ends without a close frame.
    Fin,
    /// Nothing passes any more in either direction.
    HalfOpen,
    /// Nothing passes in this direction for half a minute.
    Stall,
    /// The next message comes twice.
    Duplicate,
}

/// Every way.
pub const KINDS: [CutKind; 5] = [
    CutKind::Reset,
    CutKind::Fin,
    CutKind::HalfOpen,
    CutKind::Stall,
    CutKind::Duplicate,
];

impl CutKind {
    /// The word of the table.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Fin => "fin",
            Self::HalfOpen => "half-open",
            Self::Stall => "stall",
            Self::Duplicate => "duplicate",
        }
    }

    fn fault(self, way: Way) -> Fault {
        let (name, lasts, way) = match self {
            Self::Reset => (FaultName::Reset, None, Some(way)),
            Self::Fin => (FaultName::FinWithoutClose, None, Some(way)),
            Self::HalfOpen => (FaultName::Blackhole, None, None),
            Self::Stall => (
                FaultName::BlackholeOneWay,
                Some(Lapse::seconds(30)),
                Some(way),
            ),
            Self::Duplicate => (FaultName::Duplicate, None, Some(way)),
        };
        Fault {
            way,
            lasts,
            ..Fault::named(name)
        }
    }
}

/// One cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The connection, in the gateway's accept order.
    pub conn: u32,
    /// Which way the messages are counted.
    pub to_client: bool,
    /// How many pass first.
    pub after: u32,
    /// How it is cut.
    pub kind: CutKind,
}

impl fmt::Display for Cut {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = if self.to_client { "client" } else { "gateway" };
        let Self { conn, after, .. } = self;
        let kind = self.kind.word();
        write!(
            out,
            "connection {conn}, after {after} messages to the {to}: {kind}"
        )
    }
}

/// What a cut leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CutVerdict {
    /// As without the cut.
    Heals,
    /// Another end than without the cut.
    Stranded {
        /// What differs, in words.
        how: String,
    },
    /// An invariant does not hold.
    Breaks {
        /// The findings, in words.
        how: String,
    },
}

/// A scenario whose acts alone do not end well can't be cut.
#[derive(Debug, thiserror::Error)]
#[error("{id} can't be cut: {why}")]
pub struct Uncuttable {
    /// The scenario.
    pub id: String,
    /// Why.
    pub why: String,
}

/// A scenario ready to be cut.
#[derive(Debug)]
pub struct CutPlan {
    scenario: Scenario,
    seed: u64,
    end: BTreeMap<String, Value>,
    /// Every cut, in order.
    pub cuts: Vec<Cut>,
}

impl CutPlan {
    /// Runs the scenario uncut, twice: as it is, and as its acts alone.
    ///
    /// # Errors
    /// When one of the two does not pass.
    pub fn new(scenario: &Arc<Scenario>, seed: u64) -> Result<Self, Uncuttable> {
        let uncuttable = |why: String| Uncuttable {
            id: scenario.id.clone(),
            why,
        };
        if !scenario.worlds().contains(&WorldName::Core) {
            return Err(uncuttable("it does not run in the core world".to_owned()));
        }
        let whole = run(Arc::clone(scenario), seed);
        if !whole.verdict.is_passed() {
            return Err(uncuttable(format!("uncut it {}", told(&whole.verdict))));
        }
        let plain = plain(scenario, &whole.record);
        let uncut = run(Arc::new(plain.clone()), seed);
        if !uncut.verdict.is_passed() {
            let why = format!("without its waits it {}", told(&uncut.verdict));
            return Err(uncuttable(why));
        }
        Ok(Self {
            scenario: plain,
            seed,
            end: end_of(&uncut.record),
            cuts: cuts(&whole.record),
        })
    }

    /// Runs one cut.
    pub fn judge(&self, cut: Cut) -> CutVerdict {
        let mut scenario = self.scenario.clone();
        let way = if cut.to_client {
            Way::ToClient
        } else {
            Way::ToGateway
        };
        if cut.kind == CutKind::Duplicate && !cut.to_client {
            let reason = "a request that arrives twice is answered twice".to_owned();
            let allow = &mut scenario.allow;
            allow.insert("one_response_per_request".to_owned(), reason);
        }
        let fault = Fault {
            after_messages: (cut.after > 0).then_some(cut.after),
            ..cut.kind.fault(way)
        };
        scenario
            .gateway
            .connection
            .push(Located::nowhere(ConnectionPlan {
                numbers: vec![cut.conn],
                fault: Some(fault),
                ..ConnectionPlan::default()
            }));
        let outcome = run(Arc::new(scenario), self.seed);
        if outcome.verdict != Verdict::Passed {
            return CutVerdict::Breaks {
                how: told(&outcome.verdict),
            };
        }
        let end = end_of(&outcome.record);
        if end == self.end {
            return CutVerdict::Heals;
        }
        let differs = |(key, wanted): (&String, &Value)| {
            let got = end.get(key).unwrap_or(&Value::Null);
            (got != wanted).then(|| format!("{key} is {got}, not {wanted}"))
        };
        let how: Vec<String> = self.end.iter().filter_map(differs).collect();
        CutVerdict::Stranded {
            how: how.join("; "),
        }
    }
}

fn run(scenario: Arc<Scenario>, seed: u64) -> Outcome {
    let job = Job {
        scenario,
        world: WorldName::Core,
        missing: None,
        ground: None,
        client: None,
    };
    run_job(&job, seed, None)
}

fn told(verdict: &Verdict) -> String {
    let findings = verdict.findings().iter().map(|it| it.summary.clone());
    let words = std::iter::once(verdict.word().to_owned()).chain(findings);
    words.collect::<Vec<_>>().join(": ")
}

/// State and tokens of every client at the end.
fn end_of(record: &RunRecord) -> BTreeMap<String, Value> {
    let mut end = BTreeMap::new();
    for (actor, snapshot) in &record.views.snapshots {
        let state = snapshot.get("overallState").cloned().unwrap_or_default();
        end.insert(format!("{actor}'s state"), state);
    }
    for (actor, durable) in &record.views.durable {
        for key in [
            "operator_token",
            "node_token",
            "shared_token",
            "bootstrap_token",
            "device",
        ] {
            let value = durable.get(key).cloned().unwrap_or_default();
            end.insert(format!("{actor}'s {key}"), value);
        }
    }
    end
}

/// Every frame boundary of a run, in every way.
fn cuts(record: &RunRecord) -> Vec<Cut> {
    let mut counts: BTreeMap<(u32, bool), u32> = BTreeMap::new();
    for entry in &record.transcript.entries {
        let counted = entry.kind == Kind::Text && entry.stage == Some(Stage::Sent);
        if let (true, Some(conn), Some(dir)) = (counted, entry.conn, entry.dir) {
            *counts
                .entry((conn, dir == Direction::GatewayToClient))
                .or_default() += 1;
        }
    }
    let mut cuts = Vec::new();
    for ((conn, to_client), count) in counts {
        for after in 0..=count {
            cuts.extend(KINDS.map(|kind| Cut {
                conn,
                to_client,
                after,
                kind,
            }));
        }
    }
    cuts
}

#[cfg(test)]
mod tests;
