//! The closing handshake is finished in time, and the end of the stream comes late: a proxy that lingers.

use std::time::Duration;

use crate::fault::close_without_reply::OnClose;
use crate::fault::{FaultName, FaultRow, no_stream_effect};
use crate::rule::Cut;
use crate::spec::ConnSelector;
use crate::table::Admission;

/// Longer than a client that waits for the end of the stream should.
const USUAL_DELAY_MS: u64 = 5_000;

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::LateFin,
    doc: "the client's close frame is answered in time, and the stream ends (FIN) only `delay_ms` (5000 unless given) later",
    client_sees: "the answering close frame, then for a while no end of stream, then the end",
    on_heal: "later connections are left alone; one that lingers already ends at its time",
    params: &["delay_ms"],
    connections: ConnSelector::All,
    needs_streams: true,
    admission: Admission::Accept,
    stream: no_stream_effect,
    rule: |spec| {
        let delay = Duration::from_millis(spec.delay_ms.unwrap_or(USUAL_DELAY_MS));
        Some(Box::new(OnClose(Cut::LateFin(delay))))
    },
};
