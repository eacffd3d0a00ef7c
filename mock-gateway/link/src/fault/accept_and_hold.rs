//! The connection is accepted, and then nothing: a relay without a backend, or a gateway that hangs.

use crate::fault::{FaultName, FaultRow, StreamEffect, no_rule};
use crate::spec::ConnSelector;
use crate::table::Admission;

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::AcceptAndHold,
    doc: "the connection is accepted and its bytes are neither read nor answered, so the upgrade request gets no response",
    client_sees: "connect succeeds, no byte arrives, no end of stream",
    on_heal: "the upgrade goes on where it stopped, without FIN",
    params: &[],
    connections: ConnSelector::All,
    needs_streams: true,
    admission: Admission::Hold,
    stream: |_| StreamEffect::stalling(None),
    rule: no_rule,
};
