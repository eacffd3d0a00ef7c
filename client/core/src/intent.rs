//! What the user, a tool or a scenario may ask of the client.
//!
//! In a scenario file an intent is its name, or a table of its name: `"connect"`,
//! `{ apply_setup_code = { code = "…" } }`.
//!
//! ```
//! use client_core::Intent;
//! let intent: Intent = serde_json::from_str(r#"{"apply_setup_code":{"code":"eyJ9"}}"#).unwrap();
//! assert_eq!(intent.name(), "apply_setup_code");
//! let intent: Intent = serde_json::from_str(r#""connect""#).unwrap();
//! assert_eq!(intent, Intent::Connect);
//! ```

use gateway_protocol::Role;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::registry::{GatewayRecord, SshTunnel};

/// Which of the two approval queues a request lies in. ref: client-behaviour.md §20.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalKind {
    /// Device pairing: identity, role and scopes.
    Device,
    /// Node trust: which commands count.
    Node,
}

impl ApprovalKind {
    /// `device` or `node`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Node => "node",
        }
    }
}

/// One wish. Lifecycle wishes run one after another; the others run at once.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Intent {
    /// Connect to the active gateway: operator first, then node; node only when that is the only credential.
    Connect,
    /// Disconnect and stay so until the next explicit wish. ref: §14.1
    Disconnect,
    /// Disconnect and connect in one step.
    Reconnect,
    /// Replace the node's connection, keep a live operator. ref: §14.4
    ReconnectNode,
    /// Reconnect this gateway, only if it is the active one and the user has not disconnected: what automatic
    /// helpers may ask for. ref: §14.1
    ReconnectIfCurrent {
        /// Record id.
        id: String,
    },
    /// Start the node if it does not run, and end when it is paired, refused, or after 35 s. ref: §14.3
    EnsureNodeConnected,
    /// Redeem a setup code. ref: §15
    ApplySetupCode {
        /// base64url of JSON.
        code: String,
    },
    /// Connect with the gateway's shared token; validated first where a pairing could be lost. ref: §16
    ConnectSharedToken {
        /// Gateway URL.
        url: String,
        /// Shared token.
        token: String,
        /// The SSH tunnel to it; without one, a record that had one loses it. ref: §23
        #[serde(default)]
        ssh_tunnel: Option<SshTunnel>,
    },
    /// Add or replace a record, without connecting. Becomes active when there is no active one.
    AddGateway {
        /// The record; an empty id is filled in.
        record: Box<GatewayRecord>,
    },
    /// Make another gateway active and connect to it. ref: §14.2
    SwitchGateway {
        /// Record id.
        id: String,
    },
    /// Forget a gateway.
    RemoveGateway {
        /// Record id.
        id: String,
    },
    /// Approve a pending request of somebody else.
    Approve {
        /// Which queue.
        kind: ApprovalKind,
        /// Request id.
        request_id: String,
    },
    /// Reject a pending request of somebody else: sent, not awaited. ref: §20.5
    Reject {
        /// Which queue.
        kind: ApprovalKind,
        /// Request id.
        request_id: String,
    },
    /// Ask for both approval queues again.
    RefreshPending,
    /// A plain request on the role's connection; answered by [`crate::ClientEvent::Response`]. ref: §28
    Request {
        /// Which connection.
        role: Role,
        /// Method name.
        method: String,
        /// Parameters.
        #[serde(default)]
        params: Option<Value>,
        /// Comes back with the answer, so that a caller finds its own.
        #[serde(default)]
        tag: Option<String>,
        /// How long the answer may take, in milliseconds; 30 s when absent.
        #[serde(default)]
        limit_ms: Option<u64>,
    },
    /// `node.event` with a JSON payload. ref: §21
    NodeEvent {
        /// Event name.
        event: String,
        /// Becomes `payloadJSON`.
        #[serde(default)]
        payload: Value,
    },
    /// Turn the node role on or off; takes effect at the next hello-ok or at once when turned off.
    SetNodeEnabled {
        /// On or off.
        enabled: bool,
    },
    /// End: every socket is dropped, nothing is started again.
    Stop,
}

impl Intent {
    /// It changes what is connected, so it keeps its place among its like; the others may go ahead of one that waits.
    pub fn is_about_connections(&self) -> bool {
        match self {
            Self::Connect
            | Self::Disconnect
            | Self::Reconnect
            | Self::ReconnectNode
            | Self::ReconnectIfCurrent { .. }
            | Self::EnsureNodeConnected
            | Self::ApplySetupCode { .. }
            | Self::ConnectSharedToken { .. }
            | Self::AddGateway { .. }
            | Self::SwitchGateway { .. }
            | Self::RemoveGateway { .. }
            | Self::SetNodeEnabled { .. } => true,
            Self::Approve { .. }
            | Self::Reject { .. }
            | Self::RefreshPending
            | Self::Request { .. }
            | Self::NodeEvent { .. }
            | Self::Stop => false,
        }
    }

    /// Its name in files and events.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Reconnect => "reconnect",
            Self::ReconnectNode => "reconnect_node",
            Self::ReconnectIfCurrent { .. } => "reconnect_if_current",
            Self::EnsureNodeConnected => "ensure_node_connected",
            Self::ApplySetupCode { .. } => "apply_setup_code",
            Self::ConnectSharedToken { .. } => "connect_shared_token",
            Self::AddGateway { .. } => "add_gateway",
            Self::SwitchGateway { .. } => "switch_gateway",
            Self::RemoveGateway { .. } => "remove_gateway",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::RefreshPending => "refresh_pending",
            Self::Request { .. } => "request",
            Self::NodeEvent { .. } => "node_event",
            Self::SetNodeEnabled { .. } => "set_node_enabled",
            Self::Stop => "stop",
        }
    }
}

// Setup codes and tokens never reach a log by way of Debug.
impl std::fmt::Debug for Intent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How a lifecycle wish ended. Success means "attempt launched", not "paired". ref: §15
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntentOutcome {
    /// Done, or launched.
    Success,
    /// The setup code can't be used.
    InvalidCode,
    /// The URL can't be used.
    InvalidUrl,
    /// The gateway, the disk or the credential said no.
    ConnectionFailed,
}
