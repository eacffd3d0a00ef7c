//! The credential matrix: every combination of what a companion holds and what its gateway remembers.
//!
//! Each cell starts a companion in the `core` world, lets every request be approved, and gives it time. It must end in
//! a named state with no invariant broken, must not have sent a stronger credential to an endpoint that proves nothing,
//! and must not have lost a token that was good.
//!
//! ```
//! let cells = scenarios::matrix::cells();
//! assert!(cells.len() >= 1_000);
//! let verdict = scenarios::matrix::judge_cell(&cells[0], 7);
//! assert_eq!(verdict.problems, [] as [String; 0]);
//! ```

mod cell;

pub use cell::{Cell, Memory, OperatorToken, Pin, cells};

use std::sync::Arc;

use serde_json::Value;

use crate::judge::Verdict;
use crate::judge::record::RunRecord;
use crate::judge::wire::Wire;
use crate::run::{Job, run_job};
use crate::scenario::{Held, Peer, Policy, WorldName};

/// States that say what is to be done, if anything.
const NAMED: [&str; 6] = [
    "Ready",
    "Connected",
    "Degraded",
    "PairingRequired",
    "Error",
    "Idle",
];

/// What came of one cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellVerdict {
    /// The state that the companion ended in.
    pub state: String,
    /// What is wrong; nothing when all is well.
    pub problems: Vec<String>,
}

/// Runs one cell.
pub fn judge_cell(cell: &Cell, seed: u64) -> CellVerdict {
    let job = Job {
        scenario: Arc::new(cell.scenario()),
        world: WorldName::Core,
        missing: None,
        ground: None,
        client: None,
    };
    let outcome = run_job(&job, seed, None);
    let mut problems: Vec<String> = match &outcome.verdict {
        Verdict::Passed => Vec::new(),
        Verdict::Failed(findings) => findings
            .iter()
            .map(|finding| format!("{}: {}", finding.rule, finding.summary))
            .collect(),
        Verdict::Inconclusive { .. } | Verdict::Skipped { .. } | Verdict::Broken { .. } => {
            vec![outcome.verdict.word().to_owned()]
        }
    };
    let record = &outcome.record;
    let view = |of: &std::collections::BTreeMap<String, Value>, key: &str| {
        of.get(cell::COMPANION).and_then(|it| it.get(key)).cloned()
    };
    let state = view(&record.views.snapshots, "overallState")
        .and_then(|state| state.as_str().map(str::to_owned))
        .unwrap_or_default();
    if !NAMED.contains(&state.as_str()) {
        problems.push(format!("ended as '{state}', which tells nobody what to do"));
    }
    let has = |key: &str| view(&record.views.durable, key) == Some(Value::Bool(true));
    // A changed platform is approved anew, and that approval replaces the token: the old one is no longer good. ref: the
    // conform flow pairing/metadata-upgrade; field-bugs.md 24
    let kept = cell.memory == Memory::Kept && cell.pin == Pin::Same;
    if kept && cell.operator.is_valid() && !has("operator_token") {
        problems.push("a good operator token was lost".to_owned());
    }
    if kept && cell.node == Held::Valid && !has("node_token") {
        problems.push("a good node token was lost".to_owned());
    }
    if cell.policy == Policy::Hardened && cell.peer == Peer::Remote && downgrades(record) {
        problems.push("a stronger credential followed a refused one to a plain address".to_owned());
    }
    CellVerdict { state, problems }
}

/// Whether a role that had sent a device token sent something else later.
fn downgrades(record: &RunRecord) -> bool {
    let wire = Wire::of(&record.transcript.entries);
    let mut sent_token = std::collections::BTreeSet::new();
    for entry in &record.transcript.entries {
        let Some(frame) = &entry.frame else { continue };
        let is_connect = frame
            .get("method")
            .is_some_and(|method| method == "connect");
        let role = entry
            .conn
            .and_then(|conn| wire.connection(conn)?.role.clone());
        let (true, Some(role)) = (is_connect, role) else {
            continue;
        };
        let auth = frame.pointer("/params/auth");
        let has = |key: &str| auth.and_then(|auth| auth.get(key)).is_some();
        if has("deviceToken") {
            sent_token.insert(role);
        } else if sent_token.contains(&role) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One cell in twenty: the whole matrix is `clawproof matrix`.
    #[test]
    fn cells_end_in_a_named_state_without_a_loss() {
        let wrong: Vec<String> = cells()
            .iter()
            .step_by(20)
            .map(|cell| (cell, judge_cell(cell, 7)))
            .filter(|(_, verdict)| !verdict.problems.is_empty())
            .map(|(cell, verdict)| format!("{cell}: {:?}", verdict.problems))
            .collect();
        assert_eq!(wrong, [] as [String; 0]);
    }

    #[test]
    fn every_cell_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<String> =
            cells().iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), cells().len());
    }
}
