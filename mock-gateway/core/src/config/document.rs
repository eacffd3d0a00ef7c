//! A configuration as the `openclaw.json` that it could have been read from, and what can be done to such a file:
//! merge, compare, hide its secrets, put hidden ones back.

use gateway_protocol::device::{base64url, hex};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{Config, RateLimitConfig, ReloadMode};
use crate::profile::Profile;

/// What stands in the place of a secret in every answer. Recorded from both releases.
pub(crate) const REDACTED: &str = "__OPENCLAW_REDACTED__";

/// The file's members that hold a secret.
const SECRETS: [&str; 2] = ["/gateway/auth/token", "/gateway/auth/password"];

/// The file that gives `config`: only what is not the default, in the release's own keys.
pub(crate) fn document(config: &Config, profile: &Profile) -> Value {
    let newer = profile.rules.rich_hello;
    let mut gateway = Map::new();
    gateway.insert("mode".to_owned(), "local".into());
    gateway.insert("bind".to_owned(), "loopback".into());
    gateway.insert("auth".to_owned(), auth(config));
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            gateway.insert(name.to_owned(), value);
        }
    };
    put("trustedProxies", list(&config.trusted_proxies));
    put(
        "allowRealIpFallback",
        config.allow_real_ip_fallback.then(|| true.into()),
    );
    put(
        "controlUi",
        list(&config.allowed_origins).map(|origins| json!({"allowedOrigins": origins})),
    );
    let reload = Some(config.reload).filter(|mode| *mode != ReloadMode::default());
    put("reload", reload.map(|mode| json!({"mode": mode.as_str()})));
    let usual = Config::default().handshake_timeout_ms;
    let timeout = Some(config.handshake_timeout_ms).filter(|ms| !newer && *ms != usual);
    put("handshakeTimeoutMs", timeout.map(Value::from));
    put("nodes", nodes(config, newer));
    json!({ "gateway": gateway })
}

fn auth(config: &Config) -> Value {
    let auth = &config.auth;
    let mut members = Map::new();
    members.insert("mode".to_owned(), auth.mode.as_str().into());
    if let Some(token) = &auth.token {
        members.insert("token".to_owned(), token.expose().into());
    }
    if let Some(password) = &auth.password {
        members.insert("password".to_owned(), password.expose().into());
    }
    let (limit, usual) = (&auth.rate_limit, RateLimitConfig::default());
    if *limit != usual {
        let limit = json!({
            "maxAttempts": limit.max_attempts,
            "windowMs": limit.window_ms,
            "lockoutMs": limit.lockout_ms,
            "exemptLoopback": limit.exempt_loopback,
        });
        members.insert("rateLimit".to_owned(), limit);
    }
    Value::Object(members)
}

fn nodes(config: &Config, newer: bool) -> Option<Value> {
    let nodes = &config.nodes;
    let mut members = Map::new();
    let (allow, deny) = (list(&nodes.allow_commands), list(&nodes.deny_commands));
    if newer {
        let commands: Map<String, Value> = [("allow", allow), ("deny", deny)]
            .into_iter()
            .filter_map(|(name, list)| Some((name.to_owned(), list?)))
            .collect();
        if !commands.is_empty() {
            members.insert("commands".to_owned(), commands.into());
        }
    } else {
        let lists = [("allowCommands", allow), ("denyCommands", deny)];
        members.extend(
            lists
                .into_iter()
                .filter_map(|(name, list)| Some((name.to_owned(), list?))),
        );
    }
    let mut pairing = Map::new();
    if let Some(ranges) = list(&nodes.auto_approve_cidrs) {
        pairing.insert("autoApproveCidrs".to_owned(), ranges);
    }
    if newer && !nodes.auto_approve_local {
        pairing.insert("autoApproveLocal".to_owned(), false.into());
    }
    if newer && !nodes.ssh_verify {
        pairing.insert("sshVerify".to_owned(), false.into());
    }
    if !pairing.is_empty() {
        members.insert("pairing".to_owned(), pairing.into());
    }
    (!members.is_empty()).then(|| members.into())
}

fn list(texts: &[String]) -> Option<Value> {
    (!texts.is_empty()).then(|| json!(texts))
}

/// Puts `over` over `base`: objects are merged, null removes, anything else replaces.
pub(crate) fn merge(base: &mut Value, over: &Value) {
    let Value::Object(over) = over else {
        over.clone_into(base);
        return;
    };
    if !base.is_object() {
        *base = json!({});
    }
    let Some(members) = base.as_object_mut() else {
        return;
    };
    for (name, value) in over {
        if value.is_null() {
            members.shift_remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Dotted paths of what differs; a list counts as a whole, and a section that is not there as an empty one.
pub(crate) fn changed_paths(before: &Value, after: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    compare("", before, after, &mut paths);
    paths
}

fn compare(at: &str, before: &Value, after: &Value, paths: &mut Vec<String>) {
    let nothing = Map::new();
    let (old, new) = match (before, after) {
        (Value::Object(old), Value::Object(new)) => (old, new),
        (Value::Null, Value::Object(new)) => (&nothing, new),
        (Value::Object(old), Value::Null) => (old, &nothing),
        _ => {
            if before != after {
                paths.push(if at.is_empty() { "<root>" } else { at }.to_owned());
            }
            return;
        }
    };
    let added = new.keys().filter(|name| !old.contains_key(*name));
    for name in old.keys().chain(added) {
        let (before, after) = (old.get(name), new.get(name));
        let (before, after) = (
            before.unwrap_or(&Value::Null),
            after.unwrap_or(&Value::Null),
        );
        compare(&below(at, name), before, after, paths);
    }
}

/// Lists of `base` that `patch` would shorten or replace, in the words of `config.patch`.
pub(crate) fn shortened_lists(base: &Value, patch: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    shortened("", base, patch, &mut paths);
    paths
}

fn shortened(at: &str, base: &Value, patch: &Value, paths: &mut Vec<String>) {
    let Value::Object(members) = patch else {
        return;
    };
    for (name, new) in members {
        let at = below(at, name);
        match base.get(name) {
            Some(Value::Array(old)) => {
                let kept = new
                    .as_array()
                    .is_some_and(|new| old.iter().all(|item| new.contains(item)));
                if !kept {
                    paths.push(at);
                }
            }
            Some(old @ Value::Object(_)) if new.is_object() => shortened(&at, old, new, paths),
            Some(old @ Value::Object(_)) => lists_of(&at, old, paths),
            Some(_) | None => {}
        }
    }
}

fn lists_of(at: &str, value: &Value, paths: &mut Vec<String>) {
    match value {
        Value::Array(_) => paths.push(at.to_owned()),
        Value::Object(members) => {
            for (name, value) in members {
                lists_of(&below(at, name), value, paths);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn below(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

/// The file without its secrets.
pub(crate) fn redacted(file: &Value) -> Value {
    let mut file = file.clone();
    for pointer in SECRETS {
        if let Some(secret) = file.pointer_mut(pointer) {
            *secret = REDACTED.into();
        }
    }
    file
}

/// A file that came back with its secrets hidden gets those of `written` again.
pub(crate) fn restored(mut file: Value, written: &Value) -> Value {
    for pointer in SECRETS {
        if let Some(hidden) = file.pointer_mut(pointer)
            && *hidden == REDACTED
            && let Some(secret) = written.pointer(pointer)
        {
            secret.clone_into(hidden);
        }
    }
    file
}

/// The text of the file.
pub(crate) fn printed(file: &Value) -> String {
    serde_json::to_string_pretty(file).unwrap_or_default()
}

/// What `config.get` calls the hash of a file: plain in the older release, keyed in the newer one.
pub(crate) fn hash(file: &Value, profile: &Profile, key: &str) -> String {
    let text = printed(file);
    if profile.rules.rich_hello {
        let digest = Sha256::digest(format!("{key}\n{text}"));
        format!("hmac-sha256:v1:{}", base64url(&digest))
    } else {
        hex(&Sha256::digest(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AuthMode, from_openclaw_json};
    use crate::profile::{PROFILES, profile};

    #[test]
    fn a_written_configuration_reads_as_what_it_was() {
        for version in PROFILES {
            let profile = profile(version).unwrap();
            let newer = profile.rules.rich_hello;
            let mut config = Config::with_token("t");
            config.auth.mode = AuthMode::Password;
            config.auth.password = Some(gateway_protocol::Password::new("p"));
            config.auth.rate_limit.max_attempts = 3;
            config.trusted_proxies = vec!["10.0.0.0/8".to_owned()];
            config.allow_real_ip_fallback = true;
            config.reload = ReloadMode::Off;
            config.allowed_origins = vec!["https://ui.example".to_owned()];
            config.nodes.allow_commands = vec!["a".to_owned()];
            config.nodes.deny_commands = vec!["b".to_owned()];
            config.nodes.auto_approve_cidrs = vec!["10.1.0.0/16".to_owned()];
            config.nodes.auto_approve_local = !newer;
            config.nodes.ssh_verify = !newer;
            config.handshake_timeout_ms = if newer { 15_000 } else { 2_000 };
            let file = document(&config, profile);
            let (read, _) = from_openclaw_json(profile, &file).unwrap();
            assert_eq!(read, config, "{file}");
            let (usual, _) =
                from_openclaw_json(profile, &document(&Config::default(), profile)).unwrap();
            assert_eq!(usual, Config::default());
        }
    }

    #[test]
    fn a_merge_adds_replaces_and_removes() {
        let mut file = json!({"a": {"b": 1, "c": [1]}, "d": 2});
        merge(
            &mut file,
            &json!({"a": {"b": null, "c": [2]}, "d": {"e": 3}}),
        );
        assert_eq!(file, json!({"a": {"c": [2]}, "d": {"e": 3}}));
    }

    #[test]
    fn changes_are_named_by_their_path() {
        let before = json!({"gateway": {"auth": {"token": "a"}, "list": [1], "same": 1}});
        let after = json!({"gateway": {"auth": {"token": "b"}, "list": [1, 2], "same": 1}, "meta": {"x": 1}});
        assert_eq!(
            changed_paths(&before, &after),
            ["gateway.auth.token", "gateway.list", "meta.x"]
        );
        assert!(changed_paths(&after, &after).is_empty());
        assert_eq!(changed_paths(&before, &json!([])), ["<root>"]);
    }

    #[test]
    fn a_patch_that_loses_entries_of_a_list_is_noticed() {
        let base = json!({"gateway": {"a": [1, 2], "b": {"c": [3]}}});
        for (patch, lost) in [
            (json!({"gateway": {"a": [2, 1, 5]}}), vec![]),
            (json!({"gateway": {"a": [1]}}), vec!["gateway.a"]),
            (json!({"gateway": {"a": null}}), vec!["gateway.a"]),
            (json!({"gateway": {"b": 1}}), vec!["gateway.b.c"]),
        ] {
            assert_eq!(shortened_lists(&base, &patch), lost, "{patch}");
        }
    }

    #[test]
    fn secrets_are_hidden_and_put_back() {
        let file = json!({"gateway": {"auth": {"token": "secret", "mode": "token"}}});
        let hidden = redacted(&file);
        assert_eq!(hidden["gateway"]["auth"]["token"], REDACTED);
        assert_eq!(restored(hidden, &file), file);
        let other = json!({"gateway": {"auth": {"token": "new"}}});
        assert_eq!(restored(other.clone(), &file), other);
    }

    #[test]
    fn equal_files_have_equal_hashes() {
        let (older, newer) = (profile("2026.6.34").unwrap(), profile("2026.9.6").unwrap());
        let (one, two) = (json!({"a": 1}), json!({"a": 2}));
        assert_eq!(hash(&one, older, "k"), hash(&one, older, "l"));
        assert_eq!(hash(&one, older, "k").len(), 64);
        assert_ne!(hash(&one, newer, "k"), hash(&two, newer, "k"));
        assert!(hash(&one, newer, "k").starts_with("hmac-sha256:v1:"));
    }
}
