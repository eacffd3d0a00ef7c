//! The node role waits for the operator role.

use std::collections::BTreeMap;

use super::{Breach, Evidence, Row, Subject, breach, text};

pub(super) const ROW: Row = Row {
    name: "operator_comes_first",
    doc: "The first node connect of a client does not precede the operator's hello-ok, unless only the node role connects.",
    source: "client-behaviour §14; scenario-catalogue K3",
    subject: Subject::Companion,
    mutant: "client:node_before_operator",
    check,
};

/// Entries of a client's first operator connect, operator hello-ok and node connect.
type Firsts = (Option<u64>, Option<u64>, Option<u64>);

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut first: BTreeMap<&str, Firsts> = BTreeMap::new();
    for (said, frame) in evidence.connects() {
        let (operator, _, node) = first.entry(evidence.actor(said.conn)).or_default();
        match text(frame, "/params/role") {
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
