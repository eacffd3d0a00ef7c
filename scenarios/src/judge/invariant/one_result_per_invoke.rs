//! Every invocation is answered once.

use std::collections::BTreeMap;

use super::{Breach, Evidence, Row, Subject, breach, text};

pub(super) const ROW: Row = Row {
    name: "one_result_per_invoke",
    doc: "A node sends at most one result per invocation, and only for one it was asked to run on that connection.",
    source: "client-behaviour §21; scenario-catalogue K9, 245",
    subject: Subject::Client,
    mutant: "client:answer_invoke_twice",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut asked: BTreeMap<&str, u32> = BTreeMap::new();
    let mut results: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut breaches = Vec::new();
    for said in evidence.said() {
        let Some(frame) = &said.entry.frame else {
            continue;
        };
        if said.by_gateway && said.event == Some("node.invoke.request") {
            if let Some(id) = text(frame, "/payload/id") {
                asked.insert(id, said.conn);
            }
        } else if !said.by_gateway && said.method == Some("node.invoke.result") {
            let Some(id) = text(frame, "/params/id") else {
                continue;
            };
            results.entry(id).or_default().push(said.n());
            if asked.get(id).is_none_or(|conn| *conn != said.conn) {
                let who = evidence.wire.describe(said.conn);
                let what = format!(
                    "{who} answered invocation {id:?}, which this connection was not asked to run"
                );
                breaches.push(breach(what, &[said.n()]));
            }
        }
    }
    for (id, entries) in results {
        if entries.len() > 1 {
            breaches.push(breach(
                format!("invocation {id:?} was answered {} times", entries.len()),
                &entries,
            ));
        }
    }
    breaches
}
