//! Whose port has to be looked at before an input is handed in, so that the gate judges what is and not what was.
//! ref: client-behaviour.md §18

use std::time::Duration;

use crate::client::Client;
use crate::client::connection::Phase;
use crate::client::timers::Timer;
use crate::input::{Input, ManagedEndpoint};
use crate::intent::Intent;
use crate::registry::GatewayRecord;
use crate::url::GatewayUrl;

impl GatewayRecord {
    /// The port of a gateway that the app manages on this computer; one behind a tunnel is somebody else's.
    pub fn managed_endpoint(&self) -> Option<ManagedEndpoint> {
        let target = self.socket_target().filter(GatewayUrl::is_loopback)?;
        let distro = self.managed_distro()?.to_owned();
        self.ssh_tunnel.is_none().then(|| ManagedEndpoint {
            gateway_id: self.id.clone(),
            distro,
            port: target.port,
        })
    }
}

impl Client {
    /// The managed gateways whose owners a shell with a probe has to look up and report right before it hands in this
    /// input: those to which it may open a socket or send a credential. Empty for every other gateway, and for a policy
    /// that proves nothing. Deadlines have [`Self::looks_at_deadline`].
    pub fn looks_before(&self, input: &Input) -> Vec<ManagedEndpoint> {
        if !self.proves_owners() {
            return Vec::new();
        }
        match input {
            Input::User(intent) if may_connect(intent) => {
                let known = self.state.registry.gateways.iter();
                known.filter_map(GatewayRecord::managed_endpoint).collect()
            }
            // Whatever the first messages look like: one of them is the challenge.
            Input::Message { socket, .. } => {
                let slot = self.slot_of(*socket).and_then(|slot| self.connection(slot));
                let slot = slot.filter(|it| matches!(it.phase, Phase::Open { .. }));
                self.endpoint_of(slot.map(|it| it.gateway_id.as_str()))
            }
            Input::User(_)
            | Input::Opened { .. }
            | Input::OpenFailed { .. }
            | Input::Closed { .. }
            | Input::Stored { .. }
            | Input::IdentityRead { .. }
            | Input::EndpointOwner { .. }
            | Input::TunnelUp { .. }
            | Input::TunnelDown { .. }
            | Input::InvokeDone { .. }
            | Input::Woke => Vec::new(),
            // Both may lead to a reconnect.
            Input::Probed { repair, .. } | Input::Restarted { repair, .. } => {
                self.endpoint_under_repair(*repair).into_iter().collect()
            }
        }
    }

    /// The managed gateway whose owner has to be looked up because a deadline that opens a socket to it has come. Any
    /// input lets deadlines do their work, so hold them with [`Self::hold_attempts`] until the finding is reported.
    pub fn looks_at_deadline(&self, now: Duration) -> Vec<ManagedEndpoint> {
        let due =
            !self.attempts_held && self.proves_owners() && self.timers.is_due(now, opens_socket);
        self.endpoint_of(self.gateway_id.as_deref().filter(|_| due))
    }

    /// While held, no deadline opens a socket; the others do their work. A deadline that came meanwhile is due at once
    /// when they are let go.
    pub fn hold_attempts(&mut self, held: bool) {
        self.attempts_held = held;
    }

    fn proves_owners(&self) -> bool {
        self.options.probes_owners && self.options.policy.proves_endpoints()
    }

    fn endpoint_of(&self, gateway_id: Option<&str>) -> Vec<ManagedEndpoint> {
        let record = gateway_id.and_then(|id| self.state.registry.find(id));
        let endpoint = record.and_then(GatewayRecord::managed_endpoint);
        endpoint.into_iter().collect()
    }
}

pub(super) fn opens_socket(timer: &Timer) -> bool {
    match timer {
        Timer::Attempt { .. }
        | Timer::DelayedReconnect { .. }
        | Timer::NodeRecovery { .. }
        | Timer::NodeApproved { .. } => true,
        Timer::PostHello { .. }
        | Timer::RequestDeadline { .. }
        | Timer::ValidationDeadline { .. }
        | Timer::TunnelRestart { .. }
        | Timer::RepairPoll
        | Timer::RepairVerify { .. }
        | Timer::NodeWait { .. }
        | Timer::Dial { .. }
        | Timer::Challenge { .. }
        | Timer::Silence { .. } => false,
    }
}

fn may_connect(intent: &Intent) -> bool {
    match intent {
        Intent::Connect
        | Intent::Reconnect
        | Intent::ReconnectNode
        | Intent::ReconnectIfCurrent { .. }
        | Intent::EnsureNodeConnected
        | Intent::ApplySetupCode { .. }
        | Intent::ConnectSharedToken { .. }
        | Intent::SwitchGateway { .. } => true,
        Intent::Disconnect
        | Intent::AddGateway { .. }
        | Intent::RemoveGateway { .. }
        | Intent::Approve { .. }
        | Intent::Reject { .. }
        | Intent::RefreshPending
        | Intent::Request { .. }
        | Intent::NodeEvent { .. }
        | Intent::SetNodeEnabled { .. }
        | Intent::Stop => false,
    }
}
