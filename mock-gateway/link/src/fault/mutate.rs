//! A frame is changed on its way: a peer of another version, a proxy that rewrites, a bug that no one has yet.

use gateway_protocol::Now;
use serde_json::Value;

use crate::fault::{FaultName, FaultRow, no_stream_effect};
use crate::rule::{Fate, InFlight, Pick, Rule};
use crate::spec::ConnSelector;
use crate::table::Admission;

/// How many messages it changes when `count` is not given.
const USUAL_COUNT: u64 = 1;

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::Mutate,
    doc: "the operations of `patch` (RFC 6902) are applied to a frame; one per connection unless `count` says more, and only frames that they fit are counted",
    client_sees: "another frame than the one that was sent",
    on_heal: "later messages are left alone",
    params: &["dir", "after", "count", "matching", "patch"],
    connections: ConnSelector::All,
    needs_streams: false,
    admission: Admission::Accept,
    stream: no_stream_effect,
    rule: |spec| {
        Some(Box::new(Mutate {
            // `FaultSpec::check` has said what is wrong with one that can't be read.
            patch: spec.patch.as_ref().and_then(operations).unwrap_or_default(),
            pick: Pick::new(spec, Some(USUAL_COUNT)),
        }))
    },
};

/// The operations of a patch; none when it is no patch.
pub(crate) fn operations(patch: &Value) -> Option<json_patch::Patch> {
    serde_json::from_value(patch.clone()).ok()
}

struct Mutate {
    patch: json_patch::Patch,
    pick: Pick,
}

impl Rule for Mutate {
    fn on_message(&mut self, _: Now, message: &InFlight<'_>) -> Fate {
        let Some(mut frame) = message.frame().cloned() else {
            return Fate::Pass;
        };
        if json_patch::patch(&mut frame, &self.patch).is_err() || !self.pick.picks(message) {
            return Fate::Pass;
        }
        Fate::Replace(frame.to_string().into_bytes())
    }
}
