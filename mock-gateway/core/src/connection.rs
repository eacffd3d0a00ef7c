//! One connection: where it is, and what is known of the client once it is past hello.

use std::collections::BTreeMap;

use gateway_protocol::{ClientInfo, ConnId, DeviceId, Nonce, Role};
use serde::{Deserialize, Serialize};

use crate::locality::Locality;
use crate::profile::Profile;
use crate::timers::TimerKey;
use crate::view::{ConnectionView, PhaseView};

/// One connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) number: u32,
    pub(crate) id: ConnId,
    pub(crate) locality: Locality,
    pub(crate) origin: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) phase: Phase,
    /// Last used `seq`.
    pub(crate) seq: u64,
}

/// Where a connection is.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// Before a finished `connect`.
    Handshake(Handshake),
    /// Past hello.
    Open(Box<OpenConnection>),
    /// The gateway has ended it and waits for the shell to say that it is gone.
    Closing,
}

/// Before a finished `connect`.
#[derive(Clone, Debug)]
pub(crate) struct Handshake {
    pub(crate) nonce: Nonce,
    pub(crate) deadline: Option<TimerKey>,
    /// A refusal is on its way; nothing more is read.
    pub(crate) refused: bool,
    /// 2026.9.6 answers frames behind a slow `connect` after hello.
    pub(crate) queued: u32,
}

/// How a client proved itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Granted {
    Token,
    Password,
    DeviceToken,
    BootstrapToken,
    /// Mode none.
    Open,
}

impl Granted {
    /// `hello-ok.auth.method` of 2026.9.6.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Password => "password",
            Self::DeviceToken => "device-token",
            Self::BootstrapToken => "bootstrap-token",
            Self::Open => "none",
        }
    }

    /// Whether it was the credential that all clients share.
    pub(crate) fn is_shared(self) -> bool {
        matches!(self, Self::Token | Self::Password | Self::Open)
    }
}

/// Past hello.
#[derive(Clone, Debug)]
pub(crate) struct OpenConnection {
    pub(crate) client: ClientInfo,
    pub(crate) role: Role,
    pub(crate) scopes: Vec<String>,
    pub(crate) device: Option<DeviceId>,
    pub(crate) granted: Granted,
    pub(crate) ping: TimerKey,
    /// Consecutive calls of the other role's methods.
    pub(crate) unauthorized: u32,
    /// What a node says it can do, filtered by its platform; none for operators.
    pub(crate) surface: Option<Surface>,
}

/// What a node can do: declared, asked for, or approved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Surface {
    pub(crate) caps: Vec<String>,
    pub(crate) commands: Vec<String>,
    pub(crate) permissions: Option<BTreeMap<String, bool>>,
}

/// The profile of whoever holds the shared secret or a device token, unless somebody else logged in.
pub(crate) const OWNER_PROFILE: &str = "gateway-owner";

impl OpenConnection {
    /// Whether presence lists it. ref: gateway-behaviour.md §3
    pub(crate) fn is_listed(&self, profile: &Profile) -> bool {
        let mode = self.client.mode.as_str();
        mode != "cli" && !(profile.rules.rich_hello && mode == "backend")
    }

    /// Whether 2026.9.6 knows a person behind it. Seen by the flows events/presence and pairing/own-device-only.
    pub(crate) fn is_somebody(&self, profile: &Profile) -> bool {
        profile.rules.rich_hello && self.role == Role::Operator && self.is_listed(profile)
    }
}

impl Connection {
    /// Whom its copies of broadcasts name.
    pub(crate) fn recipient(&self, profile: &Profile) -> Option<&'static str> {
        let open = self.open()?;
        open.is_somebody(profile).then_some(OWNER_PROFILE)
    }

    pub(crate) fn open(&self) -> Option<&OpenConnection> {
        match &self.phase {
            Phase::Open(open) => Some(open),
            Phase::Handshake(_) | Phase::Closing => None,
        }
    }

    pub(crate) fn open_mut(&mut self) -> Option<&mut OpenConnection> {
        match &mut self.phase {
            Phase::Open(open) => Some(open),
            Phase::Handshake(_) | Phase::Closing => None,
        }
    }

    pub(crate) fn handshake(&self) -> Option<&Handshake> {
        match &self.phase {
            Phase::Handshake(handshake) => Some(handshake),
            Phase::Open(_) | Phase::Closing => None,
        }
    }

    pub(crate) fn handshake_mut(&mut self) -> Option<&mut Handshake> {
        match &mut self.phase {
            Phase::Handshake(handshake) => Some(handshake),
            Phase::Open(_) | Phase::Closing => None,
        }
    }

    pub(crate) fn view(&self) -> ConnectionView {
        let open = self.open();
        ConnectionView {
            conn: self.number,
            phase: match self.phase {
                Phase::Handshake(_) => PhaseView::Handshake,
                Phase::Open(_) => PhaseView::Open,
                Phase::Closing => PhaseView::Closing,
            },
            local: self.locality.local,
            role: open.map(|open| open.role),
            scopes: open.map(|open| open.scopes.clone()).unwrap_or_default(),
            client_id: open.map(|open| open.client.id.clone()),
            client_mode: open.map(|open| open.client.mode.clone()),
            device_id: open.and_then(|open| open.device.clone()),
            auth: open.map(|open| open.granted.as_str().to_owned()),
        }
    }
}

impl OpenConnection {
    pub(crate) fn allows(&self, scope: &str) -> bool {
        self.role == Role::Operator && gateway_protocol::role::scope_allows(&self.scopes, scope)
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.allows(gateway_protocol::role::scope::ADMIN)
    }

    /// Gets device and node pairing events.
    pub(crate) fn sees_pairing(&self) -> bool {
        self.allows(gateway_protocol::role::scope::PAIRING)
    }

    /// A device token without admin acts on its own device only. ref: gateway-behaviour.md §6.4
    pub(crate) fn confined_to(&self) -> Option<&DeviceId> {
        self.device
            .as_ref()
            .filter(|_| self.granted == Granted::DeviceToken && !self.is_admin())
    }
}
