//! A close frame, and RST behind it: the client hardly has time to read why.

use gateway_protocol::CloseFrame;

use crate::fault::cut::CutOnce;
use crate::fault::{FaultName, FaultRow, no_stream_effect};
use crate::rule::Cut;
use crate::spec::{ConnSelector, FaultSpec};
use crate::table::Admission;

/// What the gateway says when it restarts. ref: gateway-behaviour.md B
const USUAL_CODE: u16 = 1012;
const USUAL_REASON: &str = "service restart";

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::CloseThenReset,
    doc: "the gateway sends a close frame (`code`, `reason`; 1012 `service restart` unless given) and resets the connection behind it",
    client_sees: "the close frame, then connection reset",
    on_heal: "later connections are left alone",
    params: &["dir", "after", "matching", "code", "reason"],
    connections: ConnSelector::Current,
    needs_streams: false,
    admission: Admission::Accept,
    stream: no_stream_effect,
    rule: |spec| {
        Some(Box::new(CutOnce::new(
            spec,
            Cut::CloseThenReset(close_frame(spec)),
        )))
    },
};

fn close_frame(spec: &FaultSpec) -> CloseFrame {
    let usual_reason = if spec.code.is_some() {
        ""
    } else {
        USUAL_REASON
    };
    CloseFrame::new(
        spec.code.unwrap_or(USUAL_CODE),
        spec.reason.as_deref().unwrap_or(usual_reason),
    )
}
