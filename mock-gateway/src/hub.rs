//! The hub task: the one owner of the gateway's brain.
//!
//! Everything that happens to the gateway comes through one bounded queue, so its events have an order and nothing is
//! locked. The hub never waits for a connection: an outbox that is full makes its connection a slow consumer.
//!
//! - [`HubHandle`]: the queue's other end, cheap to clone.
//! - [`Hub`]: queue, brain, deadlines; puts the brain's outputs into the outboxes.
//! - [`Accepted`], [`Command`]: what a connection is given at its upgrade, and what it is told later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway_core::{
    Admission, BehaviorView, Control, ControlError, Gateway, HttpVisit, Input, Lifecycle, LogLine,
    Output, Peer, StateView, synthetic_note,
};
use gateway_protocol::{CloseFrame, Outgoing};
use link::FaultTable;
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::{Alarm, Clock};

/// Inputs on their way to the brain. When it is full the sockets stop reading, which a client feels as TCP
/// back-pressure; it is deep enough that a burst of upgrades does not.
const QUEUE: usize = 1024;

/// Requests taken from the queue at once; bounds how late a deadline can be noticed.
const BATCH: usize = 64;

/// Commands on their way to one connection. Every recorded gateway keeps less than this many messages for a client
/// that does not read before it reaches [`gateway_protocol::limits::BUFFERED_BYTES`]; full means slow consumer.
const OUTBOX: usize = 8192;

/// Whether the port takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// It does.
    Open,
    /// It refuses until the gateway is back.
    Down,
    /// It is closed for good.
    Closed,
}

/// What a connection gets when its upgrade is accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// What the gateway tells it; the challenge is in it already. Boxed, since a channel keeps room for 32 items.
    pub(crate) outbox: mpsc::Receiver<Box<Command>>,
    /// What the two know of each other beside it.
    pub(crate) flow: Arc<Flow>,
}

/// How fast one connection takes what the gateway says.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Bytes in the outbox.
    pub(crate) buffered: AtomicUsize,
    /// Rung when the hub lets go of a slow consumer, whose task may be waiting for the stream and not for the outbox.
    pub(crate) let_go: Notify,
}

/// One order to a connection.
#[derive(Debug)]
pub(crate) enum Command {
    /// A text, and the frame that it is where the recorder wants to know.
    Text(String, Option<Value>),
    Binary(Vec<u8>),
    Ping,
    Close(CloseFrame),
    Abort,
    Limit(usize),
    /// A note for the transcript.
    Note(String),
}

enum Request {
    Upgrade {
        conn: u32,
        peer: Peer,
        reply: oneshot::Sender<Result<Accepted, Admission>>,
    },
    Input(Input),
    Control {
        command: Box<Control>,
        reply: oneshot::Sender<Result<Value, ControlError>>,
    },
    View {
        reply: oneshot::Sender<StateView>,
    },
    Visit {
        peer: Peer,
        bearer: Option<String>,
        reply: oneshot::Sender<HttpVisit>,
    },
    /// Take a behaviour away; nobody waits for the answer.
    Forget {
        behavior: String,
    },
}

/// The way to the hub.
#[derive(Clone, Debug)]
pub(crate) struct HubHandle {
    requests: mpsc::Sender<Request>,
    port: watch::Receiver<Port>,
    scores: watch::Receiver<Vec<BehaviorView>>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Request")
    }
}

impl HubHandle {
    /// Asks for the upgrade of connection `conn`; `None` when the gateway is gone.
    pub(crate) async fn upgrade(
        &self,
        conn: u32,
        peer: Peer,
    ) -> Option<Result<Accepted, Admission>> {
        self.ask(|reply| Request::Upgrade { conn, peer, reply })
            .await
    }

    /// Hands over an input; waits while the queue is full.
    pub(crate) async fn input(&self, input: Input) {
        // An error means that the hub is gone, and with it everything the input could change.
        self.requests.send(Request::Input(input)).await.ok();
    }

    /// Carries out an order; [`ControlError::Down`] when the gateway is gone.
    pub(crate) async fn control(&self, command: Control) -> Result<Value, ControlError> {
        let command = Box::new(command);
        self.ask(|reply| Request::Control { command, reply })
            .await
            .unwrap_or(Err(ControlError::Down))
    }

    /// What the gateway believes; `None` when it is gone.
    pub(crate) async fn view(&self) -> Option<StateView> {
        self.ask(|reply| Request::View { reply }).await
    }

    /// Who asks over HTTP and what it may do; `None` when the gateway is gone.
    pub(crate) async fn visit(&self, peer: Peer, bearer: Option<&str>) -> Option<HttpVisit> {
        let bearer = bearer.map(str::to_owned);
        self.ask(|reply| Request::Visit {
            peer,
            bearer,
            reply,
        })
        .await
    }

    /// Takes a behaviour away without waiting.
    pub(crate) fn forget(&self, behavior: &str) {
        let behavior = behavior.to_owned();
        if self
            .requests
            .try_send(Request::Forget { behavior })
            .is_err()
        {
            tracing::debug!("a behaviour outlives its guard: the gateway is busy or gone");
        }
    }

    /// Counters of mounted behaviours.
    pub(crate) fn scores(&self) -> watch::Receiver<Vec<BehaviorView>> {
        self.scores.clone()
    }

    /// Whether the port takes connections.
    pub(crate) fn is_up(&self) -> bool {
        *self.port.borrow() == Port::Open
    }

    /// Changes of the port.
    pub(crate) fn port(&self) -> watch::Receiver<Port> {
        self.port.clone()
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.ok()?;
        answer.await.ok()
    }
}

/// The hub's view of one connection.
struct Slot {
    outbox: mpsc::Sender<Box<Command>>,
    flow: Arc<Flow>,
}

/// The task's state.
pub(crate) struct Hub {
    gateway: Gateway,
    clock: Clock,
    requests: mpsc::Receiver<Request>,
    port: watch::Sender<Port>,
    scores: watch::Sender<Vec<BehaviorView>>,
    /// Change of behaviours that `scores` shows.
    scored: u64,
    slots: BTreeMap<u32, Slot>,
    faults: FaultTable,
    learn_secrets: Box<dyn Fn(&Gateway) + Send>,
    keep: Option<Keep>,
    keeps_frames: bool,
    cancel: CancellationToken,
}

/// Is shown the gateway after everything that happens to it.
pub(crate) type Keep = Box<dyn FnMut(&Gateway) + Send>;

/// What a hub is made of.
pub(crate) struct HubParts {
    pub(crate) gateway: Gateway,
    pub(crate) clock: Clock,
    /// Told when the gateway is down, so that its listener refuses.
    pub(crate) faults: FaultTable,
    /// Tells the recorder every secret the gateway has minted outside the wire.
    pub(crate) learn_secrets: Box<dyn Fn(&Gateway) + Send>,
    /// Writes down what the gateway knows, before anybody hears of it.
    pub(crate) keep: Option<Keep>,
    /// Whether every frame is looked at once more, so that it is handed on beside its text.
    pub(crate) keeps_frames: bool,
    pub(crate) cancel: CancellationToken,
}

impl Hub {
    /// The task's state and the way to it.
    pub(crate) fn new(parts: HubParts) -> (Self, HubHandle) {
        let HubParts {
            gateway,
            clock,
            faults,
            learn_secrets,
            keep,
            keeps_frames,
            cancel,
        } = parts;
        let (sender, requests) = mpsc::channel(QUEUE);
        let (port, seen_port) = watch::channel(Port::Open);
        let (scores, seen_scores) = watch::channel(gateway.behaviors());
        learn_secrets(&gateway);
        let slots = BTreeMap::new();
        let hub = Self {
            gateway,
            clock,
            requests,
            port,
            scores,
            scored: 0,
            slots,
            faults,
            learn_secrets,
            keep,
            keeps_frames,
            cancel,
        };
        (
            hub,
            HubHandle {
                requests: sender,
                port: seen_port,
                scores: seen_scores,
            },
        )
    }

    /// Runs until cancelled or until nobody can ask any more.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut alarm = Alarm::default();
        let cancel = self.cancel.clone();
        self.carry_out();
        loop {
            self.wake_if_due();
            let deadline = self.gateway.wake_at().map(|at| self.clock.instant(at));
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                count = self.requests.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    for request in batch.drain(..) {
                        self.take(request);
                    }
                }
                () = alarm.at(deadline) => {}
            }
        }
    }

    fn wake_if_due(&mut self) {
        let now = self.clock.now();
        if self
            .gateway
            .wake_at()
            .is_some_and(|at| at <= now.since_start)
        {
            self.gateway.handle(now, Input::Woke);
            self.carry_out();
        }
    }

    fn take(&mut self, request: Request) {
        // A reply nobody waits for is not an error: its asker was cancelled.
        match request {
            Request::Input(input) => self.handle(input),
            Request::Upgrade { conn, peer, reply } => {
                reply.send(self.accept(conn, peer)).ok();
            }
            Request::Control { command, reply } => {
                let result = self.gateway.control(self.clock.now(), *command);
                self.carry_out();
                (self.learn_secrets)(&self.gateway);
                reply.send(result).ok();
            }
            Request::View { reply } => {
                reply.send(self.gateway.view_at(self.clock.now().wall)).ok();
            }
            Request::Visit {
                peer,
                bearer,
                reply,
            } => {
                let now = self.clock.now();
                let visit = self.gateway.http_visit(now, &peer, bearer.as_deref());
                reply.send(visit).ok();
            }
            Request::Forget { behavior } => {
                // Gone already is as good.
                let order = Control::Unmount { name: behavior };
                self.gateway.control(self.clock.now(), order).ok();
                self.carry_out();
            }
        }
    }

    fn accept(&mut self, conn: u32, peer: Peer) -> Result<Accepted, Admission> {
        let admission = self.gateway.admission(conn, &peer);
        self.carry_out();
        if admission != Admission::Accept {
            return Err(admission);
        }
        let (sender, outbox) = mpsc::channel(OUTBOX);
        let flow = Arc::<Flow>::default();
        self.slots.insert(
            conn,
            Slot {
                outbox: sender,
                flow: Arc::clone(&flow),
            },
        );
        self.handle(Input::Opened { conn, peer });
        Ok(Accepted { outbox, flow })
    }

    fn handle(&mut self, input: Input) {
        let gone = match &input {
            Input::Closed { conn, .. } => Some(*conn),
            Input::Opened { .. }
            | Input::Text { .. }
            | Input::Frame { .. }
            | Input::Binary { .. }
            | Input::TooLarge { .. }
            | Input::ProtocolError { .. }
            | Input::Woke => None,
        };
        self.gateway.handle(self.clock.now(), input);
        if let Some(conn) = gone {
            self.slots.remove(&conn);
        }
        self.carry_out();
    }

    fn carry_out(&mut self) {
        if let Some(keep) = &mut self.keep {
            keep(&self.gateway);
        }
        let change = self.gateway.behavior_change();
        if self.scored != change {
            self.scored = change;
            self.scores.send_replace(self.gateway.behaviors());
        }
        while let Some(output) = self.gateway.poll() {
            match output {
                Output::Send { conn, message } => {
                    self.tell(conn, command(message, self.keeps_frames));
                }
                Output::Ping { conn } => self.tell(conn, Command::Ping),
                Output::Close { conn, frame } => self.tell(conn, Command::Close(frame)),
                Output::Abort { conn } => self.tell(conn, Command::Abort),
                Output::Limit { conn, max_message } => self.tell(conn, Command::Limit(max_message)),
                Output::Lifecycle(change) => self.change(&change),
                Output::Synthetic { conn, method, id } => {
                    self.tell(conn, Command::Note(synthetic_note(&method, id.as_str())));
                }
                Output::Log(line) => log(&line),
            }
        }
    }

    fn change(&self, change: &Lifecycle) {
        let port = match change {
            Lifecycle::Restarting { down_for } => {
                tracing::info!(target: "gateway", "port refuses for {down_for:?}");
                Port::Down
            }
            Lifecycle::Stopping => Port::Closed,
            Lifecycle::Ready => Port::Open,
        };
        self.faults.set_down(port == Port::Down);
        self.port.send_replace(port);
    }

    /// Puts an order into a connection's outbox. ref: gateway-behaviour.md §1.3 for those who do not read
    fn tell(&mut self, conn: u32, command: Command) {
        let Some(slot) = self.slots.get(&conn) else {
            return;
        };
        let size = command.size();
        let buffered = slot.flow.buffered.fetch_add(size, Ordering::Relaxed) + size;
        let fits = buffered <= gateway_protocol::limits::BUFFERED_BYTES;
        if fits && slot.outbox.try_send(Box::new(command)).is_ok() {
            return;
        }
        // Either it does not read, or its task has ended and its `Closed` is on its way here. Without the outbox the
        // task closes the connection once everything in it was written, or gives up waiting for that.
        if !slot.outbox.is_closed() {
            tracing::warn!(target: "gateway", "#{conn} slow consumer: {buffered} bytes not read");
        }
        slot.flow.let_go.notify_one();
        self.slots.remove(&conn);
        self.gateway
            .handle(self.clock.now(), Input::Closed { conn, code: None });
    }
}

impl Command {
    fn size(&self) -> usize {
        match self {
            Self::Text(text, _) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Ping | Self::Close(_) | Self::Abort | Self::Limit(_) | Self::Note(_) => 0,
        }
    }
}

fn log(line: &LogLine) {
    if let Some(conn) = line.conn {
        tracing::info!(target: "gateway", "#{conn} {}", line.text);
    } else {
        tracing::info!(target: "gateway", "{}", line.text);
    }
}

fn command(message: Outgoing, keeps_frames: bool) -> Command {
    match message {
        Outgoing::Frame(frame) => {
            let text = frame.to_text();
            Command::Text(text, keeps_frames.then(|| frame.into_value()))
        }
        Outgoing::Text(text) => Command::Text(text, None),
        Outgoing::Binary(bytes) => Command::Binary(bytes),
    }
}
