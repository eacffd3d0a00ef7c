//! Whose port has to be looked at before an input is handed in, so that the gate judges what is and not what was.
//! ref: client-behaviour.md §18

use std::time::Duration;

use crate::client::Client;
use crate::client::connection::{Phase, Slot};
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
    /// that proves nothing.
    pub fn looks_before(&self, now: Duration, input: &Input) -> Vec<ManagedEndpoint> {
        if !self.options.probes_owners || !self.options.policy.proves_endpoints() {
            return Vec::new();
        }
        if let Input::User(intent) = input
            && may_connect(intent)
        {
            let known = self.state.registry.gateways.iter();
            return known.filter_map(GatewayRecord::managed_endpoint).collect();
        }
        let waits_for_challenge = match input {
            // Whatever the first messages look like: one of them is the challenge.
            Input::Message { socket, .. } => self.slot_of(*socket).filter(|slot| {
                let phase = self.connection(*slot).map(|it| &it.phase);
                matches!(phase, Some(Phase::Open { .. }))
            }),
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
            | Input::Woke => None,
        };
        let gateway_id = match waits_for_challenge {
            Some(slot) => self.gateway_of(slot),
            // Any input lets the deadlines that have come do their work first.
            None if self.timers.is_due(now, opens_socket) => self.gateway_id.as_deref(),
            None => None,
        };
        let record = gateway_id.and_then(|id| self.state.registry.find(id));
        let endpoint = record.and_then(GatewayRecord::managed_endpoint);
        endpoint.into_iter().collect()
    }

    fn gateway_of(&self, slot: Slot) -> Option<&str> {
        self.connection(slot).map(|it| it.gateway_id.as_str())
    }
}

fn opens_socket(timer: &Timer) -> bool {
    match timer {
        Timer::Attempt { .. }
        | Timer::DelayedReconnect { .. }
        | Timer::NodeRecovery { .. }
        | Timer::NodeApproved { .. } => true,
        Timer::PostHello { .. }
        | Timer::RequestDeadline { .. }
        | Timer::ValidationDeadline { .. }
        | Timer::TunnelRestart { .. }
        | Timer::NodeWait { .. }
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
