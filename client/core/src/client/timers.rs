//! Deadlines. Equal ones fire in the order in which they were set.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::client::connection::Slot;
use crate::input::{RepairId, SocketId, TunnelId};

/// What a deadline is for. Each names the generation it belongs to, so a late one does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Next attempt of a reconnect loop.
    Attempt { slot: Slot, serial: u64 },
    /// The companion's requests after hello-ok.
    PostHello { socket: SocketId },
    /// Reconnect after a bootstrap handoff or a token recovery, pinned to gateway and generation. ref: §17.3
    DelayedReconnect { generation: u64, gateway_id: String },
    /// Node restart after its token was cleared. ref: §17.5
    NodeRecovery {
        generation: u64,
        node_generation: u64,
    },
    /// Node restart after its pairing was approved. ref: §20.4
    NodeApproved {
        generation: u64,
        node_generation: u64,
        request_id: String,
    },
    /// An answer is overdue.
    RequestDeadline { id: String },
    /// A shared-token validation is overdue.
    ValidationDeadline { serial: u64 },
    /// Reconnect through a new tunnel. ref: §24
    TunnelRestart { tunnel: TunnelId },
    /// Look whether a managed gateway is gone. ref: §25
    RepairPoll,
    /// A reconnect of a repair has had its time.
    RepairVerify { id: RepairId },
    /// Somebody has waited long enough for the node. ref: §14.3
    NodeWait { serial: u64 },
    /// A dial is overdue.
    Dial { slot: Slot, socket: SocketId },
    /// The challenge is overdue.
    Challenge { slot: Slot, socket: SocketId },
    /// Look whether a live connection was heard of lately.
    Silence { slot: Slot, socket: SocketId },
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    due: BTreeMap<(Duration, u64), Timer>,
    next: u64,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Duration, timer: Timer) {
        self.due.insert((at, self.next), timer);
        self.next += 1;
    }

    /// Every deadline, the earliest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = Duration> {
        self.due.keys().map(|(at, _)| *at)
    }

    /// Another time for this one; its place among equal ones stays.
    pub(crate) fn move_to(&mut self, at: Duration, timer: &Timer) {
        let found = self.due.iter().find(|(_, known)| *known == timer);
        let key = found.map(|(key, _)| *key);
        if let Some((key, timer)) = key.and_then(|key| Some((key, self.due.remove(&key)?))) {
            self.due.insert((at, key.1), timer);
        }
    }

    /// The earliest deadline that is not held.
    pub(crate) fn next_at(&self, held: impl Fn(&Timer) -> bool) -> Option<Duration> {
        let (at, _) = self.due.iter().find(|(_, timer)| !held(timer))?;
        Some(at.0)
    }

    /// The earliest deadline that has come and is not held.
    pub(crate) fn pop_due(
        &mut self,
        now: Duration,
        held: impl Fn(&Timer) -> bool,
    ) -> Option<Timer> {
        let come = self.due.iter().take_while(|((at, _), _)| *at <= now);
        let key = *come.into_iter().find(|(_, timer)| !held(timer))?.0;
        self.due.remove(&key)
    }

    /// Whether such a deadline has come.
    pub(crate) fn is_due(&self, now: Duration, is_meant: impl Fn(&Timer) -> bool) -> bool {
        let come = self.due.iter().take_while(|((at, _), _)| *at <= now);
        come.into_iter().any(|(_, timer)| is_meant(timer))
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Timer) -> bool) {
        self.due.retain(|_, timer| keep(timer));
    }

    /// When the next attempt of a connection starts.
    pub(crate) fn attempt_at(&self, slot: Slot, serial: u64) -> Option<Duration> {
        let wanted = Timer::Attempt { slot, serial };
        self.due
            .iter()
            .find(|(_, timer)| **timer == wanted)
            .map(|((at, _), _)| *at)
    }
}
