//! Requests on a live connection, their deadlines, and what their answers are for. ref: client-behaviour.md §28

use std::time::Duration;

use gateway_protocol::Role;
use serde_json::{Value, json};

use crate::client::Client;
use crate::client::approvals::AutoContext;
use crate::client::connection::Slot;
use crate::client::timers::Timer;
use crate::event::ClientEvent;
use crate::input::SocketId;
use crate::intent::ApprovalKind;
use crate::mutation::Mutation;

/// How long an answer may take as a rule.
const USUAL: Duration = Duration::from_secs(30);

/// A request that waits for its answer.
#[derive(Clone, Debug)]
pub(crate) struct PendingRequest {
    socket: SocketId,
    role: Role,
    method: String,
    purpose: Purpose,
}

/// What an answer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Nobody waits for it.
    Background,
    /// A plain request of the user.
    User {
        tag: Option<String>,
        /// How long it may take, when it is not the usual time.
        limit: Option<Duration>,
    },
    /// An approval.
    Approve {
        kind: ApprovalKind,
        request_id: String,
        automatic: Option<AutoContext>,
    },
    /// A pending list.
    List(ApprovalKind),
}

impl Purpose {
    /// ref: §28
    fn time_limit(&self) -> Duration {
        match self {
            Self::Approve { .. } => Duration::from_secs(12),
            Self::User { limit, .. } => limit.unwrap_or(USUAL),
            Self::Background | Self::List(_) => USUAL,
        }
    }
}

impl Client {
    /// Sends a request on a live connection; false when there is none.
    pub(super) fn ask(
        &mut self,
        slot: Slot,
        method: &str,
        params: Option<Value>,
        purpose: Purpose,
    ) -> bool {
        let live = self
            .connection(slot)
            .and_then(super::connection::Connection::live_socket);
        let Some(socket) = live else { return false };
        let id = self.new_request_id();
        self.send_request(socket, &id, method, params);
        let at = self.after(purpose.time_limit());
        self.timers
            .set(at, Timer::RequestDeadline { id: id.clone() });
        let request = PendingRequest {
            socket,
            role: slot.role(),
            method: method.to_owned(),
            purpose,
        };
        self.requests.insert(id, request);
        true
    }

    /// A list or status that is asked for without anybody waiting; not asked again once the gateway refused it.
    pub(super) fn background(&mut self, method: &str) {
        let unsupported =
            |it: &super::connection::Connection| it.unsupported.iter().any(|name| name == method);
        if !self.operator.as_ref().is_some_and(unsupported) {
            self.ask(Slot::Operator, method, Some(json!({})), Purpose::Background);
        }
    }

    /// A plain request of the user.
    pub(super) fn user_request(
        &mut self,
        role: Role,
        method: String,
        params: Option<Value>,
        purpose: Purpose,
    ) {
        let slot = match role {
            Role::Operator => Slot::Operator,
            Role::Node => Slot::Node,
        };
        let tag = match &purpose {
            Purpose::User { tag, .. } => tag.clone(),
            Purpose::Background | Purpose::Approve { .. } | Purpose::List(_) => None,
        };
        if !self.ask(slot, &method, params, purpose) {
            let payload = json!({"message": format!("{role} is not connected")});
            self.tell(ClientEvent::Response {
                role,
                method,
                tag,
                ok: false,
                payload,
            });
        }
    }

    /// `node.event`. ref: §21
    pub(super) fn node_event(&mut self, event: &str, payload: &Value) {
        let params = json!({"event": event, "payloadJSON": payload.to_string()});
        let purpose = Purpose::User {
            tag: None,
            limit: None,
        };
        self.user_request(Role::Node, "node.event".to_owned(), Some(params), purpose);
    }

    pub(super) fn on_answer(&mut self, socket: SocketId, id: &str, result: Result<&Value, &Value>) {
        let known = self
            .requests
            .get(id)
            .is_some_and(|request| request.socket == socket);
        if known && let Some(request) = self.requests.remove(id) {
            self.answered(request, result);
        }
    }

    /// Whether a request on this socket has no answer yet.
    pub(super) fn waits_for_answers(&self, socket: SocketId) -> bool {
        self.requests.values().any(|it| it.socket == socket)
    }

    pub(super) fn request_timed_out(&mut self, id: &str) {
        let Some(request) = self.requests.remove(id) else {
            return;
        };
        let seconds = request.purpose.time_limit().as_secs();
        let error = json!({"message": format!("timed out after {seconds} s")});
        self.answered(request, Err(&error));
    }

    /// The connection is lost: everything that waited on it fails at once. ref: §28
    pub(super) fn fail_requests(&mut self, socket: SocketId, code: Option<u16>, reason: &str) {
        let lost: Vec<String> = self
            .requests
            .iter()
            .filter(|(_, request)| request.socket == socket)
            .map(|(id, _)| id.clone())
            .collect();
        let error = json!({"message": "connection lost", "closeCode": code, "closeReason": reason});
        for id in lost {
            if let Some(request) = self.requests.remove(&id) {
                // What its user said is taken back, not lost: nobody is to say it again by himself. ref: §28
                let cancels = request.method.starts_with("chat.")
                    || request.method == "exec.approval.resolve";
                if self.options.has(Mutation::CancelIsTimeout) {
                    self.answered(request, Err(&json!({"message": "timed out"})));
                } else if cancels {
                    self.answered(request, Err(&json!({"message": "cancelled"})));
                } else {
                    self.answered(request, Err(&error));
                }
            }
        }
    }

    fn answered(&mut self, request: PendingRequest, result: Result<&Value, &Value>) {
        let PendingRequest {
            role,
            method,
            purpose,
            ..
        } = request;
        match purpose {
            Purpose::Background => self.background_answered(&method, result.err()),
            Purpose::User { tag, .. } => {
                let ok = result.is_ok();
                let (Ok(payload) | Err(payload)) = result;
                let payload = payload.clone();
                self.tell(ClientEvent::Response {
                    role,
                    method,
                    tag,
                    ok,
                    payload,
                });
            }
            Purpose::Approve {
                kind,
                request_id,
                automatic,
            } => {
                let text = |error: &Value| {
                    error
                        .get("message")
                        .and_then(Value::as_str)
                        .unwrap_or("failed")
                        .to_owned()
                };
                let result = result.map(|_| ()).map_err(text);
                self.approval_ended(kind, &request_id, automatic, result);
            }
            Purpose::List(kind) => {
                if let Ok(payload) = result {
                    self.pending_listed(kind, payload);
                }
            }
        }
    }

    /// A missing scope or an unknown method ends the polling of this method on this connection. ref: §11.4
    fn background_answered(&mut self, method: &str, error: Option<&Value>) {
        let Some(message) = error
            .and_then(|error| error.get("message"))
            .and_then(Value::as_str)
        else {
            return;
        };
        let unknown = message.starts_with("unknown method");
        let polls_on = self.options.has(Mutation::PollsWithoutScope);
        if polls_on || (!unknown && !message.starts_with("missing scope")) {
            return;
        }
        if let Some(connection) = &mut self.operator {
            connection.unsupported.push(method.to_owned());
        }
        if unknown && method == "usage.status" {
            self.background("usage");
        }
    }

    /// Sends a response of the node, twice under the mutant.
    pub(super) fn send_frame(
        &mut self,
        socket: SocketId,
        frame: gateway_protocol::Frame,
        is_invoke: bool,
    ) {
        let twice = is_invoke && self.options.has(Mutation::AnswerInvokeTwice);
        let message = gateway_protocol::Outgoing::Frame(frame);
        if twice {
            self.outputs.push_back(crate::output::Output::Send {
                socket,
                message: message.clone(),
            });
        }
        self.outputs
            .push_back(crate::output::Output::Send { socket, message });
    }
}
