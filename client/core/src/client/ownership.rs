//! Prove the endpoint before a credential is sent: the gate for gateways that the app manages on this computer.
//! ref: client-behaviour.md §17.6, §18
//!
//! Who listens is found out by the shell and told by [`crate::Input::EndpointOwner`]. The gate is passed four times:
//! before a connection is made, at each reconnect, at each challenge, and again with the same proof as the first time.

use crate::classify::ErrorKind;
use crate::client::Client;
use crate::client::connection::Slot;
use crate::credential::CredentialSource;
use crate::event::DiagnosticCategory as Category;
use crate::input::EndpointOwner;
use crate::registry::GatewayRecord;
use crate::state::{NodeTrigger, OperatorTrigger};

/// Why nothing may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) kind: ErrorKind,
    pub(crate) text: &'static str,
}

const NOT_LISTENING: Denied = Denied {
    kind: ErrorKind::Network,
    text: "Managed local gateway is not listening yet; credentials were not sent",
};
const NO_TUNNELS: Denied = Denied {
    kind: ErrorKind::Network,
    text: "This gateway needs an SSH tunnel and none can be run; credentials were not sent",
};
const TUNNEL_DOWN: Denied = Denied {
    kind: ErrorKind::Network,
    text: "SSH tunnel is not active; credentials were not sent",
};
const TUNNEL_FOREIGN: Denied = Denied {
    kind: ErrorKind::LocalPortConflict,
    text: "SSH tunnel port is not owned by this app's tunnel; credentials were not sent",
};
const FOREIGN: Denied = Denied {
    kind: ErrorKind::LocalPortConflict,
    text: "Managed local gateway port is owned by a different or unverified process; did not send the shared or bootstrap token",
};
const CHANGED: Denied = Denied {
    kind: ErrorKind::LocalPortConflict,
    text: "Managed local gateway ownership changed after preflight",
};

/// Told when an operator's credential is kept back.
pub const BLOCKED_OPERATOR: &str =
    "Blocked strong credential before managed-local endpoint ownership was proven";
/// Told when a node's credential is kept back.
pub const BLOCKED_NODE: &str =
    "Blocked node credential before managed-local endpoint ownership was proven";

impl Client {
    /// The proof under which this credential may be sent to this gateway; `None` when none is needed.
    pub(super) fn authorize(
        &self,
        record: &GatewayRecord,
        source: CredentialSource,
    ) -> Result<Option<u64>, Denied> {
        if record.ssh_tunnel.is_some() && self.options.policy.proves_endpoints() {
            return self.authorize_tunnel(record).map(Some);
        }
        let managed = record.managed_distro().is_some()
            && record.socket_target().is_some_and(|url| url.is_loopback());
        let gated = managed && self.options.policy.proves_endpoints() && !source.is_device_token();
        if !gated {
            return Ok(None);
        }
        match self.owners.get(&record.id) {
            Some(EndpointOwner::Expected { proof }) => Ok(Some(*proof)),
            Some(EndpointOwner::NoListener) => Err(NOT_LISTENING),
            Some(EndpointOwner::Foreign) => Err(FOREIGN),
            // A shell that can probe and has not proven anything yet is not trusted.
            None if self.options.probes_owners => Err(FOREIGN),
            None => Ok(None),
        }
    }

    /// The gate before a connection is made. One that will go through a tunnel passes it once the tunnel is up.
    pub(super) fn authorize_launch(
        &self,
        record: &GatewayRecord,
        source: CredentialSource,
    ) -> Result<Option<u64>, Denied> {
        if self.waits_for_tunnel(record) {
            return Ok(None);
        }
        self.authorize(record, source)
    }

    /// No credential at all goes to a near end that is not our own `ssh`.
    fn authorize_tunnel(&self, record: &GatewayRecord) -> Result<u64, Denied> {
        if !self.options.tunnels {
            return Err(NO_TUNNELS);
        }
        let proof = self.tunnels.proof(record).ok_or(TUNNEL_DOWN)?;
        match self.owners.get(&record.id) {
            Some(EndpointOwner::Foreign) => Err(TUNNEL_FOREIGN),
            Some(EndpointOwner::NoListener) => Err(TUNNEL_DOWN),
            Some(EndpointOwner::Expected { .. }) | None => Ok(proof),
        }
    }

    /// The gate for a connection that exists: the proof must be the one it was made under.
    pub(super) fn authorize_again(&self, slot: Slot) -> Result<(), Denied> {
        let Some(connection) = self.connection(slot) else {
            return Ok(());
        };
        let Some(record) = self.record_of(slot) else {
            return Ok(());
        };
        let trial = slot == Slot::Validation && record.ssh_tunnel.is_some() && self.options.tunnels;
        if trial {
            let proof = self.tunnels.trial_proof();
            return match (proof, proof == connection.proof) {
                (Some(_), true) => Ok(()),
                (Some(_), false) => Err(CHANGED),
                (None, _) => Err(TUNNEL_DOWN),
            };
        }
        let source = self
            .credential_now(slot)
            .map_or(connection.credential.source, |(source, _)| source);
        let proof = self.authorize(record, source)?;
        if proof.is_some() && connection.proof.is_some() && proof != connection.proof {
            return Err(CHANGED);
        }
        Ok(())
    }

    /// Puts a role into Error because nothing may be sent.
    pub(super) fn denied(&mut self, slot: Slot, denied: Denied) {
        self.tell_denied(slot, denied);
        match slot {
            Slot::Operator => {
                self.operator_failed(denied.text, denied.kind);
                self.operator_trigger(OperatorTrigger::WebSocketError);
            }
            Slot::Node => {
                self.node_failed(denied.text, denied.kind);
                self.node_trigger(NodeTrigger::StartBlocked);
            }
            Slot::Validation => self.validation_failed(denied.text),
        }
    }

    pub(super) fn tell_denied(&mut self, slot: Slot, denied: Denied) {
        let blocked = match slot {
            Slot::Operator | Slot::Validation => BLOCKED_OPERATOR,
            Slot::Node => BLOCKED_NODE,
        };
        self.diagnose_with(Category::Setup, blocked, Some(denied.text.to_owned()));
    }

    /// A stranger on the port of a managed gateway: its token errors mean nothing. ref: §17.6
    pub(super) fn relabel_for_owner(&self, kind: ErrorKind) -> ErrorKind {
        let about_tokens = matches!(
            kind,
            ErrorKind::Auth | ErrorKind::DeviceTokenMismatch | ErrorKind::TokenDrift
        );
        let Some(record) = self
            .record()
            .filter(|record| record.managed_distro().is_some())
        else {
            return kind;
        };
        let foreign = match self.owners.get(&record.id) {
            Some(EndpointOwner::Foreign) => true,
            Some(EndpointOwner::Expected { .. } | EndpointOwner::NoListener) => false,
            None => self.options.probes_owners,
        };
        let managed_here = record.socket_target().is_some_and(|url| url.is_loopback());
        if about_tokens && foreign && managed_here && self.options.policy.proves_endpoints() {
            return ErrorKind::LocalPortConflict;
        }
        kind
    }
}
