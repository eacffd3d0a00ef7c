//! Cut points: one scenario, cut at every frame boundary in every way and killed at every durable change, and whether the
//! pairing survives.
//!
//! The script's acts are kept, its waits become the time that they took, and what only a wait could tell (captures) is
//! left out: requests are approved as they come. Then every fault has ended, the user asks for a new connection, and the
//! companion must end as it does without a cut. One that does not is stranded.
//!
//! ```
//! use scenarios::cutpoints::{Cut, KINDS};
//! let cut = Cut::Wire { conn: 1, to_client: true, after: 2, kind: KINDS[0] };
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
use crate::scenario::{
    ConnectionPlan, Death, Disk, Fault, Lapse, Located, Moment, Scenario, Step, Way, WorldName,
};

pub use plain::plain;

/// The most durable changes of one client that are looked at.
const MOST_WRITES: u32 = 60;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Of a connection.
    Wire {
        /// The connection, in the gateway's accept order.
        conn: u32,
        /// Which way the messages are counted.
        to_client: bool,
        /// How many pass first.
        after: u32,
        /// How it is cut.
        kind: CutKind,
    },
    /// Of a client's process, which somebody starts again at once.
    Kill {
        /// The client.
        actor: String,
        /// At which of its durable changes, on which side.
        death: Death,
    },
}

impl fmt::Display for Cut {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire {
                conn,
                to_client,
                after,
                kind,
            } => {
                let to = if *to_client { "client" } else { "gateway" };
                let kind = kind.word();
                write!(
                    out,
                    "connection {conn}, after {after} messages to the {to}: {kind}"
                )
            }
            Self::Kill { actor, death } => {
                let Death { at, when } = death;
                write!(out, "{actor}, {} durable write {at}: kill", when.name())
            }
        }
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
        let mut plan = Self {
            scenario: plain,
            seed,
            end: end_of(&uncut.record),
            cuts: cuts(&whole.record),
        };
        let kills = plan.kills();
        plan.cuts.extend(kills);
        Ok(plan)
    }

    /// A kill on each side of each durable change of each client: as many as there are kills that take place.
    fn kills(&self) -> Vec<Cut> {
        let clients = self.scenario.actor.iter();
        let clients = clients.filter(|(_, actor)| actor.client().is_some());
        let mut kills = Vec::new();
        for (actor, _) in clients {
            for at in 1..=MOST_WRITES {
                let kill = |when| Cut::Kill {
                    actor: actor.clone(),
                    death: Death { at, when },
                };
                let outcome = run(Arc::new(self.with(&kill(Moment::Before))), self.seed);
                let notes = outcome.record.transcript.entries.iter();
                let mut notes = notes.filter(|entry| entry.kind == Kind::Note);
                let killed = |text: &str| text.contains(" was killed before a durable write");
                if !notes.any(|note| note.text.as_deref().is_some_and(killed)) {
                    break;
                }
                kills.extend([kill(Moment::Before), kill(Moment::After)]);
            }
        }
        kills
    }

    /// The scenario with one cut in it.
    fn with(&self, cut: &Cut) -> Scenario {
        let mut scenario = self.scenario.clone();
        match cut {
            Cut::Wire {
                conn,
                to_client,
                after,
                kind,
            } => {
                let way = if *to_client {
                    Way::ToClient
                } else {
                    Way::ToGateway
                };
                if *kind == CutKind::Duplicate && !to_client {
                    let reason = "a request that arrives twice is answered twice".to_owned();
                    let allow = &mut scenario.allow;
                    allow.insert("one_response_per_request".to_owned(), reason);
                }
                let fault = Fault {
                    after_messages: (*after > 0).then_some(*after),
                    ..kind.fault(way)
                };
                let plan = ConnectionPlan {
                    numbers: vec![*conn],
                    fault: Some(fault),
                    ..ConnectionPlan::default()
                };
                scenario.gateway.connection.push(Located::nowhere(plan));
            }
            Cut::Kill { actor, death } => {
                let disk = Disk {
                    of: actor.clone(),
                    fails: 0,
                    dies: Some(*death),
                    identity: None,
                };
                scenario.steps.insert(0, Located::nowhere(Step::Disk(disk)));
            }
        }
        scenario
    }

    /// Runs one cut.
    pub fn judge(&self, cut: &Cut) -> CutVerdict {
        let scenario = self.with(cut);
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
            cuts.extend(KINDS.map(|kind| Cut::Wire {
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
