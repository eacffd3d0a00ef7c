//! Who said what: puts every transcript entry into its context.
//!
//! An entry alone does not say which actor a connection belongs to, which role it asked for, or which request
//! a response answers. [`Wire`] is a fold that knows. It takes raw entries (live) and stored ones alike.

use std::collections::{BTreeMap, VecDeque};

use gateway_protocol::member;
use serde_json::Value;
use transcript::{CloseInfo, Direction, Entry, Kind, RawEntry, Stage};

/// What the judge needs of an entry, raw or redacted.
pub trait Recorded {
    /// Number of the entry.
    fn n(&self) -> u64;
    /// Microseconds since the run began.
    fn t_us(&self) -> u64;
    /// The connection.
    fn conn(&self) -> Option<u32>;
    /// The party, where the recorder knew it.
    fn actor(&self) -> Option<&str>;
    /// Which way.
    fn dir(&self) -> Option<Direction>;
    /// How far it got.
    fn stage(&self) -> Option<Stage>;
    /// What it is.
    fn kind(&self) -> Kind;
    /// The message as JSON.
    fn frame(&self) -> Option<&Value>;
    /// Code and reason of a close.
    fn close(&self) -> Option<&CloseInfo>;
    /// Text for people.
    fn text(&self) -> Option<&str>;
}

macro_rules! recorded {
    ($type:ty, |$entry:ident| { actor: $actor:expr, frame: $frame:expr, close: $close:expr, text: $text:expr }) => {
        impl Recorded for $type {
            fn n(&self) -> u64 {
                self.n
            }
            fn t_us(&self) -> u64 {
                self.t_us
            }
            fn conn(&self) -> Option<u32> {
                self.conn
            }
            fn actor(&self) -> Option<&str> {
                let $entry = self;
                $actor
            }
            fn dir(&self) -> Option<Direction> {
                self.dir
            }
            fn stage(&self) -> Option<Stage> {
                self.stage
            }
            fn kind(&self) -> Kind {
                self.kind
            }
            fn frame(&self) -> Option<&Value> {
                let $entry = self;
                $frame
            }
            fn close(&self) -> Option<&CloseInfo> {
                let $entry = self;
                $close
            }
            fn text(&self) -> Option<&str> {
                let $entry = self;
                $text
            }
        }
    };
}

recorded!(Entry, |entry| {
    actor: entry.actor.as_deref(),
    frame: entry.frame.as_deref(),
    close: entry.close.as_ref(),
    text: entry.text.as_deref()
});
recorded!(RawEntry, |entry| {
    actor: Self::actor(entry),
    frame: Self::frame(entry),
    close: Self::close(entry),
    text: Self::text(entry)
});

/// What is known of a connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connection {
    /// The actor it belongs to.
    pub actor: Option<String>,
    /// Role that its `connect` asked for.
    pub role: Option<String>,
    /// Entry at which it was opened, 0 while that is unknown.
    pub opened: u64,
    /// When it was opened.
    pub opened_us: u64,
    /// Entry at which it ended.
    pub ended: Option<u64>,
    /// Entry at which the gateway answered `connect` with ok.
    pub hello: Option<u64>,
    requests: BTreeMap<(bool, String), VecDeque<Asked>>,
}

/// A request, and whether it was answered.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    method: String,
    answered: bool,
}

/// The fold.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    connections: BTreeMap<u32, Connection>,
    /// Method of the request that a response entry answers, by entry number.
    answers: BTreeMap<u64, String>,
}

impl Wire {
    /// The context of a whole transcript.
    pub fn of<'a, R: Recorded + 'a>(entries: impl IntoIterator<Item = &'a R>) -> Self {
        let mut wire = Self::default();
        for entry in entries {
            wire.observe(entry);
        }
        wire
    }

    /// Takes the next entry.
    pub fn observe<R: Recorded>(&mut self, entry: &R) {
        let Some(conn) = entry.conn() else { return };
        let connection = self.connections.entry(conn).or_default();
        if connection.opened == 0 {
            connection.opened = entry.n();
            connection.opened_us = entry.t_us();
        }
        if connection.actor.is_none() {
            connection.actor = entry.actor().map(str::to_owned);
        }
        match entry.kind() {
            Kind::Open => {
                connection.opened = entry.n();
                connection.opened_us = entry.t_us();
            }
            Kind::Eof | Kind::Reset => {
                connection.ended = connection.ended.or_else(|| Some(entry.n()));
            }
            Kind::Text | Kind::Binary => self.message(conn, entry),
            Kind::Ping | Kind::Pong | Kind::Close | Kind::Fault | Kind::Step | Kind::Note => {}
        }
    }

    fn message<R: Recorded>(&mut self, conn: u32, entry: &R) {
        let Some(frame) = entry.frame() else { return };
        let text = |name: &str| member(frame, name).and_then(Value::as_str);
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        let from_client = entry.dir() == Some(Direction::ClientToGateway);
        match text("type") {
            Some("req") => {
                let (Some(id), Some(method)) = (text("id"), text("method")) else {
                    return;
                };
                let asked = connection
                    .requests
                    .entry((from_client, id.to_owned()))
                    .or_default();
                asked.retain(|earlier| !earlier.answered);
                asked.push_back(Asked {
                    method: method.to_owned(),
                    answered: false,
                });
                if method == "connect" && from_client && connection.role.is_none() {
                    let role = frame
                        .pointer("/params/role")
                        .and_then(Value::as_str)
                        .unwrap_or("operator");
                    connection.role = Some(role.to_owned());
                }
            }
            Some("res") => {
                let Some(id) = text("id") else { return };
                // An id that is used twice is answered in the order of its requests; a request may have two answers.
                let Some(asked) = connection.requests.get_mut(&(!from_client, id.to_owned()))
                else {
                    return;
                };
                let next = asked.iter().position(|one| !one.answered);
                let Some(one) = asked.get_mut(next.unwrap_or_default()) else {
                    return;
                };
                one.answered = true;
                let method = one.method.clone();
                if method == "connect" && member(frame, "ok") == Some(&Value::Bool(true)) {
                    connection.hello = connection.hello.or_else(|| Some(entry.n()));
                }
                self.answers.insert(entry.n(), method);
            }
            _ => {}
        }
    }

    /// Tells whose connection it is, where the transcript does not.
    pub fn name_connection(&mut self, conn: u32, actor: &str) {
        self.connections.entry(conn).or_default().actor = Some(actor.to_owned());
    }

    /// What is known of a connection.
    pub fn connection(&self, conn: u32) -> Option<&Connection> {
        self.connections.get(&conn)
    }

    /// Every connection, in the gateway's accept order.
    pub fn connections(&self) -> impl Iterator<Item = (u32, &Connection)> {
        self.connections
            .iter()
            .map(|(conn, connection)| (*conn, connection))
    }

    /// The method that a response entry answers.
    pub fn answers(&self, entry: u64) -> Option<&str> {
        self.answers.get(&entry).map(String::as_str)
    }

    /// Which connection of its actor this is, from 1 in the order of opening.
    pub fn nth_of_actor(&self, conn: u32) -> Option<u32> {
        let actor = self.connections.get(&conn)?.actor.as_deref();
        let earlier = self
            .connections
            .range(..=conn)
            .filter(|(_, other)| other.actor.as_deref() == actor);
        u32::try_from(earlier.count()).ok()
    }

    /// `connection 3 (companion, node)`.
    pub fn describe(&self, conn: u32) -> String {
        let known = self.connections.get(&conn);
        let actor = known.and_then(|c| c.actor.as_deref());
        let role = known.and_then(|c| c.role.as_deref());
        match (actor, role) {
            (Some(actor), Some(role)) => format!("connection {conn} ({actor}, {role})"),
            (Some(one), None) | (None, Some(one)) => format!("connection {conn} ({one})"),
            (None, None) => format!("connection {conn}"),
        }
    }
}

/// One entry in a short line for people: `1.203s  client -> gateway  req connect`.
pub fn line<R: Recorded>(entry: &R, wire: &Wire) -> String {
    let way = match entry.dir() {
        Some(Direction::ClientToGateway) => "->",
        Some(Direction::GatewayToClient) => "<-",
        None => "  ",
    };
    let conn = entry
        .conn()
        .map_or_else(String::new, |conn| format!("#{conn} "));
    let stage = match entry.stage() {
        Some(Stage::Dropped) => " (dropped)",
        Some(Stage::Held) => " (held)",
        Some(Stage::Sent | Stage::Delivered) | None => "",
    };
    format!(
        "{} {conn}{way} {}{stage}",
        seconds(entry.t_us()),
        summary(entry, wire)
    )
}

/// `12.345s`.
pub fn seconds(t_us: u64) -> String {
    format!("{:>4}.{:03}s", t_us / 1_000_000, t_us / 1_000 % 1_000)
}

/// What an entry is, without time and way.
pub fn summary<R: Recorded>(entry: &R, wire: &Wire) -> String {
    match entry.kind() {
        Kind::Text | Kind::Binary => entry.frame().map_or_else(
            || format!("{} that is no JSON object", entry.kind()),
            |frame| frame_summary(frame, wire.answers(entry.n())),
        ),
        Kind::Close => {
            let close = entry.close();
            let code = close
                .and_then(|c| c.code)
                .map_or_else(|| "without a code".to_owned(), |code| code.to_string());
            let reason = close.map_or("", |c| c.reason.as_str());
            if reason.is_empty() {
                format!("close {code}")
            } else {
                format!("close {code} {reason:?}")
            }
        }
        Kind::Note => entry.text().unwrap_or("note").to_owned(),
        Kind::Fault | Kind::Step => {
            format!("{} {}", entry.kind(), entry.text().unwrap_or_default())
        }
        Kind::Ping | Kind::Pong | Kind::Open | Kind::Eof | Kind::Reset => entry.kind().to_string(),
    }
}

fn frame_summary(frame: &Value, answers: Option<&str>) -> String {
    let text = |pointer: &str| {
        frame
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("?")
    };
    match frame.get("type").and_then(Value::as_str) {
        Some("req") => request_summary(frame),
        Some("event") => format!("event {}", text("/event")),
        Some("res") => {
            let method = answers.unwrap_or("an unknown request");
            if frame.get("ok") == Some(&Value::Bool(true)) {
                return format!("ok for {method}");
            }
            let details = frame.pointer("/error/details/code").and_then(Value::as_str);
            let code = details.unwrap_or_else(|| text("/error/code"));
            format!("error for {method}: {code} {:?}", text("/error/message"))
        }
        Some(_) | None => "a JSON value that is no frame".to_owned(),
    }
}

fn request_summary(frame: &Value) -> String {
    let method = frame.get("method").and_then(Value::as_str).unwrap_or("?");
    if method != "connect" {
        return format!("request {method}");
    }
    let role = frame
        .pointer("/params/role")
        .and_then(Value::as_str)
        .unwrap_or("operator");
    let auth = frame.pointer("/params/auth").and_then(Value::as_object);
    let keys: Vec<&str> = auth
        .map(|auth| auth.keys().map(String::as_str).collect())
        .unwrap_or_default();
    let with = if keys.is_empty() {
        "nothing".to_owned()
    } else {
        keys.join("+")
    };
    format!("request connect as {role} with {with}")
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
