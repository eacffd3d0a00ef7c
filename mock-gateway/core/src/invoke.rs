//! Commands on their way to a node and back. ref: gateway-behaviour.md §7.3

use std::collections::BTreeMap;

use gateway_protocol::{ClientInfo, ErrorCode, ErrorShape, InvokeId, NodeId, RequestId};
use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::json::Object;
use crate::profile::Profile;
use crate::timers::TimerKey;
use crate::view::InvokeView;

/// How many answered invokes the view remembers.
const REMEMBERED: usize = 256;

/// Who waits for the answer.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// An operator's request.
    Operator { conn: u32, request_id: RequestId },
    /// A control.
    Control,
}

/// One invoke without an answer.
#[derive(Clone, Debug)]
pub(crate) struct PendingInvoke {
    pub(crate) origin: Origin,
    pub(crate) node_conn: u32,
    pub(crate) node_id: NodeId,
    pub(crate) command: String,
    pub(crate) params_json: Option<String>,
    pub(crate) timer: Option<TimerKey>,
    /// For the rule about iOS nodes in the background.
    pub(crate) client: ClientInfo,
}

/// All invokes, and the outcome of the answered ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Invokes {
    pub(crate) pending: BTreeMap<InvokeId, PendingInvoke>,
    history: IndexMap<String, InvokeView>,
}

impl Invokes {
    pub(crate) fn start(&mut self, id: InvokeId, pending: PendingInvoke) {
        if self.history.len() >= REMEMBERED {
            self.history.shift_remove_index(0);
        }
        let view = InvokeView {
            invoke_id: id.as_str().to_owned(),
            node_id: pending.node_id.clone(),
            command: pending.command.clone(),
            outcome: "pending".to_owned(),
            answer: None,
        };
        self.history.insert(view.invoke_id.clone(), view);
        self.pending.insert(id, pending);
    }

    pub(crate) fn finish(
        &mut self,
        id: &InvokeId,
        outcome: &str,
        answer: Option<Value>,
    ) -> Option<PendingInvoke> {
        if let Some(view) = self.history.get_mut(id.as_str()) {
            outcome.clone_into(&mut view.outcome);
            view.answer = answer;
        }
        self.pending.remove(id)
    }

    pub(crate) fn of_connection(&self, conn: u32) -> Vec<InvokeId> {
        self.pending
            .iter()
            .filter(|(_, pending)| pending.node_conn == conn)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// The pending invoke with this id, or the newest for `latest`.
    pub(crate) fn resolve(&self, given: &str) -> Option<InvokeId> {
        let newest = || {
            let mut ids = self
                .history
                .values()
                .rev()
                .filter(|view| view.outcome == "pending");
            ids.next()
                .filter(|_| given == "latest")
                .map(|view| InvokeId::from(view.invoke_id.as_str()))
        };
        self.pending
            .keys()
            .find(|id| id.as_str() == given)
            .cloned()
            .or_else(newest)
    }

    pub(crate) fn views(&self) -> Vec<InvokeView> {
        self.history.values().cloned().collect()
    }
}

/// How an invoke failed on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvokeFailure {
    Timeout,
    Disconnected,
    /// Taken back by a control. No recording shows what a real gateway answers then.
    Cancelled,
}

/// What the operator is told when no answer came.
pub(crate) fn failure(profile: &Profile, kind: InvokeFailure, command: &str) -> ErrorShape {
    let newer = profile.rules.node_errors_9;
    let (code, text) = match kind {
        InvokeFailure::Timeout => ("TIMEOUT", "node invoke timed out".to_owned()),
        InvokeFailure::Disconnected if !newer => {
            return ErrorShape::new(
                ErrorCode::Unavailable,
                format!("Error: node disconnected ({command})"),
            );
        }
        InvokeFailure::Disconnected => ("DISCONNECTED", format!("node disconnected ({command})")),
        InvokeFailure::Cancelled => ("CANCELLED", "node invoke cancelled".to_owned()),
    };
    let details = Object::new()
        .with("nodeError", json!({"code": code, "message": text}))
        .when(newer, "nodeCommandDispatched", true)
        .build();
    ErrorShape::new(ErrorCode::Unavailable, format!("{code}: {text}")).with_details(details)
}

/// What the operator is told when the node answered with an error.
pub(crate) fn node_error(profile: &Profile, error: Option<&Value>) -> ErrorShape {
    let text = |name: &str| {
        error
            .and_then(|error| error.get(name))
            .and_then(Value::as_str)
    };
    let message = match (text("code"), text("message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (None, Some(message)) => message.to_owned(),
        (Some(code), None) => format!("{code}: node invoke failed"),
        (None, None) => "node invoke failed".to_owned(),
    };
    let details = Object::new()
        .with("nodeError", error.cloned().unwrap_or(Value::Null))
        .when(profile.rules.node_errors_9, "nodeCommandDispatched", true)
        .build();
    ErrorShape::new(ErrorCode::Unavailable, message).with_details(details)
}

/// Commands that an iOS node runs only in the foreground. ref: gateway-behaviour.md §7.3
pub(crate) fn needs_foreground(command: &str) -> bool {
    ["canvas.", "camera.", "screen.", "talk."]
        .iter()
        .any(|prefix| command.starts_with(prefix))
}

/// Whether a node's error says that its app is in the background.
pub(crate) fn is_background_error(error: Option<&Value>) -> bool {
    let text = |name: &str| {
        error
            .and_then(|error| error.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    text("code") == "NODE_BACKGROUND_UNAVAILABLE"
        || text("message").contains("NODE_BACKGROUND_UNAVAILABLE")
}
