//! `node.pair.*` and `node.rename`. ref: gateway-behaviour.md §7.1

use gateway_protocol::{
    CloseFrame, DeviceId, ErrorShape, NodeId, Now, Role, SecretKind, UnixMillis,
};
use serde_json::{Value, json};

use crate::connection::Surface;
use crate::gateway::Gateway;
use crate::inbound::missing_scope;
use crate::method::{Call, invalid};
use crate::nodes::{NodeMeta, PendingNode, SurfaceStep};
use crate::platform;

impl Gateway {
    pub(crate) fn call_node_pair(
        &mut self,
        now: Now,
        call: &Call,
    ) -> Option<Result<Value, ErrorShape>> {
        Some(match call.method.as_str() {
            "node.pair.list" => Ok(self.node_pair_list()),
            "node.pair.approve" => self.node_pair_approve(now.wall, call),
            "node.pair.reject" => self
                .reject_node(now.wall, call.text("requestId"))
                .ok_or_else(|| invalid("unknown requestId")),
            "node.pair.remove" => self
                .remove_node(now.wall, &NodeId::from(call.text("nodeId")))
                .ok_or_else(|| invalid("unknown nodeId")),
            "node.pair.request" => Ok(self.node_pair_request(now.wall, call)),
            "node.pair.verify" => Ok(self.node_pair_verify(call)),
            "node.rename" => self.node_rename(call),
            _ => return None,
        })
    }

    fn node_pair_list(&self) -> Value {
        let pending: Vec<Value> = self
            .nodes
            .pending
            .iter()
            .rev()
            .map(|pending| pending.to_json(self.profile, true))
            .collect();
        let mut records: Vec<_> = self.nodes.records.values().collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.approved_at));
        let paired: Vec<Value> = records
            .into_iter()
            .map(|record| record.to_json(self.profile, self.nodes.seen.get(&record.node_id), true))
            .collect();
        json!({"pending": pending, "paired": paired})
    }

    fn node_pair_approve(&mut self, now: UnixMillis, call: &Call) -> Result<Value, ErrorShape> {
        let id = call.text("requestId");
        let pending = self
            .nodes
            .pending
            .iter()
            .find(|pending| pending.request_id.as_str() == id);
        let pending = pending.ok_or_else(|| invalid("unknown requestId"))?;
        let needed = platform::approve_scopes(&pending.surface.commands, self.profile);
        if let Some(scope) = needed.iter().find(|scope| !call.allows(scope)) {
            return Err(missing_scope(self.profile, scope, &needed));
        }
        self.approve_node(now, id, true)
            .ok_or_else(|| invalid("unknown requestId"))
    }

    /// Approves a pending surface; the node token of 2026.6.34 is in the answer only when `reveal`.
    pub(crate) fn approve_node(
        &mut self,
        now: UnixMillis,
        id: &str,
        reveal: bool,
    ) -> Option<Value> {
        let pending = self.nodes.take_pending(id)?;
        let token = (!self.profile.rules.node_errors_9).then(|| self.mint(SecretKind::NodeToken));
        let record = self.nodes.approve(&pending, token, now);
        let live = self.nodes.live.get(&pending.node_id).copied();
        self.forget_runners(&pending.node_id);
        self.tell_node_pairing(
            "node.pair.resolved",
            &pending.resolved("approved", now),
            live,
        );
        self.log(None, format!("node {} approved", pending.node_id));
        let node = record.to_json(self.profile, self.nodes.seen.get(&pending.node_id), reveal);
        Some(json!({"requestId": id, "node": node}))
    }

    /// Rejects a pending surface; the node stays connected with nothing in force.
    pub(crate) fn reject_node(&mut self, now: UnixMillis, id: &str) -> Option<Value> {
        let pending = self.nodes.take_pending(id)?;
        self.tell_node_pairing(
            "node.pair.resolved",
            &pending.resolved("rejected", now),
            None,
        );
        self.log(None, format!("node {} rejected", pending.node_id));
        Some(json!({"requestId": id, "nodeId": pending.node_id.as_str()}))
    }

    /// Removes a node: its surface, its device's node role, its connections. ref: gateway-behaviour.md §7.1
    pub(crate) fn remove_node(&mut self, now: UnixMillis, node: &NodeId) -> Option<Value> {
        let device_id = DeviceId::new(node.as_str());
        let had_role = self.drop_node_role(&device_id);
        let had_surface = self.nodes.remove(node);
        if !had_role && !had_surface {
            return None;
        }
        let payload =
            json!({"requestId": "", "nodeId": node.as_str(), "decision": "removed", "ts": now.0});
        self.tell_node_pairing("node.pair.resolved", &payload, None);
        for (conn, connection) in &self.connections {
            let hit = connection.open().is_some_and(|open| {
                open.role == Role::Node && open.device.as_ref() == Some(&device_id)
            });
            if hit {
                self.closing
                    .push((*conn, CloseFrame::new(4001, "device removed")));
            }
        }
        self.log(None, format!("node {node} removed"));
        Some(json!({"nodeId": node.as_str()}))
    }

    /// A device with both roles keeps the other one; a device that was only a node goes.
    fn drop_node_role(&mut self, id: &DeviceId) -> bool {
        let Some(device) = self.devices.find_mut(id) else {
            return false;
        };
        if !device.roles.contains(&Role::Node) {
            return false;
        }
        device.roles.retain(|role| *role != Role::Node);
        device.tokens.remove(&Role::Node);
        if device.roles.is_empty() {
            self.devices.remove(id);
        }
        true
    }

    /// 2026.6.34: a node asks over somebody else's connection. Recording 96.
    fn node_pair_request(&mut self, now: UnixMillis, call: &Call) -> Value {
        let text = |name: &str| {
            call.params
                .get(name)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let texts = |name: &str| {
            let list = call
                .params
                .get(name)
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            list.filter_map(Value::as_str)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let incoming = PendingNode {
            request_id: self.entropy.uuid().into(),
            node_id: call.text("nodeId").into(),
            meta: NodeMeta {
                client_id: None,
                client_mode: None,
                display_name: text("displayName"),
                platform: text("platform"),
                version: text("version"),
                device_family: text("deviceFamily"),
                model_identifier: text("modelIdentifier"),
                remote_ip: None,
            },
            surface: Surface {
                caps: texts("caps"),
                commands: texts("commands"),
                permissions: None,
            },
            silent: false,
            ts: now,
            revision: self.entropy.uuid(),
        };
        let created = match self.nodes.declare(incoming.clone()) {
            SurfaceStep::Asked { withdrawn } => {
                if let Some(older) = withdrawn {
                    self.tell_node_pairing(
                        "node.pair.resolved",
                        &older.resolved("rejected", now),
                        None,
                    );
                }
                self.tell_node_pairing(
                    "node.pair.requested",
                    &incoming.to_json(self.profile, false),
                    None,
                );
                true
            }
            SurfaceStep::Settled | SurfaceStep::Withdrawn(_) => false,
        };
        let mut request = self
            .nodes
            .pending_of(&incoming.node_id)
            .cloned()
            .unwrap_or(incoming);
        request.ts = now;
        json!({"status": "pending", "request": request.to_json(self.profile, false), "created": created})
    }

    fn node_pair_verify(&self, call: &Call) -> Value {
        let record = self.nodes.records.get(&NodeId::from(call.text("nodeId")));
        let right = record.filter(|record| record.token.as_deref() == Some(call.text("token")));
        match right {
            Some(record) => json!({"ok": true, "node": record.to_json(self.profile, None, true)}),
            None => json!({"ok": false}),
        }
    }

    fn node_rename(&mut self, call: &Call) -> Result<Value, ErrorShape> {
        let (node, name) = (NodeId::from(call.text("nodeId")), call.text("displayName"));
        if !self.knows_node(&node) {
            return Err(invalid("unknown nodeId"));
        }
        self.nodes.names.insert(node.clone(), name.to_owned());
        if let Some(record) = self.nodes.records.get_mut(&node) {
            record.meta.display_name = Some(name.to_owned());
        }
        Ok(json!({"nodeId": node.as_str(), "displayName": name}))
    }

    pub(crate) fn knows_node(&self, node: &NodeId) -> bool {
        let device = self.devices.find(&DeviceId::new(node.as_str()));
        self.nodes.records.contains_key(node)
            || device.is_some_and(|device| device.roles.contains(&Role::Node))
    }
}
