//! Time as a machine is told it. Nothing in a core asks for the time.

use std::time::Duration;

/// Unix time in milliseconds, as the protocol carries it (`ts`, `signedAt`, `…AtMs`).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// This moment moved by `by`; saturates instead of wrapping.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// This moment moved by a signed number of milliseconds; saturates instead of wrapping.
    #[must_use]
    pub fn shifted(self, by_ms: i64) -> Self {
        Self(self.0.saturating_add(by_ms))
    }
}

/// One reading of both clocks: the monotonic one that deadlines use and the wall clock that frames carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Time since the run began; never goes back.
    pub since_start: Duration,
    /// Wall clock; a clock fault may move it either way.
    pub wall: UnixMillis,
}

impl Now {
    /// The reading `since_start` after `epoch`, with both clocks running at the same rate.
    ///
    /// ```
    /// use std::time::Duration;
    /// use gateway_protocol::{Now, UnixMillis};
    /// assert_eq!(Now::at(Duration::from_secs(2), UnixMillis(1_000)).wall, UnixMillis(3_000));
    /// ```
    #[must_use]
    pub fn at(since_start: Duration, epoch: UnixMillis) -> Self {
        Self {
            since_start,
            wall: epoch.plus(since_start),
        }
    }
}

/// Whole milliseconds of a duration, saturating.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The wall clock at the start of every virtual run: 2026-01-01T00:00:00Z.
pub const VIRTUAL_EPOCH: UnixMillis = UnixMillis(1_767_225_600_000);
