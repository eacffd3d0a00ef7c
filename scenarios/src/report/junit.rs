//! JUnit XML for CI systems: one suite per shard, one case per scenario and world.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::terminal::{Style, explanation};
use super::{Counts, ScenarioResult};
use crate::judge::Verdict;
use crate::referee::Standing;
use crate::scenario::Shard;

/// A report that could not be printed.
#[derive(Debug, thiserror::Error)]
#[error("print the JUnit report")]
pub struct JunitError(#[source] quick_junit::SerializeError);

/// The whole report.
///
/// An inconclusive result is an error in JUnit's words, and a skipped one is skipped: neither is green.
pub fn xml(
    results: &[ScenarioResult],
    took: Duration,
    referee: &Standing,
) -> Result<String, JunitError> {
    let mut report = Report::new("clawproof");
    report.set_time(took);
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for result in results {
        let shard = Shard::of_id(&result.id).map_or("other", Shard::name);
        let suite = suites.entry(shard).or_insert_with(|| TestSuite::new(shard));
        suite.add_test_case(case(result));
    }
    for (_, mut suite) in suites {
        let time = suite.test_cases.iter().filter_map(|case| case.time).sum();
        suite.set_time(time);
        suite.add_property(("referee", referee.to_string().as_str()));
        report.add_test_suite(suite);
    }
    report.to_string().map_err(JunitError)
}

fn case(result: &ScenarioResult) -> TestCase {
    let status = match &result.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::Failed(findings) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            if let Some(first) = findings.first() {
                status.set_type(first.rule.clone());
                status.set_message(first.summary.clone());
            }
            status.set_description(explanation(result, Style::default()));
            status
        }
        Verdict::Inconclusive { why } => error("inconclusive", why),
        Verdict::Broken { what } => error("the harness broke", what),
        Verdict::Skipped { missing } => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("needs {missing}"));
            status
        }
    };
    let mut case = TestCase::new(result.id.clone(), status);
    case.set_classname(format!("clawproof.{}", result.world));
    case.set_time(result.took);
    case.add_property(("world", result.world.as_str()));
    case.add_property(("seed", result.seed.to_string().as_str()));
    case
}

fn error(kind: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type(kind.to_owned());
    status.set_message(message.to_owned());
    status
}

/// Whether a run executed anything: a shard that ran nothing is a failure.
pub fn ran_something(results: &[ScenarioResult]) -> bool {
    let counts = Counts::of(results);
    counts.passed + counts.failed + counts.inconclusive + counts.broken > 0
}
