//! Several runs of parts of one plan, put together: whether they are the plan, and what they say.
//!
//! Each run folder's `run.json` names the whole plan that it is a part of, and what it ran. The parts are the plan
//! when they name the same plan and seed, and every job of it was run by exactly one of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::report::Counts;

/// Name of the file in a run folder.
const RUN_FILE: &str = "run.json";

/// A run folder that can't be read.
#[derive(Debug, Error)]
#[error("{}: expected the run.json of a run folder: {problem}", .path.display())]
pub struct PartError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

/// One run of a part.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its folder, as it was given.
    pub folder: PathBuf,
    run: RunFile,
}

/// What a merge needs of `run.json`; the rest is not looked at.
#[derive(Clone, Debug, Deserialize)]
struct RunFile {
    seed: u64,
    /// Names of every job of the plan.
    plan: Vec<String>,
    results: Vec<Row>,
}

#[derive(Clone, Debug, Deserialize)]
struct Row {
    scenario: String,
    world: String,
    verdict: String,
}

impl Row {
    fn name(&self) -> String {
        format!("{}::{}", self.scenario, self.world)
    }
}

impl Part {
    /// Reads a run folder.
    ///
    /// # Errors
    /// When there is no `run.json` that names its plan.
    pub fn read(folder: &Path) -> Result<Self, PartError> {
        let path = folder.join(RUN_FILE);
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        let run = text.and_then(|text| Self::parse(&text));
        run.map(|run| Self {
            folder: folder.to_path_buf(),
            run,
        })
        .map_err(|problem| PartError { path, problem })
    }

    fn parse(text: &str) -> Result<RunFile, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// Every job that was run, by its name (`id::world`), with its verdict.
    pub fn verdicts(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let rows = self.run.results.iter();
        rows.map(|row| (row.name(), row.verdict.clone()))
    }

    fn name(&self) -> String {
        self.folder.display().to_string()
    }
}

/// What the parts are together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Jobs of the plan.
    pub planned: usize,
    /// Verdicts of everything that was run, each job once.
    pub counts: Counts,
    /// Names of what did not pass and was not skipped, with the verdict.
    pub not_passed: Vec<(String, String)>,
    /// Why the parts are not the plan; empty when they are.
    pub problems: Vec<String>,
}

/// Puts parts together.
pub fn merge(parts: &[Part]) -> Merged {
    let mut merged = Merged::default();
    let Some(first) = parts.first() else {
        merged.problems.push("no run folder was given".to_owned());
        return merged;
    };
    for part in parts.iter().skip(1) {
        compare(first, part, &mut merged.problems);
    }
    let mut owners: BTreeMap<String, &Part> = BTreeMap::new();
    for part in parts {
        for row in &part.run.results {
            let name = row.name();
            if let Some(owner) = owners.get(&name) {
                let (one, other) = (owner.name(), part.name());
                merged
                    .problems
                    .push(format!("{name} was run twice: in {one} and in {other}"));
                continue;
            }
            count(&mut merged, &name, &row.verdict);
            owners.insert(name, part);
        }
    }
    merged.planned = first.run.plan.len();
    for name in &first.run.plan {
        if !owners.contains_key(name) {
            merged
                .problems
                .push(format!("{name} is in the plan and was not run"));
        }
    }
    for (name, part) in &owners {
        if !first.run.plan.contains(name) {
            let part = part.name();
            merged
                .problems
                .push(format!("{name} was run in {part} and is not in the plan"));
        }
    }
    merged
}

fn compare(first: &Part, part: &Part, problems: &mut Vec<String>) {
    let (one, other) = (first.name(), part.name());
    let (seed, other_seed) = (first.run.seed, part.run.seed);
    if seed != other_seed {
        problems.push(format!(
            "{one} ran with seed {seed}, {other} with seed {other_seed}"
        ));
    }
    if first.run.plan != part.run.plan {
        problems.push(format!("{one} and {other} are parts of different plans"));
    }
}

fn count(merged: &mut Merged, name: &str, verdict: &str) {
    let counts = &mut merged.counts;
    match verdict {
        "passed" => counts.passed += 1,
        "skipped" => counts.skipped += 1,
        "failed" => counts.failed += 1,
        "inconclusive" => counts.inconclusive += 1,
        // A word that this program does not know is no verdict to build on.
        _ => counts.broken += 1,
    }
    if !matches!(verdict, "passed" | "skipped") {
        merged
            .not_passed
            .push((name.to_owned(), verdict.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn part(folder: &str, seed: u64, plan: &[&str], ran: &[(&str, &str)]) -> Part {
        let rows = ran.iter().map(|(name, verdict)| {
            let (scenario, world) = name.split_once("::").unwrap();
            json!({"scenario": scenario, "world": world, "verdict": verdict, "digest": "d"})
        });
        let rows: Vec<_> = rows.collect();
        let text = json!({"format": 1, "seed": seed, "plan": plan, "results": rows}).to_string();
        Part {
            folder: folder.into(),
            run: Part::parse(&text).unwrap(),
        }
    }

    const PLAN: [&str; 2] = ["a::core", "b::memory"];

    #[test]
    fn parts_that_are_the_plan_are_counted() {
        let merged = merge(&[
            part("1", 1, &PLAN, &[("a::core", "passed")]),
            part("2", 1, &PLAN, &[("b::memory", "failed")]),
        ]);
        assert_eq!(merged.problems, Vec::<String>::new());
        assert_eq!(
            (merged.planned, merged.counts.sentence()),
            (2, "1 passed, 1 failed".to_owned())
        );
        assert_eq!(
            merged.not_passed,
            [("b::memory".to_owned(), "failed".to_owned())]
        );
    }

    #[rstest]
    #[case::missing(part("2", 1, &PLAN, &[]), "b::memory is in the plan and was not run")]
    #[case::twice(
        part("2", 1, &PLAN, &[("a::core", "passed"), ("b::memory", "passed")]),
        "a::core was run twice: in 1 and in 2"
    )]
    #[case::unplanned(
        part("2", 1, &PLAN, &[("b::memory", "passed"), ("c::core", "passed")]),
        "c::core was run in 2 and is not in the plan"
    )]
    #[case::seeds(
        part("2", 9, &PLAN, &[("b::memory", "passed")]),
        "1 ran with seed 1, 2 with seed 9"
    )]
    #[case::plans(
        part("2", 1, &["a::core"], &[("b::memory", "passed")]),
        "1 and 2 are parts of different plans"
    )]
    fn parts_that_are_not_the_plan_are_told(#[case] second: Part, #[case] problem: &str) {
        let first = part("1", 1, &PLAN, &[("a::core", "passed")]);
        assert_eq!(merge(&[first, second]).problems, [problem]);
    }

    #[test]
    fn an_unknown_verdict_is_never_green() {
        let merged = merge(&[part("1", 1, &["a::core"], &[("a::core", "fine")])]);
        assert_eq!((merged.counts.passed, merged.counts.broken), (0, 1));
    }
}
