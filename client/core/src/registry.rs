//! `gateways.json` as a value: which gateways the user knows, and with which credentials. ref: client-behaviour.md §4
//!
//! ```
//! use client_core::{GatewayRecord, Registry};
//! let mut registry = Registry::default();
//! registry.upsert(GatewayRecord::new("a", "ws://localhost:18789"));
//! registry.active_id = Some("a".to_owned());
//! assert_eq!(registry.find_by_url("ws://127.0.0.1:18789").unwrap().id, "a");
//! assert_eq!(registry.active().unwrap().url, "ws://localhost:18789");
//! ```

use gateway_protocol::{BootstrapToken, SharedToken};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::url::{GatewayUrl, same_gateway};

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    /// Every known gateway, in the order in which they were added.
    #[serde(default)]
    pub gateways: Vec<GatewayRecord>,
    /// The gateway that [`crate::Intent::Connect`] means.
    #[serde(default)]
    pub active_id: Option<String>,
}

/// One gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayRecord {
    /// Stable id; names the identity's folder too.
    pub id: String,
    /// ws or wss URL as the user gave it.
    pub url: String,
    /// Shown in lists.
    #[serde(default)]
    pub friendly_name: Option<String>,
    /// Token shared by every client of the gateway.
    #[serde(default)]
    pub shared_gateway_token: Option<SharedToken>,
    /// From a setup code; cleared once both role tokens are durable.
    #[serde(default)]
    pub bootstrap_token: Option<BootstrapToken>,
    /// RFC 3339, stamped at each operator hello-ok.
    #[serde(default)]
    pub last_connected: Option<String>,
    /// On this computer.
    #[serde(default)]
    pub is_local: bool,
    /// The gateway refused a v3 signature once; sticky.
    #[serde(default)]
    pub requires_v2_signature: bool,
    /// The WSL distribution that the app manages for it.
    #[serde(default)]
    pub setup_managed_distro_name: Option<String>,
    /// The SSH tunnel to it.
    #[serde(default)]
    pub ssh_tunnel: Option<SshTunnel>,
    /// Override of the browser control port.
    #[serde(default)]
    pub browser_control_port: Option<u16>,
    /// Folder of the identity; equals the id.
    #[serde(default)]
    pub identity_dir_name: String,
    /// Members that this version does not know, kept as they are.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// `sshTunnel`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SshTunnel {
    /// Login name.
    pub user: String,
    /// SSH host.
    pub host: String,
    /// Gateway port on the host.
    pub remote_port: u16,
    /// Forwarded port here.
    pub local_port: u16,
    /// Forward the browser control port as well.
    #[serde(default)]
    pub include_browser_proxy_forward: bool,
    /// SSH port.
    #[serde(default = "default_ssh_port")]
    pub ssh_port: u16,
}

fn default_ssh_port() -> u16 {
    22
}

impl GatewayRecord {
    /// A record without credentials; local when its URL is.
    pub fn new(id: impl Into<String>, url: impl Into<String>) -> Self {
        let (id, url) = (id.into(), url.into());
        let is_local = GatewayUrl::parse(&url).is_some_and(|url| url.is_loopback());
        Self {
            identity_dir_name: id.clone(),
            id,
            url,
            is_local,
            ..Self::default()
        }
    }

    /// The shared token, unless it is blank.
    pub fn usable_shared_token(&self) -> Option<&str> {
        self.shared_gateway_token
            .as_ref()
            .map(SharedToken::expose)
            .filter(|token| !token.trim().is_empty())
    }

    /// The bootstrap token, unless it is blank.
    pub fn usable_bootstrap_token(&self) -> Option<&str> {
        self.bootstrap_token
            .as_ref()
            .map(BootstrapToken::expose)
            .filter(|token| !token.trim().is_empty())
    }

    /// The WSL distribution that the app manages for it: explicit, or from the older friendly name. ref: §4.2
    pub fn managed_distro(&self) -> Option<&str> {
        let legacy = || {
            self.friendly_name
                .as_deref()?
                .strip_prefix("Local (")?
                .strip_suffix(')')
        };
        self.setup_managed_distro_name
            .as_deref()
            .or_else(legacy)
            .filter(|name| !name.trim().is_empty())
    }

    /// The URL the sockets open: the tunnel's near end when there is one.
    pub fn socket_target(&self) -> Option<GatewayUrl> {
        self.ssh_tunnel.as_ref().map_or_else(
            || GatewayUrl::parse(&self.url),
            |tunnel| GatewayUrl::parse(&format!("ws://localhost:{}", tunnel.local_port)),
        )
    }

    /// Whether a connection signs with v2 from the start. ref: §9
    pub fn starts_with_v2(&self) -> bool {
        self.is_local || self.requires_v2_signature
    }

    /// Whether a strong credential may be sent to whoever answers there. ref: §17.4
    pub fn is_recovery_safe(&self) -> bool {
        self.socket_target()
            .is_some_and(|url| url.is_loopback() || url.tls)
    }
}

impl Registry {
    /// The active record.
    pub fn active(&self) -> Option<&GatewayRecord> {
        self.find(self.active_id.as_deref()?)
    }

    /// The record with this id.
    pub fn find(&self, id: &str) -> Option<&GatewayRecord> {
        self.gateways.iter().find(|record| record.id == id)
    }

    /// The record with this id, to change it.
    pub fn find_mut(&mut self, id: &str) -> Option<&mut GatewayRecord> {
        self.gateways.iter_mut().find(|record| record.id == id)
    }

    /// The record whose URL names the same gateway. ref: §4.1
    pub fn find_by_url(&self, url: &str) -> Option<&GatewayRecord> {
        self.gateways
            .iter()
            .find(|record| same_gateway(&record.url, url))
    }

    /// Replaces the record with the same id, or adds it.
    pub fn upsert(&mut self, record: GatewayRecord) {
        match self.find_mut(&record.id) {
            Some(old) => *old = record,
            None => self.gateways.push(record),
        }
    }

    /// Removes a record; clears the active id if it was active.
    pub fn remove(&mut self, id: &str) {
        self.gateways.retain(|record| record.id != id);
        if self.active_id.as_deref() == Some(id) {
            self.active_id = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_file_format_is_the_companions() {
        let text = json!({
            "gateways": [{
                "id": "g", "url": "ws://localhost:1", "friendlyName": "Local (x)", "sharedGatewayToken": "s",
                "bootstrapToken": null, "lastConnected": null, "isLocal": true, "requiresV2Signature": false,
                "setupManagedDistroName": "x",
                "sshTunnel": {"user": "u", "host": "h", "remotePort": 1, "localPort": 2},
                "browserControlPort": null, "identityDirName": "g", "future": 1
            }],
            "activeId": "g"
        });
        let registry: Registry = serde_json::from_value(text).unwrap();
        let record = registry.active().unwrap();
        assert_eq!(record.usable_shared_token(), Some("s"));
        assert_eq!(record.ssh_tunnel.as_ref().unwrap().ssh_port, 22);
        let back = serde_json::to_value(&registry).unwrap();
        assert_eq!(back["gateways"][0]["future"], 1, "unknown members survive");
        assert_eq!(back["gateways"][0]["sharedGatewayToken"], "s");
    }

    #[test]
    fn removing_the_active_record_clears_the_active_id() {
        let mut registry = Registry {
            gateways: vec![GatewayRecord::new("a", "ws://h:1")],
            active_id: Some("a".into()),
        };
        registry.remove("a");
        assert_eq!(registry, Registry::default());
    }

    #[test]
    fn a_debug_print_holds_no_token() {
        let record = GatewayRecord {
            shared_gateway_token: Some(SharedToken::new("hush")),
            ..GatewayRecord::default()
        };
        assert!(!format!("{record:?}").contains("hush"));
    }
}
