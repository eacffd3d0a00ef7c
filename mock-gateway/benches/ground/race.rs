//! Ratios that hold on a shared machine: the contenders take turns, and a turn that was disturbed does not count.

use std::time::{Duration, Instant};

/// Turns of each contender.
const TURNS: usize = 60;

/// One contender: its name, and what it does once.
pub(crate) type Contender<'a> = (&'a str, Box<dyn FnMut() + 'a>);

/// Lets the contenders take turns of `repeats` each and prints the time of one repeat, as the lower quartile of the
/// turns, with the rate relative to the first contender.
pub(crate) fn race(title: &str, repeats: u32, mut contenders: Vec<Contender<'_>>) {
    let mut turns: Vec<Vec<Duration>> = contenders.iter().map(|_| Vec::new()).collect();
    for _ in 0..TURNS {
        for (taken, (_, contender)) in turns.iter_mut().zip(&mut contenders) {
            let start = Instant::now();
            for _ in 0..repeats {
                contender();
            }
            taken.push(start.elapsed() / repeats);
        }
    }
    let mut first = None;
    for (taken, (name, _)) in turns.iter_mut().zip(&contenders) {
        taken.sort_unstable();
        let quartile = taken.get(TURNS / 4).copied().unwrap_or_default();
        let first = *first.get_or_insert(quartile);
        let ratio = 100.0 * first.as_secs_f64() / quartile.as_secs_f64();
        eprintln!(
            "{title}: {name}: {quartile:?} each, {:.0}/s, {ratio:.0} % of the first",
            1.0 / quartile.as_secs_f64()
        );
    }
}
