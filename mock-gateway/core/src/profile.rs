//! What differs between gateway versions, as data.
//!
//! Lists recorded from the real releases lie in `data/<version>/`; the differences that code branches on are the
//! named booleans of [`Rules`], one per line of gateway-behaviour.md F.
//!
//! ```
//! let profile = gateway_core::profile(gateway_core::DEFAULT_PROFILE).ok_or("no default profile")?;
//! assert_eq!((profile.version, profile.methods().len()), ("2026.6.34", 193));
//! # Ok::<(), &str>(())
//! ```

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use gateway_protocol::shape::{self, Shape};
use serde_json::{Map, Value};

use crate::json::Object;

/// The profile that is used when nobody says otherwise.
pub const DEFAULT_PROFILE: &str = "2026.6.34";

/// Every profile's version, default first.
pub const PROFILES: [&str; 2] = [DEFAULT_PROFILE, "2026.9.6"];

/// One gateway version.
#[derive(Debug)]
pub struct Profile {
    /// Release, as in `server.version`.
    pub version: &'static str,
    /// `server.buildId` of 2026.9.6: a Control UI of this release sends it. Empty where there is none.
    build: &'static str,
    pub(crate) rules: Rules,
    pub(crate) request_frame: Shape,
    pub(crate) connect_params: Shape,
    /// Roles' operator scopes in a full setup code. ref: gateway-behaviour.md §5
    pub(crate) bootstrap_scopes: &'static [&'static str],
    pub(crate) bootstrap_invalid: &'static str,
    /// `minimumProbeProtocol` in a mismatch, and accepted from probes and nodes. ref: gateway-behaviour.md §10
    pub(crate) minimum_probe_protocol: u64,
    pub(crate) restart_down: Duration,
    data: LazyLock<Data>,
}

/// Where the versions behave differently. ref: gateway-behaviour.md F
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a table of independent switches, one per documented difference"
)]
pub(crate) struct Rules {
    /// F1: challenge names `model-catalog-snapshot`.
    pub(crate) challenge_capabilities: bool,
    /// F1: additional hello members.
    pub(crate) rich_hello: bool,
    /// F2: `FORBIDDEN` with details for a missing scope.
    pub(crate) forbidden_details: bool,
    /// F3: hello returns requested scopes in request order instead of the token's whole set.
    pub(crate) requested_scopes: bool,
    /// F4: a secret counts in either field.
    pub(crate) secret_in_either_field: bool,
    /// F5: setup codes carry `expiresAtMs`, and the handoff approves the node surface.
    pub(crate) setup_rpc: bool,
    /// F6: `AUTH_RATE_LIMITED` says when to come back, loopback failures are slowed.
    pub(crate) slow_failures: bool,
    /// F7: local upgrades are silent, superseded requests announced, retries refresh the expiry.
    pub(crate) lenient_local: bool,
    /// F8: untrusted proxy headers are refused at the upgrade.
    pub(crate) proxy_attribution: bool,
    /// F9: a local device-less cli keeps its scopes.
    pub(crate) cli_keeps_scopes: bool,
    /// F10: `PAIRING_CHANGED` errors, `nodeCommandDispatched`, time-out always in the invoke.
    pub(crate) node_errors_9: bool,
    /// F11: frames behind `connect` are queued.
    pub(crate) pipelining: bool,
    /// F12: `restartExpectedMs` is left out on stop, unauthenticated sockets are closed with 1012.
    pub(crate) clean_shutdown: bool,
    /// F13: `health` after each connect (6) or `presence` on connect (9).
    pub(crate) health_after_connect: bool,
    /// F14: list entries carry `approvedVia`, `connected` and more.
    pub(crate) rich_lists: bool,
    /// F15: no canvas pages over HTTP, `/v1/` is reserved, no history of a session that never was.
    pub(crate) http_9: bool,
}

/// A `health` payload as text: everything before the time, everything behind it.
#[derive(Debug)]
pub(crate) struct HealthText {
    pub(crate) before: String,
    pub(crate) after: String,
}

impl HealthText {
    fn of(health: &Value) -> Self {
        const TIME: &str = "\"ts\":0";
        let text = health.to_string();
        // The files are part of the source; a test fails on one without a time.
        let (before, after) = text.split_once(TIME).unwrap_or_default();
        Self {
            before: format!("{before}\"ts\":"),
            after: after.to_owned(),
        }
    }
}

#[derive(Debug)]
struct Data {
    methods: Vec<&'static str>,
    /// Printed, since every hello-ok carries it and nothing looks into it.
    features: String,
    health: Value,
    health_text: HealthText,
    status: Value,
    wizard: Vec<Map<String, Value>>,
    control_ui: Value,
    /// Method and member, see [`Profile::is_later`].
    later: BTreeSet<(&'static str, &'static str)>,
}

const RULES_6: Rules = Rules {
    challenge_capabilities: false,
    rich_hello: false,
    forbidden_details: false,
    requested_scopes: false,
    secret_in_either_field: false,
    setup_rpc: false,
    slow_failures: false,
    lenient_local: false,
    proxy_attribution: false,
    cli_keeps_scopes: false,
    node_errors_9: false,
    pipelining: false,
    clean_shutdown: false,
    health_after_connect: true,
    rich_lists: false,
    http_9: false,
};

const RULES_9: Rules = Rules {
    challenge_capabilities: true,
    rich_hello: true,
    forbidden_details: true,
    requested_scopes: true,
    secret_in_either_field: true,
    setup_rpc: true,
    slow_failures: true,
    lenient_local: true,
    proxy_attribution: true,
    cli_keeps_scopes: true,
    node_errors_9: true,
    pipelining: true,
    clean_shutdown: true,
    health_after_connect: false,
    rich_lists: true,
    http_9: true,
};

static V6: Profile = Profile {
    version: "2026.6.34",
    build: "2026.6.34",
    rules: RULES_6,
    request_frame: shape::REQUEST_FRAME_6,
    connect_params: shape::CONNECT_PARAMS_6,
    bootstrap_scopes: &[
        "operator.approvals",
        "operator.read",
        "operator.talk.secrets",
        "operator.write",
    ],
    bootstrap_invalid: "bootstrap token invalid or expired (scan a fresh setup code)",
    minimum_probe_protocol: 4,
    restart_down: Duration::from_secs(1),
    data: LazyLock::new(|| Data::load(&FILES_6)),
};

static V9: Profile = Profile {
    version: "2026.9.6",
    build: "2026.9.6-release-eb377ac59e6c-2026-09-23T16-33-12.144Z",
    rules: RULES_9,
    request_frame: shape::REQUEST_FRAME,
    connect_params: shape::CONNECT_PARAMS_9,
    bootstrap_scopes: &[
        "operator.admin",
        "operator.approvals",
        "operator.questions",
        "operator.read",
        "operator.talk.secrets",
        "operator.write",
    ],
    bootstrap_invalid: "setup code invalid, expired, revoked, or already used (create a new code; review `openclaw devices list`)",
    minimum_probe_protocol: 3,
    restart_down: Duration::from_secs(5),
    data: LazyLock::new(|| Data::load(&FILES_9)),
};

/// The profile of a release; `None` for one that was not recorded.
pub fn profile(version: &str) -> Option<&'static Profile> {
    [&V6, &V9]
        .into_iter()
        .find(|profile| profile.version == version)
}

impl Profile {
    /// Every advertised method, in the recorded order.
    pub fn methods(&self) -> &[&'static str] {
        &self.data.methods
    }

    /// Whether HTTP answers as 2026.9.6 does. ref: gateway-behaviour.md §9
    pub fn newer_http(&self) -> bool {
        self.rules.http_9
    }

    /// What a client can notice of this release, and how it came to be known: name and value, for people.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let rules = &self.rules;
        let (ids, modes) = if rules.rich_hello {
            (shape::CLIENT_IDS_9, shape::CLIENT_MODES_9)
        } else {
            (shape::CLIENT_IDS_6, shape::CLIENT_MODES_6)
        };
        let probe = self.minimum_probe_protocol;
        let keys = if rules.rich_hello {
            "gateway.nodes.commands.allow, gateway.nodes.commands.deny, gateway.nodes.pairing.autoApproveLocal"
        } else {
            "gateway.nodes.allowCommands, gateway.nodes.denyCommands"
        };
        let starting = if rules.clean_shutdown {
            "refuses connects with 1013 for about 2 s, then lets everybody in"
        } else {
            "ready as soon as it listens"
        };
        let stop = if rules.clean_shutdown {
            "shutdown event, then 1012 for every connection"
        } else {
            "shutdown event and 1012, nothing for connections that are not past hello"
        };
        vec![
            (
                "protocol",
                format!("4; probes and nodes may offer {probe} and up"),
            ),
            ("client ids", ids.join(" ")),
            ("client modes", modes.join(" ")),
            ("methods", format!("{} advertised", self.methods().len())),
            ("keys of its own", keys.to_owned()),
            ("start", starting.to_owned()),
            ("stop", stop.to_owned()),
            ("build", self.build.to_owned()),
            (
                "provenance",
                format!(
                    "npm openclaw {}, unmodified, on Linux with node 24, loopback; lists and golden records in \
                     November 2026; `clawproof conform --against real --profile {}` compares it again",
                    self.version, self.version
                ),
            ),
        ]
    }

    /// `server.buildId`, also what the Control UI's page carries.
    pub fn build_id(&self) -> String {
        self.build.to_owned()
    }

    /// `hello-ok.features`, printed.
    pub(crate) fn features(&self) -> &str {
        &self.data.features
    }

    /// `health` payload, printed, around its time.
    pub(crate) fn health_text(&self) -> &HealthText {
        &self.data.health_text
    }

    /// `health` payload without its time.
    pub(crate) fn health(&self) -> &Value {
        &self.data.health
    }

    /// `status` payload.
    pub(crate) fn status(&self) -> &Value {
        &self.data.status
    }

    /// What its wizard asks.
    pub(crate) fn wizard(&self) -> &[Map<String, Value>] {
        &self.data.wizard
    }

    /// Whether the release takes a member of a method's params that the published schema does not have yet, as its own
    /// Control UI sends it. Scenario wire-members-later-than-the-schema, which also runs in the world `real`.
    pub(crate) fn is_later(&self, method: &str, member: &str) -> bool {
        self.data.later.contains(&(method, member))
    }

    /// Control UI members of hello-ok; null where there are none.
    pub(crate) fn control_ui(&self) -> &Value {
        &self.data.control_ui
    }
}

struct Files {
    methods: &'static str,
    events: &'static str,
    capabilities: Option<&'static str>,
    health: &'static str,
    status: &'static str,
    wizard: &'static str,
    control_ui: &'static str,
    later: &'static str,
}

static FILES_6: Files = Files {
    methods: include_str!("../data/2026.6.34/methods.txt"),
    events: include_str!("../data/2026.6.34/events.txt"),
    capabilities: None,
    health: include_str!("../data/2026.6.34/health.json"),
    status: include_str!("../data/2026.6.34/status.json"),
    wizard: include_str!("../data/2026.6.34/wizard.json"),
    control_ui: "null",
    later: "",
};

static FILES_9: Files = Files {
    methods: include_str!("../data/2026.9.6/methods.txt"),
    events: include_str!("../data/2026.9.6/events.txt"),
    capabilities: Some(include_str!("../data/2026.9.6/capabilities.txt")),
    health: include_str!("../data/2026.9.6/health.json"),
    status: include_str!("../data/2026.9.6/status.json"),
    wizard: include_str!("../data/2026.9.6/wizard.json"),
    control_ui: include_str!("../data/2026.9.6/control-ui.json"),
    later: include_str!("../data/2026.9.6/later-params.txt"),
};

impl Data {
    fn load(files: &Files) -> Self {
        let methods: Vec<&'static str> = files.methods.lines().collect();
        let events: Vec<&'static str> = files.events.lines().collect();
        let capabilities = files
            .capabilities
            .map(|list| list.lines().collect::<Vec<_>>());
        let features = Object::new()
            .with("methods", methods.clone())
            .with("events", events)
            .maybe("capabilities", capabilities)
            .build()
            .to_string();
        // The files are part of the source; the test below fails on one that does not parse.
        let read = |text: &str| serde_json::from_str(text).unwrap_or_default();
        let health = read(files.health);
        Self {
            methods,
            features,
            health_text: HealthText::of(&health),
            health,
            status: read(files.status),
            wizard: serde_json::from_str(files.wizard).unwrap_or_default(),
            control_ui: read(files.control_ui),
            later: files
                .later
                .lines()
                .filter_map(|line| line.split_once(' '))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2026.6.34", 193, 27, 0)]
    #[case("2026.9.6", 466, 64, 21)]
    fn data_files_load(
        #[case] version: &str,
        #[case] methods: usize,
        #[case] events: usize,
        #[case] caps: usize,
    ) {
        let profile = profile(version).unwrap();
        let features: Value = serde_json::from_str(profile.features()).unwrap();
        let count = |name: &str| features[name].as_array().map_or(0, Vec::len);
        assert_eq!(
            (count("methods"), count("events"), count("capabilities")),
            (methods, events, caps)
        );
        let health = profile.health_text();
        let text = format!("{}0{}", health.before, health.after);
        assert_eq!(text, profile.health().to_string());
        assert_eq!(profile.health()["ok"], true);
        assert_eq!(profile.status()["runtimeVersion"], version);
        let last = profile.wizard().last().unwrap();
        assert_eq!(last["type"], "note", "the wizard ends with a note");
    }
}
