//! A scenario's acts without its waits: what can be cut anywhere and still be played to its end.

use std::time::Duration;

use crate::judge::record::RunRecord;
use crate::scenario::captures::names_in;
use crate::scenario::{Actor, Do, IntentName, Lapse, Located, Scenario, Step};

/// Added to the time that a wait took, so that a slower way still fits in.
const MARGIN: Duration = Duration::from_secs(5);

/// Longest backoff and lockout.
const HEAL: Lapse = Lapse::seconds(360);

/// The scenario's acts, the time that its waits took, and the phase in which everything heals.
pub fn plain(scenario: &Scenario, record: &RunRecord) -> Scenario {
    let mut plain = scenario.clone();
    plain.never.clear();
    plain.count.clear();
    plain.finally.clear();
    plain.gateway.approves = true;
    plain.steps.clear();
    let mut known: Vec<String> = Vec::new();
    for (step, outcome) in scenario.steps.iter().zip(&record.steps) {
        let took = Duration::from_micros(outcome.ended_us.saturating_sub(outcome.began_us));
        let step = &step.value;
        let next = if matches!(step, Step::Expect(_) | Step::Quiet(_)) {
            Step::Elapse(Lapse(took.saturating_add(MARGIN)))
        } else if needs_a_wait(step, &known) {
            continue;
        } else {
            if let Step::Control(control) = step {
                known.extend(control.capture.keys().cloned());
            }
            step.clone()
        };
        plain.steps.push(Located::nowhere(next));
    }
    plain.steps.push(Located::nowhere(Step::Elapse(HEAL)));
    for (name, actor) in &scenario.actor {
        if matches!(actor, Actor::Client(_)) && runs_at_the_end(scenario, name) {
            let wish = Do::bare(name, IntentName::Reconnect);
            plain.steps.push(Located::nowhere(Step::Do(wish)));
        }
    }
    plain.steps.push(Located::nowhere(Step::Elapse(HEAL)));
    plain
}

/// Whether a step is of no use without what a wait captured, or decides a request that is decided already.
fn needs_a_wait(step: &Step, known: &[String]) -> bool {
    let decides = matches!(step, Step::Control(control) if control.approve.is_some() || control.fails.is_some());
    let missing = |name: &String| {
        let is_given = name.starts_with("gateway.") || name.ends_with(".device");
        !is_given && !known.contains(name)
    };
    let written = serde_json::to_value(step).unwrap_or_default();
    decides || names_in(&written).iter().any(missing)
}

fn runs_at_the_end(scenario: &Scenario, name: &str) -> bool {
    let mut runs = false;
    for step in &scenario.steps {
        if let Step::Start(actor) | Step::Stop(actor) = &step.value
            && actor == name
        {
            runs = matches!(step.value, Step::Start(_));
        }
    }
    runs
}
