//! Runs a plan on as many threads as the machine has cores; results come in the order of the plan.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use super::conductor::obey;
use super::one::{Outcome, run_job};
use super::plan::Job;

/// How a plan is run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Seed of every run.
    pub seed: u64,
    /// Commit of the harness, for transcript headers.
    pub commit: Option<String>,
    /// Threads; each runs one scenario at a time.
    pub threads: usize,
    /// Set to end what runs and to leave out everything that has not begun.
    pub stop: Arc<AtomicBool>,
}

impl RunOptions {
    /// One thread per core, nothing stops it.
    pub fn new(seed: u64) -> Self {
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            seed,
            commit: None,
            threads,
            stop: Arc::default(),
        }
    }
}

/// Runs every job, tells `done` of each in the order in which they finish, and returns them in the order of the plan.
pub fn run_all(jobs: &[Job], options: &RunOptions, mut done: impl FnMut(&Outcome)) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let mut outcomes: Vec<(usize, Outcome)> = Vec::with_capacity(jobs.len());
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..options.threads.clamp(1, jobs.len().max(1)) {
            let sender = sender.clone();
            let next = &next;
            scope.spawn(move || {
                obey(&options.stop);
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { return };
                    if options.stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let outcome = run_job(job, options.seed, options.commit.as_deref());
                    // A run that was cut short says nothing.
                    if outcome.was_interrupted() || sender.send((index, outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (index, outcome) in receiver {
            done(&outcome);
            outcomes.push((index, outcome));
        }
    });
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}
