//! `clawproof merge`: the runs of several shards as one.

use super::args::{MergeArgs, MessageFormat};
use super::exit::Exit;
use super::print::{fail, out, say};
use super::run::exit_of_counts;
use crate::run::{Merged, Part, merge as put_together};

pub(super) fn merge(args: &MergeArgs) -> Exit {
    let mut parts = Vec::new();
    for folder in &args.folders {
        match Part::read(folder) {
            Ok(part) => parts.push(part),
            Err(error) => {
                fail(
                    &error,
                    Some(
                        "give the folders that `clawproof run --shard K/N --save DIR` wrote, one for each K",
                    ),
                );
                return Exit::InvalidFile;
            }
        }
    }
    let merged = put_together(&parts);
    if args.message_format == MessageFormat::Json {
        out(json(&merged));
    } else {
        tell(&merged, parts.len());
    }
    if merged.problems.is_empty() {
        exit_of_counts(merged.counts, false)
    } else {
        Exit::PlanNotCovered
    }
}

fn tell(merged: &Merged, parts: usize) {
    for (name, verdict) in &merged.not_passed {
        out(format_args!("{verdict:12}  {name}"));
    }
    for problem in &merged.problems {
        say(format_args!("error: {problem}"));
    }
    if merged.problems.is_empty() {
        say(format_args!(
            "{parts} runs are the whole plan of {}",
            merged.planned
        ));
    } else {
        say(
            "hint: run every part K of N with the same selection, seed, worlds and --durations, and merge exactly those",
        );
    }
    let counts = merged.counts;
    let failed = counts.failed + counts.inconclusive + counts.broken;
    out(format_args!(
        "{} passed, {failed} failed, {} skipped",
        counts.passed, counts.skipped
    ));
}

fn json(merged: &Merged) -> serde_json::Value {
    let counts = merged.counts;
    let not_passed = merged
        .not_passed
        .iter()
        .map(|(name, verdict)| serde_json::json!({"name": name, "verdict": verdict}));
    serde_json::json!({
        "event": "merged",
        "planned": merged.planned,
        "passed": counts.passed,
        "failed": counts.failed,
        "inconclusive": counts.inconclusive,
        "skipped": counts.skipped,
        "broken": counts.broken,
        "notPassed": not_passed.collect::<Vec<_>>(),
        "problems": merged.problems,
    })
}
