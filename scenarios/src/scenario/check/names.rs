//! Names against the registries, and captures against what is bound.

use std::collections::BTreeSet;
use std::ops::Range;

use gateway_protocol::event::{event_row, events};
use gateway_protocol::method::{method_row, methods};
use serde::Serialize;

use crate::scenario::actor::Actor;
use crate::scenario::captures;
use crate::scenario::diagnostic::Problem;
use crate::scenario::parsing::nearest;
use crate::scenario::step::Step;

use super::Checker;

type At = Option<Range<usize>>;

/// Warns about a method that no release and no schema names.
pub(super) fn method(checker: &mut Checker<'_>, name: &str, at: At) {
    if name.contains('*') || method_row(name).is_some() {
        return;
    }
    let near = nearest(name, methods().iter().map(|row| row.name));
    checker.report(
        Problem::warning(
            "scenario::unlisted_method",
            format!("no gateway release knows a method {name}"),
        )
        .at(at)
        .help(remedy(near)),
    );
}

/// Warns about an event that no release names.
pub(super) fn event(checker: &mut Checker<'_>, name: &str, at: At) {
    if event_row(name).is_some() {
        return;
    }
    let near = nearest(name, events().iter().map(|row| row.name));
    checker.report(
        Problem::warning(
            "scenario::unlisted_event",
            format!("no gateway release knows an event {name}"),
        )
        .at(at)
        .help(remedy(near)),
    );
}

fn remedy(near: Option<&str>) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`? If it is meant, add `unlisted = true`"),
        None => "if it is meant, add `unlisted = true`".to_owned(),
    }
}

/// An actor of any kind.
pub(super) fn actor(checker: &mut Checker<'_>, name: &str, at: At) {
    if checker.scenario.actor.contains_key(name) {
        return;
    }
    let near = nearest(name, checker.scenario.actor.keys().map(String::as_str));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add an `[actor.{name}]` table"),
    };
    checker.report(
        Problem::error(
            "scenario::unknown_actor",
            format!("no actor is called {name:?}"),
        )
        .at(at)
        .help(help),
    );
}

/// An actor with a snapshot and reports: a companion client, or a set-up.
pub(super) fn told_of(checker: &mut Checker<'_>, name: &str, at: At) {
    if matches!(checker.scenario.actor.get(name), Some(Actor::Setup(_))) {
        return;
    }
    client(checker, name, at);
}

/// A set-up.
pub(super) fn set_up(checker: &mut Checker<'_>, name: &str, at: At) {
    if let Some(Actor::Client(_) | Actor::Raw(_)) = checker.scenario.actor.get(name) {
        checker.report(
            Problem::error(
                "scenario::wrong_kind_of_actor",
                format!("{name} is no set-up"),
            )
            .at(at)
            .help("`repeat` and `uninstall` are for actors with `kind = \"setup\"`"),
        );
        return;
    }
    actor(checker, name, at);
}

/// A companion client.
pub(super) fn client(checker: &mut Checker<'_>, name: &str, at: At) {
    let (what, help) = match checker.scenario.actor.get(name) {
        Some(Actor::Raw(_)) => (
            "a raw actor",
            "a raw actor has no user, no snapshot and no durable state",
        ),
        Some(Actor::Setup(_)) => (
            "a set-up",
            "a set-up has a snapshot and reports; its companion is the client",
        ),
        Some(Actor::Client(_)) | None => return actor(checker, name, at),
    };
    checker.report(
        Problem::error(
            "scenario::wrong_kind_of_actor",
            format!("{name} is {what}, not a client"),
        )
        .at(at)
        .help(help),
    );
}

/// A raw actor.
pub(super) fn raw(checker: &mut Checker<'_>, name: &str, at: At) {
    if let Some(Actor::Client(_) | Actor::Setup(_)) = checker.scenario.actor.get(name) {
        checker.report(
            Problem::error(
                "scenario::wrong_kind_of_actor",
                format!("{name} decides itself what it sends"),
            )
            .at(at)
            .help("`send` is for raw actors; `do` tells a client what its user wants"),
        );
        return;
    }
    actor(checker, name, at);
}

/// Every name that anything in the scenario binds, sooner or later.
pub(super) fn everything_bound(checker: &Checker<'_>) -> BTreeSet<String> {
    let mut bound = checker.bound.clone();
    for step in &checker.scenario.steps {
        match &step.value {
            Step::Expect(expect) => bound.extend(expect.capture.keys().cloned()),
            Step::Do(intent) => bound.extend(intent.capture.keys().cloned()),
            Step::Control(control) => {
                bound.extend(control.capture.keys().cloned());
                let on = control.on.iter();
                bound.extend(on.flat_map(|on| on.capture.keys().cloned()));
            }
            Step::Start(_)
            | Step::Stop(_)
            | Step::Send(_)
            | Step::Quiet(_)
            | Step::Fault(_)
            | Step::Heal(_)
            | Step::Elapse(_)
            | Step::Close(_)
            | Step::Clock(_)
            | Step::Disk(_)
            | Step::Note(_) => {}
        }
    }
    bound
}

/// A note of the script, or a name that something captures.
pub(super) fn note_or_capture(checker: &mut Checker<'_>, name: &str, at: At) {
    let notes: Vec<String> = (checker.scenario.steps.iter())
        .filter_map(|step| {
            if let Step::Note(text) = &step.value {
                Some(text.clone())
            } else {
                None
            }
        })
        .collect();
    if notes.iter().any(|note| note == name) || everything_bound(checker).contains(name) {
        return;
    }
    let near = nearest(name, notes.iter().map(String::as_str));
    let help = match near {
        Some(near) => format!("did you mean the note {near:?}?"),
        None => format!("add a step `note = \"{name}\"`, or capture something as {name}"),
    };
    checker.report(
        Problem::error(
            "scenario::unknown_note",
            format!("no note and no capture is called {name:?}"),
        )
        .at(at)
        .help(help),
    );
}

/// Every capture that a part asks for must be bound by now.
pub(super) fn captures_in<T: Serialize>(checker: &mut Checker<'_>, part: &T, at: &At) {
    let bound = checker.bound.clone();
    captures_among(checker, part, &bound, at);
}

/// Every capture that a part asks for must be among these.
pub(super) fn captures_among<T: Serialize>(
    checker: &mut Checker<'_>,
    part: &T,
    bound: &BTreeSet<String>,
    at: &At,
) {
    let Ok(value) = serde_json::to_value(part) else {
        return;
    };
    for name in captures::names_in(&value) {
        if bound.contains(&name) {
            continue;
        }
        let near = nearest(&name, bound.iter().map(String::as_str)).map(str::to_owned);
        let help = match near {
            Some(near) => format!("did you mean `${near}`?"),
            None => "capture it in an earlier step: `capture = { name = \"/pointer\" }`".to_owned(),
        };
        checker.report(
            Problem::error(
                "scenario::unbound_capture",
                format!("${name} is used before anything captures it"),
            )
            .at(at.clone())
            .help(help),
        );
    }
}
