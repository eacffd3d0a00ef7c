//! The client's two clocks: tokio's, which a test may pause, and a wall clock that starts at a fixed epoch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gateway_protocol::skew::GoesBack;
use gateway_protocol::{ClockFault, Hand, Now, SkewClock, UnixMillis};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Reads [`Now`]. Clones share their faults, so that a test can set the clocks under a running client.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// use gateway_client::Clock;
/// use gateway_protocol::{ClockFault, Hand, UnixMillis};
///
/// let clock = Clock::starting_at(UnixMillis(1_000));
/// tokio::time::advance(std::time::Duration::from_secs(2)).await;
/// assert_eq!(clock.now().wall, UnixMillis(3_000));
/// assert!(clock.fault(Hand::Wall, ClockFault::JumpMs(-500)).is_ok());
/// assert_eq!(clock.now().wall, UnixMillis(2_500));
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Clock {
    start: Instant,
    epoch: UnixMillis,
    skew: Arc<Skew>,
}

#[derive(Debug, Default)]
struct Skew {
    clock: Mutex<SkewClock>,
    changed: Notify,
}

impl Skew {
    fn lock(&self) -> MutexGuard<'_, SkewClock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock {
    /// A clock that reads `epoch` at this moment. Asks tokio for the time, so it needs a runtime when time
    /// is paused.
    pub fn starting_at(epoch: UnixMillis) -> Self {
        Self {
            start: Instant::now(),
            epoch,
            skew: Arc::default(),
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
        self.skew.lock().read(self.base())
    }

    /// Sets a clock, as a user who sets the time, or a machine that sleeps.
    ///
    /// # Errors
    /// [`GoesBack`] for a monotonic clock that was to go back.
    pub fn fault(&self, hand: Hand, fault: ClockFault) -> Result<(), GoesBack> {
        self.skew.lock().apply(self.base(), hand, fault)?;
        self.skew.changed.notify_one();
        Ok(())
    }

    /// The moment of a deadline, counted on the monotonic clock; none while that stands still.
    pub(crate) fn at(&self, since_start: Duration) -> Option<Instant> {
        let base = self.skew.lock().base_of(since_start)?;
        Some(self.start + base)
    }

    /// Waits until a clock is set.
    pub(crate) async fn changed(&self) {
        self.skew.changed.notified().await;
    }

    fn base(&self) -> Now {
        Now::at(self.start.elapsed(), self.epoch)
    }
}
