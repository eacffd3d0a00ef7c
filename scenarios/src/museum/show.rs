//! One bug on its scenario: the good program, and the one with the bug.

use std::sync::Arc;

use super::exhibits::{Exhibit, Museum, Place};
use crate::judge::Verdict;
use crate::run::{Job, run_job};
use crate::scenario::{Scenario, WorldName};

/// What came of showing a bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The good client passed and the bug was caught by this rule.
    Caught {
        /// Rule of the first finding.
        rule: String,
    },
    /// The scenario passed although the bug was on.
    Survived,
    /// The scenario fails without the bug, so it shows nothing.
    GoodFails {
        /// Why, in words.
        why: String,
    },
    /// There is no such scenario, or it has no world to run in.
    NoScenario,
}

impl Shown {
    /// Whether the bug was caught as it should be.
    pub const fn is_caught(&self) -> bool {
        matches!(self, Self::Caught { .. })
    }
}

impl Museum {
    /// Shows a bug; none when it is out of reach or open.
    pub fn show(exhibit: &Exhibit, suite: &[Arc<Scenario>], seed: u64) -> Option<Shown> {
        let Place::Shown { mutant, scenario } = &exhibit.place else {
            return None;
        };
        Some(show(mutant, scenario, suite, seed))
    }
}

fn show(mutant: &str, id: &str, suite: &[Arc<Scenario>], seed: u64) -> Shown {
    let Some(scenario) = suite.iter().find(|scenario| scenario.id == id) else {
        return Shown::NoScenario;
    };
    let worlds = scenario.worlds();
    let fits = |world: &WorldName| worlds.contains(world);
    let Some(world) = [WorldName::Core, WorldName::Memory].into_iter().find(fits) else {
        return Shown::NoScenario;
    };
    let good = run(Arc::clone(scenario), world, seed);
    if good != Verdict::Passed {
        let findings = good.findings().iter().map(|it| it.summary.clone());
        let why = std::iter::once(good.word().to_owned()).chain(findings);
        return Shown::GoodFails {
            why: why.collect::<Vec<_>>().join("; "),
        };
    }
    let buggy = run(
        Arc::new(Scenario::clone(scenario).with_mutation(mutant)),
        world,
        seed,
    );
    match buggy.findings().first() {
        Some(finding) => Shown::Caught {
            rule: finding.rule.clone(),
        },
        None => Shown::Survived,
    }
}

fn run(scenario: Arc<Scenario>, world: WorldName, seed: u64) -> Verdict {
    let job = Job {
        scenario,
        world,
        missing: None,
        ground: None,
        client: None,
    };
    run_job(&job, seed, None).verdict
}
