//! `clawproof cutpoints`: one scenario, cut at every frame boundary, and which cuts strand its companion.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use clap::Args;
use serde_json::json;

use super::args::MessageFormat;
use super::exit::Exit;
use super::library;
use super::print::{fail, out, say};
use super::progress::Progress;
use super::stop::Interrupt;
use crate::cutpoints::{CutPlan, CutVerdict};
use crate::referee;

/// Options of `cutpoints`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "Examples:
  clawproof cutpoints setup-connect/setup-code-on-a-paired-companion
  clawproof cutpoints setup-connect/start/shared-token-only --message-format json

At every frame boundary, in both directions: reset, fin, half-open, stall, duplicate. Afterwards every fault has ended
and the user asks once for a new connection; a companion that does not end as without the cut is stranded.")]
pub struct CutpointsArgs {
    /// The scenario; it must run in the core world
    #[arg(value_name = "ID")]
    pub id: String,
    /// Seed of every run
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,
    /// Folder of scenario files; the repository's suite, or the copy inside this program
    #[arg(long, value_name = "DIR")]
    pub suite: Option<std::path::PathBuf>,
    /// How the cuts are printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub message_format: MessageFormat,
}

pub(super) fn cutpoints(args: &CutpointsArgs) -> Exit {
    // What is said is checked by the suite; a search wants speed.
    let _off = referee::choose(referee::Mode::Off);
    let scenarios = match library::scenarios(args.suite.as_deref()) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let Some(scenario) = scenarios.iter().find(|it| it.id == args.id) else {
        say(format_args!("error: no scenario is called '{}'", args.id));
        say("hint: `clawproof list` shows them all");
        return Exit::NothingSelected;
    };
    let plan = match CutPlan::new(scenario, args.seed) {
        Ok(plan) => plan,
        Err(error) => {
            fail(&error, Some("choose one that passes in --world core"));
            return Exit::Inconclusive;
        }
    };
    let stop = Arc::<AtomicBool>::default();
    let interrupt = Interrupt::listen(&stop);
    let bar = Progress::new(plan.cuts.len(), true);
    let verdicts = run(&plan, &stop, &bar);
    bar.finish();
    let (mut stranded, mut breaks) = (0_usize, 0_usize);
    for (index, verdict) in &verdicts {
        let Some(cut) = plan.cuts.get(*index) else {
            continue;
        };
        let (word, how) = match verdict {
            CutVerdict::Heals => ("heals", ""),
            CutVerdict::Stranded { how } => {
                stranded += 1;
                ("STRANDED", how.as_str())
            }
            CutVerdict::Breaks { how } => {
                breaks += 1;
                ("BREAKS", how.as_str())
            }
        };
        if args.message_format == MessageFormat::Json {
            out(json!({"cut": cut.to_string(), "verdict": word, "how": how}));
        } else if !how.is_empty() {
            out(format_args!("{word:9} {cut}\n          {how}"));
        }
    }
    let (done, all) = (verdicts.len(), plan.cuts.len());
    let heals = done - stranded - breaks;
    say(format_args!(
        "{done} of {all} cuts: {heals} heal, {stranded} strand the pairing, {breaks} break an invariant"
    ));
    if interrupt.came() {
        Exit::Interrupted
    } else if stranded + breaks > 0 {
        Exit::Failed
    } else {
        Exit::Passed
    }
}

/// Every cut's verdict, by its place in the plan; fewer when stopped.
fn run(plan: &CutPlan, stop: &AtomicBool, bar: &Progress) -> BTreeMap<usize, CutVerdict> {
    let next = AtomicUsize::new(0);
    let done: Mutex<BTreeMap<usize, CutVerdict>> = Mutex::default();
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(cut) = plan.cuts.get(index) else {
                        return;
                    };
                    let verdict = plan.judge(cut);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.insert(index, verdict);
                    bar.done("cuts");
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}
