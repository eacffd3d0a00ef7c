//! The upgrade succeeds, and then nothing: no challenge, no ticks, no pongs.

use crate::fault::blackhole::Swallow;
use crate::fault::{FaultName, FaultRow, StreamEffect};
use crate::spec::ConnSelector;
use crate::table::Admission;

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::UpgradeThenSilence,
    doc: "the upgrade is answered with 101, then nothing passes in either direction, not even the challenge",
    client_sees: "status 101, then no byte and no end of stream",
    on_heal: "what the gateway said meanwhile arrives, without FIN",
    params: &[],
    connections: ConnSelector::All,
    needs_streams: true,
    admission: Admission::UpgradeThenSilence,
    stream: |_| StreamEffect {
        after_upgrade: true,
        ..StreamEffect::stalling(None)
    },
    rule: |spec| Some(Box::new(Swallow::new(spec, None))),
};
