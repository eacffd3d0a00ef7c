//! When the next attempt may start: the delay table, its jitter and the attempt counter. ref: client-behaviour.md §7.1

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

/// Delays before attempt 1, 2, … in milliseconds; the last one repeats.
pub const DELAYS_MS: [u64; 7] = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 60_000];

/// Counts attempts since the last hello-ok.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    attempts: usize,
}

impl Backoff {
    /// The delay before the next attempt: the table's entry plus a jitter in [0, 25 %) of it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use client_core::backoff::Backoff;
    /// use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
    /// let mut rng = ChaCha8Rng::seed_from_u64(7);
    /// let first = Backoff::default().next_delay(&mut rng);
    /// assert!(first >= Duration::from_secs(1) && first < Duration::from_millis(1_250));
    /// ```
    pub fn next_delay(&mut self, rng: &mut ChaCha8Rng) -> Duration {
        let last = DELAYS_MS.len() - 1;
        let base = DELAYS_MS
            .get(self.attempts.min(last))
            .copied()
            .unwrap_or(60_000);
        self.attempts = self.attempts.saturating_add(1);
        Duration::from_millis(base) + jitter(base, rng)
    }

    /// Starts over. Only a hello-ok may do this, never an open socket: a gateway that accepts and then rejects must
    /// see growing gaps.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Attempts since the last hello-ok.
    pub fn attempts(&self) -> usize {
        self.attempts
    }
}

fn jitter(base_ms: u64, rng: &mut ChaCha8Rng) -> Duration {
    // Microseconds, so that the jitter is fine even for the shortest delay.
    let span_us = base_ms * 250;
    Duration::from_micros(rng.next_u64() % span_us)
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng as _;
    use rstest::rstest;

    use super::*;

    #[rstest]
    fn delays_follow_the_table_and_stay_below_a_quarter_more(#[values(0, 1, 7, 99)] seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut backoff = Backoff::default();
        for base in DELAYS_MS.iter().chain([&60_000, &60_000]) {
            let delay = backoff.next_delay(&mut rng);
            assert!(
                delay >= Duration::from_millis(*base),
                "{delay:?} under {base} ms"
            );
            assert!(
                delay < Duration::from_millis(base + base / 4),
                "{delay:?} over {base} ms + 25 %"
            );
        }
    }

    #[test]
    fn only_a_reset_starts_over() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut backoff = Backoff::default();
        let _ = (backoff.next_delay(&mut rng), backoff.next_delay(&mut rng));
        assert_eq!(backoff.attempts(), 2);
        backoff.reset();
        assert!(backoff.next_delay(&mut rng) < Duration::from_millis(1_250));
    }

    #[test]
    fn the_same_seed_gives_the_same_delays() {
        let draw = || {
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            let mut backoff = Backoff::default();
            (0..9)
                .map(|_| backoff.next_delay(&mut rng))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw());
    }
}
