//! Where scenario files come from: a folder, or the copy inside this program.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The suite as it was when this program was built, as (path inside the suite, text).
static EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/suite.rs"));

/// Where the suite lies inside the repository.
const SUITE_IN_REPOSITORY: &str = "scenarios/suite";

/// A place that scenario files come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Files below this folder.
    Folder(PathBuf),
    /// The copy inside this program.
    Embedded,
}

/// One scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteFile {
    /// Path inside the suite without `.toml`, with `/`: the scenario's id.
    pub id: String,
    /// Path for messages.
    pub path: String,
    /// The text.
    pub text: String,
}

/// A suite that can't be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// There is no such folder.
    #[error("there is no folder {}", .path.display())]
    NoFolder {
        /// What was asked for.
        path: PathBuf,
    },
    /// A file or folder can't be read.
    #[error("could not read {}", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Source {
    /// The folder that was asked for, else the repository's suite seen from `here` upwards, else the embedded copy.
    ///
    /// # Errors
    /// When the folder that was asked for is not there.
    pub fn find(asked: Option<&Path>, here: &Path) -> Result<Self, SourceError> {
        if let Some(folder) = asked {
            return if folder.is_dir() {
                Ok(Self::Folder(folder.to_path_buf()))
            } else {
                Err(SourceError::NoFolder {
                    path: folder.to_path_buf(),
                })
            };
        }
        let in_repository = here
            .ancestors()
            .map(|folder| folder.join(SUITE_IN_REPOSITORY))
            .find(|folder| folder.is_dir());
        Ok(in_repository.map_or(Self::Embedded, Self::Folder))
    }

    /// Every scenario file, sorted by id.
    ///
    /// # Errors
    /// When a file or folder can't be read.
    pub fn files(&self) -> Result<Vec<SuiteFile>, SourceError> {
        match self {
            Self::Embedded => Ok(EMBEDDED
                .iter()
                .map(|(path, text)| SuiteFile {
                    id: id_of(path),
                    path: format!("{SUITE_IN_REPOSITORY}/{path}"),
                    text: (*text).to_owned(),
                })
                .collect()),
            Self::Folder(root) => {
                let mut files = Vec::new();
                collect(root, root, &shown(root), &mut files)?;
                files.sort_by(|one, other| one.id.cmp(&other.id));
                Ok(files)
            }
        }
    }

    /// For messages: the folder, or `the embedded suite`.
    pub fn describe(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Embedded => "the embedded suite".to_owned(),
        }
    }
}

/// Reads one file that need not lie in a suite; its id is its name.
///
/// # Errors
/// When the file can't be read.
pub fn read_one(path: &Path) -> Result<SuiteFile, SourceError> {
    let text = std::fs::read_to_string(path).map_err(|source| SourceError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy();
    Ok(SuiteFile {
        id: id_of(&name),
        path: path.display().to_string(),
        text,
    })
}

fn id_of(path: &str) -> String {
    path.strip_suffix(".toml")
        .unwrap_or(path)
        .replace('\\', "/")
}

/// How a folder is named in messages, which end up in what is handed to others: as seen from here, or by its own name.
fn shown(root: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    match root.strip_prefix(&here) {
        Ok(inside) => inside.to_path_buf(),
        Err(_) if root.is_relative() => root.to_path_buf(),
        Err(_) => root.file_name().map_or_else(PathBuf::new, PathBuf::from),
    }
}

fn collect(
    root: &Path,
    folder: &Path,
    name: &Path,
    files: &mut Vec<SuiteFile>,
) -> Result<(), SourceError> {
    let failed = |source| SourceError::Read {
        path: folder.to_path_buf(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect(root, &path, name, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let inside = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            let text = std::fs::read_to_string(&path).map_err(|source| SourceError::Read {
                path: path.clone(),
                source,
            })?;
            files.push(SuiteFile {
                id: id_of(&inside),
                path: name.join(&inside).display().to_string(),
                text,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_found_from_below_and_the_copy_is_the_same() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/run");
        let found = Source::find(None, &here).unwrap();
        assert!(matches!(&found, Source::Folder(folder) if folder.ends_with("scenarios/suite")));
        let ids = |source: &Source| -> Vec<(String, String)> {
            source
                .files()
                .unwrap()
                .into_iter()
                .map(|file| (file.id, file.text))
                .collect()
        };
        assert_eq!(ids(&found), ids(&Source::Embedded));
    }

    /// A bundle goes to strangers: the folders of this machine are none of their business.
    #[test]
    fn a_suite_elsewhere_is_named_without_its_folders() {
        let elsewhere = tempfile::tempdir().unwrap();
        let suite = elsewhere.path().join("suite");
        std::fs::create_dir_all(suite.join("a")).unwrap();
        io::Write::write_all(
            &mut std::fs::File::create(suite.join("a/b.toml")).unwrap(),
            b"",
        )
        .unwrap();
        let files = Source::Folder(suite).files().unwrap();
        assert_eq!(files[0].path, "suite/a/b.toml");
    }

    #[test]
    fn elsewhere_the_embedded_copy_is_used_and_a_wrong_folder_is_an_error() {
        let nowhere = tempfile::tempdir().unwrap();
        assert_eq!(
            Source::find(None, nowhere.path()).unwrap(),
            Source::Embedded
        );
        let missing = nowhere.path().join("missing");
        assert!(Source::find(Some(&missing), nowhere.path()).is_err());
    }
}
