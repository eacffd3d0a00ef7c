//! `clawproof coverage`: runs the suite and counts what of the protocol it touches.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde_json::json;

use super::args::{MessageFormat, Selection};
use super::exit::Exit;
use super::list::{nothing_selected, selection};
use super::print::{fail, out, say};
use super::progress::Progress;
use super::stop::Interrupt;
use super::{library, run::exit_of, run::write_file};
use crate::coverage::{Coverage, Part, Reasons};
use crate::referee;
use crate::run::{RunOptions, jobs, run_all};
use crate::scenario::WorldName;

/// Options of `coverage`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "Examples:
  clawproof coverage                      the whole suite, in virtual time
  clawproof coverage --holes              with every row that was not touched
  clawproof coverage 'network-recovery/**' --message-format json")]
pub struct CoverageArgs {
    /// Which scenarios.
    #[command(flatten)]
    pub selection: Selection,
    /// List the rows that were not touched
    #[arg(long)]
    pub holes: bool,
    /// Write figures, holes and reasons as a page
    #[arg(long, value_name = "FILE")]
    pub page: Option<std::path::PathBuf>,
    /// Seed of every run
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,
    /// How the figures are printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub message_format: MessageFormat,
}

pub(super) fn coverage(args: &CoverageArgs) -> Exit {
    // The same figures whether the published schema was fetched or not.
    let _off = referee::choose(referee::Mode::Off);
    let scenarios = match library::scenarios(args.selection.suite.as_deref()) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let chosen = match selection(&args.selection, None, None) {
        Ok(selection) => selection.choose(&scenarios),
        Err(exit) => return exit,
    };
    if chosen.is_empty() {
        return nothing_selected(scenarios.len());
    }
    let stop = Arc::<AtomicBool>::default();
    let interrupt = Interrupt::listen(&stop);
    let options = RunOptions {
        stop,
        ..RunOptions::new(args.seed)
    };
    let jobs = jobs(&chosen, &[WorldName::Core, WorldName::Memory]);
    let bar = Progress::new(jobs.len(), true);
    let outcomes = run_all(&jobs, &options, |outcome| bar.done(&outcome.scenario.id));
    bar.finish();
    let mut coverage = Coverage::default();
    for outcome in &outcomes {
        coverage.add(&outcome.record);
    }
    tell(args, &coverage);
    say(format_args!("{} runs", outcomes.len()));
    let exit = exit_of(&outcomes, interrupt.came());
    let whole = args.selection.patterns.is_empty()
        && args.selection.needs.is_empty()
        && args.selection.about.is_none();
    // What a part of the suite does not touch needs no reason.
    let reasons = explained(args, &coverage.parts(), whole);
    if exit == Exit::Passed { reasons } else { exit }
}

/// Every hole of the whole suite has a reason that still holds.
fn explained(args: &CoverageArgs, parts: &[Part], whole: bool) -> Exit {
    let reasons = match Reasons::embedded() {
        Ok(reasons) => reasons,
        Err(error) => {
            fail(&error, None);
            return Exit::InvalidFile;
        }
    };
    if let Some(path) = &args.page
        && let Err(error) = write_file(path, &reasons.page(parts))
    {
        fail(&error, Some("choose another file with --page"));
        return Exit::ArtifactsNotWritten;
    }
    if !whole {
        return Exit::Passed;
    }
    let (open, stale) = (reasons.open(parts), reasons.stale(parts));
    for hole in &open {
        say(format_args!(
            "error: nobody says why this is not touched: {hole}"
        ));
    }
    for row in &stale {
        say(format_args!(
            "error: a reason is given for what is touched or unknown: {row}"
        ));
    }
    if open.is_empty() && stale.is_empty() {
        return Exit::Passed;
    }
    say("hint: scenarios/coverage/reasons.toml holds the reasons");
    Exit::Failed
}

fn tell(args: &CoverageArgs, coverage: &Coverage) {
    for part in coverage.parts() {
        let (name, touched, all) = (part.name, part.touched, part.all);
        if args.message_format == MessageFormat::Json {
            out(json!({"part": name, "touched": touched, "all": all, "holes": part.holes}));
            continue;
        }
        let percent = (touched * 100).checked_div(all).unwrap_or_default();
        out(format_args!(
            "{name:28}{touched:4} of {all:4}  {percent:3} %"
        ));
        if args.holes && !part.holes.is_empty() {
            out(format_args!("    not touched: {}", part.holes.join(", ")));
        }
    }
    for method in coverage.unlisted() {
        out(format_args!("asked for and in no registry: {method}"));
    }
}
