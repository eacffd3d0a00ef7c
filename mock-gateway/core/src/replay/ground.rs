//! The configuration that each recording was made with, and what its gateway's owner did meanwhile.

use gateway_protocol::{Now, SharedToken, UnixMillis};
use serde_json::Value;

use super::Replay;
use crate::{AuthConfig, AuthMode, Config, Control, NodesConfig, RateLimitConfig};

/// The shared token after the recorder restarted its gateway with another one.
const ANOTHER_TOKEN: &str = "second-token";

/// The configuration of a recording, by its number.
pub(super) fn config(name: &str) -> Config {
    let mut config = Config::with_token("oracle-token");
    config.trusted_proxies = vec!["127.0.0.2".into()];
    match name {
        "201" => {
            config.auth = AuthConfig {
                mode: AuthMode::Password,
                password: Some(gateway_protocol::Password::new("oracle-pass")),
                ..AuthConfig::default()
            };
        }
        "203" => config.handshake_timeout_ms = 2_000,
        "204" => {
            config.nodes = NodesConfig {
                allow_commands: vec!["camera.snap".into(), "made.up".into()],
                deny_commands: vec!["device.info".into()],
                ..NodesConfig::default()
            };
        }
        "205" => config.nodes.auto_approve_local = false,
        "212" => {
            config.auth.rate_limit = RateLimitConfig {
                max_attempts: 3,
                lockout_ms: 4_000,
                exempt_loopback: false,
                ..RateLimitConfig::default()
            };
        }
        _ => {}
    }
    config
}

impl Replay {
    /// What the recorder did at its gateway's machine.
    pub(super) fn owner_does(&mut self, now: Now, frame: &Value) {
        let note = frame["note"].as_str().unwrap_or_default();
        if note.starts_with("restarted with") {
            // Nobody may have been there to hear it.
            self.stops(now);
        }
        if note == "restarted with another shared token" {
            let token = SharedToken::new(ANOTHER_TOKEN);
            self.order(
                now,
                Control::SetSharedToken {
                    token,
                    at_restart: true,
                },
            );
        }
    }

    /// Whether the command line that begins with this entry ended well. What it did was seen before it ended.
    pub(super) fn succeeds(&self, index: usize) -> bool {
        let mut later = self.entries.iter().skip(index);
        later
            .find(|entry| entry["conn"] == "cli" && entry["dir"] == "g2c")
            .is_some_and(|entry| entry["frame"]["rc"] == 0)
    }

    /// What the real command line did.
    pub(super) fn owner_runs(&mut self, now: Now, frame: &Value) {
        let words = frame["cli"].as_str().unwrap_or_default();
        let words: Vec<&str> = words.split(' ').collect();
        match words.as_slice() {
            ["devices", "approve", id] if !id.starts_with("--") => {
                let request_id = self.translate(id);
                self.order(now, Control::Approve { request_id });
            }
            ["nodes", "approve", id] => {
                let request_id = self.translate(id);
                self.order(now, Control::ApproveNode { request_id });
            }
            _ => {}
        }
    }

    /// The recorder stops its gateway: it says so before it is seen to.
    pub(super) fn stops(&mut self, now: Now) {
        if self.is_up {
            self.is_up = false;
            self.order(now, Control::Halt);
        }
    }

    /// Somebody is let in again.
    pub(super) fn starts(&mut self, now: Now) {
        if !self.is_up {
            self.is_up = true;
            self.order(now, Control::Start);
        }
    }

    fn order(&mut self, now: Now, order: Control) {
        let named = format!("{order:?}");
        if let Err(error) = self.gateway.control(now, order) {
            self.problems.push(format!("{named}: {error}"));
        }
        self.drain();
    }

    /// A setup code minted by the real command line.
    pub(super) fn minted(&mut self, frame: &Value) {
        let Some(token) = frame["decoded"]["bootstrapToken"].as_str() else {
            return;
        };
        let scopes = self
            .gateway
            .profile
            .bootstrap_scopes
            .iter()
            .map(|scope| (*scope).to_owned())
            .collect();
        let expires = UnixMillis(i64::MAX);
        self.gateway
            .setup_tokens
            .mint("setup".into(), token.to_owned(), expires, scopes, "full");
    }
}
