//! The mock knows every method that a client calls.

use std::collections::BTreeSet;

use super::{Breach, Evidence, Row, Subject, breach, text};
use crate::scenario::Step;

pub(super) const ROW: Row = Row {
    name: "every_request_is_claimed",
    doc: "Every request is answered by a built-in method or a mounted behaviour, and in a strict scenario spoken of: surprises fail the run.",
    source: "tester-needs 7; gateway-behaviour §1.6",
    subject: Subject::Both,
    mutant: "gateway:unknown_method",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let expected = expected_methods(evidence);
    let mut told = BTreeSet::new();
    let mut breaches = if evidence.scenario.gateway.strict {
        unspoken(evidence)
    } else {
        Vec::new()
    };
    for (said, frame) in evidence.gateway_frames() {
        if evidence.is_scripted(said.conn) {
            continue;
        }
        let Some(method) =
            text(frame, "/error/message").and_then(|m| m.strip_prefix("unknown method: "))
        else {
            continue;
        };
        if !expected.contains(method) && told.insert(method.to_owned()) {
            let who = evidence.wire.describe(said.conn);
            breaches.push(breach(
                format!("{who} called {method}, and the mock does not know it"),
                &[said.n()],
            ));
        }
    }
    for unclaimed in &evidence.record.unclaimed {
        let method = unclaimed.method.as_str();
        if !expected.contains(method)
            && !evidence.is_scripted(unclaimed.conn)
            && told.insert(method.to_owned())
        {
            let who = evidence.wire.describe(unclaimed.conn);
            breaches.push(breach(
                format!("{who} called {method}, and nothing answered it"),
                &[unclaimed.entry],
            ));
        }
    }
    breaches
}

/// With `strict`: requests that no behaviour and no line of the script speaks of.
fn unspoken(evidence: &Evidence<'_>) -> Vec<Breach> {
    let spoken = spoken_methods(evidence);
    let mut told = BTreeSet::new();
    let mut breaches = Vec::new();
    for (said, frame) in evidence.client_frames() {
        let (Some("req"), Some(method)) = (text(frame, "/type"), text(frame, "/method")) else {
            continue;
        };
        let claimed = method == "connect"
            || spoken
                .iter()
                .any(|wanted| gateway_core::glob(wanted, method));
        if !claimed && told.insert(method.to_owned()) {
            let who = evidence.wire.describe(said.conn);
            breaches.push(breach(
                format!(
                    "{who} called {method}, and the scenario, which is strict, does not speak of it"
                ),
                &[said.n()],
            ));
        }
    }
    breaches
}

/// Methods that the scenario speaks of itself: their answers are its business.
fn expected_methods<'a>(evidence: &Evidence<'a>) -> BTreeSet<&'a str> {
    let scenario = evidence.scenario;
    let mounted = scenario
        .gateway
        .on
        .iter()
        .filter_map(|on| on.method.as_deref());
    let waited_for = scenario.steps.iter().filter_map(|step| match &step.value {
        Step::Expect(expect) => expect.response.as_deref(),
        Step::Do(intent) => intent.method.as_deref(),
        Step::Start(_)
        | Step::Stop(_)
        | Step::Send(_)
        | Step::Quiet(_)
        | Step::Fault(_)
        | Step::Heal(_)
        | Step::Elapse(_)
        | Step::Close(_)
        | Step::Control(_)
        | Step::Clock(_)
        | Step::Disk(_)
        | Step::Note(_) => None,
    });
    mounted.chain(waited_for).collect()
}

/// Those, and the ones that it expects or counts as requests, or mounts behaviours for on the way.
fn spoken_methods<'a>(evidence: &Evidence<'a>) -> BTreeSet<&'a str> {
    let scenario = evidence.scenario;
    let mut spoken = expected_methods(evidence);
    for step in &scenario.steps {
        if let Step::Expect(expect) = &step.value {
            spoken.extend(expect.method.as_deref());
        } else if let Step::Control(control) = &step.value {
            spoken.extend(control.on.as_ref().and_then(|on| on.method.as_deref()));
        }
    }
    for count in &scenario.count {
        spoken.extend(count.method.as_deref());
        spoken.extend(count.response.as_deref());
    }
    spoken
}
