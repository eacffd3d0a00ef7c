//! The same scenarios with the older companion, and where that one is known to do otherwise.

use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use super::plan::Job;
use crate::scenario::{Policy, Scenario};

/// The file as it was when this program was built.
const TEXT: &str = include_str!("../../policy/differences.toml");

/// A scenario that the companion of pull request 741 does not pass.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyDifference {
    /// Its id.
    pub scenario: String,
    /// The rule of the first finding.
    pub rule: String,
    /// Why it does otherwise.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    difference: Vec<PolicyDifference>,
}

/// Every known difference; none when the file can't be read, which a test says.
pub fn policy_differences() -> &'static [PolicyDifference] {
    static KNOWN: LazyLock<Vec<PolicyDifference>> = LazyLock::new(|| {
        toml::from_str::<File>(TEXT).map_or_else(|_broken| Vec::new(), |file| file.difference)
    });
    &KNOWN
}

/// The difference of a scenario, by its id or the one that it has under the older companion.
pub fn policy_difference(id: &str) -> Option<&'static PolicyDifference> {
    let id = id.strip_suffix("@pr741").unwrap_or(id);
    policy_differences().iter().find(|row| row.scenario == id)
}

/// The scenarios that do not say which companion they are about, with the one of pull request 741.
pub fn under_pr741(scenarios: &[Arc<Scenario>]) -> Vec<Arc<Scenario>> {
    let older = |scenario: &Arc<Scenario>| scenario.under(Policy::Pr741).map(Arc::new);
    scenarios.iter().filter_map(older).collect()
}

/// Leaves out what is known to differ, with the reason.
pub fn without_differences(mut jobs: Vec<Job>) -> Vec<Job> {
    for job in jobs.iter_mut().filter(|job| job.missing.is_none()) {
        let older = job.scenario.id.ends_with("@pr741");
        let known = policy_difference(&job.scenario.id).filter(|_| older);
        job.missing = known.map(|row| format!("a companion that does as this one: {}", row.reason));
    }
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_reads_and_every_difference_has_a_reason() {
        let file: File = toml::from_str(TEXT).unwrap();
        assert_eq!(policy_differences(), file.difference);
        assert!(file.difference.iter().all(|row| row.reason.len() > 20));
    }
}
