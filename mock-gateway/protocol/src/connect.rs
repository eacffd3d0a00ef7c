//! The parameters of `connect`, typed. The gateway checks them as JSON first ([`crate::shape`]), so reading is lenient.
//!
//! ref: gateway-behaviour.md §2.2

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::device::SignaturePayload;

/// Everything a client says of itself in its first frame.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectParams {
    /// Lowest protocol the client speaks.
    pub min_protocol: u64,
    /// Highest protocol the client speaks.
    pub max_protocol: u64,
    /// What kind of client it is.
    pub client: ClientInfo,
    /// Categories of commands a node offers, in declared order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<Vec<String>>,
    /// Commands a node offers, in declared order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<Vec<String>>,
    /// Permissions a node has on its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<BTreeMap<String, bool>>,
    /// `PATH` of a node host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_env: Option<String>,
    /// `operator` when absent. Text, since a gateway must be able to refuse others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Requested scopes, in the order in which they are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Proof of the device's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceParams>,
    /// Credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthParams>,
    /// Language tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// `client`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientInfo {
    /// One of a closed set ([`crate::shape::CLIENT_IDS_6`]).
    pub id: String,
    /// Shown in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Release of the client.
    pub version: String,
    /// Operating system; pinned at pairing.
    pub platform: String,
    /// Kind of device; pinned at pairing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_family: Option<String>,
    /// Hardware model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_identifier: Option<String>,
    /// One of a closed set ([`crate::shape::CLIENT_MODES_6`]).
    pub mode: String,
    /// One process of a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// Build of a Control UI; 2026.9.6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// IANA name; 2026.9.6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// `auth`. Secrets are plain text here: the frame is the wire form.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthParams {
    /// Shared token; a device token may stand here too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// From a setup code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_token: Option<String>,
    /// Issued by an earlier hello-ok.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_token: Option<String>,
    /// Password mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Used by the gateway's own helpers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_runtime_token: Option<String>,
}

impl std::fmt::Debug for AuthParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}

impl AuthParams {
    /// The token that takes part in the signature: the first that is present, an empty text included.
    /// ref: gateway-behaviour.md §2.3
    pub fn signed_token(&self) -> &str {
        let first = self
            .token
            .as_ref()
            .or(self.device_token.as_ref())
            .or(self.bootstrap_token.as_ref());
        first.map_or("", String::as_str)
    }

    /// The names of the keys that are present, in wire spelling.
    pub fn keys(&self) -> Vec<&'static str> {
        [
            ("token", self.token.is_some()),
            ("bootstrapToken", self.bootstrap_token.is_some()),
            ("deviceToken", self.device_token.is_some()),
            ("password", self.password.is_some()),
            (
                "approvalRuntimeToken",
                self.approval_runtime_token.is_some(),
            ),
        ]
        .into_iter()
        .filter_map(|(name, present)| present.then_some(name))
        .collect()
    }
}

/// `device`: who signs, and the signature over [`SignaturePayload`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceParams {
    /// Lower-case hex SHA-256 of the raw public key.
    pub id: String,
    /// Base64url, base64 or SPKI PEM.
    pub public_key: String,
    /// Base64url or base64. A client that has no nonce leaves it out, which the gateway's schema refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Unix milliseconds.
    pub signed_at: i64,
    /// The challenge of this connection.
    pub nonce: String,
}

impl ConnectParams {
    /// The role, with the gateway's default.
    pub fn role_text(&self) -> &str {
        self.role.as_deref().unwrap_or("operator")
    }

    /// The requested scopes, none when absent.
    pub fn scope_list(&self) -> &[String] {
        self.scopes.as_deref().unwrap_or_default()
    }

    /// The payload that the device block of these parameters signs; `None` without a device block.
    /// Blanks around the nonce are not signed (recording 35).
    pub fn signature_payload(&self) -> Option<SignaturePayload<'_>> {
        let device = self.device.as_ref()?;
        Some(SignaturePayload {
            device_id: &device.id,
            client_id: &self.client.id,
            client_mode: &self.client.mode,
            role: self.role_text(),
            scopes: self.scope_list(),
            signed_at: device.signed_at,
            token: self.auth.as_ref().map_or("", AuthParams::signed_token),
            nonce: device.nonce.trim(),
            platform: &self.client.platform,
            device_family: self.client.device_family.as_deref().unwrap_or_default(),
        })
    }
}
