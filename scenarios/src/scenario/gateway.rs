//! The gateway's side of a scenario: configuration, mounted behaviours, what single connections meet.

use std::collections::BTreeMap;

use gateway_core::{ConnPick, Times};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::agent::AgentPlan;
use super::fault::{Fault, name_or_table, read_name_or_table};
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
    /// Whether its owner approves every device request of a client as soon as it is made. For clients of which some
    /// must be approved and others not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub approves: bool,
    /// How long the gateway answers `gateway starting` after its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting: Option<Lapse>,
    /// How far its wall clock is ahead of true time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Offset>,
    /// How many times sooner than said here and in the script ticks, expiries, lockouts and retry hints come, and lapses
    /// and silences end: for programs that have a clock of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_scale: Option<u32>,
    /// How long messages take, both ways, when nothing disturbs them: the first connection the first of these lapses, and
    /// from the first again after the last. Nothing at all when absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub latency: Vec<Lapse>,
    /// Failed attempts before a client address is locked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Whether a client's request that no behaviour and no line of the script speaks of is a finding.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    /// Further settings: the keys of the real gateway's `openclaw.json`, from its root, e.g.
    /// `gateway.trustedProxies = ["10.0.0.0/8"]`, and the mock's own, e.g. `mock.pairingTtlMs = 1000`. The words of
    /// `[gateway]` win over them.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// What the scripted agent says to chat messages; it echoes when absent.
    #[serde(skip_serializing_if = "super::actor::is_default")]
    pub agent: AgentPlan,
    /// What the gateway's wizard asks, and how it goes wrong; what the real one asks when absent.
    #[serde(skip_serializing_if = "super::actor::is_default")]
    pub wizard: WizardPlan,
    /// Behaviours that answer before the built-in methods do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<Located<On>>,
    /// What single connections meet instead of the gateway.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connection: Vec<Located<ConnectionPlan>>,
}

/// The gateway's wizard (`[gateway.wizard]`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WizardPlan {
    /// The steps in order, as the protocol has them but for their ids; those of the real one when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<Map<String, Value>>>,
    /// What it ends with instead of success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The gateway restarts instead of answering this step, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts_at: Option<usize>,
    /// How often it does; always when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u32>,
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

/// A behaviour of the mock: when something asks, what it answers (`[[gateway.on]]`). Values may hold `"$name"` for what
/// a step or a behaviour has captured.
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
    /// Requests with this method; `*` stands for any text. Exactly one of `method`, `open` and `upgrade` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// New connections, before the challenge is sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// HTTP requests that ask for the upgrade to a WebSocket.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub upgrade: bool,
    /// Only on connections that asked for this role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Only of clients with this `client.id`; `*` stands for any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Only of clients in this `client.mode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Only of this device (`"$companion.device"`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Only on these connections of the gateway, in accept order from 1: `2`, `[1, 3]` or `{ from = 2, to = 4 }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "connections_schema")]
    pub connection: Option<ConnPick>,
    /// Only the n-th matching request, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<u32>,
    /// Subset that the params must have, with the tokens of `expect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<Value>,
    /// Only after this note, or once this name was captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only before this note, or until this name is captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// How often. A number: so often, then it steps aside. `{ exactly = 2 }`, `{ at_least = 1, at_most = 3 }`: always,
    /// and another count is a finding. Absent: always, and no use at all is a finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "times_schema")]
    pub times: Option<Times>,
    /// It may stay unused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Of several that match the lowest wins, of equal ones the first; 5 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Names for parts of the matched request: JSON pointers into its params (`/device/id`) or, with `frame/`, into the frame.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub capture: BTreeMap<String, String>,
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
    /// Send this text, as it is; `$id` in it stands for the request's id, `${name}` for what was captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Send these bytes, in base64, as one binary message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    /// Let the built-in behaviour answer, and merge this into its payload (RFC 7396).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<Value>,
    /// Let the built-in behaviour answer, and apply these operations to its payload (RFC 6902).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_patch: Option<Value>,
    /// Never answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore: bool,
    /// Let the built-in behaviour answer, after what is given above.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pass: bool,
    /// Change the challenge (with `open`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge: Option<ChallengePlan>,
    /// Answer with this HTTP status (with `upgrade`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpPlan>,
    /// Close the connection afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<ClosePlan>,
    /// End the connection afterwards, without a close frame.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub abort: bool,
    /// Why it says what the published schema does not allow; the referee then expects that it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lies: Option<String>,
    /// The method is not in the registries on purpose.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unlisted: bool,
}

/// The forms of [`Times`], for editors.
fn times_schema(_: &mut SchemaGenerator) -> Schema {
    let count = json!({"type": "integer", "minimum": 0});
    json_schema!({
        "description": "How often: a number limits, a table only demands.",
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {
                "type": "object",
                "properties": {"exactly": count, "at_least": count, "at_most": count},
                "additionalProperties": false,
            },
            {"type": "null"},
        ],
    })
}

/// The forms of [`ConnPick`], for editors.
fn connections_schema(_: &mut SchemaGenerator) -> Schema {
    let number = json!({"type": "integer", "minimum": 1});
    json_schema!({
        "description": "Connections of the gateway in accept order, from 1.",
        "anyOf": [
            number,
            {"type": "array", "items": number},
            {
                "type": "object",
                "properties": {"from": number, "to": number},
                "additionalProperties": false,
            },
            {"type": "null"},
        ],
    })
}

/// An HTTP answer in place of an upgrade.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpPlan {
    /// The status, from 200 to 599.
    pub status: u16,
    /// `Retry-After`, in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Lapse>,
    /// `Location`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The body, as plain text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
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
    /// Apply these operations to the payload (RFC 6902).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_patch: Option<Value>,
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

/// What single connections meet instead of the gateway (`[[gateway.connection]]`). Exactly one of `fault`, `refuse`,
/// `hold`, `frames`, `close` and `abort` is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionPlan {
    /// Name for reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The gateway's connections by number, from 1 in accept order; instead of `from` and `to`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<u32>,
    /// The first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u32>,
    /// The last of them; all later ones when only `from` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// Only of this role, which is known at `connect`: not with `fault` and `refuse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Only of clients with this `client.id`, which is known at `connect`: not with `fault` and `refuse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The fault that they meet: its name, or a table with its settings.
    #[serde(
        deserialize_with = "read_name_or_table",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(schema_with = "name_or_table")]
    pub fault: Option<Fault>,
    /// The HTTP status that the upgrade is answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refuse: Option<HttpPlan>,
    /// Say nothing for this long, then serve as usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Lapse>,
    /// Say this, in order, in place of the challenge (with a role or client: of the answer to `connect`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<ScriptLine>,
    /// Close it with this code and reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<ClosePlan>,
    /// End it without a close frame.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub abort: bool,
    /// Do it this long after the connection was opened (with `close` and `abort`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Lapse>,
    /// It may meet no connection at all.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// One line of a scripted connection. Exactly one of `frame`, `event`, `text` and `bytes` is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScriptLine {
    /// How long after the line before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Lapse>,
    /// Any JSON value, as one text message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<Value>,
    /// An event with this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Payload of `event`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// Any text, as one text message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Any bytes, in base64, as one binary message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

impl ConnectionPlan {
    /// Which connections.
    pub fn pick(&self) -> ConnPick {
        if self.from.is_none() && self.to.is_none() {
            return ConnPick::Numbers(self.numbers.clone());
        }
        ConnPick::Range {
            from: self.from.unwrap_or(1),
            to: self.to,
        }
    }

    /// What they meet, by the words that are given; a valid plan has exactly one.
    pub fn verbs(&self) -> Vec<&'static str> {
        let all = [
            ("fault", self.fault.is_some()),
            ("refuse", self.refuse.is_some()),
            ("hold", self.hold.is_some()),
            ("frames", !self.frames.is_empty()),
            ("close", self.close.is_some()),
            ("abort", self.abort),
        ];
        all.into_iter()
            .filter_map(|(name, given)| given.then_some(name))
            .collect()
    }
}
