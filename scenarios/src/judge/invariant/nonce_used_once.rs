//! A nonce belongs to one connection.

use std::collections::BTreeMap;

use super::{Breach, Evidence, Row, Subject, breach, text};

pub(super) const ROW: Row = Row {
    name: "nonce_used_once",
    doc: "Every challenge has a nonce of its own, and a client signs the nonce of its own connection.",
    source: "gateway-behaviour §2.3",
    subject: Subject::Both,
    mutant: "client:reuse_nonce",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut challenges: BTreeMap<&str, (u32, u64)> = BTreeMap::new();
    let mut own: BTreeMap<u32, &str> = BTreeMap::new();
    for (said, frame) in evidence.gateway_frames() {
        if said.event != Some("connect.challenge") {
            continue;
        }
        let Some(nonce) = text(frame, "/payload/nonce") else {
            continue;
        };
        own.insert(said.conn, nonce);
        if let Some((conn, n)) = challenges.insert(nonce, (said.conn, said.n()))
            && conn != said.conn
        {
            let what = format!(
                "the gateway gave connections {conn} and {} the same nonce",
                said.conn
            );
            breaches.push(breach(what, &[n, said.n()]));
        }
    }
    for (said, frame) in evidence.connects() {
        let Some(nonce) = text(frame, "/params/device/nonce") else {
            continue;
        };
        if own.get(&said.conn).is_some_and(|own| *own != nonce.trim()) {
            let who = evidence.wire.describe(said.conn);
            breaches.push(breach(
                format!("{who} signed a nonce that its connection was not given"),
                &[said.n()],
            ));
        }
    }
    breaches
}
