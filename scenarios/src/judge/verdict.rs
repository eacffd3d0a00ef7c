//! The four verdicts.

use super::finding::Finding;

/// What the judge says of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Everything that was asked for was seen, and no invariant was broken.
    Passed,
    /// Something was wrong, on the client's or the gateway's side.
    Failed(Vec<Finding>),
    /// Nothing can be said; never green.
    Inconclusive {
        /// Why.
        why: String,
    },
    /// Not run, because something is not here.
    Skipped {
        /// What is missing, by name.
        missing: String,
    },
    /// The harness itself broke.
    Broken {
        /// What happened.
        what: String,
    },
}

impl Verdict {
    /// The word in reports.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Inconclusive { .. } => "inconclusive",
            Self::Skipped { .. } => "skipped",
            Self::Broken { .. } => "broken",
        }
    }

    /// The findings, if it failed.
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Failed(findings) => findings,
            Self::Passed
            | Self::Inconclusive { .. }
            | Self::Skipped { .. }
            | Self::Broken { .. } => &[],
        }
    }

    /// Passes every text through `change`: findings quote frames and scenario files, which may hold secrets.
    #[must_use]
    pub fn with_text(self, mut change: impl FnMut(&str) -> String) -> Self {
        match self {
            Self::Passed => Self::Passed,
            Self::Failed(findings) => Self::Failed(
                findings
                    .into_iter()
                    .map(|finding| finding.with_text(&mut change))
                    .collect(),
            ),
            Self::Inconclusive { why } => Self::Inconclusive { why: change(&why) },
            Self::Skipped { missing } => Self::Skipped { missing },
            Self::Broken { what } => Self::Broken {
                what: change(&what),
            },
        }
    }

    /// Whether it passed.
    pub const fn is_passed(&self) -> bool {
        matches!(self, Self::Passed)
    }
}
