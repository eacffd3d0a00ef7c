//! The Windows side of a set-up that is no wsl.exe: ports, the gateway's owner, and connections to the gateway.

use std::time::Duration;

use serde_json::Value;

use super::context::Credential;

/// As what a client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The user's own client.
    Operator,
    /// This machine as a node.
    Node,
}

/// Who listens on the gateway's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The gateway in the distro, proven.
    Expected,
    /// Nobody.
    NoListener,
    /// Somebody else, or nobody can say.
    Unknown(String),
}

/// What became of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// hello-ok, with what it said.
    Connected {
        /// Protocol generation.
        protocol: u32,
        /// Version of the gateway.
        version: String,
    },
    /// The gateway wants an approval, of this request when it said which.
    PairingRequired(Option<String>),
    /// It was refused.
    Refused(String),
    /// No answer in time.
    TimedOut,
}

impl Connection {
    /// Protocol and version of a connection that stands; what is in its way otherwise.
    ///
    /// # Errors
    /// One sentence.
    pub fn connected(self) -> Result<(u32, String), String> {
        match self {
            Self::Connected { protocol, version } => Ok((protocol, version)),
            Self::PairingRequired(_) => Err("the gateway still wants an approval".to_owned()),
            Self::Refused(said) => Err(said),
            Self::TimedOut => Err("no answer from the gateway in time".to_owned()),
        }
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// `ok`, with the payload.
    Answered(Value),
    /// The gateway's error, in its words.
    Refused(String),
    /// The connection ended before there was an answer, with the close code if there was one.
    Lost(Option<u16>),
    /// No answer in time.
    TimedOut,
}

impl Asked {
    /// The answer of a client: its payload, or its error object.
    pub fn of(answer: Result<Value, Value>) -> Self {
        let error = match answer {
            Ok(payload) => return Self::Answered(payload),
            Err(error) => error,
        };
        let message = error.get("message").and_then(Value::as_str);
        let message = message.unwrap_or_default();
        if message == "connection lost" {
            let code = error.get("closeCode").and_then(Value::as_u64);
            return Self::Lost(code.and_then(|code| u16::try_from(code).ok()));
        }
        if message.starts_with("timed out after") {
            return Self::TimedOut;
        }
        Self::Refused(message.to_owned())
    }
}

/// What went wrong on the Windows side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// A file is damaged; nothing was written over it.
    #[error("{0}")]
    Corrupt(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// The Windows side. The registry and the identity are its own.
pub trait Peer {
    /// Whether the gateway's port can be taken on this side.
    fn port_is_free(&mut self, port: u16) -> bool;
    /// Whether the gateway answers HTTP at all, with any status.
    fn reaches(&mut self, url: &str) -> bool;
    /// Who listens, as far as this side can tell; the guest's proof is the set-up's own.
    fn owner(&mut self, port: u16) -> Owner;
    /// Remembers the gateway, once per run; the identity is made when there is none.
    ///
    /// # Errors
    /// [`PeerError::Corrupt`] when an identity is there and can't be read.
    fn remember(
        &mut self,
        url: &str,
        distro: &str,
        shared: &str,
        bootstrap: &str,
    ) -> Result<(), PeerError>;
    /// Forgets what [`Peer::remember`] made for this distro, and nothing else.
    ///
    /// # Errors
    /// [`PeerError`] when the files can't be changed.
    fn forget(&mut self, distro: &str) -> Result<(), PeerError>;
    /// Connects, and leaves the connection open when it stands.
    fn connect(&mut self, role: Role, credential: &Credential, limit: Duration) -> Connection;
    /// Asks the gateway over the operator's connection.
    fn ask(&mut self, method: &str, params: Value, limit: Duration) -> Asked;
    /// Closes a connection.
    fn disconnect(&mut self, role: Role);
    /// Whether an operator token is stored.
    ///
    /// # Errors
    /// [`PeerError::Corrupt`] when it can't be read.
    fn has_operator_token(&mut self) -> Result<bool, PeerError>;
    /// Forgets the operator token, which the gateway has replaced.
    ///
    /// # Errors
    /// [`PeerError`] when the files can't be changed.
    fn clear_operator_token(&mut self) -> Result<(), PeerError>;
    /// Forgets the bootstrap token.
    ///
    /// # Errors
    /// [`PeerError`] when the files can't be changed.
    fn clear_bootstrap(&mut self) -> Result<(), PeerError>;
    /// A fresh shared token: 64 hex digits.
    ///
    /// # Errors
    /// [`PeerError::Failed`] when the system gives no random bytes.
    fn fresh_token(&mut self) -> Result<String, PeerError>;
    /// Whether the user has cancelled.
    fn is_cancelled(&self) -> bool {
        false
    }
}
