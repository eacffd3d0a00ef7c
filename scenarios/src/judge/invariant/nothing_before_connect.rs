//! The first thing a client says on a connection is `connect`.

use std::collections::BTreeSet;

use super::{Breach, Evidence, Row, Subject, breach};

pub(super) const ROW: Row = Row {
    name: "nothing_before_connect",
    doc: "The first frame of a client on a connection is its connect.",
    source: "gateway-behaviour §1.5; scenario-catalogue K1",
    subject: Subject::Client,
    mutant: "client:send_before_connect",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut begun = BTreeSet::new();
    let mut breaches = Vec::new();
    for (said, _) in evidence.client_frames() {
        if !begun.insert(said.conn) {
            continue;
        }
        let method = said.method.unwrap_or("no request");
        if method != "connect" {
            let who = evidence.wire.describe(said.conn);
            breaches.push(breach(
                format!("{who} began with {method} instead of connect"),
                &[said.n()],
            ));
        }
    }
    breaches
}
