//! A wall clock that is wrong: offset, jump, freeze over a base clock. The monotonic clock is left alone, as it is on
//! a machine whose wall clock is set.

use gateway_protocol::{Now, UnixMillis};
use serde::{Deserialize, Serialize};

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
    /// It is right again.
    Set,
}

/// A wall clock over a base clock.
///
/// ```
/// use std::time::Duration;
/// use gateway_protocol::{Now, UnixMillis};
/// use link::{SkewClock, clock::ClockFault};
/// let mut clock = SkewClock::new();
/// let base = Now::at(Duration::from_secs(1), UnixMillis(0));
/// clock.apply(base, ClockFault::OffsetMs(-400));
/// assert_eq!(clock.read(base).wall, UnixMillis(600));
/// assert_eq!(clock.read(base).since_start, base.since_start);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkewClock {
    offset_ms: i64,
    frozen: Option<UnixMillis>,
}

impl SkewClock {
    /// A clock that is right.
    pub fn new() -> Self {
        Self::default()
    }

    /// What it shows when the base clock shows `base`.
    #[must_use]
    pub fn read(&self, base: Now) -> Now {
        Now {
            since_start: base.since_start,
            wall: self
                .frozen
                .unwrap_or_else(|| base.wall.shifted(self.offset_ms)),
        }
    }

    /// Applies a fault at `base`.
    pub fn apply(&mut self, base: Now, fault: ClockFault) {
        match fault {
            ClockFault::OffsetMs(offset_ms) => self.offset_ms = offset_ms,
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
            ClockFault::Set => *self = Self::new(),
        }
    }

    /// How wrong it is, in milliseconds, at `base`.
    pub fn error_ms(&self, base: Now) -> i64 {
        self.read(base).wall.0.saturating_sub(base.wall.0)
    }
}
