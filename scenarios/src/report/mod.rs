//! Reports: pure functions of results and transcripts.
//!
//! | module | for whom |
//! |---|---|
//! | [`terminal`] | people at a terminal |
//! | [`junit`] | CI systems |
//! | [`lines`] | programs (`--message-format json`) |
//! | [`table`] | people who want to know what a client can do |
//! | [`sequence`] [`svg`] | people who want to see the conversation: Mermaid and plain text, a picture |
//! | [`html`] | reviewers: one page with everything |

use std::time::Duration;

use crate::judge::Verdict;

pub mod html;
pub mod junit;
pub mod lines;
pub mod sequence;
pub mod svg;
pub mod table;
pub mod terminal;

/// One scenario in one world, judged.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioResult {
    /// Id of the scenario.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Where it ran.
    pub world: String,
    /// With which seed.
    pub seed: u64,
    /// Wall time.
    pub took: Duration,
    /// Protocol time that passed.
    pub virtual_time: Duration,
    /// What the judge says.
    pub verdict: Verdict,
}

/// How many results of each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Inconclusive.
    pub inconclusive: usize,
    /// Skipped.
    pub skipped: usize,
    /// The harness broke.
    pub broken: usize,
}

impl Counts {
    /// Counts the verdicts.
    pub fn of(results: &[ScenarioResult]) -> Self {
        let mut counts = Self::default();
        for result in results {
            match result.verdict {
                Verdict::Passed => counts.passed += 1,
                Verdict::Failed(_) => counts.failed += 1,
                Verdict::Inconclusive { .. } => counts.inconclusive += 1,
                Verdict::Skipped { .. } => counts.skipped += 1,
                Verdict::Broken { .. } => counts.broken += 1,
            }
        }
        counts
    }

    /// `38 passed, 1 failed, 2 skipped`: the numbers that are not zero, `passed` always.
    pub fn sentence(self) -> String {
        let all = [
            (self.failed, "failed"),
            (self.inconclusive, "inconclusive"),
            (self.skipped, "skipped"),
            (self.broken, "broken"),
        ];
        let mut text = format!("{} passed", self.passed);
        for (count, word) in all {
            if count > 0 {
                text.push_str(", ");
                text.push_str(&count.to_string());
                text.push(' ');
                text.push_str(word);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests;
