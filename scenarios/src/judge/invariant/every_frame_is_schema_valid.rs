//! Every frame is allowed by the schema that upstream publishes, where somebody has fetched it.
//!
//! A script may lie on purpose and says so: `lies = "reason"` at a behaviour, a broadcast or a raw actor. Then its
//! frames are expected to be invalid, and when none of them is, the word is stale.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Breach, Evidence, Row, Said, Subject, breach, text};
use crate::referee::{Referee, Violation};
use crate::scenario::{Actor, Broadcast, On, Step};

pub(super) const ROW: Row = Row {
    name: "every_frame_is_schema_valid",
    doc: "Every frame is allowed by the published schema (where it was fetched), or a script says that it lies.",
    source: "npm @openclaw/gateway-protocol, protocol.schema.json",
    subject: Subject::Both,
    mutant: "gateway:odd_payload",
    check,
};

/// A part of the script that can have said a frame.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Script {
    /// As told in findings: `the behaviour "busy"`, `the raw actor mallory`.
    name: String,
    /// Why it lies, if it says so.
    lies: Option<String>,
}

#[derive(Default)]
struct Ledger {
    said: BTreeMap<Script, usize>,
    invalid: BTreeSet<Script>,
}

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let Some(referee) = evidence.record.referee.referee() else {
        return Vec::new();
    };
    let scripts = Scripts::of(evidence);
    let mut ledger = Ledger::default();
    let mut told = BTreeSet::new();
    let mut breaches = Vec::new();
    for said in evidence.said_by_anybody() {
        let violations = violations(referee, evidence, said);
        let script = scripts.who_said(evidence, said);
        if let Some(script) = &script {
            *ledger.said.entry(script.clone()).or_default() += 1;
            if !violations.is_empty() {
                ledger.invalid.insert(script.clone());
            }
            if script.lies.is_some() {
                continue;
            }
        }
        // A text that is no frame at all is the business of `every_frame_parses`.
        if said.entry.frame.is_none() {
            continue;
        }
        for violation in violations {
            let what = sentence(evidence, said, script.as_ref(), &violation);
            if told.insert(what.clone()) {
                breaches.push(breach(what, &[said.n()]));
            }
        }
    }
    breaches.extend(ledger.stale());
    breaches
}

impl Ledger {
    /// Lies that were all true.
    fn stale(&self) -> impl Iterator<Item = Breach> + '_ {
        self.said.keys().filter_map(|script| {
            let reason = script.lies.as_ref()?;
            (!self.invalid.contains(script)).then(|| {
                let name = &script.name;
                let what = format!(
                    "{name} lies, it says ({reason}), but the schema allows everything that it said: take `lies` away"
                );
                breach(what, &[])
            })
        })
    }
}

fn violations(referee: &Referee, evidence: &Evidence<'_>, said: Said<'_>) -> Vec<Violation> {
    let (_, profile) = gateway(evidence);
    match &said.entry.frame {
        Some(frame) => referee.check(frame, evidence.wire.answers(said.n()), profile),
        None => vec![Violation {
            frame: "a message".to_owned(),
            at: String::new(),
            says: "it is no JSON object".to_owned(),
        }],
    }
}

fn sentence(
    evidence: &Evidence<'_>,
    said: Said<'_>,
    script: Option<&Script>,
    violation: &Violation,
) -> String {
    match script {
        Some(script) => format!(
            "{} said what the schema does not allow, without saying that it lies: {violation}",
            script.name
        ),
        None if said.by_gateway => {
            let (who, _) = gateway(evidence);
            format!("{who} said what the schema does not allow: {violation}")
        }
        None => {
            let actor = evidence.actor(said.conn);
            format!("the client {actor} said what the schema does not allow: {violation}")
        }
    }
}

/// Who the gateway of the run was, and of which release: the header says `mock profile X` or `real version Y`.
fn gateway<'a>(evidence: &Evidence<'a>) -> (&'static str, &'a str) {
    let header = evidence.record.transcript.header.gateway.as_str();
    let who = if header.starts_with("real") {
        "the real gateway"
    } else {
        "the mock"
    };
    (who, header.rsplit(' ').next().unwrap_or(header))
}

/// Everything in a scenario that says frames of its own.
struct Scripts<'a> {
    behaviours: Vec<(&'a On, Script)>,
    broadcasts: Vec<(&'a Broadcast, Script)>,
    actors: BTreeMap<&'a str, Script>,
}

impl<'a> Scripts<'a> {
    fn of(evidence: &Evidence<'a>) -> Self {
        let scenario = evidence.scenario;
        let mut found = Self {
            behaviours: Vec::new(),
            broadcasts: Vec::new(),
            actors: BTreeMap::new(),
        };
        for on in &scenario.gateway.on {
            found.behaviour(&on.value);
        }
        for step in &scenario.steps {
            let Step::Control(control) = &step.value else {
                continue;
            };
            if let Some(on) = &control.on {
                found.behaviour(on);
            }
            if let Some(broadcast) = &control.broadcast {
                let script = Script {
                    name: format!("the broadcast of {}", broadcast.event),
                    lies: broadcast.lies.clone(),
                };
                found.broadcasts.push((broadcast, script));
            }
        }
        for (name, actor) in &scenario.actor {
            if let Actor::Raw(raw) = actor {
                let script = Script {
                    name: format!("the raw actor {name}"),
                    lies: raw.lies.clone(),
                };
                found.actors.insert(name.as_str(), script);
            }
        }
        found
    }

    fn behaviour(&mut self, on: &'a On) {
        let name = on
            .name
            .as_deref()
            .or(on.method.as_deref())
            .unwrap_or("at the opening of a connection");
        let script = Script {
            name: format!("the behaviour {name:?}"),
            lies: on.lies.clone(),
        };
        self.behaviours.push((on, script));
    }

    /// The script that a frame can have come from; one that lies before one that does not.
    fn who_said(&self, evidence: &Evidence<'_>, said: Said<'_>) -> Option<Script> {
        if !said.by_gateway {
            let connection = evidence.wire.connection(said.conn)?;
            return self.actors.get(connection.actor.as_deref()?).cloned();
        }
        let frame = said.entry.frame.as_deref();
        let answers = evidence.wire.answers(said.n());
        let behaviours = self.behaviours.iter();
        let suspects = behaviours
            .filter(|(on, _)| can_have_said(on, frame, answers))
            .map(|(_, script)| script);
        let event = frame.and_then(|frame| text(frame, "/event"));
        let broadcasts = self.broadcasts.iter();
        let suspects = suspects.chain(
            broadcasts
                .filter(|(broadcast, _)| event == Some(broadcast.event.as_str()))
                .map(|(_, script)| script),
        );
        suspects.max_by_key(|script| script.lies.is_some()).cloned()
    }
}

/// Whether a behaviour can have said, or changed, a frame of the gateway.
fn can_have_said(on: &On, frame: Option<&Value>, answers: Option<&str>) -> bool {
    let raw = on.raw.as_deref();
    let Some(frame) = frame else {
        return raw.is_some();
    };
    match text(frame, "/type") {
        Some("event") => {
            let event = text(frame, "/event").unwrap_or_default();
            let named = on
                .events
                .iter()
                .any(|one| text(one, "/event") == Some(event));
            let challenged = on.challenge.is_some() && event == "connect.challenge";
            named || challenged || raw.is_some_and(|raw| raw.contains(&format!("\"{event}\"")))
        }
        Some("res") => {
            let asked = on.method.as_deref().zip(answers);
            asked.is_some_and(|(wanted, method)| match wanted.strip_suffix('*') {
                Some(start) => method.starts_with(start),
                None => method == wanted,
            })
        }
        Some(_) | None => raw.is_some(),
    }
}
