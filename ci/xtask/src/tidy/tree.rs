//! The files of the workspace, as values.

use std::fs;
use std::path::Path;

use crate::error::XtaskError;

/// Folders that hold nothing of ours.
const SKIPPED_FOLDERS: &[&str] = &[".git", "node_modules", "store", "target"];

/// One text file.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// Relative to the workspace, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl SourceFile {
    pub(crate) fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|found| found == extension)
    }

    /// The lines, numbered from 1.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// Output of other programs, kept byte for byte.
    pub(crate) fn is_recorded(&self) -> bool {
        self.has_extension("jsonl")
            || ["/recordings/", "/referee/", "/corpus/"]
                .iter()
                .any(|part| self.path.contains(part))
    }
}

/// Every text file of the workspace, ordered by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<SourceFile>,
    /// Paths of the files that hold no text: pictures.
    pub(crate) binaries: Vec<String>,
}

impl Tree {
    /// Reads all text files under `root`, leaving out build output and repositories' own folders.
    pub(crate) fn load(root: &Path) -> Result<Self, XtaskError> {
        let mut tree = Self::default();
        tree.add_folder(root, "")?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().filter(|file| file.is_rust())
    }

    pub(crate) fn file(&self, path: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// What is written by us, as opposed to recorded or made by a tool.
    pub(crate) fn written(&self) -> impl Iterator<Item = &SourceFile> {
        self.files
            .iter()
            .filter(|file| !file.is_recorded() && !file.path.ends_with("Cargo.lock"))
    }

    fn add_folder(&mut self, folder: &Path, prefix: &str) -> Result<(), XtaskError> {
        let read_error = |source| XtaskError::Read {
            path: folder.to_path_buf(),
            source,
        };
        for entry in fs::read_dir(folder).map_err(read_error)? {
            let entry = entry.map_err(read_error)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().map_err(read_error)?;
            let path = if prefix.is_empty() {
                name.clone()
            } else {
                format!("{prefix}/{name}")
            };
            if kind.is_dir() {
                if !SKIPPED_FOLDERS.contains(&name.as_str()) {
                    self.add_folder(&entry.path(), &path)?;
                }
            // In a work tree of git, `.git` is a file that names a folder of this machine.
            } else if kind.is_file()
                && path != ".git"
                && entry.path().extension().is_none_or(|end| end != "tmp")
            {
                let bytes = fs::read(entry.path()).map_err(|source| XtaskError::Read {
                    path: entry.path(),
                    source,
                })?;
                match String::from_utf8(bytes) {
                    Ok(text) => self.files.push(SourceFile { path, text }),
                    Err(_) => self.binaries.push(path),
                }
            }
        }
        Ok(())
    }
}
