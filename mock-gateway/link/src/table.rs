//! Which faults are active on which connections of one gateway. Shared by its listener, its sockets and the runner.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::fault::{FaultName, StreamEffect};
use crate::spec::{ConnSelector, FaultSpec};
use crate::stream::StreamControl;

/// Names one installed fault. Never reused within a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub u64);

impl FaultId {
    /// No fault has this id.
    pub(crate) const NONE: Self = Self(0);
}

/// What to heal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealTarget {
    /// One installed fault.
    Id(FaultId),
    /// Every fault of this name.
    Name(FaultName),
    /// Every fault.
    All,
}

impl From<FaultId> for HealTarget {
    fn from(id: FaultId) -> Self {
        Self::Id(id)
    }
}

impl From<FaultName> for HealTarget {
    fn from(name: FaultName) -> Self {
        Self::Name(name)
    }
}

/// What becomes of a connection that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admission {
    /// It is served.
    Accept,
    /// It is upgraded, then nothing passes. The shell serves it as usual: the wire and the stream keep silent.
    UpgradeThenSilence,
    /// Nothing passes from its first byte on. The shell serves it as usual: its stream, once attached, is stalled.
    Hold,
    /// It is reset at once. The shell calls [`StreamControl::reset`] and drops it.
    Refuse,
}

/// Something that listens, told when it must stop listening and when it may again. Called with the table locked.
pub(crate) trait Gate: Send + Sync {
    fn set_refusing(&self, is_refusing: bool);
}

/// The faults of one gateway. Cloning shares the table.
#[derive(Clone)]
pub struct FaultTable(Arc<Shared>);

struct Shared {
    generation: AtomicU64,
    changed: watch::Sender<u64>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    last_conn: u32,
    /// Connections up to this number have been counted by `Next` selectors.
    seen_conn: u32,
    faults: Vec<Installed>,
    live: BTreeMap<u32, Live>,
    is_down: bool,
    gates: Vec<Weak<dyn Gate>>,
    /// Whoever connects says when it was refused.
    counts_refusals: bool,
    /// How long messages take, link by link.
    latencies: Vec<Duration>,
}

struct Installed {
    id: FaultId,
    spec: FaultSpec,
    /// How many more connections a `Next` selector takes.
    next_left: u32,
    /// Connections that a `Next` or `Current` selector took.
    taken: BTreeSet<u32>,
    /// Connections on which a message has begun it.
    triggered: BTreeSet<u32>,
    /// Connections on which its time is over.
    over: BTreeSet<u32>,
}

#[derive(Default)]
struct Live {
    control: Option<StreamControl>,
    is_upgraded: bool,
    /// Its driver has gone, but a black hole still hides that from the client.
    is_gone: bool,
}

/// An installed fault; dropping it heals.
#[derive(Debug)]
#[must_use = "a fault heals when its guard goes"]
pub struct FaultGuard {
    table: FaultTable,
    id: FaultId,
}

impl FaultGuard {
    /// The fault.
    pub fn id(&self) -> FaultId {
        self.id
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        // Healed already is as good.
        self.table.heal(self.id);
    }
}

impl Default for FaultTable {
    fn default() -> Self {
        Self::new()
    }
}

impl FaultTable {
    /// A table without faults.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            generation: AtomicU64::new(0),
            changed: watch::Sender::new(0),
            state: Mutex::default(),
        }))
    }

    /// Gives every link a latency of its own, both ways: connection 1 the first of these, and from the first again after
    /// the last.
    pub fn set_latencies(&self, latencies: Vec<Duration>) {
        self.lock().latencies = latencies;
    }

    /// How long a message takes on this connection when nothing disturbs it.
    pub fn latency(&self, conn: u32) -> Duration {
        let state = self.lock();
        let index = usize::try_from(conn.saturating_sub(1)).unwrap_or_default();
        let turn = index.checked_rem(state.latencies.len());
        turn.and_then(|turn| state.latencies.get(turn).copied())
            .unwrap_or_default()
    }

    /// Starts a fault. It takes effect on connections, listeners and sockets before this returns, as far as they
    /// need no driver; drivers are woken.
    pub fn install(&self, spec: FaultSpec) -> FaultId {
        let mut state = self.lock();
        state.last_id += 1;
        let id = FaultId(state.last_id);
        let (next_left, taken) = match spec.selected() {
            ConnSelector::Next(count) => (*count, BTreeSet::new()),
            ConnSelector::Current => (0, state.current()),
            ConnSelector::Usual
            | ConnSelector::All
            | ConnSelector::Numbers(_)
            | ConnSelector::Range { .. } => (0, BTreeSet::new()),
        };
        state.faults.push(Installed {
            id,
            spec,
            next_left,
            taken,
            triggered: BTreeSet::new(),
            over: BTreeSet::new(),
        });
        self.changed(state);
        id
    }

    /// Starts a fault that ends with its guard.
    pub fn install_scoped(&self, spec: FaultSpec) -> FaultGuard {
        FaultGuard {
            id: self.install(spec),
            table: self.clone(),
        }
    }

    /// Ends faults and returns how many. What they held leaves, in order; streams go on without FIN.
    pub fn heal(&self, target: impl Into<HealTarget>) -> usize {
        let target = target.into();
        let mut state = self.lock();
        let before = state.faults.len();
        state.faults.retain(|fault| match target {
            HealTarget::Id(id) => fault.id != id,
            HealTarget::Name(name) => fault.spec.name != name,
            HealTarget::All => false,
        });
        let healed = before - state.faults.len();
        if healed > 0 {
            self.changed(state);
        }
        healed
    }

    /// Ends every fault and returns how many.
    pub fn heal_all(&self) -> usize {
        self.heal(HealTarget::All)
    }

    /// The installed faults, oldest first.
    pub fn installed(&self) -> Vec<(FaultId, FaultSpec)> {
        let state = self.lock();
        state
            .faults
            .iter()
            .map(|fault| (fault.id, fault.spec.clone()))
            .collect()
    }

    /// The next connection number, from 1, for a shell that numbers connections where it accepts them.
    pub fn next_connection(&self) -> u32 {
        let mut state = self.lock();
        state.last_conn += 1;
        let conn = state.last_conn;
        if state.counts_refusals && !state.faults.is_empty() {
            state.update_gates();
        }
        conn
    }

    /// From now on whoever connects calls [`FaultTable::refused`] when it was refused, so that a `refuse` with a count
    /// or with numbers can be a refusal by the system. Without it such a connection is accepted and reset.
    pub fn count_refusals(&self) {
        let mut state = self.lock();
        state.counts_refusals = true;
        self.changed(state);
    }

    /// A connect was refused by the system. Gives the number that the connection would have had, when a `refuse` that
    /// counts has taken it; none when nothing listens anyway.
    pub fn refused(&self) -> Option<u32> {
        let mut state = self.lock();
        let conn = state.last_conn + 1;
        if state.is_shut() || !state.refuses_next() {
            return None;
        }
        state.last_conn = conn;
        state.count(conn);
        self.changed(state);
        Some(conn)
    }

    /// Ends a fault on one connection.
    pub fn heal_on(&self, id: FaultId, conn: u32) {
        let mut state = self.lock();
        if let Some(fault) = state.faults.iter_mut().find(|fault| fault.id == id) {
            fault.over.insert(conn);
            self.changed(state);
        }
    }

    /// Faults that hold a connection from its first byte on and end by themselves: how long each lasts. Whoever
    /// admitted it ends them with [`FaultTable::heal_on`], since there are no messages yet that could.
    pub fn lasting_holds(&self, conn: u32) -> Vec<(FaultId, Duration)> {
        let state = self.lock();
        let holds = state.faults.iter().filter(|fault| {
            let effect = fault.stream_effect(conn);
            let stalls = effect.stall_read || effect.stall_write;
            fault.is_on(conn) && stalls && !effect.after_upgrade
        });
        let mut lasting: Vec<(FaultId, Duration)> = holds
            .filter_map(|fault| Some((fault.id, Duration::from_millis(fault.spec.lasts_ms?))))
            .collect();
        lasting.sort_by_key(|(_, lasts)| *lasts);
        lasting
    }

    /// What becomes of connection `conn`, which has just arrived. Asking again gives the same answer.
    pub fn admit(&self, conn: u32) -> Admission {
        let mut state = self.lock();
        state.count(conn);
        let admission = state
            .faults
            .iter()
            .filter(|fault| fault.is_on(conn))
            .map(|fault| fault.spec.name.row().admission)
            .max()
            .unwrap_or(Admission::Accept);
        if admission != Admission::Refuse {
            state.live.entry(conn).or_default();
        }
        admission
    }

    /// Whether any fault is on this connection now.
    pub fn touches(&self, conn: u32) -> bool {
        let state = self.lock();
        state.faults.iter().any(|fault| fault.is_on(conn))
    }

    /// Puts the stream of a connection under the table: its faults apply from now on. Call it before the first byte
    /// is read.
    pub fn attach(&self, conn: u32, control: StreamControl) {
        let mut state = self.lock();
        state.count(conn);
        state.live.entry(conn).or_default().control = Some(control);
        state.update_streams();
    }

    /// Forgets a connection. A [`crate::Wire`] does it when it is dropped; a shell does it for a connection that
    /// never became a WebSocket.
    pub fn detach(&self, conn: u32) {
        let mut state = self.lock();
        if let Some(live) = state.live.get_mut(&conn) {
            live.is_gone = true;
        }
        state.bury();
    }

    /// The control of a connection's stream, if it was attached.
    pub fn control(&self, conn: u32) -> Option<StreamControl> {
        self.lock().live.get(&conn)?.control.clone()
    }

    /// Whether nothing listens: the gateway is down, or `refuse` is installed for all connections.
    pub fn is_refusing(&self) -> bool {
        self.lock().is_refusing()
    }

    /// Says whether the gateway is down. While it is, listeners of this crate refuse.
    pub fn set_down(&self, is_down: bool) {
        let mut state = self.lock();
        state.is_down = is_down;
        self.changed(state);
    }

    /// Reports each change of the table, for the drivers of live connections.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Rises with each change; never 0 again after the first.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// The faults on a connection, oldest first.
    pub(crate) fn active_on(&self, conn: u32) -> Vec<(FaultId, FaultSpec)> {
        let state = self.lock();
        state
            .faults
            .iter()
            .filter(|fault| fault.is_on(conn))
            .map(|fault| (fault.id, fault.spec.clone()))
            .collect()
    }

    /// The connection is a WebSocket from here on.
    pub(crate) fn upgraded(&self, conn: u32) {
        let mut state = self.lock();
        state.count(conn);
        state.live.entry(conn).or_default().is_upgraded = true;
        state.update_streams();
    }

    /// A message has begun the fault on this connection.
    pub(crate) fn triggered(&self, id: FaultId, conn: u32) {
        let mut state = self.lock();
        if let Some(fault) = state.faults.iter_mut().find(|fault| fault.id == id) {
            fault.triggered.insert(conn);
            state.update_streams();
        }
    }

    /// Adds a listener, told at once and on each change whether to refuse.
    pub(crate) fn add_gate(&self, gate: &Arc<dyn Gate>) {
        let mut state = self.lock();
        gate.set_refusing(state.is_refusing());
        state.gates.push(Arc::downgrade(gate));
    }

    fn changed(&self, mut state: MutexGuard<'_, State>) {
        state.update_streams();
        state.bury();
        state.update_gates();
        let generation = self.0.generation.fetch_add(1, Ordering::AcqRel) + 1;
        drop(state);
        self.0.changed.send_replace(generation);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for FaultTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultTable")
            .field("installed", &self.installed())
            .finish_non_exhaustive()
    }
}

impl State {
    /// The connections that live now, as a client sees it.
    fn current(&self) -> BTreeSet<u32> {
        self.live.keys().copied().collect()
    }

    /// Lets `Next` selectors take a connection that was not counted yet.
    fn count(&mut self, conn: u32) {
        if conn <= self.seen_conn {
            return;
        }
        self.seen_conn = conn;
        for fault in &mut self.faults {
            if fault.next_left > 0 {
                fault.next_left -= 1;
                fault.taken.insert(conn);
            }
        }
    }

    fn is_refusing(&self) -> bool {
        self.is_shut() || self.refuses_next()
    }

    /// Whether a `refuse` with a count or with numbers takes the next connection, and the system can do it.
    fn refuses_next(&self) -> bool {
        let next = self.last_conn + 1;
        self.counts_refusals
            && self.faults.iter().any(|fault| {
                fault.spec.name == FaultName::Refuse
                    && match fault.spec.selected() {
                        ConnSelector::Next(_) => fault.next_left > 0,
                        ConnSelector::Numbers(numbers) => numbers.contains(&next),
                        ConnSelector::Range { from, to } => {
                            *from <= next && to.is_none_or(|to| next <= to)
                        }
                        ConnSelector::Usual | ConnSelector::All | ConnSelector::Current => false,
                    }
            })
    }

    /// Whether nothing listens, whoever asks.
    fn is_shut(&self) -> bool {
        self.is_down
            || self.faults.iter().any(|fault| {
                fault.spec.name == FaultName::Refuse && *fault.spec.selected() == ConnSelector::All
            })
    }

    fn update_gates(&mut self) {
        let is_refusing = self.is_refusing();
        self.gates.retain(|gate| match gate.upgrade() {
            Some(gate) => {
                gate.set_refusing(is_refusing);
                true
            }
            None => false,
        });
    }

    fn update_streams(&self) {
        for (conn, live) in &self.live {
            let Some(control) = &live.control else {
                continue;
            };
            let mut sum = StreamEffect::NONE;
            for fault in self.faults.iter().filter(|fault| fault.is_on(*conn)) {
                let effect = fault.stream_effect(*conn);
                if !effect.after_upgrade || live.is_upgraded {
                    sum.stall_read |= effect.stall_read;
                    sum.stall_write |= effect.stall_write;
                    sum.chunk = [sum.chunk, effect.chunk].into_iter().flatten().min();
                    sum.slow_read = sum.slow_read.or(effect.slow_read);
                    sum.slow_write = sum.slow_write.or(effect.slow_write);
                }
            }
            control.set(sum);
        }
    }

    /// Drops connections whose driver has gone, except those whose end a black hole hides.
    fn bury(&mut self) {
        self.live.retain(|_, live| {
            let is_hidden = live.control.as_ref().is_some_and(StreamControl::is_muffled);
            !live.is_gone || is_hidden
        });
    }
}

impl Installed {
    fn is_on(&self, conn: u32) -> bool {
        if self.over.contains(&conn) {
            return false;
        }
        match self.spec.selected() {
            ConnSelector::Usual | ConnSelector::All => true,
            ConnSelector::Numbers(numbers) => numbers.contains(&conn),
            ConnSelector::Range { from, to } => *from <= conn && to.is_none_or(|to| conn <= to),
            ConnSelector::Next(_) | ConnSelector::Current => self.taken.contains(&conn),
        }
    }

    fn stream_effect(&self, conn: u32) -> StreamEffect {
        if self.spec.is_immediate() || self.triggered.contains(&conn) {
            (self.spec.name.row().stream)(&self.spec)
        } else {
            StreamEffect::NONE
        }
    }
}
