//! Who listens at the gateway's address, as a look at the machine finds it: `control = { listener = ... }`.

use client_core::EndpointOwner;
use client_core::guest::Guest;
use client_core::provenance::{HostListener, HostPort, judge};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor::is_default;

/// A look at the machine: what it finds (`is`), or what it sees (`seen`), which the client's own rules judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// The client that looks; its record must be `managed`.
    pub of: String,
    /// Who it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<ListenerName>,
    /// What Windows and the distribution show of the port. ref: client-behaviour.md §18.1
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Look>,
}

/// Who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListenerName {
    /// The managed gateway.
    Gateway,
    /// The managed gateway, as another process than before.
    GatewayAnew,
    /// Nobody.
    Nobody,
    /// Somebody else, or somebody who could not be proven.
    Stranger,
}

impl ListenerName {
    /// The word used in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::GatewayAnew => "gateway_anew",
            Self::Nobody => "nobody",
            Self::Stranger => "stranger",
        }
    }
}

/// The port on Windows and in the distribution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Look {
    /// Who listens on Windows; nobody, as with mirrored networking, when absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub host: Vec<Seen>,
    /// Whether the distribution says that its gateway's service has the port.
    #[serde(skip_serializing_if = "is_default")]
    pub guest: bool,
    /// Who listens on Windows at a second look, after the distribution was asked; it fails when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again: Option<Vec<Seen>>,
    /// Whether the first look misses an address family.
    #[serde(skip_serializing_if = "is_default")]
    pub partial: bool,
}

/// A listener on Windows: WSL's own relay, where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Seen {
    /// Its process.
    pub pid: u32,
    /// Its program.
    pub path: String,
    /// Whether the program's file is signed by Microsoft.
    pub signed: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            pid: 1,
            path: r"C:\Program Files\WSL\wslrelay.exe".to_owned(),
            signed: true,
        }
    }
}

impl Look {
    /// What the client's rules make of it.
    pub fn owner(&self) -> EndpointOwner {
        let port = |seen: &[Seen], complete| HostPort {
            complete,
            listeners: seen.iter().map(Seen::listener).collect(),
        };
        let guest = if self.guest {
            Guest::OwnsPort
        } else {
            Guest::Silent
        };
        let again = self.again.as_deref().map(|seen| port(seen, true));
        judge(&port(&self.host, !self.partial), guest, again.as_ref()).owner()
    }
}

impl Seen {
    fn listener(&self) -> HostListener {
        let file = self.path.rsplit('\\').next().unwrap_or_default();
        HostListener {
            pid: self.pid,
            started: 1,
            program: file
                .rsplit_once('.')
                .map_or(file, |(stem, _)| stem)
                .to_owned(),
            path: self.path.clone(),
            is_signed_by_microsoft: self.signed,
            is_obsolete_gateway: false,
            is_the_guests: false,
        }
    }
}

impl Listener {
    /// Who it is, in the words of `is`.
    pub fn name(&self) -> ListenerName {
        let judged = || match self.seen.as_ref().map(Look::owner) {
            Some(EndpointOwner::Expected { .. }) => ListenerName::Gateway,
            Some(EndpointOwner::NoListener) => ListenerName::Nobody,
            Some(EndpointOwner::Foreign) | None => ListenerName::Stranger,
        };
        self.is.unwrap_or_else(judged)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::relay("host = [{}]\nguest = true", ListenerName::Gateway)]
    #[case::mirrored("guest = true\nagain = []", ListenerName::Gateway)]
    #[case::one_look_only("guest = true", ListenerName::Stranger)]
    #[case::somebody_came("guest = true\nagain = [{}]", ListenerName::Stranger)]
    #[case::nobody("", ListenerName::Nobody)]
    #[case::elsewhere(
        "host = [{ path = 'D:\\wslrelay.exe' }]\nguest = true",
        ListenerName::Stranger
    )]
    #[case::unsigned("host = [{ signed = false }]\nguest = true", ListenerName::Stranger)]
    #[case::half("host = [{}]\nguest = true\npartial = true", ListenerName::Stranger)]
    fn a_look_is_judged(#[case] text: &str, #[case] is: ListenerName) {
        let listener = Listener {
            of: "companion".to_owned(),
            is: None,
            seen: Some(toml::from_str(text).unwrap()),
        };
        assert_eq!(listener.name(), is);
    }
}
