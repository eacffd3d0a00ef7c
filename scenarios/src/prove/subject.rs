//! What is compared: a git revision of this repository, a client, or our client with a deliberate bug.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use tempfile::TempDir;
use thiserror::Error;

/// One side of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// clawproof and its companion, built from this commit.
    Revision {
        /// As it was written.
        name: String,
        /// 40 hex characters.
        commit: String,
    },
    /// Somebody's client: an adapter's name or the path of its `adapter.toml`.
    Client(String),
    /// Our companion with a deliberate bug.
    Mutant(String),
    /// Our companion as this program has it.
    Companion,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revision { name, commit } => write!(f, "revision {name} ({commit})"),
            Self::Client(client) => write!(f, "client:{client}"),
            Self::Mutant(mutant) => write!(f, "mutant:{mutant}"),
            Self::Companion => f.write_str("companion"),
        }
    }
}

/// Why a side could not be run.
#[derive(Debug, Error)]
pub enum SubjectError {
    /// git does not know it.
    #[error("{name}: git knows no such commit here: {said}")]
    NoCommit {
        /// As written.
        name: String,
        /// git's own words.
        said: String,
    },
    /// A program could not be started.
    #[error("start {program}")]
    Start {
        /// Its name.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program failed.
    #[error("{what} failed ({status})")]
    Failed {
        /// What it was to do.
        what: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// No folder for the checkout.
    #[error("make a folder for the checkout")]
    Folder(#[source] io::Error),
}

impl SubjectError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoCommit { .. } => {
                "give a commit, branch or tag of this repository, `companion`, `client:ADAPTER` or `mutant:NAME`"
            }
            Self::Start { .. } => "git and cargo must be on the PATH to compare revisions",
            Self::Failed { .. } => "its own words are above",
            Self::Folder(_) => "check free space and permissions of the temporary folder",
        }
    }
}

impl Subject {
    /// Reads `companion`, `mutant:NAME`, `client:ADAPTER` or a revision of the repository at `here`.
    ///
    /// # Errors
    /// When git does not know the revision.
    pub fn parse(text: &str, here: &Path) -> Result<Self, SubjectError> {
        if text == "companion" {
            return Ok(Self::Companion);
        }
        if let Some(mutant) = text.strip_prefix("mutant:") {
            return Ok(Self::Mutant(mutant.to_owned()));
        }
        if let Some(client) = text.strip_prefix("client:") {
            return Ok(Self::Client(client.to_owned()));
        }
        let mut git = Command::new("git");
        git.args([
            "rev-parse",
            "--verify",
            "--end-of-options",
            &format!("{text}^{{commit}}"),
        ]);
        let output = git
            .current_dir(here)
            .output()
            .map_err(|source| SubjectError::Start {
                program: "git".to_owned(),
                source,
            })?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if !output.status.success() {
            return Err(SubjectError::NoCommit {
                name: text.to_owned(),
                said: said(&output.stderr),
            });
        }
        Ok(Self::Revision {
            name: text.to_owned(),
            commit: said(&output.stdout),
        })
    }

    /// The commit that is built, for revisions.
    pub fn commit(&self) -> Option<&str> {
        match self {
            Self::Revision { commit, .. } => Some(commit),
            Self::Client(_) | Self::Mutant(_) | Self::Companion => None,
        }
    }

    /// Options of `clawproof run` that choose it.
    pub fn options(&self) -> Vec<String> {
        match self {
            Self::Revision { .. } | Self::Companion => Vec::new(),
            Self::Client(client) => vec!["--client".to_owned(), client.clone()],
            Self::Mutant(mutant) => vec!["--mutant".to_owned(), mutant.clone()],
        }
    }
}

/// A clean checkout of a commit; it goes with the value.
#[derive(Debug)]
pub struct Checkout {
    repository: PathBuf,
    folder: TempDir,
}

impl Checkout {
    /// Checks `commit` out beside everything that is there.
    ///
    /// # Errors
    /// When git can't.
    pub fn of(commit: &str, repository: &Path) -> Result<Self, SubjectError> {
        let folder = tempfile::Builder::new()
            .prefix("clawproof-checkout-")
            .tempdir()
            .map_err(SubjectError::Folder)?;
        let checkout = Self {
            repository: repository.to_path_buf(),
            folder,
        };
        let mut git = Command::new("git");
        git.args(["worktree", "add", "--quiet", "--force", "--detach"])
            .arg(checkout.path())
            .arg(commit)
            .current_dir(repository);
        finish(&mut git, "git worktree add")?;
        Ok(checkout)
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    /// Builds clawproof of this checkout and copies it to `program`.
    ///
    /// # Errors
    /// When it does not build.
    pub fn build(&self, target: &Path, program: &Path) -> Result<(), SubjectError> {
        let mut cargo = Command::new("cargo");
        cargo
            .args([
                "build",
                "--locked",
                "--quiet",
                "--package",
                "scenarios",
                "--bin",
                "clawproof",
            ])
            .arg("--target-dir")
            .arg(target)
            .current_dir(self.path());
        finish(&mut cargo, "cargo build of the checkout")?;
        let name = format!("clawproof{}", std::env::consts::EXE_SUFFIX);
        let built = target.join("debug").join(name);
        std::fs::copy(built, program).map_err(SubjectError::Folder)?;
        Ok(())
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let mut git = Command::new("git");
        git.args(["worktree", "remove", "--force"])
            .arg(self.path())
            .current_dir(&self.repository);
        if let Err(error) = finish(&mut git, "git worktree remove") {
            tracing::debug!(%error, "the checkout stays registered");
        }
    }
}

/// Runs a program to its end, its words on stderr.
fn finish(command: &mut Command, what: &str) -> Result<(), SubjectError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|source| SubjectError::Start { program, source })?;
    if status.success() {
        Ok(())
    } else {
        Err(SubjectError::Failed {
            what: what.to_owned(),
            status,
        })
    }
}

/// Whether the work tree at `here` has changes, if git can tell.
pub fn is_dirty(here: &Path) -> Option<bool> {
    let mut git = Command::new("git");
    git.args(["status", "--porcelain", "--untracked-files=no"]);
    let output = git.current_dir(here).stderr(Stdio::null()).output().ok()?;
    output.status.success().then_some(!output.stdout.is_empty())
}
