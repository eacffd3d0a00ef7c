//! The run folder: everything a run leaves behind, all of it or nothing.
//!
//! Files are written into a temporary folder beside the target. Only [`RunFolder::commit`] gives it
//! its name, after the canary scan found no secret in any file; dropping it removes every trace.
//!
//! ```
//! # let home = tempfile::tempdir().unwrap();
//! use scenarios::run::RunFolder;
//! let folder = RunFolder::begin(&home.path().join("proof")).unwrap();
//! folder.write("run.json", b"{}").unwrap();
//! let path = folder.commit().unwrap();
//! assert!(path.join("run.json").is_file());
//! assert!(RunFolder::begin(&path).is_err(), "an existing folder is never overwritten");
//! ```

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use thiserror::Error;

/// Why a run folder was not written.
#[derive(Debug, Error)]
pub enum FolderError {
    /// The target is there already.
    #[error("the run folder {} exists already", .path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// A folder could not be made.
    #[error("could not create the folder {}", .path.display())]
    Create {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written, for example because the disk is full.
    #[error("could not write {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The finished folder could not be given its name.
    #[error("could not move the finished run folder to {}", .path.display())]
    Commit {
        /// The target.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A secret was found in a file. The folder is gone.
    #[error("the run folder was withheld: a secret would have been in it ({leaks})")]
    Leak {
        /// Kind of secret and file of every hit; never the secret.
        leaks: String,
    },
}

impl FolderError {
    /// What the user can do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "choose another folder with --save, or remove this one",
            Self::Create { .. } | Self::Write { .. } | Self::Commit { .. } => {
                "check free space and permissions, choose another folder with --save, or run with --no-save"
            }
            Self::Leak { .. } => {
                "this is a bug in redaction: report it with the command, never with the secret"
            }
        }
    }
}

/// A run folder that is being written.
#[derive(Debug)]
pub struct RunFolder {
    staging: TempDir,
    target: PathBuf,
}

impl RunFolder {
    /// Starts a run folder that will be called `target`.
    ///
    /// # Errors
    /// When `target` exists or nothing can be made beside it.
    pub fn begin(target: &Path) -> Result<Self, FolderError> {
        if target.symlink_metadata().is_ok() {
            return Err(FolderError::Exists {
                path: target.to_path_buf(),
            });
        }
        let parent = parent_of(target);
        fs::create_dir_all(&parent).map_err(|source| FolderError::Create {
            path: parent.clone(),
            source,
        })?;
        let staging = tempfile::Builder::new()
            .prefix(".clawproof-unfinished-")
            .tempdir_in(&parent)
            .map_err(|source| FolderError::Create {
                path: parent,
                source,
            })?;
        Ok(Self {
            staging,
            target: target.to_path_buf(),
        })
    }

    /// Writes one file; `relative` uses `/` and may name folders.
    ///
    /// # Errors
    /// When the file can't be written completely.
    pub fn write(&self, relative: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let path = self.staging.path().join(relative);
        let failed = |source| FolderError::Write {
            path: self.target.join(relative),
            source,
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = File::create(&path).map_err(failed)?;
        file.write_all(bytes)
            .and_then(|()| file.flush())
            .map_err(failed)
    }

    /// Where the files are until they are committed; for the canary scan.
    pub fn staging(&self) -> &Path {
        self.staging.path()
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// When the target appeared in the meantime or can't be named. Nothing is left in that case.
    pub fn commit(self) -> Result<PathBuf, FolderError> {
        if self.target.symlink_metadata().is_ok() {
            return Err(FolderError::Exists { path: self.target });
        }
        open_to_all(self.staging.path());
        match fs::rename(self.staging.path(), &self.target) {
            Ok(()) => {
                // The folder has moved away; nothing is left for the guard to remove.
                drop(self.staging.keep());
                Ok(self.target)
            }
            Err(source) => Err(FolderError::Commit {
                path: self.target,
                source,
            }),
        }
    }
}

/// A temporary folder is private to its maker; a run folder is like any other.
#[cfg(unix)]
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    if let Err(error) = fs::set_permissions(folder, fs::Permissions::from_mode(0o755)) {
        tracing::debug!(%error, "the run folder stays private");
    }
}

#[cfg(not(unix))]
const fn open_to_all(_folder: &Path) {}

fn parent_of(target: &Path) -> PathBuf {
    match target.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Points `store/latest` at `run`: a link, or a text file where links can't be made.
///
/// # Errors
/// When neither can be written.
pub fn point_latest_at(run: &Path) -> Result<PathBuf, FolderError> {
    let store = parent_of(run);
    let name = run.file_name().unwrap_or_else(|| OsStr::new("."));
    let latest = store.join("latest");
    let failed = |source| FolderError::Write {
        path: latest.clone(),
        source,
    };
    let scratch = tempfile::Builder::new()
        .prefix(".clawproof-latest-")
        .tempdir_in(&store)
        .map_err(failed)?;
    let fresh = scratch.path().join("latest");
    if link_to(Path::new(name), &fresh).is_err() {
        File::create(&fresh)
            .and_then(|mut file| writeln!(file, "{}", Path::new(name).display()))
            .map_err(failed)?;
    }
    fs::rename(&fresh, &latest).map_err(failed)?;
    Ok(latest)
}

#[cfg(unix)]
fn link_to(name: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(name, link)
}

#[cfg(windows)]
fn link_to(name: &Path, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_dir(name, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_is_left_of_a_folder_that_was_not_committed() {
        let home = tempfile::tempdir().unwrap();
        let folder = RunFolder::begin(&home.path().join("a/b")).unwrap();
        folder.write("x/y.txt", b"text").unwrap();
        drop(folder);
        assert_eq!(names(&home.path().join("a")), Vec::<String>::new());
    }

    #[test]
    fn a_committed_folder_has_its_files_and_no_neighbours() {
        let home = tempfile::tempdir().unwrap();
        let folder = RunFolder::begin(&home.path().join("run")).unwrap();
        folder.write("x/y.txt", b"text").unwrap();
        let path = folder.commit().unwrap();
        assert_eq!(fs::read(path.join("x/y.txt")).unwrap(), b"text");
        assert_eq!(names(home.path()), ["run"]);
    }

    #[test]
    fn a_file_in_the_way_is_an_error_with_a_hint() {
        let home = tempfile::tempdir().unwrap();
        let blocked = home.path().join("file");
        File::create(&blocked).unwrap();
        let error = RunFolder::begin(&blocked.join("run")).unwrap_err();
        assert!(matches!(error, FolderError::Create { .. }), "{error}");
        assert!(error.hint().contains("--save"));
        assert!(matches!(
            RunFolder::begin(&blocked),
            Err(FolderError::Exists { .. })
        ));
    }

    #[test]
    fn latest_moves_from_run_to_run() {
        let home = tempfile::tempdir().unwrap();
        for name in ["one", "two"] {
            let folder = RunFolder::begin(&home.path().join(name)).unwrap();
            folder.write("id", name.as_bytes()).unwrap();
            let path = folder.commit().unwrap();
            let latest = point_latest_at(&path).unwrap();
            assert_eq!(fs::read_to_string(latest.join("id")).unwrap(), name);
        }
        assert_eq!(names(home.path()), ["latest", "one", "two"]);
    }
}
