//! A configuration that changes while the gateway runs: what counts at once, who is sent away, and when it restarts.
//! ref: gateway-behaviour.md §8; flows lifecycle/reload-*

use std::collections::BTreeMap;
use std::time::Duration;

use gateway_protocol::role::scope;
use gateway_protocol::{CloseFrame, Now, SecretKind};
use serde_json::{Value, json};

use crate::config::document::{changed_paths, document, hash, merge, redacted};
use crate::config::reload::{Effect, effect, mode};
use crate::config::{AuthConfig, AuthMode, Config, ConfigError, ReloadMode, from_openclaw_json};
use crate::connection::OpenConnection;
use crate::control::ControlError;
use crate::gateway::{Gateway, Up};
use crate::handshake;
use crate::lifecycle::Down;
use crate::mutation::Mutation;
use crate::profile::Profile;

/// Where the file would lie.
pub(crate) const PATH: &str = "/home/openclaw/.openclaw/openclaw.json";

/// The gateway's configuration file.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    /// What it says now.
    pub(crate) written: Value,
    /// What it said when the gateway last took notice.
    seen: Value,
    /// Writes by clients: when their window began, and how many since then. 2026.6.34
    pub(crate) writes: BTreeMap<String, (Duration, u32)>,
}

impl ConfigFile {
    pub(crate) fn of(config: &Config, profile: &Profile) -> Self {
        let written = document(config, profile);
        Self {
            seen: written.clone(),
            written,
            writes: BTreeMap::new(),
        }
    }

    /// Whether the gateway runs on what the file says.
    pub(crate) fn is_in_force(&self) -> bool {
        self.written == self.seen
    }
}

/// What a changed file led to.
pub(crate) struct Reloaded {
    pub(crate) mode: ReloadMode,
    pub(crate) changed: Vec<String>,
    pub(crate) effect: Effect,
}

impl Gateway {
    /// The owner edits the file; what is null goes.
    pub(crate) fn order_reload(&mut self, now: Now, over: &Value) -> Result<Value, ControlError> {
        if over.get("mock").is_some() {
            return Err(ControlError::Config(
                "mock: this section is read at the start only; a reload takes the real gateway's own keys".to_owned(),
            ));
        }
        if !over.is_object() {
            return Err(ControlError::Config(
                "config: expected an object with the real gateway's own keys, such as gateway.trustedProxies".to_owned(),
            ));
        }
        let mut file = self.file.written.clone();
        merge(&mut file, over);
        self.write_file(file)
            .map_err(|error| ControlError::Config(error.to_string()))?;
        let reloaded = if self.boot.up == Up::Running {
            self.reload(now, None)
        } else {
            // It reads the file when it starts.
            Reloaded {
                effect: Effect::Left,
                ..self.foresee(&self.file.written)
            }
        };
        Ok(json!({
            "mode": reloaded.mode.as_str(),
            "changed": reloaded.changed,
            "effect": reloaded.effect.as_str(),
        }))
    }

    /// Puts a file in the place of the one that there is, if the release would take it.
    pub(crate) fn write_file(&mut self, file: Value) -> Result<(), ConfigError> {
        let (config, _) = from_openclaw_json(self.profile, &file)?;
        if let Some(token) = &config.auth.token {
            self.remember_secret(SecretKind::SharedToken, token.expose().to_owned());
        }
        if let Some(password) = &config.auth.password {
            self.remember_secret(SecretKind::Password, password.expose().to_owned());
        }
        self.file.written = file;
        Ok(())
    }

    /// What `config.get` says of the file.
    pub(crate) fn file_hash(&self) -> String {
        hash(&self.file.written, self.profile, &self.identity_key())
    }

    fn identity_key(&self) -> String {
        self.identity.device_id().as_str().to_owned()
    }

    /// What the file would lead to, if the gateway took notice now.
    pub(crate) fn foresee(&self, file: &Value) -> Reloaded {
        let changed = changed_paths(&self.file.seen, file);
        let asked = from_openclaw_json(self.profile, file).map(|(config, _)| config.reload);
        let mode = mode(asked.unwrap_or_default(), self.profile);
        let effect = effect(self.profile, mode, &changed, &self.file.seen, file);
        Reloaded {
            mode,
            changed,
            effect,
        }
    }

    /// The gateway notices that its file has changed. `caller` waits for an answer, and is not sent away before it.
    pub(crate) fn reload(&mut self, now: Now, caller: Option<u32>) -> Reloaded {
        let reloaded = self.foresee(&self.file.written);
        if reloaded.changed.is_empty() {
            return reloaded;
        }
        self.log(
            None,
            format!(
                "configuration changed ({}): {}",
                reloaded.changed.join(", "),
                reloaded.effect.as_str()
            ),
        );
        match reloaded.effect {
            // The newer release goes on comparing with what it runs on.
            Effect::Left if self.profile.rules.rich_hello => self.tell_config(now),
            Effect::Left => self.file.seen = self.file.written.clone(),
            Effect::Nothing | Effect::Applied => self.apply_file(now, caller),
            Effect::Restart => self.restart_for_file(now),
        }
        reloaded
    }

    /// What the file says counts from now on.
    fn apply_file(&mut self, now: Now, caller: Option<u32>) {
        let before = self.config.clone();
        self.adopt_file();
        if !self.profile.rules.rich_hello {
            return;
        }
        if shared_auth_differs(&before, &self.config) {
            self.send_shared_away(now, caller);
        }
        if policy_of(&before) == policy_of(&self.config) {
            self.send_strangers_away(now, caller);
        } else {
            let frame = CloseFrame::new(4001, "gateway policy changed");
            self.send_away(now, caller, &frame, |_| true);
        }
        self.boot.config_hash = self.entropy.token();
        self.broadcast("chat.metadata.changed", &json!({}), false, may_read);
        self.tell_config(now);
    }

    fn restart_for_file(&mut self, now: Now) {
        let next = from_openclaw_json(self.profile, &self.file.written);
        if next.is_ok_and(|(next, _)| shared_auth_differs(&self.config, &next)) {
            self.send_shared_away(now, None);
        }
        if self.profile.rules.rich_hello {
            self.tell_config(now);
        }
        let down = Down::Restart {
            down_for: self.profile.restart_down,
            reason: "gateway restarting".to_owned(),
        };
        self.go_down(now, &down);
    }

    /// A gateway that starts reads its file.
    pub(crate) fn adopt_file(&mut self) {
        // Checked before it was written.
        if let Ok((config, _)) = from_openclaw_json(self.profile, &self.file.written) {
            self.config.adopt(config, !self.profile.rules.rich_hello);
        }
        self.file.seen = self.file.written.clone();
    }

    fn tell_config(&mut self, now: Now) {
        let payload = json!({"path": PATH, "hash": self.file_hash(), "ts": now.wall.0});
        self.broadcast("config.changed", &payload, false, may_read);
    }

    /// Whoever came with the secret that all clients share.
    fn send_shared_away(&mut self, now: Now, caller: Option<u32>) {
        if self.has(Mutation::ReloadKeepsConnections) {
            return;
        }
        let frame = CloseFrame::new(4001, "gateway auth changed");
        self.send_away(now, caller, &frame, |open| open.granted.is_shared());
    }

    /// Pages from an origin that is no longer welcome.
    fn send_strangers_away(&mut self, now: Now, caller: Option<u32>) {
        let strangers = self.connections.iter().filter(|(_, connection)| {
            connection.origin.is_some()
                && connection.open().is_some_and(|open| {
                    handshake::origin_problem(&self.config, connection, &open.client).is_some()
                })
        });
        let strangers: Vec<u32> = strangers.map(|(conn, _)| *conn).collect();
        let frame = CloseFrame::new(1008, "origin not allowed");
        self.send_these_away(now, caller, &frame, &strangers);
    }

    fn send_away(
        &mut self,
        now: Now,
        caller: Option<u32>,
        frame: &CloseFrame,
        who: impl Fn(&OpenConnection) -> bool,
    ) {
        let chosen = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.open().is_some_and(&who));
        let chosen: Vec<u32> = chosen.map(|(conn, _)| *conn).collect();
        self.send_these_away(now, caller, frame, &chosen);
    }

    fn send_these_away(
        &mut self,
        now: Now,
        caller: Option<u32>,
        frame: &CloseFrame,
        conns: &[u32],
    ) {
        for conn in conns {
            if caller == Some(*conn) {
                self.closing.push((*conn, frame.clone()));
            } else {
                self.close(now, *conn, frame.clone());
            }
        }
    }

    /// The file as a client may see it.
    pub(crate) fn shown_file(&self) -> Value {
        redacted(&self.file.written)
    }
}

fn may_read(open: &OpenConnection) -> bool {
    open.allows(scope::READ)
}

/// Whether clients now need another shared secret than before, or none.
fn shared_auth_differs(before: &Config, after: &Config) -> bool {
    let (before, after) = (&before.auth, &after.auth);
    let secret = |auth: &AuthConfig| match auth.mode {
        AuthMode::Token => auth.token.as_ref().map(|token| token.expose().to_owned()),
        AuthMode::Password => auth.password.as_ref().map(|word| word.expose().to_owned()),
        AuthMode::None => None,
    };
    before.mode != after.mode || secret(before) != secret(after)
}

/// What decided where a client comes from: who is connected was judged by it.
fn policy_of(config: &Config) -> (Vec<&str>, bool) {
    let mut proxies: Vec<&str> = config.trusted_proxies.iter().map(String::as_str).collect();
    proxies.sort_unstable();
    (proxies, config.allow_real_ip_fallback)
}
