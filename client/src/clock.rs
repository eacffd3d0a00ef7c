//! The client's two clocks: tokio's, which a test may pause, and a wall clock that starts at a fixed epoch.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gateway_protocol::{Now, UnixMillis};
use tokio::time::Instant;

/// Reads [`Now`]. Clones share the wall clock's offset, so that a test can shift it under a running client.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// use gateway_client::Clock;
/// use gateway_protocol::UnixMillis;
///
/// let clock = Clock::starting_at(UnixMillis(1_000));
/// tokio::time::advance(std::time::Duration::from_secs(2)).await;
/// assert_eq!(clock.now().wall, UnixMillis(3_000));
/// clock.shift_wall(-500);
/// assert_eq!(clock.now().wall, UnixMillis(2_500));
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Clock {
    start: Instant,
    epoch: UnixMillis,
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    /// A clock that reads `epoch` at this moment. Asks tokio for the time, so it needs a runtime when time
    /// is paused.
    pub fn starting_at(epoch: UnixMillis) -> Self {
        Self {
            start: Instant::now(),
            epoch,
            offset_ms: Arc::default(),
        }
    }

    /// The computer's wall clock, read once.
    pub fn system() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self::starting_at(UnixMillis(0).plus(since_epoch))
    }

    /// Both clocks at this moment.
    pub fn now(&self) -> Now {
        let mut now = Now::at(self.start.elapsed(), self.epoch);
        now.wall = now.wall.shifted(self.offset_ms.load(Ordering::Relaxed));
        now
    }

    /// Moves the wall clock by this many milliseconds, as a user who sets the time. Deadlines stay.
    pub fn shift_wall(&self, by_ms: i64) {
        self.offset_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// The moment that lies `since_start` after the clock's start.
    pub(crate) fn at(&self, since_start: Duration) -> Instant {
        self.start + since_start
    }
}
