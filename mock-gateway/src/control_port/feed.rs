//! What happened on the wire, redacted, for those who follow it while it grows.
//!
//! Redacting costs time on every message, so the feed begins when somebody first asks for it; what was recorded before
//! is caught up on then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value;
use tokio::sync::watch;
use transcript::{Entry, Recorder};

/// Entries kept for those who come later or fall behind; about 20 MB of ordinary traffic.
const KEPT: usize = 20_000;

/// Shared by all who follow.
#[derive(Clone)]
pub(crate) struct Feed {
    recorder: Recorder,
    shared: Arc<OnceLock<Arc<Shared>>>,
}

struct Shared {
    entries: Mutex<BTreeMap<u64, Arc<Value>>>,
    newest: watch::Sender<u64>,
}

impl Feed {
    /// A feed that has not begun.
    pub(crate) fn new(recorder: Recorder) -> Self {
        Self {
            recorder,
            shared: Arc::default(),
        }
    }

    /// Entries after number `n`, oldest first, at most `at_most`.
    pub(crate) fn since(&self, n: u64, at_most: usize) -> Vec<(u64, Arc<Value>)> {
        let shared = self.begun();
        let entries = lock(&shared.entries);
        entries
            .range(n.saturating_add(1)..)
            .take(at_most)
            .map(|(n, entry)| (*n, Arc::clone(entry)))
            .collect()
    }

    /// Number of the newest entry, as it changes.
    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.begun().newest.subscribe()
    }

    fn begun(&self) -> &Shared {
        self.shared.get_or_init(|| {
            let shared = Arc::new(Shared {
                entries: Mutex::default(),
                newest: watch::Sender::new(0),
            });
            let taker = Arc::clone(&shared);
            self.recorder
                .on_record(Box::new(move |entry| taker.take(entry)));
            for entry in self.recorder.entries_since(0) {
                shared.take(&entry);
            }
            shared
        })
    }
}

impl Shared {
    fn take(&self, entry: &Entry) {
        let Ok(value) = serde_json::to_value(entry) else {
            return;
        };
        let mut entries = lock(&self.entries);
        entries.entry(entry.n).or_insert_with(|| Arc::new(value));
        while entries.len() > KEPT {
            entries.pop_first();
        }
        drop(entries);
        self.newest.send_if_modified(|newest| {
            let grows = entry.n > *newest;
            *newest = entry.n.max(*newest);
            grows
        });
    }
}

/// The map is whole after every call, so a panic elsewhere leaves it usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
