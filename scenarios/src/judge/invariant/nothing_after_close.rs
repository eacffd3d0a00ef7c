//! After its close frame an end says nothing.

use std::collections::BTreeMap;

use transcript::{Direction, Kind, Stage};

use super::{Breach, Evidence, Row, Subject, breach};

pub(super) const ROW: Row = Row {
    name: "nothing_after_close",
    doc: "An end that has sent a close frame sends no message after it.",
    source: "RFC 6455 §5.5.1; gateway-behaviour §1.5",
    subject: Subject::Both,
    mutant: "record:message_after_close",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut closed: BTreeMap<(u32, Direction), u64> = BTreeMap::new();
    let mut breaches = Vec::new();
    for entry in evidence.entries() {
        let (Some(conn), Some(dir), Some(Stage::Sent)) = (entry.conn, entry.dir, entry.stage)
        else {
            continue;
        };
        if dir == Direction::ClientToGateway && evidence.is_scripted(conn) {
            continue;
        }
        match entry.kind {
            Kind::Close => {
                closed.entry((conn, dir)).or_insert(entry.n);
            }
            Kind::Text | Kind::Binary => {
                if let Some(close) = closed.get(&(conn, dir)) {
                    let who = evidence.wire.describe(conn);
                    let end = if dir == Direction::GatewayToClient {
                        "the gateway"
                    } else {
                        "the client"
                    };
                    breaches.push(breach(
                        format!("{who}: {end} spoke after its close frame"),
                        &[*close, entry.n],
                    ));
                }
            }
            Kind::Ping
            | Kind::Pong
            | Kind::Open
            | Kind::Eof
            | Kind::Reset
            | Kind::Fault
            | Kind::Step
            | Kind::Note => {}
        }
    }
    breaches
}
