//! Clearing a device's tokens so that it can be undone, unless somebody wrote newer ones meanwhile.
//! ref: client-behaviour.md §5, §16
//!
//! ```
//! use client_core::{Identity, StoreOp};
//! use gateway_client::store::{FileStore, Restored, Store as _};
//! use gateway_protocol::{DeviceToken, Role, UnixMillis};
//!
//! let folder = tempfile::tempdir().unwrap();
//! let mut store = FileStore::open(folder.path()).unwrap();
//! let mut identity = Identity::from_seed([1; 32], UnixMillis(0));
//! identity.set_token(Role::Operator, Some(DeviceToken::new("t")), None);
//! store.apply(&StoreOp::CreateIdentity { gateway_id: "g".into(), identity }).unwrap();
//!
//! let cleared = store.clear_tokens("g").unwrap();
//! assert!(!store.load().unwrap().identities["g"].has_any_token());
//! assert!(matches!(store.restore_tokens(&cleared), Restored::Restored));
//! assert!(store.load().unwrap().identities["g"].has_any_token());
//! ```

use client_core::StoreError;
use sha2::{Digest as _, Sha256};

use super::disk::{Disk, Overwrite, replace};
use super::file::{FileStore, IDENTITY};
use super::{TokenChange, identity_file, identity_is_gone};

/// A clear that may be undone. Holds the tokens that were cleared, so it prints nothing of itself.
pub struct ClearedTokens {
    gateway_id: String,
    previous: Vec<u8>,
    /// SHA-256 of the file after the clear.
    cleared: [u8; 32],
}

impl std::fmt::Debug for ClearedTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClearedTokens({})", self.gateway_id)
    }
}

/// How an undo ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Restored {
    /// The tokens are back, byte for byte.
    Restored,
    /// The file has changed since; the later writer wins and nothing was touched.
    Superseded,
    /// The write failed; the cleared file is there, and the undo may be tried again.
    Failed(StoreError),
}

impl<D: Disk> FileStore<D> {
    /// Removes both roles' tokens and scopes, keeps every other member.
    ///
    /// # Errors
    /// [`StoreError`] when there is no identity, it is damaged, or the write fails; nothing changed then.
    pub fn clear_tokens(&mut self, gateway_id: &str) -> Result<ClearedTokens, StoreError> {
        let path = self.identity_path(gateway_id)?;
        let previous = match self.disk.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(identity_is_gone());
            }
            Err(error) => {
                let damage = client_core::IdentityDamage::Unreadable(error.to_string());
                return Err(damage.into());
            }
        };
        let text = identity_file::parse(&previous)?.changed(&TokenChange::ClearAll);
        replace(&mut self.disk, &path, &text, Overwrite::Allowed)
            .map_err(|error| StoreError::Write(format!("{IDENTITY}: {error}")))?;
        Ok(ClearedTokens {
            gateway_id: gateway_id.to_owned(),
            previous,
            cleared: Sha256::digest(&text).into(),
        })
    }

    /// Undoes a clear, if the file is still as the clear left it.
    pub fn restore_tokens(&mut self, cleared: &ClearedTokens) -> Restored {
        let path = match self.identity_path(&cleared.gateway_id) {
            Ok(path) => path,
            Err(error) => return Restored::Failed(error),
        };
        let found = match self.disk.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Restored::Superseded;
            }
            Err(error) => return Restored::Failed(StoreError::Write(error.to_string())),
        };
        if <[u8; 32]>::from(Sha256::digest(&found)) != cleared.cleared {
            return Restored::Superseded;
        }
        match replace(&mut self.disk, &path, &cleared.previous, Overwrite::Allowed) {
            Ok(()) => Restored::Restored,
            Err(error) => Restored::Failed(StoreError::Write(format!("{IDENTITY}: {error}"))),
        }
    }
}
