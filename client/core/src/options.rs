//! How a client is set up: policy, metadata, what its node offers, and the seed of its chance.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::policy::Policy;

/// What a node offers to the gateway. Order is kept, duplicates are dropped when it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeSurface {
    /// Categories.
    pub caps: Vec<String>,
    /// Commands; only these are run.
    pub commands: Vec<String>,
    /// Permissions on the host.
    pub permissions: IndexMap<String, bool>,
}

impl NodeSurface {
    /// The companion's full set: 9 categories, 30 commands. ref: client-behaviour.md §22
    pub fn companion() -> Self {
        let mut surface = Self::default();
        for (category, commands) in COMPANION {
            surface.caps.push((*category).to_owned());
            surface
                .commands
                .extend(commands.iter().map(|name| format!("{category}.{name}")));
        }
        surface
            .permissions
            .insert("camera.capture".to_owned(), true);
        surface.permissions.insert("screen.record".to_owned(), true);
        surface
    }
}

/// What only this computer's own users may call; no gateway ever hears of it. ref: client-behaviour.md §23
pub(crate) fn is_local_only(command: &str) -> bool {
    let prefix = command.get(..4);
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case("app."))
        || command.eq_ignore_ascii_case("app")
}

const COMPANION: &[(&str, &[&str])] = &[
    (
        "system",
        &[
            "notify",
            "run",
            "run.prepare",
            "which",
            "execApprovals.get",
            "execApprovals.set",
        ],
    ),
    (
        "canvas",
        &[
            "present",
            "hide",
            "navigate",
            "eval",
            "snapshot",
            "a2ui.push",
            "a2ui.pushJSONL",
            "a2ui.reset",
            "a2ui.dump",
            "caps",
        ],
    ),
    ("screen", &["snapshot", "record"]),
    ("camera", &["list", "snap", "clip"]),
    ("location", &["get"]),
    ("tts", &["speak", "status"]),
    ("stt", &["transcribe", "listen", "status"]),
    ("device", &["info", "status"]),
    ("browser", &["proxy"]),
];

/// Everything a client is told once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of a configuration, independent of each other"
)]
pub struct ClientOptions {
    /// Which generation of the client this is.
    pub policy: Policy,
    /// Seed of ids, jitter and new device keys.
    pub seed: u64,
    /// `client.version`.
    pub version: String,
    /// `client.platform`; the same for both roles, always.
    pub platform: String,
    /// `client.deviceFamily`; the same for both roles, always.
    pub device_family: String,
    /// `client.displayName` of the operator.
    pub operator_name: String,
    /// Part of the node's display name.
    pub machine_name: String,
    /// `locale`.
    pub locale: String,
    /// Node mode.
    pub node_enabled: bool,
    /// What the node offers.
    pub node: NodeSurface,
    /// Answer `device.info` and `device.status` without asking the shell.
    pub builtin_commands: bool,
    /// Sign with v2 from the start, whatever the record says.
    pub force_v2_signature: bool,
    /// Overrides [`Policy::watches_ticks`].
    pub watch_ticks: Option<bool>,
    /// The shell looks up who owns managed endpoints; an endpoint not looked up yet gets no strong credential.
    pub probes_owners: bool,
    /// The shell can run SSH tunnels. Without, a hardened client sends nothing to a gateway that needs one. ref: §18
    pub tunnels: bool,
    /// The shell can restart the services of managed gateways; one that is gone is repaired then. ref: §25
    pub keeps_services: bool,
    /// Send the companion's seven requests 500 ms after hello-ok. ref: §10
    pub post_hello_requests: bool,
    /// Deliberate bugs.
    #[cfg(feature = "mutants")]
    pub mutations: Vec<crate::mutation::Mutation>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            seed: 0,
            version: "0.1.0".to_owned(),
            platform: "windows".to_owned(),
            device_family: "Windows".to_owned(),
            operator_name: "OpenClaw Windows Tray".to_owned(),
            machine_name: "clawproof".to_owned(),
            locale: "en-US".to_owned(),
            node_enabled: true,
            node: NodeSurface::companion(),
            builtin_commands: true,
            force_v2_signature: false,
            watch_ticks: None,
            probes_owners: false,
            tunnels: false,
            keeps_services: false,
            post_hello_requests: true,
            #[cfg(feature = "mutants")]
            mutations: Vec::new(),
        }
    }
}

impl ClientOptions {
    /// Whether a silent connection is given up.
    pub fn watches_ticks(&self) -> bool {
        let watches = self
            .watch_ticks
            .unwrap_or_else(|| self.policy.watches_ticks());
        watches && !self.has(crate::mutation::Mutation::DeafToSilence)
    }

    /// Whether a connection without a challenge is given up.
    pub fn gives_up_without_challenge(&self) -> bool {
        let gives_up = self.policy.gives_up_without_challenge();
        gives_up && !self.has(crate::mutation::Mutation::WaitForTheChallengeForEver)
    }

    /// Whether a dial that nobody answers is given up.
    pub fn gives_up_a_dial(&self) -> bool {
        let gives_up = self.policy.gives_up_without_challenge();
        gives_up && !self.has(crate::mutation::Mutation::WaitForTheUpgradeForEver)
    }

    /// Whether a deliberate bug is on; never in a build without the feature `mutants`.
    #[cfg(feature = "mutants")]
    pub(crate) fn has(&self, mutation: crate::mutation::Mutation) -> bool {
        self.mutations.contains(&mutation)
    }

    /// Whether a deliberate bug is on; never in a build without the feature `mutants`.
    #[cfg(not(feature = "mutants"))]
    #[expect(
        clippy::unused_self,
        reason = "the same call works with and without the feature"
    )]
    pub(crate) fn has(&self, _mutation: crate::mutation::Mutation) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_companion_offers_30_commands_in_9_categories() {
        let surface = NodeSurface::companion();
        assert_eq!((surface.caps.len(), surface.commands.len()), (9, 30));
        assert_eq!(
            surface.commands.first().map(String::as_str),
            Some("system.notify")
        );
    }
}
