//! How a world's time runs, and when it counts as settled.

use std::time::Duration;

/// Time that runs by itself needs a moment in which nothing happens to be called settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Paused: a millisecond passes only when every task waits.
    Virtual,
    /// The wall clock's.
    Real,
    /// The wall clock's, with a gateway of somebody else: it takes its time.
    Foreign,
}

impl Pace {
    /// A silence this long counts as settled.
    pub(super) const fn silence(self) -> Duration {
        match self {
            Self::Virtual | Self::Real => SETTLED,
            Self::Foreign => FOREIGN_SETTLED,
        }
    }

    /// Settling is waited for at most this long: traffic may never end.
    pub(super) const fn patience(self) -> Option<Duration> {
        match self {
            Self::Virtual => None,
            Self::Real => Some(SETTLING),
            Self::Foreign => Some(FOREIGN_SETTLING),
        }
    }
}

/// The real gateway answers within tens of milliseconds.
const FOREIGN_SETTLED: Duration = Duration::from_millis(100);
const FOREIGN_SETTLING: Duration = Duration::from_secs(1);

const SETTLED: Duration = Duration::from_millis(1);

const SETTLING: Duration = Duration::from_millis(50);
