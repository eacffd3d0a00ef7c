//! The client itself: one struct, one file per concern.
//!
//! | file | what it decides |
//! |---|---|
//! | `connection`, `timers` | the pieces: a role's connection with its phase, the deadlines |
//! | `socket` | opening, messages, ends and the reconnect loop, for any slot |
//! | `handshaking` | challenge, connect frame, hello-ok or refusal, for any slot |
//! | `operator`, `node` | what a hello-ok, a refusal and an event mean to a role |
//! | `lifecycle` | the wishes: connect, reconnect, switch; the transition lock and its queue |
//! | `launch` | launching a role, ending a lifecycle |
//! | `setup` | setup codes, and shared tokens validated first |
//! | `tokens` | stored tokens, dropping the bootstrap token, recovery |
//! | `durable` | store operations in flight and what follows them |
//! | `ownership`, `managed`, `tunnel` | whether an endpoint may see a credential; when its owner is looked up; the SSH tunnel to it |
//! | `repair` | restarting the service of a managed gateway that is gone |
//! | `ensure` | waiting for the node |
//! | `pairing`, `approvals`, `foreign_approval` | own pairing; approving others and oneself; being approved by others |
//! | `requests`, `invoke` | plain requests with deadlines; node invokes |
//! | `copy` | many clients that begin alike |
//! | `report` | diagnostics, events, the snapshot |

mod approvals;
mod connection;
mod copy;
mod dashboard;
mod durable;
mod ensure;
mod foreign_approval;
mod handshaking;
mod invoke;
mod launch;
mod lifecycle;
mod managed;
mod node;
mod operator;
mod ownership;
mod pairing;
mod repair;
mod report;
mod requests;
mod setup;
mod socket;
mod timers;
mod tokens;
mod tunnel;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use gateway_protocol::{Now, Role};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::Value;

pub use self::dashboard::Dashboard;
pub use self::ownership::{BLOCKED_NODE, BLOCKED_OPERATOR};

use self::approvals::AutoApproval;
use self::connection::{Connection, Slot};
use self::durable::Pending;
use self::ensure::NodeWaiter;
use self::invoke::Invokes;
use self::lifecycle::Transition;
use self::managed::opens_socket;
use self::repair::Repairs;
use self::report::{NodeRole, OperatorRole, Told};
use self::requests::PendingRequest;
use self::timers::{Timer, Timers};
use self::tunnel::Tunnels;
use crate::input::{EndpointOwner, Input, SocketId};
use crate::intent::Intent;
use crate::mutation::Mutation;
use crate::options::ClientOptions;
use crate::output::Output;
use crate::registry::GatewayRecord;
use crate::snapshot::Snapshot;
use crate::store::DurableState;

/// Orders that there is always room for.
const IDLE_OUTPUTS: usize = 4;

/// The whole client: operator and node lifecycles over one identity per gateway. Pure.
///
/// Hand in an [`Input`], drain [`Self::poll`], hand in [`Input::Woke`] at [`Self::wake_at`]. Two clients with the same
/// options, state and inputs give the same outputs.
#[derive(Clone, Debug)]
pub struct Client {
    options: ClientOptions,
    rng: ChaCha8Rng,
    now: Now,
    state: DurableState,
    outputs: VecDeque<Output>,
    timers: Timers,
    last_socket: u64,
    last_serial: u64,
    /// Lifecycle generation: every connect and disconnect starts a new one. ref: §19
    generation: u64,
    /// Node generation: every node start and retirement starts a new one.
    node_generation: u64,
    operator: Option<Connection>,
    node: Option<Connection>,
    validation: Option<Connection>,
    operator_role: OperatorRole,
    node_role: NodeRole,
    /// Gateway of the current lifecycle.
    gateway_id: Option<String>,
    bootstrap: Bootstrap,
    /// Use the bootstrap token of this record for exactly one connect. ref: §15
    force_bootstrap: Option<String>,
    user_disconnected: bool,
    /// Roles that used their one recovery since the last success, by gateway. ref: §17.4
    recovered: BTreeSet<(String, Role)>,
    transition: Option<Transition>,
    intents: VecDeque<Intent>,
    pending: Pending,
    requests: BTreeMap<String, PendingRequest>,
    auto_approval: AutoApproval,
    invokes: Invokes,
    /// Who listens where, by gateway id.
    owners: BTreeMap<String, EndpointOwner>,
    tunnels: Tunnels,
    repairs: Repairs,
    node_waiters: Vec<NodeWaiter>,
    /// The last device list and node list, own requests left out.
    pending_lists: (Vec<Value>, Vec<Value>),
    told: Told,
    stopped: bool,
    /// Deadlines that open a socket wait.
    attempts_held: bool,
    /// Memory of the mutants that repeat something.
    first_nonce: Option<String>,
    first_request_id: Option<String>,
}

/// Whether the operator attempt of this lifecycle redeems a bootstrap token. ref: client-behaviour.md §17.3
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bootstrap {
    /// It does not.
    NotUsed,
    /// It does, and nothing durable came of it yet.
    Redeeming,
    /// The reconnect with what is durable has been scheduled.
    HandedOver,
}

impl Client {
    /// A client that knows what was on disk and does nothing yet.
    pub fn new(options: ClientOptions, state: DurableState, now: Now) -> Self {
        let node_role = NodeRole::new(options.node_enabled);
        let mut client = Self {
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            options,
            now,
            state,
            outputs: VecDeque::new(),
            timers: Timers::default(),
            last_socket: 0,
            last_serial: 0,
            generation: 0,
            node_generation: 0,
            operator: None,
            node: None,
            validation: None,
            operator_role: OperatorRole::default(),
            node_role,
            gateway_id: None,
            bootstrap: Bootstrap::NotUsed,
            force_bootstrap: None,
            user_disconnected: false,
            recovered: BTreeSet::new(),
            transition: None,
            intents: VecDeque::new(),
            pending: Pending::default(),
            requests: BTreeMap::new(),
            auto_approval: AutoApproval::default(),
            invokes: Invokes::default(),
            owners: BTreeMap::new(),
            tunnels: Tunnels::default(),
            repairs: Repairs::default(),
            node_waiters: Vec::new(),
            pending_lists: (Vec::new(), Vec::new()),
            told: Told::default(),
            stopped: false,
            attempts_held: false,
            first_nonce: None,
            first_request_id: None,
        };
        client.arm_repairs();
        client
    }

    /// Takes one input. Drain [`Self::poll`] afterwards. An input that comes too late, or names a socket that is no
    /// longer in use, changes nothing.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.now = now;
        // A finding comes before the deadlines that have come with it: they ask the gate.
        if let Input::EndpointOwner { gateway_id, owner } = &input {
            self.owners.insert(gateway_id.clone(), *owner);
        }
        while let Some(timer) = self.timers.pop_due(now.since_start, self.held()) {
            self.on_timer(timer);
        }
        match input {
            Input::User(intent) => self.on_intent(intent),
            Input::Opened { socket } => self.on_opened(socket),
            Input::OpenFailed { socket, error } => self.on_open_failed(socket, &error),
            Input::Message { socket, message } => self.on_message(socket, message),
            Input::Closed {
                socket,
                code,
                reason,
            } => self.on_closed(socket, code, &reason),
            Input::Stored { op, result } => self.on_stored(op, result),
            Input::IdentityRead {
                gateway_id,
                identity,
            } => self.on_identity_read(gateway_id, identity),
            Input::TunnelUp { tunnel, local_port } => self.on_tunnel_up(tunnel, local_port),
            Input::TunnelDown { tunnel, error } => self.on_tunnel_down(tunnel, &error),
            Input::Probed { repair, answers } => self.on_probed(repair, answers),
            Input::Restarted { repair, result } => self.on_restarted(repair, result),
            Input::InvokeDone { key, outcome } => self.on_invoke_done(key, outcome),
            Input::EndpointOwner { .. } | Input::Woke => {}
        }
        self.settle_node_waiters();
        self.settle_repair();
        self.drop_stale_timers();
        self.tell_state();
    }

    /// The next order to the shell.
    pub fn poll(&mut self) -> Option<Output> {
        let next = self.outputs.pop_front();
        if next.is_none() {
            // A burst of orders leaves room for as many, and most clients are idle most of the time.
            self.outputs.shrink_to(IDLE_OUTPUTS);
        }
        next
    }

    /// When to hand in [`Input::Woke`], since the start of the run; `None` when nothing is due.
    pub fn wake_at(&self) -> Option<Duration> {
        self.timers.next_at(self.held())
    }

    /// Which deadlines wait whatever the time.
    fn held(&self) -> impl Fn(&Timer) -> bool + use<> {
        let held = self.attempts_held;
        move |timer| held && opens_socket(timer)
    }

    /// The client at this moment.
    pub fn snapshot(&self) -> Snapshot {
        self.report()
    }

    /// What is durable as far as the client knows: confirmed writes only.
    pub fn durable(&self) -> &DurableState {
        &self.state
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Attempt { slot, serial } => self.attempt(slot, serial),
            Timer::PostHello { socket } => self.send_post_hello(socket),
            Timer::DelayedReconnect {
                generation,
                gateway_id,
            } => self.delayed_reconnect(generation, &gateway_id),
            Timer::NodeRecovery {
                generation,
                node_generation,
            } => self.restart_node(generation, node_generation),
            Timer::NodeApproved {
                generation,
                node_generation,
                request_id,
            } => {
                self.node_approved_delay_over(generation, node_generation, &request_id);
            }
            Timer::RequestDeadline { id } => self.request_timed_out(&id),
            Timer::ValidationDeadline { serial } => self.validation_timed_out(serial),
            Timer::TunnelRestart { tunnel } => self.restart_tunnel(tunnel),
            Timer::RepairPoll => self.poll_repair(),
            Timer::RepairVerify { id } => self.repair_unverified(id),
            Timer::NodeWait { serial } => self.node_wait_over(serial),
            Timer::Silence { slot, socket } => self.check_silence(slot, socket),
            Timer::Dial { slot, socket } => self.dial_overdue(slot, socket),
            Timer::Challenge { slot, socket } => self.challenge_overdue(slot, socket),
        }
    }

    /// Deadlines of older generations would wake the shell for nothing.
    fn drop_stale_timers(&mut self) {
        let mut timers = std::mem::take(&mut self.timers);
        timers.retain(|timer| self.is_current(timer));
        self.timers = timers;
    }

    fn is_current(&self, timer: &Timer) -> bool {
        match timer {
            Timer::Attempt { slot, serial } => self
                .connection(*slot)
                .is_some_and(|it| it.serial == *serial),
            Timer::PostHello { socket }
            | Timer::Silence { socket, .. }
            | Timer::Dial { socket, .. }
            | Timer::Challenge { socket, .. } => self.slot_of(*socket).is_some(),
            Timer::DelayedReconnect { generation, .. } => *generation == self.generation,
            Timer::NodeRecovery {
                generation,
                node_generation,
            }
            | Timer::NodeApproved {
                generation,
                node_generation,
                ..
            } => (*generation, *node_generation) == (self.generation, self.node_generation),
            Timer::TunnelRestart { tunnel } => self.tunnels.is_active(*tunnel),
            Timer::RepairPoll => true,
            Timer::RepairVerify { id } => self.repairs.is_running(*id),
            Timer::NodeWait { serial } => self.node_waiters.iter().any(|it| it.serial == *serial),
            Timer::RequestDeadline { id } => self.requests.contains_key(id),
            Timer::ValidationDeadline { serial } => self
                .validation
                .as_ref()
                .is_some_and(|it| it.serial == *serial),
        }
    }

    fn connection(&self, slot: Slot) -> Option<&Connection> {
        match slot {
            Slot::Operator => self.operator.as_ref(),
            Slot::Node => self.node.as_ref(),
            Slot::Validation => self.validation.as_ref(),
        }
    }

    fn connection_mut(&mut self, slot: Slot) -> Option<&mut Connection> {
        match slot {
            Slot::Operator => self.operator.as_mut(),
            Slot::Node => self.node.as_mut(),
            Slot::Validation => self.validation.as_mut(),
        }
    }

    /// Whose socket this is now; `None` for one that was retired.
    fn slot_of(&self, socket: SocketId) -> Option<Slot> {
        [Slot::Operator, Slot::Node, Slot::Validation]
            .into_iter()
            .find(|slot| self.connection(*slot).and_then(|it| it.phase.socket()) == Some(socket))
    }

    /// The record of the current lifecycle.
    fn record(&self) -> Option<&GatewayRecord> {
        self.state.registry.find(self.gateway_id.as_deref()?)
    }

    fn after(&self, delay: Duration) -> Duration {
        self.now.since_start.saturating_add(delay)
    }

    fn new_serial(&mut self) -> u64 {
        self.last_serial += 1;
        self.last_serial
    }

    fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    fn new_uuid(&mut self) -> String {
        gateway_protocol::id::uuid_v4(self.random())
    }

    fn new_request_id(&mut self) -> String {
        let fresh = self.new_uuid();
        if self.options.has(Mutation::DuplicateRequestId) {
            return self.first_request_id.get_or_insert(fresh).clone();
        }
        fresh
    }
}

#[cfg(test)]
#[path = "tests/mod.rs"]
mod tests;
