//! Who is or was here. ref: gateway-behaviour.md §3
//!
//! Command line clients never appear; entries of closed connections stay.

use gateway_protocol::{DeviceId, Role, UnixMillis};
use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::connection::OWNER_PROFILE;
use crate::devices::role_names;
use crate::json::Object;
use crate::pairing::union;
use crate::profile::Profile;

/// Entries kept at most; the oldest goes first.
const KEPT: usize = 200;

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct PresenceEntry {
    pub(crate) host: String,
    pub(crate) ip: Option<String>,
    pub(crate) version: String,
    pub(crate) platform: String,
    pub(crate) device_family: Option<String>,
    pub(crate) model_identifier: Option<String>,
    pub(crate) mode: String,
    pub(crate) client_id: String,
    pub(crate) device_id: Option<DeviceId>,
    pub(crate) roles: Vec<Role>,
    pub(crate) scopes: Vec<String>,
    pub(crate) instance_id: String,
    /// 2026.9.6: an operator is somebody, with one entry per connection.
    pub(crate) online_since: Option<UnixMillis>,
}

#[derive(Clone, Debug)]
struct Kept {
    entry: PresenceEntry,
    reason: &'static str,
    at: UnixMillis,
}

/// All entries, least recent first.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    entries: IndexMap<String, Kept>,
}

impl Presence {
    /// Notes a connect. Roles and scopes of earlier connections of the same device stay.
    pub(crate) fn connected(&mut self, mut entry: PresenceEntry, now: UnixMillis) {
        if let Some(older) = self.entries.shift_remove(&entry.instance_id) {
            entry.roles = union(&older.entry.roles, &entry.roles);
            entry.scopes = union(&older.entry.scopes, &entry.scopes);
        }
        if self.entries.len() >= KEPT {
            self.entries.shift_remove_index(0);
        }
        self.entries.insert(
            entry.instance_id.clone(),
            Kept {
                entry,
                reason: "connect",
                at: now,
            },
        );
    }

    /// Notes a disconnect; false when the client never appeared.
    pub(crate) fn disconnected(&mut self, instance_id: &str, now: UnixMillis) -> bool {
        let Some(mut kept) = self.entries.shift_remove(instance_id) else {
            return false;
        };
        kept.reason = "disconnect";
        kept.at = now;
        self.entries.insert(instance_id.to_owned(), kept);
        true
    }

    /// Notes that every client has gone; who was gone already keeps the time of it.
    pub(crate) fn all_gone(&mut self, now: UnixMillis) {
        let here: Vec<String> = self
            .entries
            .iter()
            .filter(|(_, kept)| kept.reason != "disconnect")
            .map(|(id, _)| id.clone())
            .collect();
        for id in here {
            self.disconnected(&id, now);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// The list: the gateway itself, then the most recent first.
    pub(crate) fn to_json(
        &self,
        profile: &Profile,
        gateway_instance: &str,
        now: UnixMillis,
    ) -> Value {
        let own = gateway_entry(profile, gateway_instance, now);
        // Operators of 2026.9.6 come first, in the order in which they came.
        let somebody = |kept: &&Kept| kept.entry.online_since.is_some();
        let people = self.entries.values().filter(somebody);
        let rest = self.entries.values().rev().filter(|kept| !somebody(kept));
        std::iter::once(own)
            .chain(people.chain(rest).map(|kept| kept.to_json(profile)))
            .collect()
    }
}

fn gateway_entry(profile: &Profile, instance: &str, now: UnixMillis) -> Value {
    let version = profile.version;
    Object::new()
        .with("host", "gateway-host")
        .with("ip", "192.0.2.2")
        .with("version", version)
        .with("platform", "linux")
        .with("deviceFamily", "Linux")
        .when(!profile.rules.rich_hello, "modelIdentifier", "x64")
        .with("mode", "gateway")
        .with("reason", "self")
        .with("instanceId", instance)
        .with("text", format!("Gateway: gateway-host (192.0.2.2) \u{b7} app {version} \u{b7} mode gateway \u{b7} reason self"))
        .with("ts", now.0)
        .build()
}

/// Whoever holds the shared secret or a device token is the owner.
fn owner() -> Value {
    json!({
        "id": OWNER_PROFILE,
        "identity": {"type": "profile", "id": OWNER_PROFILE},
        "avatarUrl": format!("/api/users/{OWNER_PROFILE}/avatar?v=1"),
    })
}

impl Kept {
    fn to_json(&self, profile: &Profile) -> Value {
        let entry = &self.entry;
        Object::new()
            .with("host", entry.host.as_str())
            .maybe("ip", entry.ip.clone())
            .with("version", entry.version.as_str())
            .with("platform", entry.platform.as_str())
            .maybe("deviceFamily", entry.device_family.clone())
            .maybe("modelIdentifier", entry.model_identifier.clone())
            .with("mode", entry.mode.as_str())
            .when(
                profile.rules.rich_lists,
                "clientId",
                entry.client_id.as_str(),
            )
            .maybe("deviceId", entry.device_id.as_ref().map(DeviceId::as_str))
            .with("roles", role_names(&entry.roles))
            .when(!entry.scopes.is_empty(), "scopes", entry.scopes.clone())
            .maybe(
                "instanceId",
                entry
                    .online_since
                    .is_none()
                    .then_some(entry.instance_id.as_str()),
            )
            .maybe("user", entry.online_since.map(|_| owner()))
            .maybe("onlineSince", entry.online_since.map(|at| at.0))
            .with("reason", self.reason)
            .with("ts", self.at.0)
            .with(
                "text",
                format!("Node: {} \u{b7} mode {}", entry.host, entry.mode),
            )
            .build()
    }
}
