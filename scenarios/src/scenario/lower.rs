//! From the scenario's words to the gateway's: configuration, control; behaviours are in `behavior.rs`.

use gateway_core::config::{ConfigError, Ignored, from_openclaw_json};
use gateway_core::{AgentScript, Config, Ending, Profile, RateLimitConfig, Turn, WizardScript};
use gateway_protocol::Role;
use serde_json::{Value, json};

use super::agent::{AgentPlan, TurnEnd, TurnPlan};
use super::control::Control;
use super::gateway::{AuthMode, GatewayPlan, WizardPlan};

pub use super::behavior::{behavior, on_name, plan_name, planned};
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

pub(super) fn read<T: serde::de::DeserializeOwned>(
    what: &str,
    value: Value,
) -> Result<T, LowerError> {
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

pub(super) fn millis(lapse: super::Lapse) -> u64 {
    u64::try_from(lapse.0.as_millis()).unwrap_or(u64::MAX)
}

/// The gateway's configuration: the real gateway's keys, then the words of `[gateway]`. Shared credentials are filled in
/// by the world.
pub fn config(plan: &GatewayPlan, profile: &Profile) -> Result<Lowered, ConfigError> {
    let (mut config, ignored) = from_openclaw_json(profile, &Value::Object(plan.config.clone()))?;
    if let Some(timeout) = plan.handshake_timeout {
        config.handshake_timeout_ms = millis(timeout);
    }
    if let Some(times) = plan.time_scale {
        config.time_scale = times;
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
    config.wizard = wizard(&plan.wizard);
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

fn wizard(plan: &WizardPlan) -> WizardScript {
    WizardScript {
        steps: plan.steps.clone(),
        error: plan.error.clone(),
        restarts_at: plan.restarts_at,
        restarts: plan.restarts,
    }
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

/// The gateway's order for a control whose captures are filled in.
///
/// `None` for the ones that the world carries out itself: `stop`, `start`, and `rotate_shared_token`
/// (whose new value the world makes).
pub fn control(control: &Control) -> Result<Option<gateway_core::Control>, LowerError> {
    // Nothing pending is not refused to whoever takes any.
    let latest = |request: &String| {
        if request == "any" {
            "latest".to_owned()
        } else {
            request.clone()
        }
    };
    let value = if let Some(request) = &control.approve {
        json!({ "verb": "approve", "request_id": latest(request) })
    } else if let Some(request) = &control.reject {
        json!({ "verb": "reject", "request_id": latest(request) })
    } else if let Some(device) = &control.remove_device {
        json!({ "verb": "remove_device", "device_id": device })
    } else if let Some(token) = &control.revoke_token {
        json!({ "verb": "revoke_token", "device_id": token.device, "role": token.role.name() })
    } else if let Some(token) = &control.rotate_token {
        json!({ "verb": "rotate_token", "device_id": token.device, "role": token.role.name() })
    } else if let Some(request) = &control.approve_node {
        json!({ "verb": "approve_node", "request_id": latest(request) })
    } else if let Some(request) = &control.reject_node {
        json!({ "verb": "reject_node", "request_id": latest(request) })
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
    } else if let Some(config) = &control.reload {
        json!({ "verb": "reload", "config": config })
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
