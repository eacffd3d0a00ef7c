//! From the real gateway's own keys to [`Config`].
//!
//! Like the real gateway, this refuses a key that the release does not know. ref: gateway-behaviour.md §6.1 (recording
//! 205: the older release does not start with a key of the newer one)
//!
//! ```
//! use gateway_core::config::from_openclaw_json;
//! use serde_json::json;
//!
//! let profile = gateway_core::profile("2026.9.6").ok_or("no such profile")?;
//! let file = json!({
//!     "gateway": {"auth": {"mode": "none"}, "nodes": {"commands": {"deny": ["device.info"]}}},
//!     "agents": {},
//! });
//! let (config, ignored) = from_openclaw_json(profile, &file).map_err(|error| error.to_string())?;
//! assert_eq!(config.nodes.deny_commands, ["device.info"]);
//! assert_eq!(ignored[0].path, "agents");
//!
//! let wrong = json!({"gateway": {"auth": {"mod": "none"}}});
//! let error = from_openclaw_json(profile, &wrong).map(|_| ()).unwrap_err();
//! assert_eq!(error.path, "gateway.auth.mod");
//! # Ok::<(), String>(())
//! ```

use serde_json::Value;

use super::Config;
use super::keys::{KEYS, WITHOUT_EFFECT};
use crate::profile::Profile;

/// A key that the real gateway knows and the mock has no use for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ignored {
    /// Members from the root, joined by dots, e.g. `gateway.bind`.
    pub path: String,
}

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", at(path))]
pub struct ConfigError {
    /// Members from the root, joined by dots; empty for the root itself.
    pub path: String,
    /// What is wrong there.
    pub problem: ConfigProblem,
}

fn at(path: &str) -> String {
    if path.is_empty() {
        return String::new();
    }
    format!("{path}: ")
}

/// The ways in which a key can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigProblem {
    /// The release does not know the key, and would not start.
    #[error("{profile} does not know this key{}; allowed here: {}", elsewhere(.known_to.as_deref()), .allowed.join(", "))]
    UnknownKey {
        /// The release.
        profile: &'static str,
        /// The release that knows it, if one does.
        known_to: Option<String>,
        /// Keys that may stand in its place.
        allowed: Vec<String>,
    },
    /// The value has the wrong type or range.
    #[error("expected {expected}, found {found}")]
    Value {
        /// What may stand there.
        expected: &'static str,
        /// What stands there: a scalar, or the kind of a value. Never a secret.
        found: String,
    },
}

fn elsewhere(known_to: Option<&str>) -> String {
    known_to.map_or_else(String::new, |profile| format!(" (but {profile} does)"))
}

/// Reads the whole of an `openclaw.json`. Absent keys have the real gateway's defaults. Besides the real keys there is
/// a section `mock` for what the real gateway has built in (`mock.tickIntervalMs` and so on).
///
/// # Errors
/// [`ConfigError`] for the first key, in the order of the file, that the release does not know or whose value does not
/// fit.
pub fn from_openclaw_json(
    profile: &Profile,
    file: &Value,
) -> Result<(Config, Vec<Ignored>), ConfigError> {
    let mut reader = Reader {
        profile: profile.version,
        config: Config::default(),
        ignored: Vec::new(),
    };
    reader.section("", file)?;
    Ok((reader.config, reader.ignored))
}

struct Reader {
    profile: &'static str,
    config: Config,
    ignored: Vec<Ignored>,
}

impl Reader {
    fn section(&mut self, path: &str, value: &Value) -> Result<(), ConfigError> {
        let members = value.as_object().ok_or_else(|| ConfigError {
            path: path.to_owned(),
            problem: ConfigProblem::Value {
                expected: "an object",
                found: kind(value).to_owned(),
            },
        })?;
        for (name, value) in members {
            let path = join(path, name);
            self.member(&path, value)?;
        }
        Ok(())
    }

    fn member(&mut self, path: &str, value: &Value) -> Result<(), ConfigError> {
        if let Some(key) = KEYS
            .iter()
            .find(|key| key.path == path && self.knows(key.only))
        {
            return (key.set)(&mut self.config, value).map_err(|expected| ConfigError {
                path: path.to_owned(),
                problem: ConfigProblem::Value {
                    expected,
                    found: shown(path, value),
                },
            });
        }
        if without_effect().any(|(only, known)| known == path && self.knows(only)) {
            self.ignored.push(Ignored {
                path: path.to_owned(),
            });
            return Ok(());
        }
        if self.known_paths().any(|known| is_inside(known, path)) {
            return self.section(path, value);
        }
        Err(self.unknown(path))
    }

    fn knows(&self, only: Option<&str>) -> bool {
        only.is_none_or(|profile| profile == self.profile)
    }

    fn known_paths(&self) -> impl Iterator<Item = &'static str> {
        all_paths()
            .filter(|(only, _)| self.knows(*only))
            .map(|(_, path)| path)
    }

    fn unknown(&self, path: &str) -> ConfigError {
        let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
        let mut allowed: Vec<String> = self
            .known_paths()
            .filter_map(|known| child_of(parent, known))
            .map(str::to_owned)
            .collect();
        allowed.sort();
        allowed.dedup();
        let known_to = all_paths()
            .find(|(_, known)| *known == path || is_inside(known, path))
            .and_then(|(only, _)| only)
            .map(str::to_owned);
        ConfigError {
            path: path.to_owned(),
            problem: ConfigProblem::UnknownKey {
                profile: self.profile,
                known_to,
                allowed,
            },
        }
    }
}

fn all_paths() -> impl Iterator<Item = (Option<&'static str>, &'static str)> {
    KEYS.iter()
        .map(|key| (key.only, key.path))
        .chain(without_effect())
}

fn without_effect() -> impl Iterator<Item = (Option<&'static str>, &'static str)> {
    WITHOUT_EFFECT.iter().flat_map(|(only, paths)| {
        paths
            .split_ascii_whitespace()
            .map(move |path| (*only, path))
    })
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}

fn is_inside(path: &str, section: &str) -> bool {
    path.strip_prefix(section)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// The name that `path` has directly under `parent`.
fn child_of<'a>(parent: &str, path: &'a str) -> Option<&'a str> {
    let rest = if parent.is_empty() {
        path
    } else {
        path.strip_prefix(parent)?.strip_prefix('.')?
    };
    rest.split('.').next()
}

/// The value for a message; a secret only by its kind.
fn shown(path: &str, value: &Value) -> String {
    let secret = path.ends_with("token") || path.ends_with("password");
    match value {
        Value::Object(_) | Value::Array(_) | Value::Null => kind(value).to_owned(),
        Value::String(_) if secret => kind(value).to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::config::AuthMode;
    use crate::profile::{PROFILES, profile};

    fn read(version: &str, file: &Value) -> Result<(Config, Vec<Ignored>), String> {
        from_openclaw_json(profile(version).unwrap(), file).map_err(|error| error.to_string())
    }

    /// A dotted path as the nested object it stands for.
    fn nested(path: &str, value: Value) -> Value {
        path.rsplit('.')
            .fold(value, |inner, name| json!({ name: inner }))
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        for version in PROFILES {
            assert_eq!(
                read(version, &json!({})),
                Ok((Config::default(), Vec::new()))
            );
        }
    }

    #[test]
    fn every_key_of_the_surface_is_read() {
        let file = json!({"gateway": {
            "auth": {"mode": "password", "password": "p", "token": "t", "rateLimit": {
                "maxAttempts": 3, "windowMs": 1000, "lockoutMs": 2000, "exemptLoopback": false}},
            "trustedProxies": ["10.0.0.0/8"],
            "allowRealIpFallback": true,
            "controlUi": {"allowedOrigins": ["https://ui.example"]},
            "nodes": {
                "commands": {"allow": ["a"], "deny": ["b"]},
                "pairing": {"autoApproveCidrs": ["10.0.0.0/8"], "autoApproveLocal": false, "sshVerify": {"user": "x"}},
            },
        }});
        let (config, ignored) = read("2026.9.6", &file).unwrap();
        assert_eq!(ignored, []);
        assert_eq!(config.auth.mode, AuthMode::Password);
        assert!(config.auth.password.unwrap().matches("p"));
        let limit = &config.auth.rate_limit;
        assert_eq!(
            (
                limit.max_attempts,
                limit.window_ms,
                limit.lockout_ms,
                limit.exempt_loopback
            ),
            (3, 1000, 2000, false)
        );
        assert_eq!(config.trusted_proxies, ["10.0.0.0/8"]);
        assert_eq!(config.allowed_origins, ["https://ui.example"]);
        assert!(config.allow_real_ip_fallback && !config.nodes.auto_approve_local);
        assert_eq!(
            (config.nodes.allow_commands, config.nodes.deny_commands),
            (vec!["a".to_owned()], vec!["b".to_owned()])
        );
    }

    #[rstest]
    #[case::older("2026.6.34", "gateway.nodes.allowCommands", "2026.9.6")]
    #[case::older("2026.6.34", "gateway.nodes.denyCommands", "2026.9.6")]
    #[case::older("2026.6.34", "gateway.handshakeTimeoutMs", "2026.9.6")]
    #[case::newer("2026.9.6", "gateway.nodes.commands.allow", "2026.6.34")]
    #[case::newer("2026.9.6", "gateway.nodes.pairing.autoApproveLocal", "2026.6.34")]
    fn a_key_of_one_release_stops_the_other(
        #[case] knows: &str,
        #[case] path: &str,
        #[case] refuses: &str,
    ) {
        let value = match path.rsplit('.').next() {
            Some("autoApproveLocal") => json!(false),
            Some("handshakeTimeoutMs") => json!(2000),
            _ => json!(["a"]),
        };
        let file = nested(path, value);
        assert!(read(knows, &file).is_ok());
        let error = read(refuses, &file).unwrap_err();
        assert!(error.contains(&format!("but {knows} does")), "{error}");
    }

    #[rstest]
    #[case::mode("gateway.auth.mode", json!("tokn"), r#"gateway.auth.mode: expected token, password or none (the mock knows no trusted-proxy mode), found "tokn""#)]
    #[case::secret("gateway.auth.token", json!({"source": "env"}), "gateway.auth.token: expected a text that is not empty (the mock resolves no secret references), found an object")]
    #[case::number("gateway.auth.rateLimit.maxAttempts", json!(-1), "gateway.auth.rateLimit.maxAttempts: expected a whole number, 0 or more, found -1")]
    #[case::list("gateway.trustedProxies", json!("127.0.0.1"), r#"gateway.trustedProxies: expected a list of texts, found "127.0.0.1""#)]
    #[case::section("gateway.auth", json!(1), "gateway.auth: expected an object, found a number")]
    #[case::root_key("gatewy.auth", json!({}), "gatewy: 2026.6.34 does not know this key; allowed here: ")]
    #[case::inner_key("gateway.auth.rateLimit.max", json!(1), "gateway.auth.rateLimit.max: 2026.6.34 does not know this key; allowed here: exemptLoopback, lockoutMs, maxAttempts, windowMs")]
    fn a_mistake_is_named(#[case] path: &str, #[case] value: Value, #[case] expected: &str) {
        let error = read("2026.6.34", &nested(path, value)).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    fn other_parts_are_accepted_and_listed() {
        let file = json!({"agents": {"list": [1]}, "gateway": {"bind": "lan", "tls": {"x": 1}}, "channels": {}});
        let (_, ignored) = read("2026.6.34", &file).unwrap();
        let paths: Vec<&str> = ignored.iter().map(|key| key.path.as_str()).collect();
        assert_eq!(paths, ["agents", "gateway.bind", "gateway.tls", "channels"]);
    }
}
