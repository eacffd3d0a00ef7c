//! One direction of a connection: what is on its way, in order. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use transcript::Payload;

use crate::message::WireMessage;
use crate::rule::Cut;
use crate::table::FaultId;

/// What waits in a lane.
pub(crate) struct Item {
    /// When it leaves; none while it is held.
    pub(crate) due: Option<Duration>,
    /// The fault that holds it.
    pub(crate) held_by: Option<FaultId>,
    /// Order of entering over both lanes: of two that are due together the earlier leaves first.
    pub(crate) order: u64,
    pub(crate) what: What,
}

pub(crate) enum What {
    Message {
        message: WireMessage,
        payload: Option<Payload>,
    },
    Cut(Cut),
}

/// A queue that nothing overtakes: a stream carries bytes in order, so what is late makes late what follows it.
pub(crate) struct Lane {
    items: VecDeque<Item>,
    last_due: Duration,
}

impl Default for Lane {
    /// Room for one item: without faults a message leaves as it enters, and thousands of idle connections keep
    /// whatever room a queue ever had.
    fn default() -> Self {
        Self {
            items: VecDeque::with_capacity(1),
            last_due: Duration::ZERO,
        }
    }
}

impl Lane {
    /// Whether the head is a cut.
    pub(crate) fn cuts_next(&self) -> bool {
        let head = self.items.front();
        head.is_some_and(|item| matches!(item.what, What::Cut(_)))
    }

    /// Puts something at the end, due no earlier than what is before it.
    pub(crate) fn push(&mut self, due: Duration, order: u64, what: What) {
        self.last_due = self.last_due.max(due);
        self.items.push_back(Item {
            due: Some(self.last_due),
            held_by: None,
            order,
            what,
        });
    }

    /// Puts something at the end that leaves when `fault` lets go.
    pub(crate) fn push_held(&mut self, fault: FaultId, order: u64, what: What) {
        self.items.push_back(Item {
            due: None,
            held_by: Some(fault),
            order,
            what,
        });
    }

    /// Lets go of what `fault` holds: it is due at `now`, or passes to the fault that still holds this direction.
    pub(crate) fn release(&mut self, fault: FaultId, now: Duration, heir: Option<FaultId>) {
        for item in &mut self.items {
            if item.held_by != Some(fault) {
                continue;
            }
            item.held_by = heir;
            if heir.is_none() {
                self.last_due = self.last_due.max(now);
                item.due = Some(self.last_due);
            }
        }
    }

    /// When the first item leaves, and its place in the order of entering.
    pub(crate) fn head(&self) -> Option<(Duration, u64)> {
        let item = self.items.front()?;
        Some((item.due?, item.order))
    }

    /// Takes the first item.
    pub(crate) fn pop(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    /// Whether nothing is on its way but what is held.
    pub(crate) fn is_settled(&self) -> bool {
        self.items.front().is_none_or(|item| item.due.is_none())
    }

    /// Takes everything that is left.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Item> {
        self.items.drain(..)
    }
}
