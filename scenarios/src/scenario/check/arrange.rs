//! Actors, mounted behaviours, what single connections meet.

use std::collections::BTreeSet;
use std::ops::Range;

use gateway_core::ConnPick;

use crate::scenario::actor::Actor;
use crate::scenario::diagnostic::Problem;
use crate::scenario::fault::Fault;
use crate::scenario::gateway::{ConnectionPlan, On, ScriptLine};
use crate::scenario::step::Step;
use crate::scenario::{Scenario, SetupActor, WorldName, lower};

use super::{Checker, names};

type At = Option<Range<usize>>;

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
        if let Actor::Setup(plan) = actor {
            set_up(checker, plan, &place);
        }
        if let Actor::Client(client) = actor
            && client.service.is_some()
            && !client.holds.managed
        {
            checker.report(
                Problem::error(
                    "scenario::service_of_nobody",
                    format!("{name} has no gateway whose service it could restart"),
                )
                .at(checker.word("service").or_else(|| place.clone()))
                .help("add `managed = true` to its `holds`"),
            );
        }
        let only_core = scenario
            .worlds()
            .iter()
            .all(|world| *world == WorldName::Core);
        if actor.client().is_some_and(|client| client.ssh) && !only_core {
            checker.report(
                Problem::error(
                    "scenario::only_in_core",
                    "an ssh without a program is in the world core only".to_owned(),
                )
                .at(checker.word("ssh").or_else(|| place.clone()))
                .help("say `worlds = [\"core\"]`"),
            );
        }
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

/// A set-up has a companion, and a world that can run it.
fn set_up(checker: &mut Checker<'_>, plan: &SetupActor, place: &At) {
    names::client(checker, &plan.companion, place.clone());
    for problem in plan.problems() {
        checker.report(
            Problem::error("scenario::bad_set_up", problem)
                .at(place.clone())
                .help("docs/reference/language.md lists the fields of a set-up"),
        );
    }
    let worlds = checker.scenario.worlds();
    if !worlds.iter().all(|world| SETUP_WORLDS.contains(world)) {
        checker.report(
            Problem::error(
                "scenario::world_without_wsl",
                "only the worlds memory and wsl can run a set-up".to_owned(),
            )
            .at(place.clone())
            .help("add `worlds = [\"memory\"]`"),
        );
    }
    if let Some(field) = plan.only_in_memory()
        && worlds.contains(&WorldName::Wsl)
    {
        checker.report(
            Problem::error(
                "scenario::only_in_memory",
                format!("`{field}` is played by a computer in memory only"),
            )
            .at(place.clone())
            .help("take `wsl` out of `worlds`: there this machine's own ports and gateway answer"),
        );
    }
}

/// Where a set-up can run.
const SETUP_WORLDS: [WorldName; 2] = [WorldName::Memory, WorldName::Wsl];

fn behaviors(checker: &mut Checker<'_>) {
    let scenario = checker.scenario;
    let mut seen = BTreeSet::new();
    for on in &scenario.gateway.on {
        checker.bound.extend(on.capture.keys().cloned());
    }
    let mut known = names::everything_bound(checker);
    // In a raw text it stands for the request's id.
    known.insert("id".to_owned());
    for (index, on) in scenario.gateway.on.iter().enumerate() {
        behavior(checker, on, &lower::on_name(index), on.at.clone());
        names::captures_among(checker, &on.value, &known, &on.at);
    }
    let named = scenario.gateway.on.iter().map(|on| (&on.name, &on.at));
    let plans = scenario.gateway.connection.iter();
    for (name, at) in named.chain(plans.map(|plan| (&plan.name, &plan.at))) {
        if let Some(name) = name
            && !seen.insert(name.clone())
        {
            checker.report(
                Problem::error(
                    "scenario::duplicate_name",
                    format!("two behaviours are called {name}"),
                )
                .at(at.clone())
                .help("give each its own name"),
            );
        }
    }
}

pub(super) fn behavior(
    checker: &mut Checker<'_>,
    on: &On,
    fallback: &str,
    at: Option<Range<usize>>,
) {
    let triggers = [on.method.is_some(), on.open, on.upgrade];
    if triggers.into_iter().filter(|given| *given).count() != 1 {
        checker.report(
            Problem::error(
                "scenario::behaviour_without_trigger",
                "a behaviour needs one of `method`, `open` and `upgrade`".to_owned(),
            )
            .at(at)
            .help("give `method = \"connect\"`, `open = true` or `upgrade = true`, and only one of them"),
        );
        return;
    }
    if let (Some(method), false) = (&on.method, on.unlisted) {
        names::method(checker, method, at.clone());
    }
    for name in [&on.after, &on.before].into_iter().flatten() {
        names::note_or_capture(checker, name, at.clone());
    }
    if let Err(error) = lower::behavior(on, fallback) {
        checker.report(
            Problem::error("scenario::bad_behaviour", error.to_string())
                .at(at)
                .help("say what it does: respond, error, events, raw, bytes, patch, json_patch, ignore, pass, challenge, http, close or abort"),
        );
    }
}

/// Every fault of a scenario with the place where it stands.
pub(super) fn faults(scenario: &Scenario) -> Vec<(&Fault, Option<Range<usize>>)> {
    let planned = scenario
        .gateway
        .connection
        .iter()
        .filter_map(|plan| Some((plan.fault.as_ref()?, plan.at.clone())));
    let steps = scenario.steps.iter().filter_map(|step| match &step.value {
        Step::Fault(fault) => Some((fault, step.at.clone())),
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
        | Step::Disk(_)
        | Step::Note(_) => None,
    });
    planned.chain(steps).collect()
}

fn faults_and_worlds(checker: &mut Checker<'_>) {
    let scenario = checker.scenario;
    let core = scenario.worlds().contains(&WorldName::Core);
    for (fault, at) in faults(scenario) {
        if core && fault.name.row().needs_streams {
            checker.report(
                Problem::error(
                    "scenario::world_without_streams",
                    format!(
                        "the world core has no streams, and the fault {} needs one",
                        fault.name
                    ),
                )
                .at(at.clone())
                .help("leave core out of `worlds`"),
            );
        }
        if let Err(error) = fault.spec().check() {
            checker.report(
                Problem::error("scenario::bad_fault", words_of(&error.to_string()))
                    .at(at)
                    .help(format!(
                        "`clawproof explain {}` says what it takes",
                        fault.name
                    )),
            );
        }
    }
    for (index, plan) in scenario.gateway.connection.iter().enumerate() {
        connection(checker, index, plan, &plan.at);
    }
}

/// The fields of the link in the words of a scenario.
fn words_of(error: &str) -> String {
    let words = [
        ("`dir`", "`way`"),
        ("`after`", "`after_messages`"),
        ("`count`", "`times`"),
        ("`delay_ms`", "`delay`"),
        ("`lasts_ms`", "`lasts`"),
        ("`chunk_bytes`", "`bytes`"),
    ];
    words
        .into_iter()
        .fold(error.to_owned(), |error, (link, scenario)| {
            error.replace(link, scenario)
        })
}

fn connection(checker: &mut Checker<'_>, index: usize, plan: &ConnectionPlan, at: &At) {
    let mut report = |code, message: String, help: &str| {
        checker.report(Problem::error(code, message).at(at.clone()).help(help));
    };
    let ranged = plan.from.is_some() || plan.to.is_some();
    let backwards = matches!(plan.pick(), ConnPick::Range { from, to } if from == 0 || to.is_some_and(|to| to < from));
    if ranged != plan.numbers.is_empty() || plan.numbers.contains(&0) || backwards {
        report(
            "scenario::bad_connection_number",
            "connections are numbered from 1, by `numbers` or by `from` and `to`".to_owned(),
            "for example `numbers = [1, 2]`, or `from = 3`",
        );
        return;
    }
    let verbs = plan.verbs();
    if verbs.len() != 1 {
        report(
            "scenario::exactly_one",
            format!(
                "a connection plan does {} things: {}",
                verbs.len(),
                verbs.join(", ")
            ),
            "give exactly one of fault, refuse, hold, frames, close and abort",
        );
        return;
    }
    let early = plan.fault.is_some() || plan.refuse.is_some();
    if early && (plan.role.is_some() || plan.client.is_some()) {
        report(
            "scenario::bad_connection_plan",
            format!(
                "`{}` happens before role and client are known",
                verbs.join("")
            ),
            "leave `role` and `client` out, or use hold, frames, close or abort",
        );
    }
    if plan.after.is_some() && plan.close.is_none() && !plan.abort {
        report(
            "scenario::bad_connection_plan",
            format!("`after` means nothing to `{}`", verbs.join("")),
            "it delays `close` and `abort`; a line of `frames` has its own `after`, a fault `after_messages`",
        );
    }
    if plan.fault.as_ref().is_some_and(Fault::selects) {
        report(
            "scenario::bad_connection_plan",
            "the fault of a connection plan takes the plan's connections".to_owned(),
            "leave actor, role, next and connections out of `fault`",
        );
    }
    if !plan.frames.iter().all(says_one_thing) {
        report(
            "scenario::exactly_one",
            "a line of `frames` says exactly one thing".to_owned(),
            "give one of frame, event, text and bytes",
        );
    }
    if let Err(error) = lower::planned(plan, &lower::plan_name(index)) {
        report(
            "scenario::bad_behaviour",
            error.to_string(),
            "see docs/reference/language.md, `[[gateway.connection]]`",
        );
    }
}

fn says_one_thing(line: &ScriptLine) -> bool {
    let given = [
        line.frame.is_some(),
        line.event.is_some(),
        line.text.is_some(),
        line.bytes.is_some(),
    ];
    given.into_iter().filter(|given| *given).count() == 1
}
