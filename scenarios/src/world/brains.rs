//! The world `core`: the two pure cores in one loop, with [`link::Wire`]s between them. No runtime, no sockets.
//!
//! Time is a number that jumps to the next deadline. The loop takes one thing at a time, in a fixed order:
//! what the gateway wants done, what each client wants done (by name), what leaves each wire (by number),
//! then deadlines. Equal seeds therefore give equal transcripts.

mod client;
mod copy;
mod ground;
mod line;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use client_core::Input as ClientInput;
use gateway_core::{Admission, Control, Gateway, Input, Lifecycle, Output};
use gateway_protocol::Now;
use gateway_protocol::time::VIRTUAL_EPOCH;
use link::{Departure, FaultTable, WireMessage};
use serde_json::Value;
use transcript::{Direction, Draft, Kind, Recorder};

use self::client::{CoreClient, Wish};
use self::line::{Far, Line, Spoken};
use super::arrange::Arrangement;
use super::raw::challenge_nonce;
use super::services::BROKEN;
use super::tether::Severing;
use super::witness::Ledger;
use super::{RawBook, RawPhase};
use crate::scenario::{Moment, Service};

/// Things done at one moment before it is called a storm: a loop without time would never end.
const MAX_TURNS_AT_ONCE: u32 = 100_000;

/// Both brains and everything between them.
pub(crate) struct Brains {
    now: Duration,
    gateway: Gateway,
    recorder: Recorder,
    faults: FaultTable,
    lines: BTreeMap<u32, Line>,
    last_conn: u32,
    clients: BTreeMap<String, CoreClient>,
    raws: BTreeMap<String, Vec<CoreRaw>>,
    book: RawBook,
    ledger: Ledger,
    pulse: u64,
    turns_at_once: u32,
}

/// A raw actor's connection.
#[derive(Debug)]
struct CoreRaw {
    conn: u32,
    phase: RawPhase,
    nonce: Option<String>,
    /// Text messages that it has heard.
    heard: u32,
}

impl Brains {
    /// The world at its beginning.
    pub(crate) fn new(
        mut arrangement: Arrangement,
        recorder: Recorder,
        faults: FaultTable,
    ) -> Option<Self> {
        let gateway = arrangement.gateway.take()?;
        let book = RawBook::new(&arrangement);
        let ledger = Ledger::default();
        let clients = arrangement
            .clients
            .into_iter()
            .map(|(name, plan)| {
                let client = CoreClient::new(&name, plan, &ledger);
                (name, client)
            })
            .collect();
        Some(Self {
            now: Duration::ZERO,
            gateway,
            recorder,
            faults,
            lines: BTreeMap::new(),
            last_conn: 0,
            clients,
            raws: BTreeMap::new(),
            book,
            ledger,
            pulse: 0,
            turns_at_once: 0,
        })
    }

    fn clock(&self) -> Now {
        Now::at(self.now, VIRTUAL_EPOCH)
    }

    /// Does the next thing that is due now; false when there is none.
    fn turn(&mut self) -> bool {
        let done =
            self.gateway_turn() || self.wire_turn() || self.client_turn() || self.deadline_turn();
        if done {
            self.pulse += 1;
            self.turns_at_once += 1;
        }
        done && self.turns_at_once < MAX_TURNS_AT_ONCE
    }

    fn gateway_turn(&mut self) -> bool {
        let Some(output) = self.gateway.poll() else {
            return false;
        };
        let now = self.clock();
        match output {
            Output::Send { conn, message } => self.say(conn, Spoken::of(message)),
            Output::Ping { conn } => self.say(conn, WireMessage::Ping(Vec::new()).into()),
            Output::Close { conn, frame } => {
                if let Some(line) = self.lines.get_mut(&conn) {
                    line.gateway_closes(now, Some(frame));
                }
            }
            Output::Abort { conn } => {
                self.end_from_gateway(conn, "connection closed without a close frame");
            }
            Output::Limit { conn, max_message } => {
                if let Some(line) = self.lines.get_mut(&conn) {
                    line.max_message = max_message;
                }
            }
            Output::Lifecycle(Lifecycle::Restarting { .. } | Lifecycle::Stopping) => {
                self.faults.set_down(true);
            }
            Output::Lifecycle(Lifecycle::Ready) => self.faults.set_down(false),
            Output::Synthetic { conn, method, id } => {
                let micros = u64::try_from(self.now.as_micros()).unwrap_or(u64::MAX);
                let note = gateway_core::synthetic_note(&method, id.as_str());
                let draft = Draft::new(micros, Kind::Note)
                    .conn(conn)
                    .dir(Direction::GatewayToClient);
                self.recorder.record(draft.text(note));
            }
            Output::Log(_) => {}
        }
        true
    }

    /// The gateway says something on a connection; nothing follows its close frame.
    fn say(&mut self, conn: u32, message: Spoken) {
        let now = self.clock();
        if let Some(line) = self.lines.get_mut(&conn) {
            line.gateway_says(now, message);
        }
    }

    fn client_turn(&mut self) -> bool {
        let now = self.now;
        let next = self
            .clients
            .iter_mut()
            .find_map(|(name, client)| Some((name, client.next(now)?)));
        let Some((name, wish)) = next else {
            return false;
        };
        if matches!(wish, Wish::Nothing) {
            return true;
        }
        let name = name.clone();
        match wish {
            Wish::Nothing => {}
            Wish::Open {
                socket,
                origin,
                url,
            } => self.open_client(&name, socket, origin, &url),
            Wish::Send { socket, message } => {
                if let Some(conn) = self.conn_of(&name, socket) {
                    self.hear(conn, message);
                }
            }
            Wish::Close { socket, message } => {
                if let Some(conn) = self.conn_of(&name, socket) {
                    let now = self.clock();
                    if let Some(line) = self.lines.get_mut(&conn) {
                        line.client_closes(now, message);
                    }
                }
            }
            Wish::Die(when) => self.kill(&name, when),
            Wish::Probe { repair } => {
                let answers = !self.faults.is_refusing();
                self.tell_client(&name, ClientInput::Probed { repair, answers });
            }
            Wish::Restart { repair, service } => {
                let result = self.restart_service(service);
                self.tell_client(&name, ClientInput::Restarted { repair, result });
            }
            Wish::Abort { socket } => {
                if let Some(conn) = self.conn_of(&name, socket) {
                    self.end_from_client(conn, Severing::Fin);
                }
            }
        }
        true
    }

    fn tell_client(&mut self, name: &str, input: ClientInput) {
        if let Some(client) = self.clients.get_mut(name) {
            client.take(input);
        }
    }

    /// The gateway's service in the hands of a client.
    fn restart_service(&mut self, service: Service) -> Result<(), String> {
        if service == Service::Fails {
            return Err(BROKEN.to_owned());
        }
        let now = self.clock();
        // One that is down already has nothing to stop.
        self.gateway.control(now, Control::Halt).ok();
        let started = self.gateway.control(now, Control::Start);
        started.map(drop).map_err(|error| error.to_string())
    }

    /// A client's process is gone, its sockets with it; then somebody starts it again.
    fn kill(&mut self, name: &str, when: Moment) {
        let micros = u64::try_from(self.now.as_micros()).unwrap_or(u64::MAX);
        let text = format!("{name} was killed {} a durable write", when.name());
        self.recorder
            .record(Draft::new(micros, Kind::Note).text(text));
        let owned = self.lines.iter();
        let owned = owned.filter(|(_, line)| line.far.actor() == name);
        let owned: Vec<u32> = owned.map(|(conn, _)| *conn).collect();
        for conn in owned {
            self.end_from_client(conn, Severing::Fin);
        }
        if let Some(client) = self.clients.get_mut(name) {
            client.stop();
            // It was running a moment ago, so nothing keeps it from starting.
            client.start(self.now, &self.ledger).ok();
        }
    }

    fn open_client(
        &mut self,
        name: &str,
        socket: client_core::SocketId,
        origin: String,
        url: &str,
    ) {
        let Some(client) = self.clients.get(name) else {
            return;
        };
        let mut peer = line::peer(&client.headers, Some(origin));
        peer.host = line::host(url);
        let opened = self.open(
            name,
            Far::Client {
                actor: name.to_owned(),
                socket,
            },
            peer,
        );
        if let Some(client) = self.clients.get_mut(name) {
            client.take(match opened {
                Ok(_conn) => ClientInput::Opened { socket },
                Err(error) => ClientInput::OpenFailed { socket, error },
            });
        }
        self.greet();
    }

    /// Opens a connection; the error is what the system would say.
    fn open(&mut self, actor: &str, far: Far, peer: gateway_core::Peer) -> Result<u32, String> {
        let refused = || "connect to localhost:18789: connection refused".to_owned();
        let conn = self.last_conn + 1;
        // Nobody but the gateway listens in a world: any other port refuses, any host is this machine.
        let elsewhere = !peer.host.as_deref().unwrap_or_default().ends_with(":18789");
        if elsewhere || self.faults.is_refusing() {
            return Err(refused());
        }
        if self.faults.admit(conn) == link::Admission::Refuse {
            self.last_conn = conn;
            return Err(refused());
        }
        // Refused or not, it has taken a number: the gateway had to accept it to answer.
        self.last_conn = conn;
        let admission = self.gateway.admission(conn, &peer);
        if let Some(status) = refusing_status(&admission) {
            self.faults.detach(conn);
            self.recorder
                .record(link::refused_upgrade(self.now, conn, actor, status));
            return Err(format!(
                "upgrade at localhost:18789: expected status 101, got {status}"
            ));
        }
        let line = Line::open(
            self.clock(),
            conn,
            actor,
            far,
            peer,
            &self.faults,
            &self.recorder,
        );
        self.lines.insert(conn, line);
        Ok(conn)
    }

    /// Tells the gateway of connections that it has not met: the client hears of the upgrade first.
    fn greet(&mut self) {
        let now = self.clock();
        for (conn, line) in &mut self.lines {
            if let Some(peer) = line.stranger.take() {
                self.gateway
                    .handle(now, Input::Opened { conn: *conn, peer });
            }
        }
    }

    fn conn_of(&self, actor: &str, socket: client_core::SocketId) -> Option<u32> {
        self.lines
            .iter()
            .find(|(_, line)| line.far.is_client(actor, socket))
            .map(|(conn, _)| *conn)
    }

    /// A client says something on a connection.
    fn hear(&mut self, conn: u32, message: Spoken) {
        let now = self.clock();
        let Some(line) = self.lines.get_mut(&conn) else {
            return;
        };
        let size = match &message.message {
            WireMessage::Text(text) => text.len(),
            WireMessage::Binary(bytes) => bytes.len(),
            WireMessage::Ping(_) | WireMessage::Pong(_) | WireMessage::Close(_) => 0,
        };
        if size > line.max_message {
            self.gateway.handle(now, Input::TooLarge { conn });
        } else {
            line.client_says(now, message);
        }
    }

    fn wire_turn(&mut self) -> bool {
        let now = self.clock();
        let next = self
            .lines
            .iter_mut()
            .find_map(|(conn, line)| Some((*conn, line.wire.poll(now)?)));
        let Some((conn, leaving)) = next else {
            return false;
        };
        match (leaving.what, leaving.dir) {
            (Departure::Deliver(message), Direction::ClientToGateway) => {
                self.reach_gateway(conn, message, leaving.frame);
            }
            (Departure::Deliver(message), Direction::GatewayToClient) => {
                self.reach_client(conn, message, leaving.frame);
            }
            (Departure::Cut(cut), _) => self.cut(conn, &cut),
        }
        true
    }

    fn reach_gateway(&mut self, conn: u32, message: WireMessage, frame: Option<Arc<Value>>) {
        let now = self.clock();
        let Some(line) = self.lines.get_mut(&conn) else {
            return;
        };
        match message {
            WireMessage::Text(text) if !line.gateway.closed => {
                let input = match frame {
                    Some(frame) => Input::Frame { conn, frame },
                    None => Input::Text { conn, text },
                };
                self.gateway.handle(now, input);
            }
            WireMessage::Binary(bytes) if !line.gateway.closed => {
                self.gateway.handle(now, Input::Binary { conn, bytes });
            }
            WireMessage::Ping(body) => line.gateway_says(now, WireMessage::Pong(body).into()),
            WireMessage::Text(_) | WireMessage::Binary(_) | WireMessage::Pong(_) => {}
            WireMessage::Close(frame) => {
                let code = frame.as_ref().map(|frame| frame.code);
                line.client.done = true;
                line.gateway_closes(now, frame);
                self.gateway.handle(now, Input::Closed { conn, code });
                self.bury(conn);
            }
        }
    }

    fn reach_client(&mut self, conn: u32, message: WireMessage, frame: Option<Arc<Value>>) {
        let now = self.clock();
        let Some(line) = self.lines.get_mut(&conn) else {
            return;
        };
        let closes = matches!(message, WireMessage::Close(_));
        match &message {
            WireMessage::Ping(body) => {
                line.client_says(now, WireMessage::Pong(body.clone()).into());
            }
            WireMessage::Close(frame) => {
                line.gateway.done = true;
                line.client_closes(now, frame.clone());
            }
            WireMessage::Text(_) | WireMessage::Binary(_) | WireMessage::Pong(_) => {}
        }
        match &line.far {
            Far::Client { actor, socket } => {
                if let (Some(client), Some(input)) = (
                    self.clients.get_mut(actor),
                    client::input(*socket, message, frame),
                ) {
                    client.take(input);
                }
            }
            Far::Raw { actor } => {
                let raw = self
                    .raws
                    .get_mut(actor)
                    .and_then(|raws| raws.iter_mut().rev().find(|raw| raw.conn == conn));
                if let Some(raw) = raw {
                    if let WireMessage::Text(text) = &message {
                        raw.heard += 1;
                        raw.nonce = challenge_nonce(text).or_else(|| raw.nonce.take());
                    }
                    if closes {
                        raw.phase = RawPhase::Ended;
                    }
                }
            }
        }
        self.bury(conn);
    }

    fn cut(&mut self, conn: u32, cut: &link::Cut) {
        match cut {
            link::Cut::Reset | link::Cut::CloseThenReset(_) => {
                self.end_from_gateway(conn, "network error: connection reset");
            }
            link::Cut::FinWithoutClose
            | link::Cut::CloseWithoutReply
            | link::Cut::ReplyWithoutClose
            | link::Cut::LateFin(_) => {
                self.end_from_gateway(conn, "connection closed without a close frame");
            }
        }
    }

    /// Takes away a connection on which both ends have said goodbye.
    fn bury(&mut self, conn: u32) {
        if self
            .lines
            .get(&conn)
            .is_some_and(|line| line.client.done && line.gateway.done)
        {
            self.lines.remove(&conn);
        }
    }

    /// The gateway's end goes away without a close frame.
    fn end_from_gateway(&mut self, conn: u32, reason: &str) {
        let Some(line) = self.lines.remove(&conn) else {
            return;
        };
        self.gateway
            .handle(self.clock(), Input::Closed { conn, code: None });
        match line.far {
            Far::Client { actor, socket } => {
                if let Some(client) = self.clients.get_mut(&actor) {
                    client.take(ClientInput::Closed {
                        socket,
                        code: None,
                        reason: reason.to_owned(),
                    });
                }
            }
            Far::Raw { actor } => self.end_raw(&actor, conn),
        }
    }

    /// The client's end goes away without a close frame.
    fn end_from_client(&mut self, conn: u32, severing: Severing) {
        let Some(line) = self.lines.remove(&conn) else {
            return;
        };
        match severing {
            Severing::Fin => line.wire.eof(self.clock(), Direction::ClientToGateway),
            Severing::Reset => line.wire.reset(self.clock(), Direction::ClientToGateway),
        }
        self.gateway
            .handle(self.clock(), Input::Closed { conn, code: None });
        if let Far::Raw { actor } = &line.far {
            self.end_raw(actor, conn);
        }
    }

    fn end_raw(&mut self, actor: &str, conn: u32) {
        for raw in self.raws.get_mut(actor).into_iter().flatten() {
            if raw.conn == conn {
                raw.phase = RawPhase::Ended;
            }
        }
    }

    fn deadline_turn(&mut self) -> bool {
        let now = self.clock();
        if self.gateway.wake_at().is_some_and(|at| at <= self.now) {
            self.gateway.handle(now, Input::Woke);
            return true;
        }
        self.clients
            .values_mut()
            .any(|client| client.wake(self.now))
    }

    fn next_deadline(&self) -> Option<Duration> {
        let lines = self
            .lines
            .values()
            .filter_map(|line| line.wire.next_deadline());
        let clients = self.clients.values().filter_map(CoreClient::next_deadline);
        lines.chain(clients).chain(self.gateway.wake_at()).min()
    }

    /// Does one thing, or lets time pass to the next deadline; false when `until` has come.
    fn advance(&mut self, until: Duration) -> bool {
        if self.turn() {
            return true;
        }
        let next = self
            .next_deadline()
            .filter(|at| *at <= until && *at > self.now);
        self.turns_at_once = 0;
        self.now = next.unwrap_or_else(|| until.max(self.now));
        next.is_some()
    }

    /// Text messages that the newest connection of a raw actor has heard.
    pub(crate) fn heard(&self, actor: &str) -> u32 {
        self.raw_connection(actor, None).map_or(0, |raw| raw.heard)
    }

    fn raw_connection(&self, actor: &str, nth: Option<u32>) -> Option<&CoreRaw> {
        let raws = self.raws.get(actor)?;
        match nth {
            None => raws.last(),
            Some(nth) => raws.get(usize::try_from(nth.checked_sub(1)?).ok()?),
        }
    }
}

/// The HTTP status of an upgrade that is refused.
fn refusing_status(admission: &Admission) -> Option<u16> {
    match admission {
        Admission::Accept => None,
        Admission::TooManyUnauthenticated => Some(503),
        Admission::ProxyAttributionRequired => Some(403),
        Admission::Scripted(http) => Some(http.status),
    }
}
