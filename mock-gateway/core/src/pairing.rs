//! Pending device requests: expiry, retries, and requests that replace older ones. ref: gateway-behaviour.md §6.3

use std::net::IpAddr;
use std::time::Duration;

use gateway_protocol::{DeviceId, PairingRequestId, Role, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::devices::role_names;
use crate::json::Object;
use crate::view::PendingDeviceView;

/// Why a device is not let in. ref: gateway-behaviour.md §6.2
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PairingReason {
    NotPaired,
    RoleUpgrade,
    ScopeUpgrade,
    MetadataUpgrade,
}

impl PairingReason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotPaired => "not-paired",
            Self::RoleUpgrade => "role-upgrade",
            Self::ScopeUpgrade => "scope-upgrade",
            Self::MetadataUpgrade => "metadata-upgrade",
        }
    }

    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::NotPaired => "pairing required: device is not approved yet",
            Self::RoleUpgrade => {
                "pairing required: device is asking for a higher role than currently approved"
            }
            Self::ScopeUpgrade => {
                "pairing required: device is asking for more scopes than currently approved"
            }
            Self::MetadataUpgrade => {
                "pairing required: device identity changed and must be re-approved"
            }
        }
    }

    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::NotPaired => "Approve this device from the pending pairing requests.",
            Self::RoleUpgrade => {
                "Review the requested role upgrade, then approve the pending request."
            }
            Self::ScopeUpgrade => "Review the requested scopes, then approve the pending upgrade.",
            Self::MetadataUpgrade => {
                "Review the refreshed device details, then approve the pending request."
            }
        }
    }
}

/// One pending request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PendingDevice {
    pub(crate) request_id: PairingRequestId,
    pub(crate) device_id: DeviceId,
    pub(crate) public_key: String,
    pub(crate) display_name: Option<String>,
    pub(crate) platform: String,
    pub(crate) device_family: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_mode: String,
    pub(crate) role: Role,
    pub(crate) roles: Vec<Role>,
    pub(crate) scopes: Vec<String>,
    pub(crate) remote_ip: Option<IpAddr>,
    pub(crate) silent: bool,
    pub(crate) is_repair: bool,
    pub(crate) ts: UnixMillis,
    pub(crate) expires_at: UnixMillis,
}

impl PendingDevice {
    /// The object of `device.pair.requested` and of the list.
    pub(crate) fn to_json(&self) -> Value {
        Object::new()
            .with("requestId", self.request_id.as_str())
            .with("deviceId", self.device_id.as_str())
            .with("publicKey", self.public_key.as_str())
            .maybe("displayName", self.display_name.clone())
            .with("platform", self.platform.as_str())
            .maybe("deviceFamily", self.device_family.clone())
            .with("clientId", self.client_id.as_str())
            .with("clientMode", self.client_mode.as_str())
            .with("role", self.role.as_str())
            .with("roles", role_names(&self.roles))
            .with("scopes", self.scopes.clone())
            .maybe("remoteIp", self.remote_ip.map(|ip| ip.to_string()))
            .with("silent", self.silent)
            .with("isRepair", self.is_repair)
            .with("ts", self.ts.0)
            .build()
    }

    /// What `device.pair.resolved` says.
    pub(crate) fn resolved(&self, decision: &str, now: UnixMillis) -> Value {
        Object::new()
            .with("requestId", self.request_id.as_str())
            .with("deviceId", self.device_id.as_str())
            .with("decision", decision)
            .with("ts", now.0)
            .build()
    }

    pub(crate) fn view(&self) -> PendingDeviceView {
        PendingDeviceView {
            request_id: self.request_id.clone(),
            device_id: self.device_id.clone(),
            display_name: self.display_name.clone(),
            role: self.role,
            roles: self.roles.clone(),
            scopes: self.scopes.clone(),
            is_repair: self.is_repair,
            expires_at_ms: self.expires_at.0,
        }
    }

    fn adds_nothing_to(&self, existing: &Self) -> bool {
        self.role == existing.role
            && self.roles.iter().all(|role| existing.roles.contains(role))
            && self
                .scopes
                .iter()
                .all(|scope| existing.scopes.contains(scope))
    }

    /// Takes over what an older request of the same device asked for.
    fn absorb(&mut self, older: &Self) {
        self.roles = union(&older.roles, &self.roles);
        self.scopes = union(&older.scopes, &self.scopes);
    }
}

/// `first` and what `second` adds to it, in order.
pub(crate) fn union<T: Clone + PartialEq>(first: &[T], second: &[T]) -> Vec<T> {
    let mut all = first.to_vec();
    for item in second {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
    all
}

/// What became of a request.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "taken apart at once, never kept")]
pub(crate) enum Asked {
    /// An identical one is pending already.
    Again(PendingDevice),
    /// It is new, perhaps instead of an older one.
    New {
        pending: PendingDevice,
        superseded: Option<PendingDevice>,
    },
}

/// All pending requests, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PendingDevices {
    all: Vec<PendingDevice>,
}

impl PendingDevices {
    /// Files a request; `refresh` renews the expiry of an identical one.
    pub(crate) fn ask(&mut self, mut incoming: PendingDevice, refresh: bool) -> Asked {
        let Some(index) = self
            .all
            .iter()
            .position(|pending| pending.device_id == incoming.device_id)
        else {
            self.all.push(incoming.clone());
            return Asked::New {
                pending: incoming,
                superseded: None,
            };
        };
        if let Some(existing) = self
            .all
            .get_mut(index)
            .filter(|existing| incoming.adds_nothing_to(existing))
        {
            if refresh {
                existing.expires_at = incoming.expires_at;
            }
            return Asked::Again(existing.clone());
        }
        let older = self.all.remove(index);
        incoming.absorb(&older);
        self.all.push(incoming.clone());
        Asked::New {
            pending: incoming,
            superseded: Some(older),
        }
    }

    /// What a device has pending.
    pub(crate) fn of_device(&self, device: &DeviceId) -> Option<&PendingDevice> {
        self.all.iter().find(|pending| &pending.device_id == device)
    }

    /// Puts a request back; only a mutation does.
    pub(crate) fn restore(&mut self, pending: PendingDevice) {
        self.all.insert(0, pending);
    }

    pub(crate) fn find(&self, request_id: &str) -> Option<&PendingDevice> {
        self.all
            .iter()
            .find(|pending| pending.request_id.as_str() == request_id)
    }

    pub(crate) fn take(&mut self, request_id: &str) -> Option<PendingDevice> {
        let index = self
            .all
            .iter()
            .position(|pending| pending.request_id.as_str() == request_id)?;
        Some(self.all.remove(index))
    }

    /// Removes what a device has pending.
    pub(crate) fn drop_of(&mut self, device: &DeviceId) {
        self.all.retain(|pending| &pending.device_id != device);
    }

    /// Finds a request by its id, by its device, or the newest for `latest`.
    pub(crate) fn resolve(&self, given: &str) -> Option<String> {
        let newest = || self.all.last().filter(|_| given == "latest");
        let of_device = || {
            self.all
                .iter()
                .rev()
                .find(|pending| pending.device_id.as_str() == given)
        };
        self.find(given)
            .or_else(of_device)
            .or_else(newest)
            .map(|pending| pending.request_id.as_str().to_owned())
    }

    pub(crate) fn prune(&mut self, now: UnixMillis) {
        self.all.retain(|pending| pending.expires_at > now);
    }

    pub(crate) fn clear(&mut self) {
        self.all.clear();
    }

    pub(crate) fn oldest_first(&self) -> &[PendingDevice] {
        &self.all
    }
}

/// When a request filed now expires.
pub(crate) fn expiry(now: UnixMillis, ttl_ms: u64) -> UnixMillis {
    now.plus(Duration::from_millis(ttl_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: &str, role: Role, scopes: &[&str]) -> PendingDevice {
        PendingDevice {
            request_id: id.into(),
            device_id: "d".into(),
            public_key: "k".into(),
            display_name: None,
            platform: "linux".into(),
            device_family: None,
            client_id: "cli".into(),
            client_mode: "cli".into(),
            role,
            roles: vec![role],
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            remote_ip: None,
            silent: false,
            is_repair: false,
            ts: UnixMillis(0),
            expires_at: UnixMillis(300_000),
        }
    }

    #[test]
    fn a_retry_keeps_the_id_and_only_newer_releases_renew_it() {
        let mut book = PendingDevices::default();
        book.ask(request("1", Role::Operator, &["operator.read"]), false);
        for (refresh, expected) in [(false, 300_000), (true, 400_000)] {
            let mut retry = request("2", Role::Operator, &["operator.read"]);
            retry.expires_at = UnixMillis(400_000);
            let Asked::Again(pending) = book.ask(retry, refresh) else {
                panic!("not the same request")
            };
            assert_eq!(
                (pending.request_id.as_str(), pending.expires_at),
                ("1", UnixMillis(expected))
            );
        }
    }

    // Recording 73: scopes first, then another role.
    #[test]
    fn a_changed_request_replaces_and_merges() {
        let mut book = PendingDevices::default();
        book.ask(request("1", Role::Operator, &["operator.read"]), false);
        book.ask(
            request(
                "2",
                Role::Operator,
                &["operator.read", "operator.approvals"],
            ),
            false,
        );
        let Asked::New {
            pending,
            superseded,
        } = book.ask(request("3", Role::Node, &[]), false)
        else {
            panic!("not a new request")
        };
        assert_eq!(superseded.map(|older| older.request_id), Some("2".into()));
        assert_eq!(
            (pending.role, pending.roles),
            (Role::Node, vec![Role::Operator, Role::Node])
        );
        assert_eq!(pending.scopes, ["operator.read", "operator.approvals"]);
        assert_eq!(book.oldest_first().len(), 1);
    }

    #[test]
    fn requests_are_found_by_id_device_and_age() {
        let mut book = PendingDevices::default();
        book.ask(request("1", Role::Operator, &[]), false);
        for given in ["1", "d", "latest"] {
            assert_eq!(book.resolve(given).as_deref(), Some("1"));
        }
        book.prune(UnixMillis(300_000));
        assert_eq!(book.resolve("latest"), None);
    }
}
