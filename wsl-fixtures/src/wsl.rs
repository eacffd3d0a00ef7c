//! The verbs of wsl.exe as a typed API.

use std::time::Duration;

use crate::argv::{Install, Run};
use crate::log::CommandLog;
use crate::output::ListRow;

/// How a command inside a distro ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Exit code; `None` when its time was up and it was killed.
    pub exit: Option<i32>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// How long it took.
    pub took: Duration,
}

impl Finished {
    /// Exit code 0.
    pub fn success(&self) -> bool {
        self.exit == Some(0)
    }
}

/// Why a verb of wsl.exe failed. Failures of commands *inside* a distro are no errors: see [`Finished`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WslError {
    /// No distro of this name. The real wsl.exe says `WSL_E_DISTRO_NOT_FOUND`.
    #[error("no distro is named {0}")]
    DistroNotFound(String),
    /// A distro of this name is there already.
    #[error("a distro is named {0} already")]
    DistroExists(String),
    /// The distro is still being unpacked.
    #[error("{0} is still being installed")]
    StillInstalling(String),
    /// The call as such can't be made.
    #[error("expected {expected}, got {got}")]
    Usage {
        /// What the verb needs.
        expected: &'static str,
        /// What it was given.
        got: String,
    },
}

/// A WSL: real, or a stand-in. Scripts go by stdin as a rule: wsl.exe rewrites variables in arguments
/// ([`crate::expand`]).
pub trait Wsl {
    /// The version of WSL itself.
    ///
    /// # Errors
    /// [`WslError`] when WSL does not answer.
    fn version(&mut self) -> Result<Vec<u32>, WslError>;

    /// Every distro, as `--list --verbose` shows it.
    ///
    /// # Errors
    /// [`WslError`] when WSL does not answer.
    fn list(&mut self) -> Result<Vec<ListRow>, WslError>;

    /// Begins to install a distro.
    ///
    /// # Errors
    /// [`WslError::DistroExists`], or [`WslError::Usage`] when no distro is named.
    fn install(&mut self, install: &Install) -> Result<(), WslError>;

    /// Kills everything in a distro and stops it.
    ///
    /// # Errors
    /// [`WslError::DistroNotFound`].
    fn terminate(&mut self, distro: &str) -> Result<(), WslError>;

    /// Removes a distro with all its files.
    ///
    /// # Errors
    /// [`WslError::DistroNotFound`].
    fn unregister(&mut self, distro: &str) -> Result<(), WslError>;

    /// Runs a command in a distro, which starts when it must.
    ///
    /// # Errors
    /// [`WslError`] when the command could not even begin.
    fn run(&mut self, run: &Run, stdin: &[u8]) -> Result<Finished, WslError>;

    /// Every call so far.
    fn log(&self) -> &CommandLog;
}
