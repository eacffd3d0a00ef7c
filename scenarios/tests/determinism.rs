//! Equal seeds give equal transcripts, byte for byte, in every world with virtual time.

mod common;

use scenarios::run::{Outcome, run_job};
use scenarios::scenario::WorldName;

/// The first line in which two transcripts differ.
fn difference(one: &Outcome, other: &Outcome) -> String {
    let (one, other) = (
        one.record.transcript.to_jsonl(),
        other.record.transcript.to_jsonl(),
    );
    let lines = one.lines().zip(other.lines()).enumerate();
    match lines.into_iter().find(|(_, (a, b))| a != b) {
        Some((n, (a, b))) => format!("line {}:\n  {a}\n  {b}", n + 1),
        None => format!(
            "{} and {} lines",
            one.lines().count(),
            other.lines().count()
        ),
    }
}

#[test]
fn every_scenario_runs_the_same_twice() {
    let suite = common::suite();
    let virtual_worlds = [WorldName::Core, WorldName::Memory];
    let jobs: Vec<_> = scenarios::run::jobs(&suite, &virtual_worlds);
    assert!(
        jobs.len() > 40,
        "expected the suite, got {} jobs",
        jobs.len()
    );
    let failures = common::in_parallel(&jobs, |job| {
        let one = run_job(job, common::SEED, None);
        let other = run_job(job, common::SEED, None);
        if one.digest() == other.digest() && one.verdict == other.verdict {
            Ok(())
        } else {
            Err(format!(
                "{} differs in {}",
                job.name(),
                difference(&one, &other)
            ))
        }
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn another_seed_gives_other_bytes() {
    let suite = common::suite();
    let jobs = scenarios::run::jobs(&suite, &[WorldName::Memory]);
    // A find of the explorer brings its own seed.
    let speaking = jobs
        .iter()
        .filter(|job| job.scenario.seed.is_none())
        .map(|job| (run_job(job, 7, None), run_job(job, 8, None)));
    let (one, other) = speaking
        .into_iter()
        .find(|(one, _)| one.record.transcript.entries.len() > 10)
        .expect("some scenario talks");
    assert_ne!(one.digest(), other.digest());
}
