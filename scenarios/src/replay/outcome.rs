//! What a replay found, and what of it fails.

use std::fmt;

use serde::Serialize;

/// Something that went otherwise than recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Finding {
    /// What was recorded did not come.
    Missing {
        /// Entry of the recording.
        entry: u64,
        /// What it was.
        expected: String,
        /// What came instead, or why nothing did.
        instead: String,
    },
    /// It came with another result: ok, error code, close code, signature.
    Result {
        /// Entry of the recording.
        entry: u64,
        /// Where in the message.
        at: String,
        /// As recorded.
        recorded: String,
        /// As it came.
        live: String,
    },
    /// One recorded value stands for two live ones.
    Contradiction {
        /// Entry of the recording.
        entry: u64,
        /// Where in the message.
        at: String,
        /// What the two are; a secret is not shown.
        what: String,
    },
    /// A value that is neither bound nor equal.
    Different {
        /// Entry of the recording.
        entry: u64,
        /// Where in the message.
        at: String,
        /// As recorded.
        recorded: String,
        /// As it came.
        live: String,
    },
    /// It was not recorded.
    Unexpected {
        /// What it was.
        what: String,
        /// Whether somebody waits for an answer to it.
        is_request: bool,
    },
}

impl Finding {
    /// Whether it fails a replay; a strict one fails on everything.
    pub fn fails(&self, strict: bool) -> bool {
        match self {
            Self::Missing { .. } | Self::Result { .. } | Self::Contradiction { .. } => true,
            Self::Unexpected { is_request, .. } => *is_request || strict,
            Self::Different { .. } => strict,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing {
                entry,
                expected,
                instead,
            } => {
                write!(f, "entry {entry}: expected {expected}, {instead}")
            }
            Self::Result {
                entry,
                at,
                recorded,
                live,
            } => {
                write!(
                    f,
                    "entry {entry}: {at} was recorded as {recorded} and is {live}"
                )
            }
            Self::Contradiction { entry, at, what } => write!(f, "entry {entry}: {at}: {what}"),
            Self::Different {
                entry,
                at,
                recorded,
                live,
            } => {
                write!(
                    f,
                    "entry {entry}: {at} differs: recorded {recorded}, live {live}"
                )
            }
            Self::Unexpected { what, .. } => write!(f, "not in the recording: {what}"),
        }
    }
}

/// A replay at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Messages that we said.
    pub said: usize,
    /// Messages that came as recorded.
    pub heard: usize,
    /// What went otherwise.
    pub findings: Vec<Finding>,
    /// What was bound, in order; secrets by their length only.
    pub bindings: Vec<String>,
}

impl Outcome {
    /// Whether it went as recorded.
    pub fn holds(&self, strict: bool) -> bool {
        !self.findings.iter().any(|finding| finding.fails(strict))
    }
}
