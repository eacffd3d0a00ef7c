//! What the core wants done.

use gateway_protocol::{Outgoing, Role};
use serde_json::Value;

use crate::event::ClientEvent;
use crate::input::{ManagedEndpoint, RepairId, SocketId, TunnelId};
use crate::registry::SshTunnel;
use crate::store::StoreOp;

/// Names one accepted invoke: unique among the running ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvokeKey(pub u64);

/// A validated invoke for the node's handlers.
#[derive(Clone, Debug, PartialEq)]
pub struct InvokeRequest {
    /// For [`crate::Input::InvokeDone`].
    pub key: InvokeKey,
    /// The invoke's id on the wire.
    pub id: String,
    /// Command as it was advertised.
    pub command: String,
    /// Arguments; null when absent or unreadable.
    pub args: Value,
    /// Chat session named by the envelope.
    pub session_key: Option<String>,
}

/// One order to the shell. Orders for one socket are carried out in the order given.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Open a WebSocket; answer with [`crate::Input::Opened`] or [`crate::Input::OpenFailed`].
    Open {
        /// Its name.
        socket: SocketId,
        /// For which role.
        role: Role,
        /// ws or wss URL without userinfo.
        url: String,
        /// `Origin` header.
        origin: String,
        /// `Authorization: Basic` user and password as written in the URL (`user:password`), if it had any.
        basic: Option<String>,
    },
    /// Send a message.
    Send {
        /// On which socket.
        socket: SocketId,
        /// What.
        message: Outgoing,
    },
    /// Close with a close frame; [`crate::Input::Closed`] may still follow and is ignored.
    Close {
        /// Which socket.
        socket: SocketId,
        /// Close code.
        code: u16,
        /// Reason.
        reason: String,
    },
    /// Drop the socket without a close handshake: how the manager retires a socket. ref: client-behaviour.md §7
    Abort {
        /// Which socket.
        socket: SocketId,
    },
    /// Start an SSH tunnel; answer with [`crate::Input::TunnelUp`] or [`crate::Input::TunnelDown`].
    StartTunnel {
        /// Its name.
        tunnel: TunnelId,
        /// For whose connections.
        gateway_id: String,
        /// Where it leads. A local port of 0 means any free one.
        spec: SshTunnel,
    },
    /// Stop an SSH tunnel; nothing is answered.
    StopTunnel {
        /// Which.
        tunnel: TunnelId,
    },
    /// Try whether anybody accepts connections on a port of this computer; answer with [`crate::Input::Probed`] within
    /// 2 s. ref: client-behaviour.md §25
    ProbePort {
        /// For which repair.
        repair: RepairId,
        /// The port.
        port: u16,
    },
    /// Restart the service of a gateway in its distribution; answer with [`crate::Input::Restarted`].
    RestartService {
        /// For which repair.
        repair: RepairId,
        /// Which gateway.
        endpoint: ManagedEndpoint,
    },
    /// Make a change durable; answer with [`crate::Input::Stored`].
    Store {
        /// The change.
        op: StoreOp,
    },
    /// Tell whoever watches.
    Event(ClientEvent),
    /// Run a node command; answer with [`crate::Input::InvokeDone`].
    Invoke(InvokeRequest),
    /// Stop a running command; its result no longer matters.
    InvokeCancel {
        /// Which.
        key: InvokeKey,
    },
}
