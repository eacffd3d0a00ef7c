//! The close handshake is finished, but the gateway, whose part it is to end the stream, does not.

use crate::fault::close_without_reply::OnClose;
use crate::fault::{FaultName, FaultRow, no_stream_effect};
use crate::rule::Cut;
use crate::spec::ConnSelector;
use crate::table::Admission;

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::ReplyWithoutClose,
    doc: "the client's close frame is answered with a close frame, and the stream stays open",
    client_sees: "the answering close frame, then no end of stream",
    on_heal: "later connections are left alone",
    params: &[],
    connections: ConnSelector::All,
    needs_streams: true,
    admission: Admission::Accept,
    stream: no_stream_effect,
    rule: |_| Some(Box::new(OnClose(Cut::ReplyWithoutClose))),
};
