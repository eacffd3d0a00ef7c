//! Launching a role and ending a lifecycle, each under a new generation. ref: client-behaviour.md §13, §14.1, §19

use std::collections::VecDeque;

use gateway_protocol::SignatureVersion;

use crate::backoff::Backoff;
use crate::classify::ErrorKind;
use crate::client::connection::{Connection, Phase, Retry, Slot};
use crate::client::repair::Repairs;
use crate::client::report::{NodeRole, OperatorRole};
use crate::client::socket::DEFAULT_SILENCE;
use crate::client::timers::Timers;
use crate::client::{Bootstrap, Client};
use crate::credential::{Credential, CredentialSource, Resolution};
use crate::event::{ClientEvent, DiagnosticCategory as Category, PairingStatus};
use crate::identity::IDENTITY_RECOVERY;
use crate::mutation::Mutation;
use crate::registry::GatewayRecord;
use crate::snapshot::CredentialSnapshot;
use crate::state::{NodeTrigger, OperatorTrigger};
use crate::url::GatewayUrl;

impl Client {
    /// Starts the operator on a gateway. ref: §13
    pub(super) fn launch_operator(&mut self, gateway_id: &str) {
        let Some(record) = self.state.registry.find(gateway_id).cloned() else {
            return self.diagnose(
                Category::Warning,
                "Connect ignored: the gateway has no record",
            );
        };
        self.disconnect();
        self.keep_only_tunnel_of(&record);
        self.gateway_id = Some(record.id.clone());
        let found = self.operator_credential(&record);
        self.operator_role.credential = CredentialSnapshot::from(&found);
        self.operator_trigger(OperatorTrigger::ConnectRequested);
        if found.is_identity_failure() && self.options.policy.fails_closed() {
            self.diagnose(
                Category::Identity,
                "Stored device identity could not be loaded",
            );
            return self.launch_failed(IDENTITY_RECOVERY, ErrorKind::Unknown);
        }
        let (Some(credential), Some(target)) = (found.credential, record.socket_target()) else {
            let text = format!("No credential resolved: {:?}", found.status);
            self.diagnose_with(Category::Credential, text, Some("operator".to_owned()));
            return self.launch_failed("No operator credential for this gateway", ErrorKind::Auth);
        };
        let bootstrap = credential.source == CredentialSource::BootstrapToken;
        self.diagnose_with(
            Category::Credential,
            format!("Resolved: {}", credential.source.as_str()),
            Some(format!(
                "IsBootstrap={bootstrap}; Status={:?}; FallbackUsed={}",
                found.status, found.fallback_used
            )),
        );
        self.bootstrap = if bootstrap {
            Bootstrap::Redeeming
        } else {
            Bootstrap::NotUsed
        };
        let v2 = record.starts_with_v2() || bootstrap || self.options.force_v2_signature;
        let proof = match self.authorize_launch(&record, credential.source) {
            Ok(proof) => proof,
            Err(denied) => return self.denied(Slot::Operator, denied),
        };
        let connection = self.new_connection(Slot::Operator, &record.id, target, credential, v2);
        self.operator = Some(Connection {
            proof,
            ..connection
        });
        self.open_when_ready(Slot::Operator);
    }

    /// The operator's credential, or the bootstrap token when a setup code has just been applied. ref: §13 (6)
    fn operator_credential(&mut self, record: &GatewayRecord) -> Resolution {
        let mut found = self.resolve_credential(gateway_protocol::Role::Operator, record);
        let forced = self
            .force_bootstrap
            .take()
            .is_some_and(|id| id == record.id);
        if forced && let Some(token) = record.usable_bootstrap_token() {
            found.credential = Some(Credential {
                source: CredentialSource::BootstrapToken,
                secret: token.to_owned(),
            });
            if !found.is_identity_failure() {
                found.status = crate::credential::ResolutionStatus::BootstrapRequired;
            }
            found.bootstrap_required = true;
        }
        found
    }

    fn launch_failed(&mut self, message: &str, kind: ErrorKind) {
        self.operator_failed(message, kind);
        self.operator_trigger(OperatorTrigger::WebSocketError);
    }

    /// A connection object that has not opened yet. A bootstrap credential, and a token under validation, stand above
    /// the stored device token. ref: §8.1
    pub(super) fn new_connection(
        &mut self,
        slot: Slot,
        gateway_id: &str,
        target: GatewayUrl,
        credential: Credential,
        v2: bool,
    ) -> Connection {
        let bootstrap = credential.source == CredentialSource::BootstrapToken;
        Connection {
            slot,
            serial: self.new_serial(),
            gateway_id: gateway_id.to_owned(),
            target,
            ignore_stored: slot == Slot::Validation || (slot == Slot::Operator && bootstrap),
            credential,
            signature: if v2 {
                SignatureVersion::V2
            } else {
                SignatureVersion::V3
            },
            backoff: Backoff::default(),
            drawn: None,
            phase: Phase::Preparing,
            retry: Retry::Allowed,
            retry_after: None,
            after_approval: false,
            heard_at: self.now.since_start,
            silence_limit: DEFAULT_SILENCE,
            unsupported: Vec::new(),
            proof: None,
            sockets: 0,
        }
    }

    /// The device key could not be made: every role that waits for it stops with the fixed message. ref: §2.4
    pub(super) fn identity_unavailable(&mut self, gateway_id: &str) {
        let waits =
            |it: &Connection| it.gateway_id == gateway_id && matches!(it.phase, Phase::Preparing);
        if self.operator.as_ref().is_some_and(waits) {
            self.operator = None;
            self.launch_failed(IDENTITY_RECOVERY, ErrorKind::Unknown);
        }
        if self.node.as_ref().is_some_and(waits) {
            self.node = None;
            self.node_failed(IDENTITY_RECOVERY, ErrorKind::Unknown);
            self.node_trigger(NodeTrigger::StartBlocked);
        }
        self.launch_settled();
    }

    /// Ends the lifecycle: a new generation, every socket dropped, both roles idle. ref: §14.1
    pub(super) fn disconnect(&mut self) {
        self.generation += 1;
        self.stop_trial_tunnel();
        for connection in [self.operator.take(), self.validation.take()]
            .into_iter()
            .flatten()
        {
            if let Some(socket) = connection.phase.socket() {
                self.fail_requests(socket, None, "disconnected");
                if !self.options.has(Mutation::KeepOldSocket) {
                    self.abort(socket);
                }
            }
        }
        self.retire_node();
        self.operator_trigger(OperatorTrigger::DisconnectRequested);
        let state = self.operator_role.state;
        self.operator_role = OperatorRole {
            state,
            ..OperatorRole::default()
        };
        let node_state = self.node_role.state;
        self.node_role = NodeRole {
            state: node_state,
            ..NodeRole::new(self.node_role.enabled)
        };
        self.auto_approval.reset();
        self.bootstrap = Bootstrap::NotUsed;
        self.gateway_id = None;
        debug_assert_eq!(self.node_role.pairing, PairingStatus::Unknown);
    }

    pub(super) fn stop(&mut self) {
        self.disconnect();
        self.stop_tunnel();
        self.stopped = true;
        self.intents = VecDeque::new();
        self.transition = None;
        self.timers = Timers::default();
        self.repairs = Repairs::default();
        self.operator_trigger(OperatorTrigger::Disposed);
        self.tell(ClientEvent::Stopped);
    }
}
