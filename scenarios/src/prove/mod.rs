//! Proof: a run folder that a stranger can check, and the comparison of two of them.
//!
//! | module | content |
//! |---|---|
//! | [`digests`] | `SHA256SUMS`, which `sha256sum -c` reads too |
//! | [`manifest`] [`counters`] | `manifest.json`: what ran, against what, what was counted, what was not verified |
//! | [`saved`] | `record.json`: what the judge saw besides the transcript |
//! | [`rederive`] [`verify`](mod@verify) | judges again and checks everything, offline |
//! | [`recording`] | checks a transcript alone: redaction and signatures |
//! | [`subject`] [`bundle`] [`summary`] | base and head, red then green, as one bundle |
//! | [`gate`] | what must have been shown on a commit |
//!
//! ```
//! # let home = tempfile::tempdir().unwrap();
//! let report = scenarios::prove::verify(home.path());
//! assert!(report.problems[0].contains("SHA256SUMS"), "an empty folder proves nothing");
//! ```

pub mod bundle;
pub mod counters;
pub mod digests;
pub mod gate;
pub mod manifest;
pub mod recording;
pub mod rederive;
pub mod saved;
pub mod subject;
pub mod summary;
pub mod verify;

pub use bundle::{Pair, assemble};
pub use subject::{Subject, SubjectError};
pub use verify::{Report, verify};
