//! Writing what may leave the machine: looked through for secrets first, then whole or not at all.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use thiserror::Error;
use transcript::canary;

/// Why a file was not written. Nothing is left of it.
#[derive(Debug, Error)]
pub enum GuardedError {
    /// A secret would have been in it.
    #[error("{}: a {kind} would stand in it, {encoding}", .path.display())]
    Leak {
        /// The file.
        path: PathBuf,
        /// Kind of the secret.
        kind: String,
        /// How it is written there.
        encoding: String,
    },
    /// It is there already, and nothing is overwritten.
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
    /// The file system refused it.
    #[error("write {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

impl GuardedError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Leak { .. } => {
                "a bug of clawproof: report where the secret stands, not which it is"
            }
            Self::Exists(_) => {
                "nothing is overwritten: name another file with --save, or move that one"
            }
            Self::Write(..) => {
                "check that the folder of --save can be written to and that the disk is not full"
            }
        }
    }
}

/// Whether a file that exists is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is kept, and nothing is written.
    Kept,
    /// It is replaced as a whole.
    Replaced,
}

/// Writes a file in which none of these (kind, value) secrets stands in any encoding.
///
/// # Errors
/// When one does, when the file exists and is kept, when it can't be written.
pub fn write(
    path: &Path,
    bytes: &[u8],
    secrets: &[(String, String)],
    existing: Existing,
) -> Result<(), GuardedError> {
    if let Some(leak) = canary::scan_bytes(bytes, secrets).first() {
        return Err(GuardedError::Leak {
            path: path.to_owned(),
            kind: leak.kind.clone(),
            encoding: leak.encoding.to_string(),
        });
    }
    whole(path, bytes, existing).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            GuardedError::Exists(path.to_owned())
        } else {
            GuardedError::Write(path.to_owned(), error)
        }
    })
}

/// Writes a file as a whole: after a crash there is the old one, or none, or the new one.
///
/// # Errors
/// Those of the file system; `AlreadyExists` for one that is kept.
pub fn whole(path: &Path, bytes: &[u8], existing: Existing) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut scratch = NamedTempFile::new_in(folder)?;
    scratch.write_all(bytes)?;
    scratch.as_file().sync_all()?;
    match existing {
        Existing::Kept => scratch.persist_noclobber(path),
        Existing::Replaced => scratch.persist(path),
    }
    .map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_secret_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.txt");
        let secrets = vec![("token".to_owned(), "s3cret-of-mine".to_owned())];
        // "s3cret-of-mine" in base64.
        let error =
            write(&path, b"a czNjcmV0LW9mLW1pbmU= b", &secrets, Existing::Kept).unwrap_err();
        assert!(
            matches!(&error, GuardedError::Leak { kind, .. } if kind == "token"),
            "{error}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_exists_is_kept_or_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("x.txt");
        write(&path, b"first", &[], Existing::Kept).unwrap();
        let error = write(&path, b"second", &[], Existing::Kept).unwrap_err();
        assert!(matches!(error, GuardedError::Exists(_)), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        write(&path, b"third", &[], Existing::Replaced).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"third");
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
    }
}
