//! From the scenario's words to the gateway's: configuration, behaviours, control.

use gateway_core::config::{ConfigError, Ignored, from_openclaw_json};
use gateway_core::{AgentScript, Behavior, Config, Ending, Profile, RateLimitConfig, Reply, Turn};
use gateway_protocol::Role;
use serde_json::{Map, Value, json};

use super::agent::{AgentPlan, TurnEnd, TurnPlan};
use super::control::Control;
use super::gateway::{AuthMode, GatewayPlan, On};
use super::pattern::RoleName;

/// A part of a scenario that the gateway does not understand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("understand {what}: {why}")]
pub struct LowerError {
    /// The part.
    pub what: String,
    /// The gateway's words.
    pub why: String,
}

fn read<T: serde::de::DeserializeOwned>(what: &str, value: Value) -> Result<T, LowerError> {
    serde_path_to_error::deserialize(value).map_err(|error| LowerError {
        what: what.to_owned(),
        why: error.to_string(),
    })
}

/// The role in the protocol's type.
pub const fn role(name: RoleName) -> Role {
    match name {
        RoleName::Operator => Role::Operator,
        RoleName::Node => Role::Node,
    }
}

fn millis(lapse: super::Lapse) -> u64 {
    u64::try_from(lapse.0.as_millis()).unwrap_or(u64::MAX)
}

/// The gateway's configuration: the real gateway's keys, then the words of `[gateway]`. Shared credentials are filled in
/// by the world.
pub fn config(plan: &GatewayPlan, profile: &Profile) -> Result<Lowered, ConfigError> {
    let (mut config, ignored) = from_openclaw_json(profile, &Value::Object(plan.config.clone()))?;
    if let Some(timeout) = plan.handshake_timeout {
        config.handshake_timeout_ms = millis(timeout);
    }
    if let Some(interval) = plan.tick_interval {
        config.tick_interval_ms = millis(interval);
    }
    if let Some(starting) = plan.starting {
        config.starting_ms = Some(millis(starting));
    }
    if let Some(mode) = plan.auth {
        config.auth.mode = match mode {
            AuthMode::Token => gateway_core::AuthMode::Token,
            AuthMode::Password => gateway_core::AuthMode::Password,
            AuthMode::None => gateway_core::AuthMode::None,
        };
    }
    config.agent = agent(&plan.agent);
    if let Some(limit) = plan.rate_limit {
        config.auth.rate_limit = RateLimitConfig {
            max_attempts: limit.max_attempts,
            window_ms: millis(limit.window),
            lockout_ms: millis(limit.lockout),
            exempt_loopback: limit.exempt_loopback,
        };
    }
    Ok(Lowered { config, ignored })
}

/// A configuration, and the keys that have no effect on it.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// What the gateway is told.
    pub config: Config,
    /// Keys that the real gateway knows and the mock has no use for.
    pub ignored: Vec<Ignored>,
}

/// The scripted agent in the gateway's words; its sessions are chat sessions.
pub fn agent(plan: &AgentPlan) -> AgentScript {
    let turns = plan.turn.iter().map(|located| turn(&located.value));
    AgentScript {
        turns: turns.collect(),
    }
}

fn turn(plan: &TurnPlan) -> Turn {
    let usual = Turn::default();
    Turn {
        contains: plan.contains.clone(),
        session: plan.session.clone(),
        times: plan.times,
        text: plan.text.clone(),
        deltas: plan.deltas.clone(),
        pieces: plan.pieces.unwrap_or(usual.pieces),
        after_ms: plan.after.map_or(usual.after_ms, millis),
        every_ms: plan.every.map_or(usual.every_ms, millis),
        ends: match plan.ends.unwrap_or_default() {
            TurnEnd::Final => Ending::Final,
            TurnEnd::Error => Ending::Error,
            TurnEnd::Never => Ending::Never,
        },
        error: plan.error.clone(),
    }
}

/// A behaviour; `fallback` names one that has no name.
pub fn behavior(on: &On, fallback: &str) -> Result<Behavior, LowerError> {
    let name = on.name.clone().unwrap_or_else(|| fallback.to_owned());
    let mut when = Map::new();
    if on.open {
        when.insert("on".to_owned(), json!("open"));
    }
    if let Some(method) = &on.method {
        when.insert("method".to_owned(), json!(method));
    }
    if let Some(role) = on.role {
        when.insert("role".to_owned(), json!(role.name()));
    }
    if let Some(connection) = on.connection {
        when.insert("conn".to_owned(), json!(connection));
    }
    if let Some(nth) = on.nth {
        when.insert("nth".to_owned(), json!(nth));
    }
    if let Some(params) = &on.params {
        when.insert("params".to_owned(), params.clone());
    }
    if reply_is_empty(on) {
        let why = "it says when, but not what to do".to_owned();
        return Err(LowerError {
            what: format!("behaviour {name:?}"),
            why,
        });
    }
    let reply: Reply = read(&format!("what behaviour {name:?} does"), reply(on))?;
    let when = read(
        &format!("when behaviour {name:?} applies"),
        Value::Object(when),
    )?;
    Ok(Behavior {
        name,
        when,
        reply,
        times: on.times,
    })
}

fn reply_is_empty(on: &On) -> bool {
    let values = [&on.respond, &on.error, &on.patch];
    let flags = [on.ignore, on.pass, on.abort];
    values.iter().all(|value| value.is_none())
        && flags.iter().all(|flag| !flag)
        && on.events.is_empty()
        && on.raw.is_none()
        && on.challenge.is_none()
        && on.close.is_none()
}

fn reply(on: &On) -> Value {
    let mut parts = Vec::new();
    if let Some(challenge) = &on.challenge {
        parts.push(json!({ "challenge": {
            "skip": challenge.skip,
            "delay_ms": challenge.delay.map(millis),
            "ts_offset_ms": challenge.ts_offset.map(|offset| offset.millis),
            "nonce": challenge.nonce,
            "payload": challenge.payload,
        }}));
    }
    if !on.events.is_empty() {
        parts.push(json!({ "events": on.events }));
    }
    if let Some(raw) = &on.raw {
        parts.push(json!({ "raw": raw }));
    }
    if let Some(payload) = &on.respond {
        parts.push(json!({ "respond": payload }));
    }
    if let Some(error) = &on.error {
        parts.push(json!({ "error": error }));
    }
    if let Some(patch) = &on.patch {
        parts.push(json!({ "patch": patch }));
    }
    if on.ignore {
        parts.push(json!("ignore"));
    }
    if on.pass {
        parts.push(json!("pass"));
    }
    if let Some(close) = &on.close {
        parts.push(json!({ "close": { "code": close.code, "reason": close.reason } }));
    }
    if on.abort {
        parts.push(json!("abort"));
    }
    let whole = match <[Value; 1]>::try_from(parts) {
        Ok([only]) => only,
        Err(parts) => json!({ "sequence": parts }),
    };
    match on.delay {
        Some(delay) => json!({ "delay": { "ms": millis(delay), "then": whole } }),
        None => whole,
    }
}

/// The gateway's order for a control whose captures are filled in.
///
/// `None` for the ones that the world carries out itself: `stop`, `start`, and `rotate_shared_token`
/// (whose new value the world makes).
pub fn control(control: &Control) -> Result<Option<gateway_core::Control>, LowerError> {
    let value = if let Some(request) = &control.approve {
        json!({ "verb": "approve", "request_id": request })
    } else if let Some(request) = &control.reject {
        json!({ "verb": "reject", "request_id": request })
    } else if let Some(device) = &control.remove_device {
        json!({ "verb": "remove_device", "device_id": device })
    } else if let Some(token) = &control.revoke_token {
        json!({ "verb": "revoke_token", "device_id": token.device, "role": token.role.name() })
    } else if let Some(token) = &control.rotate_token {
        json!({ "verb": "rotate_token", "device_id": token.device, "role": token.role.name() })
    } else if let Some(request) = &control.approve_node {
        json!({ "verb": "approve_node", "request_id": request })
    } else if let Some(request) = &control.reject_node {
        json!({ "verb": "reject_node", "request_id": request })
    } else if let Some(node) = &control.remove_node {
        json!({ "verb": "remove_node", "node_id": node })
    } else {
        return second_half(control);
    };
    read("control", value).map(Some)
}

fn second_half(control: &Control) -> Result<Option<gateway_core::Control>, LowerError> {
    let value = if let Some(restart) = &control.restart {
        json!({ "verb": "restart", "down_for_ms": restart.down_for.map(millis), "reason": restart.reason })
    } else if let Some(mint) = &control.mint_setup_code {
        json!({ "verb": "mint_setup_code", "url": mint.url, "ttl_ms": mint.ttl.map(millis) })
    } else if let Some(invoke) = &control.invoke {
        json!({
            "verb": "invoke", "node_id": invoke.node, "command": invoke.command,
            "params": invoke.params, "timeout_ms": invoke.timeout.map(millis),
        })
    } else if let Some(invoke) = &control.cancel_invoke {
        json!({ "verb": "invoke_cancel", "invoke_id": invoke })
    } else if let Some(on) = &control.on {
        let behavior = behavior(on, "mounted")?;
        return Ok(Some(gateway_core::Control::Mount {
            behavior: Box::new(behavior),
        }));
    } else if let Some(name) = &control.off {
        json!({ "verb": "unmount", "name": name })
    } else if control.expire_pending {
        json!({ "verb": "expire_pending" })
    } else if let Some(event) = &control.broadcast {
        json!({
            "verb": "send_event", "event": event.event, "payload": event.payload,
            "role": event.role.map(RoleName::name), "targeted": event.targeted,
        })
    } else {
        return Ok(None);
    };
    read("control", value).map(Some)
}
