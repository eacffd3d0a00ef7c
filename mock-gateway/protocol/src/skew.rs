//! Clocks that are wrong: offset, jump and freeze of the wall clock, jump and freeze of the monotonic one.
//!
//! A machine has two clocks. Setting the time moves the wall clock and no deadline. A machine that sleeps stops its
//! monotonic clock, and with it every deadline, while the wall clock of the world goes on; one that counts its sleep
//! sees the monotonic clock jump.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::{Now, UnixMillis};

/// Which clock of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hand {
    /// The one that shows the time of day.
    #[default]
    Wall,
    /// The one that deadlines are counted on.
    Monotonic,
}

/// A fault of a clock: the `clock = { .. }` step of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockFault {
    /// It is wrong by so many milliseconds from here on, instead of by what it was wrong before.
    OffsetMs(i64),
    /// It moves by so many milliseconds, on top of what it was wrong before.
    JumpMs(i64),
    /// It stops.
    Freeze,
    /// It runs again, from where it stopped.
    Thaw,
}

/// A monotonic clock was to go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a monotonic clock never goes back: it was to move by {by_ms} ms, and only 0 and more is allowed"
)]
pub struct GoesBack {
    /// By how much.
    pub by_ms: i64,
}

/// The two clocks of a machine over a base clock that is right.
///
/// ```
/// use std::time::Duration;
/// use gateway_protocol::skew::{ClockFault, Hand, SkewClock};
/// use gateway_protocol::{Now, UnixMillis};
///
/// let mut clock = SkewClock::new();
/// let base = Now::at(Duration::from_secs(1), UnixMillis(0));
/// clock.apply(base, Hand::Wall, ClockFault::OffsetMs(-400))?;
/// assert_eq!(clock.read(base).wall, UnixMillis(600));
/// clock.apply(base, Hand::Monotonic, ClockFault::JumpMs(5_000))?;
/// assert_eq!(clock.read(base).since_start, Duration::from_secs(6));
/// assert_eq!(clock.base_of(Duration::from_secs(9)), Some(Duration::from_secs(4)));
/// # Ok::<(), gateway_protocol::skew::GoesBack>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkewClock {
    offset_ms: i64,
    frozen: Option<UnixMillis>,
    /// Nanoseconds that the monotonic clock is ahead of the base clock.
    lead: i128,
    stopped: Option<Duration>,
}

impl SkewClock {
    /// Clocks that are right.
    pub fn new() -> Self {
        Self::default()
    }

    /// A wall clock that is this far ahead.
    pub fn ahead_by(offset_ms: i64) -> Self {
        Self {
            offset_ms,
            ..Self::default()
        }
    }

    /// What they show when the base clock shows `base`.
    #[must_use]
    pub fn read(&self, base: Now) -> Now {
        Now {
            since_start: self
                .stopped
                .unwrap_or_else(|| shifted(base.since_start, self.lead)),
            wall: self
                .frozen
                .unwrap_or_else(|| base.wall.shifted(self.offset_ms)),
        }
    }

    /// When, on the base clock, a deadline of the monotonic clock comes; never while that stands still.
    pub fn base_of(&self, deadline: Duration) -> Option<Duration> {
        match self.stopped {
            Some(stopped) if deadline > stopped => None,
            Some(_) => Some(Duration::ZERO),
            None => Some(shifted(deadline, -self.lead)),
        }
    }

    /// Applies a fault at `base`.
    ///
    /// # Errors
    /// [`GoesBack`], and the clocks are unchanged.
    pub fn apply(&mut self, base: Now, hand: Hand, fault: ClockFault) -> Result<(), GoesBack> {
        match hand {
            Hand::Wall => {
                self.apply_wall(base, fault);
                Ok(())
            }
            Hand::Monotonic => self.apply_monotonic(base.since_start, fault),
        }
    }

    fn apply_wall(&mut self, base: Now, fault: ClockFault) {
        match fault {
            ClockFault::OffsetMs(offset_ms) => {
                self.offset_ms = offset_ms;
                self.frozen = self.frozen.map(|_| base.wall.shifted(offset_ms));
            }
            ClockFault::JumpMs(by_ms) => {
                self.offset_ms = self.offset_ms.saturating_add(by_ms);
                self.frozen = self.frozen.map(|wall| wall.shifted(by_ms));
            }
            ClockFault::Freeze => self.frozen = Some(self.read(base).wall),
            ClockFault::Thaw => {
                if let Some(wall) = self.frozen.take() {
                    self.offset_ms = wall.0.saturating_sub(base.wall.0);
                }
            }
        }
    }

    fn apply_monotonic(&mut self, base: Duration, fault: ClockFault) -> Result<(), GoesBack> {
        let shown = self.stopped.unwrap_or_else(|| shifted(base, self.lead));
        let moved_to = match fault {
            ClockFault::OffsetMs(ms) => shifted(base, nanos(ms)),
            ClockFault::JumpMs(ms) if ms < 0 => return Err(GoesBack { by_ms: ms }),
            ClockFault::JumpMs(ms) => shifted(shown, nanos(ms)),
            ClockFault::Freeze | ClockFault::Thaw => shown,
        };
        if moved_to < shown {
            let back = shown.abs_diff(moved_to).as_millis();
            let by_ms = -i64::try_from(back).unwrap_or(i64::MAX);
            return Err(GoesBack { by_ms });
        }
        self.lead = signed(moved_to) - signed(base);
        let stands = match fault {
            ClockFault::Freeze => true,
            ClockFault::Thaw => false,
            ClockFault::OffsetMs(_) | ClockFault::JumpMs(_) => self.stopped.is_some(),
        };
        self.stopped = stands.then_some(moved_to);
        Ok(())
    }
}

fn nanos(ms: i64) -> i128 {
    i128::from(ms) * 1_000_000
}

fn signed(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

fn shifted(duration: Duration, by: i128) -> Duration {
    let sum = signed(duration).saturating_add(by).max(0);
    let seconds = u64::try_from(sum / 1_000_000_000).unwrap_or(u64::MAX);
    let rest = u32::try_from(sum % 1_000_000_000).unwrap_or_default();
    Duration::new(seconds, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now::at(Duration::from_secs(seconds), UnixMillis(0))
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_frozen_wall_clock_goes_on_from_where_it_stopped() {
        let mut clock = SkewClock::ahead_by(100);
        clock.apply(at(1), Hand::Wall, ClockFault::Freeze).unwrap();
        assert_eq!(clock.read(at(5)).wall, UnixMillis(1_100));
        assert_eq!(clock.read(at(5)).since_start, seconds(5));
        clock
            .apply(at(5), Hand::Wall, ClockFault::JumpMs(50))
            .unwrap();
        assert_eq!(clock.read(at(6)).wall, UnixMillis(1_150));
        clock.apply(at(6), Hand::Wall, ClockFault::Thaw).unwrap();
        assert_eq!(clock.read(at(7)).wall, UnixMillis(2_150));
    }

    #[test]
    fn a_sleeping_machine_lets_no_deadline_come() {
        let mut clock = SkewClock::new();
        clock
            .apply(at(2), Hand::Monotonic, ClockFault::Freeze)
            .unwrap();
        assert_eq!(clock.read(at(10)).since_start, seconds(2));
        assert_eq!(clock.read(at(10)).wall, UnixMillis(10_000));
        assert_eq!(clock.base_of(seconds(3)), None);
        assert!(
            clock.base_of(seconds(2)).is_some(),
            "it was due when it stopped"
        );
        clock
            .apply(at(10), Hand::Monotonic, ClockFault::Thaw)
            .unwrap();
        assert_eq!(clock.base_of(seconds(3)), Some(seconds(11)));
    }

    #[test]
    fn a_monotonic_clock_never_goes_back() {
        let mut clock = SkewClock::new();
        let back = clock.apply(at(9), Hand::Monotonic, ClockFault::JumpMs(-1));
        assert_eq!(back, Err(GoesBack { by_ms: -1 }));
        clock
            .apply(at(9), Hand::Monotonic, ClockFault::OffsetMs(4_000))
            .unwrap();
        let back = clock.apply(at(9), Hand::Monotonic, ClockFault::OffsetMs(1_000));
        assert_eq!(back, Err(GoesBack { by_ms: -3_000 }));
        assert_eq!(clock.read(at(9)).since_start, seconds(13));
    }
}
