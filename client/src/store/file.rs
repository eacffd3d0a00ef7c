//! The companion's data directory.
//!
//! ```text
//! <data dir>/gateways.json
//! <data dir>/gateways/<gateway id>/device-key-ed25519.json
//! <data dir>/companion.lock          held while a store is open
//! ```
//!
//! `gateways.json` that is corrupt counts as empty; a corrupt identity is reported and never written over.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use client_core::{DurableState, Identity, IdentityDamage, Registry, StoreError, StoreOp};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::disk::{Disk, Overwrite, RealDisk, is_leftover, replace};
use super::identity_file::{self, strip_bom};
use super::text::pretty;
use super::{LoadError, Store, TokenChange, identity_is_gone};

const REGISTRY: &str = "gateways.json";
const IDENTITIES: &str = "gateways";
pub(super) const IDENTITY: &str = "device-key-ed25519.json";
const LOCK: &str = "companion.lock";

/// A data directory, held by one client at a time.
///
/// ```
/// use client_core::{GatewayRecord, Registry, StoreOp};
/// use gateway_client::{FileStore, Store as _};
///
/// let folder = tempfile::tempdir().unwrap();
/// let mut store = FileStore::open(folder.path()).unwrap();
/// let mut registry = Registry::default();
/// registry.upsert(GatewayRecord::new("g", "ws://127.0.0.1:18789"));
/// store.apply(&StoreOp::SaveRegistry { registry: registry.clone() }).unwrap();
/// assert_eq!(store.load().unwrap().registry, registry);
/// ```
#[derive(Debug)]
pub struct FileStore<D = RealDisk> {
    pub(super) folder: PathBuf,
    pub(super) disk: D,
    _lock: Option<File>,
}

impl FileStore {
    /// Opens a data directory, makes it when it is not there, and removes temporary files that a crash left.
    ///
    /// # Errors
    /// [`LoadError`] when the directory can't be made or another client holds it.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, LoadError> {
        Self::open_on(RealDisk, folder)
    }

    /// What a data directory holds, for whoever looks at that of a running client: nothing is locked, made or removed.
    ///
    /// # Errors
    /// [`LoadError`] when the directory can't be read.
    pub fn look(folder: impl Into<PathBuf>) -> Result<DurableState, LoadError> {
        let store = Self {
            folder: folder.into(),
            disk: RealDisk,
            _lock: None,
        };
        store.load()
    }
}

impl<D: Disk> FileStore<D> {
    /// The same on another disk.
    ///
    /// # Errors
    /// See [`FileStore::open`].
    pub fn open_on(disk: D, folder: impl Into<PathBuf>) -> Result<Self, LoadError> {
        let folder = folder.into();
        std::fs::create_dir_all(&folder).map_err(LoadError::Create)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(LOCK));
        let lock = lock.map_err(LoadError::Lock)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(LoadError::InUse),
            Err(std::fs::TryLockError::Error(error)) => return Err(LoadError::Lock(error)),
        }
        let store = Self {
            folder,
            disk,
            _lock: Some(lock),
        };
        store.sweep();
        Ok(store)
    }

    /// Temporary files hold keys and tokens, so none may stay behind. A failure is no reason to refuse work.
    fn sweep(&self) {
        let folders = self
            .identity_folders()
            .unwrap_or_default()
            .into_iter()
            .map(|(_, folder)| (folder, IDENTITY));
        for (folder, target) in folders.chain([(self.folder.clone(), REGISTRY)]) {
            let leftovers = entries(&folder)
                .unwrap_or_default()
                .into_iter()
                .filter(|name| is_leftover(name, target));
            for name in leftovers {
                if let Err(error) = std::fs::remove_file(folder.join(&name)) {
                    tracing::warn!(file = name, %error, "failed to remove a temporary file");
                }
            }
        }
    }

    pub(super) fn identity_path(&self, gateway_id: &str) -> Result<PathBuf, StoreError> {
        if is_folder_name(gateway_id) {
            Ok(self.folder.join(IDENTITIES).join(gateway_id).join(IDENTITY))
        } else {
            Err(StoreError::Write(format!(
                "expected a gateway id that names a folder, got {gateway_id:?}"
            )))
        }
    }

    /// Gateway ids that have a folder, with the folder, in order.
    fn identity_folders(&self) -> io::Result<Vec<(String, PathBuf)>> {
        let folder = self.folder.join(IDENTITIES);
        let names = match entries(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names?,
        };
        Ok(names
            .into_iter()
            .filter(|name| is_folder_name(name))
            .map(|name| (name.clone(), folder.join(name)))
            .collect())
    }

    /// The identity file, `None` when it is conclusively absent.
    fn read_identity(
        &self,
        path: &Path,
    ) -> Result<Option<identity_file::IdentityFile>, IdentityDamage> {
        match self.disk.read(path) {
            Ok(bytes) => identity_file::parse(&bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(IdentityDamage::Unreadable(error.to_string())),
        }
    }

    fn read_registry(&self) -> Result<Registry, LoadError> {
        let bytes = match self.disk.read(&self.folder.join(REGISTRY)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Registry::default()),
            Err(source) => {
                return Err(LoadError::Read {
                    file: REGISTRY.to_owned(),
                    source,
                });
            }
        };
        Ok(
            serde_json::from_slice(strip_bom(&bytes)).unwrap_or_else(|error| {
                let (line, column) = (error.line(), error.column());
                tracing::warn!(line, column, "gateways.json is corrupt and counts as empty");
                Registry::default()
            }),
        )
    }

    /// A registry that can't be read counts as empty, but what is in it may be the user's only copy of a token: it is
    /// kept under another name before the first write goes over it.
    fn keep_corrupt_registry(&mut self) -> Result<(), StoreError> {
        let Ok(bytes) = self.disk.read(&self.folder.join(REGISTRY)) else {
            return Ok(());
        };
        if serde_json::from_slice::<Registry>(strip_bom(&bytes)).is_ok() {
            return Ok(());
        }
        let digest = Sha256::digest(&bytes);
        let [a, b, c, d, ..] = digest.0;
        let mark = format!("{:08x}", u32::from_be_bytes([a, b, c, d]));
        let name = format!("gateways.corrupt-{mark}.json");
        let target = self.folder.join(&name);
        match replace(&mut self.disk, &target, &bytes, Overwrite::Refused) {
            Ok(()) => {
                tracing::warn!(
                    file = name,
                    "the unreadable gateways.json is kept under this name"
                );
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(write_failed(&name, &error)),
        }
    }

    fn create_identity(&mut self, gateway_id: &str, identity: &Identity) -> Result<(), StoreError> {
        identity.validate()?;
        let path = self.identity_path(gateway_id)?;
        if let Some(existing) = self.read_identity(&path)? {
            return Err(StoreError::IdentityExists(Box::new(existing.identity)));
        }
        match replace(
            &mut self.disk,
            &path,
            &to_pretty(identity)?,
            Overwrite::Refused,
        ) {
            Ok(()) => Ok(()),
            // Somebody was faster; theirs counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match self.read_identity(&path)? {
                    Some(winner) => Err(StoreError::IdentityExists(Box::new(winner.identity))),
                    None => Err(identity_is_gone()),
                }
            }
            Err(error) => Err(write_failed(IDENTITY, &error)),
        }
    }

    fn change_tokens(
        &mut self,
        gateway_id: &str,
        change: &TokenChange<'_>,
    ) -> Result<(), StoreError> {
        let path = self.identity_path(gateway_id)?;
        let file = self.read_identity(&path)?.ok_or_else(identity_is_gone)?;
        change.check(&file.identity)?;
        let text = file.changed(change);
        replace(&mut self.disk, &path, &text, Overwrite::Allowed)
            .map_err(|error| write_failed(IDENTITY, &error))
    }
}

impl<D: Disk> Store for FileStore<D> {
    fn may_be_slow(&self) -> bool {
        true
    }

    fn apply(&mut self, op: &StoreOp) -> Result<(), StoreError> {
        if let (Some(gateway_id), Some(change)) = (op.gateway_id(), TokenChange::of(op)) {
            return self.change_tokens(gateway_id, &change);
        }
        match op {
            StoreOp::CreateIdentity {
                gateway_id,
                identity,
            } => self.create_identity(gateway_id, identity),
            StoreOp::SaveRegistry { registry } => {
                self.keep_corrupt_registry()?;
                let target = self.folder.join(REGISTRY);
                replace(
                    &mut self.disk,
                    &target,
                    &to_pretty(registry)?,
                    Overwrite::Allowed,
                )
                .map_err(|error| write_failed(REGISTRY, &error))
            }
            StoreOp::SaveToken { .. }
            | StoreOp::ClearToken { .. }
            | StoreOp::ClearAllTokens { .. } => Ok(()),
        }
    }

    fn load(&self) -> Result<DurableState, LoadError> {
        let mut state = DurableState {
            registry: self.read_registry()?,
            ..DurableState::default()
        };
        let folders = self.identity_folders();
        let folders = folders.map_err(|source| LoadError::Read {
            file: IDENTITIES.to_owned(),
            source,
        })?;
        for (gateway_id, folder) in folders {
            match self.read_identity(&folder.join(IDENTITY)) {
                Ok(Some(file)) => drop(state.identities.insert(gateway_id, file.identity)),
                Ok(None) => {}
                Err(damage) => drop(state.damaged.insert(gateway_id, damage)),
            }
        }
        Ok(state)
    }
}

/// Names of a folder's entries, in order; those that are not UTF-8 are none of ours.
fn entries(folder: &Path) -> io::Result<Vec<String>> {
    let names: io::Result<Vec<_>> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name()))
        .collect();
    let mut names: Vec<String> = names?
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

/// One path segment on every system: an id from a file must not lead out of the data directory.
fn is_folder_name(id: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !id.is_empty()
        && id.len() <= 128
        && id.chars().all(is_plain)
        && !id.starts_with('.')
        && !id.ends_with('.')
        && !is_device(id)
}

/// Windows takes these names for devices, in any case and whatever follows a dot.
fn is_device(name: &str) -> bool {
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    let is_numbered = |port: &str| {
        let number = stem.strip_prefix(port);
        number.is_some_and(|number| matches!(number.as_bytes(), [b'0'..=b'9']))
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || is_numbered("COM")
        || is_numbered("LPT")
}

fn to_pretty(value: &impl serde::Serialize) -> Result<Vec<u8>, StoreError> {
    let value: Value =
        serde_json::to_value(value).map_err(|error| StoreError::Write(error.to_string()))?;
    Ok(pretty(&value))
}

fn write_failed(file: &str, error: &io::Error) -> StoreError {
    StoreError::Write(format!("{file}: {error}"))
}
