//! The bootstrap token goes last.

use std::collections::BTreeMap;

use super::{Breach, Evidence, Row, Subject, breach};
use crate::scenario::{IntentName, Step};

pub(super) const ROW: Row = Row {
    name: "bootstrap_cleared_last",
    doc: "The bootstrap token leaves the disk only after both role tokens are on it.",
    source: "client-behaviour §17; scenario-catalogue K5, 107; field-bugs 57, 58",
    subject: Subject::Companion,
    mutant: "client:clear_bootstrap_early",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut present: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    let mut breaches = Vec::new();
    for note in &evidence.record.stores {
        let had = present.insert((&note.actor, &note.what), note.present) == Some(true);
        let Some(gateway) = note.what.strip_suffix("/bootstrap_token") else {
            continue;
        };
        if !had || note.present || replaced_by_the_user(evidence, &note.actor, note.t_us) {
            continue;
        }
        let there = |what: &str| {
            let name = format!("{gateway}/{what}");
            present
                .get(&(note.actor.as_str(), name.as_str()))
                .copied()
                .unwrap_or(false)
        };
        let missing: Vec<&str> = ["operator_token", "node_token"]
            .into_iter()
            .filter(|what| !there(what))
            .collect();
        if !missing.is_empty() {
            let what = format!(
                "{} cleared its bootstrap token before {} was stored",
                note.actor,
                missing.join(" and ")
            );
            breaches.push(breach(what, &[]));
        }
    }
    breaches
}

/// A user who connects with a shared token (047) replaces the old bootstrap token once that one has proven good, whatever he
/// wants meanwhile: until he applies another setup code, it is his doing. Found by `clawproof explore --latency`, seed 72.
fn replaced_by_the_user(evidence: &Evidence<'_>, actor: &str, t_us: u64) -> bool {
    let steps = evidence.record.steps.iter().rev();
    let begun = steps.filter(|outcome| outcome.began_us <= t_us);
    let wishes = begun.filter_map(|outcome| {
        let step = evidence.scenario.steps.get(outcome.index)?;
        let Step::Do(intent) = &step.value else {
            return None;
        };
        (intent.actor == actor).then_some(intent.intent)
    });
    let mut since_code = wishes.take_while(|wish| *wish != IntentName::ApplySetupCode);
    since_code.any(|wish| wish == IntentName::ConnectSharedToken)
}
