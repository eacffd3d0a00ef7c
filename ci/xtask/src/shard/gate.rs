//! The gate of a shard: what ran must be what the shard lists, and all of it must have passed.
//!
//! All rules are always evaluated, so a red shard says everything that is wrong with it.

use std::collections::BTreeSet;

use super::report::{Report, Trial};
use crate::counts::Counts;

/// What the gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gate {
    pub(super) counts: Counts,
    /// Why the shard is red; none when it is green.
    pub(super) problems: Vec<String>,
}

/// Judges a run of `shard` against the trials that it lists.
pub(super) fn judge(
    shard: &str,
    expected: &BTreeSet<Trial>,
    report: &Report,
    succeeded: bool,
) -> Gate {
    let mut problems = Vec::new();
    let mut counts = Counts::default();
    let mut seen = BTreeSet::new();

    for outcome in &report.outcomes {
        let name = name(&outcome.trial);
        if !seen.insert(outcome.trial.clone()) {
            problems.push(format!("{name} was reported twice"));
        }
        if !expected.contains(&outcome.trial) {
            problems.push(format!("{name} ran, but the shard does not list it"));
        }
        match outcome.verdict.as_str() {
            "passed" => counts.passed += 1,
            "skipped" => {
                counts.skipped += 1;
                let missing = outcome.missing.as_deref().unwrap_or("no reason given");
                problems.push(format!("{name} was skipped: {missing}"));
            }
            verdict => {
                counts.failed += 1;
                problems.push(format!("{name} {verdict}"));
            }
        }
    }
    for trial in expected.difference(&seen) {
        problems.push(format!("{} is listed, but has no result", name(trial)));
    }
    if counts.executed() == 0 {
        problems.push(format!("{shard} executed nothing"));
    }
    if !report.finished {
        problems.push("the run did not report its end".to_owned());
    }
    problems.extend(
        report
            .unreadable
            .iter()
            .map(|line| format!("unreadable: {line}")),
    );
    if !succeeded && problems.is_empty() {
        problems.push("the run ended with an error, although every result is fine".to_owned());
    }
    Gate { counts, problems }
}

fn name((id, world): &Trial) -> String {
    format!("{id} in {world}")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::report::Outcome;
    use super::*;

    fn trial(id: &str) -> Trial {
        (id.to_owned(), "memory".to_owned())
    }

    fn report(outcomes: &[(&str, &str)]) -> Report {
        let outcome = |(id, verdict): &(&str, &str)| Outcome {
            trial: trial(id),
            verdict: (*verdict).to_owned(),
            missing: (*verdict == "skipped").then(|| "wsl".to_owned()),
        };
        Report {
            outcomes: outcomes.iter().map(outcome).collect(),
            finished: true,
            unreadable: Vec::new(),
        }
    }

    /// Each row: what the shard lists, what was reported, part of the only problem.
    #[rstest]
    #[case::passed(&["s/a", "s/b"], &[("s/a", "passed"), ("s/b", "passed")], None)]
    #[case::failed(&["s/a", "s/b"], &[("s/a", "passed"), ("s/b", "failed")], Some("s/b in memory failed"))]
    #[case::inconclusive(&["s/a", "s/b"], &[("s/a", "passed"), ("s/b", "inconclusive")], Some("s/b in memory inconclusive"))]
    #[case::broken(&["s/a", "s/b"], &[("s/a", "passed"), ("s/b", "broken")], Some("broken"))]
    #[case::skipped(&["s/a", "s/b"], &[("s/a", "passed"), ("s/b", "skipped")], Some("skipped: wsl"))]
    #[case::missing(&["s/a", "s/b"], &[("s/a", "passed")], Some("s/b in memory is listed, but has no result"))]
    #[case::unexpected(&["s/a"], &[("s/a", "passed"), ("s/b", "passed")], Some("does not list it"))]
    #[case::twice(&["s/a"], &[("s/a", "passed"), ("s/a", "passed")], Some("reported twice"))]
    #[case::nothing(&[], &[], Some("s executed nothing"))]
    fn only_the_listed_scenarios_passing_is_green(
        #[case] listed: &[&str],
        #[case] reported: &[(&str, &str)],
        #[case] problem: Option<&str>,
    ) {
        let expected = listed.iter().map(|id| trial(id)).collect();
        let gate = judge("s", &expected, &report(reported), true);
        assert_eq!(
            gate.problems.len(),
            usize::from(problem.is_some()),
            "{:?}",
            gate.problems
        );
        assert!(
            gate.problems
                .iter()
                .zip(problem)
                .all(|(got, want)| got.contains(want)),
            "{:?}",
            gate.problems
        );
    }

    #[test]
    fn a_run_that_broke_off_or_ended_badly_is_red() {
        let expected = BTreeSet::from([trial("s/a")]);
        let green = report(&[("s/a", "passed")]);
        assert_eq!(
            judge("s", &expected, &green, true).problems,
            [] as [String; 0]
        );
        assert_eq!(judge("s", &expected, &green, false).problems.len(), 1);
        let cut = Report {
            finished: false,
            ..green.clone()
        };
        assert_eq!(judge("s", &expected, &cut, true).problems.len(), 1);
        let noise = Report {
            unreadable: vec!["x".to_owned()],
            ..green
        };
        assert_eq!(judge("s", &expected, &noise, true).problems.len(), 1);
    }

    #[test]
    fn what_did_not_pass_counts_as_failed() {
        let expected = ["s/a", "s/b", "s/c", "s/d"].map(trial).into();
        let all = report(&[
            ("s/a", "passed"),
            ("s/b", "broken"),
            ("s/c", "inconclusive"),
            ("s/d", "skipped"),
        ]);
        let counts = judge("s", &expected, &all, false).counts;
        assert_eq!(
            counts,
            Counts {
                passed: 1,
                failed: 2,
                skipped: 1
            }
        );
    }
}
