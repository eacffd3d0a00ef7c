//! Whose turn it is: walks the script, says our lines with live values, and meets theirs.
//!
//! Pure: sockets and clocks are [`super::drive`]'s. Lines are played in the order of the recording over all
//! connections, because what one connection says is often the cause of what another hears.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;
use transcript::{CloseInfo, Direction};

use super::bind::{Bindings, Class, Compared};
use super::outcome::{Finding, Outcome};
use super::script::{Line, Said, Script};
use super::sign::{Challenge, Signers};

/// Which half we play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client half, against a gateway.
    Client,
    /// The gateway half, for a client.
    Server,
}

impl Side {
    const fn says(self) -> Direction {
        match self {
            Self::Client => Direction::ClientToGateway,
            Self::Server => Direction::GatewayToClient,
        }
    }
}

/// What the shell does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// Dial, or accept, the next connection and tell it by [`Player::opened`]; what the recording knows of it.
    Open(Value),
    /// Say this on a socket, when the recording is this far.
    Say {
        /// Socket, as numbered by [`Player::opened`].
        socket: usize,
        /// What.
        message: Message,
        /// Microseconds since the recording began.
        t_us: u64,
    },
    /// Wait for anything and tell it by [`Player::heard`]; when nothing comes in time, [`Player::nothing_came`].
    Hear,
    /// The script is at its end.
    Finished,
}

/// A message on a socket.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A frame.
    Frame(Value),
    /// Something else.
    Raw(Vec<u8>),
    /// The end, with or without a close frame.
    Closed(Option<CloseInfo>),
}

/// Events that depend on timing: neither waited for nor missed.
const NOISE: [&str; 7] = [
    "tick",
    "health",
    "presence",
    "heartbeat",
    "task",
    "cron",
    "shutdown",
];

/// One connection of the recording.
#[derive(Debug, Default)]
struct Conn {
    socket: Option<usize>,
    inbox: VecDeque<Message>,
    /// The live challenge.
    challenge: Option<Challenge>,
    is_over: bool,
}

/// Plays one half of a script.
#[derive(Debug)]
pub struct Player {
    side: Side,
    lines: VecDeque<Line>,
    bound: Bindings,
    signers: Signers,
    conns: BTreeMap<u32, Conn>,
    /// Recorded challenges.
    challenges: BTreeMap<u32, Challenge>,
    sockets: usize,
    /// Nonces of ours, when we are the gateway.
    nonces: VecDeque<String>,
    /// What the gateway's clock reads, Unix milliseconds, when we are the gateway.
    now: i64,
    outcome: Outcome,
}

impl Player {
    /// At the first line. `seed` makes devices and nonces.
    pub fn new(script: &Script, side: Side, seed: u64, mut bound: Bindings) -> Self {
        let challenges: BTreeMap<u32, Challenge> = script
            .lines
            .iter()
            .rev()
            .filter_map(|line| Some((line.conn, Challenge::of(line.said.frame()?)?)))
            .collect();
        let signers = match side {
            Side::Client => Signers::of(script, seed, &mut bound),
            Side::Server => Signers::default(),
        };
        let nonce = |number: usize| {
            let pair = transcript::resign::keypair(seed, u32::try_from(number).unwrap_or_default());
            let mut bytes = [0; 16];
            for (to, from) in bytes.iter_mut().zip(pair.public().to_bytes()) {
                *to = from;
            }
            gateway_protocol::id::uuid_v4(bytes)
        };
        Self {
            side,
            lines: script.lines.iter().cloned().collect(),
            bound,
            signers,
            conns: BTreeMap::new(),
            nonces: (0..script.connections()).map(nonce).collect(),
            challenges,
            sockets: 0,
            now: 0,
            outcome: Outcome::default(),
        }
    }

    /// Sets the gateway's clock.
    pub fn at(&mut self, now_ms: i64) {
        self.now = now_ms;
    }

    /// What to do now.
    pub fn turn(&mut self) -> Turn {
        loop {
            let Some(line) = self.lines.front() else {
                return Turn::Finished;
            };
            let conn = self.conns.entry(line.conn).or_default();
            if let Said::Open(known) = &line.said {
                return Turn::Open(known.clone());
            }
            if conn.is_over {
                self.lines.pop_front();
                continue;
            }
            if line.dir == Some(self.side.says()) {
                if let Some(turn) = self.say() {
                    return turn;
                }
            } else if !self.meet() {
                return Turn::Hear;
            }
        }
    }

    /// A connection is there; `None` when it could not be opened. Returns its socket number.
    pub fn opened(&mut self, failure: Option<String>) -> Option<usize> {
        let line = self.lines.pop_front()?;
        let conn = self.conns.entry(line.conn).or_default();
        if let Some(failure) = failure {
            conn.is_over = true;
            self.outcome.findings.push(Finding::Missing {
                entry: line.n,
                expected: format!("connection {}", line.conn),
                instead: failure,
            });
            return None;
        }
        conn.socket = Some(self.sockets);
        self.sockets += 1;
        conn.socket
    }

    /// Something came.
    pub fn heard(&mut self, socket: usize, message: Message) {
        let Some((number, conn)) = self
            .conns
            .iter_mut()
            .find(|(_, conn)| conn.socket == Some(socket))
        else {
            return;
        };
        if let Message::Frame(frame) = &message {
            if let Some(challenge) = Challenge::of(frame) {
                conn.challenge = Some(challenge);
            }
            let number = *number;
            conn.inbox.push_back(message);
            self.relabel(number);
        } else {
            conn.inbox.push_back(message);
        }
    }

    /// A client need not open its connections in the recorded order: the role in its connect says which one this is.
    fn relabel(&mut self, number: u32) {
        if self.side == Side::Client {
            return;
        }
        let role = |frame: &Value| {
            let connect = frame.get("method")? == "connect";
            let role = frame
                .pointer("/params/role")
                .and_then(Value::as_str)
                .unwrap_or("operator");
            connect.then(|| role.to_owned())
        };
        let came = self
            .conns
            .get(&number)
            .and_then(|conn| match conn.inbox.back()? {
                Message::Frame(frame) => role(frame),
                Message::Raw(_) | Message::Closed(_) => None,
            });
        let Some(came) = came else { return };
        let next = self
            .lines
            .iter()
            .find_map(|line| (role(line.said.frame()?)? == came).then_some(line.conn));
        let is_first = |conn: u32| {
            self.lines.iter().find_map(|line| {
                let frame = line.said.frame().filter(|_| line.conn == conn)?;
                Some(role(frame)? == came)
            })
        };
        if is_first(number) != Some(false) {
            return;
        }
        let Some(other) = next.filter(|other| !self.conns.contains_key(other)) else {
            return;
        };
        // The socket becomes `other`; `number` waits for a connection again, with the lines that open `other`.
        let moved = self.conns.remove(&number).unwrap_or_default();
        if let Some((then, now)) = self.challenges.get(&other).zip(moved.challenge.as_ref()) {
            self.bound.set(&then.nonce, &now.nonce, Class::Nonce);
        }
        self.conns.insert(other, moved);
        let opening = |line: &Line| {
            line.conn == other
                && (matches!(line.said, Said::Open(_))
                    || line.said.frame().and_then(Challenge::of).is_some())
        };
        let (mut first, rest): (VecDeque<Line>, VecDeque<Line>) =
            self.lines.drain(..).partition(opening);
        for line in &mut first {
            line.conn = number;
        }
        first.extend(rest);
        self.lines = first;
    }

    /// Nothing came in time for the line that is waited for; the rest of its connection is not played.
    pub fn nothing_came(&mut self, why: &str) {
        let Some(line) = self.lines.pop_front() else {
            return;
        };
        let conn = self.conns.entry(line.conn).or_default();
        let came: Vec<String> = conn
            .inbox
            .iter()
            .filter(|message| !is_noise(message))
            .map(name)
            .collect();
        let instead = if came.is_empty() {
            why.to_owned()
        } else {
            format!("came instead: {}", came.join(", "))
        };
        conn.is_over = true;
        conn.inbox.clear();
        self.outcome.findings.push(Finding::Missing {
            entry: line.n,
            expected: format!("{} on connection {}", name_said(&line.said), line.conn),
            instead,
        });
    }

    /// The end: what came and was not recorded is told too.
    pub fn finish(mut self) -> Outcome {
        for conn in self.conns.values().filter(|conn| !conn.is_over) {
            for message in conn.inbox.iter().filter(|message| !is_noise(message)) {
                self.outcome.findings.push(Finding::Unexpected {
                    what: name(message),
                    is_request: matches!(message, Message::Frame(frame) if frame.get("method").is_some()),
                });
            }
        }
        self.outcome.bindings = self.bound.lines();
        self.outcome
    }

    // Ours.

    fn say(&mut self) -> Option<Turn> {
        let line = self.lines.pop_front()?;
        let conn = self.conns.get_mut(&line.conn)?;
        let socket = conn.socket?;
        let message = match line.said {
            Said::Frame(recorded) => Message::Frame(self.live(line.conn, &recorded)),
            Said::Raw(bytes) => Message::Raw(bytes),
            Said::Close(close) => {
                conn.is_over = true;
                Message::Closed(Some(CloseInfo {
                    code: close.code,
                    reason: self.bound.put_text(&close.reason),
                }))
            }
            Said::End => {
                conn.is_over = true;
                Message::Closed(None)
            }
            Said::Open(_) => return None,
        };
        self.outcome.said += 1;
        Some(Turn::Say {
            socket,
            message,
            t_us: line.t_us,
        })
    }

    fn live(&mut self, number: u32, recorded: &Value) -> Value {
        let mut live = self.bound.put(recorded);
        let then = self.challenges.get(&number);
        let Some(conn) = self.conns.get_mut(&number) else {
            return live;
        };
        match self.side {
            Side::Server => {
                if let Some(said) = Challenge::of(recorded) {
                    let nonce = self.nonces.pop_front().unwrap_or(said.nonce);
                    let now = Challenge {
                        nonce,
                        ts: self.now,
                    };
                    if let Some(payload) = live.get_mut("payload").and_then(Value::as_object_mut) {
                        payload.insert("nonce".to_owned(), Value::from(now.nonce.as_str()));
                        payload.insert("ts".to_owned(), Value::from(now.ts));
                    }
                    if let Some(then) = then {
                        self.bound.set(&then.nonce, &now.nonce, Class::Nonce);
                    }
                    conn.challenge = Some(now);
                }
            }
            Side::Client => {
                if let Some(now) = &conn.challenge {
                    // A frame without a device of ours is said as it is.
                    let _signed = self.signers.sign(recorded, &mut live, then, now);
                }
            }
        }
        live
    }

    // Theirs.

    /// Whether the next line was met, or need not be.
    fn meet(&mut self) -> bool {
        let Some(line) = self.lines.front() else {
            return true;
        };
        if matches!(&line.said, Said::Frame(frame) if noise(frame)) {
            self.lines.pop_front();
            return true;
        }
        let Some(conn) = self.conns.get_mut(&line.conn) else {
            return false;
        };
        let fitting = conn
            .inbox
            .iter()
            .enumerate()
            .filter(|(_, message)| fits(&self.bound, &line.said, message));
        // Of several that fit, the one that contradicts least is meant.
        let best = fitting.min_by_key(|(_, message)| differences(&self.bound, &line.said, message));
        let Some((index, _)) = best else {
            if matches!(conn.inbox.back(), Some(Message::Closed(_))) {
                let how = conn.inbox.back().map(name).unwrap_or_default();
                self.nothing_came(&format!("the connection ended with {how}"));
                return true;
            }
            return false;
        };
        let Some(message) = conn.inbox.remove(index) else {
            return false;
        };
        conn.is_over |= matches!(message, Message::Closed(_));
        if let Some(line) = self.lines.pop_front() {
            self.met(&line, &message);
        }
        true
    }

    fn met(&mut self, line: &Line, message: &Message) {
        self.outcome.heard += 1;
        let entry = line.n;
        match (&line.said, message) {
            (Said::Frame(recorded), Message::Frame(live)) => {
                self.outcome.findings.extend(results(entry, recorded, live));
                if self.side == Side::Server {
                    self.outcome
                        .findings
                        .extend(signature(entry, recorded, live));
                }
                for (at, compared) in self.bound.compare(recorded, live) {
                    let finding = match compared {
                        Compared::Contradiction(what) => Finding::Contradiction { entry, at, what },
                        Compared::Different(recorded, live) => Finding::Different {
                            entry,
                            at,
                            recorded,
                            live,
                        },
                    };
                    self.outcome.findings.push(finding);
                }
            }
            (Said::Close(recorded), Message::Closed(live)) => {
                let code = live.as_ref().and_then(|live| live.code);
                if code != recorded.code {
                    self.outcome.findings.push(Finding::Result {
                        entry,
                        at: "close code".to_owned(),
                        recorded: format!("{:?}", recorded.code),
                        live: format!("{code:?}"),
                    });
                }
            }
            _ => {}
        }
    }
}

/// `ok` and the error code decide what a peer does next.
fn results(entry: u64, recorded: &Value, live: &Value) -> Vec<Finding> {
    let text = |frame: &Value, at: &str| {
        frame
            .pointer(at)
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    ["/ok", "/error/code", "/error/details/code"]
        .into_iter()
        .filter(|at| text(recorded, at) != text(live, at))
        .map(|at| Finding::Result {
            entry,
            at: at.to_owned(),
            recorded: text(recorded, at),
            live: text(live, at),
        })
        .collect()
}

/// A client whose signatures fitted must sign our nonce as well.
fn signature(entry: u64, recorded: &Value, live: &Value) -> Option<Finding> {
    use transcript::resign::{Fit, fit};
    let was_good = matches!(fit(recorded), Some(Fit::Fits(_) | Fit::Hidden));
    let is_good = matches!(fit(live), Some(Fit::Fits(_)));
    (was_good && !is_good).then(|| Finding::Result {
        entry,
        at: "/params/device/signature".to_owned(),
        recorded: "one that fits".to_owned(),
        live: "one that does not fit, or none".to_owned(),
    })
}

fn kind<'a>(frame: &'a Value, name: &str) -> Option<&'a str> {
    frame.get(name)?.as_str()
}

fn fits(bound: &Bindings, recorded: &Said, live: &Message) -> bool {
    match (recorded, live) {
        (Said::Frame(recorded), Message::Frame(live)) => {
            let same = |name: &str| kind(recorded, name) == kind(live, name);
            let id = kind(recorded, "id").unwrap_or_default();
            let is_answer = kind(recorded, "type") == Some("res");
            same("type")
                && same("method")
                && same("event")
                && (!is_answer || kind(live, "id") == Some(bound.live(id).unwrap_or(id)))
        }
        (Said::Raw(_), Message::Raw(_)) | (Said::Close(_) | Said::End, Message::Closed(_)) => true,
        _ => false,
    }
}

fn differences(bound: &Bindings, recorded: &Said, live: &Message) -> usize {
    match (recorded, live) {
        (Said::Frame(recorded), Message::Frame(live)) => {
            bound.clone().compare(recorded, live).len()
        }
        _ => 0,
    }
}

fn noise(frame: &Value) -> bool {
    kind(frame, "event").is_some_and(|event| NOISE.contains(&event))
}

fn is_noise(message: &Message) -> bool {
    match message {
        Message::Frame(frame) => noise(frame),
        Message::Closed(_) => true,
        Message::Raw(_) => false,
    }
}

fn name(message: &Message) -> String {
    match message {
        Message::Frame(frame) => name_frame(frame),
        Message::Raw(bytes) => format!("{} bytes that are no frame", bytes.len()),
        Message::Closed(Some(close)) => format!(
            "close {} {:?}",
            close.code.unwrap_or_default(),
            close.reason
        ),
        Message::Closed(None) => "the end of the stream".to_owned(),
    }
}

fn name_said(said: &Said) -> String {
    match said {
        Said::Open(_) => "a connection".to_owned(),
        Said::Frame(frame) => name_frame(frame),
        Said::Raw(bytes) => format!("{} bytes that are no frame", bytes.len()),
        Said::Close(close) => format!("close {}", close.code.unwrap_or_default()),
        Said::End => "the end of the stream".to_owned(),
    }
}

fn name_frame(frame: &Value) -> String {
    match (kind(frame, "method"), kind(frame, "event")) {
        (Some(method), _) => format!("request {method}"),
        (_, Some(event)) => format!("event {event}"),
        _ => {
            let ok = frame.get("ok").and_then(Value::as_bool).unwrap_or_default();
            let code = frame
                .pointer("/error/code")
                .and_then(Value::as_str)
                .unwrap_or_default();
            format!(
                "{} to {}",
                if ok { "ok" } else { code },
                kind(frame, "id").unwrap_or_default()
            )
        }
    }
}
