//! Everything is swallowed and nothing ends: a cable that was pulled and is put back. Heals without FIN.

use gateway_protocol::Now;
use transcript::Direction;

use crate::fault::{FaultName, FaultRow, StreamEffect};
use crate::rule::{Fate, InFlight, Pick, Rule};
use crate::spec::{ConnSelector, FaultSpec};
use crate::table::Admission;

pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::Blackhole,
    doc: "nothing passes in either direction and nothing ends, from the start or after a number of messages",
    client_sees: "no byte and no end of stream; its own writes succeed until its buffers are full",
    on_heal: "what either side said meanwhile arrives, without FIN",
    params: &["after", "matching"],
    connections: ConnSelector::Current,
    needs_streams: false,
    admission: Admission::Accept,
    stream: |_| StreamEffect::stalling(None),
    rule: |spec| Some(Box::new(Swallow::new(spec, None))),
};

/// The direction of a one-way black hole that names none: the client speaks and hears nothing.
fn usual_dir(spec: &FaultSpec) -> Direction {
    spec.dir.unwrap_or(Direction::GatewayToClient)
}

pub(super) static ONE_WAY_ROW: FaultRow = FaultRow {
    name: FaultName::BlackholeOneWay,
    doc: "nothing passes in one direction (`dir`; g2c unless given) and nothing ends",
    client_sees: "g2c: no byte and no end of stream, while what it says is acted on; c2g: the gateway goes on talking and hears nothing",
    on_heal: "what was said meanwhile arrives, without FIN",
    params: &["dir", "after", "matching"],
    connections: ConnSelector::Current,
    needs_streams: false,
    admission: Admission::Accept,
    stream: |spec| StreamEffect::stalling(Some(usual_dir(spec))),
    rule: |spec| Some(Box::new(Swallow::new(spec, Some(usual_dir(spec))))),
};

/// Holds every message of its directions from the moment it is triggered.
pub(crate) struct Swallow {
    dir: Option<Direction>,
    trigger: Pick,
    is_open: bool,
}

impl Swallow {
    pub(crate) fn new(spec: &FaultSpec, dir: Option<Direction>) -> Self {
        Self {
            dir,
            trigger: Pick::new(spec, None),
            is_open: spec.is_immediate(),
        }
    }

    fn is_on(&self, dir: Direction) -> bool {
        self.dir.is_none_or(|wanted| wanted == dir)
    }
}

impl Rule for Swallow {
    fn on_message(&mut self, _: Now, message: &InFlight<'_>) -> Fate {
        if !self.is_open {
            self.is_open = self.trigger.picks(message);
        }
        if self.is_open && self.is_on(message.dir) {
            Fate::Hold
        } else {
            Fate::Pass
        }
    }

    fn holds(&self, dir: Direction) -> bool {
        self.is_open && self.is_on(dir)
    }
}
