//! What the gateway believes, for reports and for the `finally` part of a scenario. Holds no secret.

use gateway_protocol::{DeviceId, NodeId, PairingRequestId, Role};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A picture of the whole gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateView {
    /// Profile, e.g. `2026.6.34`.
    pub profile: String,
    /// Whether the gateway is up.
    pub up: bool,
    /// Connections in number order.
    pub connections: Vec<ConnectionView>,
    /// Paired devices, oldest first.
    pub devices: Vec<DeviceView>,
    /// Pending device requests, oldest first.
    pub pending_devices: Vec<PendingDeviceView>,
    /// Nodes with an approved surface or a live connection, by id.
    pub nodes: Vec<NodeView>,
    /// Pending node surfaces, oldest first.
    pub pending_nodes: Vec<PendingNodeView>,
    /// Invokes in order, answered ones too.
    pub invokes: Vec<InvokeView>,
    /// Mounted behaviours in order.
    pub behaviors: Vec<BehaviorView>,
    /// Setup codes that can still be used.
    pub live_setup_codes: usize,
    /// Addresses with failed authentications, by kind and address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rate_limits: Vec<RateLimitView>,
}

/// Failed authentications of one kind from one address. ref: gateway-behaviour.md §4.5
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitView {
    /// `shared-secret`, `device-token` or `bootstrap-token`.
    pub kind: String,
    /// Address that is counted.
    pub ip: String,
    /// Origin, for a browser.
    pub origin: Option<String>,
    /// Failures inside the window when the last one came.
    pub failures: usize,
    /// When the lockout ends, if there was one.
    pub locked_until_ms: Option<i64>,
}

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseView {
    /// Before a finished `connect`.
    Handshake,
    /// Past hello.
    Open,
    /// The gateway has sent a close frame.
    Closing,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionView {
    /// Number.
    pub conn: u32,
    /// Where it is.
    pub phase: PhaseView,
    /// Whether the gateway takes it for local.
    pub local: bool,
    /// Role, past hello.
    pub role: Option<Role>,
    /// Scopes, past hello.
    pub scopes: Vec<String>,
    /// `client.id`, past hello.
    pub client_id: Option<String>,
    /// `client.mode`, past hello.
    pub client_mode: Option<String>,
    /// Device, past hello.
    pub device_id: Option<DeviceId>,
    /// Credential it came in with: `token`, `password`, `device-token`, `bootstrap-token`, `none`.
    pub auth: Option<String>,
}

/// One paired device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceView {
    /// Its id.
    pub device_id: DeviceId,
    /// Name it gave itself.
    pub display_name: Option<String>,
    /// Platform it is pinned to.
    pub platform: String,
    /// Approved roles.
    pub roles: Vec<Role>,
    /// Approved scopes.
    pub scopes: Vec<String>,
    /// Its tokens, without values.
    pub tokens: Vec<TokenView>,
    /// How it was approved: `owner`, `silent`, `bootstrap`, `trusted-cidr`.
    pub approved_via: String,
    /// When it was approved first.
    pub created_at_ms: i64,
    /// When it was approved last.
    pub approved_at_ms: i64,
    /// Whether it has a live connection.
    pub connected: bool,
}

/// One device token, without its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenView {
    /// Role it is bound to.
    pub role: Role,
    /// Scopes it carries.
    pub scopes: Vec<String>,
    /// When it was made first.
    pub created_at_ms: i64,
    /// When it was replaced last.
    pub rotated_at_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_at_ms: Option<i64>,
}

/// One pending device request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingDeviceView {
    /// Its id.
    pub request_id: PairingRequestId,
    /// Who asks.
    pub device_id: DeviceId,
    /// Name it gave itself.
    pub display_name: Option<String>,
    /// Role asked for last.
    pub role: Role,
    /// All roles asked for.
    pub roles: Vec<Role>,
    /// All scopes asked for.
    pub scopes: Vec<String>,
    /// Whether the device is paired already.
    pub is_repair: bool,
    /// When it expires.
    pub expires_at_ms: i64,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeView {
    /// Its id.
    pub node_id: NodeId,
    /// Whether it has a live connection.
    pub connected: bool,
    /// `pending-approval`, `approved`, `pending-reapproval` or `unapproved`.
    pub approval_state: String,
    /// Capabilities in force.
    pub caps: Vec<String>,
    /// Commands in force.
    pub commands: Vec<String>,
}

/// One pending node surface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingNodeView {
    /// Its id.
    pub request_id: PairingRequestId,
    /// Who asks.
    pub node_id: NodeId,
    /// Capabilities asked for.
    pub caps: Vec<String>,
    /// Commands asked for, filtered by platform.
    pub commands: Vec<String>,
}

/// One invoke.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvokeView {
    /// Its id.
    pub invoke_id: String,
    /// Which node.
    pub node_id: NodeId,
    /// Which command.
    pub command: String,
    /// `pending`, `ok`, `error`, `timeout`, `disconnected`, `cancelled`.
    pub outcome: String,
    /// What the node answered: payload, or error object.
    pub answer: Option<Value>,
}

/// Counters of one mounted behaviour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BehaviorView {
    /// Its name.
    pub name: String,
    /// How often its matcher held (before `nth` and `times`).
    pub matched: u32,
    /// How often it was applied.
    pub applied: u32,
    /// How often it should have been, when that is not what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demanded: Option<String>,
    /// What it could not do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// While it is unused: what came closest, and why it did not match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near: Option<String>,
}
