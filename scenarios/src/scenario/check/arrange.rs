//! Actors, mounted behaviours, what single connections meet.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::scenario::actor::Actor;
use crate::scenario::diagnostic::Problem;
use crate::scenario::fault::FaultName;
use crate::scenario::gateway::On;
use crate::scenario::step::Step;
use crate::scenario::{Scenario, WorldName, lower};

use super::{Checker, names};

/// Names that the runner binds or the language uses.
const RESERVED: [&str; 3] = ["gateway", "latest", "next"];

pub(super) fn check(checker: &mut Checker<'_>) {
    actors(checker);
    behaviors(checker);
    faults_and_worlds(checker);
    for problem in checker.scenario.gateway.agent.problems() {
        checker.report(problem);
    }
    config(checker);
}

/// `[gateway.config]` holds the real gateway's keys, so what the release does not know is refused here as there.
fn config(checker: &mut Checker<'_>) {
    let version = checker.scenario.profile.as_deref();
    let Some(profile) = gateway_core::profile(version.unwrap_or(gateway_core::DEFAULT_PROFILE))
    else {
        return;
    };
    match lower::config(&checker.scenario.gateway, profile) {
        Ok(lowered) => {
            for key in lowered.ignored {
                let place = key_place(checker, &key.path);
                checker.report(
                    Problem::warning(
                        "scenario::config_without_effect",
                        format!("{} has no effect on the mock", key.path),
                    )
                    .at(place)
                    .help("leave it out, unless the scenario runs against the real gateway too"),
                );
            }
        }
        Err(error) => {
            let place = key_place(checker, &error.path);
            checker.report(
                Problem::error("scenario::bad_config", error.to_string())
                    .at(place)
                    .help("the keys of `[gateway.config]` are those of the real gateway's openclaw.json, from its root, e.g. `gateway.auth.mode = \"password\"`"),
            );
        }
    }
}

/// Where the last member of a key stands in the file.
fn key_place(checker: &Checker<'_>, path: &str) -> Option<Range<usize>> {
    let last = path.rsplit('.').next().unwrap_or(path);
    checker
        .word_after("config", last)
        .or_else(|| checker.word("[gateway"))
}

fn actors(checker: &mut Checker<'_>) {
    let scenario = checker.scenario;
    for (name, actor) in &scenario.actor {
        let place = checker.word(name);
        if RESERVED.contains(&name.as_str()) {
            checker.report(
                Problem::error(
                    "scenario::reserved_name",
                    format!("an actor cannot be called {name}"),
                )
                .at(place.clone())
                .help("choose another name"),
            );
        }
        checker.bound.insert(format!("{name}.device"));
        let Actor::Raw(raw) = actor else { continue };
        let Some(other) = &raw.identity_of else {
            continue;
        };
        if !matches!(scenario.actor.get(other), Some(Actor::Raw(_))) {
            checker.report(
                Problem::error(
                    "scenario::unknown_actor",
                    format!("no raw actor is called {other}"),
                )
                .at(place)
                .help("`identity_of` names another actor of kind raw"),
            );
        }
    }
    for bound in ["gateway.url", "gateway.token", "gateway.password"] {
        checker.bound.insert(bound.to_owned());
    }
}

fn behaviors(checker: &mut Checker<'_>) {
    let scenario = checker.scenario;
    let mut seen = BTreeSet::new();
    for (index, on) in scenario.gateway.on.iter().enumerate() {
        behavior(checker, on, index, on.at.clone());
        if let Some(name) = &on.name
            && !seen.insert(name.clone())
        {
            checker.report(
                Problem::error(
                    "scenario::duplicate_name",
                    format!("two behaviours are called {name}"),
                )
                .at(on.at.clone())
                .help("give each its own name"),
            );
        }
    }
}

pub(super) fn behavior(checker: &mut Checker<'_>, on: &On, index: usize, at: Option<Range<usize>>) {
    if on.open == on.method.is_some() {
        checker.report(
            Problem::error(
                "scenario::behaviour_without_trigger",
                "a behaviour needs `method` or `open`".to_owned(),
            )
            .at(at.clone())
            .help("give `method = \"connect\"`, or `open = true`, and not both"),
        );
    }
    if let (Some(method), false) = (&on.method, on.unlisted) {
        names::method(checker, method, at.clone());
    }
    if let Err(error) = lower::behavior(on, &format!("on {index}")) {
        checker.report(
            Problem::error("scenario::bad_behaviour", error.to_string())
                .at(at)
                .help("say what it does: respond, error, events, raw, patch, ignore, pass, challenge, close or abort"),
        );
    }
}

/// Every fault of a scenario with the place where it stands.
pub(super) fn faults(scenario: &Scenario) -> Vec<(&'static str, FaultName, Option<Range<usize>>)> {
    let planned = scenario
        .gateway
        .connection
        .iter()
        .map(|plan| ("connection", plan.fault, plan.at.clone()));
    let steps = scenario.steps.iter().filter_map(|step| match &step.value {
        Step::Fault(fault) => Some(("fault", fault.name, step.at.clone())),
        Step::Start(_)
        | Step::Stop(_)
        | Step::Do(_)
        | Step::Send(_)
        | Step::Expect(_)
        | Step::Quiet(_)
        | Step::Heal(_)
        | Step::Elapse(_)
        | Step::Close(_)
        | Step::Control(_)
        | Step::Clock(_)
        | Step::Note(_) => None,
    });
    planned.chain(steps).collect()
}

fn faults_and_worlds(checker: &mut Checker<'_>) {
    let scenario = checker.scenario;
    let core = scenario.worlds().contains(&WorldName::Core);
    for (_, fault, at) in faults(scenario) {
        if core && fault.needs_streams() {
            checker.report(
                Problem::error(
                    "scenario::world_without_streams",
                    format!(
                        "the world core has no streams, and the fault {} needs one",
                        fault.name()
                    ),
                )
                .at(at)
                .help("leave core out of `worlds`"),
            );
        }
    }
    for plan in &scenario.gateway.connection {
        if plan.numbers.is_empty() || plan.numbers.contains(&0) {
            checker.report(
                Problem::error(
                    "scenario::bad_connection_number",
                    "connections are numbered from 1".to_owned(),
                )
                .at(plan.at.clone())
                .help("for example `numbers = [1, 2]`"),
            );
        }
    }
}
