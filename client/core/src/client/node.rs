//! What hello-ok, refusals, events and ends mean to the node. ref: client-behaviour.md §10, §11.2, §12, §14.4

use gateway_protocol::{Role, SignatureVersion};
use serde_json::Value;

use crate::classify::{ErrorKind, classify_text};
use crate::client::Client;
use crate::client::connection::{Connection, Retry, Slot};
use crate::credential::{CredentialSource, Resolution, StoredToken, resolve};
use crate::event::{ClientEvent, DiagnosticCategory as Category, PairingStatus};
use crate::hello::Hello;
use crate::identity::IDENTITY_RECOVERY;
use crate::input::SocketId;
use crate::intent::ApprovalKind;
use crate::mutation::Mutation;
use crate::refusal::{Refusal, Verdict};
use crate::registry::GatewayRecord;
use crate::snapshot::CredentialSnapshot;
use crate::state::{NodeState, NodeTrigger};

impl Client {
    /// Starts the node on the current gateway, in place of one that may be there. A start that is not possible leaves
    /// a reason.
    pub(super) fn start_node(&mut self) {
        if !self.node_role.enabled {
            return;
        }
        self.retire_node();
        let Some(record) = self.record().cloned() else {
            return self.block_node(
                "Node can't start: the gateway has no record",
                ErrorKind::Unknown,
            );
        };
        let found = self.resolve_credential(Role::Node, &record);
        self.node_role.credential = CredentialSnapshot::from(&found);
        if found.is_identity_failure() && self.options.policy.fails_closed() {
            self.diagnose(
                Category::Identity,
                "Stored device identity could not be loaded",
            );
            return self.block_node(IDENTITY_RECOVERY, ErrorKind::Unknown);
        }
        let Some(credential) = found.credential else {
            let message = format!("No credential resolved: {:?}", found.status);
            self.diagnose_with(Category::Credential, message, Some("node".to_owned()));
            return self.block_node("Node can't start: no node credential", ErrorKind::Auth);
        };
        let Some(target) = record.socket_target() else {
            return self.block_node(
                "Node can't start: the gateway URL is invalid",
                ErrorKind::Unknown,
            );
        };
        self.diagnose_with(
            Category::Credential,
            format!("Resolved: {}", credential.source.as_str()),
            Some(format!(
                "role=node; Status={:?}; FallbackUsed={}",
                found.status, found.fallback_used
            )),
        );
        self.diagnose(
            Category::Node,
            format!("Starting node connection to {}", target.display()),
        );
        let v2 = self.node_starts_with_v2(&record, credential.source);
        let proof = match self.authorize_launch(&record, credential.source) {
            Ok(proof) => proof,
            Err(denied) => return self.denied(Slot::Node, denied),
        };
        let connection = self.new_connection(Slot::Node, &record.id, target, credential, v2);
        self.node = Some(Connection {
            proof,
            ..connection
        });
        self.node_role.error = None;
        self.node_trigger(NodeTrigger::Start);
        self.open_when_ready(Slot::Node);
    }

    fn node_starts_with_v2(&self, record: &GatewayRecord, source: CredentialSource) -> bool {
        let inherited = self
            .operator
            .as_ref()
            .is_some_and(|it| it.signature == SignatureVersion::V2);
        record.starts_with_v2()
            || inherited
            || source == CredentialSource::BootstrapToken
            || self.options.force_v2_signature
    }

    /// The credential of a role at this gateway, by precedence.
    pub(super) fn resolve_credential(&self, role: Role, record: &GatewayRecord) -> Resolution {
        let identity = self.state.identities.get(&record.id);
        let stored = StoredToken::of(role, identity, self.state.damaged.get(&record.id));
        if self.options.has(Mutation::BootstrapForever) && record.usable_bootstrap_token().is_some()
        {
            let mut record = record.clone();
            record.shared_gateway_token = None;
            return resolve(role, &record, StoredToken::Missing);
        }
        resolve(role, record, stored)
    }

    fn block_node(&mut self, reason: &str, kind: ErrorKind) {
        self.node_failed(reason, kind);
        self.node_trigger(NodeTrigger::StartBlocked);
    }

    /// Drops the node's connection without a close handshake. Late events of it find nothing to change.
    pub(super) fn retire_node(&mut self) {
        self.node_generation += 1;
        if let Some(socket) = self.node.take().and_then(|it| it.phase.socket()) {
            self.drop_invokes();
            self.fail_requests(socket, None, "node connection replaced");
            self.abort(socket);
        }
        let trigger = if self.node_role.enabled {
            NodeTrigger::Reset
        } else {
            NodeTrigger::Disabled
        };
        self.node_trigger(trigger);
    }

    pub(super) fn node_socket_failed(&mut self, error: &str) {
        if self.node_role.state == NodeState::PairingRequired {
            return;
        }
        let kind = classify_text(error).or_network();
        self.node_failed(error, kind);
        self.node_trigger(NodeTrigger::Error);
    }

    pub(super) fn node_socket_closed(&mut self) {
        self.drop_invokes();
        let decided = self
            .node
            .as_ref()
            .is_some_and(|it| it.retry != Retry::Allowed);
        if !decided {
            self.node_trigger(NodeTrigger::Disconnected);
        }
    }

    pub(super) fn node_connected(&mut self, _socket: SocketId, hello: Hello) {
        let stored = self
            .identity()
            .is_some_and(|identity| identity.token(Role::Node).is_some());
        let after_approval = self
            .node
            .as_mut()
            .is_some_and(|it| std::mem::take(&mut it.after_approval));
        self.node_role.node_id = hello
            .node_id
            .or_else(|| self.identity().map(|it| it.device_id.clone()));
        self.node_role.error = None;
        self.node_trigger(NodeTrigger::Connected);
        let forgets = self.options.has(Mutation::PendingWithoutToken);
        if hello.had_token || (!forgets && (stored || after_approval)) {
            self.node_paired();
        } else {
            let hint = self
                .identity()
                .map(|it| it.device_id.chars().take(12).collect::<String>());
            let detail = format!("openclaw devices approve {}", hint.unwrap_or_default());
            self.diagnose_with(
                Category::Pairing,
                "Node is connected but not paired",
                Some(detail),
            );
            self.node_pending(None, None);
        }
    }

    /// The node is paired; what was remembered for its approval is over.
    pub(super) fn node_paired(&mut self) {
        if self.node_role.pairing == PairingStatus::Pending {
            self.diagnose(Category::Pairing, "Pairing approved!");
        }
        if let Some(gateway_id) = self.gateway_id.clone() {
            self.recovered.remove(&(gateway_id, Role::Node));
        }
        self.auto_approval.reset();
        self.node_trigger(NodeTrigger::Paired);
        self.set_node_pairing(PairingStatus::Paired, None, None);
        self.clear_bootstrap_if_durable();
    }

    /// Somebody must approve the node; it stops asking. Repeats are told once, but may trigger an approval again.
    pub(super) fn node_pending(&mut self, kind: Option<ApprovalKind>, request_id: Option<String>) {
        if let Some(connection) = &mut self.node {
            connection.retry = Retry::Pairing;
        }
        let same_id = request_id.is_some() && request_id == self.node_role.request_id;
        let kind = kind.or_else(|| self.node_role.kind.filter(|_| same_id));
        self.node_trigger(NodeTrigger::PairingRequired);
        let id = request_id.as_deref().unwrap_or("none");
        self.diagnose(
            Category::Pairing,
            format!("Pairing required for node (requestId={id})"),
        );
        self.set_node_pairing(PairingStatus::Pending, kind, request_id.clone());
        self.approve_own_request(kind, request_id);
    }

    pub(super) fn set_node_pairing(
        &mut self,
        status: PairingStatus,
        kind: Option<ApprovalKind>,
        request_id: Option<String>,
    ) {
        self.node_role.pairing = status;
        self.node_role.kind = kind;
        self.node_role.request_id.clone_from(&request_id);
        let told = Some((status, request_id.clone()));
        if self.node_role.told_pairing != told {
            self.node_role.told_pairing = told;
            self.diagnose(Category::Node, format!("Node pairing: {status:?}"));
            self.tell(ClientEvent::Pairing {
                role: Role::Node,
                status,
                kind,
                request_id,
            });
        }
    }

    pub(super) fn node_refused(&mut self, refusal: &Refusal) {
        match refusal.for_node(self.options.policy) {
            Verdict::Pairing => {
                let kind = self.kind_of_refusal(refusal);
                self.node_pending(kind, refusal.request_id.clone());
            }
            Verdict::Terminal => self.node_terminal(refusal),
            Verdict::SignatureInvalid => {
                let _switched = self.fell_back_to_v2(Slot::Node);
                self.node_failed(&refusal.message, refusal.kind());
                self.node_trigger(NodeTrigger::Error);
            }
            Verdict::PairingRejected | Verdict::Other => {
                self.node_failed(&refusal.message, refusal.kind());
                self.node_trigger(NodeTrigger::Error);
            }
        }
    }

    /// The older client knew the queue only from the structured code. ref: §20.4
    fn kind_of_refusal(&self, refusal: &Refusal) -> Option<ApprovalKind> {
        let structured = refusal.detail_code.as_deref() == Some("PAIRING_REQUIRED");
        (structured || !self.options.policy.approves_node_trust()).then_some(ApprovalKind::Device)
    }

    fn node_terminal(&mut self, refusal: &Refusal) {
        if !self.options.has(Mutation::KeepRetryingAfterTerminal) {
            self.stop_loop(Slot::Node);
        }
        let kind = self.relabel_for_owner(refusal.kind());
        self.diagnose_with(
            Category::Error,
            "Authentication failed",
            Some(format!("node: {}", refusal.message)),
        );
        self.node_failed(&refusal.message, kind);
        self.node_trigger(NodeTrigger::Error);
        if kind == ErrorKind::DeviceTokenMismatch {
            self.recover_node_token();
        }
    }

    /// Does what an event asks for; whether it is told to whoever watches.
    pub(super) fn on_node_event(&mut self, socket: SocketId, name: &str, payload: &Value) -> bool {
        let live = self.node.as_ref().and_then(Connection::live_socket) == Some(socket);
        match name {
            "node.pair.requested" => self.own_pairing_requested(ApprovalKind::Node, payload),
            "device.pair.requested" => self.own_pairing_requested(ApprovalKind::Device, payload),
            "node.pair.resolved" | "device.pair.resolved" => {
                self.own_pairing_resolved(socket, payload);
            }
            "node.invoke.request" if live => self.on_invoke_event(socket, payload),
            "node.invoke.cancel" if live => self.on_cancel_event(payload),
            _ => return true,
        }
        false
    }
}
