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

#[test]
fn every_cut_of_a_plain_start_heals() {
    let plan = CutPlan::new(&Arc::new(scenario(READY)), 7).unwrap();
    assert!(plan.cuts.len() > 50, "{}", plan.cuts.len());
    let wrong: Vec<String> = plan
        .cuts
        .iter()
        .filter_map(|cut| match plan.judge(*cut) {
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
    let verdicts = plan.cuts.iter().map(|cut| plan.judge(*cut));
    let broken = verdicts.filter(|verdict| *verdict != CutVerdict::Heals);
    assert!(broken.count() > 0);
}
