//! `clawproof museum`: bugs of the field, each on the scenario that must catch it.

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::args::MessageFormat;
use super::exit::Exit;
use super::library;
use super::print::{fail, out, say};
use crate::museum::{Exhibit, Museum, Place, Shown};
use crate::scenario::Scenario;

/// Options of `museum`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "Examples:
  clawproof museum               the list, nothing is run
  clawproof museum --all         every mutant on its scenario
  clawproof museum 019 58        two of them

A mutant that its scenario does not catch, and a scenario that fails without one, end with exit code 10.")]
pub struct MuseumArgs {
    /// Numbers of bugs to show
    #[arg(value_name = "BUG", conflicts_with = "all")]
    pub bugs: Vec<u16>,
    /// Show every one
    #[arg(long)]
    pub all: bool,
    /// Seed of every run
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,
    /// Folder of scenario files; the repository's suite, or the copy inside this program
    #[arg(long, value_name = "DIR")]
    pub suite: Option<std::path::PathBuf>,
    /// How the list is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub message_format: MessageFormat,
}

/// How many bugs came out how.
#[derive(Default)]
struct Tally {
    caught: usize,
    missed: usize,
    not_run: usize,
    out: usize,
    open: usize,
}

pub(super) fn museum(args: &MuseumArgs) -> Exit {
    let museum = match Museum::embedded() {
        Ok(museum) => museum,
        Err(error) => {
            fail(&error, None);
            return Exit::InvalidFile;
        }
    };
    let last = museum.exhibits().len();
    if let Some(unknown) = args.bugs.iter().find(|it| museum.exhibit(**it).is_none()) {
        say(format_args!("error: there is no bug {unknown:03}"));
        say(format_args!("hint: the museum has bugs 001 to {last:03}"));
        return Exit::NothingSelected;
    }
    let suite = match library::scenarios(args.suite.as_deref()) {
        Ok(suite) => suite,
        Err(exit) => return exit,
    };
    let mut tally = Tally::default();
    for exhibit in museum.exhibits() {
        if args.bugs.is_empty() || args.bugs.contains(&exhibit.number) {
            one(args, exhibit, &suite, &mut tally);
        }
    }
    let Tally {
        caught,
        missed,
        not_run,
        out: away,
        open,
    } = tally;
    say(format_args!(
        "{caught} caught, {missed} not caught, {not_run} not run, {away} out of reach, {open} open"
    ));
    match (caught, missed) {
        (_, 1..) => Exit::Failed,
        (0, 0) if args.all || !args.bugs.is_empty() => Exit::NothingSelected,
        (_, 0) => Exit::Passed,
    }
}

/// Shows one bug, where that was asked for, and prints its line.
fn one(args: &MuseumArgs, exhibit: &Exhibit, suite: &[Arc<Scenario>], tally: &mut Tally) {
    let runs = args.all || !args.bugs.is_empty();
    let shown = runs
        .then(|| Museum::show(exhibit, suite, args.seed))
        .flatten();
    let (word, detail, count) = match (&shown, &exhibit.place) {
        (Some(Shown::Caught { rule }), _) => ("caught", rule.clone(), &mut tally.caught),
        (Some(Shown::Survived), _) => ("SURVIVED", String::new(), &mut tally.missed),
        (Some(Shown::GoodFails { why }), _) => ("GOOD FAILS", why.clone(), &mut tally.missed),
        (Some(Shown::NoScenario), _) => ("NO SCENARIO", String::new(), &mut tally.missed),
        (None, Place::Shown { .. }) => ("not run", String::new(), &mut tally.not_run),
        (None, Place::Out(reason)) => ("out", reason.clone(), &mut tally.out),
        (None, Place::Open) => ("open", String::new(), &mut tally.open),
    };
    *count += 1;
    let (mutant, scenario) = match &exhibit.place {
        Place::Shown { mutant, scenario } => (mutant.as_str(), scenario.as_str()),
        Place::Out(_) | Place::Open => ("", ""),
    };
    if args.message_format == MessageFormat::Json {
        return out(json!({
            "bug": exhibit.number,
            "title": exhibit.title,
            "fault": exhibit.fault.name(),
            "mutant": mutant,
            "scenario": scenario,
            "state": word,
            "detail": detail,
        }));
    }
    let number = exhibit.number;
    let title = &exhibit.title;
    out(format_args!("{number:03}  {word:11}  {title}"));
    if !mutant.is_empty() {
        out(format_args!("{:18}{mutant} on {scenario}  {detail}", ""));
    } else if !detail.is_empty() {
        out(format_args!("{:18}{detail}", ""));
    }
}
