//! A client is the same device for as long as it knows a gateway.

use std::collections::BTreeMap;

use super::{Breach, Evidence, Row, Subject, breach, text};

pub(super) const ROW: Row = Row {
    name: "device_id_never_changes",
    doc: "Every connect of a client carries the same device id and key.",
    source: "client-behaviour §5; scenario-catalogue K6",
    subject: Subject::Client,
    mutant: "client:new_key_on_reconnect",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut first: BTreeMap<&str, (&str, u64)> = BTreeMap::new();
    let mut breaches = Vec::new();
    for (said, frame) in evidence.connects() {
        let Some(device) = text(frame, "/params/device/id") else {
            continue;
        };
        let actor = evidence.actor(said.conn);
        match first.get(actor) {
            None => {
                first.insert(actor, (device, said.n()));
            }
            Some((before, n)) if *before != device => {
                breaches.push(breach(
                    format!("{actor} changed its device id between two connects"),
                    &[*n, said.n()],
                ));
            }
            Some(_) => {}
        }
    }
    breaches
}
