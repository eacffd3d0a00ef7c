//! One client object of the companion: one role (or the validation of a shared token), one credential, one socket at a
//! time, and the reconnect loop around it. ref: client-behaviour.md §7, §19

use std::time::Duration;

use gateway_protocol::{Role, SignatureVersion};

use crate::backoff::Backoff;
use crate::credential::Credential;
use crate::hello::Hello;
use crate::input::{Inbound, SocketId};
use crate::url::GatewayUrl;

/// Which of the three connections a thing belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    /// The operator.
    Operator,
    /// The node.
    Node,
    /// The short operator connection that tries a shared token before anything is replaced. ref: §16
    Validation,
}

impl Slot {
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Operator | Self::Validation => Role::Operator,
            Self::Node => Role::Node,
        }
    }
}

/// Where a connection stands. Every phase that has a socket names it, so a late event finds no phase to change.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// The device key is being made durable; no socket yet.
    Preparing,
    /// Between two attempts.
    Waiting,
    /// The shell connects and upgrades.
    Opening { socket: SocketId },
    /// Open; the challenge has not come.
    Open { socket: SocketId },
    /// The connect frame has left.
    Asked {
        socket: SocketId,
        request_id: String,
    },
    /// hello-ok came; its tokens are being made durable.
    Storing {
        socket: SocketId,
        hello: Box<Hello>,
        left: usize,
        /// What came meanwhile; it waits until the role is connected.
        held: Vec<Inbound>,
    },
    /// Connected.
    Live { socket: SocketId },
    /// The connect was refused; the gateway will close.
    Refused { socket: SocketId },
    /// The loop has ended.
    Stopped,
}

impl Phase {
    pub(crate) fn socket(&self) -> Option<SocketId> {
        match self {
            Self::Preparing | Self::Waiting | Self::Stopped => None,
            Self::Opening { socket }
            | Self::Open { socket }
            | Self::Asked { socket, .. }
            | Self::Storing { socket, .. }
            | Self::Live { socket }
            | Self::Refused { socket } => Some(*socket),
        }
    }
}

/// Whether the loop goes on after the socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// It does.
    Allowed,
    /// Not until the pairing is decided (node only; the operator keeps asking).
    Pairing,
    /// Not until somebody connects again.
    Terminal,
}

/// What a delay was made of, to draw it again.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    /// When.
    pub(crate) at: Duration,
    /// Where in the stream of chance.
    pub(crate) word: u128,
    /// The counter before it.
    pub(crate) backoff: Backoff,
    /// Its lower bound.
    pub(crate) floor: Duration,
    /// Whether the operator waited for a decision.
    pub(crate) pairing: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) slot: Slot,
    /// Unique per client object; timers carry it.
    pub(crate) serial: u64,
    pub(crate) gateway_id: String,
    pub(crate) target: GatewayUrl,
    pub(crate) credential: Credential,
    /// The stored device token is not looked at: bootstrap chosen by the manager, and validation. ref: §8.1
    pub(crate) ignore_stored: bool,
    pub(crate) signature: SignatureVersion,
    pub(crate) backoff: Backoff,
    pub(crate) phase: Phase,
    pub(crate) retry: Retry,
    /// How its last delay was drawn.
    pub(crate) drawn: Option<Drawn>,
    /// Lower bound of the next delay, from a refusal's `retryAfterMs`.
    pub(crate) retry_after: Option<Duration>,
    /// This node reconnect follows an approval event. ref: §10
    pub(crate) after_approval: bool,
    /// When the last message came; the tick watchdog looks at it.
    pub(crate) heard_at: Duration,
    /// Twice the tick interval of the last hello-ok.
    pub(crate) silence_limit: Duration,
    /// Lists that the gateway refused for want of a scope, for this socket. ref: §11.4
    pub(crate) unsupported: Vec<String>,
    /// The proof of ownership it was made under. ref: §18
    pub(crate) proof: Option<u64>,
    /// Sockets opened so far.
    pub(crate) sockets: u64,
}

impl Connection {
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live { .. })
    }

    pub(crate) fn live_socket(&self) -> Option<SocketId> {
        match self.phase {
            Phase::Live { socket } => Some(socket),
            Phase::Preparing
            | Phase::Waiting
            | Phase::Opening { .. }
            | Phase::Open { .. }
            | Phase::Asked { .. }
            | Phase::Storing { .. }
            | Phase::Refused { .. }
            | Phase::Stopped => None,
        }
    }

    /// Whether the loop still runs: a socket is there, or one will be opened.
    pub(crate) fn is_running(&self) -> bool {
        !matches!(self.phase, Phase::Stopped)
    }

    /// Whether the loop goes on after the socket ends. Pairing stops only the node. ref: §7.1
    pub(crate) fn may_retry(&self) -> bool {
        match (self.slot, self.retry) {
            (Slot::Validation, _) | (_, Retry::Terminal) | (Slot::Node, Retry::Pairing) => false,
            (Slot::Operator | Slot::Node, Retry::Allowed) | (Slot::Operator, Retry::Pairing) => {
                true
            }
        }
    }
}
