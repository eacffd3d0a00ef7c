//! Ratios that hold on a shared machine: the contenders take turns, a turn that was disturbed does not count, and the
//! time on the processor is shown beside the time on the clock.

use std::time::{Duration, Instant};

/// Turns of each contender.
const TURNS: usize = 400;

/// One contender: its name, and what it does once.
pub(crate) type Contender<'a> = (&'a str, Box<dyn FnMut() + 'a>);

#[derive(Default)]
struct Score {
    wall: Vec<Duration>,
    processor: Duration,
}

/// Lets the contenders take turns of `repeats` each and prints for one repeat: the lowest decile of the wall time, and
/// the processor time of the whole process, both with the rate relative to the first contender. Returns the wall times.
pub(crate) fn race(title: &str, repeats: u32, mut contenders: Vec<Contender<'_>>) -> Vec<Duration> {
    let mut scores: Vec<Score> = contenders.iter().map(|_| Score::default()).collect();
    for _ in 0..TURNS {
        for (score, (_, contender)) in scores.iter_mut().zip(&mut contenders) {
            let (start, processor) = (Instant::now(), processor_time());
            for _ in 0..repeats {
                contender();
            }
            score.wall.push(start.elapsed() / repeats);
            score.processor += processor_time().saturating_sub(processor);
        }
    }
    let mut first = None;
    let mut walls = Vec::new();
    for (score, (name, _)) in scores.iter_mut().zip(&contenders) {
        score.wall.sort_unstable();
        let wall = score.wall.get(TURNS / 10).copied().unwrap_or_default();
        walls.push(wall);
        let processor = score.processor / (repeats * u32::try_from(TURNS).unwrap_or(u32::MAX));
        let (first_wall, first_processor) = *first.get_or_insert((wall, processor));
        eprintln!(
            "{title}: {name}: {wall:?} each, {:.0}/s, {:.0} %; processor {processor:?}, {:.0} %",
            1.0 / wall.as_secs_f64(),
            100.0 * first_wall.as_secs_f64() / wall.as_secs_f64(),
            100.0 * first_processor.as_secs_f64() / processor.as_secs_f64(),
        );
    }
    walls
}

/// The rate of one contender relative to another, in per cent.
pub(crate) fn percent(walls: &[Duration], of: usize, against: usize) -> f64 {
    let wall = |at: usize| walls.get(at).map_or(f64::NAN, Duration::as_secs_f64);
    100.0 * wall(against) / wall(of)
}

/// Time that all threads of this process have spent on a processor; zero where the system does not say.
fn processor_time() -> Duration {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
        return Duration::ZERO;
    };
    let times = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(times.sum::<u64>())
}
