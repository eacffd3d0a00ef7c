//! The parties of a scenario: our companion client, a bare WebSocket that the script drives, or a set-up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lapse::Offset;
use super::setup::SetupActor;

/// A party of a scenario, written as `[actor.NAME]` with a `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// Our companion: one identity, an operator role and optionally a node role.
    Client(ClientActor),
    /// A bare WebSocket: every frame comes from the script.
    Raw(RawActor),
    /// The set-up of a gateway in a distro of its own.
    Setup(Box<SetupActor>),
}

/// A companion client (`kind = "client"`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientActor {
    /// Whether the node role is switched on besides the operator role.
    #[serde(skip_serializing_if = "is_false")]
    pub node: bool,
    /// Which client behaviour is followed; the scenario's `policy` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// Which client behaviour is followed from its second start on: the program was replaced while it was stopped, what
    /// is on its disk stayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Policy>,
    /// How the gateway's address is written in the client's record: `localhost` for clients on its machine, `lan` for
    /// others, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<UrlForm>,
    /// Where the gateway believes the client to be.
    #[serde(skip_serializing_if = "is_default")]
    pub peer: Peer,
    /// Which credentials it has before the first step.
    #[serde(skip_serializing_if = "is_default")]
    pub holds: Holds,
    /// What comes of its restarts of a gateway that it manages (`holds = { managed = true }`) and finds gone; it repairs none
    /// when absent. ref: client-behaviour.md §25
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// Whether it can run ssh, and so reach a gateway that its record puts behind a tunnel (`holds = { tunnel = true }`);
    /// the world `core` only. ref: client-behaviour.md §24
    #[serde(skip_serializing_if = "is_false")]
    pub ssh: bool,
    /// Capabilities of the node role; a small default set when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caps: Option<Vec<String>>,
    /// Commands of the node role; a small default set when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commands: Option<Vec<String>>,
    /// Platform it declares; `windows` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// How far its wall clock is ahead of true time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Offset>,
    /// A deliberate mistake of the client (`client_core::Mutation`), for tests of the harness itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutation: Option<String>,
}

/// The service of a managed gateway, in the hands of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// A restart takes two seconds, and the gateway is there.
    Restarts,
    /// A restart takes two seconds and fails.
    Fails,
}

/// A scripted WebSocket (`kind = "raw"`). Each `start` opens one more connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawActor {
    /// Where the gateway believes the client to be.
    #[serde(skip_serializing_if = "is_default")]
    pub peer: Peer,
    /// `Origin` header of the upgrade request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Another raw actor whose key pair it shares; its own key pair when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_of: Option<String>,
    /// How far its wall clock is ahead of true time (`signedAt` is taken from it).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Offset>,
    /// Why it says what the published schema does not allow; the referee then expects that it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lies: Option<String>,
}

/// Credentials on disk before the first step. Secret values never stand in a file: only their state does.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word that a file may say or not"
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Holds {
    /// The gateway's shared token, in the gateway record.
    #[serde(skip_serializing_if = "is_default")]
    pub shared_token: Held,
    /// A bootstrap token, in the gateway record.
    #[serde(skip_serializing_if = "is_default")]
    pub bootstrap_token: Held,
    /// A device token of the operator role, in the identity file.
    #[serde(skip_serializing_if = "is_default")]
    pub operator_token: Held,
    /// A device token of the node role, in the identity file.
    #[serde(skip_serializing_if = "is_default")]
    pub node_token: Held,
    /// Scopes stored with the operator token; the full operator set when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator_scopes: Option<Vec<String>>,
    /// Platform that the device had when it was paired, which the gateway has pinned; the one of today when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paired_platform: Option<String>,
    /// Whether the record remembers that this gateway wants v2 signatures.
    #[serde(skip_serializing_if = "is_false")]
    pub requires_v2: bool,
    /// Whether the record says that the app manages the gateway in a distribution of its own: then a strong credential
    /// is sent only where `control = { listener = ... }` has told who listens.
    #[serde(skip_serializing_if = "is_false")]
    pub managed: bool,
    /// Whether the record puts the gateway behind an SSH tunnel: its address is elsewhere, and answers to nobody who does
    /// not come through the tunnel.
    #[serde(skip_serializing_if = "is_false")]
    pub tunnel: bool,
    /// Whether the record of the gateway is left out even if it would be empty (a client before its first setup).
    #[serde(skip_serializing_if = "is_false")]
    pub no_record: bool,
}

impl Holds {
    /// Whether nothing at all is held.
    pub fn nothing(&self) -> bool {
        [
            self.shared_token,
            self.bootstrap_token,
            self.operator_token,
            self.node_token,
        ]
        .iter()
        .all(|held| *held == Held::Absent)
    }
}

/// State of one stored credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// Not there.
    #[default]
    Absent,
    /// There, and the gateway accepts it.
    Valid,
    /// Well-formed, but the gateway never issued it (or forgot it).
    Stale,
    /// There, but only blanks.
    Blank,
}

/// Which companion the client behaves like (client-behaviour.md, `741` and `HEAD`).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The companion as of pull request 741.
    Pr741,
    /// The companion as of today.
    #[default]
    Hardened,
}

impl Policy {
    /// The word used in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pr741 => "pr741",
            Self::Hardened => "hardened",
        }
    }
}

/// How the address of the gateway is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UrlForm {
    /// `ws://localhost:PORT`.
    Localhost,
    /// `ws://127.0.0.1:PORT`.
    Ipv4,
    /// `ws://[::1]:PORT`.
    Ipv6,
    /// `ws://192.168.1.20:PORT`, as a client elsewhere in the gateway's network has it.
    Lan,
}

impl UrlForm {
    /// What a client has that is told nothing else.
    pub const fn of(peer: Peer) -> Self {
        match peer {
            Peer::Local => Self::Localhost,
            Peer::Remote => Self::Lan,
        }
    }
}

/// Where the gateway believes a client to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// On the gateway's machine.
    #[default]
    Local,
    /// Elsewhere: a public address, seen through a trusted proxy.
    Remote,
}

impl Actor {
    /// Where the gateway believes it to be.
    pub const fn peer(&self) -> Peer {
        match self {
            Self::Client(client) => client.peer,
            Self::Raw(raw) => raw.peer,
            Self::Setup(_) => Peer::Local,
        }
    }

    /// The companion's description, for `kind = "client"`.
    pub const fn client(&self) -> Option<&ClientActor> {
        match self {
            Self::Client(client) => Some(client),
            Self::Raw(_) | Self::Setup(_) => None,
        }
    }
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
pub(super) const fn is_false(value: &bool) -> bool {
    !*value
}
