//! The node role waits for the operator role.

use std::collections::BTreeMap;

use super::{Breach, Evidence, Row, Said, Subject, breach, text};
use crate::scenario::{IntentName, Step};

pub(super) const ROW: Row = Row {
    name: "operator_comes_first",
    doc: "The first node connect of a client does not precede the operator's hello-ok, unless only the node role connects or the user asked for the node.",
    source: "client-behaviour §14, §14.4; scenario-catalogue K3",
    subject: Subject::Companion,
    mutant: "client:node_before_operator",
    check,
};

/// Entries of a client's first operator connect, operator hello-ok and node connect.
type Firsts = (Option<u64>, Option<u64>, Option<u64>);

/// Whether the script told the client to reconnect its node before it said this.
fn asked_for_node(evidence: &Evidence<'_>, said: Said<'_>) -> bool {
    let actor = evidence.actor(said.conn);
    evidence.record.steps.iter().any(|outcome| {
        let step = evidence.scenario.steps.get(outcome.index);
        outcome.began_us <= said.entry.t_us
            && step.is_some_and(|step| {
                matches!(&step.value, Step::Do(act)
                    if act.actor == actor && act.intent == IntentName::ReconnectNode)
            })
    })
}

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut first: BTreeMap<&str, Firsts> = BTreeMap::new();
    for (said, frame) in evidence.connects() {
        let (operator, _, node) = first.entry(evidence.actor(said.conn)).or_default();
        match text(frame, "/params/role") {
            // A user who reconnects the node means the node alone. Found by `clawproof explore`, seed 111.
            Some("node") if node.is_none() && asked_for_node(evidence, said) => continue,
            Some("node") => node.get_or_insert(said.n()),
            Some(_) | None => operator.get_or_insert(said.n()),
        };
    }
    for (conn, connection) in evidence.wire.connections() {
        if connection.role.as_deref() == Some("operator")
            && let Some(hello) = connection.hello
            && let Some((_, earliest, _)) = first.get_mut(evidence.actor(conn))
        {
            *earliest = Some(earliest.map_or(hello, |earlier| earlier.min(hello)));
        }
    }
    first
        .into_iter()
        .filter_map(|(actor, firsts)| match firsts {
            (Some(operator), hello, Some(node)) if hello.is_none_or(|hello| hello > node) => {
                Some(breach(
                    format!("{actor} connected its node before its operator was let in"),
                    &[operator, node],
                ))
            }
            _ => None,
        })
        .collect()
}
