//! A sound companion survives every cut of a bootstrap, and one that forgets does not.

use std::sync::Arc;

use super::*;
use crate::run::Source;
use crate::scenario::{Actor, parse};

fn scenario(id: &str) -> Scenario {
    let files = Source::Embedded.files().unwrap();
    let file = files.iter().find(|file| file.id == id).unwrap();
    parse(id, &file.text).unwrap()
}

const READY: &str = "setup-connect/paired-companion-is-ready";
const BOOTSTRAP: &str = "setup-connect/start/bootstrap-token-only";

#[test]
fn every_cut_of_a_plain_start_heals() {
    let plan = CutPlan::new(&Arc::new(scenario(READY)), 7).unwrap();
    assert!(plan.cuts.len() > 50, "{}", plan.cuts.len());
    let wrong: Vec<String> = plan
        .cuts
        .iter()
        .filter_map(|cut| match plan.judge(cut) {
            CutVerdict::Heals => None,
            verdict @ (CutVerdict::Stranded { .. } | CutVerdict::Breaks { .. }) => {
                Some(format!("{cut}: {verdict:?}"))
            }
        })
        .collect();
    assert_eq!(wrong, [] as [String; 0]);
}

#[test]
fn a_client_that_changes_its_key_does_not_survive_a_cut() {
    let mut scenario = scenario(READY);
    for actor in scenario.actor.values_mut() {
        if let Actor::Client(client) = actor {
            client.mutation = Some("new_key_on_reconnect".to_owned());
        }
    }
    let plan = CutPlan::new(&Arc::new(scenario), 7).unwrap();
    let verdicts = plan.cuts.iter().map(|cut| plan.judge(cut));
    let broken = verdicts.filter(|verdict| *verdict != CutVerdict::Heals);
    assert!(broken.count() > 0);
}

/// A process that dies at a write is started again, and what it had stored is enough. One place strands the node: the
/// gateway takes a bootstrap token once, and the node's token was the only thing that was lost.
#[test]
fn a_bootstrap_survives_a_kill_at_every_durable_write_but_one() {
    let plan = CutPlan::new(&Arc::new(scenario(BOOTSTRAP)), 7).unwrap();
    let kills = plan.cuts.iter();
    let kills: Vec<&Cut> = kills
        .filter(|cut| matches!(cut, Cut::Kill { .. }))
        .collect();
    assert!(kills.len() >= 6, "{}", kills.len());
    let verdicts = kills.iter().map(|cut| (*cut, plan.judge(cut)));
    let wrong: Vec<String> = verdicts
        .filter(|(_, verdict)| *verdict != CutVerdict::Heals)
        .map(|(cut, _)| cut.to_string())
        .collect();
    assert_eq!(wrong, ["companion, before durable write 5: kill"]);
}
