//! What must survive the process: `gateways.json` and one identity file per gateway.
//!
//! - [`FileStore`]: the companion's data directory, each file replaced as a whole or not at all
//! - [`FileStore::clear_tokens`], [`FileStore::migrate_legacy`]: a clear that can be undone; an older companion's files
//! - [`MemoryStore`]: the same rules without a disk, with failures on demand
//! - [`disk`]: the few file operations the file store is made of, so that a test can fail each of them
//!
//! ref: client-behaviour.md §4, §5

mod clear;
pub mod disk;
mod file;
mod identity_file;
mod legacy;
mod memory;
mod text;

use client_core::{DurableState, Identity, StoreError, StoreOp};
use gateway_protocol::{DeviceToken, Role};

pub use clear::{ClearedTokens, Restored};
pub use file::FileStore;
pub use legacy::MigrationError;
pub use memory::{FailurePlan, MemoryState, MemoryStore};

/// Makes durable what the core asks for, one change after the other.
pub trait Store: Send + 'static {
    /// Whether a change may take its time, as on a disk: the client then hands it to a thread for blocking work and
    /// goes on meanwhile. Without that it is made at once, so that virtual time stays exact.
    fn may_be_slow(&self) -> bool {
        false
    }

    /// Carries out one change, wholly or not at all.
    ///
    /// # Errors
    /// [`StoreError`]; nothing changed then.
    fn apply(&mut self, op: &StoreOp) -> Result<(), StoreError>;

    /// Everything that is stored.
    ///
    /// # Errors
    /// [`LoadError`] when it can't be told what is stored.
    fn load(&self) -> Result<DurableState, LoadError>;
}

/// Why a store can't be used at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The data directory can't be made.
    #[error("create the data directory: {0}")]
    Create(#[source] std::io::Error),
    /// Another client uses the data directory; two would overwrite each other's tokens.
    #[error("the data directory is in use by another client")]
    InUse,
    /// The lock file can't be opened.
    #[error("lock the data directory: {0}")]
    Lock(#[source] std::io::Error),
    /// A file that can't be read, though it is there.
    #[error("read {file}: {source}")]
    Read {
        /// Its name inside the data directory.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// One change of an identity that exists already.
pub(crate) enum TokenChange<'a> {
    Save {
        device_id: &'a str,
        role: Role,
        token: &'a DeviceToken,
        scopes: Option<&'a [String]>,
    },
    Clear {
        role: Role,
    },
    ClearAll,
}

impl<'a> TokenChange<'a> {
    /// The change that an operation asks for; `None` for operations on other files.
    pub(crate) fn of(op: &'a StoreOp) -> Option<Self> {
        match op {
            StoreOp::SaveRegistry { .. } | StoreOp::CreateIdentity { .. } => None,
            StoreOp::SaveToken {
                device_id,
                role,
                token,
                scopes,
                ..
            } => Some(Self::Save {
                device_id,
                role: *role,
                token,
                scopes: scopes.as_deref(),
            }),
            StoreOp::ClearToken { role, .. } => Some(Self::Clear { role: *role }),
            StoreOp::ClearAllTokens { .. } => Some(Self::ClearAll),
        }
    }

    /// Checks that hold for every store: the token is not empty and the identity is still the same device's.
    pub(crate) fn check(&self, identity: &Identity) -> Result<(), StoreError> {
        identity.validate()?;
        let Self::Save {
            device_id, token, ..
        } = self
        else {
            return Ok(());
        };
        if token.expose().trim().is_empty() {
            return Err(StoreError::Write(
                "expected a token, got a blank one".to_owned(),
            ));
        }
        if identity.device_id.eq_ignore_ascii_case(device_id) {
            Ok(())
        } else {
            Err(StoreError::IdentityChanged(format!(
                "expected device {device_id}, got {}",
                identity.device_id
            )))
        }
    }
}

/// What is wrong when a token is to be stored and there is no identity.
pub(crate) fn identity_is_gone() -> StoreError {
    StoreError::IdentityChanged("the identity file is gone".to_owned())
}
