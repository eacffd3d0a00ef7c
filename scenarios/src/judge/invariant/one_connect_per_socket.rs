//! One `connect` per connection.

use std::collections::BTreeMap;

use super::{Breach, Evidence, Row, Subject, breach};

pub(super) const ROW: Row = Row {
    name: "one_connect_per_socket",
    doc: "A client sends one connect per challenge and per connection.",
    source: "scenario-catalogue K1, 206; gateway-behaviour §1.6",
    subject: Subject::Client,
    mutant: "client:connect_twice",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut by_connection: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for (said, _) in evidence.connects() {
        by_connection.entry(said.conn).or_default().push(said.n());
    }
    by_connection
        .into_iter()
        .filter(|(_, entries)| entries.len() > 1)
        .map(|(conn, entries)| {
            let who = evidence.wire.describe(conn);
            breach(
                format!("{who} sent {} connects on one socket", entries.len()),
                &entries,
            )
        })
        .collect()
}
