//! A peer that takes its time: bytes pass in small helpings, and the other side's buffers fill.

use std::time::Duration;

use transcript::Direction;

use crate::fault::{FaultName, FaultRow, Helping, StreamEffect, no_rule};
use crate::spec::ConnSelector;
use crate::table::Admission;

/// A kilobyte ten times a second: a frame of usual size takes a moment, a big one takes long.
const USUAL_BYTES: usize = 1_024;
const USUAL_EVERY_MS: u64 = 100;

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::SlowRead,
    doc: "once upgraded, at most `chunk_bytes` (1024 unless given) pass each `delay_ms` (100 unless given) in one direction (`dir`; c2g unless given)",
    client_sees: "c2g: its writes stall once the buffers between are full; g2c: the same bytes, slowly",
    on_heal: "bytes flow freely",
    params: &["dir", "chunk_bytes", "delay_ms"],
    connections: ConnSelector::All,
    needs_streams: true,
    admission: Admission::Accept,
    stream: |spec| {
        let helping = Some(Helping {
            bytes: spec.chunk_bytes.unwrap_or(USUAL_BYTES).max(1),
            every: Duration::from_millis(spec.delay_ms.unwrap_or(USUAL_EVERY_MS)),
        });
        let effect = StreamEffect {
            after_upgrade: true,
            ..StreamEffect::NONE
        };
        match spec.dir.unwrap_or(Direction::ClientToGateway) {
            Direction::ClientToGateway => StreamEffect {
                slow_read: helping,
                ..effect
            },
            Direction::GatewayToClient => StreamEffect {
                slow_write: helping,
                ..effect
            },
        }
    },
    rule: no_rule,
};
