//! Somebody else approved the request for which this device's node waits: its gateway's owner, or another operator.
//! ref: client-behaviour.md §20.3, §20.4
//!
//! The node itself is not connected, so only the operator can hear of it. There are two ways: the event, which may even
//! come before the refusal that names the request, and the list that follows an approval of our own which came too late.

use gateway_protocol::Role;
use serde_json::Value;

use crate::client::Client;
use crate::event::{DiagnosticCategory as Category, PairingStatus};
use crate::intent::ApprovalKind;
use crate::mutation::Mutation;
use crate::refusal::safe_request_id;

/// What a gateway answers about a request that it does not have (any more). ref: gateway-behaviour.md §6.3
const GONE: &str = "unknown requestId";

impl Client {
    /// The operator hears of a decision about a device.
    pub(super) fn operator_hears_decision(&mut self, payload: &Value) {
        let approved = payload.get("decision").and_then(Value::as_str) == Some("approved");
        if !approved || !self.names_me(payload) || self.options.has(Mutation::MissesApproval) {
            return;
        }
        let id = payload.get("requestId").and_then(Value::as_str);
        let Some(id) = id.and_then(safe_request_id) else {
            return;
        };
        // Remembered also when nothing waits yet: the refusal with this id may be under way on the node's socket.
        self.auto_approval.approved_by_other(&id);
        self.restart_waiting_node(&id);
    }

    /// Whether an approval failed because the request is gone; the list that is asked for next tells why.
    pub(super) fn approval_came_too_late(&mut self, request_id: &str, error: Option<&str>) {
        if error.is_some_and(|text| text.contains(GONE)) {
            self.auto_approval.found_gone(request_id);
        }
    }

    /// The device list came. A request that was gone when it was to be approved was approved, if this device has the
    /// node role now; else it was rejected or has expired, and asking again would override a person.
    pub(super) fn operator_sees_devices(&mut self, payload: &Value) {
        let Some(id) = self.node_role.request_id.clone() else {
            return;
        };
        if !self.auto_approval.was_gone(&id) || self.options.has(Mutation::MissesApproval) {
            return;
        }
        let entries = |key: &str| {
            payload
                .get(key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
        };
        let still_pending = entries("pending")
            .any(|entry| entry.get("requestId").and_then(Value::as_str) == Some(&id));
        let has_role = entries("paired")
            .filter(|device| self.names_me(device))
            .filter_map(|device| device.get("roles").and_then(Value::as_array))
            .flatten()
            .any(|role| role.as_str() == Some(Role::Node.as_str()));
        if has_role && !still_pending {
            self.auto_approval.approved_by_other(&id);
            self.restart_waiting_node(&id);
        }
    }

    /// A node that waits for trust in its commands is connected; for that it needs no restart.
    fn restart_waiting_node(&mut self, request_id: &str) {
        let waits = self.node_role.pairing == PairingStatus::Pending
            && self.node_role.kind != Some(ApprovalKind::Node);
        if waits {
            let text = format!("Node approved by somebody else (requestId={request_id})");
            self.diagnose(Category::Pairing, text);
            self.queue_node_restart(request_id);
        }
    }
}
