//! Several messages arrive at once: Nagle's algorithm, a proxy that buffers, a machine that was busy.

use std::time::Duration;

use gateway_protocol::Now;

use crate::fault::{FaultName, FaultRow, no_stream_effect};
use crate::rule::{Fate, InFlight, Pick, Rule};
use crate::spec::ConnSelector;
use crate::table::Admission;

/// Long enough for a handful of frames, short enough for every time-out.
const USUAL_WINDOW_MS: u64 = 50;

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::Coalesce,
    doc: "a message waits `delay_ms` (50 unless given), and everything that is said meanwhile leaves with it in one piece",
    client_sees: "several messages in one read, in their order",
    on_heal: "what waits leaves at its time, later messages pass at once behind it",
    params: &["dir", "after", "count", "matching", "delay_ms"],
    connections: ConnSelector::All,
    needs_streams: false,
    admission: Admission::Accept,
    stream: no_stream_effect,
    rule: |spec| {
        Some(Box::new(Coalesce {
            window: Duration::from_millis(spec.delay_ms.unwrap_or(USUAL_WINDOW_MS)),
            leaves_at: [None; 2],
            pick: Pick::new(spec, None),
        }))
    },
};

struct Coalesce {
    window: Duration,
    /// When the open piece of each direction leaves.
    leaves_at: [Option<Duration>; 2],
    pick: Pick,
}

impl Rule for Coalesce {
    fn on_message(&mut self, now: Now, message: &InFlight<'_>) -> Fate {
        if !self.pick.picks(message) {
            return Fate::Pass;
        }
        let [to_gateway, to_client] = &mut self.leaves_at;
        let leaves_at = match message.dir {
            transcript::Direction::ClientToGateway => to_gateway,
            transcript::Direction::GatewayToClient => to_client,
        };
        let open = leaves_at.filter(|at| *at > now.since_start);
        let at = open.unwrap_or(now.since_start + self.window);
        *leaves_at = Some(at);
        Fate::Deliver(at.saturating_sub(now.since_start))
    }
}
