//! The gate of a shard: what ran must be what the manifest lists, and all of it must have passed.
//!
//! All rules are always evaluated, so a red shard says everything that is wrong with it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::manifest::Manifest;
use super::report::{Outcome, Report, Trial};
use crate::counts::Counts;

/// Exit codes of `clawproof` after which nothing is known of the client: its gateway, its world or a file is to blame.
const SET_UP_FAILED: [i32; 4] = [1, 20, 21, 22];

/// The exit code of `clawproof` when the run folder was withheld or could not be written.
const NO_FOLDER: i32 = 30;

/// What a run folder must hold.
const ARTIFACTS: [&str; 6] = [
    "run.json",
    "manifest.json",
    "SHA256SUMS",
    "junit.xml",
    "summary.txt",
    "SUMMARY.md",
];

/// Whose fault a problem is; the greatest one gives the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Blame {
    /// A scenario did not pass.
    Scenario,
    /// The run is not the one that was wanted, or shows less than it must.
    Gate,
    /// The harness or what it starts broke, so that nothing is known.
    Harness,
}

impl Blame {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Scenario => 1,
            Self::Gate => 2,
            Self::Harness => 3,
        }
    }
}

/// Why a shard is red.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) blame: Blame,
    pub(super) text: String,
}

/// A run as it ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Ran {
    pub(super) report: Report,
    /// The exit code of the runner; none when it was killed.
    pub(super) code: Option<i32>,
    pub(super) took: Duration,
    /// Where its run folder has to be.
    pub(super) folder: Option<PathBuf>,
}

/// What the gate says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gate {
    pub(super) counts: Counts,
    /// What was skipped, or failed as it was known to: allowed, and told.
    pub(super) warnings: Vec<String>,
    /// Why the shard is red; none when it is green.
    pub(super) problems: Vec<Problem>,
}

impl Gate {
    /// 0 when green, otherwise the code of the worst problem.
    pub(super) fn code(&self) -> u8 {
        let worst = self.problems.iter().map(|problem| problem.blame).max();
        worst.map_or(0, Blame::code)
    }

    fn add(&mut self, blame: Blame, text: impl Into<String>) {
        let text = text.into();
        self.problems.push(Problem { blame, text });
    }

    /// The result for programs.
    pub(super) fn to_json(&self, shard: &str, manifest: &Manifest, ran: &Ran) -> Value {
        json!({
            "shard": shard,
            "verdict": if self.problems.is_empty() { "pass" } else { "fail" },
            "code": self.code(),
            "expected": manifest.trials().len(),
            "reported": ran.report.outcomes.len(),
            "passed": self.counts.passed,
            "failed": self.counts.failed,
            "skipped": self.counts.skipped,
            "tookMs": u64::try_from(ran.took.as_millis()).unwrap_or(u64::MAX),
            "timeLimitSeconds": manifest.time_limit,
            "warnings": self.warnings,
            "problems": self.problems.iter().map(|it| &it.text).collect::<Vec<_>>(),
        })
    }
}

/// Judges a run of `shard` against its manifest. `suite` is what the suite has for it, in the same worlds.
pub(super) fn judge(shard: &str, manifest: &Manifest, suite: &BTreeSet<Trial>, ran: &Ran) -> Gate {
    let mut gate = Gate::default();
    let expected = manifest.trials();
    for trial in expected.difference(suite) {
        let text = format!("{} must run, but the suite does not have it", name(trial));
        gate.add(Blame::Gate, text);
    }
    for trial in suite.difference(&expected) {
        let text = format!(
            "{} is not in the manifest; run `cargo xtask generate`",
            name(trial)
        );
        gate.add(Blame::Gate, text);
    }
    let mut seen = BTreeSet::new();
    for outcome in &ran.report.outcomes {
        let name = name(&outcome.trial);
        if !seen.insert(outcome.trial.clone()) {
            gate.add(Blame::Gate, format!("{name} was reported twice"));
        }
        if !expected.contains(&outcome.trial) && !suite.contains(&outcome.trial) {
            gate.add(Blame::Gate, format!("{name} ran, but nobody lists it"));
        }
        let limit = Duration::from_secs(manifest.scenario_limit);
        if outcome.took > limit {
            let text = format!(
                "{name} took {:.1?}, more than its limit of {limit:?}",
                outcome.took
            );
            gate.add(Blame::Gate, text);
        }
        one(&mut gate, manifest, outcome);
    }
    absent(&mut gate, expected.difference(&seen), ran);
    whole(&mut gate, shard, manifest, ran);
    gate
}

/// One result.
fn one(gate: &mut Gate, manifest: &Manifest, outcome: &Outcome) {
    let name = name(&outcome.trial);
    let is_it =
        |scenario: &str, world: &str| (scenario, world) == (&*outcome.trial.0, &*outcome.trial.1);
    let skip = manifest
        .may_skip
        .iter()
        .find(|row| is_it(&row.scenario, &row.world));
    let known = manifest
        .known_failure
        .iter()
        .find(|row| is_it(&row.scenario, &row.world));
    let why = outcome.why.as_deref().unwrap_or("no reason given");
    match outcome.verdict.as_str() {
        "passed" => {
            gate.counts.passed += 1;
            if skip.is_some() {
                let text = format!(
                    "{name} passed, so it need not be skipped any more; take its [[may_skip]] out"
                );
                gate.add(Blame::Gate, text);
            }
            if known.is_some() {
                let text = format!(
                    "{name} passed, so its failure is no longer known; take its [[known_failure]] out"
                );
                gate.add(Blame::Gate, text);
            }
        }
        "skipped" => {
            gate.counts.skipped += 1;
            skipped(gate, &name, why, skip.map(|row| row.reason.as_str()));
        }
        "failed" if known.is_some() => {
            failed_as_known(gate, &name, outcome, known.map(|row| row.rule.as_str()));
        }
        "broken" => {
            gate.counts.failed += 1;
            gate.add(Blame::Harness, format!("{name} broke: {why}"));
        }
        verdict => {
            gate.counts.failed += 1;
            gate.add(Blame::Scenario, format!("{name} {verdict}: {why}"));
        }
    }
}

fn skipped(gate: &mut Gate, name: &str, why: &str, allowed: Option<&str>) {
    match allowed {
        Some(reason) if why.contains(reason) => {
            gate.warnings.push(format!("{name} was skipped: {why}"));
        }
        Some(reason) => {
            let text = format!("{name} was skipped for another reason than '{reason}': {why}");
            gate.add(Blame::Gate, text);
        }
        None => gate.add(
            Blame::Gate,
            format!("{name} must pass, but was skipped: {why}"),
        ),
    }
}

/// A known failure explains the findings of its rule and nothing else.
fn failed_as_known(gate: &mut Gate, name: &str, outcome: &Outcome, rule: Option<&str>) {
    let rule = rule.unwrap_or_default();
    let others: Vec<&str> = outcome
        .rules
        .iter()
        .map(String::as_str)
        .filter(|it| *it != rule)
        .collect();
    if others.is_empty() {
        // Nothing was shown, so it counts as skipped.
        gate.counts.skipped += 1;
        gate.warnings
            .push(format!("{name} failed as known: {rule}"));
    } else {
        gate.counts.failed += 1;
        let text = format!(
            "{name} failed, and {rule} does not explain {}",
            others.join(", ")
        );
        gate.add(Blame::Scenario, text);
    }
}

/// What has no result: lost on the way, or never begun because what it needs did not start.
fn absent<'a>(gate: &mut Gate, trials: impl Iterator<Item = &'a Trial>, ran: &Ran) {
    let set_up_failed =
        ran.report.outcomes.is_empty() && ran.code.is_some_and(|it| SET_UP_FAILED.contains(&it));
    for trial in trials {
        let name = name(trial);
        if set_up_failed {
            gate.counts.failed += 1;
            let code = ran.code.unwrap_or_default();
            gate.add(
                Blame::Harness,
                format!("{name} failed: the run did not begin, clawproof ended with {code}"),
            );
        } else {
            gate.add(Blame::Gate, format!("{name} must run, but has no result"));
        }
    }
}

/// The run as a whole.
fn whole(gate: &mut Gate, shard: &str, manifest: &Manifest, ran: &Ran) {
    if gate.counts.executed() == 0 {
        gate.add(Blame::Gate, format!("{shard} executed nothing"));
    }
    if !ran.report.finished {
        gate.add(
            Blame::Gate,
            format!("{shard} has no whole report: its last line is missing"),
        );
    }
    for line in &ran.report.unreadable {
        gate.add(
            Blame::Gate,
            format!("{shard} has an unreadable report: {line}"),
        );
    }
    let limit = Duration::from_secs(manifest.time_limit);
    if ran.took > limit {
        gate.add(
            Blame::Gate,
            format!(
                "{shard} took {:.1?}, more than its limit of {limit:?}",
                ran.took
            ),
        );
    }
    if ran.code == Some(NO_FOLDER) {
        gate.add(
            Blame::Gate,
            format!("{shard} left no run folder: it was withheld or could not be written"),
        );
    } else if let Some(folder) = &ran.folder {
        for file in ARTIFACTS.iter().filter(|file| !folder.join(file).is_file()) {
            gate.add(Blame::Gate, format!("{shard} left no {file}"));
        }
    }
    if ran.code != Some(0) && gate.problems.is_empty() && gate.warnings.is_empty() {
        let text = format!(
            "{shard} ended with {:?}, although every result is fine",
            ran.code
        );
        gate.add(Blame::Harness, text);
    }
}

fn name((id, world): &Trial) -> String {
    format!("{id} in {world}")
}
