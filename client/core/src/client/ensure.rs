//! "Ensure that the node is connected": a wish that ends when the node is paired, refused or too late.
//! ref: client-behaviour.md §14.3

use std::time::Duration;

use gateway_protocol::Role;

use crate::client::Client;
use crate::client::connection::Connection;
use crate::client::timers::Timer;
use crate::event::PairingStatus;
use crate::intent::{Intent, IntentOutcome};
use crate::state::NodeState;

/// How long a caller waits.
const LIMIT: Duration = Duration::from_secs(35);

/// Somebody who waits for the node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeWaiter {
    pub(crate) serial: u64,
    generation: u64,
}

impl Client {
    pub(super) fn ensure_node_connected(&mut self) {
        if !self.role_is_live(Role::Operator) {
            return self.node_ensured(Err("operator is not connected"));
        }
        if !self.node_role.enabled {
            return self.node_ensured(Err("node mode is off"));
        }
        let busy = |it: &Connection| it.is_running() && it.may_retry();
        if !self.node_is_ready() && !self.node.as_ref().is_some_and(busy) {
            self.start_node();
        }
        let serial = self.new_serial();
        self.node_waiters.push(NodeWaiter {
            serial,
            generation: self.generation,
        });
        let at = self.after(LIMIT);
        self.timers.set(at, Timer::NodeWait { serial });
    }

    fn node_is_ready(&self) -> bool {
        self.node_role.state == NodeState::Connected
            && self.node_role.pairing == PairingStatus::Paired
    }

    /// Answers whoever waits, if there is an answer. Between two attempts the node is Connecting, so Error is final.
    pub(super) fn settle_node_waiters(&mut self) {
        if self.node_waiters.is_empty() {
            return;
        }
        let failed = matches!(
            self.node_role.state,
            NodeState::Error | NodeState::PairingRejected | NodeState::Disabled
        );
        let (ready, generation) = (self.node_is_ready(), self.generation);
        let error = self.node_role.error.as_ref().map(|(text, _)| text.clone());
        let waiting = std::mem::take(&mut self.node_waiters);
        for waiter in waiting {
            if waiter.generation != generation {
                self.node_ensured(Err("superseded by another connection"));
            } else if ready {
                self.node_ensured(Ok(()));
            } else if failed {
                self.node_ensured(Err(error
                    .as_deref()
                    .unwrap_or("the node could not be started")));
            } else {
                self.node_waiters.push(waiter);
            }
        }
    }

    pub(super) fn node_wait_over(&mut self, serial: u64) {
        self.node_waiters.retain(|waiter| waiter.serial != serial);
        self.node_ensured(Err("timed out after 35 s"));
    }

    fn node_ensured(&mut self, result: Result<(), &str>) {
        let name = Intent::EnsureNodeConnected.name();
        match result {
            Ok(()) => self.tell_done(name, IntentOutcome::Success, None),
            Err(text) => {
                let text = Some(text.to_owned());
                self.tell_done(name, IntentOutcome::ConnectionFailed, text);
            }
        }
    }
}
