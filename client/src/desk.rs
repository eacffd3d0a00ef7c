//! Who makes changes durable while the driver goes on: one change at a time, in the order in which they were asked for.
//!
//! A store on a disk may take seconds for a write (a full queue, a sleeping drive, a network share). The driver owns the
//! sockets, so it never waits for that: the store works on a thread for blocking work and comes back with the result. A
//! store in memory answers at once, so that a world with virtual time stays exact.

use std::collections::VecDeque;
use std::future::pending;

use client_core::{Input, StoreOp};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::store::{LoadError, Store};

/// Work for the store.
enum Job {
    Apply(Box<StoreOp>),
    Reread,
}

/// The store, or the work that has it.
pub(crate) struct StoreDesk<S> {
    /// `None` while a thread has it.
    store: Option<S>,
    work: Option<JoinHandle<(S, Vec<Input>)>>,
    waiting: VecDeque<Job>,
}

impl<S: Store> StoreDesk<S> {
    pub(crate) fn new(store: S) -> Self {
        Self {
            store: Some(store),
            work: None,
            waiting: VecDeque::new(),
        }
    }

    /// Makes a change durable; what comes back at once comes back here, the rest from [`Self::next`].
    pub(crate) fn apply(&mut self, op: StoreOp) -> Vec<Input> {
        self.take(Job::Apply(Box::new(op)))
    }

    /// Looks at every identity again, after all changes that were asked for before.
    pub(crate) fn reread(&mut self) -> Vec<Input> {
        self.take(Job::Reread)
    }

    /// What the finished work tells. Cancel safe: a result is not lost.
    pub(crate) async fn next(&mut self) -> Vec<Input> {
        let Some(work) = &mut self.work else {
            return pending().await;
        };
        let done = work.await;
        self.work = None;
        let (store, told) = match done {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                // The store's own bug.
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime goes down, and this task with it.
                Err(_cancelled) => return pending().await,
            },
        };
        self.store = Some(store);
        self.start();
        told
    }

    /// Finishes what was asked for, so that the next client finds it.
    pub(crate) async fn finish(&mut self) {
        while self.work.is_some() {
            self.next().await;
        }
    }

    fn take(&mut self, job: Job) -> Vec<Input> {
        if let Some(store) = self.store.as_mut().filter(|store| !store.may_be_slow()) {
            return job.carry_out(store);
        }
        self.waiting.push_back(job);
        self.start();
        Vec::new()
    }

    fn start(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let Some(mut store) = self.store.take() else {
            return;
        };
        let Some(job) = self.waiting.pop_front() else {
            return;
        };
        self.work = Some(spawn_blocking(move || {
            let told = job.carry_out(&mut store);
            (store, told)
        }));
    }
}

impl Job {
    fn carry_out<S: Store>(self, store: &mut S) -> Vec<Input> {
        match self {
            Self::Apply(op) => {
                let result = store.apply(&op);
                if let Err(error) = &result {
                    tracing::warn!(%error, "failed to make a change durable");
                }
                vec![Input::Stored { op: *op, result }]
            }
            Self::Reread => identities(store).unwrap_or_else(|error| {
                tracing::warn!(%error, "failed to read the data directory again");
                Vec::new()
            }),
        }
    }
}

/// Every identity that is known by its record, its file or its damage.
fn identities<S: Store>(store: &S) -> Result<Vec<Input>, LoadError> {
    let state = store.load()?;
    let mut known: Vec<String> = state
        .registry
        .gateways
        .iter()
        .map(|record| record.id.clone())
        .collect();
    known.extend(state.identities.keys().chain(state.damaged.keys()).cloned());
    known.sort();
    known.dedup();
    let read = |gateway_id: String| {
        let identity = match state.damaged.get(&gateway_id) {
            Some(damage) => Err(damage.clone()),
            None => Ok(state.identities.get(&gateway_id).cloned()),
        };
        Input::IdentityRead {
            gateway_id,
            identity,
        }
    };
    Ok(known.into_iter().map(read).collect())
}
