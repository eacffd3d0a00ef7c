//! Node requests and invokes: validation, bounded concurrency, one answer each. ref: client-behaviour.md §21

use std::collections::BTreeMap;

use gateway_protocol::{ErrorShape, Frame, Request, Response};
use serde_json::{Value, json};

use crate::client::Client;
use crate::client::connection::Connection;
use crate::event::{ClientEvent, DiagnosticCategory as Category};
use crate::input::{InvokeOutcome, SocketId};
use crate::options::is_local_only;
use crate::output::{InvokeKey, InvokeRequest, Output};

/// Running invokes at most. ref: §21
pub(crate) const BUSY_LIMIT: usize = 8;
const COMMAND_CHARS: usize = 100;

/// How an invoke came, and so how it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Via {
    /// Event `node.invoke.request`, answered by the request `node.invoke.result`.
    Event,
    /// Request `node.invoke`, answered by its response.
    Request,
}

#[derive(Clone, Debug)]
struct Running {
    id: String,
    command: String,
    socket: SocketId,
    via: Via,
}

/// The invokes that have no answer yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Invokes {
    running: BTreeMap<InvokeKey, Running>,
    last: u64,
}

impl Invokes {
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    fn find(&self, id: &str) -> Option<InvokeKey> {
        self.running
            .iter()
            .find(|(_, running)| running.id == id)
            .map(|(key, _)| *key)
    }
}

impl Client {
    pub(super) fn on_invoke_event(&mut self, socket: SocketId, payload: &Value) {
        let id = text(payload, "requestId").or_else(|| text(payload, "id"));
        if let Some(id) = id {
            self.on_invoke(socket, Via::Event, &id, payload);
        }
    }

    pub(super) fn on_node_request(&mut self, socket: SocketId, frame: &Value) {
        if self.node.as_ref().and_then(Connection::live_socket) != Some(socket) {
            return;
        }
        let Some(id) = text(frame, "id") else { return };
        let method = text(frame, "method").unwrap_or_default();
        let params = frame.get("params").filter(|params| params.is_object());
        match (method.as_str(), params) {
            ("ping", _) => self.respond(socket, &id, Ok(json!({"pong": true}))),
            ("node.invoke", Some(params)) => self.on_invoke(socket, Via::Request, &id, params),
            ("node.invoke", None) => self.respond(socket, &id, Err("Missing params".to_owned())),
            ("node.invoke.cancel", params) => {
                let target = params.and_then(cancel_target);
                let result = target.map(|target| json!({"cancelled": self.cancel_invoke(&target)}));
                self.respond(
                    socket,
                    &id,
                    result.ok_or_else(|| "Missing invokeId".to_owned()),
                );
            }
            _ => self.respond(socket, &id, Err(format!("Unknown method: {method}"))),
        }
    }

    pub(super) fn on_cancel_event(&mut self, payload: &Value) {
        if let Some(target) = cancel_target(payload) {
            self.cancel_invoke(&target);
        }
    }

    fn on_invoke(&mut self, socket: SocketId, via: Via, id: &str, envelope: &Value) {
        let running = Running {
            id: id.to_owned(),
            command: text(envelope, "command").unwrap_or_default(),
            socket,
            via,
        };
        let command = match self.accept(&running, envelope) {
            Ok(command) => command,
            Err(error) => return self.answer_invoke(&running, Err(error)),
        };
        self.invokes.last += 1;
        let key = InvokeKey(self.invokes.last);
        self.invokes.running.insert(
            key,
            Running {
                command: command.clone(),
                ..running
            },
        );
        if let Some(payload) = self.builtin(&command) {
            return self.on_invoke_done(key, InvokeOutcome::Ok(payload));
        }
        let args = self.read_args(envelope);
        let session_key = text(envelope, "sessionKey").filter(|key| !key.trim().is_empty());
        self.outputs.push_back(Output::Invoke(InvokeRequest {
            key,
            id: id.to_owned(),
            command,
            args,
            session_key,
        }));
    }

    /// The advertised spelling of the command, or the text of the refusal.
    fn accept(&self, wanted: &Running, envelope: &Value) -> Result<String, String> {
        let command = &wanted.command;
        if envelope.get("command").and_then(Value::as_str).is_none() {
            return Err("Missing command".to_owned());
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if command.is_empty()
            || command.chars().count() > COMMAND_CHARS
            || !command.chars().all(plain)
        {
            return Err("Invalid command format".to_owned());
        }
        let known = self
            .options
            .node
            .commands
            .iter()
            .find(|name| name.eq_ignore_ascii_case(command) && !is_local_only(name));
        let known = known.ok_or_else(|| format!("Command not supported: {command}"))?;
        if self.invokes.running() >= BUSY_LIMIT {
            return Err("node busy, retry".to_owned());
        }
        if self.invokes.find(&wanted.id).is_some() {
            return Err("duplicate active request id".to_owned());
        }
        Ok(known.clone())
    }

    fn read_args(&mut self, envelope: &Value) -> Value {
        if let Some(args) = envelope.get("args").or_else(|| envelope.get("params")) {
            return args.clone();
        }
        let Some(json) = envelope.get("paramsJSON").and_then(Value::as_str) else {
            return Value::Null;
        };
        serde_json::from_str(json).unwrap_or_else(|_| {
            self.diagnose(
                Category::Warning,
                "Invoke paramsJSON is not JSON; arguments left empty",
            );
            Value::Null
        })
    }

    /// Commands that need nothing from the host.
    fn builtin(&self, command: &str) -> Option<Value> {
        if !self.options.builtin_commands {
            return None;
        }
        match command {
            "device.info" => Some(json!({
                "platform": self.options.platform,
                "deviceFamily": self.options.device_family,
                "displayName": format!("Windows Node ({})", self.options.machine_name),
                "version": self.options.version,
            })),
            "device.status" => Some(json!({"ok": true, "runningInvokes": self.invokes.running()})),
            _ => None,
        }
    }

    /// The work ended. Whoever comes first, completion or cancellation, gives the only answer.
    pub(super) fn on_invoke_done(&mut self, key: InvokeKey, outcome: InvokeOutcome) {
        let Some(running) = self.invokes.running.remove(&key) else {
            return;
        };
        let result = match outcome {
            InvokeOutcome::Ok(payload) => Ok(payload),
            InvokeOutcome::Failed(text) => Err(text),
            InvokeOutcome::Crashed => Err("Command execution failed".to_owned()),
        };
        self.answer_invoke(&running, result);
    }

    fn cancel_invoke(&mut self, id: &str) -> bool {
        let Some(key) = self.invokes.find(id) else {
            return false;
        };
        let Some(running) = self.invokes.running.remove(&key) else {
            return false;
        };
        self.outputs.push_back(Output::InvokeCancel { key });
        self.answer_invoke(&running, Err("cancelled".to_owned()));
        true
    }

    /// The connection is lost: running work is cancelled and nothing is answered, on any socket.
    pub(super) fn drop_invokes(&mut self) {
        for (key, running) in std::mem::take(&mut self.invokes.running) {
            self.outputs.push_back(Output::InvokeCancel { key });
            self.tell(ClientEvent::InvokeAnswered {
                id: running.id,
                command: running.command,
                result: "dropped".to_owned(),
            });
        }
    }

    fn answer_invoke(&mut self, running: &Running, result: Result<Value, String>) {
        let told = result
            .as_ref()
            .map_or_else(|error| self.without_secrets(error), |_| "ok".to_owned());
        match running.via {
            Via::Request => self.respond(running.socket, &running.id, result),
            Via::Event => self.send_result(running, result),
        }
        self.tell(ClientEvent::InvokeAnswered {
            id: running.id.clone(),
            command: running.command.clone(),
            result: told,
        });
    }

    fn send_result(&mut self, running: &Running, result: Result<Value, String>) {
        let node_id = self
            .node_role
            .node_id
            .clone()
            .or_else(|| self.own_device_id().map(str::to_owned));
        let mut params =
            json!({"id": running.id, "nodeId": node_id.unwrap_or_default(), "ok": result.is_ok()});
        if let Some(object) = params.as_object_mut() {
            match result {
                Ok(payload) => object.insert("payload".to_owned(), payload),
                Err(message) => object.insert("error".to_owned(), json!({ "message": message })),
            };
        }
        let id = self.new_request_id();
        self.send_frame(
            running.socket,
            Frame::Request(Request::new(id, "node.invoke.result", Some(params))),
            true,
        );
    }

    pub(super) fn respond(&mut self, socket: SocketId, id: &str, result: Result<Value, String>) {
        let response = match result {
            Ok(payload) => Response::ok(id, payload),
            Err(message) => Response::error(
                id,
                ErrorShape {
                    code: "UNAVAILABLE".to_owned(),
                    message,
                    details: None,
                    retryable: None,
                    retry_after_ms: None,
                },
            ),
        };
        self.send_frame(socket, Frame::Response(response), true);
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value
        .get(key)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn cancel_target(params: &Value) -> Option<String> {
    text(params, "invokeId").or_else(|| text(params, "requestId"))
}
