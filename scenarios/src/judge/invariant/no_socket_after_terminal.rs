//! A refusal that will not change is not asked for again.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::scenario::{Actor, Policy};

use super::{Breach, Evidence, Row, Subject, at, breach, text};

pub(super) const ROW: Row = Row {
    name: "no_socket_after_terminal",
    doc: "After a terminal refusal a role opens no further connection, save one with another credential, until its user acts; a node may try once more when its operator is welcomed.",
    source: "client-behaviour §11, §14.2; scenario-catalogue K10, 199, 215; field-bugs 23",
    subject: Subject::Client,
    mutant: "client:keep_retrying_after_terminal",
    check,
};

/// Refusals that stay the same until a person does something.
pub(super) const TERMINAL: [&str; 8] = [
    "AUTH_TOKEN_MISMATCH",
    "AUTH_BOOTSTRAP_TOKEN_INVALID",
    "AUTH_DEVICE_TOKEN_MISMATCH",
    "AUTH_RATE_LIMITED",
    "AUTH_TOKEN_NOT_CONFIGURED",
    "AUTH_PASSWORD_MISMATCH",
    "AUTH_TOKEN_MISSING",
    "DEVICE_AUTH_SIGNATURE_EXPIRED",
];

struct Refusal {
    entry: u64,
    t_us: u64,
    code: String,
    auth: Vec<String>,
}

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let prompts = evidence.prompts();
    let mut sent: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut refused: BTreeMap<(&str, &str), Vec<Refusal>> = BTreeMap::new();
    let mut breaches = Vec::new();
    for said in evidence.said() {
        let Some(frame) = &said.entry.frame else {
            continue;
        };
        let role = evidence
            .wire
            .connection(said.conn)
            .and_then(|c| c.role.as_deref())
            .unwrap_or("operator");
        let key = (evidence.actor(said.conn), role);
        if !said.by_gateway && said.method == Some("connect") {
            let auth = auth_values(frame);
            let earlier = refused.entry(key).or_default();
            earlier.retain(|refusal| {
                !prompts
                    .iter()
                    .any(|p| (refusal.t_us..=said.entry.t_us).contains(p))
            });
            if let Some(refusal) = earlier.iter().find(|refusal| refusal.auth == auth) {
                let who = evidence.wire.describe(said.conn);
                let what = format!(
                    "{who} came back with the same credential after {}",
                    refusal.code
                );
                breaches.push(breach(what, &[refusal.entry, said.n()]));
            }
            sent.insert(said.conn, auth);
        } else if said.by_gateway
            && evidence.wire.answers(said.n()) == Some("connect")
            && role == "operator"
            && frame.get("ok").and_then(Value::as_bool) == Some(true)
        {
            // Each welcome of the operator starts a node that has stopped.
            refused.remove(&(key.0, "node"));
        } else if said.by_gateway
            && evidence.wire.answers(said.n()) == Some("connect")
            && let Some(code) = text(frame, "/error/details/code")
            && TERMINAL.contains(&code)
            && !is_tried_otherwise(evidence, key.0, code)
            && !evidence.is_scripted(said.conn)
            && !evidence.was_lost(&said)
        {
            let auth = sent.get(&said.conn).cloned().unwrap_or_default();
            let refusal = Refusal {
                entry: said.n(),
                t_us: said.entry.t_us,
                code: code.to_owned(),
                auth,
            };
            refused.entry(key).or_default().push(refusal);
        }
    }
    breaches
}

/// The client of the pull request signs in the older way when its signature is said to have expired.
fn is_tried_otherwise(evidence: &Evidence<'_>, actor: &str, code: &str) -> bool {
    let client = evidence.scenario.actor.get(actor).and_then(Actor::client);
    let own = client.and_then(|client| client.policy);
    let policy = own.or(evidence.scenario.policy);
    code == "DEVICE_AUTH_SIGNATURE_EXPIRED" && policy == Some(Policy::Pr741)
}

/// The credential as `key=pseudonym`, so that another token of the same kind counts as another credential.
fn auth_values(frame: &Value) -> Vec<String> {
    let auth = at(frame, "/params/auth").and_then(Value::as_object);
    auth.map(|auth| {
        auth.iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect()
    })
    .unwrap_or_default()
}
