//! What must become durable, as commands to the shell and answers from it.
//!
//! The core changes its memory only after the shell has confirmed a write, so memory never claims more than the disk.
//! The shell answers every [`StoreOp`] with one [`crate::Input::Stored`], in any order.

use std::collections::BTreeMap;

use gateway_protocol::{DeviceToken, Role};
use serde::{Deserialize, Serialize};

use crate::identity::{Identity, IdentityDamage};
use crate::registry::Registry;

/// Everything that was on disk when the client started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DurableState {
    /// `gateways.json`; a corrupt file counts as empty. ref: client-behaviour.md §4
    #[serde(default)]
    pub registry: Registry,
    /// The readable identities, by gateway id.
    #[serde(default)]
    pub identities: BTreeMap<String, Identity>,
    /// Identity files that exist but can't be used, by gateway id. They are never replaced.
    #[serde(default)]
    pub damaged: BTreeMap<String, IdentityDamage>,
}

/// One durable change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and a box would be in every pattern"
)]
pub enum StoreOp {
    /// Replace `gateways.json` as a whole.
    SaveRegistry {
        /// The new content.
        registry: Registry,
    },
    /// Create an identity file, only if there is none: losing the race is [`StoreError::IdentityExists`].
    CreateIdentity {
        /// Whose gateway.
        gateway_id: String,
        /// The new content.
        identity: Identity,
    },
    /// Re-read and validate the identity, check the device id, replace one role's token and scopes.
    SaveToken {
        /// Whose gateway.
        gateway_id: String,
        /// Must equal the file's.
        device_id: String,
        /// Which role.
        role: Role,
        /// The token.
        token: DeviceToken,
        /// Its scopes; `None` when there are none.
        scopes: Option<Vec<String>>,
    },
    /// Null one role's token and scopes.
    ClearToken {
        /// Whose gateway.
        gateway_id: String,
        /// Which role.
        role: Role,
    },
    /// Null both roles' tokens and scopes, keep everything else.
    ClearAllTokens {
        /// Whose gateway.
        gateway_id: String,
    },
}

impl StoreOp {
    /// The gateway whose identity the operation touches; `None` for the registry.
    pub fn gateway_id(&self) -> Option<&str> {
        match self {
            Self::SaveRegistry { .. } => None,
            Self::CreateIdentity { gateway_id, .. }
            | Self::SaveToken { gateway_id, .. }
            | Self::ClearToken { gateway_id, .. }
            | Self::ClearAllTokens { gateway_id } => Some(gateway_id),
        }
    }
}

/// Why a durable change did not happen. Nothing changed on disk.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreError {
    /// The identity file exists and can't be used.
    #[error(transparent)]
    Damaged(#[from] IdentityDamage),
    /// Somebody else created the identity first; this is theirs.
    #[error("device identity exists already")]
    IdentityExists(Box<Identity>),
    /// There is no identity file, or it belongs to another device.
    #[error("device identity changed: {0}")]
    IdentityChanged(String),
    /// The write failed: no space, no right, no folder.
    #[error("write failed: {0}")]
    Write(String),
}

impl StoreError {
    /// Failures of the identity itself; they put the operator into Error with the recovery message. ref: §17.1
    pub fn is_identity_failure(&self) -> bool {
        match self {
            Self::Damaged(_) | Self::IdentityExists(_) | Self::IdentityChanged(_) => true,
            Self::Write(_) => false,
        }
    }
}
