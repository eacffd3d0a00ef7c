//! What each method answers, by family. Authority and parameters have been checked before (see `inbound.rs`).
//!
//! - `device_pair.rs`: `device.pair.*`, `device.token.*`, `device.scopes.*`
//! - `node_pair.rs`: `node.pair.*`, `node.rename`; `node.rs`: lists, events, pending work; `node_invoke.rs`
//! - `node_reports.rs`: what node hosts report of their machine and runners
//! - `system.rs`: health, status, identity, restart; `config.rs`: the gateway's file
//! - `chat.rs`, `sessions.rs`: conversations with the scripted agent
//! - `wizard.rs`: the wizard and its sessions
//! - `synthetic.rs`: everything else, plausible and marked as made up

mod chat;
mod config;
mod device_pair;
mod node;
mod node_invoke;
mod node_pair;
mod node_reports;
mod params;
mod sessions;
mod synthetic;
mod system;
mod wizard;

use gateway_protocol::{DeviceId, ErrorCode, ErrorShape, Now, Request, RequestId, Role};
use serde_json::{Map, Value};

use crate::connection::{Granted, OpenConnection};
use crate::gateway::Gateway;

pub(crate) use node_invoke::InvokeOrder;
pub(crate) use params::{is_loose, params_shape};

/// One request past hello, with who asks.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) conn: u32,
    pub(crate) id: RequestId,
    pub(crate) method: String,
    /// Absent and null count as `{}`.
    pub(crate) params: Value,
    pub(crate) role: Role,
    pub(crate) scopes: Vec<String>,
    pub(crate) device: Option<DeviceId>,
    pub(crate) granted: Granted,
    /// The only device this caller may act on.
    pub(crate) confined_to: Option<DeviceId>,
}

impl Call {
    pub(crate) fn of(conn: u32, request: &Request, open: &OpenConnection) -> Self {
        let params = request.params.clone().filter(|params| !params.is_null());
        Self {
            conn,
            id: request.id.clone(),
            method: request.method.clone(),
            params: params.unwrap_or_else(|| Value::Object(Map::new())),
            role: open.role,
            scopes: open.scopes.clone(),
            device: open.device.clone(),
            granted: open.granted,
            confined_to: open.confined_to().cloned(),
        }
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.params
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The text of an optional parameter; empty counts as absent.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        let text = self.params.get(name).and_then(Value::as_str)?.trim();
        (!text.is_empty()).then_some(text)
    }

    /// A whole number from 0.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        let number = self.params.get(name).and_then(Value::as_u64)?;
        usize::try_from(number).ok()
    }

    pub(crate) fn allows(&self, scope: &str) -> bool {
        self.role == Role::Operator && gateway_protocol::role::scope_allows(&self.scopes, scope)
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.allows(gateway_protocol::role::scope::ADMIN)
    }

    /// Whether the caller must not act on `device`.
    pub(crate) fn is_foreign(&self, device: &DeviceId) -> bool {
        self.confined_to.as_ref().is_some_and(|own| own != device)
    }
}

/// How a method answers.
#[derive(Debug)]
pub(crate) enum Answer {
    /// At once.
    Now(Result<Value, ErrorShape>),
    /// When something else has happened.
    Later,
}

impl Answer {
    pub(crate) fn error(message: &str) -> Self {
        Self::Now(Err(invalid(message)))
    }
}

impl From<Result<Value, ErrorShape>> for Answer {
    fn from(outcome: Result<Value, ErrorShape>) -> Self {
        Self::Now(outcome)
    }
}

/// `INVALID_REQUEST` without details.
pub(crate) fn invalid(message: &str) -> ErrorShape {
    ErrorShape::new(ErrorCode::InvalidRequest, message)
}

impl Gateway {
    /// Runs the method's built-in behaviour.
    pub(crate) fn call(&mut self, now: Now, call: &Call) -> Answer {
        let family = call.method.split('.').next().unwrap_or_default();
        match family {
            "device" => self.call_device(now, call),
            "node" => self.call_node(now, call),
            _ => self
                .call_system(now, call)
                .or_else(|| self.call_config(now, call).map(Answer::Now))
                .or_else(|| self.call_wizard(now, call))
                .or_else(|| self.call_chat(now, call))
                .or_else(|| self.call_sessions(now, call))
                .unwrap_or_else(|| self.made_up(call)),
        }
    }
}
