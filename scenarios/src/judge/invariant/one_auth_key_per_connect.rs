//! A client proves itself with one credential at a time.

use super::{Breach, Evidence, Row, Subject, at, breach};

pub(super) const ROW: Row = Row {
    name: "one_auth_key_per_connect",
    doc: "The auth of a connect has exactly one key.",
    source: "client-behaviour §6; scenario-catalogue K4",
    subject: Subject::Companion,
    mutant: "client:second_auth_key",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (said, frame) in evidence.connects() {
        let auth = at(frame, "/params/auth").and_then(serde_json::Value::as_object);
        let keys: Vec<&str> = auth
            .map(|auth| auth.keys().map(String::as_str).collect())
            .unwrap_or_default();
        if keys.len() != 1 {
            let who = evidence.wire.describe(said.conn);
            let what = if keys.is_empty() {
                "no credential".to_owned()
            } else {
                keys.join(" and ")
            };
            breaches.push(breach(
                format!("{who} proved itself with {what}"),
                &[said.n()],
            ));
        }
    }
    breaches
}
