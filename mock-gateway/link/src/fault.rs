//! The named faults: one file each, and the registry from which the reference page is generated.
//!
//! Each has a self-test that observes the socket with plain `std::net` (`tests/fault_semantics.rs`).

mod accept_and_hold;
mod blackhole;
mod byte_split;
mod close_then_reset;
mod close_without_reply;
mod coalesce;
mod cut;
mod delay;
mod drop_message;
mod duplicate;
mod fin_without_close;
mod late_fin;
mod mutate;
mod refuse;
mod reorder;
mod reply_without_close;
mod reset;
mod slow_read;
mod upgrade_then_silence;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use transcript::Direction;

pub(crate) use self::mutate::operations;
use crate::rule::Rule;
use crate::spec::{ConnSelector, FaultSpec};
use crate::table::Admission;

/// Every fault, in the order of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultName {
    /// No one listens.
    Refuse,
    /// Accepted, then silence.
    AcceptAndHold,
    /// Upgraded to WebSocket, then silence.
    UpgradeThenSilence,
    /// RST.
    Reset,
    /// FIN without a close frame.
    FinWithoutClose,
    /// A close frame, then RST.
    CloseThenReset,
    /// The peer's close frame gets no answer.
    CloseWithoutReply,
    /// The peer's close frame is answered, but the stream stays open.
    ReplyWithoutClose,
    /// One direction is swallowed; heals without FIN.
    BlackholeOneWay,
    /// Both directions are swallowed; heals without FIN.
    Blackhole,
    /// Messages arrive late.
    Delay,
    /// A message arrives twice.
    Duplicate,
    /// A message is lost.
    DropMessage,
    /// Bytes arrive in small pieces.
    ByteSplit,
    /// The close frame is answered, and the end of the stream comes late.
    LateFin,
    /// Several messages arrive at once.
    Coalesce,
    /// A message is overtaken by the next one.
    Reorder,
    /// A frame is changed on its way.
    Mutate,
    /// Bytes are read slowly.
    SlowRead,
}

impl FaultName {
    /// The name in scenario files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::AcceptAndHold => "accept_and_hold",
            Self::UpgradeThenSilence => "upgrade_then_silence",
            Self::Reset => "reset",
            Self::FinWithoutClose => "fin_without_close",
            Self::CloseThenReset => "close_then_reset",
            Self::CloseWithoutReply => "close_without_reply",
            Self::ReplyWithoutClose => "reply_without_close",
            Self::BlackholeOneWay => "blackhole_one_way",
            Self::Blackhole => "blackhole",
            Self::Delay => "delay",
            Self::Duplicate => "duplicate",
            Self::DropMessage => "drop_message",
            Self::ByteSplit => "byte_split",
            Self::LateFin => "late_fin",
            Self::Coalesce => "coalesce",
            Self::Reorder => "reorder",
            Self::Mutate => "mutate",
            Self::SlowRead => "slow_read",
        }
    }

    /// The fault with this name.
    pub fn named(name: &str) -> Option<Self> {
        let row = FAULTS.iter().find(|row| row.name.as_str() == name)?;
        Some(row.name)
    }

    /// Its row in the registry.
    pub fn row(self) -> &'static FaultRow {
        match self {
            Self::Refuse => &refuse::ROW,
            Self::AcceptAndHold => &accept_and_hold::ROW,
            Self::UpgradeThenSilence => &upgrade_then_silence::ROW,
            Self::Reset => &reset::ROW,
            Self::FinWithoutClose => &fin_without_close::ROW,
            Self::CloseThenReset => &close_then_reset::ROW,
            Self::CloseWithoutReply => &close_without_reply::ROW,
            Self::ReplyWithoutClose => &reply_without_close::ROW,
            Self::BlackholeOneWay => &blackhole::ONE_WAY_ROW,
            Self::Blackhole => &blackhole::ROW,
            Self::Delay => &delay::ROW,
            Self::Duplicate => &duplicate::ROW,
            Self::DropMessage => &drop_message::ROW,
            Self::ByteSplit => &byte_split::ROW,
            Self::LateFin => &late_fin::ROW,
            Self::Coalesce => &coalesce::ROW,
            Self::Reorder => &reorder::ROW,
            Self::Mutate => &mutate::ROW,
            Self::SlowRead => &slow_read::ROW,
        }
    }
}

impl fmt::Display for FaultName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a fault is and does, as data.
pub struct FaultRow {
    /// Its name.
    pub name: FaultName,
    /// What it does, in one line.
    pub doc: &'static str,
    /// What the client's socket sees.
    pub client_sees: &'static str,
    /// What ends it, beyond `heal`.
    pub on_heal: &'static str,
    /// The fields of [`FaultSpec`] that mean something to it, besides `name` and `connections`.
    pub params: &'static [&'static str],
    /// The connections it takes when the specification names none.
    pub connections: ConnSelector,
    /// Whether it lives below messages, so that only a world with streams can show it.
    pub needs_streams: bool,
    /// What it does to a connection that arrives.
    pub(crate) admission: Admission,
    /// What it does to the bytes of a connection, once it has begun.
    pub(crate) stream: fn(&FaultSpec) -> StreamEffect,
    /// Its rule for the messages of one connection.
    pub(crate) rule: fn(&FaultSpec) -> Option<Box<dyn Rule>>,
}

impl FaultRow {
    /// Whether it can be told to last for a time: not when nothing of it is left to end, or when no connection is
    /// there to count the time.
    pub fn may_last(&self) -> bool {
        match self.name {
            FaultName::AcceptAndHold
            | FaultName::UpgradeThenSilence
            | FaultName::BlackholeOneWay
            | FaultName::Blackhole
            | FaultName::Delay
            | FaultName::Duplicate
            | FaultName::DropMessage
            | FaultName::ByteSplit
            | FaultName::Coalesce
            | FaultName::Reorder
            | FaultName::Mutate
            | FaultName::SlowRead => true,
            FaultName::Refuse
            | FaultName::Reset
            | FaultName::FinWithoutClose
            | FaultName::CloseThenReset
            | FaultName::CloseWithoutReply
            | FaultName::ReplyWithoutClose
            | FaultName::LateFin => false,
        }
    }
}

impl fmt::Debug for FaultRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultRow")
            .field("name", &self.name)
            .field("doc", &self.doc)
            .finish_non_exhaustive()
    }
}

/// What a fault does to the bytes of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamEffect {
    /// Bytes from the client are not read.
    pub(crate) stall_read: bool,
    /// Bytes to the client are not written.
    pub(crate) stall_write: bool,
    /// At most so many bytes are read or written at a time.
    pub(crate) chunk: Option<usize>,
    /// Bytes from the client are read in helpings.
    pub(crate) slow_read: Option<Helping>,
    /// Bytes to the client are written in helpings.
    pub(crate) slow_write: Option<Helping>,
    /// Only once the connection is a WebSocket.
    pub(crate) after_upgrade: bool,
}

/// So many bytes at a time, and then a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Helping {
    pub(crate) bytes: usize,
    pub(crate) every: Duration,
}

impl StreamEffect {
    /// No effect on bytes.
    pub(crate) const NONE: Self = Self {
        stall_read: false,
        stall_write: false,
        chunk: None,
        slow_read: None,
        slow_write: None,
        after_upgrade: false,
    };

    /// Nothing passes in these directions.
    pub(crate) fn stalling(dir: Option<Direction>) -> Self {
        Self {
            stall_read: dir != Some(Direction::GatewayToClient),
            stall_write: dir != Some(Direction::ClientToGateway),
            ..Self::NONE
        }
    }
}

fn no_stream_effect(_: &FaultSpec) -> StreamEffect {
    StreamEffect::NONE
}

fn no_rule(_: &FaultSpec) -> Option<Box<dyn Rule>> {
    None
}

/// The registry. `docs/reference/faults.md` is generated from it.
pub const FAULTS: &[&FaultRow] = &[
    &refuse::ROW,
    &accept_and_hold::ROW,
    &upgrade_then_silence::ROW,
    &reset::ROW,
    &fin_without_close::ROW,
    &close_then_reset::ROW,
    &close_without_reply::ROW,
    &reply_without_close::ROW,
    &blackhole::ONE_WAY_ROW,
    &blackhole::ROW,
    &delay::ROW,
    &duplicate::ROW,
    &drop_message::ROW,
    &byte_split::ROW,
    &late_fin::ROW,
    &coalesce::ROW,
    &reorder::ROW,
    &mutate::ROW,
    &slow_read::ROW,
];
