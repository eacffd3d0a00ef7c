//! Approving and rejecting, and the pending lists. ref: client-behaviour.md §20.4, §20.5

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::client::Client;
use crate::client::connection::Slot;
use crate::client::requests::Purpose;
use crate::event::{ClientEvent, DiagnosticCategory as Category};
use crate::intent::ApprovalKind;
use crate::mutation::Mutation;

/// Why the client approves by itself, and for which generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AutoContext {
    pub(crate) generation: u64,
    pub(crate) node_generation: u64,
    /// The queue is unknown and admin is granted: a refusal by the node queue is tried on the device queue.
    pub(crate) falls_back: bool,
}

/// What was approved automatically. A request id is remembered only after success, so a failure may be retried.
#[derive(Clone, Debug, Default)]
pub(crate) struct AutoApproval {
    approved: BTreeSet<String>,
    asked: BTreeSet<String>,
    /// What the gateway did not know any more when it was to be approved.
    gone: BTreeSet<String>,
    restarts: BTreeMap<String, u8>,
    /// Generations of the restart that is queued.
    queued: Option<(u64, u64)>,
}

impl AutoApproval {
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn is_approved(&self, id: &str) -> bool {
        self.approved.contains(id)
    }

    /// False while the same request is being approved already.
    pub(crate) fn begin(&mut self, id: &str) -> bool {
        self.asked.insert(id.to_owned())
    }

    fn end(&mut self, id: &str, succeeded: bool) {
        self.asked.remove(id);
        if succeeded {
            self.approved.insert(id.to_owned());
        }
    }

    /// Somebody else approved it: it needs no approval of ours.
    pub(crate) fn approved_by_other(&mut self, id: &str) {
        self.gone.remove(id);
        self.approved.insert(id.to_owned());
    }

    pub(crate) fn found_gone(&mut self, id: &str) {
        self.gone.insert(id.to_owned());
    }

    pub(crate) fn was_gone(&self, id: &str) -> bool {
        self.gone.contains(id)
    }

    /// Takes one of the `limit` restarts of a request id; false when none is left or one is queued already.
    pub(crate) fn queue_restart(&mut self, id: &str, limit: u8, generations: (u64, u64)) -> bool {
        let used = self.restarts.entry(id.to_owned()).or_default();
        if self.queued == Some(generations) || *used >= limit {
            return false;
        }
        *used += 1;
        self.queued = Some(generations);
        true
    }

    pub(crate) fn restart_due(&mut self) {
        self.queued = None;
    }
}

impl Client {
    /// Asks the gateway to approve a request; the answer becomes [`ClientEvent::ApprovalDone`].
    pub(super) fn approve(
        &mut self,
        kind: ApprovalKind,
        request_id: &str,
        automatic: Option<AutoContext>,
    ) {
        let method = match kind {
            ApprovalKind::Device => "device.pair.approve",
            ApprovalKind::Node if self.options.has(Mutation::OneQueue) => "device.pair.approve",
            ApprovalKind::Node => "node.pair.approve",
        };
        let params = json!({ "requestId": request_id });
        let purpose = Purpose::Approve {
            kind,
            request_id: request_id.to_owned(),
            automatic,
        };
        if !self.ask(Slot::Operator, method, Some(params), purpose) {
            self.approval_ended(
                kind,
                request_id,
                automatic,
                Err("operator is not connected".to_owned()),
            );
        }
    }

    /// Sends a rejection; "succeeded" means "sent". ref: §20.5
    pub(super) fn reject(&mut self, kind: ApprovalKind, request_id: &str) {
        let method = match kind {
            ApprovalKind::Device => "device.pair.reject",
            ApprovalKind::Node => "node.pair.reject",
        };
        let params = json!({ "requestId": request_id });
        let succeeded = self.ask(Slot::Operator, method, Some(params), Purpose::Background);
        self.tell(ClientEvent::ApprovalDone {
            kind,
            action: "reject".to_owned(),
            request_id: request_id.to_owned(),
            succeeded,
            error: (!succeeded).then(|| "operator is not connected".to_owned()),
            automatic: false,
        });
        self.refresh_list(kind);
    }

    pub(super) fn approval_ended(
        &mut self,
        kind: ApprovalKind,
        request_id: &str,
        automatic: Option<AutoContext>,
        result: Result<(), String>,
    ) {
        let succeeded = result.is_ok() || self.options.has(Mutation::SentIsApproved);
        let error = result.err().map(|text| self.without_secrets(&text));
        self.tell(ClientEvent::ApprovalDone {
            kind,
            action: "approve".to_owned(),
            request_id: request_id.to_owned(),
            succeeded,
            error: error.clone(),
            automatic: automatic.is_some(),
        });
        self.refresh_list(kind);
        let Some(context) = automatic else { return };
        if !succeeded {
            let text = format!("Automatic approval failed (requestId={request_id})");
            self.diagnose_with(Category::Pairing, text, error.clone());
        }
        if !succeeded && kind == ApprovalKind::Node && context.falls_back {
            return self.approve(ApprovalKind::Device, request_id, Some(context));
        }
        self.auto_approval.end(request_id, succeeded);
        self.approval_came_too_late(request_id, error.as_deref());
        // A node that was restarted by hand meanwhile has won.
        let current = (context.generation, context.node_generation)
            == (self.generation, self.node_generation);
        if succeeded && current {
            self.queue_node_restart(request_id);
        }
    }

    fn refresh_list(&mut self, kind: ApprovalKind) {
        match kind {
            ApprovalKind::Device => self.refresh_device_list(),
            ApprovalKind::Node => self.refresh_node_lists(),
        }
    }

    pub(super) fn refresh_device_list(&mut self) {
        self.ask(
            Slot::Operator,
            "device.pair.list",
            Some(json!({})),
            Purpose::List(ApprovalKind::Device),
        );
    }

    pub(super) fn refresh_node_lists(&mut self) {
        self.ask(
            Slot::Operator,
            "node.pair.list",
            Some(json!({})),
            Purpose::List(ApprovalKind::Node),
        );
        self.background("node.list");
    }

    /// A pending list came; a null list means "no update". Own requests are not for this user to decide. ref: §20.5
    pub(super) fn pending_listed(&mut self, kind: ApprovalKind, payload: &Value) {
        let Some(pending) = payload.get("pending").and_then(Value::as_array) else {
            return;
        };
        match kind {
            ApprovalKind::Device => self.operator_sees_devices(payload),
            ApprovalKind::Node => self.approve_from_list(pending),
        }
        let own = [self.own_device_id(), self.node_role.node_id.as_deref()];
        let is_own = |entry: &&Value| {
            let ids = ["nodeId", "deviceId"].map(|key| entry.get(key).and_then(Value::as_str));
            ids.iter().any(|id| id.is_some() && own.contains(id))
        };
        let others: Vec<Value> = pending
            .iter()
            .filter(|entry| !is_own(entry))
            .cloned()
            .collect();
        let lists = &mut self.pending_lists;
        match kind {
            ApprovalKind::Device => lists.0 = others,
            ApprovalKind::Node => lists.1 = others,
        }
        let (device, node) = lists.clone();
        self.tell(ClientEvent::PendingChanged { device, node });
    }
}
