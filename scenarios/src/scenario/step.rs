//! The closed set of verbs. Each `[[step]]` is exactly one of them. A new verb needs a decision record.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::connect::ConnectPlan;
use super::control::Control;
use super::fault::Fault;
use super::intent::Do;
use super::lapse::{Lapse, Offset};
use super::pattern::{Expect, Quiet, RoleName};

/// One line of the script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Starts an actor: a client begins to run (a stopped one comes back with its durable state), a raw actor opens one more connection.
    Start(String),
    /// Stops an actor: a client shuts down, a raw actor's connections are closed.
    Stop(String),
    /// Tells a client what its user wants.
    Do(Do),
    /// Lets a raw actor send something.
    Send(Box<Send>),
    /// Waits until something is seen.
    Expect(Box<Expect>),
    /// Lets time pass and demands that something is not seen.
    Quiet(Box<Quiet>),
    /// Disturbs the wire.
    Fault(Fault),
    /// Ends a disturbance, by its name.
    Heal(String),
    /// Lets time pass.
    Elapse(Lapse),
    /// Ends connections, from one side or the other.
    Close(Close),
    /// Does what the gateway's administrator or host does.
    Control(Box<Control>),
    /// Sets a clock.
    Clock(Clock),
    /// Lets the disk of a client refuse changes.
    Disk(Disk),
    /// A label for `after` and `before`, and a line in the transcript.
    Note(String),
}

impl Step {
    /// The verb as it is written.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Stop(_) => "stop",
            Self::Do(_) => "do",
            Self::Send(_) => "send",
            Self::Expect(_) => "expect",
            Self::Quiet(_) => "quiet",
            Self::Fault(_) => "fault",
            Self::Heal(_) => "heal",
            Self::Elapse(_) => "elapse",
            Self::Close(_) => "close",
            Self::Control(_) => "control",
            Self::Clock(_) => "clock",
            Self::Disk(_) => "disk",
            Self::Note(_) => "note",
        }
    }

    /// Whether it acts (rather than waits): an expectation looks at what came after the last action.
    pub const fn acts(&self) -> bool {
        match self {
            Self::Expect(_) | Self::Note(_) => false,
            Self::Start(_)
            | Self::Stop(_)
            | Self::Do(_)
            | Self::Send(_)
            | Self::Quiet(_)
            | Self::Fault(_)
            | Self::Heal(_)
            | Self::Elapse(_)
            | Self::Close(_)
            | Self::Control(_)
            | Self::Clock(_)
            | Self::Disk(_) => true,
        }
    }
}

/// What a raw actor sends, on its newest connection. Exactly one of `connect`, `request`, `frame`, `text`, `binary` and `ping` is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Send {
    /// The raw actor.
    pub from: String,
    /// Its n-th connection, from 1; the newest when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth_connection: Option<u32>,
    /// A `connect` request, signed for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<ConnectPlan>,
    /// A request with this method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Params of `request`; absent means none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<Value>,
    /// Id of `request` and `connect`; numbered when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Any JSON value, as one text message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<Value>,
    /// Any text, as one text message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Any text, as one binary message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binary: Option<String>,
    /// A WebSocket ping.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ping: bool,
    /// Pads the message with blanks to this many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padded_to: Option<usize>,
    /// How often; once when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// The method is not in the registries on purpose.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unlisted: bool,
}

/// Which end acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The actor's.
    #[default]
    Actor,
    /// The gateway's.
    Gateway,
}

/// How a connection is ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// With a close frame.
    #[default]
    Close,
    /// The stream ends without a close frame.
    Fin,
    /// The stream is reset.
    Reset,
}

/// Ends an actor's connections (`close = { ... }`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Close {
    /// Whose connections.
    pub actor: String,
    /// Only those of this role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Which end acts.
    #[serde(skip_serializing_if = "super::actor::is_default")]
    pub by: End,
    /// How.
    #[serde(skip_serializing_if = "super::actor::is_default")]
    pub how: How,
    /// The close code; 1000 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The close reason; empty when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Which clock of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhichClock {
    /// The time of day.
    #[default]
    Wall,
    /// The one that deadlines are counted on: it stops while a machine sleeps, and never goes back.
    Monotonic,
}

impl WhichClock {
    /// The clock in the protocol's type.
    pub const fn hand(self) -> gateway_protocol::Hand {
        match self {
            Self::Wall => gateway_protocol::Hand::Wall,
            Self::Monotonic => gateway_protocol::Hand::Monotonic,
        }
    }
}

/// Lets the disk of a client refuse changes (`disk = { of = "companion", fails = 2 }`): nothing is written, and what was
/// there stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// The client.
    pub of: String,
    /// How many of its next changes are refused; 0 lets it write again.
    #[serde(default)]
    pub fails: u32,
    /// The client's process is killed at one of them, and started again at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dies: Option<Death>,
    /// What becomes of the identity file of the gateway that it knows at first. A client that runs reads it again, except
    /// after `made`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityFile>,
}

/// A turn of an identity file, behind the client's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdentityFile {
    /// Its content is no identity any more.
    Corrupt,
    /// It is there, and can't be read.
    Unreadable,
    /// It is not there any more.
    Gone,
    /// It is again what it was.
    Restored,
    /// Another program makes it, as it was before; nobody tells the client.
    Made,
}

impl IdentityFile {
    /// The word used in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt",
            Self::Unreadable => "unreadable",
            Self::Gone => "gone",
            Self::Restored => "restored",
            Self::Made => "made",
        }
    }
}

/// A kill at a durable change (`dies = { at = 2, when = "before" }`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Death {
    /// Which of its next changes, from 1.
    pub at: u32,
    /// On which side of it.
    pub when: Moment,
}

/// A side of a durable change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Nothing is written.
    Before,
    /// It is written, and nobody acts on it.
    After,
}

impl Moment {
    /// The word used in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// Sets a clock (`clock = { ... }`): an offset to true time, a jump, or a stop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// An actor, or `gateway`.
    pub of: String,
    /// Which of its clocks; `wall` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub which: Option<WhichClock>,
    /// Set it this far ahead of true time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<Offset>,
    /// Move it by this much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jump: Option<Offset>,
    /// Stop it (`true`), or let it run again from where it stopped (`false`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze: Option<bool>,
}
