//! The documented exit codes: one enum, one table, shown in `--help` and by `clawproof explain`.
//!
//! ```
//! use scenarios::cli::Exit;
//! assert_eq!(Exit::Failed.code(), 10);
//! assert_eq!(Exit::from_code(3), Some(Exit::NothingSelected));
//! ```

use std::process::ExitCode;

/// How a command ended, as the number a shell or a CI job sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything that was selected passed.
    Passed,
    /// The harness itself broke: a bug in clawproof, never in the client under test.
    HarnessBroke,
    /// The command line could not be understood.
    Usage,
    /// No scenario matched the selection, so nothing was proved.
    NothingSelected,
    /// At least one scenario failed.
    Failed,
    /// At least one scenario was inconclusive, and none failed.
    Inconclusive,
    /// A scenario that is listed as a known failure passed.
    StaleKnownFailure,
    /// The runs that were merged are not the whole plan, or not parts of one plan.
    PlanNotCovered,
    /// A scenario or adapter file is invalid.
    InvalidFile,
    /// The client under test did not start.
    ClientDidNotStart,
    /// The world that was asked for is not available on this machine.
    WorldUnavailable,
    /// The run folder could not be written.
    ArtifactsNotWritten,
    /// Ended by Ctrl-C; what was finished is reported.
    Interrupted,
}

impl Exit {
    /// Every exit, in the order of its number.
    pub const ALL: [Self; 13] = [
        Self::Passed,
        Self::HarnessBroke,
        Self::Usage,
        Self::NothingSelected,
        Self::Failed,
        Self::Inconclusive,
        Self::StaleKnownFailure,
        Self::PlanNotCovered,
        Self::InvalidFile,
        Self::ClientDidNotStart,
        Self::WorldUnavailable,
        Self::ArtifactsNotWritten,
        Self::Interrupted,
    ];

    /// The number that the process ends with.
    pub const fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::HarnessBroke => 1,
            Self::Usage => 2,
            Self::NothingSelected => 3,
            Self::Failed => 10,
            Self::Inconclusive => 11,
            Self::StaleKnownFailure => 12,
            Self::PlanNotCovered => 13,
            Self::InvalidFile => 20,
            Self::ClientDidNotStart => 21,
            Self::WorldUnavailable => 22,
            Self::ArtifactsNotWritten => 30,
            Self::Interrupted => 130,
        }
    }

    /// The exit with this number, if it is a documented one.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| exit.code() == code)
    }

    /// One line, as in the table of `--help`.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Passed => "all passed",
            Self::HarnessBroke => "the harness broke (a bug in clawproof)",
            Self::Usage => "wrong usage of the command line",
            Self::NothingSelected => "nothing was selected",
            Self::Failed => "at least one scenario failed",
            Self::Inconclusive => "at least one was inconclusive, none failed",
            Self::StaleKnownFailure => "a known failure is stale: it passes now",
            Self::PlanNotCovered => "the merged runs are not the whole plan",
            Self::InvalidFile => "a scenario or adapter file is invalid",
            Self::ClientDidNotStart => "the client under test did not start",
            Self::WorldUnavailable => "the world is not available here",
            Self::ArtifactsNotWritten => "artifacts could not be written",
            Self::Interrupted => "ended by Ctrl-C",
        }
    }

    /// What to do about it, in one or two sentences.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Passed => "Nothing to do. Skipped scenarios are counted and named apart.",
            Self::HarnessBroke => {
                "Please report it with the seed and the command that the run printed; the verdict of the client is unknown."
            }
            Self::Usage => "Read the message; `clawproof help` lists the commands with examples.",
            Self::NothingSelected => {
                "`clawproof list` shows what there is; a selection takes ids, globs such as 'setup-connect/**' and shard names."
            }
            Self::Failed => {
                "Every failure prints what was expected, what came instead, and the shortest command that repeats it."
            }
            Self::Inconclusive => {
                "The run could not decide, for example because a deadline passed while a fault was on. It is never counted as passed."
            }
            Self::StaleKnownFailure => "Remove the row from the adapter's known-failures.toml.",
            Self::PlanNotCovered => {
                "The message names what was not run, or run twice. Run every part with the same selection, seed, worlds and --durations."
            }
            Self::InvalidFile => {
                "`clawproof check` prints the file, the line and what was expected there."
            }
            Self::ClientDidNotStart => {
                "The adapter's command, and the last lines it wrote, are in the report."
            }
            Self::WorldUnavailable => {
                "The message names what is missing. `--world memory` runs everywhere."
            }
            Self::ArtifactsNotWritten => {
                "The message names the path and the reason. Nothing half-written is left behind; choose another folder with --save."
            }
            Self::Interrupted => "What had finished is in the report and in the run folder.",
        }
    }

    /// The table of `--help`.
    pub fn table() -> String {
        let rows = Self::ALL.map(|exit| format!("  {:>3}  {}\n", exit.code(), exit.meaning()));
        format!("Exit codes:\n{}", rows.concat())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_in_order() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
    }

    #[test]
    fn the_table_names_every_exit() {
        let table = Exit::table();
        for exit in Exit::ALL {
            assert!(table.contains(exit.meaning()));
            assert_eq!(Exit::from_code(exit.code()), Some(exit));
        }
    }
}
