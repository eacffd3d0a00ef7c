//! One line of a transcript, in its three forms: [`Draft`] (before it has a number), [`RawEntry`] (in memory, with
//! secrets) and [`Entry`] (redacted, the only form that is stored or written).

mod head;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::payload::Payload;
pub(crate) use head::push_number;

/// Which way a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// From the client to the gateway.
    #[serde(rename = "c2g")]
    ClientToGateway,
    /// From the gateway to the client.
    #[serde(rename = "g2c")]
    GatewayToClient,
}

impl Direction {
    /// Both directions, client first.
    pub const BOTH: [Self; 2] = [Self::ClientToGateway, Self::GatewayToClient];

    /// `c2g` or `g2c`, as written in transcripts and scenario files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientToGateway => "c2g",
            Self::GatewayToClient => "g2c",
        }
    }

    /// The other direction.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::ClientToGateway => Self::GatewayToClient,
            Self::GatewayToClient => Self::ClientToGateway,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a message got. A message has one `sent` entry and at least one of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It entered the link.
    Sent,
    /// It left the link at the other end.
    Delivered,
    /// A fault lost it.
    Dropped,
    /// A fault keeps it; it is delivered when the fault heals.
    Held,
}

impl Stage {
    /// The name written in transcripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Dropped => "dropped",
            Self::Held => "held",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A WebSocket text message.
    Text,
    /// A WebSocket binary message.
    Binary,
    /// A WebSocket ping.
    Ping,
    /// A WebSocket pong.
    Pong,
    /// A WebSocket close frame.
    Close,
    /// A connection was accepted and upgraded.
    Open,
    /// The stream ended in order (FIN).
    Eof,
    /// The stream ended abruptly (RST, or the memory net's like).
    Reset,
    /// A fault took effect or healed.
    Fault,
    /// The runner began a step of the scenario.
    Step,
    /// What an endpoint says of itself; nothing may be asserted from it.
    Note,
}

impl Kind {
    /// The name written in transcripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Close => "close",
            Self::Open => "open",
            Self::Eof => "eof",
            Self::Reset => "reset",
            Self::Fault => "fault",
            Self::Step => "step",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Code and reason of a close frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseInfo {
    /// Close code; absent when the frame had no body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Reason text, at most 123 bytes on the wire.
    #[serde(default)]
    pub reason: String,
}

/// Reads and writes a shared message as if it were the entry's own.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
    use serde_json::Value;

    #[expect(
        clippy::ref_option,
        reason = "serde calls it with a reference to the member"
    )]
    pub(super) fn serialize<S: Serializer>(
        frame: &Option<Arc<Value>>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        frame.as_deref().serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Arc<Value>>, D::Error> {
        Ok(Option::<Value>::deserialize(from)?.map(Arc::new))
    }
}

/// One redacted line of a transcript.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counter over the run, from 1 without gaps.
    pub n: u64,
    /// Microseconds since the run began.
    pub t_us: u64,
    /// Connection, numbered from 1 in the gateway's accept order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conn: Option<u32>,
    /// Name of the party in the scenario that the entry is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Which way the message travels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<Direction>,
    /// How far the message got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// What the entry is about.
    pub kind: Kind,
    /// The message, when it is a JSON object or array; shared by the entries of its way.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "shared")]
    pub frame: Option<Arc<Value>>,
    /// The message in base64, when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Code and reason of a close.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close: Option<CloseInfo>,
    /// Text for people: the fault, the step, the note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Facts that belong to `text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl Entry {
    /// `type` of the frame: `req`, `res` or `event`.
    pub fn frame_type(&self) -> Option<&str> {
        self.text_at("/type")
    }

    /// Method of a request frame.
    pub fn method(&self) -> Option<&str> {
        self.text_at("/method")
    }

    /// Name of an event frame.
    pub fn event(&self) -> Option<&str> {
        self.text_at("/event")
    }

    /// Id of a request or response frame.
    pub fn request_id(&self) -> Option<&str> {
        self.text_at("/id")
    }

    /// `ok` of a response frame.
    pub fn ok(&self) -> Option<bool> {
        self.frame.as_ref()?.pointer("/ok")?.as_bool()
    }

    /// `error.code` of a response frame.
    pub fn error_code(&self) -> Option<&str> {
        self.text_at("/error/code")
    }

    fn text_at(&self, pointer: &str) -> Option<&str> {
        self.frame.as_ref()?.pointer(pointer)?.as_str()
    }
}

/// Rarely used parts of a draft, kept behind one pointer so that a message entry stays small.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    pub(crate) actor: Option<String>,
    pub(crate) close: Option<CloseInfo>,
    pub(crate) text: Option<String>,
    pub(crate) data: Option<Value>,
}

/// An entry before it has a number. Costs no parsing: the message is kept as it came.
#[derive(Clone)]
pub struct Draft {
    pub(crate) t_us: u64,
    pub(crate) conn: Option<u32>,
    pub(crate) dir: Option<Direction>,
    pub(crate) stage: Option<Stage>,
    pub(crate) kind: Kind,
    pub(crate) payload: Option<Payload>,
    pub(crate) extra: Option<Box<Extra>>,
}

impl Draft {
    /// An entry of `kind`, `t_us` microseconds after the run began.
    #[must_use]
    pub fn new(t_us: u64, kind: Kind) -> Self {
        Self {
            t_us,
            conn: None,
            dir: None,
            stage: None,
            kind,
            payload: None,
            extra: None,
        }
    }

    /// Sets the connection.
    #[must_use]
    pub fn conn(mut self, conn: u32) -> Self {
        self.conn = Some(conn);
        self
    }

    /// Sets direction and stage of a message.
    #[must_use]
    pub fn passing(mut self, dir: Direction, stage: Stage) -> Self {
        self.dir = Some(dir);
        self.stage = Some(stage);
        self
    }

    /// Sets the direction of something that is no message, such as an end of stream.
    #[must_use]
    pub fn dir(mut self, dir: Direction) -> Self {
        self.dir = Some(dir);
        self
    }

    /// Sets the message.
    #[must_use]
    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = Some(payload);
        self
    }

    /// Sets the party in the scenario.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.extra_mut().actor = Some(actor.into());
        self
    }

    /// Sets code and reason of a close.
    #[must_use]
    pub fn close(mut self, code: Option<u16>, reason: impl Into<String>) -> Self {
        self.extra_mut().close = Some(CloseInfo {
            code,
            reason: reason.into(),
        });
        self
    }

    /// Sets the text for people.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.extra_mut().text = Some(text.into());
        self
    }

    /// Sets the facts.
    #[must_use]
    pub fn data(mut self, data: Value) -> Self {
        self.extra_mut().data = Some(data);
        self
    }

    fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("t_us", &self.t_us)
            .field("conn", &self.conn)
            .field("dir", &self.dir)
            .field("stage", &self.stage)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// An entry as it was, secrets and all. Lives in memory only; it has no serialised form and prints no content.
#[derive(Clone)]
pub struct RawEntry {
    /// Counter over the run, from 1 without gaps.
    pub n: u64,
    /// Microseconds since the run began.
    pub t_us: u64,
    /// Connection, numbered from 1 in the gateway's accept order.
    pub conn: Option<u32>,
    /// Which way the message travels.
    pub dir: Option<Direction>,
    /// How far the message got.
    pub stage: Option<Stage>,
    /// What the entry is about.
    pub kind: Kind,
    payload: Option<Payload>,
    extra: Option<Arc<Extra>>,
}

impl RawEntry {
    pub(crate) fn new(n: u64, draft: Draft) -> Self {
        Self {
            n,
            t_us: draft.t_us,
            conn: draft.conn,
            dir: draft.dir,
            stage: draft.stage,
            kind: draft.kind,
            payload: draft.payload,
            extra: draft.extra.map(|extra| Arc::new(*extra)),
        }
    }

    /// The entry with nothing hidden.
    pub(crate) fn as_it_was(&self) -> Entry {
        Entry {
            frame: self.payload().and_then(Payload::shared_frame),
            close: self.close().cloned(),
            text: self.text().map(str::to_owned),
            data: self.data().cloned(),
            ..self.bare()
        }
    }

    /// The entry without what may hold a secret.
    pub(crate) fn bare(&self) -> Entry {
        Entry {
            n: self.n,
            t_us: self.t_us,
            conn: self.conn,
            actor: self.actor().map(str::to_owned),
            dir: self.dir,
            stage: self.stage,
            kind: self.kind,
            frame: None,
            raw: None,
            close: None,
            text: None,
            data: None,
        }
    }

    /// The message and its text, when nothing else of the entry may hold a secret.
    pub(crate) fn only_text(&self) -> Option<(&Payload, &str)> {
        let is_more = self.close().is_some() || self.text().is_some() || self.data().is_some();
        let payload = self.payload().filter(|_| !is_more)?;
        Some((payload, payload.whole_text()?))
    }

    /// The message, when there is one.
    pub fn payload(&self) -> Option<&Payload> {
        self.payload.as_ref()
    }

    /// The message parsed as JSON, when it is an object or array. Parsed once and shared by every entry of it.
    pub fn frame(&self) -> Option<&Value> {
        self.payload.as_ref()?.frame()
    }

    /// Name of the party in the scenario.
    pub fn actor(&self) -> Option<&str> {
        self.extra.as_ref()?.actor.as_deref()
    }

    /// Code and reason of a close.
    pub fn close(&self) -> Option<&CloseInfo> {
        self.extra.as_ref()?.close.as_ref()
    }

    /// Text for people.
    pub fn text(&self) -> Option<&str> {
        self.extra.as_ref()?.text.as_deref()
    }

    /// Facts that belong to the text.
    pub fn data(&self) -> Option<&Value> {
        self.extra.as_ref()?.data.as_ref()
    }

    /// Method of a request frame.
    pub fn method(&self) -> Option<&str> {
        self.frame()?.get("method")?.as_str()
    }

    /// Name of an event frame.
    pub fn event(&self) -> Option<&str> {
        self.frame()?.get("event")?.as_str()
    }
}

impl fmt::Debug for RawEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawEntry")
            .field("n", &self.n)
            .field("t_us", &self.t_us)
            .field("conn", &self.conn)
            .field("dir", &self.dir)
            .field("stage", &self.stage)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
