//! Where adapters lie: `client/adapters/NAME/adapter.toml` of the repository, or any folder or file by its path.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::file::{self, AdapterFile, VersionRow};
use super::known::{self, KnownFailure};
use crate::scenario::{Located, Problems};

/// Where adapters lie inside the repository.
const IN_REPOSITORY: &str = "client/adapters";

const FILE: &str = "adapter.toml";
const KNOWN: &str = "known-failures.toml";

/// The adapters that can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    folder: Option<PathBuf>,
}

/// One adapter, read.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Its folder's name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What its file says.
    pub file: AdapterFile,
    /// What is known to be wrong with the client.
    pub known: Vec<Located<KnownFailure>>,
    /// The release that was asked for, or the first one.
    pub version: Option<VersionRow>,
}

/// What is known of a companion that runs somewhere and serves its tools. It is not started, so its command says
/// nothing; another machine's clock and another window's load make it slower.
const TRAY: &str = r#"
title = "a companion behind its tools"
capabilities = ["role:operator", "device", "device-token", "reconnects", "asks-until-approved"]
mcp = true
patience = 3.0
[start]
command = ["{url}"]
"#;

impl Adapter {
    /// The adapter of a companion that somebody else has started.
    pub(crate) fn of_tray() -> Result<Self, Box<Problems>> {
        Ok(Self {
            name: "companion-at".to_owned(),
            folder: PathBuf::new(),
            file: file::parse("companion-at", TRAY).map_err(Box::new)?,
            known: Vec::new(),
            version: None,
        })
    }
}

/// An adapter that can't be had.
#[derive(Debug, Error)]
pub enum AdapterError {
    /// No folder of adapters.
    #[error("there is no folder {IN_REPOSITORY} here or above")]
    NoLibrary,
    /// No adapter of that name.
    #[error("there is no adapter called {name}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The client has no such release.
    #[error("{name} has no version {version}")]
    UnknownVersion {
        /// The adapter.
        name: String,
        /// What was asked for.
        version: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A file can't be read.
    #[error("could not read {}: {source}", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file makes no sense.
    #[error("{0}")]
    Invalid(Box<Problems>),
}

impl AdapterError {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoLibrary => {
                "name the adapter by its path: --client ./my-client/adapter.toml".to_owned()
            }
            Self::Unknown { known, .. } => format!(
                "there are {}; an adapter of your own is named by its path, ./my-client/adapter.toml",
                known.join(", ")
            ),
            Self::UnknownVersion { known, .. } if known.is_empty() => {
                "its adapter names no versions: leave @VERSION out".to_owned()
            }
            Self::UnknownVersion { known, .. } => format!("there are {}", known.join(", ")),
            Self::Read { .. } => "check the path and its permissions".to_owned(),
            Self::Invalid(_) => "docs/guides/add-a-client.md shows a whole adapter".to_owned(),
        }
    }
}

impl Library {
    /// The repository's adapters, seen from `here` upwards.
    pub fn find(here: &Path) -> Self {
        let folder = here
            .ancestors()
            .map(|above| above.join(IN_REPOSITORY))
            .find(|folder| folder.is_dir());
        Self { folder }
    }

    /// The names of all adapters, sorted.
    ///
    /// # Errors
    /// When there is no folder of them, or it can't be read.
    pub fn names(&self) -> Result<Vec<String>, AdapterError> {
        let folder = self.folder.as_ref().ok_or(AdapterError::NoLibrary)?;
        let failed = |source| AdapterError::Read {
            path: folder.clone(),
            source,
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.path().join(FILE).is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Reads `NAME`, `NAME@VERSION`, or an adapter by its path.
    ///
    /// # Errors
    /// When there is none, or its files make no sense.
    pub fn read(&self, asked: &str) -> Result<Adapter, AdapterError> {
        let (place, version) = match asked.rsplit_once('@') {
            Some((name, version)) if !name.is_empty() && !version.contains('/') => {
                (name, Some(version))
            }
            Some(_) | None => (asked, None),
        };
        let folder = self.folder_of(place)?;
        let name = folder
            .file_name()
            .unwrap_or(folder.as_os_str())
            .to_string_lossy()
            .into_owned();
        let path = folder.join(FILE);
        let file = file::parse(&path.display().to_string(), &text_of(&path)?)
            .map_err(|problems| AdapterError::Invalid(Box::new(problems)))?;
        let path = folder.join(KNOWN);
        let known = if path.is_file() {
            known::parse(&path.display().to_string(), &text_of(&path)?)
                .map_err(|problems| AdapterError::Invalid(Box::new(problems)))?
        } else {
            Vec::new()
        };
        let version = chosen(&name, &file, version)?;
        Ok(Adapter {
            name,
            folder,
            file,
            known,
            version,
        })
    }

    fn folder_of(&self, place: &str) -> Result<PathBuf, AdapterError> {
        if place.contains(['/', '\\'])
            || Path::new(place)
                .extension()
                .is_some_and(|end| end == "toml")
        {
            let path = Path::new(place);
            let folder = if path.is_dir() {
                path
            } else {
                path.parent().unwrap_or(path)
            };
            let folder = if folder == Path::new("") {
                Path::new(".")
            } else {
                folder
            };
            return folder.canonicalize().map_err(|source| AdapterError::Read {
                path: path.to_path_buf(),
                source,
            });
        }
        let known = self.names()?;
        match &self.folder {
            Some(folder) if known.iter().any(|name| name == place) => Ok(folder.join(place)),
            Some(_) | None => Err(AdapterError::Unknown {
                name: place.to_owned(),
                known,
            }),
        }
    }
}

fn chosen(
    name: &str,
    file: &AdapterFile,
    asked: Option<&str>,
) -> Result<Option<VersionRow>, AdapterError> {
    let Some(asked) = asked else {
        return Ok(file.versions.first().cloned());
    };
    let found = file.versions.iter().find(|row| row.name == asked);
    found
        .cloned()
        .map(Some)
        .ok_or_else(|| AdapterError::UnknownVersion {
            name: name.to_owned(),
            version: asked.to_owned(),
            known: file.versions.iter().map(|row| row.name.clone()).collect(),
        })
}

fn text_of(path: &Path) -> Result<String, AdapterError> {
    std::fs::read_to_string(path).map_err(|source| AdapterError::Read {
        path: path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_adapter_of_the_repository_can_be_read() {
        let library = Library::find(Path::new(env!("CARGO_MANIFEST_DIR")));
        let names = library.names().unwrap();
        for name in &names {
            let adapter = library.read(name).unwrap();
            for version in &adapter.file.versions {
                library.read(&format!("{name}@{}", version.name)).unwrap();
            }
        }
        let unknown = library.read("nobody").unwrap_err();
        assert!(
            names.iter().all(|name| unknown.hint().contains(name)),
            "{}",
            unknown.hint()
        );
    }
}
