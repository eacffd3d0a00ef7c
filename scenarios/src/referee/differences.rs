//! Where a real release differs from the published schema: `scenarios/referee/differences.toml`.
//!
//! The schema is of one version, the profiles are of two others. What was recorded of a real gateway and does not fit
//! stands in the file with its reason; an entry that no frame needs is stale, and a test fails on it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use super::Violation;

/// One known difference.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The only profile that it is true for; both when absent.
    pub profile: Option<String>,
    /// The frame, as in [`Violation::frame`]; a `*` at its end stands for any rest.
    pub frame: String,
    /// Where: a JSON pointer in which `*` stands for one step.
    pub at: String,
    /// Part of what the validator says.
    pub says: String,
    /// Why it is so, and how that is known.
    pub reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    difference: Vec<Difference>,
}

/// Every known difference, and which were met.
#[derive(Debug)]
pub struct Differences {
    all: Vec<Difference>,
    met: Mutex<BTreeSet<usize>>,
}

impl Differences {
    /// The ones of the file, which is part of this program.
    pub fn known() -> Self {
        // The test below fails on a file that does not parse.
        let file: File =
            toml::from_str(include_str!("../../referee/differences.toml")).unwrap_or_default();
        Self {
            all: file.difference,
            met: Mutex::default(),
        }
    }

    /// Whether a violation is a known difference; remembers that it was met.
    pub fn excuse(&self, violation: &Violation, profile: &str) -> bool {
        let found = self.all.iter().position(|difference| {
            difference
                .profile
                .as_deref()
                .is_none_or(|its| its == profile)
                && names(&difference.frame, &violation.frame)
                && covers(&difference.at, &violation.at)
                && violation.says.contains(&difference.says)
        });
        if let Some(index) = found {
            self.met
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(index);
        }
        found.is_some()
    }

    /// The ones that no frame has needed so far.
    pub fn unmet(&self) -> Vec<&Difference> {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.all.iter().enumerate();
        all.filter(|(index, _)| !met.contains(index))
            .map(|(_, difference)| difference)
            .collect()
    }
}

fn names(pattern: &str, frame: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => frame.starts_with(beginning),
        None => pattern == frame,
    }
}

fn covers(pattern: &str, pointer: &str) -> bool {
    let (mut wanted, mut steps) = (pattern.split('/'), pointer.split('/'));
    loop {
        match (wanted.next(), steps.next()) {
            (None, None) => return true,
            (Some(wanted), Some(step)) if wanted == "*" || wanted == step => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_file_parses_and_gives_reasons() {
        let file: File = toml::from_str(include_str!("../../referee/differences.toml")).unwrap();
        for difference in file.difference {
            assert!(difference.reason.len() > 20, "{difference:?} has no reason");
        }
    }

    #[rstest]
    #[case("/payload", "/payload", true)]
    #[case("/payload/*/x", "/payload/7/x", true)]
    #[case("/payload/*", "/payload", false)]
    #[case("/payload", "/payload/x", false)]
    fn pointers(#[case] pattern: &str, #[case] pointer: &str, #[case] expected: bool) {
        assert_eq!(covers(pattern, pointer), expected);
    }
}
