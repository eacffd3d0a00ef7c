//! A message is overtaken by the next one. No stream does that; a gateway with two writers, or a relay, does.

use gateway_protocol::Now;

use crate::fault::{FaultName, FaultRow, no_stream_effect};
use crate::rule::{Fate, InFlight, Pick, Rule};
use crate::spec::ConnSelector;
use crate::table::Admission;

/// How many messages are overtaken when `count` is not given.
const USUAL_COUNT: u64 = 1;

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::Reorder,
    doc: "a message leaves behind the next one of its direction; one per connection unless `count` says more",
    client_sees: "two messages in the wrong order; nothing while no next one comes",
    on_heal: "a message that still waits to be overtaken leaves",
    params: &["dir", "after", "count", "matching"],
    connections: ConnSelector::All,
    needs_streams: false,
    admission: Admission::Accept,
    stream: no_stream_effect,
    rule: |spec| {
        Some(Box::new(Reorder {
            pick: Pick::new(spec, Some(USUAL_COUNT)),
        }))
    },
};

struct Reorder {
    pick: Pick,
}

impl Rule for Reorder {
    fn on_message(&mut self, _: Now, message: &InFlight<'_>) -> Fate {
        if self.pick.picks(message) {
            Fate::Overtaken
        } else {
            Fate::Pass
        }
    }
}
