//! Every scenario of the suite in every world it claims: one named test each, `shard/name::world`.
//!
//! What does not say which companion it is about is run under pr741 as well, `shard/name@pr741::world`.
//! Worlds that are not here, and scenarios that would take long in real time, are listed as ignored. The world `wsl` is
//! run by the lane `set-ups`: its wsl.exe is clawproof under another name, and here clawproof is a test program.

mod common;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use scenarios::report::terminal::{Style, explanation};
use scenarios::run::{Job, jobs, policy_difference, result, run_job, under_pr741};
use scenarios::scenario::WorldName;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let suite = common::suite();
    // Once more with the companion of pull request 741, in virtual time.
    let older = jobs(&under_pr741(&suite), &[WorldName::Core, WorldName::Memory]);
    let all = jobs(&suite, &WorldName::ALL)
        .into_iter()
        .filter(|job| job.world != WorldName::Wsl);
    let trials = all.chain(older).map(trial).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(job: Job) -> Trial {
    let ignored = job.missing.is_some() || common::is_slow(&job);
    let kind = job.world.name();
    Trial::test(job.name(), move || check(&job))
        .with_ignored_flag(ignored)
        .with_kind(kind)
}

fn check(job: &Job) -> Result<(), Failed> {
    let outcome = run_job(job, common::SEED, None);
    let older = job.scenario.id.ends_with("@pr741");
    if let Some(known) = policy_difference(&job.scenario.id).filter(|_| older) {
        let first = outcome.verdict.findings().first().map(|it| it.rule.clone());
        return if first.as_ref() == Some(&known.rule) {
            Ok(())
        } else {
            Err(format!(
                "scenarios/policy/differences.toml says that this fails by {}, but it says {first:?}; take the row out or say why",
                known.rule
            )
            .into())
        };
    }
    if outcome.verdict.is_passed() {
        Ok(())
    } else {
        Err(explanation(&result(&outcome), Style::default()).into())
    }
}
