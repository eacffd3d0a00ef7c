//! The hub: one machine that owns every connection, device, node and pending request.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use gateway_protocol::{Now, SecretKind};
use serde_json::Value;

use crate::{Admission, Config, Control, ControlError, Input, Output, Peer, Profile, StateView};

/// A whole gateway.
#[derive(Debug)]
pub struct Gateway {
    profile: &'static Profile,
    config: Config,
    outputs: VecDeque<Output>,
}

impl Gateway {
    /// A gateway that starts `now`.
    pub fn new(config: Config, profile: &'static Profile, seed: u64, now: Now) -> Self {
        let _ = (seed, now);
        Self { profile, config, outputs: VecDeque::new() }
    }

    /// Takes one input. Drain [`poll`](Self::poll) before the next.
    pub fn handle(&mut self, now: Now, input: Input) {
        let _ = (now, input);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Woke`] is due.
    pub fn wake_at(&self) -> Option<Duration> {
        None
    }

    /// Carries out an order. Drain [`poll`](Self::poll) afterwards.
    ///
    /// # Errors
    /// [`ControlError`] when the order fits nothing.
    pub fn control(&mut self, now: Now, command: Control) -> Result<Value, ControlError> {
        let _ = (now, command);
        Ok(Value::Null)
    }

    /// What the gateway believes.
    pub fn view(&self) -> StateView {
        StateView {
            profile: self.profile.version.to_owned(),
            up: true,
            connections: Vec::new(),
            devices: Vec::new(),
            pending_devices: Vec::new(),
            nodes: Vec::new(),
            pending_nodes: Vec::new(),
            invokes: Vec::new(),
            behaviors: Vec::new(),
            live_setup_codes: 0,
        }
    }

    /// Every secret configured or minted so far, for the redactor.
    pub fn secrets(&self) -> Vec<(SecretKind, String)> {
        let _ = &self.config;
        Vec::new()
    }

    /// Whether an upgrade may go on.
    pub fn admission(&self, peer: &Peer) -> Admission {
        let _ = peer;
        Admission::Accept
    }

    /// Whether another connection from `ip` fits the budget of unauthenticated ones.
    pub fn admits(&self, ip: IpAddr) -> bool {
        let _ = ip;
        true
    }
}
