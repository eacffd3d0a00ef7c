//! One WebSocket from upgrade to end: carries messages between the socket, the wire and the hub.
//!
//! Every message enters the [`Wire`] and leaves it again, both ways, so faults and the recorder see what a peer at
//! the gateway's end of the link sees. The driver knows WebSocket (ping, pong, close) and nothing of the protocol.
//!
//! - [`Driver`]: the loop. `ending.rs`: how a connection ends.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use gateway_core::Input;
use gateway_protocol::CloseFrame;
use link::{Carrier, Controlled as _, Cut, Departure, FaultId, FaultStream, Wire, WireMessage};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite;
use tokio_util::sync::CancellationToken;
use transcript::{Direction, Draft, Kind, Recorder};

use crate::clock::{Alarm, Clock};
use crate::connection::{Shared, Upgraded};
use crate::hub::{Accepted, Command, Flow, HubHandle};
use crate::socket::{Message, Socket};

/// How long a closing handshake and the end of the stream after it may take; node's `ws` waits as long.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Commands are left in the outbox while this many bytes wait for the stream, so that the hub's count of what a slow
/// consumer has not read stays true.
const WRITE_AHEAD: usize = 64 * 1024;

/// Commands taken before the next look at the socket.
const BATCH: usize = 32;

/// What happened next.
enum Event {
    Stop,
    Command(Option<Box<Command>>),
    Read(Result<tungstenite::Message, tungstenite::Error>),
    WriteFailed,
    /// The stream took everything; commands are welcome again.
    Written,
    /// A deadline has come, or a fault was installed or healed.
    WireMoved,
    /// The hub has given up on a slow consumer.
    LetGo,
}

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Everything was said that will be said: FIN, and wait for the peer's.
    InOrder,
    /// The stream is dropped as it is.
    AtOnce,
    /// A fault keeps the stream open until the peer leaves.
    HeldOpen,
    /// In order, but not before this moment.
    Late(Instant),
}

/// One WebSocket.
pub(crate) struct Driver<C: Carrier> {
    conn: u32,
    socket: Socket<FaultStream<C>>,
    wire: Wire,
    outbox: mpsc::Receiver<Box<Command>>,
    flow: Arc<Flow>,
    hub: HubHandle,
    clock: Clock,
    recorder: Recorder,
    peer: PeerState,
    /// The peer's close frame, as it was read.
    peer_close: Option<CloseFrame>,
    close: CloseState,
    /// When a consumer that the hub has let go of must have taken what was said before; node's `ws` begins to count
    /// when it is told to close, however much is still unwritten.
    patience: Option<Instant>,
    told_hub: bool,
}

/// How far the peer's half of the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PeerState {
    /// The next read may give a message.
    Talking,
    /// Its close frame was read and is on the wire.
    ClosedOnWire,
    /// Its close frame has arrived.
    Closed,
    /// It broke the WebSocket protocol: what follows cannot be read as messages.
    Broken,
    /// Its stream ended without a close frame.
    Ended,
}

/// Our half of the closing handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CloseState {
    Open,
    /// The gateway has decided to close; the frame may still be on the wire.
    Decided {
        deadline: Instant,
    },
    /// The frame is in the socket's write buffer or gone.
    Sent {
        deadline: Instant,
    },
}

impl<C: Carrier> Driver<C> {
    pub(crate) fn new(
        conn: u32,
        socket: Socket<FaultStream<C>>,
        upgraded: Upgraded,
        shared: &Shared,
    ) -> Self {
        let Accepted { outbox, flow } = upgraded.accepted;
        let recorder = shared.recorder.clone();
        let wire = Wire::new(conn, shared.faults.clone(), recorder.clone());
        wire.opened(shared.clock.now(), upgraded.peer);
        Self {
            conn,
            socket,
            wire,
            outbox,
            flow,
            hub: shared.hub.clone(),
            clock: shared.clock,
            recorder,
            peer: PeerState::Talking,
            peer_close: None,
            close: CloseState::Open,
            patience: None,
            told_hub: false,
        }
    }

    /// Runs the connection to its end. `changes` tells of faults that were installed or healed.
    pub(crate) async fn run(&mut self, changes: watch::Receiver<u64>, cancel: CancellationToken) {
        let mut alarm = Alarm::default();
        // Both wait once for as long as it takes, instead of queueing anew at every turn of the loop.
        let mut change = pin!(next_change(changes));
        let mut cancelled = pin!(cancel.cancelled());
        let flow = Arc::clone(&self.flow);
        let mut let_go = pin!(flow.let_go.notified());
        // The challenge is there already, and leaves in one write with the answer to the upgrade.
        let mut over = self.obey_waiting();
        let end = loop {
            if over {
                break End::AtOnce;
            }
            if let Some(end) = self.carry().await {
                break end;
            }
            if self.flush_now().is_err() {
                break End::AtOnce;
            }
            if self.is_over() {
                break End::InOrder;
            }
            let takes_commands = self.takes_commands();
            let reading = self.peer == PeerState::Talking;
            let deadline = self.deadline();
            let event = tokio::select! {
                biased;
                () = &mut cancelled => Event::Stop,
                () = &mut let_go, if self.patience.is_none() => Event::LetGo,
                command = self.outbox.recv(), if takes_commands => Event::Command(command),
                event = poll_fn(|cx| poll_socket(&mut self.socket, cx, reading, !takes_commands)) => event,
                changes = &mut change => {
                    change.set(next_change(changes));
                    Event::WireMoved
                }
                () = alarm.at(deadline) => Event::WireMoved,
            };
            over = match event {
                Event::Stop | Event::WriteFailed => true,
                Event::Command(command) => self.obey_some(command),
                Event::Read(read) => self.take(read).await,
                Event::WireMoved => self.timed_out(),
                Event::Written => false,
                Event::LetGo => {
                    self.patience = Some(Instant::now() + CLOSE_TIMEOUT);
                    false
                }
            };
        };
        self.tell_hub_closed().await;
        self.finish(end, cancelled).await;
    }

    /// Faults that outlive the conversation, since they hide its end from the client, and when they end.
    pub(crate) fn unhealed(&self) -> Vec<(FaultId, Instant)> {
        let is_hidden = self
            .wire
            .control()
            .is_some_and(|control| control.is_muffled());
        let expiring = self.wire.expiring().iter().filter(|_| is_hidden);
        let mut unhealed: Vec<_> = expiring
            .map(|(id, at)| (*id, self.clock.instant(*at)))
            .collect();
        unhealed.sort_by_key(|(_, at)| *at);
        unhealed
    }

    fn takes_commands(&self) -> bool {
        self.close == CloseState::Open && self.socket.unwritten() < WRITE_AHEAD
    }

    /// Whether the closing handshake has taken too long, or the last word has waited too long to be written.
    fn timed_out(&self) -> bool {
        self.close_deadline()
            .is_some_and(|deadline| deadline <= Instant::now())
    }

    fn close_deadline(&self) -> Option<Instant> {
        match self.close {
            CloseState::Open => self.patience,
            CloseState::Decided { deadline } | CloseState::Sent { deadline } => Some(deadline),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let wire = self.wire.next_deadline().map(|at| self.clock.instant(at));
        wire.into_iter().chain(self.close_deadline()).min()
    }

    /// Moves everything that is due over the wire.
    async fn carry(&mut self) -> Option<End> {
        loop {
            let now = self.clock.now();
            if self.wire.cuts_next(now) && self.flush_now().is_err() {
                return Some(End::AtOnce);
            }
            let leaving = self.wire.poll(now)?;
            match (leaving.what, leaving.dir) {
                (Departure::Deliver(message), Direction::ClientToGateway) => {
                    self.deliver_up(message, leaving.frame).await;
                }
                (Departure::Deliver(message), Direction::GatewayToClient) => {
                    self.deliver_down(&message);
                }
                (Departure::Cut(cut), _) => return Some(self.cut(cut).await),
            }
        }
    }

    /// A message has reached the gateway.
    async fn deliver_up(&mut self, message: WireMessage, frame: Option<Arc<Value>>) {
        let conn = self.conn;
        match message {
            WireMessage::Text(text) if self.close == CloseState::Open => {
                let input = match frame {
                    Some(frame) => Input::Frame { conn, frame },
                    None => Input::Text { conn, text },
                };
                self.hub.input(input).await;
            }
            WireMessage::Binary(bytes) if self.close == CloseState::Open => {
                self.hub.input(Input::Binary { conn, bytes }).await;
            }
            WireMessage::Ping(body) => self.send(WireMessage::Pong(body)),
            WireMessage::Text(_) | WireMessage::Binary(_) | WireMessage::Pong(_) => {}
            WireMessage::Close(frame) => {
                self.peer = PeerState::Closed;
                self.tell_hub_closed().await;
                self.close_with(frame);
            }
        }
    }

    /// A message has reached the client's end of the link.
    fn deliver_down(&mut self, message: &WireMessage) {
        match message {
            WireMessage::Text(text) => self.socket.queue(&Message::Text(text)),
            WireMessage::Binary(bytes) => self.socket.queue(&Message::Binary(bytes)),
            WireMessage::Ping(bytes) => self.socket.queue(&Message::Ping(bytes)),
            WireMessage::Pong(bytes) => self.socket.queue(&Message::Pong(bytes)),
            WireMessage::Close(frame) => {
                self.socket.queue(&Message::Close(
                    frame
                        .as_ref()
                        .map(|frame| (frame.code, frame.reason.as_str())),
                ));
                self.close = CloseState::Sent {
                    deadline: Instant::now() + CLOSE_TIMEOUT,
                };
            }
        }
    }

    /// Puts a message on the wire towards the client; nothing follows a close frame.
    fn send(&mut self, message: WireMessage) {
        self.send_known(message, None);
    }

    /// The same with the frame that the message is, if that is at hand.
    fn send_known(&mut self, message: WireMessage, frame: Option<Value>) {
        if self.close == CloseState::Open {
            let (now, dir) = (self.clock.now(), Direction::GatewayToClient);
            self.wire.enter_known(now, dir, message, frame);
        }
    }

    fn close_with(&mut self, frame: Option<CloseFrame>) {
        if self.close == CloseState::Open {
            self.send(WireMessage::Close(frame));
            self.close = CloseState::Decided {
                deadline: Instant::now() + CLOSE_TIMEOUT,
            };
        }
    }

    /// Carries out what is in the outbox already; true when the connection must end at once.
    fn obey_waiting(&mut self) -> bool {
        match self.outbox.try_recv() {
            Ok(command) => self.obey_some(Some(command)),
            Err(_) => false,
        }
    }

    /// Carries out a command and those right behind it; true when the connection must end at once.
    fn obey_some(&mut self, first: Option<Box<Command>>) -> bool {
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(command) = next else { break };
            if self.obey(command) {
                return true;
            }
            next = self.outbox.try_recv().ok().map(Some);
        }
        next.flatten()
            .is_some_and(|command| self.obey(Some(command)))
    }

    fn obey(&mut self, command: Option<Box<Command>>) -> bool {
        match command.map(|command| *command) {
            Some(Command::Text(text, frame)) => {
                self.flow.buffered.fetch_sub(text.len(), Ordering::Relaxed);
                self.send_known(WireMessage::Text(text), frame);
            }
            Some(Command::Binary(bytes)) => {
                self.flow.buffered.fetch_sub(bytes.len(), Ordering::Relaxed);
                self.send(WireMessage::Binary(bytes));
            }
            Some(Command::Ping) => self.send(WireMessage::Ping(Vec::new())),
            Some(Command::Close(frame)) => self.close_with(Some(frame)),
            Some(Command::Limit(max_message)) => self.socket.limit(max_message),
            Some(Command::Abort) => return true,
            Some(Command::Note(text)) => self.note(Direction::GatewayToClient, text),
            // The hub has let go of this connection: it read too slowly. ref: gateway-behaviour.md §1.3
            None => self.close_with(Some(CloseFrame::new(1008, "slow consumer"))),
        }
        false
    }

    /// Takes what was read; true when the stream is broken.
    async fn take(&mut self, read: Result<tungstenite::Message, tungstenite::Error>) -> bool {
        let message = match read {
            Ok(tungstenite::Message::Text(text)) => WireMessage::Text(text.as_str().to_owned()),
            Ok(tungstenite::Message::Binary(bytes)) => WireMessage::Binary(bytes.into()),
            Ok(tungstenite::Message::Ping(bytes)) => WireMessage::Ping(bytes.into()),
            Ok(tungstenite::Message::Pong(bytes)) => WireMessage::Pong(bytes.into()),
            Ok(tungstenite::Message::Close(frame)) => {
                self.peer = PeerState::ClosedOnWire;
                self.peer_close = frame.map(|frame| CloseFrame {
                    code: frame.code.into(),
                    reason: frame.reason.as_str().to_owned(),
                });
                WireMessage::Close(self.peer_close.clone())
            }
            // Reading never gives a bare frame.
            Ok(tungstenite::Message::Frame(_)) => return false,
            Err(error) => return self.take_error(&error).await,
        };
        self.wire
            .enter(self.clock.now(), Direction::ClientToGateway, message);
        false
    }

    async fn take_error(&mut self, error: &tungstenite::Error) -> bool {
        let conn = self.conn;
        let input = match Broken::of(error) {
            Broken::Ended => {
                self.wire.eof(self.clock.now(), Direction::ClientToGateway);
                self.peer = PeerState::Ended;
                return false;
            }
            Broken::Stream => {
                self.wire
                    .reset(self.clock.now(), Direction::ClientToGateway);
                return true;
            }
            Broken::TooLarge => Input::TooLarge { conn },
            Broken::Codec(code) => Input::ProtocolError { conn, code },
        };
        self.note(Direction::ClientToGateway, error.to_string());
        // What follows cannot be read as messages any more, not even a close frame.
        self.peer = PeerState::Broken;
        self.hub.input(input).await;
        false
    }

    fn note(&self, dir: Direction, text: String) {
        if self.recorder.is_on() {
            let draft = Draft::new(self.clock.micros(), Kind::Note)
                .conn(self.conn)
                .dir(dir);
            self.recorder.record(draft.text(text));
        }
    }

    /// Whether nothing more can happen.
    fn is_over(&self) -> bool {
        match self.peer {
            PeerState::Talking | PeerState::ClosedOnWire => false,
            PeerState::Closed | PeerState::Broken => matches!(self.close, CloseState::Sent { .. }),
            PeerState::Ended => self.wire.next_deadline().is_none(),
        }
    }

    async fn tell_hub_closed(&mut self) {
        if !self.told_hub {
            self.told_hub = true;
            self.hub
                .input(Input::Closed {
                    conn: self.conn,
                    code: self.peer_close.as_ref().map(|frame| frame.code),
                })
                .await;
        }
    }

    /// Writes as much as the stream takes without waiting.
    fn flush_now(&mut self) -> Result<(), ()> {
        if self.socket.unwritten() == 0 {
            return Ok(());
        }
        // A waker that does nothing: `next` polls the flush again before it waits.
        match self
            .socket
            .poll_flush(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(Err(_)) => Err(()),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Does what is left of a cut. The wire has done its part to the stream.
    async fn cut(&mut self, cut: Cut) -> End {
        match cut {
            Cut::Reset => End::AtOnce,
            Cut::FinWithoutClose | Cut::CloseWithoutReply => End::HeldOpen,
            Cut::CloseThenReset(frame) => {
                self.socket
                    .queue(&Message::Close(Some((frame.code, &frame.reason))));
                if poll_fn(|cx| self.socket.poll_flush(cx)).await.is_ok() {
                    self.socket.io_mut().control().reset();
                }
                End::AtOnce
            }
            Cut::ReplyWithoutClose => {
                self.reply_to_close();
                End::HeldOpen
            }
            Cut::LateFin(delay) => {
                self.reply_to_close();
                End::Late(Instant::now() + delay)
            }
        }
    }

    /// Answers the peer's close frame, unless it is itself an answer.
    fn reply_to_close(&mut self) {
        if !matches!(self.close, CloseState::Sent { .. }) {
            let frame = self.peer_close.as_ref();
            self.socket.queue(&Message::Close(
                frame.map(|frame| (frame.code, frame.reason.as_str())),
            ));
        }
    }

    async fn finish(&mut self, end: End, cancelled: impl Future<Output = ()>) {
        let deadline = match end {
            End::AtOnce => return,
            End::InOrder => Some(Instant::now() + CLOSE_TIMEOUT),
            End::Late(at) => Some(at + CLOSE_TIMEOUT),
            End::HeldOpen => None,
        };
        self.outbox.close();
        // After the peer's close frame there is nothing left to read, and dropping the stream ends it in order.
        let reads_on = end == End::HeldOpen || self.peer != PeerState::Closed;
        let mut alarm = Alarm::default();
        tokio::select! {
            biased;
            () = cancelled => {}
            () = say_goodbye(&mut self.socket, end, reads_on) => {}
            () = alarm.at(deadline) => {}
        }
    }
}

async fn next_change(mut changes: watch::Receiver<u64>) -> watch::Receiver<u64> {
    if changes.changed().await.is_err() {
        // The table is gone: nothing can change any more.
        std::future::pending::<()>().await;
    }
    changes
}

/// Writes what is left, ends our side unless a fault keeps it open, and reads until the peer has ended its side:
/// dropping a stream with unread bytes would reset it, and the reset may overtake the close frame.
async fn say_goodbye<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut Socket<S>,
    end: End,
    reads_on: bool,
) {
    if poll_fn(|cx| socket.poll_flush(cx)).await.is_err() {
        return;
    }
    if let End::Late(at) = end {
        let mut alarm = Alarm::default();
        tokio::select! {
            biased;
            () = alarm.at(Some(at)) => {}
            () = async {
                poll_fn(|cx| socket.poll_discard(cx)).await;
                std::future::pending::<()>().await;
            } => {}
        }
    }
    if !reads_on {
        return;
    }
    if end == End::InOrder && poll_fn(|cx| socket.poll_shutdown(cx)).await.is_err() {
        return;
    }
    poll_fn(|cx| socket.poll_discard(cx)).await;
}

fn poll_socket<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut Socket<S>,
    cx: &mut Context<'_>,
    reading: bool,
    full: bool,
) -> Poll<Event> {
    if socket.unwritten() > 0 {
        match socket.poll_flush(cx) {
            Poll::Ready(Err(_)) => return Poll::Ready(Event::WriteFailed),
            Poll::Ready(Ok(())) if full => return Poll::Ready(Event::Written),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
    }
    if reading {
        socket.poll_read(cx).map(Event::Read)
    } else {
        Poll::Pending
    }
}

/// What an error of the codec means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// End of stream without a close frame.
    Ended,
    /// The stream itself failed.
    Stream,
    TooLarge,
    /// The peer broke the WebSocket protocol; the code it is told.
    Codec(u16),
}

impl Broken {
    /// ref: gateway-behaviour.md §1.2, §1.3
    fn of(error: &tungstenite::Error) -> Self {
        use tungstenite::Error;
        use tungstenite::error::ProtocolError;
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => Self::Ended,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Ended,
            Error::Protocol(_) => Self::Codec(1002),
            Error::Utf8(_) => Self::Codec(1007),
            Error::Capacity(_) => Self::TooLarge,
            Error::Io(_)
            | Error::Tls(_)
            | Error::WriteBufferFull(_)
            | Error::AttackAttempt
            | Error::Url(_)
            | Error::Http(_)
            | Error::HttpFormat(_) => Self::Stream,
        }
    }
}
