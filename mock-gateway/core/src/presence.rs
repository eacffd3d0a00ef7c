//! Who is or was here. ref: gateway-behaviour.md §3
//!
//! Command line clients never appear; entries of closed connections stay.

use gateway_protocol::{DeviceId, Role, UnixMillis};
use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::connection::OWNER_PROFILE;
use crate::devices::role_names;
use crate::json::{Object, Printed};
use crate::pairing::union;
use crate::profile::Profile;

/// Entries kept at most; the oldest goes first.
const KEPT: usize = 200;

/// Room for an entry in print.
const ENTRY_BYTES: usize = 512;

/// One entry.
#[derive(Clone, Debug, PartialEq)]
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
    /// What the entry stands for.
    pub(crate) key: String,
    pub(crate) instance_id: Option<String>,
    /// 2026.9.6: an operator is somebody, with one entry per connection.
    pub(crate) online_since: Option<UnixMillis>,
}

#[derive(Clone, Debug)]
struct Kept {
    entry: PresenceEntry,
    reason: &'static str,
    at: UnixMillis,
    /// Counts what was noted; what is noted together has one number.
    noted: u64,
    printed: Sandwich,
}

/// An entry as text, around its reason and its time.
#[derive(Clone, Debug, Default)]
struct Sandwich {
    before: String,
    after: String,
}

/// All entries, in the order in which they first came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presence {
    entries: IndexMap<String, Kept>,
    noted: u64,
}

impl Presence {
    /// Notes a connect. Roles and scopes of earlier connections of the same device stay, and so does its place. The entries
    /// of people are noted anew with each of them: they are all one person.
    pub(crate) fn connected(
        &mut self,
        profile: &Profile,
        mut entry: PresenceEntry,
        now: UnixMillis,
    ) {
        self.noted += 1;
        let noted = self.noted;
        if entry.online_since.is_some() {
            let people = self.entries.values_mut();
            let here = people.filter(|kept| kept.is_person() && kept.reason == "connect");
            here.for_each(|kept| (kept.at, kept.noted) = (now, noted));
        }
        // What comes back unchanged is printed already.
        let mut printed = None;
        if let Some(older) = self.entries.get_mut(&entry.key) {
            entry.roles = union(&older.entry.roles, &entry.roles);
            entry.scopes = union(&older.entry.scopes, &entry.scopes);
            if older.entry == entry {
                printed = Some(std::mem::take(&mut older.printed));
            }
        } else if self.entries.len() >= KEPT {
            let oldest = self.entries.values().enumerate();
            let oldest = oldest.min_by_key(|(_, kept)| kept.noted);
            if let Some((index, _)) = oldest {
                self.entries.shift_remove_index(index);
            }
        }
        let kept = Kept {
            printed: printed.unwrap_or_else(|| entry.print(profile)),
            entry,
            reason: "connect",
            at: now,
            noted,
        };
        self.entries.insert(kept.entry.key.clone(), kept);
    }

    /// Notes a disconnect; false when the client never appeared.
    pub(crate) fn disconnected(&mut self, key: &str, now: UnixMillis) -> bool {
        self.noted += 1;
        let Some(kept) = self.entries.get_mut(key) else {
            return false;
        };
        (kept.reason, kept.at, kept.noted) = ("disconnect", now, self.noted);
        true
    }

    /// Notes that every client has gone, all at once; who was gone already keeps the time of it.
    pub(crate) fn all_gone(&mut self, now: UnixMillis) {
        self.noted += 1;
        let entries = self.entries.values_mut();
        for kept in entries.filter(|kept| kept.reason != "disconnect") {
            (kept.reason, kept.at, kept.noted) = ("disconnect", now, self.noted);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// The list: the gateway itself, then the latest first; what was noted together in the order in which it first came.
    pub(crate) fn to_json(
        &self,
        profile: &Profile,
        gateway_instance: &str,
        now: UnixMillis,
    ) -> Value {
        serde_json::from_str(&self.to_text(profile, gateway_instance, now)).unwrap_or_default()
    }

    /// The same, printed, as hello-ok and the `presence` event carry it.
    pub(crate) fn to_text(
        &self,
        profile: &Profile,
        gateway_instance: &str,
        now: UnixMillis,
    ) -> String {
        let latest = self.latest();
        let mut text = String::with_capacity(ENTRY_BYTES * (latest.len() + 1));
        text.push('[');
        text.push_str(&gateway_entry(profile, gateway_instance, now));
        for kept in latest {
            text.push(',');
            kept.print(&mut text);
        }
        text.push(']');
        text
    }

    fn latest(&self) -> Vec<&Kept> {
        let mut latest: Vec<&Kept> = self.entries.values().collect();
        latest.sort_by_key(|kept| std::cmp::Reverse(kept.noted));
        latest
    }
}

fn gateway_entry(profile: &Profile, instance: &str, now: UnixMillis) -> String {
    let version = profile.version;
    Printed::new(ENTRY_BYTES)
        .with("host", "gateway-host")
        .with("ip", "192.0.2.2")
        .with("version", version)
        .with("platform", "linux")
        .with("deviceFamily", "Linux")
        .when(!profile.rules.rich_hello, "modelIdentifier", "x64")
        .with("mode", "gateway")
        .with("reason", "self")
        .with("instanceId", instance)
        .with("text", &format!("Gateway: gateway-host (192.0.2.2) \u{b7} app {version} \u{b7} mode gateway \u{b7} reason self"))
        .with("ts", &now.0)
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
    fn is_person(&self) -> bool {
        self.entry.online_since.is_some()
    }

    /// What does not change was printed when the entry was noted.
    fn print(&self, into: &mut String) {
        let Sandwich { before, after } = &self.printed;
        into.push_str(before);
        into.push_str(self.reason);
        into.push_str("\",\"ts\":");
        into.push_str(&self.at.0.to_string());
        into.push_str(after);
    }
}

impl PresenceEntry {
    fn print(&self, profile: &Profile) -> Sandwich {
        const CHANGING: &str = "?\",\"ts\":0";
        let text = self.members(profile, "?", UnixMillis(0)).to_string();
        // Nothing before the reason can hold an unescaped quote, so the first is the reason's own.
        let (before, after) = text.split_once(CHANGING).unwrap_or_default();
        Sandwich {
            before: before.to_owned(),
            after: after.to_owned(),
        }
    }

    fn members(&self, profile: &Profile, reason: &str, at: UnixMillis) -> Value {
        let entry = self;
        // Of a person 2026.9.6 writes the text before it knows the host. Flow events/presence-names-instances.
        let host = match entry.online_since {
            Some(_) => "unknown",
            None => entry.host.as_str(),
        };
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
            .maybe("instanceId", entry.instance_id.as_deref())
            .maybe("user", entry.online_since.map(|_| owner()))
            .maybe("onlineSince", entry.online_since.map(|at| at.0))
            .with("reason", reason)
            .with("ts", at.0)
            .with("text", format!("Node: {host} \u{b7} mode {}", entry.mode))
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, online: bool) -> PresenceEntry {
        PresenceEntry {
            host: format!("{name} \"?\",\"ts\":0"),
            ip: None,
            version: "1".to_owned(),
            platform: "linux".to_owned(),
            device_family: Some("Linux".to_owned()),
            model_identifier: None,
            mode: "node".to_owned(),
            client_id: "node-host".to_owned(),
            device_id: Some(DeviceId::new("a".repeat(64))),
            roles: vec![Role::Node],
            scopes: Vec::new(),
            key: name.to_owned(),
            instance_id: Some(name.to_owned()),
            online_since: online.then_some(UnixMillis(5)),
        }
    }

    /// What hello-ok carries as text is what the presence event carries, whatever a client calls itself.
    #[test]
    fn the_text_is_the_json() {
        for version in crate::PROFILES {
            let profile = crate::profile(version).unwrap();
            let mut presence = Presence::default();
            presence.connected(profile, entry("a", true), UnixMillis(10));
            presence.connected(profile, entry("b", false), UnixMillis(11));
            presence.connected(profile, entry("a", true), UnixMillis(12));
            presence.disconnected("b", UnixMillis(13));
            let others = [
                entry("b", false).members(profile, "disconnect", UnixMillis(13)),
                entry("a", true).members(profile, "connect", UnixMillis(12)),
            ];
            let text = presence.to_text(profile, "g", UnixMillis(20));
            let tail = format!(",{},{}]", others[0], others[1]);
            assert!(text.ends_with(&tail), "{text}\n{tail}");
            let json = presence.to_json(profile, "g", UnixMillis(20));
            assert_eq!(text, json.to_string());
            assert_eq!(json.as_array().map(Vec::len), Some(3));
        }
    }
}
