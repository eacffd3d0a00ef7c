//! Deadlines on the monotonic clock; equal ones fire in the order in which they were set.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway_protocol::InvokeId;

use crate::behavior::Reply;

/// What happens at a deadline.
#[derive(Clone, Debug)]
pub(crate) enum Timer {
    /// A connection has not finished `connect`.
    Handshake(u32),
    /// The `tick` event.
    Tick,
    /// A WebSocket ping.
    Ping(u32),
    /// A `health` broadcast after a connect.
    Health,
    /// A late challenge with this payload.
    Challenge(u32, Box<serde_json::Value>),
    /// A node has not answered.
    Invoke(InvokeId),
    /// A slowed-down refusal.
    Refuse(u32, Box<crate::handshake::LateRefusal>),
    /// A delayed scripted reply.
    Scripted(u32, Box<ScriptedReply>),
    /// The announced restart begins.
    Restart(Box<(Duration, String)>),
    /// The port opens again.
    Ready,
    /// A changed configuration file is noticed.
    Reload,
    /// The next step of this turn of the agent.
    Agent(String),
}

/// A scripted reply on its way.
#[derive(Clone, Debug)]
pub(crate) struct ScriptedReply {
    pub(crate) request: gateway_protocol::Request,
    pub(crate) reply: Reply,
    /// The behaviour that it comes from.
    pub(crate) behavior: String,
    /// What it was matched at.
    pub(crate) on: crate::behavior::Trigger,
}

/// Names a set timer.
pub(crate) type TimerKey = (Duration, u64);

/// All set timers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeMap<TimerKey, Timer>,
    next: u64,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Duration, timer: Timer) -> TimerKey {
        let key = (at, self.next);
        self.next += 1;
        self.queue.insert(key, timer);
        key
    }

    pub(crate) fn cancel(&mut self, key: TimerKey) {
        self.queue.remove(&key);
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }

    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the first timer that is due, with its deadline.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<(Duration, Timer)> {
        let entry = self.queue.first_entry()?;
        let at = entry.key().0;
        (at <= now).then(|| (at, entry.remove()))
    }
}
