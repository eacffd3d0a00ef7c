//! What goes into a [`Gateway`](crate::Gateway) and what comes out of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_protocol::{CloseFrame, Outgoing, RequestId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who opened a connection, as the upgrade request shows it. The gateway decides itself what is local.
/// ref: gateway-behaviour.md §6.1
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Address of the TCP peer.
    pub remote_ip: IpAddr,
    /// `Origin` header.
    #[serde(default)]
    pub origin: Option<String>,
    /// `Host` header.
    #[serde(default)]
    pub host: Option<String>,
    /// All other headers, names in any case.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
}

impl Peer {
    /// A native client on this machine: loopback, no Origin, no forwarding headers.
    #[must_use]
    pub fn loopback() -> Self {
        Self::at(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))
    }

    /// A native client at `remote_ip`.
    #[must_use]
    pub fn at(remote_ip: IpAddr) -> Self {
        Self {
            remote_ip,
            origin: None,
            host: None,
            headers: Vec::new(),
        }
    }
}

/// Something that happened to the gateway. Connections are numbered from 1 in accept order by the shell.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A WebSocket upgrade was accepted.
    Opened {
        /// Number of the connection; must be new.
        conn: u32,
        /// Who opened it.
        peer: Peer,
    },
    /// A text message arrived.
    Text {
        /// On which connection.
        conn: u32,
        /// Its text.
        text: String,
    },
    /// A text message arrived that somebody has read on its way.
    Frame {
        /// On which connection.
        conn: u32,
        /// What it says.
        frame: Arc<Value>,
    },
    /// A binary message arrived; JSON in it counts like text. ref: gateway-behaviour.md §1.2
    Binary {
        /// On which connection.
        conn: u32,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A message went over the limit told by [`Output::Limit`].
    TooLarge {
        /// On which connection.
        conn: u32,
    },
    /// The codec refused what it read; `code` is 1002 or 1007.
    ProtocolError {
        /// On which connection.
        conn: u32,
        /// Close code to answer with.
        code: u16,
    },
    /// The connection is gone.
    Closed {
        /// Which connection.
        conn: u32,
        /// Code of the peer's close frame, if it sent one.
        code: Option<u16>,
    },
    /// A deadline of [`Gateway::wake_at`](crate::Gateway::wake_at) has come.
    Woke,
}

/// Something the shell must do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a message.
    Send {
        /// On which connection.
        conn: u32,
        /// What to send.
        message: Outgoing,
    },
    /// Send an empty WebSocket ping.
    Ping {
        /// On which connection.
        conn: u32,
    },
    /// Send a close frame, wait for the answer, end the connection.
    Close {
        /// Which connection.
        conn: u32,
        /// Code and reason.
        frame: CloseFrame,
    },
    /// End the connection without a close frame.
    Abort {
        /// Which connection.
        conn: u32,
    },
    /// From now on messages up to `max_message` bytes are read. ref: gateway-behaviour.md §1.3
    Limit {
        /// On which connection.
        conn: u32,
        /// Largest accepted message in bytes.
        max_message: usize,
    },
    /// The gateway as a whole changes.
    Lifecycle(Lifecycle),
    /// The answer that follows on this connection is made up: nobody recorded it, the schema only allows it.
    Synthetic {
        /// On which connection.
        conn: u32,
        /// What is answered.
        method: String,
        /// Id of the request.
        id: RequestId,
    },
    /// A line for people.
    Log(LogLine),
}

/// The transcript's note about an answer that is made up.
///
/// ```
/// assert_eq!(gateway_core::synthetic_note("tts.status", "7"), "synthetic answer to tts.status (7)");
/// ```
pub fn synthetic_note(method: &str, id: &str) -> String {
    format!("{SYNTHETIC}{method} ({id})")
}

/// The method of a note that [`synthetic_note`] made.
pub fn synthetic_method(note: &str) -> Option<&str> {
    note.strip_prefix(SYNTHETIC)?.split(' ').next()
}

/// How the note begins.
const SYNTHETIC: &str = "synthetic answer to ";

/// Changes of the gateway as a whole. ref: gateway-behaviour.md §8
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// The port must refuse for `down_for`; every connection has been told to close.
    Restarting {
        /// How long the port refuses.
        down_for: Duration,
    },
    /// The gateway stops for good; every connection has been told to close.
    Stopping,
    /// The gateway is back after a restart.
    Ready,
}

/// One line of the human log of `serve`. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Which connection it is about.
    pub conn: Option<u32>,
    /// Lower-case fragment.
    pub text: String,
}

/// Whether an upgrade may go on. ref: gateway-behaviour.md §1.1, §6.1
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Upgrade.
    Accept,
    /// `HTTP 503`, text `Too many unauthenticated sockets`.
    TooManyUnauthenticated,
    /// 2026.9.6: `HTTP 403`, JSON error of type `proxy_attribution_required`.
    ProxyAttributionRequired,
    /// What a mounted behaviour answers.
    Scripted(crate::HttpReply),
}
