//! Every scenario of the suite in every world it claims: one named test each, `shard/name::world`.
//!
//! Worlds that are not here, and scenarios that would take long in real time, are listed as ignored. The world `wsl` is
//! run by the lane `set-ups`: its wsl.exe is clawproof under another name, and here clawproof is a test program.

mod common;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use scenarios::report::terminal::{Style, explanation};
use scenarios::run::{Job, jobs, result, run_job};
use scenarios::scenario::WorldName;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let suite = common::suite();
    let trials = jobs(&suite, &WorldName::ALL)
        .into_iter()
        .filter(|job| job.world != WorldName::Wsl)
        .map(trial)
        .collect();
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
    if outcome.verdict.is_passed() {
        Ok(())
    } else {
        Err(explanation(&result(&outcome), Style::default()).into())
    }
}
