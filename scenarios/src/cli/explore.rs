//! `clawproof explore`: drawn flows until one fails, and the find as a scenario file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::library;
use super::print::{fail, out, say};
use super::progress::Progress;
use super::run::write_file;
use super::stop::Interrupt;
use crate::explore::{Find, Hunt, Hunted, hunt};
use crate::referee;
use crate::run::Source;
use crate::scenario::{WorldName, print};

/// Where finds go that were planted, and where nobody has a suite.
const PLANTED: &str = "store/found";

/// Options of `explore`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "Examples:
  clawproof explore                                  3000 flows in the core world
  clawproof explore --seeds 100000..200000           others
  clawproof explore --world memory --seeds 0..500    with the real shells
  clawproof explore --keep-going                     every seed that fails, not only the first
  clawproof explore --mutant reconnect_storm         a bug that must be found

A find ends the search. It is written to scenarios/suite/found as a file that fails by itself, and `clawproof run`
keeps showing it until the client is right.")]
pub struct ExploreArgs {
    /// Seeds of the flows: from A up to, not including, B
    #[arg(long, value_name = "A..B", default_value = "0..3000", value_parser = seeds)]
    pub seeds: std::ops::Range<u64>,
    /// Where they run
    #[arg(long, value_enum, default_value_t = Ground::Core, value_name = "WORLD")]
    pub world: Ground,
    /// A deliberate bug of the built-in client, to see whether it is found
    #[arg(long, value_name = "NAME")]
    pub mutant: Option<String>,
    /// Two flows of three over links that take time, each link its own
    #[arg(long)]
    pub latency: bool,
    /// Go on after a find, list every seed that fails, and shrink the first of each rule
    #[arg(long)]
    pub keep_going: bool,
    /// Folder for the find [default: found/ in the suite; store/found with --mutant]
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    /// Flows that run at the same time [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
}

/// Worlds of the explorer.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The two pure cores in one loop
    Core,
    /// The real server and client over in-memory streams
    Memory,
}

fn seeds(text: &str) -> Result<std::ops::Range<u64>, String> {
    let wrong = || format!("expected A..B with A < B, for example 0..3000, got '{text}'");
    let (first, end) = text.split_once("..").ok_or_else(wrong)?;
    let first: u64 = first.parse().map_err(|_no_number| wrong())?;
    let end: u64 = end.parse().map_err(|_no_number| wrong())?;
    if first < end {
        Ok(first..end)
    } else {
        Err(wrong())
    }
}

pub(super) fn explore(args: &ExploreArgs) -> Exit {
    // What is said is checked by the suite; a search wants speed.
    let _off = referee::choose(referee::Mode::Off);
    if let Some(name) = &args.mutant
        && serde_json::from_value::<client_core::Mutation>(name.as_str().into()).is_err()
    {
        say(format_args!("error: the client has no bug called '{name}'"));
        say("hint: docs/reference/museum.md lists them, for example reconnect_storm");
        return Exit::NothingSelected;
    }
    let stop = Arc::<AtomicBool>::default();
    let interrupt = Interrupt::listen(&stop);
    let mut plan = Hunt {
        seeds: args.seeds.clone(),
        world: match args.world {
            Ground::Core => WorldName::Core,
            Ground::Memory => WorldName::Memory,
        },
        mutation: args.mutant.clone(),
        keeps_going: args.keep_going,
        has_latency: args.latency,
        stop,
        ..Hunt::default()
    };
    let folder = match folder(args) {
        Ok(folder) => folder,
        Err(exit) => return exit,
    };
    // In a suite the folder is the beginning of the id.
    plan.folder = String::from(suite_of(&folder).1);
    if let Some(jobs) = args.jobs {
        plan.threads = usize::from(jobs);
    }
    let many = plan.seeds.end - plan.seeds.start;
    let bar = Progress::new(usize::try_from(many).unwrap_or(usize::MAX), true);
    let hunted = hunt(&plan, |_runs| bar.done("flows"));
    bar.finish();
    say(speed(&hunted, plan.threads));
    if args.keep_going {
        for (seed, failing) in &hunted.failing {
            out(format_args!(
                "{seed}  {}: {}",
                failing.rule, failing.summary
            ));
        }
    }
    let mut exit = Exit::Passed;
    for find in &hunted.finds {
        exit = tell(find, &folder);
    }
    if exit == Exit::Passed && interrupt.came() {
        return Exit::Interrupted;
    }
    if exit == Exit::Passed {
        out(format_args!("{} flows, no find", hunted.runs));
    }
    exit
}

fn speed(hunted: &Hunted, threads: usize) -> String {
    let seconds = hunted.took.as_secs_f64();
    let runs = u32::try_from(hunted.runs).unwrap_or(u32::MAX);
    let rate = f64::from(runs) / seconds.max(f64::MIN_POSITIVE);
    format!("{runs} flows in {seconds:.2} s, {rate:.0} a second on {threads} threads")
}

/// The suite that a folder of finds belongs to, and how the ids of its files begin there.
fn suite_of(folder: &Path) -> (&Path, &'static str) {
    match folder.parent() {
        Some(suite) if folder.ends_with("found") => (suite, "found/"),
        _ => (folder, ""),
    }
}

/// Prints the find and writes its file.
fn tell(find: &Find, folder: &Path) -> Exit {
    let scenario = &find.scenario;
    say(format_args!(
        "found by seed {}: {}: {}",
        find.seed, find.finding.rule, find.finding.summary
    ));
    say(format_args!(
        "shrunk from {} events to {} steps",
        find.drawn,
        scenario.steps.len()
    ));
    let text = match print::to_toml(scenario) {
        Ok(text) => text,
        Err(error) => {
            fail(&error, None);
            return Exit::HarnessBroke;
        }
    };
    let path = folder.join(format!("seed-{}.toml", find.seed));
    // A folder that can't be made shows in the write.
    std::fs::create_dir_all(folder).ok();
    if let Err(error) = write_file(&path, &text) {
        fail(&error, Some("choose another folder with --save"));
        return Exit::ArtifactsNotWritten;
    }
    out(path.display());
    say(format_args!(
        "hint: `clawproof run --suite {} {}` shows it again",
        suite_of(folder).0.display(),
        scenario.id
    ));
    Exit::Failed
}

fn folder(args: &ExploreArgs) -> Result<PathBuf, Exit> {
    if let Some(folder) = &args.save {
        return Ok(folder.clone());
    }
    if args.mutant.is_some() {
        return Ok(PathBuf::from(PLANTED));
    }
    let (source, _) = library::files(None)?;
    Ok(match source {
        Source::Folder(suite) => suite.join("found"),
        Source::Embedded => PathBuf::from(PLANTED),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_seeds_has_a_beginning_before_its_end() {
        assert_eq!(seeds("3..9"), Ok(3..9));
        for wrong in ["9..3", "3..3", "3", "..", "a..b", "-1..2"] {
            assert!(seeds(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }
}
