//! Gateway configurations that flows name, in the real gateway's own keys.
//!
//! `configs.toml` holds one table per name. `config` is what stands in the real `openclaw.json`; `version.VERSION.config`
//! is merged over it; `env` is what the process gets. All of them trust the proxy 127.0.0.2.

use std::collections::BTreeMap;

use gateway_core::Config;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::world::merge;

/// The shared secret of every configuration; a text that is nowhere else.
pub(crate) const SECRET: &str = "conform-shared-secret-5d1f";

/// One configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// What it is for; a sentence.
    #[expect(dead_code, reason = "for readers of the file")]
    about: String,
    #[serde(default = "nothing")]
    config: Value,
    /// Environment of the process.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    #[serde(default)]
    version: BTreeMap<String, Overlay>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Overlay {
    #[serde(default = "nothing")]
    config: Value,
}

fn nothing() -> Value {
    json!({})
}

/// Every configuration by name.
///
/// # Errors
/// What is wrong, with line and column.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, Settings>, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

impl Settings {
    /// The real gateway's configuration.
    pub(crate) fn real(&self, version: &str) -> Value {
        let mut config = json!({
            "gateway": {
                "mode": "local",
                "auth": {"mode": "token", "token": SECRET},
                "trustedProxies": ["127.0.0.2"],
            },
            // A heartbeat asks a model, which nobody configured.
            "agents": {"defaults": {"heartbeat": {"every": "24h"}}},
        });
        merge(&mut config, &self.config);
        if let Some(overlay) = self.version.get(version) {
            merge(&mut config, &overlay.config);
        }
        config
    }

    /// The same for the mock.
    ///
    /// # Errors
    /// When the mock does not know a key.
    pub(crate) fn core(&self, version: &str) -> Result<Config, String> {
        let profile = super::run::known_profile(version)?;
        let (mut config, _ignored) =
            gateway_core::config::from_openclaw_json(profile, &self.real(version))
                .map_err(|error| error.to_string())?;
        if let Some(ms) = self.env.get("OPENCLAW_HANDSHAKE_TIMEOUT_MS") {
            config.handshake_timeout_ms = ms.parse().map_err(|_| format!("{ms} is no number"))?;
        }
        config.url_hint = Some(format!("ws://{}", super::mock::AUTHORITY));
        Ok(config)
    }

    /// The secret that clients share.
    #[expect(
        clippy::unused_self,
        reason = "whoever asks need not know that all configurations share one"
    )]
    pub(crate) fn secret(&self) -> String {
        SECRET.to_owned()
    }
}
