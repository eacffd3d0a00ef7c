//! `never`, `count` and `finally`.

use std::ops::Range;

use crate::scenario::diagnostic::Problem;
use crate::scenario::pattern::{Count, Pattern};
use crate::scenario::step::Step;

use super::{Checker, names, steps};

type At = Option<Range<usize>>;

pub(super) fn check(checker: &mut Checker<'_>) {
    let scenario = checker.scenario;
    for never in &scenario.never {
        names::captures_in(checker, &never.value, &never.at);
        end_pattern(checker, &never.pattern(), &never.at, "never");
        notes(checker, [&never.after, &never.before], &never.at);
    }
    for count in &scenario.count {
        names::captures_in(checker, &count.value, &count.at);
        if count.reports.is_some() {
            reports(checker, &count.value, &count.at);
        } else {
            end_pattern(checker, &count.pattern(), &count.at, "count");
        }
        notes(checker, [&count.after, &count.before], &count.at);
        if count.exactly.is_none() && count.min.is_none() && count.max.is_none() {
            checker.report(
                Problem::error(
                    "scenario::missing_argument",
                    "how many are meant?".to_owned(),
                )
                .at(count.at.clone())
                .help("give `exactly`, `min` or `max`"),
            );
        }
    }
    for finally in &scenario.finally {
        names::captures_in(checker, &finally.value, &finally.at);
        let about_client = finally.snapshot.is_some() || finally.durable.is_some();
        if !about_client && finally.gateway.is_none() {
            checker.report(
                Problem::error(
                    "scenario::exactly_one",
                    "a finally without a state".to_owned(),
                )
                .at(finally.at.clone())
                .help("give `snapshot` or `durable` (with `actor`), or `gateway`"),
            );
        }
        match &finally.actor {
            Some(actor) if finally.durable.is_none() => {
                names::told_of(checker, actor, finally.at.clone());
            }
            Some(actor) => names::client(checker, actor, finally.at.clone()),
            None if about_client => checker.report(
                Problem::error(
                    "scenario::missing_argument",
                    "whose state is meant?".to_owned(),
                )
                .at(finally.at.clone())
                .help("add `actor = \"...\"`"),
            ),
            None => {}
        }
    }
}

/// Reports have a client, and no place between the messages of the wire.
fn reports(checker: &mut Checker<'_>, count: &Count, at: &At) {
    match &count.actor {
        Some(actor) => names::client(checker, actor, at.clone()),
        None => checker.report(
            Problem::error(
                "scenario::missing_argument",
                "whose reports are meant?".to_owned(),
            )
            .at(at.clone())
            .help("add `actor = \"...\"`"),
        ),
    }
    if count.pattern() != Pattern::default() || count.after.is_some() || count.before.is_some() {
        checker.report(
            Problem::error(
                "scenario::exactly_one",
                "reports are counted over the whole run, and nothing else with them".to_owned(),
            )
            .at(at.clone())
            .help("leave `actor`, `reports`, the number and `because`"),
        );
    }
}

fn end_pattern(checker: &mut Checker<'_>, pattern: &Pattern, at: &At, section: &str) {
    if *pattern == Pattern::default() {
        checker.report(
            Problem::error(
                "scenario::empty_pattern",
                format!("a {section} that names no message"),
            )
            .at(at.clone())
            .help("say which one, for example `event = \"device.pair.requested\"`"),
        );
    }
    if pattern.connection.is_some() {
        checker.report(
            Problem::error(
                "scenario::unknown_argument",
                format!("`connection` means nothing in a {section}"),
            )
            .at(at.clone())
            .help("use `nth_connection`"),
        );
    }
    steps::pattern(checker, pattern, at);
}

fn notes(checker: &mut Checker<'_>, names: [&Option<String>; 2], at: &At) {
    for name in names.into_iter().flatten() {
        let found = checker
            .scenario
            .steps
            .iter()
            .any(|step| matches!(&step.value, Step::Note(text) if text == name));
        if !found {
            checker.report(
                Problem::error(
                    "scenario::unknown_note",
                    format!("no step says note = {name:?}"),
                )
                .at(at.clone())
                .help(format!(
                    "add `[[step]]` with `note = {name:?}` where it should begin"
                )),
            );
        }
    }
}
