//! What clients report and store, seen from outside.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use client_core::{BLOCKED_NODE, BLOCKED_OPERATOR, ClientEvent, DurableState, StoreError, StoreOp};
use gateway_client::{LoadError, MemoryState, MemoryStore, Store};
use gateway_protocol::Role;
use serde_json::Value;

use super::bell::Bell;
use crate::judge::durable::StoreNotes;
use crate::judge::record::{StoreNote, Withheld};

/// Reads the time of the run.
pub(crate) type Watchglass = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Shared by every client of a run.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    notes: Arc<Mutex<Vec<StoreNote>>>,
    withheld: Arc<Mutex<Vec<Withheld>>>,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Vec<StoreNote>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was noted so far, for a world that goes on by itself.
    pub(crate) fn copy(&self) -> Self {
        Self {
            notes: Arc::new(Mutex::new(self.notes())),
            withheld: Arc::new(Mutex::new(self.withheld())),
        }
    }

    /// Every note so far.
    pub(crate) fn notes(&self) -> Vec<StoreNote> {
        self.lock().clone()
    }

    /// Every credential that was kept back so far.
    pub(crate) fn withheld(&self) -> Vec<Withheld> {
        self.lock_withheld().clone()
    }

    /// Hears what a client reports.
    pub(crate) fn hear(&self, actor: &str, now: Duration, event: &ClientEvent) {
        let ClientEvent::Diagnostic { message, .. } = event else {
            return;
        };
        let role = match message.as_str() {
            BLOCKED_OPERATOR => Role::Operator,
            BLOCKED_NODE => Role::Node,
            _ => return,
        };
        self.lock_withheld().push(Withheld {
            actor: actor.to_owned(),
            role,
            t_us: u64::try_from(now.as_micros()).unwrap_or(u64::MAX),
        });
    }

    fn lock_withheld(&self) -> MutexGuard<'_, Vec<Withheld>> {
        self.withheld.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a client begins.
    pub(crate) fn begin(&self, notes: &StoreNotes) {
        self.lock().extend(notes.beginning());
    }
}

/// The disk under a client's store: it refuses as many changes as it was told to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<AtomicU32>);

impl Disk {
    /// The next changes are refused.
    pub(crate) fn fail(&self, changes: u32) {
        self.0.store(changes, Ordering::Relaxed);
    }

    /// A disk of its own that refuses as many.
    pub(crate) fn copy(&self) -> Self {
        Self(Arc::new(AtomicU32::new(self.0.load(Ordering::Relaxed))))
    }

    fn refuses(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

/// A memory store that notes what comes and goes.
pub(crate) struct Witness {
    store: MemoryStore,
    notes: Arc<Mutex<StoreNotes>>,
    ledger: Ledger,
    time: Watchglass,
    bell: Bell,
    disk: Disk,
}

impl Witness {
    /// A store over `state`.
    pub(crate) fn new(
        state: MemoryState,
        notes: Arc<Mutex<StoreNotes>>,
        ledger: Ledger,
        time: Watchglass,
        bell: Bell,
        disk: Disk,
    ) -> Self {
        Self {
            store: MemoryStore::over(state),
            notes,
            ledger,
            time,
            bell,
            disk,
        }
    }
}

impl Store for Witness {
    fn apply(&mut self, op: &StoreOp) -> Result<(), StoreError> {
        if self.disk.refuses() {
            return Err(StoreError::Write("the disk is full".to_owned()));
        }
        let result = self.store.apply(op);
        if result.is_ok() {
            let t_us = u64::try_from((self.time)().as_micros()).unwrap_or(u64::MAX);
            let notes = self
                .notes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .of(t_us, op);
            self.ledger.lock().extend(notes);
            self.bell.ring();
        }
        result
    }

    fn load(&self) -> Result<DurableState, LoadError> {
        self.store.load()
    }
}

/// What one client or set-up has said, oldest first. Most of it is never asked for, and not made JSON of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reports {
    events: Arc<Mutex<Vec<Report>>>,
}

#[derive(Clone, Debug)]
enum Report {
    Said(Arc<ClientEvent>),
    Json(Value),
}

impl Report {
    fn json(&mut self) -> Value {
        if let Self::Said(event) = self {
            *self = Self::Json(serde_json::to_value(event).unwrap_or_default());
        }
        match self {
            Self::Json(value) => value.clone(),
            Self::Said(_) => Value::Null,
        }
    }
}

impl Reports {
    fn lock(&self) -> MutexGuard<'_, Vec<Report>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more.
    pub(crate) fn push(&self, event: ClientEvent) {
        self.lock().push(Report::Said(Arc::new(event)));
    }

    /// One more of somebody who is no client.
    pub(crate) fn push_value(&self, event: Value) {
        self.lock().push(Report::Json(event));
    }

    /// What was said so far, for a world that goes on by itself.
    pub(crate) fn copy(&self) -> Self {
        Self {
            events: Arc::new(Mutex::new(self.lock().clone())),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Value> {
        self.lock().iter_mut().map(Report::json).collect()
    }
}
