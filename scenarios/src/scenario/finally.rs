//! What must hold when the script is over.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A state that must hold at the end (`[[finally]]`). Each part is a subset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Finally {
    /// The client that `snapshot` and `durable` speak of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Subset of the client's snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Value>,
    /// Subset of the client's durable state, secrets as booleans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durable: Option<Value>,
    /// Subset of the gateway's view of devices, nodes, requests and connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Value>,
    /// Why it must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}
