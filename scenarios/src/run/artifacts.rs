//! Fills a run folder: one file for the run, one folder for each scenario and world, and reports.
//!
//! | file | content |
//! |---|---|
//! | `run.json` | seed, worlds, verdicts, counts, versions, commit, the command that repeats it |
//! | `scenarios/ID/WORLD/transcript.jsonl` | the redacted record of the wire |
//! | `scenarios/ID/WORLD/verdict.json` | verdict, findings, digest |
//! | `scenarios/ID/WORLD/scenario.toml` `record.json` | what the judge saw besides, so that it can judge again |
//! | `scenarios/ID/WORLD/state.json` | states at the end, credentials as booleans |
//! | `durations.json` | how long each took, for `--durations` |
//! | `scenarios/ID/WORLD/client.log` | what a foreign client printed, redacted |
//! | `junit.xml` `summary.txt` `SUMMARY.md` | for CI, for a terminal, for a pull request |
//! | `manifest.json` `SHA256SUMS` | what `clawproof verify` checks |

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use transcript::canary;

use super::build::VERSION;
use super::durations::{DURATIONS_FILE, Durations};
use super::folder::{FolderError, RunFolder};
use super::one::Outcome;
use crate::judge::Verdict;
use crate::prove::digests;
use crate::prove::manifest::{self, MANIFEST};
use crate::prove::saved::SavedRecord;
use crate::report::terminal::{self, Style};
use crate::report::{Counts, ScenarioResult, junit};

/// What is told of a run as a whole.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// Names the run.
    pub id: String,
    /// Seed of every scenario.
    pub seed: u64,
    /// The command that repeats it.
    pub command: String,
    /// Commit of the harness, if known.
    pub commit: Option<String>,
    /// Whether the work tree had changes, if git can tell.
    pub dirty: Option<bool>,
    /// Wall time of the whole run.
    pub took: Duration,
    /// Whether Ctrl-C ended it early.
    pub interrupted: bool,
    /// The part of the plan that this was, as `--shard` says it.
    pub shard: Option<String>,
    /// Names of every job of the plan, other parts' too.
    pub plan: Vec<String>,
}

/// Results as the reports want them.
pub fn results(outcomes: &[Outcome]) -> Vec<ScenarioResult> {
    outcomes.iter().map(result).collect()
}

/// One result as the reports want it.
pub fn result(outcome: &Outcome) -> ScenarioResult {
    let last_us = outcome
        .record
        .steps
        .iter()
        .map(|step| step.ended_us)
        .max()
        .unwrap_or_default();
    ScenarioResult {
        id: outcome.scenario.id.clone(),
        title: outcome.scenario.title.clone(),
        world: outcome.world.name().to_owned(),
        seed: outcome.seed,
        took: outcome.record.took,
        virtual_time: Duration::from_micros(last_us),
        verdict: outcome.verdict.clone(),
    }
}

/// Writes the run folder `target`: all of it, or nothing.
///
/// # Errors
/// When it can't be written, or when a secret was found in it.
pub fn write_run(
    target: &Path,
    summary: &RunSummary,
    outcomes: &[Outcome],
) -> Result<PathBuf, FolderError> {
    let folder = RunFolder::begin(target)?;
    let results = results(outcomes);
    folder.write(
        "run.json",
        pretty(&run_json(summary, outcomes, &results)).as_bytes(),
    )?;
    for outcome in outcomes {
        let place = format!("scenarios/{}/{}", outcome.scenario.id, outcome.world.name());
        folder.write(
            &format!("{place}/transcript.jsonl"),
            outcome.record.transcript.to_jsonl().as_bytes(),
        )?;
        folder.write(
            &format!("{place}/verdict.json"),
            pretty(&verdict_json(outcome)).as_bytes(),
        )?;
        folder.write(
            &format!("{place}/scenario.toml"),
            scenario_text(outcome).as_bytes(),
        )?;
        let record = SavedRecord::redacted(outcome);
        let state = record.get("views").map(pretty).unwrap_or_default();
        folder.write(&format!("{place}/state.json"), state.as_bytes())?;
        folder.write(&format!("{place}/record.json"), pretty(&record).as_bytes())?;
        if !outcome.record.programs.is_empty() {
            folder.write(
                &format!("{place}/client.log"),
                client_log(outcome).as_bytes(),
            )?;
        }
    }
    folder.write(DURATIONS_FILE, durations(outcomes).to_text().as_bytes())?;
    let junit = junit::xml(&results, summary.took, crate::referee::standing()).unwrap_or_default();
    folder.write("junit.xml", junit.as_bytes())?;
    folder.write("summary.txt", text_summary(summary, &results).as_bytes())?;
    folder.write(
        "SUMMARY.md",
        markdown(summary, outcomes, &results).as_bytes(),
    )?;
    let files = digests::files(folder.staging())
        .map_err(|(path, source)| FolderError::Write { path, source })?;
    let manifest = manifest::of_run(summary, outcomes, &files, 0);
    folder.write(MANIFEST, pretty(&manifest).as_bytes())?;
    // A folder with a finding never leaves, so the manifest may say that there are none.
    scan(&folder, outcomes)?;
    let files = digests::files(folder.staging())
        .map_err(|(path, source)| FolderError::Write { path, source })?;
    folder.write(digests::SUMS, digests::to_text(&files).as_bytes())?;
    folder.commit()
}

/// The file as it was, but for values that were secrets of the run.
fn scenario_text(outcome: &Outcome) -> String {
    outcome
        .redactor()
        .redact_known(&outcome.scenario.source.text)
}

/// No secret of the run may be in any file, in any encoding.
fn scan(folder: &RunFolder, outcomes: &[Outcome]) -> Result<(), FolderError> {
    let mut secrets: Vec<(String, String)> = outcomes
        .iter()
        .flat_map(|outcome| outcome.secrets.iter().cloned())
        .collect();
    secrets.sort();
    secrets.dedup();
    let scanned = canary::scan(folder.staging(), &secrets).map_err(|error| FolderError::Write {
        path: error.path,
        source: error.source,
    })?;
    if scanned.leaks.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = scanned
        .leaks
        .iter()
        .take(5)
        .map(|leak| {
            let file = leak
                .file
                .strip_prefix(folder.staging())
                .unwrap_or(&leak.file);
            format!("{} as {} in {}", leak.kind, leak.encoding, file.display())
        })
        .collect();
    Err(FolderError::Leak {
        leaks: told.join(", "),
    })
}

fn run_json(summary: &RunSummary, outcomes: &[Outcome], results: &[ScenarioResult]) -> Value {
    let counts = Counts::of(results);
    let mut worlds: Vec<&str> = outcomes
        .iter()
        .map(|outcome| outcome.world.name())
        .collect();
    worlds.sort_unstable();
    worlds.dedup();
    json!({
        "format": 1,
        "run": summary.id,
        "seed": summary.seed,
        "worlds": worlds,
        "versions": {
            "clawproof": VERSION,
            "client": client_of(outcomes),
            "profiles": gateway_core::PROFILES,
        },
        "commit": summary.commit,
        "command": summary.command,
        "interrupted": summary.interrupted,
        "shard": summary.shard,
        "plan": summary.plan,
        "took_ms": millis(summary.took),
        "counts": {
            "passed": counts.passed,
            "failed": counts.failed,
            "inconclusive": counts.inconclusive,
            "skipped": counts.skipped,
            "broken": counts.broken,
        },
        "results": outcomes.iter().map(row).collect::<Vec<Value>>(),
    })
}

/// The client under test, as the transcripts name it.
fn client_of(outcomes: &[Outcome]) -> String {
    let named = outcomes
        .iter()
        .find_map(|outcome| outcome.record.transcript.header.client.clone());
    named.unwrap_or_else(|| format!("companion {VERSION}"))
}

fn row(outcome: &Outcome) -> Value {
    json!({
        "scenario": outcome.scenario.id,
        "world": outcome.world.name(),
        "verdict": outcome.verdict.word(),
        "digest": outcome.digest(),
        "took_ms": millis(outcome.record.took),
    })
}

fn durations(outcomes: &[Outcome]) -> Durations {
    Durations::new(outcomes.iter().map(|outcome| {
        let micros = u64::try_from(outcome.record.took.as_micros()).unwrap_or(u64::MAX);
        (outcome.name(), micros)
    }))
}

/// What the processes of a foreign client printed and how they ended, redacted.
fn client_log(outcome: &Outcome) -> String {
    let mut log = String::new();
    for program in &outcome.record.programs {
        let end = match (program.ended_us, program.code, program.signal) {
            (None, ..) => "ended by the script".to_owned(),
            (Some(at), Some(code), _) => format!(
                "exit code {code} at {}",
                terminal::short(Duration::from_micros(at))
            ),
            (Some(at), None, signal) => format!(
                "signal {signal:?} at {}",
                terminal::short(Duration::from_micros(at))
            ),
        };
        let began = terminal::short(Duration::from_micros(program.started_us));
        // Writing to a string does not fail.
        let _fine = writeln!(
            log,
            "== {} of {}, begun at {began}, {end}",
            program.what, program.actor
        );
        for line in &program.output {
            log.push_str(line);
            log.push('\n');
        }
    }
    log
}

fn verdict_json(outcome: &Outcome) -> Value {
    let why = match &outcome.verdict {
        Verdict::Passed | Verdict::Failed(_) => Value::Null,
        Verdict::Inconclusive { why } => why.as_str().into(),
        Verdict::Skipped { missing } => missing.as_str().into(),
        Verdict::Broken { what } => what.as_str().into(),
    };
    json!({
        "scenario": outcome.scenario.id,
        "title": outcome.scenario.title,
        "about": outcome.scenario.about,
        "world": outcome.world.name(),
        "seed": outcome.seed,
        "verdict": outcome.verdict.word(),
        "why": why,
        "findings": outcome.verdict.findings(),
        "digest": outcome.digest(),
        "command": repeat(outcome),
    })
}

/// The shortest command that repeats one outcome.
pub fn repeat(outcome: &Outcome) -> String {
    let gateway = &outcome.record.transcript.header.gateway;
    let release = gateway
        .strip_prefix("real version ")
        .map_or_else(String::new, |release| {
            format!(" --gateway-version {release}")
        });
    let mutant = outcome
        .scenario
        .mutation()
        .map_or_else(String::new, |mutant| format!(" --mutant {mutant}"));
    format!(
        "clawproof run {} --world {}{release}{mutant} --seed {}",
        outcome.scenario.selected(),
        outcome.world.name(),
        outcome.seed
    )
}

fn text_summary(summary: &RunSummary, results: &[ScenarioResult]) -> String {
    let style = Style::default();
    let mut text = String::new();
    for result in results {
        text.push_str(&terminal::line(result, style));
        text.push('\n');
    }
    for result in results
        .iter()
        .filter(|result| !result.verdict.findings().is_empty())
    {
        text.push('\n');
        text.push_str(&terminal::explanation(result, style));
    }
    text.push('\n');
    text.push_str(&terminal::summary(results, summary.took, style));
    // Writing to a string does not fail.
    let _fine = write!(
        text,
        "\nseed {}\nrepeat: {}\n",
        summary.seed, summary.command
    );
    text
}

fn markdown(summary: &RunSummary, outcomes: &[Outcome], results: &[ScenarioResult]) -> String {
    let mut text = format!(
        "# clawproof: {}\n\nSeed {}, against {}.\nRepeat with `{}`.\n\n",
        Counts::of(results).sentence(),
        summary.seed,
        gateways(outcomes),
        summary.command
    );
    text.push_str("| scenario | world | verdict | time |\n|---|---|---|---|\n");
    for result in results {
        // Writing to a string does not fail.
        let _fine = writeln!(
            text,
            "| {} | {} | {} | {} |",
            result.id,
            result.world,
            result.verdict.word(),
            terminal::short(result.took)
        );
    }
    for outcome in outcomes
        .iter()
        .filter(|outcome| !outcome.verdict.is_passed())
    {
        let explained = terminal::explanation(&result(outcome), Style::default());
        let _fine = write!(
            text,
            "\n## {}\n\n```text\n{explained}\n```\n",
            outcome.name()
        );
    }
    text
}

/// What the transcripts say of the gateway.
fn gateways(outcomes: &[Outcome]) -> String {
    let named = outcomes
        .iter()
        .map(|outcome| outcome.record.transcript.header.gateway.as_str());
    let named: BTreeSet<&str> = named
        .filter(|gateway| manifest::gateway_kind(gateway) != "none")
        .collect();
    let told = named
        .into_iter()
        .map(|gateway| match manifest::gateway_kind(gateway) {
            "real" => format!("the real gateway ({gateway})"),
            _ => format!("the mock gateway, a stand-in and not the real one ({gateway})"),
        });
    told.collect::<Vec<_>>().join(" and ")
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
