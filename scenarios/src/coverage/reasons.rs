//! Why rows of the protocol are not touched: a file of reasons, and the page that shows figures, holes and reasons.

use std::fmt::Write as _;

use serde::Deserialize;
use thiserror::Error;

use super::Part;
use crate::run::glob_matches;

/// The file as it was when this program was built.
const TEXT: &str = include_str!("../../coverage/reasons.toml");

/// Where the file lies in the repository, for messages.
const FILE: &str = "scenarios/coverage/reasons.toml";

/// A file of reasons that can't be used.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{FILE}: {0}")]
pub struct ReasonsError(String);

/// Reasons, by part of the protocol.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reasons {
    hole: Vec<Row>,
}

/// One reason for some rows of one part.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    part: String,
    rows: Vec<String>,
    why: String,
}

impl Reasons {
    /// The reasons inside this program.
    ///
    /// # Errors
    /// When the file is none.
    pub fn embedded() -> Result<Self, ReasonsError> {
        toml::from_str(TEXT).map_err(|error| ReasonsError(error.to_string()))
    }

    /// Why a row is not touched; none when nobody says.
    pub fn of(&self, part: &str, row: &str) -> Option<&str> {
        let fits = |it: &&Row| it.part == part && it.rows.iter().any(|name| names(name, row));
        self.hole.iter().find(fits).map(|it| it.why.as_str())
    }

    /// Holes that have no reason.
    pub fn open(&self, parts: &[Part]) -> Vec<String> {
        let holes = parts
            .iter()
            .flat_map(|part| part.holes.iter().map(move |hole| (part.name, hole)));
        holes
            .filter(|(part, hole)| self.of(part, hole).is_none())
            .map(|(part, hole)| format!("{part}: {hole}"))
            .collect()
    }

    /// Reasons for rows that are touched, or that are not in the protocol.
    pub fn stale(&self, parts: &[Part]) -> Vec<String> {
        let is_hole = |of: &str, name: &str| {
            let part = parts.iter().find(|part| part.name == of);
            part.is_some_and(|part| part.holes.iter().any(|hole| names(name, hole)))
        };
        let rows = self
            .hole
            .iter()
            .flat_map(|row| row.rows.iter().map(|name| (row.part.as_str(), name)));
        rows.filter(|(part, name)| !is_hole(part, name))
            .map(|(part, name)| format!("{part}: {name}"))
            .collect()
    }

    /// The page for people.
    pub fn page(&self, parts: &[Part]) -> String {
        let mut page = String::from(
            "<!-- Written by `clawproof coverage --page`. Do not edit. -->\n\n# Coverage\n\n\
             What of the protocol the suite touches in virtual time, counted on what was said, and why the rest is not touched.\n\n\
             | part | touched | of | |\n| --- | --- | --- | --- |\n",
        );
        for part in parts {
            let percent = (part.touched * 100)
                .checked_div(part.all)
                .unwrap_or_default();
            // Writing to a string does not fail.
            let _fine = writeln!(
                page,
                "| {} | {} | {} | {percent} % |",
                part.name, part.touched, part.all
            );
        }
        for part in parts.iter().filter(|part| !part.holes.is_empty()) {
            let _fine = write!(
                page,
                "\n## Not touched: {}\n\n| row | why |\n| --- | --- |\n",
                part.name
            );
            for hole in &part.holes {
                let why = self
                    .of(part.name, hole)
                    .unwrap_or("nobody has said why yet");
                let _fine = writeln!(page, "| `{hole}` | {why} |");
            }
        }
        page
    }
}

fn names(pattern: &str, row: &str) -> bool {
    pattern == row || (pattern.contains('*') && glob_matches(pattern, row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(holes: &[&str]) -> Part {
        Part {
            name: "events",
            touched: 1,
            all: 1 + holes.len(),
            holes: holes.iter().map(|hole| (*hole).to_owned()).collect(),
        }
    }

    #[test]
    fn the_file_reads_and_every_reason_says_something() {
        let reasons = Reasons::embedded().unwrap();
        assert!(reasons.hole.iter().all(|row| row.why.len() > 20));
    }

    #[test]
    fn a_hole_without_a_reason_and_a_reason_without_a_hole_are_named() {
        let text = "[[hole]]\npart = \"events\"\nrows = [\"talk.*\", \"gone\"]\nwhy = \"it needs a microphone\"\n";
        let reasons: Reasons = toml::from_str(text).unwrap();
        let parts = [part(&["talk.mode", "tick"])];
        assert_eq!(reasons.open(&parts), ["events: tick"]);
        assert_eq!(reasons.stale(&parts), ["events: gone"]);
        assert!(
            reasons
                .page(&parts)
                .contains("| `talk.mode` | it needs a microphone |")
        );
    }
}
