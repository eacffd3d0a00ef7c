//! What ends a run before its end: Ctrl-C and the time limit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::print::say;
use crate::interrupt;
use crate::report::terminal;

/// Ends the run like Ctrl-C when it takes longer than it may. What is given back is dropped when the run is over.
pub(super) fn end_after(limit: Duration, stop: &Arc<AtomicBool>) -> mpsc::Sender<()> {
    let (over, waits) = mpsc::channel();
    let stop = Arc::clone(stop);
    let watch = std::thread::Builder::new().name("time limit".to_owned());
    let spawned = watch.spawn(move || {
        let is_late = waits.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
        if is_late && !stop.swap(true, Ordering::Relaxed) {
            say(format_args!(
                "the time limit of {} is over",
                terminal::short(limit)
            ));
        }
    });
    if let Err(error) = spawned {
        tracing::debug!(%error, "the run has no time limit");
    }
    over
}

/// Ctrl-C: what runs is ended, nothing else begins, what was finished is reported.
pub(super) struct Interrupt {
    came: Arc<AtomicBool>,
}

impl Interrupt {
    pub(super) fn listen(stop: &Arc<AtomicBool>) -> Self {
        let (came, stop) = (Arc::clone(stop), Arc::clone(stop));
        let (ready, listens) = mpsc::channel();
        let waiting = std::thread::Builder::new()
            .name("interrupt".to_owned())
            .spawn(move || wait_for_interrupt(&stop, &ready));
        // Nothing begins before it is heard: a run that is ended in its first moment reports, too.
        let heard = waiting.and_then(|_thread| listens.recv().map_err(std::io::Error::other));
        if let Err(error) = heard.flatten() {
            tracing::debug!(%error, "Ctrl-C ends the program at once");
        }
        Self { came }
    }

    pub(super) fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }
}

fn wait_for_interrupt(stop: &AtomicBool, ready: &mpsc::Sender<std::io::Result<()>>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    let waited = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let wish = interrupt::listen()?;
            ready.send(Ok(())).ok();
            wish.await;
            Ok(())
        })
    });
    match waited {
        Ok(()) => {
            stop.store(true, Ordering::Relaxed);
            say("interrupted: reporting what is finished");
        }
        Err(error) => {
            ready.send(Err(error)).ok();
        }
    }
}
