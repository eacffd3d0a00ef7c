//! `clawproof matrix`: every combination of credentials, and how the companion ends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::args::MessageFormat;
use super::exit::Exit;
use super::print::{out, say};
use super::progress::Progress;
use super::stop::Interrupt;
use crate::matrix::{Cell, CellVerdict, cells, judge_cell};
use crate::referee;

/// Options of `matrix`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "Examples:
  clawproof matrix                          every cell, and how many end in which state
  clawproof matrix --message-format json    one line a cell

A cell fails when an invariant breaks, when the companion ends in no named state, when a good token is lost, and when a
stronger credential follows a refused one to an address that proves nothing.")]
pub struct MatrixArgs {
    /// Seed of every run
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,
    /// How the cells are printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub message_format: MessageFormat,
}

pub(super) fn matrix(args: &MatrixArgs) -> Exit {
    // What is said is checked by the suite; a search wants speed.
    let _off = referee::choose(referee::Mode::Off);
    let began = Instant::now();
    let cells = cells();
    let stop = Arc::<AtomicBool>::default();
    let interrupt = Interrupt::listen(&stop);
    let bar = Progress::new(cells.len(), true);
    let verdicts = run(&cells, args.seed, &stop, &bar);
    bar.finish();
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failed = 0_usize;
    for (cell, verdict) in &verdicts {
        *states.entry(&verdict.state).or_default() += 1;
        failed += usize::from(!verdict.problems.is_empty());
        if args.message_format == MessageFormat::Json {
            let cell = cell.to_string();
            out(json!({"cell": cell, "state": verdict.state, "problems": verdict.problems}));
        } else {
            for problem in &verdict.problems {
                out(format_args!("{cell}\n    {problem}"));
            }
        }
    }
    if args.message_format == MessageFormat::Human {
        for (state, count) in &states {
            out(format_args!("{count:6}  {state}"));
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    say(format_args!(
        "{} of {} cells in {seconds:.1} s, {failed} failed",
        verdicts.len(),
        cells.len()
    ));
    if interrupt.came() {
        Exit::Interrupted
    } else if failed > 0 {
        Exit::Failed
    } else {
        Exit::Passed
    }
}

/// Every cell's verdict, in the order of the cells; fewer when stopped.
fn run<'a>(
    cells: &'a [Cell],
    seed: u64,
    stop: &AtomicBool,
    bar: &Progress,
) -> Vec<(&'a Cell, CellVerdict)> {
    let next = AtomicUsize::new(0);
    let done: Mutex<BTreeMap<usize, (&Cell, CellVerdict)>> = Mutex::default();
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(cell) = cells.get(index) else { return };
                    let verdict = judge_cell(cell, seed);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.insert(index, (cell, verdict));
                    bar.done("cells");
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.into_values().collect()
}
