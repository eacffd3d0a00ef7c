//! Bytes arrive in small pieces, so that a peer meets every half-finished frame.

use crate::fault::{FaultName, FaultRow, StreamEffect, no_rule};
use crate::spec::ConnSelector;
use crate::table::Admission;

/// One byte at a time meets every boundary.
const USUAL_CHUNK: usize = 1;

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::ByteSplit,
    doc: "once upgraded, at most `chunk_bytes` (1 unless given) are read or written at a time, in both directions",
    client_sees: "the same bytes, in small pieces",
    on_heal: "bytes flow freely",
    params: &["chunk_bytes"],
    connections: ConnSelector::All,
    needs_streams: true,
    admission: Admission::Accept,
    stream: |spec| StreamEffect {
        chunk: Some(spec.chunk_bytes.unwrap_or(USUAL_CHUNK).max(1)),
        // HTTP parsers take a request in single bytes for an attack.
        after_upgrade: true,
        ..StreamEffect::NONE
    },
    rule: no_rule,
};
