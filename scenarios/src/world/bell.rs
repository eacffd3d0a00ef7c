//! Something has changed: the one signal that a conductor waits on.
//!
//! A bell counts its strokes, so that one that came before the wait began is not lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Cheap to clone; all clones are one bell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    strokes: AtomicU64,
    notify: Notify,
}

impl Bell {
    /// Something has changed.
    pub(crate) fn ring(&self) {
        self.inner.strokes.fetch_add(1, Ordering::Release);
        self.inner.notify.notify_waiters();
    }

    /// How often it has rung.
    pub(crate) fn strokes(&self) -> u64 {
        self.inner.strokes.load(Ordering::Acquire)
    }

    /// Waits until it has rung more often than `heard`.
    pub(crate) async fn after(&self, heard: u64) {
        loop {
            let notified = self.inner.notify.notified();
            tokio::pin!(notified);
            // Enlist before the check: a stroke in between wakes us.
            notified.as_mut().enable();
            if self.strokes() > heard {
                return;
            }
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stroke_before_the_wait_is_heard() {
        let bell = Bell::default();
        let heard = bell.strokes();
        bell.ring();
        bell.after(heard).await;
        let waited = tokio::time::timeout(
            std::time::Duration::from_secs(1),
            bell.after(bell.strokes()),
        )
        .await;
        assert!(waited.is_err(), "nobody rang");
    }
}
