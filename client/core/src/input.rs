//! What the shell tells the core.

use std::sync::Arc;

use serde_json::Value;

use crate::identity::{Identity, IdentityDamage};
use crate::intent::Intent;
use crate::output::InvokeKey;
use crate::store::{StoreError, StoreOp};

/// Names one socket for its whole life; never used twice by one client.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct SocketId(pub u64);

impl std::fmt::Display for SocketId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// A whole WebSocket message as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// A text message.
    Text(String),
    /// A text message that somebody has read on its way.
    Read {
        /// The message.
        text: String,
        /// What it says; of a hello-ok, at least what a client reads.
        frame: Arc<Value>,
    },
    /// A binary message; this protocol has none, so it is ignored.
    Binary(Vec<u8>),
}

impl Inbound {
    /// The text of a text message.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Read { text, .. } => Some(text),
            Self::Binary(_) => None,
        }
    }
}

/// How the work of an invoke ended.
#[derive(Clone, Debug, PartialEq)]
pub enum InvokeOutcome {
    /// Its payload.
    Ok(Value),
    /// The text for `error.message`.
    Failed(String),
    /// The handler itself broke; answered with "Command execution failed".
    Crashed,
}

/// Who listens on the port of a gateway that the app manages on this computer. ref: client-behaviour.md §18.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointOwner {
    /// The managed gateway itself.
    Expected {
        /// Stands for process id, start time and path: changes when the owner changes.
        proof: u64,
    },
    /// Nobody.
    NoListener,
    /// Somebody else, or somebody who could not be proven.
    Foreign,
}

/// A gateway that the app manages on this computer, as somebody who looks up its owner has to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedEndpoint {
    /// Whose gateway.
    pub gateway_id: String,
    /// The WSL distribution it runs in.
    pub distro: String,
    /// Its port here.
    pub port: u16,
}

/// Names one start of an SSH tunnel; never used twice by one client, so it proves whose listener is meant.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct TunnelId(pub u64);

/// Names one automatic repair; never used twice by one client.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct RepairId(pub u64);

/// One thing that happened outside. After each, drain [`crate::Client::poll`].
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The user, a tool or the scenario wants something.
    User(Intent),
    /// The upgrade succeeded.
    Opened {
        /// Which socket.
        socket: SocketId,
    },
    /// The connection or the upgrade failed; the socket is gone.
    OpenFailed {
        /// Which socket.
        socket: SocketId,
        /// What the system said.
        error: String,
    },
    /// A message arrived.
    Message {
        /// On which socket.
        socket: SocketId,
        /// The message.
        message: Inbound,
    },
    /// The socket ended, with or without a close frame.
    Closed {
        /// Which socket.
        socket: SocketId,
        /// Code of the gateway's close frame; `None` for an end without one.
        code: Option<u16>,
        /// Reason of the close frame, or what the system said.
        reason: String,
    },
    /// A durable change happened or failed.
    Stored {
        /// The operation as it was handed out.
        op: StoreOp,
        /// Its result.
        result: Result<(), StoreError>,
    },
    /// An identity file was read again: somebody repaired, replaced or removed it.
    IdentityRead {
        /// Whose gateway.
        gateway_id: String,
        /// The file now; `Ok(None)` when it is gone.
        identity: Result<Option<Identity>, IdentityDamage>,
    },
    /// The owner of a gateway's endpoint was looked up. Without any such input, and without
    /// [`crate::ClientOptions::probes_owners`], endpoints are not gated.
    EndpointOwner {
        /// Whose gateway.
        gateway_id: String,
        /// The finding.
        owner: EndpointOwner,
    },
    /// A tunnel's near end listens, and only our `ssh` listens there.
    TunnelUp {
        /// Which start.
        tunnel: TunnelId,
        /// Port of the near end.
        local_port: u16,
    },
    /// A tunnel could not be started, or ended by itself.
    TunnelDown {
        /// Which start.
        tunnel: TunnelId,
        /// What was said.
        error: String,
    },
    /// The port of a gateway under repair was tried. ref: client-behaviour.md §25
    Probed {
        /// For which repair.
        repair: RepairId,
        /// Somebody accepted a connection.
        answers: bool,
    },
    /// The service of a gateway under repair was restarted, or could not be.
    Restarted {
        /// For which repair.
        repair: RepairId,
        /// What was said.
        result: Result<(), String>,
    },
    /// The work of an invoke ended.
    InvokeDone {
        /// The key of its [`crate::InvokeRequest`].
        key: InvokeKey,
        /// How.
        outcome: InvokeOutcome,
    },
    /// The deadline of [`crate::Client::wake_at`] has come.
    Woke,
}
