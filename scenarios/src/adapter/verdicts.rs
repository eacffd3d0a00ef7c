//! A run of a client against what is known of it: which failures are known, and which rows are stale.

use super::client::Client;
use super::known::KnownFailure;
use crate::report::ScenarioResult;

/// What is known of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Review {
    /// For each result, the reasons that explain all of its findings; empty for one that is not explained.
    pub known: Vec<Vec<String>>,
    /// Rows of which nothing was seen although their scenarios ran.
    pub stale: Vec<KnownFailure>,
}

/// Compares the results of a client with its known failures.
pub fn review(client: &Client, results: &[ScenarioResult]) -> Review {
    let version = client.adapter.version.as_ref().map(|row| row.name.as_str());
    let rows: Vec<&KnownFailure> = client
        .adapter
        .known
        .iter()
        .map(|row| &row.value)
        .filter(|row| row.is_of(version))
        .collect();
    Review {
        known: results
            .iter()
            .map(|result| reasons(&rows, result))
            .collect(),
        stale: rows
            .iter()
            .filter(|row| is_stale(row, results))
            .map(|row| KnownFailure::clone(row))
            .collect(),
    }
}

/// The reasons for a failure, if every finding of it is explained.
fn reasons(rows: &[&KnownFailure], result: &ScenarioResult) -> Vec<String> {
    let findings = result.verdict.findings();
    let explained: Vec<Option<&&KnownFailure>> = findings
        .iter()
        .map(|finding| rows.iter().find(|row| row.explains(&result.id, finding)))
        .collect();
    if explained.iter().any(Option::is_none) {
        return Vec::new();
    }
    let mut reasons: Vec<String> = explained
        .into_iter()
        .flatten()
        .map(|row| row.reason.clone())
        .collect();
    reasons.dedup();
    reasons
}

/// Whether a row's scenarios were judged and none showed it.
fn is_stale(row: &KnownFailure, results: &[ScenarioResult]) -> bool {
    let judged: Vec<&ScenarioResult> = results
        .iter()
        .filter(|result| {
            row.is_about(&result.id) && matches!(result.verdict.word(), "passed" | "failed")
        })
        .collect();
    let seen = judged.iter().any(|result| {
        let findings = result.verdict.findings();
        findings
            .iter()
            .any(|finding| row.explains(&result.id, finding))
    });
    !judged.is_empty() && !seen
}
