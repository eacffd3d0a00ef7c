//! A client proves itself with what is on its disk.

use std::collections::BTreeMap;

use super::{Breach, Evidence, Row, Subject, breach, text};
use crate::judge::record::StoreNote;
use crate::scenario::{IntentName, Step};

/// Where time is real, a client has chosen its credential this long before its connection is open, at most.
const DIAL_US: u64 = 100_000;

pub(super) const ROW: Row = Row {
    name: "credential_is_stored",
    doc: "The credential of a connect is of a kind that is on the client's disk at that moment, or the shared token that its user has just given.",
    source: "client-behaviour §2.1, §8.1; scenario-catalogue K4",
    subject: Subject::Companion,
    mutant: "client:bootstrap_sent_as_shared",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (said, frame) in evidence.connects() {
        let actor = evidence.actor(said.conn);
        let notes = || {
            evidence
                .record
                .stores
                .iter()
                .filter(|note| note.actor == actor)
        };
        // A client whose disk nobody saw.
        if notes().next().is_none() {
            continue;
        }
        let role = text(frame, "/params/role").unwrap_or("operator");
        let kinds = [
            ("token", "shared_token".to_owned()),
            ("bootstrapToken", "bootstrap_token".to_owned()),
            ("deviceToken", format!("{role}_token")),
        ];
        for (key, what) in kinds {
            let Some(auth) = frame.pointer("/params/auth").and_then(|auth| auth.get(key)) else {
                continue;
            };
            let opened = evidence
                .wire
                .connection(said.conn)
                .map_or(0, |it| it.opened_us);
            let chosen = match evidence.record.world.as_str() {
                "core" | "memory" => opened,
                _ => opened.saturating_sub(DIAL_US),
            };
            let given = key == "token" && was_given(evidence, actor, said.entry.t_us);
            // No credential at all is sent as an empty one.
            let is_blank = auth.as_str().is_some_and(str::is_empty);
            if !is_blank && !given && !was_there(notes(), &what, chosen, said.entry.t_us) {
                let who = evidence.wire.describe(said.conn);
                let what = format!("{who} proved itself with `{key}`, and its disk held no {what}");
                breaches.push(breach(what, &[said.n()]));
            }
        }
    }
    breaches
}

/// Whether it was there at any moment since then: a frame takes its time to the wire.
fn was_there<'a>(
    notes: impl Iterator<Item = &'a StoreNote>,
    what: &str,
    from_us: u64,
    to_us: u64,
) -> bool {
    let mut there = BTreeMap::new();
    let mut seen = false;
    for note in notes.filter(|note| note.t_us <= to_us) {
        let Some((gateway, named)) = note.what.split_once('/') else {
            continue;
        };
        if named != what {
            continue;
        }
        let before = there.insert(gateway, note.present) == Some(true);
        seen |= note.t_us >= from_us && (before || note.present);
    }
    seen || there.into_values().any(|present| present)
}

/// A shared token is tried before it is stored. ref: client-behaviour §16
fn was_given(evidence: &Evidence<'_>, actor: &str, t_us: u64) -> bool {
    let begun = evidence
        .record
        .steps
        .iter()
        .filter(|it| it.began_us <= t_us);
    let mut steps = begun.filter_map(|outcome| evidence.scenario.steps.get(outcome.index));
    steps.any(|step| {
        matches!(&step.value, Step::Do(intent)
            if intent.actor == actor && intent.intent == IntentName::ConnectSharedToken)
    })
}
