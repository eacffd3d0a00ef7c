//! What the gateway knows, in a file: read at the start, written before the answer to whatever changed it.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use gateway_core::{Gateway, Memory};

/// File name inside the directory of [`crate::ServeOptions::state`].
pub(crate) const FILE: &str = "gateway-state.json";

/// Locked by the gateway whose state it is, as long as its process lives; never removed, since another may wait for it.
const LOCK: &str = "gateway-state.lock";

/// Why a gateway can't keep what it knows.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It can't be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another gateway keeps its state there.
    #[error("another gateway keeps its state in {}", folder.display())]
    InUse {
        /// The directory.
        folder: PathBuf,
    },
    /// It is not what a gateway wrote.
    #[error("{} is no state of a mock gateway: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where, and what was expected.
        #[source]
        source: serde_path_to_error::Error<serde_json::Error>,
    },
    /// It can't be written.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Keeps one gateway's memory in a file. It holds tokens, so only its owner may read it.
#[derive(Debug)]
pub(crate) struct Keeper {
    path: PathBuf,
    kept: String,
    /// Two gateways with the same file would write over each other's pairings.
    _lock: File,
}

impl Keeper {
    /// A keeper for this folder, which is made, and what an earlier gateway has left in it.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Option<Memory>), StateError> {
        let path = folder.join(FILE);
        let unwritable = |source| StateError::Write {
            path: path.clone(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(unwritable)?;
        // Whether anything can be written is known before anybody pairs.
        tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
        let lock = File::create(folder.join(LOCK)).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let folder = folder.to_owned();
                return Err(StateError::InUse { folder });
            }
            Err(TryLockError::Error(source)) => return Err(unwritable(source)),
        }
        let memory = match std::fs::read_to_string(&path) {
            Ok(text) => Some(parse(&path, &text)?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(source) => return Err(StateError::Read { path, source }),
        };
        let kept = String::new();
        let keeper = Self {
            path,
            kept,
            _lock: lock,
        };
        Ok((keeper, memory))
    }

    /// Writes what has changed: a new file, synced, in place of the old one.
    pub(crate) fn keep(&mut self, gateway: &Gateway) -> Result<(), StateError> {
        let text = serde_json::to_string_pretty(&gateway.memory()).unwrap_or_default();
        if text == self.kept {
            return Ok(());
        }
        replace(&self.path, &text).map_err(|source| StateError::Write {
            path: self.path.clone(),
            source,
        })?;
        self.kept = text;
        Ok(())
    }
}

fn parse(path: &Path, text: &str) -> Result<Memory, StateError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|source| StateError::Parse {
        path: path.to_owned(),
        source,
    })
}

fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut scratch = tempfile::NamedTempFile::new_in(folder)?;
    scratch.write_all(text.as_bytes())?;
    scratch.as_file().sync_all()?;
    scratch.persist(path).map_err(|error| error.error)?;
    // Renaming lasts once the folder is synced; Windows has no such thing.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
