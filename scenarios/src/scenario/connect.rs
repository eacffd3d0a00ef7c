//! A `connect` that a raw actor sends: signed for it, and wrong in exactly the way it is told to be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::actor::is_default;
use super::pattern::RoleName;

/// Describes a `connect` request. Everything that is absent is as a well-behaved client would send it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectPlan {
    /// Requested role; left out of the frame when absent (the gateway then takes `operator`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Requested scopes, in this order; left out of the frame when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Capabilities (node role).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caps: Option<Vec<String>>,
    /// Commands (node role).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commands: Option<Vec<String>>,
    /// What is sent as `auth`.
    #[serde(skip_serializing_if = "is_default")]
    pub auth: AuthPlan,
    /// The device block.
    #[serde(skip_serializing_if = "is_default")]
    pub device: DevicePlan,
    /// Lowest and highest protocol offered; `[3, 4]` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<[u32; 2]>,
    /// Client id; `test` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Client mode; `test` for operators and `node` for nodes when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_mode: Option<String>,
    /// Platform; `linux` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Device family; left out when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_family: Option<String>,
    /// Merged over the finished params, after signing: `"$absent"` removes a field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlay: Option<Value>,
}

/// Credentials of a raw `connect`. Strings may be captures; none of them is ever a literal secret of a real system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthPlan {
    /// `auth.token`; `"$gateway.token"` is the shared token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// `auth.deviceToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_token: Option<String>,
    /// `auth.bootstrapToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap_token: Option<String>,
    /// `auth.password`; `"$gateway.password"` is the right one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl AuthPlan {
    /// Whether no `auth` block is sent.
    pub const fn nothing(&self) -> bool {
        self.token.is_none()
            && self.device_token.is_none()
            && self.bootstrap_token.is_none()
            && self.password.is_none()
    }
}

/// How the device block is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DevicePlan {
    /// Signed with a v3 payload.
    #[default]
    V3,
    /// Signed with a v2 payload.
    V2,
    /// No device block.
    None,
    /// The signature is of another payload.
    BadSignature,
    /// The nonce of another connection.
    WrongNonce,
    /// The nonce is blank.
    BlankNonce,
    /// `signedAt` lies two minutes and a second in the past (correctly signed).
    Stale,
    /// The device id is not the hash of the key.
    WrongId,
}
