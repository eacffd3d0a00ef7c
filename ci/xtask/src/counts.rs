//! How many tests passed, failed and were skipped, as the runners say it themselves.

use std::fmt;
use std::ops::Add;

/// Outcomes of tests. Prints as the plain closing line of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    /// How many ran.
    pub(crate) fn executed(self) -> u64 {
        self.passed + self.failed
    }

    /// Reads nextest's summary, `Summary [ 1.2s] 3 tests run: 2 passed, 1 failed, 4 skipped`.
    /// Whatever ran and did not pass (timed out, could not be started) counts as failed.
    pub(crate) fn from_nextest(output: &str) -> Option<Self> {
        let plain = without_colour(output);
        let summary = plain
            .lines()
            .rev()
            .find(|line| line.trim_start().starts_with("Summary ["))?;
        let (head, outcomes) = summary.split_once(" run: ")?;
        let run = head.split(']').nth(1)?.split_whitespace().next()?;
        // With fail-fast the number reads `3/10`: what did run comes first.
        let run: u64 = run.split('/').next()?.parse().ok()?;
        let passed = number_before(outcomes, "passed").unwrap_or(0);
        let skipped = number_before(outcomes, "skipped").unwrap_or(0);
        Some(Self {
            passed,
            failed: run.checked_sub(passed)?,
            skipped,
        })
    }

    /// Adds up the lines `test result: ok. 5 passed; 0 failed; 1 ignored; ...` of `cargo test`.
    pub(crate) fn from_cargo_test(output: &str) -> Self {
        let plain = without_colour(output);
        plain
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("test result: "))
            .map(|line| Self {
                passed: number_before(line, "passed").unwrap_or(0),
                failed: number_before(line, "failed").unwrap_or(0),
                skipped: number_before(line, "ignored").unwrap_or(0),
            })
            .fold(Self::default(), Add::add)
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// The number in front of `word`, as in `2 passed`.
fn number_before(text: &str, word: &str) -> Option<u64> {
    let mut previous = "";
    for token in text
        .split([' ', ',', ';', '(', ')'])
        .filter(|token| !token.is_empty())
    {
        if token == word {
            return previous.parse().ok();
        }
        previous = token;
    }
    None
}

/// The text without terminal colour sequences (`ESC [ ... letter`).
fn without_colour(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            for skipped in characters.by_ref() {
                if skipped.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::all_pass("     Summary [   0.013s] 3 tests run: 3 passed, 0 skipped\n", 3, 0, 0)]
    #[case::one("     Summary [   0.013s] 1 test run: 1 passed, 0 skipped\n", 1, 0, 0)]
    #[case::slow(
        "     Summary [   9.013s] 3 tests run: 3 passed (1 slow), 2 skipped",
        3,
        0,
        2
    )]
    #[case::failed(
        "     Summary [   0.1s] 5 tests run: 3 passed, 2 failed, 1 skipped",
        3,
        2,
        1
    )]
    #[case::timed_out(
        "     Summary [   0.1s] 5 tests run: 3 passed, 1 failed, 1 timed out, 1 skipped",
        3,
        2,
        1
    )]
    #[case::cancelled(
        "     Summary [   0.1s] 2/5 tests run: 1 passed, 1 failed, 0 skipped",
        1,
        1,
        0
    )]
    #[case::coloured(
        "\u{1b}[32m     Summary\u{1b}[0m [   0.1s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped",
        2,
        0,
        0
    )]
    fn nextest_summaries_are_read(
        #[case] text: &str,
        #[case] passed: u64,
        #[case] failed: u64,
        #[case] skipped: u64,
    ) {
        assert_eq!(
            Counts::from_nextest(text),
            Some(Counts {
                passed,
                failed,
                skipped
            })
        );
    }

    #[test]
    fn output_without_a_summary_gives_no_counts() {
        assert_eq!(
            Counts::from_nextest("error: could not compile `link`"),
            None
        );
    }

    #[test]
    fn doc_test_results_of_all_crates_are_added_up() {
        let text = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1s\n\
                    noise\n\
                    test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(
            Counts::from_cargo_test(text),
            Counts {
                passed: 6,
                failed: 2,
                skipped: 1
            }
        );
    }

    #[test]
    fn counts_print_as_the_plain_closing_line() {
        let counts = Counts {
            passed: 7,
            failed: 0,
            skipped: 2,
        };
        assert_eq!(counts.to_string(), "7 passed, 0 failed, 2 skipped");
    }
}
