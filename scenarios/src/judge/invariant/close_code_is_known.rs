//! Close codes are the protocol's.

use std::collections::BTreeMap;

use gateway_protocol::close::{MAX_REASON_BYTES, close_row};
use transcript::{Direction, Kind, Stage};

use super::{Breach, Evidence, Row, Subject, breach};

pub(super) const ROW: Row = Row {
    name: "close_code_is_known",
    doc: "A close frame carries a code that its sender uses in this protocol, and a reason of at most 123 bytes.",
    source: "gateway-behaviour B, §1.5; real-clients §1",
    subject: Subject::Both,
    mutant: "client:unknown_close_code",
    check,
};

/// What a WebSocket close frame can hold.
const WIRE_REASON_BYTES: usize = 123;

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut closed = BTreeMap::new();
    for entry in evidence.entries() {
        if entry.kind != Kind::Close || entry.stage == Some(Stage::Delivered) {
            continue;
        }
        let (Some(conn), Some(close)) = (entry.conn, &entry.close) else {
            continue;
        };
        let by_gateway = entry.dir == Some(Direction::GatewayToClient);
        // The answer to a close frame repeats its code, whatever it was.
        let first = closed.entry(conn).or_insert(entry.dir);
        let repeats = *first != entry.dir;
        if !by_gateway && evidence.is_scripted(conn) {
            continue;
        }
        let who = if by_gateway {
            "the gateway"
        } else {
            evidence.actor(conn)
        };
        if let Some(code) = close.code
            && !repeats
            && close_row(code).is_none()
        {
            breaches.push(breach(
                format!("{who} closed with {code}, a code that this protocol does not use"),
                &[entry.n],
            ));
        }
        let limit = if by_gateway {
            MAX_REASON_BYTES
        } else {
            WIRE_REASON_BYTES
        };
        if close.reason.len() > limit && !repeats {
            let length = close.reason.len();
            breaches.push(breach(
                format!("{who} gave a close reason of {length} bytes, {limit} are allowed"),
                &[entry.n],
            ));
        }
    }
    breaches
}
