//! The script, step by step.

use std::ops::Range;

use client_core::GatewayRecord;

use crate::scenario::WorldName;
use crate::scenario::actor::Actor;
use crate::scenario::control::Control;
use crate::scenario::diagnostic::Problem;
use crate::scenario::intent::Do;
use crate::scenario::pattern::{Expect, Pattern};
use crate::scenario::step::{Clock, Disk, Send, Step, WhichClock};

use super::{Checker, arrange, names};

type At = Option<Range<usize>>;

pub(super) fn check(checker: &mut Checker<'_>) {
    let scenario = checker.scenario;
    let mut faults: Vec<String> = scenario
        .gateway
        .connection
        .iter()
        .filter_map(|plan| Some(plan.fault.as_ref()?.name.to_string()))
        .collect();
    for step in &scenario.steps {
        let at = step.at.clone();
        match &step.value {
            Step::Start(actor) | Step::Stop(actor) => names::actor(checker, actor, at),
            Step::Do(intent) => {
                names::captures_in(checker, intent, &at);
                do_step(checker, intent, &at);
                checker.bound.extend(intent.capture.keys().cloned());
            }
            Step::Send(send) => send_step(checker, send, &at),
            Step::Expect(expect) => expect_step(checker, expect, &at),
            Step::Quiet(quiet) => {
                names::captures_in(checker, quiet, &at);
                pattern(checker, &quiet.pattern(), &at);
            }
            Step::Fault(fault) => {
                faults.push(fault.name.to_string());
                if let Some(actor) = &fault.actor {
                    names::actor(checker, actor, at);
                }
            }
            Step::Heal(name) => heal(checker, name, &faults, at),
            Step::Elapse(_) | Step::Note(_) => {}
            Step::Close(close) => names::actor(checker, &close.actor, at),
            Step::Control(control) => {
                let plain = Control {
                    on: None,
                    ..Control::clone(control)
                };
                names::captures_in(checker, &plain, &at);
                one_of(checker, "a control", &control.verbs(), &at);
                if let Some(listener) = &control.listener {
                    names::actor(checker, &listener.of, at.clone());
                    let given = [
                        ("is", listener.is.is_some()),
                        ("seen", listener.seen.is_some()),
                    ];
                    let given: Vec<&'static str> = given
                        .into_iter()
                        .filter_map(|(name, given)| given.then_some(name))
                        .collect();
                    one_of(checker, "a listener", &given, &at);
                }
                if let Some(tunnel) = &control.tunnel {
                    names::client(checker, &tunnel.of, at.clone());
                    with_ssh(checker, &tunnel.of, &at);
                }
                if let Some(on) = &control.on {
                    arrange::behavior(checker, on, "mounted", at.clone());
                    checker.bound.extend(on.capture.keys().cloned());
                    let mut known = names::everything_bound(checker);
                    known.insert("id".to_owned());
                    names::captures_among(checker, on, &known, &at);
                }
                checker.bound.extend(control.capture.keys().cloned());
            }
            Step::Clock(clock) => clock_step(checker, clock, &at),
            Step::Disk(disk) => disk_step(checker, disk, &at),
        }
    }
}

fn one_of(checker: &mut Checker<'_>, what: &str, given: &[&'static str], at: &At) {
    if given.len() == 1 {
        return;
    }
    let message = if given.is_empty() {
        format!("{what} does nothing")
    } else {
        format!("{what} does {} things: {}", given.len(), given.join(", "))
    };
    checker.report(
        Problem::error("scenario::exactly_one", message)
            .at(at.clone())
            .help("give exactly one, and split the step if need be"),
    );
}

fn do_step(checker: &mut Checker<'_>, intent: &Do, at: &At) {
    if intent.intent.is_of_set_up() {
        names::set_up(checker, &intent.actor, at.clone());
    } else {
        names::client(checker, &intent.actor, at.clone());
    }
    let takes = intent.intent.arguments();
    let given = intent.given();
    for (name, required) in takes {
        if *required && !given.contains(name) {
            checker.report(
                Problem::error(
                    "scenario::missing_argument",
                    format!("{} needs `{name}`", intent.intent.name()),
                )
                .at(at.clone())
                .help(format!("add `{name} = ...`")),
            );
        }
    }
    if let Some(record) = &intent.record
        && let Err(error) = serde_json::from_value::<GatewayRecord>(record.clone())
    {
        checker.report(
            Problem::error(
                "scenario::bad_record",
                format!("no gateway record: {error}"),
            )
            .at(at.clone())
            .help("give at least `id` and `url`, and what else `gateways.json` has"),
        );
    }
    for name in given {
        if !takes.iter().any(|(takes, _)| *takes == name) {
            checker.report(
                Problem::error(
                    "scenario::unknown_argument",
                    format!("{} takes no `{name}`", intent.intent.name()),
                )
                .at(at.clone())
                .help("remove it"),
            );
        }
    }
}

/// Only who can run ssh has tunnels.
fn with_ssh(checker: &mut Checker<'_>, name: &str, at: &At) {
    let client = checker.scenario.actor.get(name).and_then(Actor::client);
    if client.is_some_and(|client| !client.ssh) {
        checker.report(
            Problem::error(
                "scenario::tunnel_of_nobody",
                format!("{name} runs no ssh whose tunnels could end"),
            )
            .at(at.clone())
            .help("add `ssh = true` to the actor"),
        );
    }
}

fn send_step(checker: &mut Checker<'_>, send: &Send, at: &At) {
    names::captures_in(checker, send, at);
    names::raw(checker, &send.from, at.clone());
    let kinds = [
        ("connect", send.connect.is_some()),
        ("request", send.request.is_some()),
        ("frame", send.frame.is_some()),
        ("text", send.text.is_some()),
        ("binary", send.binary.is_some()),
        ("ping", send.ping),
    ];
    let given: Vec<&'static str> = kinds
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect();
    one_of(checker, "a send", &given, at);
    if let (Some(method), false) = (&send.request, send.unlisted) {
        names::method(checker, method, at.clone());
    }
}

fn expect_step(checker: &mut Checker<'_>, expect: &Expect, at: &At) {
    names::captures_in(checker, expect, at);
    let wire = expect.pattern() != Pattern::default();
    let kinds = [
        ("a message", wire),
        ("snapshot", expect.snapshot.is_some()),
        ("durable", expect.durable.is_some()),
        ("dashboard", expect.dashboard.is_some()),
        ("reports", expect.reports.is_some()),
        ("gateway", expect.gateway.is_some()),
    ];
    let given: Vec<&'static str> = kinds
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect();
    one_of(checker, "an expect", &given, at);
    let inside = expect.durable.is_some() || expect.dashboard.is_some();
    let about_client = expect.snapshot.is_some() || inside || expect.reports.is_some();
    match &expect.actor {
        Some(actor) if !inside => names::told_of(checker, actor, at.clone()),
        Some(actor) => names::client(checker, actor, at.clone()),
        None if about_client => checker.report(
            Problem::error(
                "scenario::missing_argument",
                "whose snapshot is meant?".to_owned(),
            )
            .at(at.clone())
            .help("add `actor = \"...\"`"),
        ),
        None => {}
    }
    pattern(checker, &expect.pattern(), at);
    checker.bound.extend(expect.capture.keys().cloned());
}

pub(super) fn pattern(checker: &mut Checker<'_>, pattern: &Pattern, at: &At) {
    for name in [&pattern.from, &pattern.to].into_iter().flatten() {
        names::actor(checker, name, at.clone());
    }
    if pattern.from.is_some() && pattern.to.is_some() {
        checker.report(
            Problem::error(
                "scenario::exactly_one",
                "a message goes one way: `from` or `to`".to_owned(),
            )
            .at(at.clone())
            .help("`from` is for what the actor says, `to` for what the gateway says to it"),
        );
    }
    if pattern.unlisted {
        return;
    }
    for method in [&pattern.method, &pattern.response].into_iter().flatten() {
        names::method(checker, method, at.clone());
    }
    if let Some(event) = &pattern.event {
        names::event(checker, event, at.clone());
    }
}

fn heal(checker: &mut Checker<'_>, name: &str, faults: &[String], at: At) {
    if faults.iter().any(|fault| fault == name) {
        return;
    }
    checker.report(
        Problem::error(
            "scenario::nothing_to_heal",
            format!("no fault {name:?} was installed before"),
        )
        .at(at)
        .help(format!("installed so far: {}", faults.join(", "))),
    );
}

fn disk_step(checker: &mut Checker<'_>, disk: &Disk, at: &At) {
    names::actor(checker, &disk.of, at.clone());
    let actor = checker.scenario.actor.get(&disk.of);
    if actor.is_some_and(|actor| actor.client().is_none()) {
        checker.report(
            Problem::error(
                "scenario::wrong_kind_of_actor",
                format!("{} is no client, and stores nothing", disk.of),
            )
            .at(at.clone())
            .help("only a client has a disk"),
        );
    }
    let elsewhere: Vec<&str> = checker
        .scenario
        .worlds()
        .into_iter()
        .filter(|world| *world != WorldName::Core)
        .map(WorldName::name)
        .collect();
    if disk.dies.is_some() && !elsewhere.is_empty() {
        checker.report(
            Problem::error(
                "scenario::only_in_core",
                format!(
                    "a process can't be killed at a write in {}",
                    elsewhere.join(" and ")
                ),
            )
            .at(at.clone())
            .help("say `worlds = [\"core\"]`, or stop the client instead"),
        );
    }
}

fn clock_step(checker: &mut Checker<'_>, clock: &Clock, at: &At) {
    if clock.of != "gateway" {
        names::actor(checker, &clock.of, at.clone());
    }
    let kinds = [
        ("offset", clock.offset.is_some()),
        ("jump", clock.jump.is_some()),
        ("freeze", clock.freeze.is_some()),
    ];
    let monotonic = clock.which == Some(WhichClock::Monotonic);
    if monotonic && matches!(checker.scenario.actor.get(&clock.of), Some(Actor::Raw(_))) {
        checker.report(
            Problem::error(
                "scenario::wrong_kind_of_actor",
                format!("{} is a raw actor, which has no deadlines", clock.of),
            )
            .at(at.clone())
            .help("a monotonic clock can be set of a client, or of the gateway"),
        );
    }
    if monotonic && clock.jump.is_some_and(|jump| jump.millis < 0) {
        checker.report(
            Problem::error(
                "scenario::bad_clock",
                "a monotonic clock never goes back".to_owned(),
            )
            .at(at.clone())
            .help("a jump of it is 0 or more; the wall clock may go back"),
        );
    }
    let given: Vec<&'static str> = kinds
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect();
    one_of(checker, "a clock step", &given, at);
}
