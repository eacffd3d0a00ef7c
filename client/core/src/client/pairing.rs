//! This node's own pairing: events that name it, and the automatic approval of its requests.
//! ref: client-behaviour.md §20.3, §20.4

use std::time::Duration;

use gateway_protocol::Role;
use gateway_protocol::role::scope;
use serde_json::Value;

use crate::client::Client;
use crate::client::approvals::AutoContext;
use crate::client::connection::{Phase, Retry, Slot};
use crate::client::timers::Timer;
use crate::event::{DiagnosticCategory as Category, PairingStatus};
use crate::input::SocketId;
use crate::intent::ApprovalKind;
use crate::mutation::Mutation;
use crate::output::Output;
use crate::refusal::safe_request_id;
use crate::state::NodeTrigger;

/// From a successful approval to the node's restart. ref: §20.4
const AFTER_APPROVAL: Duration = Duration::from_secs(1);
/// Restarts for one request id. ref: §20.4
const RESTARTS_PER_REQUEST: u8 = 2;

impl Client {
    /// Whether a pairing event names this device.
    pub(super) fn names_me(&self, payload: &Value) -> bool {
        if self.options.has(Mutation::HearsOtherDevices) {
            return true;
        }
        let Some(own) = self.identity().map(|identity| identity.device_id.as_str()) else {
            return false;
        };
        let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str);
        let node_id = self.node_role.node_id.as_deref().unwrap_or(own);
        text("/nodeId") == Some(node_id)
            || ["/deviceId", "/instanceId", "/device/id"]
                .iter()
                .any(|pointer| text(pointer) == Some(own))
    }

    pub(super) fn own_pairing_requested(&mut self, kind: ApprovalKind, payload: &Value) {
        if !self.names_me(payload) {
            return;
        }
        let request_id = payload
            .get("requestId")
            .and_then(Value::as_str)
            .and_then(safe_request_id);
        self.node_pending(Some(kind), request_id);
    }

    pub(super) fn own_pairing_resolved(&mut self, socket: SocketId, payload: &Value) {
        if !self.names_me(payload) {
            return;
        }
        match payload.get("decision").and_then(Value::as_str) {
            Some("approved") => {
                self.node_paired();
                self.outputs.push_back(Output::Close {
                    socket,
                    code: 1000,
                    reason: "Disconnecting".to_owned(),
                });
                self.drop_invokes();
                self.fail_requests(socket, Some(1000), "Disconnecting");
                self.node_trigger(NodeTrigger::Disconnected);
                self.node_trigger(NodeTrigger::Start);
                if let Some(node) = &mut self.node {
                    node.retry = Retry::Allowed;
                    node.after_approval = true;
                }
                self.open_socket(Slot::Node);
            }
            Some("rejected") => {
                self.stop_loop(Slot::Node);
                self.node_failed(
                    "pairing rejected",
                    crate::classify::ErrorKind::PairingRejected,
                );
                // A live node that is rejected passes through the pending state, as the table wants it.
                self.node_trigger(NodeTrigger::PairingRequired);
                self.node_trigger(NodeTrigger::PairingRejected);
                self.set_node_pairing(PairingStatus::Rejected, None, None);
            }
            _ => {}
        }
    }

    /// The command that approves the pending request, for people. ref: §20.3
    pub(super) fn approval_command(&self) -> Option<String> {
        let id = self.node_role.request_id.as_deref();
        match (self.node_role.kind, id) {
            (Some(ApprovalKind::Node), Some(id)) => Some(format!("openclaw nodes approve {id}")),
            (Some(ApprovalKind::Node), None) => Some("openclaw nodes pending".to_owned()),
            (Some(ApprovalKind::Device) | None, Some(id)) => {
                Some(format!("openclaw devices approve {id}"))
            }
            (Some(ApprovalKind::Device) | None, None) => {
                let device = self.identity()?.device_id.get(..12)?.to_owned();
                Some(format!("openclaw devices approve {device}"))
            }
        }
    }

    /// Whether trust in the own node is given without a person.
    fn trusts_own_node(&self) -> bool {
        self.options.policy.approves_node_trust() || self.options.has(Mutation::ApprovesFromTheList)
    }

    fn operator_has(&self, wanted: &str) -> bool {
        self.operator_role.scopes.iter().any(|have| have == wanted)
    }

    /// Approves this node's own request where the policy allows it. ref: §20.4
    pub(super) fn approve_own_request(
        &mut self,
        kind: Option<ApprovalKind>,
        request_id: Option<String>,
    ) {
        if !self
            .operator
            .as_ref()
            .is_some_and(super::connection::Connection::is_live)
        {
            return;
        }
        // Approved already, by this client or by somebody else: what is left is to come back.
        if let Some(id) = request_id.as_deref()
            && self.auto_approval.is_approved(id)
        {
            return self.queue_node_restart(id);
        }
        let admin = self.operator_has(scope::ADMIN);
        let trusts_node = self.trusts_own_node();
        let queue = match kind {
            Some(ApprovalKind::Device) => {
                self.diagnose(Category::Node, "Node device role-upgrade pending");
                if !admin {
                    let text =
                        "Device role-upgrade auto-approval skipped: operator.admin is not granted";
                    return self.diagnose(Category::Node, text);
                }
                ApprovalKind::Device
            }
            Some(ApprovalKind::Node) | None if trusts_node => {
                if !admin && !self.operator_has(scope::PAIRING) {
                    return self.diagnose(
                        Category::Node,
                        "Node pairing auto-approval skipped: no pairing scope",
                    );
                }
                ApprovalKind::Node
            }
            Some(ApprovalKind::Node) | None => {
                self.diagnose(
                    Category::Node,
                    "Node pairing awaiting explicit operator approval",
                );
                return self.background("node.list");
            }
        };
        let Some(id) = request_id else { return };
        if self.auto_approval.begin(&id) {
            if queue == ApprovalKind::Device {
                let text = format!("Auto-approving device role-upgrade pairing (requestId={id})");
                self.diagnose(Category::Node, text);
            } else {
                self.diagnose(
                    Category::Node,
                    format!("Auto-approving node pairing (requestId={id})"),
                );
            }
            let context = AutoContext {
                generation: self.generation,
                node_generation: self.node_generation,
                falls_back: kind.is_none() && admin,
            };
            self.approve(queue, &id, Some(context));
        }
    }

    /// One restart of the node, one second from now; at most two per request id, one queued at a time.
    pub(super) fn queue_node_restart(&mut self, request_id: &str) {
        let (generation, node_generation) = (self.generation, self.node_generation);
        if self.auto_approval.queue_restart(
            request_id,
            RESTARTS_PER_REQUEST,
            (generation, node_generation),
        ) {
            let at = self.after(AFTER_APPROVAL);
            let request_id = request_id.to_owned();
            self.timers.set(
                at,
                Timer::NodeApproved {
                    generation,
                    node_generation,
                    request_id,
                },
            );
        }
    }

    pub(super) fn node_approved_delay_over(
        &mut self,
        generation: u64,
        node_generation: u64,
        request_id: &str,
    ) {
        self.auto_approval.restart_due();
        let pending = self.node_role.pairing == PairingStatus::Pending;
        if pending && (generation, node_generation) == (self.generation, self.node_generation) {
            let text = format!("Restarting node after approval (requestId={request_id})");
            self.diagnose(Category::Node, text);
            self.start_node();
        }
    }

    /// The older client approves its own node from the pending list as well. ref: §20.4
    pub(super) fn approve_from_list(&mut self, pending: &[Value]) {
        if !self.trusts_own_node() {
            return;
        }
        let own = pending.iter().find(|entry| self.names_me(entry));
        let id = own
            .and_then(|entry| entry.get("requestId"))
            .and_then(Value::as_str)
            .and_then(safe_request_id);
        if let Some(id) = id {
            self.approve_own_request(Some(ApprovalKind::Node), Some(id));
        }
    }

    /// Restarts the node after its token was cleared, if nothing newer has happened. ref: §17.5
    pub(super) fn restart_node(&mut self, generation: u64, node_generation: u64) {
        if (generation, node_generation) == (self.generation, self.node_generation) {
            self.start_node();
        }
    }

    /// Opens the first socket of a connection, once there is a tunnel to go through and a key to sign with.
    /// ref: §5, §13 (10)
    pub(super) fn open_when_ready(&mut self, slot: Slot) {
        let Some(gateway_id) = self.connection(slot).map(|it| it.gateway_id.clone()) else {
            return;
        };
        let record = self.state.registry.find(&gateway_id).cloned();
        if let Some(record) = record.filter(|record| self.waits_for_tunnel(record)) {
            if let Some(connection) = self.connection_mut(slot) {
                connection.phase = Phase::Preparing;
            }
            return self.want_tunnel(&record);
        }
        if self.state.identities.contains_key(&gateway_id) {
            return self.open_socket(slot);
        }
        if let Some(connection) = self.connection_mut(slot) {
            connection.phase = Phase::Preparing;
        }
        self.create_identity(&gateway_id);
    }

    pub(super) fn own_device_id(&self) -> Option<&str> {
        self.identity().map(|identity| identity.device_id.as_str())
    }

    pub(super) fn role_is_live(&self, role: Role) -> bool {
        let slot = match role {
            Role::Operator => Slot::Operator,
            Role::Node => Slot::Node,
        };
        self.connection(slot)
            .is_some_and(super::connection::Connection::is_live)
    }
}
