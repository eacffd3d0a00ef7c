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
const FOREIGN: Denied = Denied {
    kind: ErrorKind::LocalPortConflict,
    text: "Managed local gateway port is owned by a different or unverified process; did not send the shared or bootstrap token",
};
const CHANGED: Denied = Denied {
    kind: ErrorKind::LocalPortConflict,
    text: "Managed local gateway ownership changed after preflight",
};

impl Client {
    /// The proof under which this credential may be sent to this gateway; `None` when none is needed.
    pub(super) fn authorize(
        &self,
        record: &GatewayRecord,
        source: CredentialSource,
    ) -> Result<Option<u64>, Denied> {
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

    /// The gate for a connection that exists: the proof must be the one it was made under.
    pub(super) fn authorize_again(&self, slot: Slot) -> Result<(), Denied> {
        let Some(connection) = self.connection(slot) else {
            return Ok(());
        };
        let Some(record) = self.state.registry.find(&connection.gateway_id) else {
            return Ok(());
        };
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
        let blocked = match slot {
            Slot::Operator | Slot::Validation => {
                "Blocked strong credential before managed-local endpoint ownership was proven"
            }
            Slot::Node => {
                "Blocked node credential before managed-local endpoint ownership was proven"
            }
        };
        self.diagnose_with(Category::Setup, blocked, Some(denied.text.to_owned()));
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
