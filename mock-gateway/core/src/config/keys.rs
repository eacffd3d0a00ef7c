//! The keys of the real gateway's `openclaw.json`, as far as a client can notice them, and where each one goes.
//!
//! A key that the real gateway knows and this mock has no use for stands in [`WITHOUT_EFFECT`]: it is accepted and
//! reported. Names are those of the releases' own schemas; both refuse what they do not know.

use gateway_protocol::{Password, SharedToken};
use serde_json::Value;

use super::{AuthMode, Config, ReloadMode};

/// Puts a value where it belongs, or says what it should have been.
pub(super) type Setter = fn(&mut Config, &Value) -> Result<(), &'static str>;

/// One key.
pub(super) struct Key {
    /// Members from the root, joined by dots.
    pub(super) path: &'static str,
    /// The one profile that knows it; every profile when `None`.
    pub(super) only: Option<&'static str>,
    /// Where it goes.
    pub(super) set: Setter,
}

const OLDER: Option<&str> = Some("2026.6.34");
const NEWER: Option<&str> = Some("2026.9.6");

const fn key(path: &'static str, set: Setter) -> Key {
    Key {
        path,
        only: None,
        set,
    }
}

const fn only(profile: Option<&'static str>, path: &'static str, set: Setter) -> Key {
    Key {
        path,
        only: profile,
        set,
    }
}

/// Every key with an effect. ref: gateway-behaviour.md §1.5, §1.7, §4, §4.5, §6.1, §7.4
pub(super) const KEYS: [Key; 27] = [
    key("gateway.auth.mode", |config, value| {
        config.auth.mode = match value.as_str() {
            Some("token") => AuthMode::Token,
            Some("password") => AuthMode::Password,
            Some("none") => AuthMode::None,
            Some(_) | None => {
                return Err("token, password or none (the mock knows no trusted-proxy mode)");
            }
        };
        Ok(())
    }),
    key("gateway.auth.token", |config, value| {
        config.auth.token = Some(SharedToken::new(secret(value)?));
        Ok(())
    }),
    key("gateway.auth.password", |config, value| {
        config.auth.password = Some(Password::new(secret(value)?));
        Ok(())
    }),
    key("gateway.auth.rateLimit.maxAttempts", |config, value| {
        config.auth.rate_limit.max_attempts = count(value)?
            .try_into()
            .map_err(|_| "a number of attempts below 2^32")?;
        Ok(())
    }),
    key("gateway.auth.rateLimit.windowMs", |config, value| {
        config.auth.rate_limit.window_ms = count(value)?;
        Ok(())
    }),
    key("gateway.auth.rateLimit.lockoutMs", |config, value| {
        config.auth.rate_limit.lockout_ms = count(value)?;
        Ok(())
    }),
    key("gateway.auth.rateLimit.exemptLoopback", |config, value| {
        config.auth.rate_limit.exempt_loopback = flag(value)?;
        Ok(())
    }),
    key("gateway.trustedProxies", |config, value| {
        config.trusted_proxies = texts(value)?;
        Ok(())
    }),
    key("gateway.allowRealIpFallback", |config, value| {
        config.allow_real_ip_fallback = flag(value)?;
        Ok(())
    }),
    key("gateway.controlUi.allowedOrigins", |config, value| {
        config.allowed_origins = texts(value)?;
        Ok(())
    }),
    key("gateway.reload.mode", |config, value| {
        config.reload = match value.as_str() {
            Some("hybrid") => ReloadMode::Hybrid,
            Some("hot") => ReloadMode::Hot,
            Some("restart") => ReloadMode::Restart,
            Some("off") => ReloadMode::Off,
            Some(_) | None => return Err("hybrid, hot, restart or off"),
        };
        Ok(())
    }),
    only(OLDER, "gateway.handshakeTimeoutMs", |config, value| {
        config.handshake_timeout_ms = positive(value)?;
        Ok(())
    }),
    key("gateway.nodes.pairing.autoApproveCidrs", |config, value| {
        config.nodes.auto_approve_cidrs = texts(value)?;
        Ok(())
    }),
    only(
        NEWER,
        "gateway.nodes.pairing.autoApproveLocal",
        |config, value| {
            config.nodes.auto_approve_local = flag(value)?;
            Ok(())
        },
    ),
    only(NEWER, "gateway.nodes.pairing.sshVerify", |config, value| {
        config.nodes.ssh_verify = match value {
            Value::Bool(on) => *on,
            Value::Object(_) => true,
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err("true, false, or an object that tunes the probe");
            }
        };
        Ok(())
    }),
    only(OLDER, "gateway.nodes.allowCommands", allow),
    only(OLDER, "gateway.nodes.denyCommands", deny),
    only(NEWER, "gateway.nodes.commands.allow", allow),
    only(NEWER, "gateway.nodes.commands.deny", deny),
    // The mock's own section: what the real gateway has built in and a test wants shorter.
    key("mock.handshakeTimeoutMs", |config, value| {
        config.handshake_timeout_ms = positive(value)?;
        Ok(())
    }),
    key("mock.tickIntervalMs", |config, value| {
        config.tick_interval_ms = positive(value)?;
        Ok(())
    }),
    key("mock.pingIntervalMs", |config, value| {
        config.ping_interval_ms = positive(value)?;
        Ok(())
    }),
    key("mock.startingMs", |config, value| {
        config.starting_ms = Some(count(value)?);
        Ok(())
    }),
    key("mock.pairingTtlMs", |config, value| {
        config.pairing_ttl_ms = positive(value)?;
        Ok(())
    }),
    key("mock.setupCodeTtlMs", |config, value| {
        config.setup_code_ttl_ms = positive(value)?;
        Ok(())
    }),
    key("mock.timeScale", |config, value| {
        let times = value.as_u64().and_then(|times| u32::try_from(times).ok());
        config.time_scale = times
            .filter(|times| *times > 0)
            .ok_or("a whole number of times, 1 or more")?;
        Ok(())
    }),
    key("mock.urlHint", |config, value| {
        config.url_hint = Some(value.as_str().ok_or("a URL")?.to_owned());
        Ok(())
    }),
];

fn allow(config: &mut Config, value: &Value) -> Result<(), &'static str> {
    config.nodes.allow_commands = texts(value)?;
    Ok(())
}

fn deny(config: &mut Config, value: &Value) -> Result<(), &'static str> {
    config.nodes.deny_commands = texts(value)?;
    Ok(())
}

/// Keys without an effect here: every release's, then those of one release.
pub(super) const WITHOUT_EFFECT: [(Option<&str>, &str); 3] = [
    (
        None,
        "$schema meta env wizard diagnostics logging update browser ui secrets auth accessGroups acp models nodeHost \
         agents tools security bindings broadcast messages commands approvals session cron transcripts hooks channels \
         discovery talk mcp memory skills plugins surfaces proxy \
         gateway.port gateway.mode gateway.bind gateway.customBindHost gateway.tools gateway.tailscale gateway.remote \
         gateway.reload.debounceMs gateway.tls gateway.http gateway.push gateway.nodes.browser \
         gateway.auth.allowTailscale gateway.auth.trustedProxy \
         gateway.controlUi.enabled gateway.controlUi.basePath gateway.controlUi.root gateway.controlUi.embedSandbox \
         gateway.controlUi.allowExternalEmbedUrls gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback \
         gateway.controlUi.dangerouslyDisableDeviceAuth",
    ),
    (
        OLDER,
        "cli crestodian tui audio media commitments web canvasHost \
         gateway.channelHealthCheckMinutes gateway.channelStaleEventThresholdMinutes \
         gateway.channelMaxRestartsPerHour gateway.controlUi.chatMessageMaxWidth gateway.controlUi.allowInsecureAuth",
    ),
    (
        NEWER,
        "telemetry worktreeRoot worktreeAcceleration attachments tts cloudWorkers desktop \
         gateway.publicOrigin gateway.portals gateway.cliAgents gateway.terminal gateway.roles \
         gateway.auth.identityScopes gateway.nodes.pluginTools gateway.nodes.allowSkills \
         gateway.controlUi.experimental gateway.controlUi.environment gateway.controlUi.communityInvite \
         gateway.controlUi.github gateway.controlUi.sessionObserver gateway.controlUi.automaticallyFetchFavicons",
    ),
];

fn secret(value: &Value) -> Result<&str, &'static str> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .ok_or("a text that is not empty (the mock resolves no secret references)")
}

fn count(value: &Value) -> Result<u64, &'static str> {
    value.as_u64().ok_or("a whole number, 0 or more")
}

fn positive(value: &Value) -> Result<u64, &'static str> {
    value
        .as_u64()
        .filter(|number| *number > 0)
        .ok_or("a whole number of milliseconds, 1 or more")
}

fn flag(value: &Value) -> Result<bool, &'static str> {
    value.as_bool().ok_or("true or false")
}

fn texts(value: &Value) -> Result<Vec<String>, &'static str> {
    let expected = "a list of texts";
    value
        .as_array()
        .ok_or(expected)?
        .iter()
        .map(|item| item.as_str().map(str::to_owned).ok_or(expected))
        .collect()
}
