//! Paired devices and their tokens. ref: gateway-behaviour.md §6.3, §6.5, §6.6

use std::collections::BTreeMap;
use std::net::IpAddr;

use gateway_protocol::role::{scope_allows, with_implied};
use gateway_protocol::{ClientInfo, DeviceId, DeviceToken, Role, UnixMillis};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json::Object;

/// How a device came to be paired. Shown by 2026.9.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ApprovedVia {
    Owner,
    Silent,
    Bootstrap,
    TrustedCidr,
}

impl ApprovedVia {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Silent => "silent",
            Self::Bootstrap => "bootstrap",
            Self::TrustedCidr => "trusted-cidr",
        }
    }
}

/// One paired device.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "deviceFamily is the protocol's name"
)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) public_key: String,
    pub(crate) display_name: Option<String>,
    pub(crate) platform: String,
    pub(crate) device_family: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_mode: String,
    pub(crate) role: Role,
    pub(crate) roles: Vec<Role>,
    pub(crate) scopes: Vec<String>,
    pub(crate) remote_ip: Option<IpAddr>,
    pub(crate) approved_via: ApprovedVia,
    pub(crate) label: Option<String>,
    pub(crate) created_at: UnixMillis,
    pub(crate) approved_at: UnixMillis,
    pub(crate) last_seen: Option<(UnixMillis, String)>,
    pub(crate) tokens: BTreeMap<Role, Token>,
}

/// One device token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Token {
    pub(crate) value: DeviceToken,
    pub(crate) scopes: Vec<String>,
    pub(crate) created_at: UnixMillis,
    pub(crate) rotated_at: Option<UnixMillis>,
    pub(crate) revoked_at: Option<UnixMillis>,
    pub(crate) last_used_at: Option<UnixMillis>,
}

impl Token {
    pub(crate) fn new(value: String, scopes: Vec<String>, now: UnixMillis) -> Self {
        Self {
            value: DeviceToken::new(value),
            scopes,
            created_at: now,
            rotated_at: None,
            revoked_at: None,
            last_used_at: None,
        }
    }

    /// Replaces the value; a revoked token comes to life again.
    pub(crate) fn reissue(&mut self, value: String, scopes: Vec<String>, now: UnixMillis) {
        self.value = DeviceToken::new(value);
        self.scopes = scopes;
        self.rotated_at = Some(now);
        self.revoked_at = None;
    }

    /// `hello-ok.auth.issuedAtMs`.
    pub(crate) fn issued_at(&self) -> UnixMillis {
        self.rotated_at.unwrap_or(self.created_at)
    }

    fn to_json(&self, role: Role) -> Value {
        Object::new()
            .with("role", role.as_str())
            .with("scopes", self.scopes.clone())
            .with("createdAtMs", self.created_at.0)
            .maybe("rotatedAtMs", self.rotated_at.map(|at| at.0))
            .maybe("revokedAtMs", self.revoked_at.map(|at| at.0))
            .maybe("lastUsedAtMs", self.last_used_at.map(|at| at.0))
            .build()
    }
}

/// Outcome of presenting a device token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenCheck {
    Valid,
    /// Unknown, revoked, rotated, of another role or device.
    Mismatch,
    /// Right, but the requested scopes go beyond it.
    ScopeMismatch,
}

impl Device {
    /// Roles with a live token: what a connection may ask for.
    pub(crate) fn active_roles(&self) -> Vec<Role> {
        self.roles
            .iter()
            .copied()
            .filter(|role| {
                self.tokens
                    .get(role)
                    .is_some_and(|token| token.revoked_at.is_none())
            })
            .collect()
    }

    /// Whether the approved scopes cover every requested one.
    pub(crate) fn covers(&self, scopes: &[String]) -> bool {
        scopes.iter().all(|scope| scope_allows(&self.scopes, scope))
    }

    /// The approved scopes that belong to a role, as a token carries them.
    pub(crate) fn token_scopes(&self, role: Role) -> Vec<String> {
        let of_role: Vec<&str> = self
            .scopes
            .iter()
            .map(String::as_str)
            .filter(|scope| scope_belongs_to(scope, role))
            .collect();
        with_implied(&of_role)
    }

    /// What a connect refreshes without asking. Client id and mode stay those of the approval (recording 60).
    pub(crate) fn seen(
        &mut self,
        client: &ClientInfo,
        remote_ip: Option<IpAddr>,
        now: UnixMillis,
        reason: &str,
    ) {
        if client.display_name.is_some() {
            self.display_name.clone_from(&client.display_name);
        }
        self.remote_ip = remote_ip;
        self.last_seen = Some((now, reason.to_owned()));
    }

    /// The `Device` object of lists and approvals. Extra members of 2026.9.6 only when `rich`.
    pub(crate) fn to_json(
        &self,
        rich: bool,
        surfaces: DeviceSurfaces,
        connected: Option<bool>,
    ) -> Value {
        let mut tokens: Vec<(&Role, &Token)> = self.tokens.iter().collect();
        tokens.sort_by_key(|(role, _)| role.as_str());
        Object::new()
            .with("deviceId", self.id.as_str())
            .with("publicKey", self.public_key.as_str())
            .maybe("displayName", self.display_name.clone())
            .with("platform", self.platform.as_str())
            .maybe("deviceFamily", self.device_family.clone())
            .with("clientId", self.client_id.as_str())
            .with("clientMode", self.client_mode.as_str())
            .with("role", self.role.as_str())
            .with("roles", role_names(&self.roles))
            .with("scopes", self.scopes.clone())
            .maybe("remoteIp", self.remote_ip.map(|ip| ip.to_string()))
            .when(rich, "approvedVia", self.approved_via.as_str())
            .maybe("operatorLabel", self.label.clone())
            .maybe("nodeSurface", surfaces.approved)
            .maybe("pendingNodeSurface", surfaces.pending)
            .with("createdAtMs", self.created_at.0)
            .with("approvedAtMs", self.approved_at.0)
            .maybe("lastSeenAtMs", self.last_seen.as_ref().map(|(at, _)| at.0))
            .maybe(
                "lastSeenReason",
                self.last_seen.as_ref().map(|(_, reason)| reason.clone()),
            )
            .maybe("connected", connected)
            .with(
                "tokens",
                tokens
                    .into_iter()
                    .map(|(role, token)| token.to_json(*role))
                    .collect::<Vec<_>>(),
            )
            .build()
    }
}

/// What the list of 2026.9.6 says of a device as a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceSurfaces {
    pub(crate) approved: Option<Value>,
    pub(crate) pending: Option<Value>,
}

/// Roles by name.
pub(crate) fn role_names(roles: &[Role]) -> Vec<&'static str> {
    roles.iter().map(|role| role.as_str()).collect()
}

/// Operator scopes begin with `operator.`; a node's do not.
pub(crate) fn scope_belongs_to(scope: &str, role: Role) -> bool {
    scope.starts_with("operator.") == (role == Role::Operator)
}

/// All paired devices, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Devices {
    all: IndexMap<DeviceId, Device>,
}

impl Devices {
    pub(crate) fn find(&self, id: &DeviceId) -> Option<&Device> {
        self.all.get(id)
    }

    pub(crate) fn find_mut(&mut self, id: &DeviceId) -> Option<&mut Device> {
        self.all.get_mut(id)
    }

    pub(crate) fn insert(&mut self, device: Device) {
        self.all.insert(device.id.clone(), device);
    }

    pub(crate) fn remove(&mut self, id: &DeviceId) -> Option<Device> {
        self.all.shift_remove(id)
    }

    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = &Device> {
        self.all.values()
    }

    /// List order: approved last comes first.
    pub(crate) fn newest_first(&self) -> Vec<&Device> {
        let mut devices: Vec<&Device> = self.all.values().rev().collect();
        devices.sort_by_key(|device| std::cmp::Reverse(device.approved_at));
        devices
    }

    /// Checks a device token and notes its use.
    pub(crate) fn check_token(
        &mut self,
        id: &DeviceId,
        role: Role,
        offered: &str,
        scopes: &[String],
        now: UnixMillis,
    ) -> TokenCheck {
        let Some(device) = self.all.get_mut(id) else {
            return TokenCheck::Mismatch;
        };
        match device
            .tokens
            .get_mut(&role)
            .filter(|token| token.revoked_at.is_none() && token.value.matches(offered))
        {
            None => TokenCheck::Mismatch,
            Some(token)
                if !scopes
                    .iter()
                    .all(|scope| scope_allows(&token.scopes, scope)) =>
            {
                TokenCheck::ScopeMismatch
            }
            Some(token) => {
                token.last_used_at = Some(now);
                device.last_seen = Some((now, "device-token-auth".to_owned()));
                TokenCheck::Valid
            }
        }
    }
}
