//! The client at one moment, as `app.status` and `app.connection.status` show it. Never holds a token.
//! ref: client-behaviour.md §12, §23

use gateway_protocol::Role;
use serde::{Deserialize, Serialize};

use crate::classify::ErrorKind;
use crate::credential::{CredentialSource, ResolutionStatus};
use crate::event::PairingStatus;
use crate::intent::ApprovalKind;
use crate::policy::Policy;
use crate::state::{NodeState, OperatorState, OverallState};

/// Everything about the connections that may be shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// `pr741` or `hardened`.
    pub policy: Policy,
    /// Derived from both roles.
    pub overall_state: OverallState,
    /// `Connected` whenever the operator is, else the overall state.
    pub connection_status: OverallState,
    /// The operator role.
    pub operator: OperatorSnapshot,
    /// The node role.
    pub node: NodeSnapshot,
    /// The gateway in use.
    pub gateway: Option<GatewaySnapshot>,
    /// Counts lifecycles; a late event of an older one changes nothing.
    pub generation: u64,
    /// The user wants to stay disconnected.
    pub user_disconnected: bool,
    /// A lifecycle wish is running.
    pub busy: bool,
}

/// The operator role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperatorSnapshot {
    /// State.
    pub state: OperatorState,
    /// The last error.
    pub error: Option<String>,
    /// Its kind.
    pub error_kind: Option<ErrorKind>,
    /// Safe request id, only while pairing is required.
    pub pairing_request_id: Option<String>,
    /// Which credential the connection was made with.
    pub credential: CredentialSnapshot,
    /// Device id as the gateway reports it, else as the identity has it.
    pub device_id: Option<String>,
    /// Scopes granted by the last hello-ok.
    pub scopes: Vec<String>,
    /// Gateway version of the last hello-ok.
    pub gateway_version: Option<String>,
    /// When the next attempt starts, in milliseconds since the client's start.
    pub next_attempt_ms: Option<u64>,
    /// Attempts since the last hello-ok.
    pub attempts: u64,
    /// Code and reason of the last close frame.
    pub last_close: Option<(Option<u16>, String)>,
}

/// The node role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSnapshot {
    /// State.
    pub state: NodeState,
    /// Node mode is on for this gateway.
    pub intended: bool,
    /// hello-ok.
    pub connected: bool,
    /// Pairing.
    pub pairing_status: PairingStatus,
    /// Which queue it waits in, only while pending.
    pub approval_kind: Option<ApprovalKind>,
    /// Safe request id, only while pending.
    pub pairing_request_id: Option<String>,
    /// The command that approves it, only while pending.
    pub approval_command: Option<String>,
    /// The last error, or why the node was not started.
    pub error: Option<String>,
    /// Its kind.
    pub error_kind: Option<ErrorKind>,
    /// Which credential the connection was made with.
    pub credential: CredentialSnapshot,
    /// Node id as the gateway reports it.
    pub node_id: Option<String>,
    /// When the next attempt starts, in milliseconds since the client's start.
    pub next_attempt_ms: Option<u64>,
    /// Running invokes.
    pub running_invokes: u64,
}

/// How a role's credential was chosen; no secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialSnapshot {
    /// Where it came from.
    pub source: Option<CredentialSource>,
    /// How the choice went.
    pub status: ResolutionStatus,
    /// The device token could not be read.
    pub fallback_used: bool,
    /// Only the bootstrap token is left.
    pub bootstrap_required: bool,
}

/// The gateway in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "presence flags of a JSON report"
)]
pub struct GatewaySnapshot {
    /// Record id.
    pub id: String,
    /// URL for display.
    pub url: String,
    /// Name in lists.
    pub name: Option<String>,
    /// On this computer.
    pub is_local: bool,
    /// RFC 3339.
    pub last_connected: Option<String>,
    /// Sticky v2 signature.
    pub requires_v2_signature: bool,
    /// Has a shared token.
    pub has_shared_gateway_token: bool,
    /// Has a bootstrap token.
    pub has_bootstrap_token: bool,
    /// The operator's device token is stored.
    pub has_operator_token: bool,
    /// The node's device token is stored.
    pub has_node_token: bool,
    /// Device id of the identity on disk.
    pub device_id: Option<String>,
}

impl Snapshot {
    /// Both roles are connected. ref: §12.1
    pub fn is_fully_connected(&self) -> bool {
        self.operator.state == OperatorState::Connected && self.node.state == NodeState::Connected
    }

    /// The credential a role connected with.
    pub fn credential(&self, role: Role) -> CredentialSnapshot {
        match role {
            Role::Operator => self.operator.credential,
            Role::Node => self.node.credential,
        }
    }
}
