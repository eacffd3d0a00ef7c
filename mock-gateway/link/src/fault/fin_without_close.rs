//! The end of the stream without the end of the WebSocket: a process that was killed in order.

use crate::fault::cut::CutOnce;
use crate::fault::{FaultName, FaultRow, no_stream_effect};
use crate::rule::Cut;
use crate::spec::ConnSelector;
use crate::table::Admission;

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::FinWithoutClose,
    doc: "the gateway ends its half of the stream (FIN) without a close frame",
    client_sees: "end of stream (read gives 0) with no close frame before it",
    on_heal: "later connections are left alone",
    params: &["dir", "after", "matching"],
    connections: ConnSelector::Current,
    needs_streams: false,
    admission: Admission::Accept,
    stream: no_stream_effect,
    rule: |spec| Some(Box::new(CutOnce::new(spec, Cut::FinWithoutClose))),
};
