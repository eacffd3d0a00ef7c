//! The close handshake that is never finished: the client's close frame gets no answer.

use gateway_protocol::Now;
use transcript::Direction;

use crate::fault::{FaultName, FaultRow, no_stream_effect};
use crate::message::WireMessage;
use crate::rule::{Cut, Fate, InFlight, Rule};
use crate::spec::ConnSelector;
use crate::table::Admission;

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::CloseWithoutReply,
    doc: "the client's close frame is taken and gets no answer, and the stream stays open",
    client_sees: "no close frame and no end of stream after its own close frame",
    on_heal: "later connections are left alone",
    params: &[],
    connections: ConnSelector::All,
    needs_streams: true,
    admission: Admission::Accept,
    stream: no_stream_effect,
    rule: |_| Some(Box::new(OnClose(Cut::CloseWithoutReply))),
};

/// Cuts when the client's close frame arrives.
pub(super) struct OnClose(pub(super) Cut);

impl Rule for OnClose {
    fn on_message(&mut self, _: Now, message: &InFlight<'_>) -> Fate {
        match message.message {
            WireMessage::Close(_) if message.dir == Direction::ClientToGateway => {
                Fate::Cut(self.0.clone())
            }
            WireMessage::Close(_)
            | WireMessage::Text(_)
            | WireMessage::Binary(_)
            | WireMessage::Ping(_)
            | WireMessage::Pong(_) => Fate::Pass,
        }
    }
}
