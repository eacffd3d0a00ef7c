//! Named disturbances of the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lapse::Lapse;
use super::pattern::RoleName;

/// The faults by name; `link` has their exact socket semantics.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FaultName {
    /// New connections are refused.
    Refuse,
    /// New connections are accepted and nothing is ever said.
    AcceptAndHold,
    /// The upgrade is answered and nothing is ever said.
    UpgradeThenSilence,
    /// The connection is reset.
    Reset,
    /// The stream ends without a close frame.
    FinWithoutClose,
    /// A close frame, then a reset.
    CloseThenReset,
    /// The client's close frame is not answered.
    CloseWithoutReply,
    /// A close frame is answered, but the stream stays open.
    ReplyWithoutClose,
    /// Messages of one direction are kept back.
    BlackholeOneWay,
    /// Messages of both directions are kept back.
    Blackhole,
    /// Messages arrive later.
    Delay,
    /// Messages arrive twice.
    Duplicate,
    /// Messages are lost.
    DropMessage,
    /// Bytes arrive one by one.
    ByteSplit,
}

impl FaultName {
    /// The word used in files.
    pub const fn name(self) -> &'static str {
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
        }
    }

    /// Whether it lives below messages, so that only a world with streams can show it.
    pub const fn needs_streams(self) -> bool {
        matches!(
            self,
            Self::AcceptAndHold
                | Self::UpgradeThenSilence
                | Self::ByteSplit
                | Self::CloseWithoutReply
                | Self::ReplyWithoutClose
        )
    }
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From the client to the gateway.
    ToGateway,
    /// From the gateway to the client.
    ToClient,
}

/// A fault to install (`fault = { ... }`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which fault.
    pub name: FaultName,
    /// Only connections of this actor that are open now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Only connections of this role that are open now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Only the next n connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u32>,
    /// Only these connections, by the gateway's accept order from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<u32>,
    /// Only this way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// Let this many messages pass first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_messages: Option<u32>,
    /// How much later (`delay`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Lapse>,
    /// How many messages (`drop_message`, `duplicate`); all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Close code (`close_then_reset`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Close reason (`close_then_reset`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
