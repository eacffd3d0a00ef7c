//! The gateway speaks first, with the challenge.

use std::collections::BTreeSet;

use super::{Breach, Evidence, Row, Subject, breach};

pub(super) const ROW: Row = Row {
    name: "challenge_comes_first",
    doc: "The first frame of the gateway on a connection is connect.challenge, and it comes once.",
    source: "gateway-behaviour §2.1",
    subject: Subject::Gateway,
    mutant: "gateway:open_events",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut begun = BTreeSet::new();
    let mut breaches = Vec::new();
    for (said, _) in evidence.gateway_frames() {
        let challenge = said.event == Some("connect.challenge");
        let first = begun.insert(said.conn);
        if first != challenge {
            let who = evidence.wire.describe(said.conn);
            let what = if first {
                "something else came before the challenge"
            } else {
                "the challenge came twice"
            };
            breaches.push(breach(format!("{who}: {what}"), &[said.n()]));
        }
    }
    breaches
}
