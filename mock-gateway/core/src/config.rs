//! How a mock gateway is set up before it starts: the part of the real `openclaw.json` that clients can notice.
//!
//! Every field has the real gateway's default, so `Config::default()` is a token-mode loopback gateway.
//!
//! - [`Config`]: what the gateway is told, in our types.
//! - [`from_openclaw_json`]: the same, read from the real gateway's own keys. `keys.rs`: which keys there are.
//! - [`json5`]: how its text is read.
//! - `document.rs`: the file that it could have been read from; `reload.rs`: what a change of that file asks for.
//!
//! ```
//! use gateway_core::{AuthMode, Config};
//!
//! let config = Config::default();
//! assert_eq!(config.auth.mode, AuthMode::Token);
//! assert_eq!(config.handshake_timeout_ms, 15_000);
//! ```

pub(crate) mod document;
pub mod json5;
mod keys;
mod openclaw;
pub(crate) mod reload;

use std::time::Duration;

use gateway_protocol::{Password, SharedToken};
use serde::{Deserialize, Serialize};

use crate::agent::AgentScript;
use crate::wizard::WizardScript;

pub use openclaw::{ConfigError, ConfigProblem, Ignored, from_openclaw_json};

/// Everything a gateway is told at start. Milliseconds everywhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Shared credential and rate limit. ref: gateway-behaviour.md §4
    pub auth: AuthConfig,
    /// Peers whose forwarding headers are believed (`gateway.trustedProxies`): addresses or ranges like
    /// `10.0.0.0/8`. ref: gateway-behaviour.md §6.1
    pub trusted_proxies: Vec<String>,
    /// Whether `X-Real-IP` of a trusted proxy counts where `X-Forwarded-For` names nobody
    /// (`gateway.allowRealIpFallback`).
    pub allow_real_ip_fallback: bool,
    /// Origins accepted besides loopback ones (`gateway.controlUi.allowedOrigins`). ref: gateway-behaviour.md §1.7
    pub allowed_origins: Vec<String>,
    /// Node commands and node pairing.
    pub nodes: NodesConfig,
    /// What becomes of a configuration file that changes (`gateway.reload.mode`).
    pub reload: ReloadMode,
    /// From upgrade to a finished `connect`; then close 1000. ref: gateway-behaviour.md §1.5
    pub handshake_timeout_ms: u64,
    /// Period of the `tick` event, also `policy.tickIntervalMs`. ref: gateway-behaviour.md §1.4
    pub tick_interval_ms: u64,
    /// Period of WebSocket pings, counted from hello. ref: gateway-behaviour.md §1.4
    pub ping_interval_ms: u64,
    /// URL that minted setup codes carry when the caller names none.
    pub url_hint: Option<String>,
    /// How long after start and after each restart `connect` is refused with 1013; none by default.
    /// ref: gateway-behaviour.md §8
    pub starting_ms: Option<u64>,
    /// Lifetime of a pending device request. ref: gateway-behaviour.md §6.3
    pub pairing_ttl_ms: u64,
    /// Lifetime of a setup code. ref: gateway-behaviour.md §5
    pub setup_code_ttl_ms: u64,
    /// What the scripted agent says; it echoes by default.
    pub agent: AgentScript,
    /// What the wizard asks; what the real one asks by default.
    pub wizard: WizardScript,
    /// How many times sooner ticks, pings, expiries, lockouts and retry hints come than they are said to here: what takes
    /// minutes takes seconds, for programs whose clock is not ours.
    pub time_scale: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            auth: AuthConfig::default(),
            trusted_proxies: Vec::new(),
            allow_real_ip_fallback: false,
            allowed_origins: Vec::new(),
            nodes: NodesConfig::default(),
            reload: ReloadMode::default(),
            handshake_timeout_ms: 15_000,
            tick_interval_ms: 30_000,
            ping_interval_ms: 25_000,
            url_hint: None,
            starting_ms: None,
            pairing_ttl_ms: 300_000,
            setup_code_ttl_ms: 600_000,
            agent: AgentScript::default(),
            wizard: WizardScript::default(),
            time_scale: 1,
        }
    }
}

impl Config {
    /// A token-mode gateway with the given shared token.
    #[must_use]
    pub fn with_token(token: &str) -> Self {
        let mut config = Self::default();
        config.auth.token = Some(SharedToken::new(token));
        config
    }

    /// Takes over what a file says; what only the mock has stays.
    pub(crate) fn adopt(&mut self, file: Self, older: bool) {
        self.auth = file.auth;
        self.trusted_proxies = file.trusted_proxies;
        self.allow_real_ip_fallback = file.allow_real_ip_fallback;
        self.allowed_origins = file.allowed_origins;
        self.nodes = file.nodes;
        self.reload = file.reload;
        if older {
            self.handshake_timeout_ms = file.handshake_timeout_ms;
        }
    }

    pub(crate) fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }

    /// A length of time as it passes at this gateway.
    pub(crate) fn paced(&self, ms: u64) -> u64 {
        ms.checked_div(u64::from(self.time_scale))
            .unwrap_or(ms)
            .max(1)
    }

    pub(crate) fn tick_interval(&self) -> Duration {
        Duration::from_millis(self.paced(self.tick_interval_ms))
    }

    pub(crate) fn ping_interval(&self) -> Duration {
        Duration::from_millis(self.paced(self.ping_interval_ms))
    }

    pub(crate) fn pairing_ttl_ms(&self) -> u64 {
        self.paced(self.pairing_ttl_ms)
    }

    pub(crate) fn rate_limit(&self) -> RateLimitConfig {
        let limit = self.auth.rate_limit;
        RateLimitConfig {
            window_ms: self.paced(limit.window_ms),
            lockout_ms: self.paced(limit.lockout_ms),
            ..limit
        }
    }
}

/// What becomes of a configuration file that changes while the gateway runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadMode {
    /// What can be applied is applied, the rest restarts the gateway.
    #[default]
    Hybrid,
    /// What can be applied is applied, the rest waits for a restart. 2026.6.34; the newer release takes it for hybrid.
    Hot,
    /// Whatever matters restarts the gateway. 2026.6.34; the newer release takes it for hybrid.
    Restart,
    /// Everything waits for a restart.
    Off,
}

impl ReloadMode {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::Hot => "hot",
            Self::Restart => "restart",
            Self::Off => "off",
        }
    }
}

/// What a client may prove itself with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    /// A shared token (`gateway.auth.token`).
    #[default]
    Token,
    /// A shared password (`gateway.auth.password`).
    Password,
    /// Nothing; device identity still counts.
    None,
}

impl AuthMode {
    /// The name in `hello-ok.snapshot.authMode`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Password => "password",
            Self::None => "none",
        }
    }
}

/// `gateway.auth`. ref: gateway-behaviour.md §4
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Which shared credential counts.
    pub mode: AuthMode,
    /// Shared token of token mode.
    pub token: Option<SharedToken>,
    /// Password of password mode.
    pub password: Option<Password>,
    /// `gateway.auth.rateLimit`.
    pub rate_limit: RateLimitConfig,
}

/// `gateway.auth.rateLimit`. ref: gateway-behaviour.md §4.5
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Failures allowed inside the window.
    pub max_attempts: u32,
    /// Sliding window.
    pub window_ms: u64,
    /// How long a locked address waits.
    pub lockout_ms: u64,
    /// Whether loopback addresses are never locked.
    pub exempt_loopback: bool,
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self {
            max_attempts: 10,
            window_ms: 60_000,
            lockout_ms: 300_000,
            exempt_loopback: true,
        }
    }
}

/// `gateway.nodes`. ref: gateway-behaviour.md §6.1, §7.4
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodesConfig {
    /// Commands added to the platform's list (dangerous and made-up names too).
    pub allow_commands: Vec<String>,
    /// Commands removed from surfaces and blocked in invokes.
    pub deny_commands: Vec<String>,
    /// Address ranges whose fresh, scopeless nodes are paired silently, e.g. `10.0.0.0/8`.
    pub auto_approve_cidrs: Vec<String>,
    /// 2026.9.6 only: false turns off every silent local approval.
    pub auto_approve_local: bool,
    /// 2026.9.6 only: whether the gateway looks over SSH who a fresh node at a private address is. The mock's look finds
    /// nothing; the setting decides what such a node is told meanwhile.
    pub ssh_verify: bool,
}

impl Default for NodesConfig {
    fn default() -> Self {
        Self {
            allow_commands: Vec::new(),
            deny_commands: Vec::new(),
            auto_approve_cidrs: Vec::new(),
            auto_approve_local: true,
            ssh_verify: true,
        }
    }
}
