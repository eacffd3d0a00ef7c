//! `node.invoke` and its result. ref: gateway-behaviour.md §7.3

use std::time::Duration;

use gateway_protocol::{ErrorCode, ErrorShape, InvokeId, NodeId, Now, limits};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::gateway::Gateway;
use crate::invoke::{self, InvokeFailure, Origin, PendingInvoke};
use crate::json::Object;
use crate::method::node::{node_of, pairing_changed};
use crate::method::{Answer, Call, invalid};
use crate::mutation::Mutation;
use crate::platform::{self, Verdict};
use crate::timers::Timer;

/// A command for a live node, checked or ordered by a control.
#[derive(Debug)]
pub(crate) struct InvokeOrder {
    pub(crate) origin: Origin,
    pub(crate) node_conn: u32,
    pub(crate) node_id: NodeId,
    pub(crate) command: String,
    pub(crate) params: Option<Value>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) idempotency_key: String,
}

impl Gateway {
    pub(crate) fn node_invoke(&mut self, now: Now, call: &Call) -> Answer {
        let node_id = NodeId::from(call.text("nodeId"));
        let command = call.text("command").to_owned();
        let node_conn = match self.check_invoke(&node_id, &command) {
            Ok(conn) => conn,
            Err(error) => return Answer::Now(Err(error)),
        };
        let order = InvokeOrder {
            origin: Origin::Operator {
                conn: call.conn,
                request_id: call.id.clone(),
            },
            node_conn,
            node_id,
            command,
            params: call.params.get("params").cloned(),
            timeout_ms: call.params.get("timeoutMs").and_then(Value::as_u64),
            idempotency_key: call.text("idempotencyKey").to_owned(),
        };
        self.start_invoke(now, order);
        Answer::Later
    }

    /// Whether the node is there and may be asked; gives its connection.
    fn check_invoke(&self, node: &NodeId, command: &str) -> Result<u32, ErrorShape> {
        if command.starts_with("system.execApprovals.") {
            return Err(invalid(
                "node.invoke does not allow system.execApprovals.*; use exec.approvals.node.*",
            )
            .with_details(json!({"command": command})));
        }
        let newer = self.profile.rules.node_errors_9;
        if newer && !self.nodes.records.contains_key(node) {
            return Err(pairing_changed(
                "node pairing changed while invocation was active",
            ));
        }
        let live = self.nodes.live.get(node).copied();
        let open = live
            .and_then(|conn| self.connections.get(&conn))
            .and_then(Connection::open);
        let (Some(conn), Some(open)) = (live, open) else {
            return Err(not_connected(newer));
        };
        let surface = self.nodes.effective(node, open.surface.as_ref());
        let verdict = platform::judge(
            command,
            &open.client,
            &surface.caps,
            &surface.commands,
            &self.config.nodes,
            self.profile,
        );
        let platform = &open.client.platform;
        let allowlist =
            format!("\"{command}\" is not in the allowlist for platform \"{platform}\"");
        let problem = match verdict {
            // The host's own commands are listed only once the node may offer them.
            Verdict::Allowed
                if platform::is_host_command(command)
                    && !surface.commands.iter().any(|known| known == command) =>
            {
                Some(allowlist)
            }
            Verdict::Allowed => None,
            Verdict::NeedsTalk => Some(format!(
                "\"{command}\" requires a trusted Talk-capable node"
            )),
            Verdict::Dangerous if newer => Some(format!(
                "\"{command}\" requires explicit gateway.nodes.commands.allow opt-in"
            )),
            Verdict::Denied if newer => Some(format!(
                "\"{command}\" is blocked by gateway.nodes.commands.deny"
            )),
            Verdict::NotListed | Verdict::Dangerous | Verdict::Denied => Some(allowlist),
        };
        if let Some(problem) = problem {
            return Err(not_allowed(&problem, "command not allowlisted", command));
        }
        if surface.commands.is_empty() {
            let problem = "the node did not declare any supported commands";
            return Err(not_allowed(
                problem,
                "node did not declare commands",
                command,
            ));
        }
        if !surface.commands.iter().any(|known| known == command) {
            let problem = format!("the node (platform: {platform}) does not support \"{command}\"");
            return Err(not_allowed(
                &problem,
                "command not declared by node",
                command,
            ));
        }
        Ok(conn)
    }

    /// Sends the command to the node and waits.
    pub(crate) fn start_invoke(&mut self, now: Now, order: InvokeOrder) -> InvokeId {
        let newer = self.profile.rules.node_errors_9;
        let id = InvokeId::new(self.entropy.uuid());
        let params_json = self.params_json(&order);
        let default_ms = u64::try_from(limits::INVOKE_TIMEOUT.as_millis()).unwrap_or(u64::MAX);
        let timeout_ms = order.timeout_ms.unwrap_or(default_ms);
        // 2026.9.6 takes 0 for "no limit". Recording 105.
        let unlimited = newer && timeout_ms == 0;
        let told = if newer {
            Some(timeout_ms)
        } else {
            order.timeout_ms
        };
        let payload = Object::new()
            .with("id", id.as_str())
            .with("nodeId", order.node_id.as_str())
            .with("command", order.command.as_str())
            .with("paramsJSON", params_json.clone())
            .maybe("timeoutMs", told)
            .with("idempotencyKey", order.idempotency_key.as_str());
        let timer = (!unlimited).then(|| {
            self.timers.set(
                now.since_start + Duration::from_millis(timeout_ms),
                Timer::Invoke(id.clone()),
            )
        });
        let client = self
            .connections
            .get(&order.node_conn)
            .and_then(Connection::open)
            .map(|open| open.client.clone());
        self.log(
            Some(order.node_conn),
            format!("invoke {} ({id})", order.command),
        );
        let pending = PendingInvoke {
            origin: order.origin,
            node_conn: order.node_conn,
            node_id: order.node_id,
            command: order.command,
            params_json,
            timer,
            client: client.unwrap_or_default(),
        };
        self.invokes.start(id.clone(), pending);
        let conn = order.node_conn;
        self.send_event(conn, "node.invoke.request", payload.build());
        id
    }

    /// `system.run` gets a run id. Recording 101.
    fn params_json(&mut self, order: &InvokeOrder) -> Option<String> {
        let mut params = order.params.clone()?;
        if order.command == "system.run" {
            let run_id = self.entropy.uuid();
            if let Some(object) = params.as_object_mut() {
                object.entry("runId").or_insert_with(|| run_id.into());
            }
        }
        Some(params.to_string())
    }

    pub(crate) fn node_invoke_result(&mut self, now: Now, call: &Call) -> Answer {
        let any_node = self.has(Mutation::InvokeResultOfAnyNode);
        if call.text("nodeId") != node_of(call).as_str() && !any_node {
            return Answer::error("nodeId mismatch");
        }
        let id = InvokeId::from(call.text("id"));
        let Some(pending) = self
            .invokes
            .pending
            .get(&id)
            .filter(|pending| pending.node_id == node_of(call) || any_node)
            .cloned()
        else {
            return Answer::Now(Ok(json!({"ok": true, "ignored": true})));
        };
        if let Some(timer) = pending.timer {
            self.timers.cancel(timer);
        }
        let ok = call
            .params
            .get("ok")
            .and_then(Value::as_bool)
            .unwrap_or_default();
        let error = call.params.get("error").filter(|error| !error.is_null());
        let (payload, payload_json) = result_payload(call);
        if ok {
            self.invokes.finish(&id, "ok", Some(payload.clone()));
        } else {
            self.invokes.finish(&id, "error", error.cloned());
        }
        let outcome = if ok {
            // Nothing said is nothing passed on.
            let said = Some(payload).filter(|payload| !payload.is_null());
            let answer = Object::new()
                .with("ok", true)
                .with("nodeId", pending.node_id.as_str())
                .with("command", pending.command.as_str())
                .maybe("payload", said)
                .with("payloadJSON", payload_json);
            Ok(answer.build())
        } else {
            Err(self.node_failed(now, &pending, error))
        };
        // The node hears first. Recording 98.
        self.respond(call.conn, &call.id, Ok(json!({"ok": true})));
        self.answer_operator(&pending, outcome);
        Answer::Later
    }

    fn node_failed(
        &mut self,
        now: Now,
        pending: &PendingInvoke,
        error: Option<&Value>,
    ) -> ErrorShape {
        let ios = pending
            .client
            .platform
            .to_ascii_lowercase()
            .starts_with("ios")
            || pending
                .client
                .platform
                .to_ascii_lowercase()
                .starts_with("ipados");
        if !(ios
            && invoke::is_background_error(error)
            && invoke::needs_foreground(&pending.command))
        {
            return invoke::node_error(self.profile, error);
        }
        let text = |name: &str| {
            error
                .and_then(|error| error.get(name))
                .cloned()
                .unwrap_or_default()
        };
        let newer = self.profile.rules.node_errors_9;
        if newer || pending.command.starts_with("canvas.") {
            let details = Object::new()
                .with("nodeError", error.cloned().unwrap_or_default())
                .when(newer, "nodeCommandDispatched", true)
                .with("code", text("code"));
            let message = text("message").as_str().unwrap_or_default().to_owned();
            return invalid(&message).with_details(details.build());
        }
        self.queue_until_foreground(now, pending, error)
    }

    /// 2026.6.34 keeps the command for later. Recording 104.
    fn queue_until_foreground(
        &mut self,
        now: Now,
        pending: &PendingInvoke,
        error: Option<&Value>,
    ) -> ErrorShape {
        let id = self.entropy.uuid();
        let action = Object::new()
            .with("id", id.as_str())
            .with("command", pending.command.as_str())
            .with("paramsJSON", pending.params_json.clone())
            .with("enqueuedAtMs", now.wall.0);
        self.nodes
            .work
            .entry(pending.node_id.clone())
            .or_default()
            .actions
            .push(action.build());
        let details = json!({
            "code": "QUEUED_UNTIL_FOREGROUND",
            "queuedActionId": id,
            "nodeId": pending.node_id.as_str(),
            "command": pending.command,
            "wake": {"path": "no-registration", "available": false, "throttled": false},
            "nodeError": error,
        });
        let message = "node command queued until iOS returns to foreground";
        let mut shape = ErrorShape::new(ErrorCode::Unavailable, message).with_details(details);
        shape.retryable = Some(true);
        shape
    }

    /// An invoke ends without an answer from the node.
    pub(crate) fn fail_invoke(&mut self, id: &InvokeId, kind: InvokeFailure) {
        let outcome = match kind {
            InvokeFailure::Timeout => "timeout",
            InvokeFailure::Disconnected => "disconnected",
            InvokeFailure::Cancelled => "cancelled",
        };
        let Some(pending) = self.invokes.finish(id, outcome, None) else {
            return;
        };
        if let Some(timer) = pending.timer {
            self.timers.cancel(timer);
        }
        // The newer release tells the node that nobody waits for it any longer.
        if kind == InvokeFailure::Timeout && self.profile.rules.node_errors_9 {
            let payload = json!({"invokeId": id.as_str(), "nodeId": pending.node_id.as_str()});
            self.send_event(pending.node_conn, "node.invoke.cancel", payload);
        }
        let error = invoke::failure(self.profile, kind, &pending.command);
        self.answer_operator(&pending, Err(error));
    }

    fn answer_operator(&mut self, pending: &PendingInvoke, outcome: Result<Value, ErrorShape>) {
        match &pending.origin {
            Origin::Operator { conn, request_id } => self.respond(*conn, request_id, outcome),
            Origin::Control => {
                let how = match &outcome {
                    Ok(_) => "answered".to_owned(),
                    Err(error) => error.message.clone(),
                };
                self.log(
                    Some(pending.node_conn),
                    format!("invoke {}: {how}", pending.command),
                );
            }
        }
    }
}

/// Payload and its text form: a direct payload wins, text that is no JSON is wrapped. Recording 92.
fn result_payload(call: &Call) -> (Value, Option<String>) {
    if let Some(payload) = call
        .params
        .get("payload")
        .filter(|payload| !payload.is_null())
    {
        return (payload.clone(), None);
    }
    let Some(text) = call.params.get("payloadJSON").and_then(Value::as_str) else {
        return (Value::Null, None);
    };
    let payload = serde_json::from_str(text).unwrap_or_else(|_| json!({"payloadJSON": text}));
    (payload, Some(text.to_owned()))
}

fn not_connected(newer: bool) -> ErrorShape {
    let details = Object::new()
        .with("code", "NOT_CONNECTED")
        .when(
            newer,
            "nodeError",
            json!({"code": "NOT_CONNECTED", "message": "node not connected"}),
        )
        .when(newer, "nodeCommandDispatched", false);
    ErrorShape::new(ErrorCode::Unavailable, "node not connected").with_details(details.build())
}

fn not_allowed(problem: &str, reason: &str, command: &str) -> ErrorShape {
    invalid(&format!("node command not allowed: {problem}"))
        .with_details(json!({"reason": reason, "command": command}))
}
