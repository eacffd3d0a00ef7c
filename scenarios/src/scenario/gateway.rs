//! The gateway's side of a scenario: configuration, mounted behaviours, what single connections meet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::agent::AgentPlan;
use super::fault::FaultName;
use super::lapse::{Lapse, Offset};
use super::located::Located;
use super::pattern::RoleName;

/// The `[gateway]` table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayPlan {
    /// How clients prove themselves; `token` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthMode>,
    /// Time a connection has to send `connect`; 15 s when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshake_timeout: Option<Lapse>,
    /// Time between ticks; 30 s when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tick_interval: Option<Lapse>,
    /// How long the gateway answers `gateway starting` after its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting: Option<Lapse>,
    /// How far its wall clock is ahead of true time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Offset>,
    /// Failed attempts before a client address is locked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Further settings: the keys of the real gateway's `openclaw.json`, from its root, e.g.
    /// `gateway.trustedProxies = ["10.0.0.0/8"]`, and the mock's own, e.g. `mock.pairingTtlMs = 1000`. The words of
    /// `[gateway]` win over them.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// What the scripted agent says to chat messages; it echoes when absent.
    #[serde(skip_serializing_if = "super::actor::is_default")]
    pub agent: AgentPlan,
    /// Behaviours that answer before the built-in methods do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<Located<On>>,
    /// What single connections meet instead of the gateway.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connection: Vec<Located<ConnectionPlan>>,
}

/// How clients prove themselves to the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    /// Shared token.
    #[default]
    Token,
    /// Shared password.
    Password,
    /// Nothing.
    None,
}

/// Limit of failed authentications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Failures until the lockout; 10 when absent.
    #[serde(default = "RateLimit::attempts")]
    pub max_attempts: u32,
    /// Window in which they count.
    #[serde(default = "RateLimit::window")]
    pub window: Lapse,
    /// How long the lockout lasts.
    #[serde(default = "RateLimit::lockout")]
    pub lockout: Lapse,
    /// Whether clients on the gateway's machine are exempt.
    #[serde(default)]
    pub exempt_loopback: bool,
}

impl RateLimit {
    const fn attempts() -> u32 {
        10
    }

    const fn window() -> Lapse {
        Lapse::seconds(60)
    }

    const fn lockout() -> Lapse {
        Lapse::seconds(300)
    }
}

/// A behaviour of the mock: when something asks, what it answers (`[[gateway.on]]`).
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word that a file may say or not"
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct On {
    /// Name for `control = { off = NAME }` and for reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Requests with this method. Exactly one of `method` and `open` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// New connections, before the challenge is sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// Only on connections that asked for this role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Only on the gateway's n-th connection, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<u32>,
    /// Only the n-th matching request, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<u32>,
    /// Subset that the params must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<Value>,
    /// How often it applies; always when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Wait this long before doing it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Lapse>,
    /// Answer with this payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub respond: Option<Value>,
    /// Answer with this error (`code`, `message`, `details`, `retryable`, `retry_after_ms`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// Send these events (`event`, `payload`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Value>,
    /// Send this text, as it is; `$id` in it stands for the request's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Let the built-in behaviour answer, and merge this into its payload (RFC 7396).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<Value>,
    /// Never answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore: bool,
    /// Let the built-in behaviour answer, after what is given above.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pass: bool,
    /// Change the challenge (with `open`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge: Option<ChallengePlan>,
    /// Close the connection afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<ClosePlan>,
    /// End the connection afterwards, without a close frame.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub abort: bool,
    /// The method is not in the registries on purpose.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unlisted: bool,
}

/// How a challenge differs from the usual one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChallengePlan {
    /// Send none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip: bool,
    /// Send it this much later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Lapse>,
    /// Move its `ts` by this much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ts_offset: Option<Offset>,
    /// Use this nonce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Send this payload instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// A close frame to send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClosePlan {
    /// The close code.
    pub code: u16,
    /// The reason; empty when absent.
    #[serde(default)]
    pub reason: String,
}

/// What single connections meet instead of the gateway (`[[gateway.connection]]`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionPlan {
    /// The gateway's connections by number, from 1 in accept order.
    pub numbers: Vec<u32>,
    /// The fault that they meet.
    pub fault: FaultName,
}
