//! What decides over a message on its way.

use std::time::Duration;

use gateway_protocol::{CloseFrame, Now};
use serde_json::Value;
use transcript::{Captures, Direction, Payload, matches};

use crate::message::WireMessage;
use crate::spec::FaultSpec;

/// Decides the fate of messages of one connection. Of several rules the first fate other than `Pass` wins.
pub trait Rule: Send + Sync {
    /// Called for each message that enters the link.
    fn on_message(&mut self, now: Now, message: &InFlight<'_>) -> Fate;

    /// Called once, when the rule starts to apply to a connection: a cut returned here happens at once.
    fn on_start(&mut self, now: Now) -> Option<Cut> {
        let _ = now;
        None
    }

    /// Whether it keeps everything of this direction from here on.
    fn holds(&self, dir: Direction) -> bool {
        let _ = dir;
        false
    }
}

/// A message that has entered the link and not left it.
pub struct InFlight<'a> {
    /// Number of the connection.
    pub conn: u32,
    /// Which way it travels.
    pub dir: Direction,
    /// The message.
    pub message: &'a WireMessage,
    pub(crate) payload: Option<&'a Payload>,
}

impl InFlight<'_> {
    /// The message parsed as JSON, when it is an object or array.
    pub fn frame(&self) -> Option<&Value> {
        self.payload?.frame()
    }
}

/// What happens to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It leaves at once, behind those before it.
    Pass,
    /// It leaves this much later, and what comes after it not before it.
    Deliver(Duration),
    /// It is kept until the fault heals, and what comes after it waits behind it.
    Hold,
    /// It is lost.
    Drop,
    /// It is delivered twice.
    Duplicate,
    /// These bytes are delivered in its place: as text when they are UTF-8, else as binary.
    Replace(Vec<u8>),
    /// It leaves behind the next one of its direction.
    Overtaken,
    /// The connection is cut in its place.
    Cut(Cut),
    /// It is delivered, and then the connection is cut.
    CutAfter(Cut),
}

/// How a connection ends. The wire has done the part of [`crate::StreamControl`] when the cut leaves it; what the
/// driver of the socket must still do is said here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// RST, or an immediate error on a memory connection. The driver drops the stream.
    Reset,
    /// FIN and no close frame. The driver writes nothing more and reads until the peer has left (see
    /// [`crate::hold_open`]): dropping a stream with unread bytes would send RST.
    FinWithoutClose,
    /// A close frame, then RST. The driver sends and flushes the frame, then calls `StreamControl::reset`.
    CloseThenReset(CloseFrame),
    /// The peer's close frame gets no answer: what the codec writes from here on vanishes. The driver keeps the
    /// stream until the peer has left.
    CloseWithoutReply,
    /// The peer's close frame is answered, but the stream stays open. The driver flushes the answer and keeps the
    /// stream until the peer has left.
    ReplyWithoutClose,
    /// The peer's close frame is answered, and the stream ends this much later. The driver flushes the answer, unless
    /// its own close frame came first, waits, and ends the stream in order.
    LateFin(Duration),
}

impl Cut {
    /// The name of the fault that it comes from.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::FinWithoutClose => "fin_without_close",
            Self::CloseThenReset(_) => "close_then_reset",
            Self::CloseWithoutReply => "close_without_reply",
            Self::ReplyWithoutClose => "reply_without_close",
            Self::LateFin(_) => "late_fin",
        }
    }

    /// Whether it is about the answer to a close frame, which itself was received.
    pub(crate) fn is_about_reply(&self) -> bool {
        match self {
            Self::CloseWithoutReply | Self::ReplyWithoutClose | Self::LateFin(_) => true,
            Self::Reset | Self::FinWithoutClose | Self::CloseThenReset(_) => false,
        }
    }
}

/// Picks the messages that a fault is about: of one direction, after the first few, a number of them, of one shape.
#[derive(Clone, Debug)]
pub(crate) struct Pick {
    dir: Option<Direction>,
    matching: Option<Value>,
    after: u64,
    left: Option<u64>,
}

impl Pick {
    /// As the specification says, with the fault's own limit when that names none.
    pub(crate) fn new(spec: &FaultSpec, usual_count: Option<u64>) -> Self {
        Self {
            dir: spec.dir,
            matching: spec.matching.clone(),
            after: spec.after,
            left: spec.count.or(usual_count),
        }
    }

    /// Whether this message is picked. Only text and binary messages are counted.
    pub(crate) fn picks(&mut self, message: &InFlight<'_>) -> bool {
        if !message.message.is_data() || !self.is_about(message) || self.left == Some(0) {
            return false;
        }
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        true
    }

    /// Whether the next counted message would be picked.
    pub(crate) fn is_open(&self) -> bool {
        self.after == 0 && self.left != Some(0)
    }

    /// Whether the fault is about this direction.
    pub(crate) fn is_on(&self, dir: Direction) -> bool {
        self.dir.is_none_or(|wanted| wanted == dir)
    }

    fn is_about(&self, message: &InFlight<'_>) -> bool {
        self.is_on(message.dir)
            && self.matching.as_ref().is_none_or(|expected| {
                message
                    .frame()
                    .is_some_and(|frame| matches(expected, frame, &Captures::new()).is_ok())
            })
    }
}
