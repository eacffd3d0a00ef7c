//! What is set up, and which names are allowed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Words that Windows takes for devices.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul", "conin$", "conout$"];

/// What is set up. Every member has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the configuration file"
)]
pub struct Config {
    /// The distro's name.
    pub distro_name: String,
    /// Which distribution it is made from.
    pub base_distro: String,
    /// The gateway's port.
    pub gateway_port: u16,
    /// `loopback` or `lan`.
    pub bind: String,
    /// Release of OpenClaw to install; whoever reads a file takes `recommended` and `fallback` too: [`super::release`].
    pub version: String,
    /// Linux user.
    pub user: String,
    /// Whether pairing requests of this machine are approved without asking.
    pub auto_approve_pairing: bool,
    /// Whether a failed set-up is undone.
    pub rollback_on_failure: bool,
    /// Whether a gateway that has answered is kept when a later step fails.
    pub keep_healthy_gateway: bool,
    /// Whether an earlier set-up is removed first.
    pub clean_before_run: bool,
    /// Commands that the node allows.
    pub allow_commands: Vec<String>,
    /// Whether the gateway's wizard is left out.
    pub skip_wizard: bool,
    /// Answers to the gateway's wizard, by a step's id, title or question; what it is asked besides gets the usual ones.
    pub wizard_answers: BTreeMap<String, Value>,
    /// Where distros are stored; `None` is `<data dir>/wsl`.
    pub local_data_dir: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            distro_name: "OpenClawGateway".to_owned(),
            base_distro: "Ubuntu-24.04".to_owned(),
            gateway_port: 18_789,
            bind: "loopback".to_owned(),
            version: "2026.6.34".to_owned(),
            user: "openclaw".to_owned(),
            auto_approve_pairing: true,
            rollback_on_failure: true,
            keep_healthy_gateway: false,
            clean_before_run: false,
            allow_commands: ["screen.snapshot", "system.notify", "system.which"]
                .map(ToOwned::to_owned)
                .to_vec(),
            skip_wizard: false,
            wizard_answers: BTreeMap::new(),
            local_data_dir: None,
        }
    }
}

/// A value that can't be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: expected {expected}, got '{got}'")]
pub struct BadConfig {
    /// The member.
    pub key: &'static str,
    /// What it has to be.
    pub expected: &'static str,
    /// What it is.
    pub got: String,
}

impl Config {
    /// Checks names and values; nothing is run before that.
    ///
    /// # Errors
    /// [`BadConfig`] with the first member that is wrong.
    pub fn check(&self) -> Result<(), BadConfig> {
        let bad = |key, expected, got: &str| {
            Err(BadConfig {
                key,
                expected,
                got: got.to_owned(),
            })
        };
        if !is_distro_name(&self.distro_name) {
            return bad(
                "DistroName",
                "1 to 64 letters, digits, '.', '_' or '-', a letter or digit at both ends, no device name",
                &self.distro_name,
            );
        }
        if !is_user_name(&self.user) {
            return bad(
                "User",
                "a Linux user name: [a-z_][a-z0-9_-]{0,31}",
                &self.user,
            );
        }
        if !matches!(self.bind.as_str(), "loopback" | "lan") {
            return bad("Bind", "loopback or lan", &self.bind);
        }
        if self.version.is_empty()
            || !self
                .version
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        {
            return bad("Version", "a release such as 2026.6.34", &self.version);
        }
        if let Some(command) = self
            .allow_commands
            .iter()
            .find(|command| !is_command(command))
        {
            return bad(
                "AllowCommands",
                "command ids of letters, digits, '.', '_' and '-'",
                command,
            );
        }
        Ok(())
    }

    /// The gateway as Windows reaches it.
    pub fn url(&self) -> String {
        format!("ws://localhost:{}", self.gateway_port)
    }
}

/// Whether a new distro may have this name.
pub(super) fn is_distro_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let port = stem
        .strip_prefix("com")
        .or_else(|| stem.strip_prefix("lpt"));
    let is_device = DEVICES.contains(&stem.as_str())
        || port.is_some_and(|n| n.len() == 1 && n.chars().all(|c| c.is_ascii_digit()));
    name.len() <= 64
        && name.chars().all(allowed)
        && ends(name.chars().next())
        && ends(name.chars().last())
        && !is_device
}

fn is_user_name(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars
        .next()
        .is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    first
        && name.len() <= 32
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
}

fn is_command(id: &str) -> bool {
    !id.is_empty()
        && id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("OpenClawGateway", true)]
    #[case("a", true)]
    #[case("a.b_c-1", true)]
    #[case("", false)]
    #[case("-a", false)]
    #[case("a.", false)]
    #[case("a b", false)]
    #[case("..\\x", false)]
    #[case("a/b", false)]
    #[case("Ünix", false)]
    #[case("NUL", false)]
    #[case("com1.x", false)]
    #[case("com10", true)]
    fn distro_names_have_a_policy(#[case] name: &str, #[case] allowed: bool) {
        assert_eq!(is_distro_name(name), allowed);
        assert!(is_distro_name(&"a".repeat(64)) && !is_distro_name(&"a".repeat(65)));
    }

    #[rstest]
    #[case(Config { user: "Root".into(), ..Config::default() }, "User: expected a Linux user name: [a-z_][a-z0-9_-]{0,31}, got 'Root'")]
    #[case(Config { bind: "all".into(), ..Config::default() }, "Bind: expected loopback or lan, got 'all'")]
    #[case(Config { version: "1; id".into(), ..Config::default() }, "Version: expected a release such as 2026.6.34, got '1; id'")]
    fn what_a_shell_would_run_is_refused(#[case] config: Config, #[case] error: &str) {
        assert_eq!(config.check().unwrap_err().to_string(), error);
    }
}
