//! The abrupt end: a crash, a pulled cable that comes back, a middlebox that forgets.

use crate::fault::cut::CutOnce;
use crate::fault::{FaultName, FaultRow, no_stream_effect};
use crate::rule::Cut;
use crate::spec::ConnSelector;
use crate::table::Admission;

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::Reset,
    doc: "the connection is reset (RST) without a close frame",
    client_sees: "what was sent before it, then connection reset",
    on_heal: "later connections are left alone",
    params: &["dir", "after", "matching"],
    connections: ConnSelector::Current,
    needs_streams: false,
    admission: Admission::Accept,
    stream: no_stream_effect,
    rule: |spec| Some(Box::new(CutOnce::new(spec, Cut::Reset))),
};
