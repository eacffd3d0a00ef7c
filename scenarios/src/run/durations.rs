//! How long scenarios took in an earlier run, and parts of a plan that take equally long by that.
//!
//! Every run folder holds a `durations.json`. A plan is dealt with it when `--durations` names one; without one,
//! parts have equally many scenarios. Both are stable: equal input, equal parts, on every machine.
//!
//! ```
//! use scenarios::run::Durations;
//! let known = Durations::parse(r#"{"format": 1, "micros": {"a/slow::memory": 900, "a/quick::memory": 10}}"#)?;
//! assert_eq!(known.deal(&["a/quick", "a/new", "a/slow"], 2), [1, 1, 2]);
//! # Ok::<(), String>(())
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Name of the file in a run folder.
pub const DURATIONS_FILE: &str = "durations.json";

/// The only format there is.
const FORMAT: u32 = 1;

/// How long each scenario took in each world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Durations {
    format: u32,
    /// Microseconds of wall time, by `scenario::world`.
    micros: BTreeMap<String, u64>,
}

/// A file of durations that can't be used.
#[derive(Debug, Error)]
#[error("{}: expected durations of an earlier run: {problem}", .path.display())]
pub struct DurationsError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl Durations {
    /// Durations of results, by their names.
    pub fn new(taken: impl IntoIterator<Item = (String, u64)>) -> Self {
        Self {
            format: FORMAT,
            micros: taken.into_iter().collect(),
        }
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// What was expected, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if read.format == FORMAT {
            Ok(read)
        } else {
            Err(format!("format {FORMAT}, got {}", read.format))
        }
    }

    /// Reads a file, or the file in a run folder.
    ///
    /// # Errors
    /// When it can't be read or holds something else.
    pub fn read(path: &Path) -> Result<Self, DurationsError> {
        let path = if path.is_dir() {
            path.join(DURATIONS_FILE)
        } else {
            path.to_path_buf()
        };
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        text.and_then(|text| Self::parse(&text))
            .map_err(|problem| DurationsError { path, problem })
    }

    /// Deals scenarios, given in the order of their ids, to parts from 1 to `of`: the longest first, each to the part
    /// that has the least so far. One that is not known counts like the middle one of those that are.
    pub fn deal(&self, ids: &[&str], of: usize) -> Vec<usize> {
        let weights = self.weights(ids);
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_by_key(|&at| (std::cmp::Reverse(weights.get(at).copied()), at));
        let mut loads = vec![0_u64; of.max(1)];
        let mut parts = vec![1; ids.len()];
        for at in order {
            let least = loads.iter().enumerate().min_by_key(|(_, load)| **load);
            let part = least.map_or(0, |(part, _)| part);
            if let Some(load) = loads.get_mut(part) {
                *load += weights.get(at).copied().unwrap_or_default();
            }
            if let Some(slot) = parts.get_mut(at) {
                *slot = part + 1;
            }
        }
        parts
    }

    /// What each scenario took in all worlds together; at least 1, so that many quick ones count for something.
    fn weights(&self, ids: &[&str]) -> Vec<u64> {
        let known = |id: &str| {
            let own = self.micros.iter().filter(|(name, _)| {
                name.strip_prefix(id)
                    .is_some_and(|rest| rest.starts_with("::"))
            });
            own.map(|(_, micros)| *micros).reduce(u64::saturating_add)
        };
        let known: Vec<Option<u64>> = ids.iter().map(|id| known(id)).collect();
        let mut sorted: Vec<u64> = known.iter().copied().flatten().collect();
        sorted.sort_unstable();
        let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(1);
        known
            .into_iter()
            .map(|weight| weight.unwrap_or(middle).max(1))
            .collect()
    }

    /// The file.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let durations = Durations::new([("a::core".to_owned(), 3)]);
        assert_eq!(Durations::parse(&durations.to_text()), Ok(durations));
    }

    #[test]
    fn another_format_and_another_file_are_told() {
        let error = Durations::parse(r#"{"format": 2, "micros": {}}"#).unwrap_err();
        assert_eq!(error, "format 1, got 2");
        let error = Durations::read(Path::new("no/such/file")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("no/such/file: expected durations")
        );
    }

    proptest! {
        /// Everything is dealt once, and no part is longer than the shortest by more than the longest scenario.
        #[test]
        fn parts_are_about_equally_long(
            micros in prop::collection::vec(1_u64..1_000, 1..40),
            of in 1_usize..6,
        ) {
            let ids: Vec<String> = (0..micros.len()).map(|n| format!("s/{n:02}")).collect();
            let named = ids.iter().map(|id| format!("{id}::memory"));
            let durations = Durations::new(named.zip(micros.iter().copied()));
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let parts = durations.deal(&ids, of);
            let load = |part: usize| -> u64 {
                let own = parts.iter().zip(&micros).filter(|(owner, _)| **owner == part);
                own.map(|(_, micros)| *micros).sum()
            };
            let loads: Vec<u64> = (1..=of).map(load).collect();
            prop_assert_eq!(loads.iter().sum::<u64>(), micros.iter().sum::<u64>());
            let spread = loads.iter().max().unwrap() - loads.iter().min().unwrap();
            prop_assert!(spread <= *micros.iter().max().unwrap());
            prop_assert_eq!(durations.deal(&ids, of), parts);
        }
    }
}
