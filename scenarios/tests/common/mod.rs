//! What the integration tests share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "each test binary uses its own part, and a helper that can't help fails the test"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use scenarios::run::{Job, Source};
use scenarios::scenario::{Scenario, WorldName, parse};

/// The seed of every test run, so that a failure is the same everywhere.
pub const SEED: u64 = 7;

/// A scenario that needs more than this much real time is left to the virtual worlds.
const PATIENCE: Duration = Duration::from_secs(12);

/// The whole suite.
pub fn suite() -> Vec<Arc<Scenario>> {
    let source =
        Source::find(None, Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the suite is there");
    let files = source.files().expect("the suite can be read");
    files
        .into_iter()
        .map(|file| match parse(&file.id, &file.text) {
            Ok(scenario) => Arc::new(scenario),
            Err(problems) => panic!("{}", problems.render(false)),
        })
        .collect()
}

/// Whether a job would keep a person waiting.
pub fn is_slow(job: &Job) -> bool {
    job.world == WorldName::Loopback && job.scenario.floor() > PATIENCE
}

/// A job for one scenario in one world.
pub fn job(scenario: &Arc<Scenario>, world: WorldName) -> Job {
    Job {
        scenario: Arc::clone(scenario),
        world,
        missing: None,
        ground: None,
        client: None,
    }
}

/// A scenario from its text.
pub fn scenario(id: &str, text: &str) -> Arc<Scenario> {
    match parse(id, text) {
        Ok(scenario) => Arc::new(scenario),
        Err(problems) => panic!("{}", problems.render(false)),
    }
}

/// Runs `check` for every item on all cores; returns what failed, in order.
pub fn in_parallel<T: Sync>(
    items: &[T],
    check: impl Fn(&T) -> Result<(), String> + Sync,
) -> Vec<String> {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let next = AtomicUsize::new(0);
    let failures: Mutex<Vec<(usize, String)>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((index, item)) =
                    items.get(next.fetch_add(1, Ordering::Relaxed)).map(|item| {
                        let index = items
                            .iter()
                            .position(|other| std::ptr::eq(other, item))
                            .unwrap_or_default();
                        (index, item)
                    })
                {
                    if let Err(failure) = check(item) {
                        failures
                            .lock()
                            .expect("no check panics")
                            .push((index, failure));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("no check panics");
    failures.sort();
    failures.into_iter().map(|(_, failure)| failure).collect()
}
