//! A message is lost while the connection lives on.

use gateway_protocol::Now;

use crate::fault::{FaultName, FaultRow, no_stream_effect};
use crate::rule::{Fate, InFlight, Pick, Rule};
use crate::spec::ConnSelector;
use crate::table::Admission;

/// How many messages it takes when `count` is not given.
const USUAL_COUNT: u64 = 1;

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::DropMessage,
    doc: "a message is lost; one per connection unless `count` says more",
    client_sees: "nothing in place of the message, and what follows it",
    on_heal: "later messages are left alone",
    params: &["dir", "after", "count", "matching"],
    connections: ConnSelector::All,
    needs_streams: false,
    admission: Admission::Accept,
    stream: no_stream_effect,
    rule: |spec| Some(Box::new(DropMessage(Pick::new(spec, Some(USUAL_COUNT))))),
};

struct DropMessage(Pick);

impl Rule for DropMessage {
    fn on_message(&mut self, _: Now, message: &InFlight<'_>) -> Fate {
        if self.0.picks(message) {
            Fate::Drop
        } else {
            Fate::Pass
        }
    }
}
