//! The runner: from files to judged runs to a run folder.
//!
//! | module | content |
//! |---|---|
//! | `source` | where scenario files come from |
//! | `select` `plan` | which scenarios, in which worlds, which slice of them |
//! | `foreign` `policy` | what only the mock can do; what the older companion does otherwise |
//! | `conductor` | one script in one world |
//! | `durations` `merge` | parts of a plan that take equally long, and whether parts are the plan |
//! | `one` `all` | one judged run; a plan on all cores |
//! | `folder` `artifacts` `build` | what a run leaves behind, all of it or nothing |

mod all;
mod artifacts;
mod build;
mod conductor;
mod durations;
mod folder;
mod foreign;
mod handshakes;
mod merge;
mod one;
mod plan;
mod policy;
mod scout;
mod select;
mod source;

pub use all::{RunOptions, run_all};
pub use artifacts::{RunSummary, repeat, result, results, write_run};
pub use build::{VERSION, git_commit};
pub(crate) use conductor::{INTERRUPTED, MAX_ENTRIES, is_stopped, record_at_most};
pub use durations::{DURATIONS_FILE, Durations, DurationsError};
pub use folder::{FolderError, RunFolder, point_latest_at};
pub use handshakes::handshakes;
pub use merge::{Merged, Part, PartError, merge};
pub use one::{Outcome, run_job};
pub use plan::{
    CAPABILITIES, Job, Selection, WORLDS_HERE, client_jobs, default_worlds, jobs, real_jobs,
};
pub use policy::{
    PolicyDifference, policy_difference, policy_differences, under_pr741, without_differences,
};
pub(crate) use scout::Scout;
pub use select::{Slice, SliceError, glob_matches};
pub use source::{Source, SourceError, SuiteFile, read_one};
