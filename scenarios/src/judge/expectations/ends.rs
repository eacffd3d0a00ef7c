//! `never`, `count` and `finally`, decided when the script is over.

use serde_json::Value;

use super::super::record::Nearest;
use super::{
    Captured, EndOutcome, EndSection, FinalViews, Scenario, Watch, resolve, state_matches,
};
use crate::scenario::Count;

/// Decides every end section of a scenario.
pub fn ends(
    scenario: &Scenario,
    watch: &Watch,
    views: &FinalViews,
    captured: &Captured,
    reports: &dyn Fn(&str) -> Vec<Value>,
) -> Vec<EndOutcome> {
    let mut outcomes = Vec::new();
    for (index, never) in scenario.never.iter().enumerate() {
        let outcome = match resolve(&never.value, captured) {
            Ok(never) => {
                let entries = watch.all(
                    &never.pattern(),
                    never.after.as_deref(),
                    never.before.as_deref(),
                );
                outcome(EndSection::Never, index, entries.is_empty(), entries, None)
            }
            // What was never captured cannot have been seen again.
            Err(_unbound) => outcome(EndSection::Never, index, true, Vec::new(), None),
        };
        outcomes.push(outcome);
    }
    for (index, count) in scenario.count.iter().enumerate() {
        let outcome = match resolve(&count.value, captured) {
            Ok(count) if count.reports.is_some() => {
                let got = told(&count, reports);
                let nearest = Nearest {
                    got: got.to_string(),
                    ..Nearest::default()
                };
                let held = fits(&count, got);
                outcome(EndSection::Count, index, held, Vec::new(), Some(nearest))
            }
            Ok(count) => {
                let entries = watch.all(
                    &count.pattern(),
                    count.after.as_deref(),
                    count.before.as_deref(),
                );
                let got = u32::try_from(entries.len()).unwrap_or(u32::MAX);
                let held = fits(&count, got);
                outcome(EndSection::Count, index, held, entries, None)
            }
            Err(unbound) => unfilled(EndSection::Count, index, &unbound.to_string()),
        };
        outcomes.push(outcome);
    }
    for (index, finally) in scenario.finally.iter().enumerate() {
        let outcome = match resolve(&finally.value, captured) {
            Ok(finally) => {
                let nearest = finally_holds(&finally, views).err();
                outcome(
                    EndSection::Finally,
                    index,
                    nearest.is_none(),
                    Vec::new(),
                    nearest,
                )
            }
            Err(unbound) => unfilled(EndSection::Finally, index, &unbound.to_string()),
        };
        outcomes.push(outcome);
    }
    outcomes
}

fn fits(count: &Count, got: u32) -> bool {
    count.exactly.is_none_or(|n| got == n)
        && count.min.is_none_or(|n| got >= n)
        && count.max.is_none_or(|n| got <= n)
}

/// How often a client reported what is counted.
fn told(count: &Count, reports: &dyn Fn(&str) -> Vec<Value>) -> u32 {
    let (Some(actor), Some(wanted)) = (&count.actor, &count.reports) else {
        return 0;
    };
    let events = reports(actor);
    let told = events
        .iter()
        .filter(|event| state_matches(wanted, event).is_ok());
    u32::try_from(told.count()).unwrap_or(u32::MAX)
}

fn outcome(
    section: EndSection,
    index: usize,
    held: bool,
    entries: Vec<u64>,
    nearest: Option<Nearest>,
) -> EndOutcome {
    EndOutcome {
        section,
        index,
        entries,
        held,
        nearest,
    }
}

fn unfilled(section: EndSection, index: usize, why: &str) -> EndOutcome {
    let nearest = Nearest {
        expected: "every capture bound".to_owned(),
        got: why.to_owned(),
        ..Nearest::default()
    };
    outcome(section, index, false, Vec::new(), Some(nearest))
}

fn finally_holds(finally: &crate::scenario::Finally, views: &FinalViews) -> Result<(), Nearest> {
    let actor = finally.actor.as_deref().unwrap_or_default();
    let null = Value::Null;
    if let Some(snapshot) = &finally.snapshot {
        state_matches(snapshot, views.snapshots.get(actor).unwrap_or(&null))?;
    }
    if let Some(durable) = &finally.durable {
        state_matches(durable, views.durable.get(actor).unwrap_or(&null))?;
    }
    if let Some(gateway) = &finally.gateway {
        state_matches(gateway, &views.gateway)?;
    }
    Ok(())
}
