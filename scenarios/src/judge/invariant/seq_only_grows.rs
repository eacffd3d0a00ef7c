//! Counted events are counted without gaps.

use std::collections::BTreeMap;

use gateway_protocol::member;

use super::{Breach, Evidence, Row, Subject, breach};

pub(super) const ROW: Row = Row {
    name: "seq_only_grows",
    doc: "seq of a connection's events starts at 1 and grows by one.",
    source: "gateway-behaviour §1.2",
    subject: Subject::Gateway,
    mutant: "gateway:raw_seq",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut last: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    let mut breaches = Vec::new();
    for (said, frame) in evidence.gateway_frames() {
        let Some(seq) = member(frame, "seq").and_then(serde_json::Value::as_u64) else {
            continue;
        };
        let before = last.insert(said.conn, (seq, said.n()));
        let (expected, earlier) = before.map_or_else(|| (1, said.n()), |(seq, n)| (seq + 1, n));
        if seq != expected {
            let who = evidence.wire.describe(said.conn);
            breaches.push(breach(
                format!("{who}: event with seq {seq}, expected {expected}"),
                &[earlier, said.n()],
            ));
        }
    }
    breaches
}
