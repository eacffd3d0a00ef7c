//! The one task that owns the core, the store and every socket.
//!
//! It hands inputs to the core, carries out what comes back, and waits for the next input or deadline. It
//! never waits for a socket, a disk, a handler or a reader of events, so nobody can stall it. A look at who owns a
//! managed gateway's port holds up what it is for, and nothing else.
//!
//! | queue | holds | when it is full |
//! |---|---|---|
//! | intents | [`INTENTS`] | the caller of [`ClientHandle::intent`](crate::ClientHandle::intent) waits |
//! | socket events | [`SOCKET_EVENTS`] | sockets stop reading, the gateway feels it |
//! | one socket's outbound messages | [`OUTBOUND`] | the socket is dropped as stuck |
//! | client events | [`EVENTS`] | the newest is dropped and counted |

use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use client_core::{
    Client, ClientEvent, Inbound, Input, Intent, InvokeKey, InvokeOutcome, InvokeRequest, Output,
    Snapshot, SocketId,
};
use futures_util::FutureExt as _;
use gateway_protocol::Outgoing;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::answers::Answers;
use crate::clock::Clock;
use crate::connector::Connector;
use crate::desk::StoreDesk;
use crate::endpoints::{Endpoints, Found};
use crate::invoke::{Invocation, InvokeHandler};
use crate::keeper::{Repairs, ServiceKeeper};
use crate::owner::OwnerProbe;
use crate::socket::{self, CLOSE_WAIT, Command, EventSender, Plan, SocketEvent, SocketOptions};
use crate::store::Store;
use crate::tunnel::Ssh;
use crate::tunnels::Tunnels;

/// Wishes of users and tools that wait for their turn; people are slow.
pub(crate) const INTENTS: usize = 64;
/// Messages of all sockets that wait for the core; each may be large, so few.
const SOCKET_EVENTS: usize = 64;
/// Messages that wait for one socket. The core's own bursts are under ten.
const OUTBOUND: usize = 256;
/// Events that wait for whoever watches the client.
pub(crate) const EVENTS: usize = 4096;
/// Inputs handled in a row before other tasks of the runtime get a turn.
const BUDGET: usize = 32;

/// A wish, a request to look at the disk again, or somebody else's finding. Small: the queue has room for 32 of them as
/// soon as it is there.
pub(crate) enum Order {
    /// A wish, and who wants to hear how it ended.
    Intent(Box<Intent>, Option<oneshot::Sender<ClientEvent>>),
    /// A look at the core between two inputs.
    Look(Box<dyn FnOnce(&Client) + Send>),
    RereadIdentities,
    Report(Box<Input>),
}

/// The driver's ends of the channels to its handle.
pub(crate) struct Channels {
    pub(crate) orders: mpsc::Receiver<Order>,
    /// `None` once nobody watches any more.
    pub(crate) events: Option<mpsc::Sender<ClientEvent>>,
    pub(crate) events_lost: Arc<AtomicU64>,
    pub(crate) snapshot: watch::Sender<Snapshot>,
}

struct OpenSocket {
    commands: mpsc::Sender<Command>,
    task: AbortHandle,
    /// Its first message has come.
    heard: bool,
}

pub(crate) struct Driver<C, S> {
    core: Client,
    store: StoreDesk<S>,
    connector: Arc<C>,
    clock: Clock,
    options: SocketOptions,
    handler: Arc<dyn InvokeHandler>,
    channels: Channels,
    answers: Answers,
    inputs: VecDeque<Input>,
    news: Vec<ClientEvent>,
    sockets: BTreeMap<SocketId, OpenSocket>,
    socket_tasks: JoinSet<()>,
    socket_events: mpsc::Receiver<(SocketId, SocketEvent)>,
    event_sender: EventSender,
    invokes: JoinSet<(InvokeKey, InvokeOutcome)>,
    cancels: BTreeMap<InvokeKey, CancellationToken>,
    tunnels: Tunnels,
    endpoints: Endpoints,
    repairs: Repairs,
    stopping: bool,
}

/// What a driver is made of, besides its channels.
pub(crate) struct Parts<C, S> {
    pub(crate) core: Client,
    pub(crate) store: S,
    pub(crate) connector: C,
    pub(crate) clock: Clock,
    pub(crate) options: SocketOptions,
    pub(crate) handler: Arc<dyn InvokeHandler>,
    pub(crate) ssh: Option<Ssh>,
    pub(crate) owners: Option<Arc<dyn OwnerProbe>>,
    pub(crate) keeper: Option<Arc<dyn ServiceKeeper>>,
}

impl<C: Connector, S: Store> Driver<C, S> {
    pub(crate) fn new(parts: Parts<C, S>, channels: Channels) -> Self {
        let (event_sender, socket_events) = mpsc::channel(SOCKET_EVENTS);
        Self {
            core: parts.core,
            store: StoreDesk::new(parts.store),
            connector: Arc::new(parts.connector),
            clock: parts.clock,
            options: parts.options,
            handler: parts.handler,
            channels,
            answers: Answers::default(),
            inputs: VecDeque::new(),
            news: Vec::new(),
            sockets: BTreeMap::new(),
            socket_tasks: JoinSet::new(),
            socket_events,
            event_sender,
            invokes: JoinSet::new(),
            cancels: BTreeMap::new(),
            tunnels: Tunnels::new(parts.ssh),
            endpoints: Endpoints::new(parts.owners),
            repairs: Repairs::new(parts.keeper),
            stopping: false,
        }
    }

    /// Runs until the core is told to stop or the handle is gone.
    pub(crate) async fn run(mut self) {
        self.take(None);
        while !self.stopping {
            let input = self.next_input().await;
            self.take(input);
            let mut budget = BUDGET;
            while budget > 0 && !self.stopping {
                let Some(input) = self.next_input().now_or_never() else {
                    break;
                };
                self.take(input);
                budget -= 1;
            }
            if budget == 0 {
                tokio::task::yield_now().await;
            }
        }
        // In a box: a second driver inside of this task would be there from its start.
        Box::pin(self.wind_down()).await;
    }

    /// One input and everything that follows from it. Whoever reads an event finds a snapshot that is as new.
    fn take(&mut self, input: Option<Input>) {
        self.inputs.extend(input);
        self.settle();
        self.publish();
        for event in std::mem::take(&mut self.news) {
            self.answers.hear(&event);
            self.tell(event);
        }
    }

    /// Tells whoever watches. A queue that nobody will ever read is given back.
    fn tell(&mut self, event: ClientEvent) {
        let sent = match &self.channels.events {
            Some(events) => events.try_send(event),
            None => Ok(()),
        };
        match sent {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.channels.events_lost.fetch_add(1, Ordering::Relaxed);
            }
            Err(mpsc::error::TrySendError::Closed(_)) => self.channels.events = None,
        }
    }

    /// Waits for the next thing that happens. A deadline that has passed comes before all else, so that
    /// busy sockets can't delay it. `None` means that the thing concerned the driver alone.
    async fn next_input(&mut self) -> Option<Input> {
        let deadline = self
            .core
            .wake_at()
            .and_then(|since_start| self.clock.at(since_start));
        let wake = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = wake => Some(Input::Woke),
            () = self.clock.changed() => None,
            found = self.endpoints.found() => {
                self.looked(found);
                None
            }
            order = self.channels.orders.recv() => self.order(order),
            told = self.store.next() => {
                self.inputs.extend(told);
                None
            }
            Some((id, event)) = self.socket_events.recv() => self.socket_event(id, event),
            input = self.tunnels.next() => input,
            input = self.repairs.next() => input,
            Some(done) = self.invokes.join_next() => self.invoke_done(done.ok()),
            Some(_) = self.socket_tasks.join_next() => None,
        }
    }

    /// Hands over what waits and carries out what comes back, until neither is left.
    fn settle(&mut self) {
        loop {
            while let Some(output) = self.core.poll() {
                self.carry_out(output);
            }
            let now = self.clock.now().since_start;
            let due = self.core.looks_at_deadline(now);
            if !self.endpoints.is_looking() && self.endpoints.look(due, &mut None) {
                self.core.hold_attempts(true);
            }
            let Some(input) = self.inputs.pop_front() else {
                break;
            };
            if let Some(input) = self.after_look(input) {
                self.hand(Vec::new(), input);
            }
        }
    }

    /// Gives an input back when it can be handed over at once.
    fn after_look(&mut self, input: Input) -> Option<Input> {
        let looks = self.core.looks_before(&input);
        if self.endpoints.is_looking() {
            if self.endpoints.is_ahead_of(&input) || !looks.is_empty() {
                self.endpoints.wait(input);
                return None;
            }
            return Some(input);
        }
        let mut input = Some(input);
        if self.endpoints.look(looks, &mut input) {
            self.core.hold_attempts(true);
        }
        input
    }

    /// Hands over what waited for a look. A deadline that came meanwhile needs a look of its own.
    fn looked(&mut self, found: Found) {
        let Found {
            findings,
            input,
            mut waiting,
        } = found;
        let of_deadline = input.is_none();
        self.core.hold_attempts(!of_deadline);
        self.hand(findings, input.unwrap_or(Input::Woke));
        self.core.hold_attempts(false);
        waiting.append(&mut self.inputs);
        self.inputs = waiting;
    }

    /// Hands over an input after everything that was found out for it.
    fn hand(&mut self, mut findings: Vec<Input>, input: Input) {
        findings.extend(self.findings_before(&input));
        let now = self.clock.now();
        for finding in findings {
            self.core.handle(now, finding);
        }
        self.core.handle(now, input);
    }

    /// Who owns the near ends, looked up before anything that may lead to a credential: a deadline may open the next
    /// socket, and the first message of a socket is the challenge. ref: client-behaviour.md §18
    fn findings_before(&mut self, input: &Input) -> Vec<Input> {
        let matters = match input {
            Input::Woke | Input::User(_) => true,
            Input::Message { socket, .. } => {
                let open = self.sockets.get_mut(socket);
                open.is_some_and(|open| !std::mem::replace(&mut open.heard, true))
            }
            Input::Opened { .. }
            | Input::OpenFailed { .. }
            | Input::Closed { .. }
            | Input::Stored { .. }
            | Input::IdentityRead { .. }
            | Input::EndpointOwner { .. }
            | Input::TunnelUp { .. }
            | Input::TunnelDown { .. }
            | Input::Probed { .. }
            | Input::Restarted { .. }
            | Input::InvokeDone { .. } => false,
        };
        if matters {
            self.tunnels.findings()
        } else {
            Vec::new()
        }
    }

    fn publish(&self) {
        let snapshot = self.core.snapshot();
        self.channels.snapshot.send_if_modified(|shown| {
            let differs = *shown != snapshot;
            *shown = snapshot;
            differs
        });
    }

    fn order(&mut self, order: Option<Order>) -> Option<Input> {
        match order {
            Some(Order::Look(look)) => {
                look(&self.core);
                None
            }
            Some(Order::Intent(intent, caller)) => {
                self.answers.expect(&intent, caller);
                self.stopping = *intent == Intent::Stop;
                Some(Input::User(*intent))
            }
            Some(Order::Report(finding)) => Some(*finding),
            Some(Order::RereadIdentities) => {
                let read = self.store.reread();
                self.inputs.extend(read);
                None
            }
            // The handle is gone: its drop aborts this task, and until then there is nobody to serve.
            None => {
                self.stopping = true;
                None
            }
        }
    }

    fn socket_event(&mut self, id: SocketId, event: SocketEvent) -> Option<Input> {
        // What a retired socket said before its task went down is nobody's business.
        if !self.sockets.contains_key(&id) {
            return None;
        }
        let input = match event {
            SocketEvent::Opened => Input::Opened { socket: id },
            SocketEvent::OpenFailed(error) => Input::OpenFailed { socket: id, error },
            SocketEvent::Text(text) => Input::Message {
                socket: id,
                message: Inbound::Text(text),
            },
            SocketEvent::Binary(bytes) => Input::Message {
                socket: id,
                message: Inbound::Binary(bytes),
            },
            SocketEvent::Closed { code, reason } => Input::Closed {
                socket: id,
                code,
                reason,
            },
        };
        if matches!(input, Input::OpenFailed { .. } | Input::Closed { .. }) {
            self.sockets.remove(&id);
        }
        Some(input)
    }

    fn invoke_done(&mut self, done: Option<(InvokeKey, InvokeOutcome)>) -> Option<Input> {
        let (key, outcome) = done?;
        self.cancels.remove(&key)?;
        Some(Input::InvokeDone { key, outcome })
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Open {
                socket,
                role,
                url,
                origin,
                basic,
            } => {
                tracing::debug!(%socket, %role, "open");
                self.open(Plan {
                    id: socket,
                    url,
                    origin,
                    basic,
                    options: self.options,
                });
            }
            Output::Send { socket, message } => self.send(socket, into_message(message)),
            Output::Close {
                socket,
                code,
                reason,
            } => self.close(socket, code, reason),
            Output::Abort { socket } => {
                if let Some(open) = self.sockets.remove(&socket) {
                    open.task.abort();
                }
            }
            Output::Store { op } => {
                let told = self.store.apply(op);
                self.inputs.extend(told);
            }
            Output::StartTunnel {
                tunnel,
                gateway_id,
                spec,
            } => match self.tunnels.start(tunnel, gateway_id, spec) {
                Ok(()) => {}
                Err(error) => self.inputs.push_back(Input::TunnelDown { tunnel, error }),
            },
            Output::StopTunnel { tunnel } => self.tunnels.stop(tunnel),
            Output::ProbePort { repair, port } => self.repairs.probe(repair, port),
            Output::RestartService { repair, endpoint } => self.repairs.restart(repair, endpoint),
            Output::Event(event) => self.news.push(event),
            Output::Invoke(request) => self.invoke(request),
            Output::InvokeCancel { key } => {
                if let Some(cancel) = self.cancels.remove(&key) {
                    cancel.cancel();
                }
            }
        }
    }

    fn open(&mut self, plan: Plan) {
        let (commands, inbox) = mpsc::channel(OUTBOUND);
        let id = plan.id;
        let task = socket::run(
            Arc::clone(&self.connector),
            plan,
            inbox,
            self.event_sender.clone(),
        );
        let task = self.socket_tasks.spawn(task);
        self.sockets.insert(
            id,
            OpenSocket {
                commands,
                task,
                heard: false,
            },
        );
    }

    fn send(&mut self, id: SocketId, message: Message) {
        // Sends on a socket that is not open are dropped in silence. ref: client-behaviour.md §7
        let Some(open) = self.sockets.get(&id) else {
            return;
        };
        if open.commands.try_send(Command::Send(message)).is_err() {
            open.task.abort();
            self.sockets.remove(&id);
            let reason =
                format!("network error: {OUTBOUND} messages wait for a socket that takes none");
            self.inputs.push_back(Input::Closed {
                socket: id,
                code: None,
                reason,
            });
        }
    }

    /// The socket says goodbye on its own time and is forgotten here; a stuck one is dropped.
    fn close(&mut self, id: SocketId, code: u16, reason: String) {
        let Some(open) = self.sockets.remove(&id) else {
            return;
        };
        if open
            .commands
            .try_send(Command::Close { code, reason })
            .is_err()
        {
            open.task.abort();
        }
    }

    fn invoke(&mut self, request: InvokeRequest) {
        let InvokeRequest {
            key,
            id: _,
            command,
            args,
            session_key,
        } = request;
        let cancel = CancellationToken::new();
        self.cancels.insert(key, cancel.clone());
        let call = Invocation {
            command,
            args,
            session_key,
        };
        let handler = Arc::clone(&self.handler);
        self.invokes.spawn(async move {
            let work = AssertUnwindSafe(async move { handler.invoke(call, cancel).await });
            let outcome = match work.catch_unwind().await {
                Ok(Ok(payload)) => InvokeOutcome::Ok(payload),
                Ok(Err(error)) => InvokeOutcome::Failed(error.to_string()),
                Err(_panic) => InvokeOutcome::Crashed,
            };
            (key, outcome)
        });
    }

    /// Drops what is open, lets closing sockets finish their goodbye, and leaves no task behind.
    async fn wind_down(mut self) {
        self.store.finish().await;
        self.invokes.shutdown().await;
        self.tunnels.shutdown().await;
        self.endpoints.shutdown().await;
        self.repairs.shutdown().await;
        for open in std::mem::take(&mut self.sockets).into_values() {
            open.task.abort();
        }
        // Sockets that still say goodbye block on a full queue unless somebody hears them out.
        self.socket_events.close();
        let farewell = async { while self.socket_tasks.join_next().await.is_some() {} };
        if timeout(CLOSE_WAIT * 2, farewell).await.is_err() {
            tracing::warn!("sockets were dropped in the middle of their close handshake");
        }
        self.socket_tasks.shutdown().await;
    }
}

fn into_message(message: Outgoing) -> Message {
    match message {
        Outgoing::Frame(frame) => Message::text(frame.to_text()),
        Outgoing::Text(text) => Message::text(text),
        Outgoing::Binary(bytes) => Message::binary(bytes),
    }
}
