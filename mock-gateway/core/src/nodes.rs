//! Nodes: approved surfaces, pending ones, who is connected, and what waits for a node.
//!
//! ref: gateway-behaviour.md §7.1, §7.2, §7.4, §7.5

use std::collections::BTreeMap;
use std::net::IpAddr;

use gateway_protocol::{ClientInfo, NodeId, PairingRequestId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connection::Surface;
use crate::json::Object;
use crate::platform;
use crate::profile::Profile;

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NodeMeta {
    pub(crate) client_id: Option<String>,
    pub(crate) client_mode: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) platform: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) device_family: Option<String>,
    pub(crate) model_identifier: Option<String>,
    pub(crate) remote_ip: Option<IpAddr>,
}

impl NodeMeta {
    pub(crate) fn of(client: &ClientInfo, remote_ip: Option<IpAddr>) -> Self {
        Self {
            client_id: Some(client.id.clone()),
            client_mode: Some(client.mode.clone()),
            display_name: client.display_name.clone(),
            platform: Some(client.platform.clone()),
            version: Some(client.version.clone()),
            device_family: client.device_family.clone(),
            model_identifier: client.model_identifier.clone(),
            remote_ip,
        }
    }
}

/// A node with an approved surface.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NodeRecord {
    pub(crate) node_id: NodeId,
    /// 2026.6.34 only.
    pub(crate) token: Option<String>,
    pub(crate) meta: NodeMeta,
    pub(crate) surface: Surface,
    pub(crate) created_at: UnixMillis,
    pub(crate) approved_at: UnixMillis,
}

/// A surface that waits for approval.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PendingNode {
    pub(crate) request_id: PairingRequestId,
    pub(crate) node_id: NodeId,
    pub(crate) meta: NodeMeta,
    pub(crate) surface: Surface,
    pub(crate) silent: bool,
    pub(crate) ts: UnixMillis,
    /// Names this version of the request in the device list of 2026.9.6.
    pub(crate) revision: String,
}

/// When a node was seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Seen {
    pub(crate) meta: Option<NodeMeta>,
    pub(crate) connected_at: Option<UnixMillis>,
    pub(crate) last_connected_at: Option<UnixMillis>,
    /// Since the last connect.
    pub(crate) disconnected_at: Option<UnixMillis>,
    pub(crate) last: Option<(UnixMillis, String)>,
    /// `PATH` that it named when it connected.
    pub(crate) path_env: Option<String>,
    /// `node.presence.alive` is believed once in a while.
    pub(crate) alive_at: Option<UnixMillis>,
}

/// Everything about nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nodes {
    pub(crate) records: BTreeMap<NodeId, NodeRecord>,
    pub(crate) pending: Vec<PendingNode>,
    pub(crate) seen: BTreeMap<NodeId, Seen>,
    /// Newest connection of each node.
    pub(crate) live: BTreeMap<NodeId, u32>,
    /// Names given by `node.rename`.
    pub(crate) names: BTreeMap<NodeId, String>,
    pub(crate) work: BTreeMap<NodeId, Work>,
    /// What connected nodes say about their runners; 2026.9.6.
    pub(crate) runners: BTreeMap<NodeId, Value>,
}

/// What waits for a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    pub(crate) revision: u64,
    pub(crate) items: Vec<Value>,
    pub(crate) actions: Vec<Value>,
}

/// What a node's declared surface means for its approval.
#[derive(Clone, Debug)]
pub(crate) enum SurfaceStep {
    /// Nothing to do.
    Settled,
    /// A pending request is withdrawn.
    Withdrawn(PendingNode),
    /// A new request, perhaps instead of an older one.
    Asked { withdrawn: Option<PendingNode> },
}

impl Nodes {
    pub(crate) fn pending_of(&self, node: &NodeId) -> Option<&PendingNode> {
        self.pending.iter().find(|pending| &pending.node_id == node)
    }

    pub(crate) fn take_pending(&mut self, request_id: &str) -> Option<PendingNode> {
        let index = self
            .pending
            .iter()
            .position(|pending| pending.request_id.as_str() == request_id)?;
        Some(self.pending.remove(index))
    }

    fn take_pending_of(&mut self, node: &NodeId) -> Option<PendingNode> {
        let index = self
            .pending
            .iter()
            .position(|pending| &pending.node_id == node)?;
        Some(self.pending.remove(index))
    }

    /// Finds a request by its id, by its node, or the newest for `latest`.
    pub(crate) fn resolve(&self, given: &str) -> Option<String> {
        let by_id = self
            .pending
            .iter()
            .find(|pending| pending.request_id.as_str() == given);
        let by_node = || {
            self.pending
                .iter()
                .find(|pending| pending.node_id.as_str() == given)
        };
        let newest = || self.pending.last().filter(|_| given == "latest");
        by_id
            .or_else(by_node)
            .or_else(newest)
            .map(|pending| pending.request_id.as_str().to_owned())
    }

    /// Compares a declared surface with the approved and the pending one. ref: gateway-behaviour.md §7.4
    pub(crate) fn declare(&mut self, incoming: PendingNode) -> SurfaceStep {
        let node = incoming.node_id.clone();
        let approved = self
            .records
            .get(&node)
            .is_some_and(|record| incoming.surface.within(&record.surface));
        if approved {
            return self
                .take_pending_of(&node)
                .map_or(SurfaceStep::Settled, SurfaceStep::Withdrawn);
        }
        if self
            .pending_of(&node)
            .is_some_and(|pending| pending.surface.same_as(&incoming.surface))
        {
            return SurfaceStep::Settled;
        }
        let withdrawn = self.take_pending_of(&node);
        self.pending.push(incoming);
        SurfaceStep::Asked { withdrawn }
    }

    /// Approves a pending request; the record keeps its creation time.
    pub(crate) fn approve(
        &mut self,
        pending: &PendingNode,
        token: Option<String>,
        now: UnixMillis,
    ) -> NodeRecord {
        let created_at = self
            .records
            .get(&pending.node_id)
            .map_or(now, |record| record.created_at);
        let record = NodeRecord {
            node_id: pending.node_id.clone(),
            token,
            meta: pending.meta.clone(),
            surface: pending.surface.clone(),
            created_at,
            approved_at: now,
        };
        self.records.insert(pending.node_id.clone(), record.clone());
        record
    }

    /// Forgets a node; gives whether there was anything to forget.
    pub(crate) fn remove(&mut self, node: &NodeId) -> bool {
        let record = self.records.remove(node).is_some();
        let pending = self.take_pending_of(node).is_some();
        let named = self.names.remove(node).is_some();
        self.seen.remove(node);
        self.work.remove(node);
        record || pending || named
    }

    /// The record of an approved surface keeps when its node came. Recordings 93 and 101.
    pub(crate) fn note_connected(&mut self, node: &NodeId, now: UnixMillis) {
        let approved = self.records.contains_key(node);
        if let Some(seen) = self.seen.get_mut(node).filter(|_| approved) {
            seen.last_connected_at = Some(now);
            seen.disconnected_at = None;
        }
    }

    /// ... and when it went.
    pub(crate) fn note_disconnected(&mut self, node: &NodeId, now: UnixMillis) {
        if let Some(seen) = self.seen.get_mut(node) {
            seen.connected_at = None;
            seen.disconnected_at = seen.last_connected_at.map(|_| now);
        }
    }

    /// `approvalState`. ref: gateway-behaviour.md §7.2
    pub(crate) fn approval_state(&self, node: &NodeId) -> &'static str {
        match (
            self.records.contains_key(node),
            self.pending_of(node).is_some(),
        ) {
            (true, true) => "pending-reapproval",
            (true, false) => "approved",
            (false, true) => "pending-approval",
            (false, false) => "unapproved",
        }
    }

    /// What is in force: the approved surface, cut down to what a live node declares.
    pub(crate) fn effective(&self, node: &NodeId, declared: Option<&Surface>) -> Surface {
        let Some(record) = self.records.get(node) else {
            return Surface::default();
        };
        declared.map_or_else(
            || record.surface.clone(),
            |declared| record.surface.intersect(declared),
        )
    }
}

impl Surface {
    fn within(&self, approved: &Self) -> bool {
        let permissions = self.permissions.iter().flatten();
        let known = |name: &String, granted: bool| {
            !granted
                || approved
                    .permissions
                    .as_ref()
                    .is_some_and(|known| known.get(name) == Some(&true))
        };
        subset(&self.caps, &approved.caps)
            && subset(&self.commands, &approved.commands)
            && permissions
                .into_iter()
                .all(|(name, granted)| known(name, *granted))
    }

    fn same_as(&self, other: &Self) -> bool {
        subset(&self.caps, &other.caps)
            && subset(&other.caps, &self.caps)
            && subset(&self.commands, &other.commands)
            && subset(&other.commands, &self.commands)
            && self.permissions == other.permissions
    }

    fn intersect(&self, declared: &Self) -> Self {
        let keep = |list: &[String], other: &[String]| {
            list.iter()
                .filter(|item| other.contains(item))
                .cloned()
                .collect::<Vec<_>>()
        };
        let permissions = declared.permissions.as_ref().map(|declared| {
            let approved = self.permissions.as_ref();
            declared
                .iter()
                .map(|(name, granted)| {
                    let known = approved
                        .and_then(|approved| approved.get(name))
                        .copied()
                        .unwrap_or(false);
                    (name.clone(), *granted && known)
                })
                .collect()
        });
        Self {
            caps: keep(&self.caps, &declared.caps),
            commands: keep(&self.commands, &declared.commands),
            permissions,
        }
    }

    pub(crate) fn permissions_json(&self) -> Option<Value> {
        let permissions = self.permissions.as_ref()?;
        Some(Value::Object(
            permissions
                .iter()
                .map(|(name, granted)| (name.clone(), Value::from(*granted)))
                .collect(),
        ))
    }
}

fn subset(inner: &[String], outer: &[String]) -> bool {
    inner.iter().all(|item| outer.contains(item))
}

fn meta_json(object: Object, meta: &NodeMeta) -> Object {
    object
        .maybe("displayName", meta.display_name.clone())
        .maybe("platform", meta.platform.clone())
        .maybe("version", meta.version.clone())
        .maybe("deviceFamily", meta.device_family.clone())
        .maybe("modelIdentifier", meta.model_identifier.clone())
}

impl PendingNode {
    /// The object of `node.pair.requested`; `listed` adds what 2026.6.34 says only in the list.
    pub(crate) fn to_json(&self, profile: &Profile, listed: bool) -> Value {
        let newer = profile.rules.node_errors_9;
        let scopes = platform::approve_scopes(&self.surface.commands, profile);
        let object = Object::new()
            .with("requestId", self.request_id.as_str())
            .with("nodeId", self.node_id.as_str())
            .maybe("clientId", self.meta.client_id.clone().filter(|_| newer))
            .maybe(
                "clientMode",
                self.meta.client_mode.clone().filter(|_| newer),
            );
        // Somebody who asks for a node over another connection leaves out what it does not know.
        let asked_for = !newer && self.meta.client_id.is_none();
        let caps = Some(&self.surface.caps).filter(|caps| !asked_for || !caps.is_empty());
        let commands = Some(&self.surface.commands).filter(|all| !asked_for || !all.is_empty());
        meta_json(object, &self.meta)
            .maybe("caps", caps.cloned())
            .maybe("commands", commands.cloned())
            .when(newer, "requiredApproveScopes", scopes.clone())
            .maybe("permissions", self.surface.permissions_json())
            .maybe("remoteIp", self.meta.remote_ip.map(|ip| ip.to_string()))
            .when(!newer || self.silent, "silent", newer && self.silent)
            .with("ts", self.ts.0)
            .when(listed && !newer, "requiredApproveScopes", scopes)
            .build()
    }

    /// `pendingNodeSurface` in the device list of 2026.9.6. Recording 70.
    pub(crate) fn to_surface_json(&self) -> Value {
        let object = Object::new()
            .with("requestId", self.request_id.as_str())
            .with("revision", self.revision.as_str());
        meta_json(object, &self.meta)
            .with("caps", self.surface.caps.clone())
            .with("commands", self.surface.commands.clone())
            .maybe("permissions", self.surface.permissions_json())
            .maybe("remoteIp", self.meta.remote_ip.map(|ip| ip.to_string()))
            .when(self.silent, "silent", true)
            .with("ts", self.ts.0)
            .build()
    }

    /// What `node.pair.resolved` says.
    pub(crate) fn resolved(&self, decision: &str, now: UnixMillis) -> Value {
        Object::new()
            .with("requestId", self.request_id.as_str())
            .with("nodeId", self.node_id.as_str())
            .with("decision", decision)
            .with("ts", now.0)
            .build()
    }
}

impl NodeRecord {
    /// The paired entry of `node.pair.list` and of the approval's answer; the token only when `reveal`.
    pub(crate) fn to_json(&self, profile: &Profile, seen: Option<&Seen>, reveal: bool) -> Value {
        let newer = profile.rules.node_errors_9;
        let object = Object::new()
            .with("nodeId", self.node_id.as_str())
            .maybe("token", self.token.clone().filter(|_| reveal))
            .maybe("clientId", self.meta.client_id.clone().filter(|_| newer))
            .maybe(
                "clientMode",
                self.meta.client_mode.clone().filter(|_| newer),
            );
        let last = seen.and_then(|seen| seen.last.as_ref()).filter(|_| newer);
        meta_json(object, &self.meta)
            .with("caps", self.surface.caps.clone())
            .with("commands", self.surface.commands.clone())
            .maybe("permissions", self.surface.permissions_json())
            .maybe("remoteIp", self.meta.remote_ip.map(|ip| ip.to_string()))
            .with("createdAtMs", self.created_at.0)
            .with("approvedAtMs", self.approved_at.0)
            .maybe(
                "lastConnectedAtMs",
                seen.and_then(|seen| seen.last_connected_at).map(|at| at.0),
            )
            .maybe("lastSeenAtMs", last.map(|(at, _)| at.0))
            .maybe("lastSeenReason", last.map(|(_, reason)| reason.clone()))
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surface(commands: &[&str]) -> Surface {
        Surface {
            commands: commands
                .iter()
                .map(|command| (*command).to_owned())
                .collect(),
            ..Surface::default()
        }
    }

    fn declared(id: &str, commands: &[&str]) -> PendingNode {
        PendingNode {
            request_id: id.into(),
            node_id: "n".into(),
            meta: NodeMeta::of(&ClientInfo::default(), None),
            surface: surface(commands),
            silent: false,
            ts: UnixMillis(0),
            revision: String::new(),
        }
    }

    // ref: gateway-behaviour.md §7.4
    #[test]
    fn a_surface_goes_through_its_states() {
        let mut nodes = Nodes::default();
        let node = NodeId::from("n");
        assert_eq!(nodes.approval_state(&node), "unapproved");
        assert!(matches!(
            nodes.declare(declared("1", &["a"])),
            SurfaceStep::Asked { withdrawn: None }
        ));
        assert!(
            matches!(nodes.declare(declared("2", &["a"])), SurfaceStep::Settled),
            "the same again"
        );
        assert_eq!(nodes.approval_state(&node), "pending-approval");
        let pending = nodes.take_pending("1").unwrap();
        nodes.approve(&pending, None, UnixMillis(1));
        assert_eq!(nodes.approval_state(&node), "approved");
        assert!(
            matches!(nodes.declare(declared("3", &[])), SurfaceStep::Settled),
            "fewer commands"
        );
        assert!(matches!(
            nodes.declare(declared("4", &["a", "b"])),
            SurfaceStep::Asked { withdrawn: None }
        ));
        assert_eq!(nodes.approval_state(&node), "pending-reapproval");
        assert_eq!(
            nodes.effective(&node, Some(&surface(&["a", "b"]))).commands,
            ["a"]
        );
        assert!(matches!(
            nodes.declare(declared("5", &["a", "c"])),
            SurfaceStep::Asked { withdrawn: Some(_) }
        ));
        assert!(matches!(
            nodes.declare(declared("6", &["a"])),
            SurfaceStep::Withdrawn(_)
        ));
        assert_eq!(nodes.approval_state(&node), "approved");
    }
}
