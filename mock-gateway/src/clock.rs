//! Tokio's clock read as the two clocks of the protocol.

use std::pin::Pin;
use std::time::Duration;

use gateway_protocol::{Now, UnixMillis};
use tokio::time::{Instant, Sleep};

/// Turns tokio's monotonic clock into [`Now`]. Under a paused clock both hands move only when tokio moves them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    epoch: UnixMillis,
}

impl Clock {
    /// A clock that reads zero now and whose wall clock reads `epoch`.
    pub(crate) fn starting_now(epoch: UnixMillis) -> Self {
        Self {
            start: Instant::now(),
            epoch,
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now::at(self.start.elapsed(), self.epoch)
    }

    /// Microseconds since the start, as transcripts count.
    pub(crate) fn micros(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The tokio instant of a deadline that a core gave as time since the start.
    pub(crate) fn instant(&self, since_start: Duration) -> Instant {
        self.start + since_start
    }
}

/// A timer that is set anew only when its deadline changes: the timer wheel is touched once per deadline, not once
/// per turn of a loop.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Waits for a deadline, or for ever when there is none.
    pub(crate) async fn at(&mut self, deadline: Option<Instant>) {
        let Some(deadline) = deadline else {
            return std::future::pending().await;
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().await;
    }
}
