//! What a changed key asks of a running gateway: nothing, to be applied, or a restart. Seen with both releases; their rows for
//! other parts of the file are as their own documentation has them. ref: gateway-behaviour.md §8
//!
//! 2026.6.34 restarts for nearly everything below `gateway` and has four modes; 2026.9.6 applies most of it while it runs
//! and knows `hybrid` and `off` only.

use serde_json::Value;

use super::ReloadMode;
use crate::profile::Profile;

/// The mode that a file asks for. The newer release takes `hot` and `restart` for `hybrid`.
pub(crate) fn mode(asked: ReloadMode, profile: &Profile) -> ReloadMode {
    let older_only = matches!(asked, ReloadMode::Hot | ReloadMode::Restart);
    if older_only && profile.rules.rich_hello {
        ReloadMode::Hybrid
    } else {
        asked
    }
}

/// What becomes of a changed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// Nothing that runs depends on what changed.
    Nothing,
    /// The gateway goes on as it was, until it is restarted.
    Left,
    /// It counts from now on.
    Applied,
    /// The gateway restarts.
    Restart,
}

impl Effect {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Left => "left until a restart",
            Self::Applied => "applied",
            Self::Restart => "restart",
        }
    }
}

/// What a key needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Nothing,
    Hot,
    Restart,
}

/// Longest first where one is inside of another.
type Rows = &'static [(&'static str, Need)];

const OLDER: Rows = &[
    ("gateway.remote", Need::Nothing),
    ("gateway.reload", Need::Nothing),
    ("gateway.channelHealthCheckMinutes", Need::Hot),
    ("gateway.channelStaleEventThresholdMinutes", Need::Hot),
    ("gateway.channelMaxRestartsPerHour", Need::Hot),
    ("agents.defaults.heartbeat", Need::Hot),
    ("agents.defaults.model", Need::Hot),
    ("agents.defaults.models", Need::Hot),
    ("agents.list", Need::Hot),
    ("hooks", Need::Hot),
    ("cron", Need::Hot),
    ("mcp", Need::Hot),
    ("models", Need::Hot),
    ("plugins", Need::Hot),
    ("meta", Need::Nothing),
    ("wizard", Need::Nothing),
    ("logging", Need::Nothing),
    ("agents", Need::Nothing),
    ("tools", Need::Nothing),
    ("bindings", Need::Nothing),
    ("audio", Need::Nothing),
    ("messages", Need::Nothing),
    ("session", Need::Nothing),
    ("talk", Need::Nothing),
    ("skills", Need::Nothing),
    ("secrets", Need::Nothing),
    ("tui", Need::Nothing),
    ("ui", Need::Nothing),
];

const NEWER: Rows = &[
    ("gateway.remote", Need::Nothing),
    ("gateway.reload", Need::Nothing),
    ("gateway.http.endpoints", Need::Hot),
    ("gateway.tools", Need::Hot),
    ("gateway.cliAgents", Need::Hot),
    ("gateway.controlUi.enabled", Need::Hot),
    ("gateway.controlUi.environment", Need::Hot),
    ("gateway.controlUi.embedSandbox", Need::Hot),
    ("gateway.controlUi.allowExternalEmbedUrls", Need::Hot),
    ("gateway.controlUi.allowedOrigins", Need::Hot),
    (
        "gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback",
        Need::Hot,
    ),
    ("gateway.nodes", Need::Hot),
    ("gateway.push", Need::Hot),
    ("gateway.terminal", Need::Hot),
    ("gateway.roles", Need::Hot),
    ("gateway.trustedProxies", Need::Hot),
    ("gateway.allowRealIpFallback", Need::Hot),
    ("gateway.publicOrigin", Need::Hot),
    ("gateway.auth.rateLimit", Need::Hot),
    ("gateway.auth.allowTailscale", Need::Hot),
    ("gateway.auth.identityScopes", Need::Hot),
    ("gateway.auth.trustedProxy", Need::Hot),
    ("gateway", Need::Restart),
    ("discovery", Need::Restart),
    ("meta", Need::Nothing),
    ("wizard", Need::Nothing),
    ("logging", Need::Nothing),
    ("bindings", Need::Nothing),
    ("messages", Need::Nothing),
    ("session", Need::Nothing),
    ("talk", Need::Nothing),
    ("skills", Need::Nothing),
    ("secrets", Need::Nothing),
    ("ui", Need::Nothing),
    ("agents", Need::Hot),
    ("models", Need::Hot),
    ("hooks", Need::Hot),
    ("cron", Need::Hot),
    ("mcp", Need::Hot),
    ("tools", Need::Hot),
    ("plugins", Need::Hot),
    ("channels", Need::Hot),
];

/// What becomes of a file in which `changed` differs from before.
pub(crate) fn effect(
    profile: &Profile,
    mode: ReloadMode,
    changed: &[String],
    before: &Value,
    after: &Value,
) -> Effect {
    let rotated = profile.rules.rich_hello && same_credential_mode(before, after);
    let need = |path: &String| match path.as_str() {
        "gateway.auth.token" | "gateway.auth.password" if rotated => Need::Hot,
        path => need(profile, path),
    };
    let Some(most) = changed.iter().map(need).max() else {
        return Effect::Nothing;
    };
    match (mode, most) {
        (ReloadMode::Off, _) | (ReloadMode::Hot, Need::Restart) => Effect::Left,
        (_, Need::Nothing) => Effect::Nothing,
        (ReloadMode::Restart, Need::Hot) | (_, Need::Restart) => Effect::Restart,
        (_, Need::Hot) => Effect::Applied,
    }
}

fn need(profile: &Profile, path: &str) -> Need {
    let rows = if profile.rules.rich_hello {
        NEWER
    } else {
        OLDER
    };
    let fits = |prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    rows.iter()
        .find(|(prefix, _)| fits(prefix))
        .map_or(Need::Restart, |(_, need)| *need)
}

/// Whether both files ask for the same kind of shared secret.
fn same_credential_mode(before: &Value, after: &Value) -> bool {
    let mode = |file: &Value| {
        let mode = file.pointer("/gateway/auth/mode").and_then(Value::as_str);
        mode.unwrap_or("token").to_owned()
    };
    let (before, after) = (mode(before), mode(after));
    before == after && before != "none"
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::profile::profile;

    fn of(version: &str, asked: ReloadMode, path: &str) -> Effect {
        let profile = profile(version).unwrap();
        let file = json!({});
        let mode = mode(asked, profile);
        effect(profile, mode, &[path.to_owned()], &file, &file)
    }

    /// As both releases were seen to do it.
    #[rstest]
    #[case("gateway.trustedProxies", Effect::Restart, Effect::Applied)]
    #[case("gateway.controlUi.allowedOrigins", Effect::Restart, Effect::Applied)]
    #[case("gateway.nodes.pairing", Effect::Restart, Effect::Applied)]
    #[case("gateway.auth.rateLimit", Effect::Restart, Effect::Applied)]
    #[case("gateway.auth.token", Effect::Restart, Effect::Applied)]
    #[case("gateway.auth.mode", Effect::Restart, Effect::Restart)]
    #[case("gateway.port", Effect::Restart, Effect::Restart)]
    #[case("gateway.reload.mode", Effect::Nothing, Effect::Nothing)]
    #[case("logging.level", Effect::Nothing, Effect::Nothing)]
    #[case("nobody.knows", Effect::Restart, Effect::Restart)]
    fn every_key_has_its_effect(#[case] path: &str, #[case] older: Effect, #[case] newer: Effect) {
        assert_eq!(of("2026.6.34", ReloadMode::Hybrid, path), older);
        assert_eq!(of("2026.9.6", ReloadMode::Hybrid, path), newer);
    }

    #[rstest]
    #[case("2026.6.34", ReloadMode::Hot, Effect::Left, Effect::Nothing)]
    #[case("2026.6.34", ReloadMode::Restart, Effect::Restart, Effect::Nothing)]
    #[case("2026.6.34", ReloadMode::Off, Effect::Left, Effect::Left)]
    #[case("2026.9.6", ReloadMode::Hot, Effect::Applied, Effect::Nothing)]
    #[case("2026.9.6", ReloadMode::Restart, Effect::Applied, Effect::Nothing)]
    #[case("2026.9.6", ReloadMode::Off, Effect::Left, Effect::Left)]
    fn every_mode_has_its_effect(
        #[case] version: &str,
        #[case] mode: ReloadMode,
        #[case] proxies: Effect,
        #[case] logging: Effect,
    ) {
        assert_eq!(of(version, mode, "gateway.trustedProxies"), proxies);
        assert_eq!(of(version, mode, "logging.level"), logging);
    }

    #[test]
    fn a_secret_of_another_kind_needs_a_restart() {
        let profile = profile("2026.9.6").unwrap();
        let file = |mode: &str| json!({"gateway": {"auth": {"mode": mode}}});
        let changed = ["gateway.auth.token".to_owned()];
        let (token, none) = (file("token"), file("none"));
        let after = |before, after| effect(profile, ReloadMode::Hybrid, &changed, before, after);
        assert_eq!(after(&token, &token), Effect::Applied);
        assert_eq!(after(&token, &none), Effect::Restart);
        assert_eq!(after(&none, &none), Effect::Restart);
    }
}
