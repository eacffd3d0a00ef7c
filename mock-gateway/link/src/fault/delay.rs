//! Messages arrive late, in their order.

use std::time::Duration;

use gateway_protocol::Now;

use crate::fault::{FaultName, FaultRow, no_stream_effect};
use crate::rule::{Fate, InFlight, Pick, Rule};
use crate::spec::ConnSelector;
use crate::table::Admission;

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::Delay,
    doc: "each message leaves `delay_ms` later than it entered; messages of one direction keep their order",
    client_sees: "the same messages, later",
    on_heal: "messages already delayed keep their time, later ones pass at once behind them",
    params: &["dir", "after", "count", "matching", "delay_ms"],
    connections: ConnSelector::All,
    needs_streams: false,
    admission: Admission::Accept,
    stream: no_stream_effect,
    rule: |spec| {
        Some(Box::new(Delay {
            by: Duration::from_millis(spec.delay_ms.unwrap_or_default()),
            takes_control_frames: spec.matching.is_none(),
            pick: Pick::new(spec, None),
        }))
    },
};

struct Delay {
    by: Duration,
    takes_control_frames: bool,
    pick: Pick,
}

impl Rule for Delay {
    fn on_message(&mut self, _: Now, message: &InFlight<'_>) -> Fate {
        let is_taken = if message.message.is_data() {
            self.pick.picks(message)
        } else {
            self.takes_control_frames && self.pick.is_open() && self.pick.is_on(message.dir)
        };
        if is_taken {
            Fate::Deliver(self.by)
        } else {
            Fate::Pass
        }
    }
}
