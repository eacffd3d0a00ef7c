//! Which orderings of events make sense, and what must hold when the last fault has ended.
//!
//! The model knows nothing of sockets or timers: who runs, what the user wants, and which credentials are still good.
//! It answers two questions. Can this event happen now (a stopped process can't be stopped again)? And at the end: must
//! the companion be ready, may it need its user for that, or can nothing be said?

use super::event::Event;
use super::flow::{Holding, Owner, Roles};
use crate::scenario::{Policy, RoleName};

/// The one client of a flow.
pub(super) const COMPANION: &str = "companion";

/// How long a restart for a new shared token may take, in milliseconds.
const ROTATED: u64 = 10_000;

/// How much later than it said a restart is over, in milliseconds.
const RESTARTED: u64 = 1_000;

/// What must hold at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// Ready, with nobody's help.
    HealsItself,
    /// Ready, once its user asks for a new connection.
    HealsWhenAsked,
    /// Nothing but the invariants.
    Nothing,
}

/// The state of a flow so far.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of a flow, each asked for by itself"
)]
pub(super) struct Model {
    policy: Policy,
    owner: Owner,
    holding: Holding,
    roles: Roles,
    runs: bool,
    is_up: bool,
    /// Milliseconds until a restart is over.
    restarts_for: u64,
    is_wanted: bool,
    /// The gateway still knows the device with the tokens that it began with.
    has_device: bool,
    /// The shared token on the disk is the gateway's.
    shared_is_good: bool,
    /// A device token was taken away, or a credential was tried that may be refused for good.
    credentials_moved: bool,
    /// A clock moved by more than the gateway allows a signature.
    clock_moved: bool,
    /// The wire was disturbed.
    wire_moved: bool,
    /// Something that the companion wanted to store may be lost.
    disk_failed: bool,
}

impl Model {
    pub(super) const fn new(policy: Policy, owner: Owner, holding: Holding, roles: Roles) -> Self {
        Self {
            policy,
            owner,
            holding,
            roles,
            runs: false,
            is_up: true,
            restarts_for: 0,
            is_wanted: true,
            has_device: holding.has_device(),
            shared_is_good: holding.has_shared(),
            credentials_moved: false,
            clock_moved: false,
            wire_moved: false,
            disk_failed: false,
        }
    }

    /// The state after these events; none when one of them can't happen where it stands.
    pub(super) fn after(mut self, events: &[Event]) -> Option<Self> {
        for event in events {
            self = self.then(*event)?;
        }
        Some(self)
    }

    /// The state after one more event; none when it can't happen now.
    pub(super) fn then(mut self, event: Event) -> Option<Self> {
        let answers = self.is_up && self.restarts_for == 0;
        let can = match event {
            Event::Start => !self.runs,
            Event::Stop
            | Event::Connect
            | Event::Disconnect
            | Event::Reconnect
            | Event::SharedToken => self.runs,
            Event::ReconnectNode => self.runs && self.roles == Roles::Both,
            Event::SetupCode => self.runs && answers,
            Event::Restart(_) | Event::Down | Event::Expire | Event::RotateShared => answers,
            Event::Up => !self.is_up,
            // A device that never was a node has no token of one.
            Event::Revoke(RoleName::Node) | Event::Rotate(RoleName::Node) => {
                answers && self.has_device && self.roles == Roles::Both
            }
            Event::Revoke(_) | Event::Rotate(_) | Event::Remove => answers && self.has_device,
            Event::Decide(_) => answers && self.owner == Owner::Person,
            Event::Elapse(_)
            | Event::Ready(_)
            | Event::DiskFails(_)
            | Event::Disturb(_)
            | Event::Jump { .. } => true,
        };
        if !can {
            return None;
        }
        match event {
            Event::Start => (self.runs, self.is_wanted) = (true, true),
            Event::Stop => self.runs = false,
            Event::Connect | Event::Reconnect => self.is_wanted = true,
            // Where no operator is live, the node is wanted and nothing else.
            Event::Disconnect | Event::ReconnectNode => self.is_wanted = false,
            Event::SharedToken | Event::SetupCode => {
                (self.is_wanted, self.credentials_moved) = (true, true);
            }
            Event::Elapse(millis) => self.restarts_for = self.restarts_for.saturating_sub(millis),
            Event::Restart(millis) => self.restarts_for = millis.saturating_add(RESTARTED),
            Event::Down => self.is_up = false,
            Event::Up => self.is_up = true,
            // A token can be taken away once: what there is afterwards depends on the client.
            Event::Revoke(_) | Event::Rotate(_) | Event::Remove => {
                (self.has_device, self.credentials_moved) = (false, true);
            }
            Event::RotateShared => {
                // A changed shared token restarts the gateway.
                self.restarts_for = ROTATED;
                (self.shared_is_good, self.credentials_moved) = (false, true);
            }
            Event::Jump { .. } => self.clock_moved = true,
            Event::DiskFails(_) => self.disk_failed = true,
            Event::Disturb(_) => self.wire_moved = true,
            Event::Expire | Event::Decide(_) | Event::Ready(_) => {}
        }
        Some(self)
    }

    /// What has to happen before the tail: the process and the service run again.
    pub(super) fn mend(self) -> Vec<Event> {
        let mut events = Vec::new();
        if self.disk_failed {
            events.push(Event::DiskFails(0));
        }
        if !self.is_up {
            events.push(Event::Up);
        }
        if !self.runs {
            events.push(Event::Start);
        }
        events
    }

    /// What must hold at the end.
    pub(super) fn promise(self) -> Promise {
        let paired = self.holding.has_device();
        let undisturbed =
            paired && !self.credentials_moved && !self.clock_moved && !self.disk_failed;
        if undisturbed {
            // A start wants a connection again. The older client does not notice every silence by itself.
            let notices = self.policy == Policy::Hardened || !self.wire_moved;
            let wanted = notices && (self.is_wanted || !self.runs);
            return if wanted {
                Promise::HealsItself
            } else {
                Promise::HealsWhenAsked
            };
        }
        let has_a_way = match (self.policy, self.owner) {
            (Policy::Hardened, Owner::ApprovesAll) => self.shared_is_good,
            // What needs a person may wait for him.
            (Policy::Hardened, Owner::Person) => false,
            // The older client falls back to no shared token, and signs with its own clock.
            (Policy::Pr741, _) => false,
        };
        if has_a_way {
            Promise::HealsWhenAsked
        } else {
            Promise::Nothing
        }
    }

    /// The liveness phase. A long one takes as long as the slowest backoff and lockout take at the most, has a wish where the
    /// promise needs one, and two ticks in which what is ready must stay so. A short one ends as soon as what was promised
    /// holds, where nothing is left that could change it: no fault that waits, no change that the disk refused.
    pub(super) const fn tail(self, promise: Promise, is_long: bool) -> &'static [Event] {
        let may_change = is_long || self.wire_moved || self.disk_failed;
        let may_be_locked_out = self.credentials_moved || self.clock_moved;
        match (promise, may_change) {
            (Promise::Nothing, _) if is_long => &[Event::Elapse(150_000)],
            (Promise::Nothing, _) => &[Event::Elapse(20_000)],
            (Promise::HealsItself, true) => READY_AND_STAYS,
            (Promise::HealsItself, false) => READY,
            (Promise::HealsWhenAsked, true) => ASKED_AND_STAYS,
            (Promise::HealsWhenAsked, false) if may_be_locked_out => ASKED_LATER,
            (Promise::HealsWhenAsked, false) => ASKED,
        }
    }
}

/// So long after the last event, or a wish, what it set off has begun: before that, a state says nothing of it.
const BEGUN: Event = Event::Elapse(1_100);

/// Nothing could still disturb what is promised.
const READY: &[Event] = &[BEGUN, Event::Ready(600_000)];

/// A fault that waits for a later message may still end a connection: then it must be ready once more.
const READY_AND_STAYS: &[Event] = &[
    Event::Ready(600_000),
    Event::Elapse(61_000),
    Event::Ready(120_000),
];

/// Nothing locks it out, so nothing has to be waited for.
const ASKED: &[Event] = &[Event::Reconnect, BEGUN, Event::Ready(300_000)];

/// After the longest lockout.
const ASKED_LATER: &[Event] = &[
    Event::Elapse(360_000),
    Event::Reconnect,
    BEGUN,
    Event::Ready(300_000),
];

const ASKED_AND_STAYS: &[Event] = &[
    Event::Elapse(360_000),
    // Once for the faults that still wait for a connection, once for good.
    Event::Reconnect,
    Event::Elapse(60_000),
    Event::Reconnect,
    Event::Ready(300_000),
    Event::Elapse(61_000),
    Event::Ready(120_000),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_tail_ends_when_nothing_is_left_that_could_change_what_it_shows() {
        let still = Model::new(
            Policy::Hardened,
            Owner::ApprovesAll,
            Holding::All,
            Roles::Both,
        );
        let refused = still.then(Event::DiskFails(1)).unwrap();
        let promise = Promise::HealsItself;
        assert_eq!(still.tail(promise, false), READY);
        for stays in [still.tail(promise, true), refused.tail(promise, false)] {
            assert_eq!(stays, READY_AND_STAYS);
        }
        let moved = still.then(Event::RotateShared).unwrap();
        let promise = Promise::HealsWhenAsked;
        assert_eq!(still.tail(promise, false), ASKED);
        assert_eq!(moved.tail(promise, false), ASKED_LATER);
        assert_eq!(refused.tail(promise, false), ASKED_AND_STAYS);
    }

    #[test]
    fn what_is_no_node_has_no_token_of_one_to_lose() {
        let model = |roles| Model::new(Policy::Hardened, Owner::ApprovesAll, Holding::All, roles);
        let can = |roles, event| {
            let running = model(roles).then(Event::Start).unwrap();
            running.then(event).is_some()
        };
        let of_nodes = [
            Event::ReconnectNode,
            Event::Revoke(RoleName::Node),
            Event::Rotate(RoleName::Node),
        ];
        for event in of_nodes {
            assert!(can(Roles::Both, event) && !can(Roles::Operator, event));
        }
        assert!(can(Roles::Operator, Event::Revoke(RoleName::Operator)));
    }

    #[test]
    fn a_short_tail_looks_at_no_state_of_before_the_last_event() {
        for tail in [READY, ASKED, ASKED_LATER] {
            let last = tail.len() - 2;
            assert_eq!(tail.get(last), Some(&BEGUN));
        }
    }
}
