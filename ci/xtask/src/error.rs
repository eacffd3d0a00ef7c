//! What can go wrong in a chore.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a chore did not succeed. The texts fit behind "error: ".
#[derive(Debug, thiserror::Error)]
pub(crate) enum XtaskError {
    /// A program could not be started.
    #[error("failed to start {program}: {source}")]
    Start {
        /// The program as it was called.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program's output could not be read.
    #[error("failed to read what {program} says: {source}")]
    Output {
        /// The program as it was called.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("{command} failed ({status})")]
    Failed {
        /// The whole command.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A file or folder could not be read.
    #[error("failed to read {path}: {source}", path = path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("failed to write {path}: {source}", path = path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A tool printed something else than expected.
    #[error("expected {expected} from {tool}, got {got}")]
    Unexpected {
        /// Who printed it.
        tool: &'static str,
        /// What was expected.
        expected: &'static str,
        /// What arrived, or what is wrong with it.
        got: String,
    },
    /// Tests ran, and some failed.
    #[error("{failed} of {executed} tests failed")]
    TestsFailed {
        /// How many failed.
        failed: u64,
        /// How many ran.
        executed: u64,
    },
    /// Nothing ran, which is never a success.
    #[error("no test was executed")]
    NothingExecuted,
    /// Shards are red; the problems were printed.
    #[error("red: {}", .red.join(", "))]
    Gate {
        /// Which shards, each with how many problems.
        red: Vec<String>,
        /// How the program ends.
        code: u8,
    },
    /// The manifest of a shard can't be used.
    #[error("{path}: {problem}")]
    Manifest {
        /// The file, relative to the workspace.
        path: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// House rules are broken; the findings were printed.
    #[error("{count} findings")]
    Untidy {
        /// How many.
        count: usize,
    },
    /// Generated pages differ from what is committed.
    #[error("not up to date: {}; hint: run `cargo xtask generate` and commit the result", .paths.join(", "))]
    Stale {
        /// The pages, relative to the workspace.
        paths: Vec<String>,
    },
    /// Some of the checks failed; each said why when it ran.
    #[error("failed: {}", .names.join(", "))]
    Checks {
        /// Their names.
        names: Vec<String>,
    },
    /// Standard output or standard error is gone.
    #[error("failed to print: {0}")]
    Print(io::Error),
}

impl XtaskError {
    /// How the program ends: 1, but for a shard's gate, which says whose fault it is.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Gate { code, .. } => *code,
            Self::Manifest { .. } => 2,
            Self::Start { .. }
            | Self::Output { .. }
            | Self::Failed { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Unexpected { .. }
            | Self::TestsFailed { .. }
            | Self::NothingExecuted
            | Self::Untidy { .. }
            | Self::Stale { .. }
            | Self::Checks { .. }
            | Self::Print(_) => 1,
        }
    }
}
