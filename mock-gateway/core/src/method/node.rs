//! Node lists, node events and work that waits for a node. ref: gateway-behaviour.md §7.2, §7.5

use std::time::Duration;

use gateway_protocol::role::scope;
use gateway_protocol::{DeviceId, ErrorCode, ErrorShape, NodeId, Now, Role, UnixMillis};
use serde_json::{Value, json};

use crate::connection::{Connection, Surface};
use crate::gateway::Gateway;
use crate::json::Object;
use crate::method::node_reports::is_host_stats;
use crate::method::{Answer, Call, invalid};
use crate::nodes::NodeMeta;
use crate::view::NodeView;

/// How long one `node.presence.alive` stands for the next ones.
const ALIVE_EVERY_MS: i64 = 60_000;
/// Lifetime of queued work. Recording 98.
const WORK_TTL: Duration = Duration::from_hours(24);

impl Gateway {
    pub(crate) fn call_node(&mut self, now: Now, call: &Call) -> Answer {
        if let Some(answer) = self.call_node_pair(now, call) {
            return answer.into();
        }
        if call.method == "node.runnerInventory.update" {
            self.note_runners(call);
        }
        if let Err(error) = self.check_node_is_approved(call) {
            return Answer::Now(Err(error));
        }
        match call.method.as_str() {
            "node.list" => Ok(self.node_list(now.wall, call)).into(),
            "node.describe" => self.node_describe(now.wall, call).into(),
            "node.invoke" => self.node_invoke(now, call),
            "node.invoke.result" => self.node_invoke_result(now, call),
            "node.event" => Ok(self.node_event(now.wall, call)).into(),
            "node.pending.enqueue" => self.pending_enqueue(now.wall, call).into(),
            "node.pending.drain" => Ok(self.pending_drain(now.wall, call)).into(),
            "node.pending.pull" => Ok(self.pending_pull(call)).into(),
            "node.pending.ack" => Ok(self.pending_ack(call)).into(),
            "node.pluginSurface.refresh" => self.plugin_surface(now.wall, call).into(),
            "node.skills.update" => Ok(node_echo(call, "skills")).into(),
            "node.pluginTools.update" => Ok(node_echo(call, "tools")).into(),
            "node.runnerInventory.update" => Ok(json!({"nodeId": node_of(call).as_str()})).into(),
            _ => self.made_up(call),
        }
    }

    /// 2026.9.6 takes hardly anything from a node whose surface is not approved. ref: gateway-behaviour.md §7.5, A.2
    fn check_node_is_approved(&self, call: &Call) -> Result<(), ErrorShape> {
        if call.role != Role::Node || !self.profile.rules.node_errors_9 {
            return Ok(());
        }
        let node = node_of(call);
        if self
            .nodes
            .live
            .get(&node)
            .is_some_and(|live| *live != call.conn)
        {
            return Err(pairing_changed(
                "node pairing changed before request dispatch",
            ));
        }
        if self.nodes.records.contains_key(&node) {
            return Ok(());
        }
        match call.method.as_str() {
            "node.event" | "node.pending.pull" | "node.pending.ack" => Err(pairing_changed(
                "node pairing changed while invocation was active",
            )),
            "node.pending.drain" => Err(pairing_changed(
                "node pairing changed while pending work was active",
            )),
            "node.runnerInventory.update" => {
                let request = self
                    .nodes
                    .pending_of(&node)
                    .map_or("", |pending| pending.request_id.as_str());
                let message = format!(
                    "node capability surface is awaiting operator approval; run `openclaw nodes approve {request}` \
                     (see `openclaw nodes pending`), then this node retries automatically"
                );
                Err(ErrorShape::new(ErrorCode::Unavailable, message))
            }
            _ => Ok(()),
        }
    }

    /// Ids of every node, connected ones first, then by name.
    fn node_ids(&self) -> Vec<NodeId> {
        let devices = self
            .devices
            .oldest_first()
            .filter(|device| device.roles.contains(&Role::Node));
        let mut ids: Vec<NodeId> = devices
            .map(|device| NodeId::new(device.id.as_str()))
            .collect();
        ids.extend(self.nodes.records.keys().cloned());
        ids.sort();
        ids.dedup();
        ids.sort_by_key(|id| (!self.nodes.live.contains_key(id), self.node_name(id)));
        ids
    }

    /// A live node of 2026.6.34 is called as it calls itself, if it does; else a given name goes first. Recording 101,
    /// flow node/rename.
    fn node_name(&self, node: &NodeId) -> Option<String> {
        let own = || {
            self.nodes
                .seen
                .get(node)
                .and_then(|seen| seen.meta.as_ref()?.display_name.clone())
        };
        let recorded = || {
            let record = self.nodes.records.get(node);
            record.and_then(|record| record.meta.display_name.clone())
        };
        let given = || self.nodes.names.get(node).cloned().or_else(recorded);
        let device = || {
            self.devices
                .find(&DeviceId::new(node.as_str()))
                .and_then(|device| device.display_name.clone())
        };
        let own_first = self.nodes.live.contains_key(node) && !self.profile.rules.node_errors_9;
        let either = if own_first {
            own().or_else(given)
        } else {
            given().or_else(own)
        };
        either.or_else(device)
    }

    fn node_list(&self, now: UnixMillis, call: &Call) -> Value {
        let nodes: Vec<Value> = self
            .node_ids()
            .iter()
            .map(|node| self.node_json(node, call).build())
            .collect();
        json!({"ts": now.0, "nodes": nodes})
    }

    fn node_describe(&self, now: UnixMillis, call: &Call) -> Result<Value, ErrorShape> {
        let node = NodeId::from(call.text("nodeId"));
        if !self.knows_node(&node) {
            return Err(invalid("unknown nodeId"));
        }
        let mut description = Object::new().with("ts", now.0).build();
        crate::json::merge_patch(&mut description, &self.node_json(&node, call).build());
        Ok(description)
    }

    /// What a live node declares.
    pub(crate) fn declared(&self, node: &NodeId) -> Option<&Surface> {
        let conn = self.nodes.live.get(node)?;
        self.connections
            .get(conn)
            .and_then(Connection::open)?
            .surface
            .as_ref()
    }

    /// Permissions that are in force. What a node denies itself needs no approval. 2026.9.6
    fn permissions_of(&self, node: &NodeId, surface: &Surface) -> Option<Value> {
        let newer = self.profile.rules.node_errors_9;
        let unapproved = newer && !self.nodes.records.contains_key(node);
        surface.permissions_json().or_else(|| {
            let declared = self.declared(node).filter(|_| unapproved)?;
            let denied = declared.permissions.iter().flatten();
            let denied = denied.filter(|(_, granted)| !**granted);
            let denied = denied.map(|(name, _)| (name.clone(), Value::Bool(false)));
            Some(Value::Object(denied.collect())).filter(|denied| denied != &json!({}))
        })
    }

    /// Where and what a node is, the first half of its entry.
    fn node_identity_json(&self, node: &NodeId) -> Object {
        let seen = self.nodes.seen.get(node);
        let record = self.nodes.records.get(node);
        let meta = seen
            .and_then(|seen| seen.meta.as_ref())
            .or_else(|| record.map(|record| &record.meta));
        let named = |pick: fn(&NodeMeta) -> Option<String>| meta.and_then(pick);
        Object::new()
            .with("nodeId", node.as_str())
            .maybe("displayName", self.node_name(node))
            .maybe("platform", named(|meta| meta.platform.clone()))
            .maybe("version", named(|meta| meta.version.clone()))
            .maybe("clientId", named(|meta| meta.client_id.clone()))
            .maybe("clientMode", named(|meta| meta.client_mode.clone()))
            .maybe("deviceFamily", named(|meta| meta.device_family.clone()))
            .maybe(
                "modelIdentifier",
                named(|meta| meta.model_identifier.clone()),
            )
            .maybe(
                "remoteIp",
                named(|meta| meta.remote_ip.map(|ip| ip.to_string())),
            )
    }

    fn node_json(&self, node: &NodeId, call: &Call) -> Object {
        let newer = self.profile.rules.node_errors_9;
        let seen = self.nodes.seen.get(node);
        let record = self.nodes.records.get(node);
        let connected = self.nodes.live.contains_key(node);
        let mut surface = self.nodes.effective(node, self.declared(node));
        surface.caps.sort();
        surface.commands.sort();
        let permissions = self.permissions_of(node, &surface);
        let device = self.devices.find(&DeviceId::new(node.as_str()));
        let approved_at = record
            .map(|record| record.approved_at)
            .or_else(|| device.map(|device| device.approved_at));
        let last = seen.and_then(|seen| seen.last.as_ref());
        let object = self
            .node_identity_json(node)
            .with("caps", surface.caps.clone())
            .with("commands", surface.commands.clone())
            .maybe(
                "pathEnv",
                seen.filter(|_| connected)
                    .and_then(|seen| seen.path_env.clone()),
            )
            .when(newer, "sessionHost", false)
            .when(newer && connected, "nodePluginTools", json!([]))
            .maybe("permissions", permissions)
            .with("approvalState", self.nodes.approval_state(node));
        let object = if call.allows(scope::PAIRING) {
            self.pending_json(object, node)
        } else {
            object
        };
        object
            .maybe(
                "connectedAtMs",
                seen.and_then(|seen| seen.connected_at).map(|at| at.0),
            )
            .maybe(
                "lastConnectedAtMs",
                seen.and_then(|seen| seen.connected_at.or(seen.last_connected_at))
                    .filter(|_| newer)
                    .map(|at| at.0),
            )
            .maybe(
                "lastDisconnectedAtMs",
                seen.and_then(|seen| seen.disconnected_at)
                    .filter(|_| newer)
                    .map(|at| at.0),
            )
            .maybe("lastSeenAtMs", last.map(|(at, _)| at.0))
            .maybe("lastSeenReason", last.map(|(_, reason)| reason.clone()))
            .maybe("approvedAtMs", approved_at.map(|at| at.0))
            .with("paired", true)
            .with("connected", connected)
    }

    fn pending_json(&self, object: Object, node: &NodeId) -> Object {
        let Some(pending) = self.nodes.pending_of(node) else {
            return object;
        };
        object
            .with("pendingRequestId", pending.request_id.as_str())
            .with("pendingDeclaredCaps", sorted(&pending.surface.caps))
            .with("pendingDeclaredCommands", sorted(&pending.surface.commands))
            .maybe(
                "pendingDeclaredPermissions",
                pending.surface.permissions_json(),
            )
    }

    /// `nodeSurface` in the device list of 2026.9.6.
    pub(crate) fn node_surface_json(&self, device: &DeviceId) -> Option<Value> {
        let node = NodeId::new(device.as_str());
        let record = self.nodes.records.get(&node)?;
        let seen = self.nodes.seen.get(&node);
        let surface = Object::new()
            .maybe("displayName", record.meta.display_name.clone())
            .maybe("version", record.meta.version.clone())
            .maybe("modelIdentifier", record.meta.model_identifier.clone())
            .with("caps", record.surface.caps.clone())
            .with("commands", record.surface.commands.clone())
            .maybe("permissions", record.surface.permissions_json())
            .with("createdAtMs", record.created_at.0)
            .with("approvedAtMs", record.approved_at.0)
            .maybe(
                "lastConnectedAtMs",
                seen.and_then(|seen| seen.last_connected_at).map(|at| at.0),
            )
            .maybe(
                "lastDisconnectedAtMs",
                seen.and_then(|seen| seen.disconnected_at).map(|at| at.0),
            );
        Some(surface.build())
    }

    pub(crate) fn node_views(&self) -> Vec<NodeView> {
        let view = |node: NodeId| {
            let surface = self.nodes.effective(&node, self.declared(&node));
            NodeView {
                connected: self.nodes.live.contains_key(&node),
                approval_state: self.nodes.approval_state(&node).to_owned(),
                caps: surface.caps,
                commands: surface.commands,
                node_id: node,
            }
        };
        self.node_ids().into_iter().map(view).collect()
    }

    /// ref: gateway-behaviour.md §7.5
    fn node_event(&mut self, now: UnixMillis, call: &Call) -> Value {
        let event = call.text("event");
        let handled = |handled: bool, reason: &str| json!({"ok": true, "event": event, "handled": handled, "reason": reason});
        match event {
            "node.presence.alive" => {
                let Some(trigger) = event_payload(call).and_then(|payload| {
                    payload
                        .get("trigger")
                        .and_then(Value::as_str)
                        .map(str::to_owned)
                }) else {
                    return handled(false, "invalid_payload");
                };
                let seen = self.nodes.seen.entry(node_of(call)).or_default();
                let throttled = seen
                    .alive_at
                    .is_some_and(|at| now.0.saturating_sub(at.0) < ALIVE_EVERY_MS);
                if !throttled {
                    seen.alive_at = Some(now);
                    seen.last = Some((now, trigger));
                }
                handled(true, if throttled { "throttled" } else { "persisted" })
            }
            "exec.finished" | "exec.denied" => handled(false, "unmatched_exec_event"),
            "chat.subscribe" | "chat.unsubscribe" | "voice.transcript" => json!({"ok": true}),
            "node.host.stats" if self.profile.rules.node_errors_9 => {
                let known = event_payload(call).filter(is_host_stats);
                let Some(stats) = known else {
                    return handled(false, "invalid_payload");
                };
                self.host_stats(now, call, stats);
                handled(true, "updated")
            }
            _ if self.profile.rules.node_errors_9 => handled(false, "unsupported_event"),
            _ => json!({"ok": true}),
        }
    }

    fn pending_enqueue(&mut self, now: UnixMillis, call: &Call) -> Result<Value, ErrorShape> {
        let node = NodeId::from(call.text("nodeId"));
        if self.profile.rules.node_errors_9 && !self.nodes.records.contains_key(&node) {
            return Err(pairing_changed(
                "node pairing changed while pending work was active",
            ));
        }
        let kind = call.text("type").to_owned();
        let priority = call
            .params
            .get("priority")
            .and_then(Value::as_str)
            .unwrap_or("normal")
            .to_owned();
        let ttl = call
            .params
            .get("expiresInMs")
            .and_then(Value::as_u64)
            .map_or(WORK_TTL, Duration::from_millis);
        let id = self.entropy.uuid();
        let work = self.nodes.work.entry(node.clone()).or_default();
        let queued = work
            .items
            .iter()
            .find(|item| item["type"] == kind.as_str())
            .cloned();
        let queued = queued.unwrap_or_else(|| {
            let item = json!({
                "id": id,
                "type": kind,
                "priority": priority,
                "createdAtMs": now.0,
                "expiresAtMs": now.plus(ttl).0,
            });
            work.items.push(item.clone());
            work.revision += 1;
            item
        });
        Ok(json!({
            "nodeId": node.as_str(),
            "revision": work.revision,
            "queued": queued,
            "wakeTriggered": false,
        }))
    }

    /// An empty queue yields the baseline entry. Recording 98.
    fn pending_drain(&mut self, now: UnixMillis, call: &Call) -> Value {
        let node = node_of(call);
        let max = call
            .params
            .get("maxItems")
            .and_then(Value::as_u64)
            .unwrap_or(4);
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let work = self.nodes.work.entry(node.clone()).or_default();
        work.items
            .retain(|item| item["expiresAtMs"].as_i64().is_none_or(|at| at > now.0));
        work.items.sort_by_key(|item| item["priority"] != "high");
        let rest = work.items.split_off(max.min(work.items.len()));
        let items = std::mem::replace(&mut work.items, rest);
        if items.is_empty() {
            work.revision = 0;
            let baseline = json!({
                "id": "baseline-status",
                "type": "status.request",
                "priority": "default",
                "createdAtMs": now.0,
                "expiresAtMs": null,
            });
            return json!({"nodeId": node.as_str(), "revision": 0, "items": [baseline], "hasMore": false});
        }
        work.revision += 1;
        // The status of a node is always wanted, so a full answer leaves that one over.
        let more = !work.items.is_empty() || items.len() >= max;
        json!({"nodeId": node.as_str(), "revision": work.revision, "items": items, "hasMore": more})
    }

    fn pending_pull(&self, call: &Call) -> Value {
        let node = node_of(call);
        let actions = self
            .nodes
            .work
            .get(&node)
            .map(|work| work.actions.clone())
            .unwrap_or_default();
        json!({"nodeId": node.as_str(), "actions": actions})
    }

    fn pending_ack(&mut self, call: &Call) -> Value {
        let node = node_of(call);
        let ids = call.params.get("ids").cloned().unwrap_or_default();
        let acked = ids.as_array().cloned().unwrap_or_default();
        let work = self.nodes.work.entry(node.clone()).or_default();
        work.actions.retain(|action| !acked.contains(&action["id"]));
        json!({"nodeId": node.as_str(), "ackedIds": acked, "remainingCount": work.actions.len()})
    }

    fn plugin_surface(&mut self, now: UnixMillis, call: &Call) -> Result<Value, ErrorShape> {
        let surface = call.text("surface").trim().to_owned();
        if surface.is_empty() {
            return Err(invalid("surface required"));
        }
        if surface != "canvas" || self.profile.rules.node_errors_9 {
            let message = format!("{surface} plugin surface unavailable");
            return Err(ErrorShape::new(ErrorCode::Unavailable, message));
        }
        let capability = self.entropy.capability();
        let host = self
            .connections
            .get(&call.conn)
            .and_then(|connection| connection.host.as_deref());
        let host = self.surface_host(host.unwrap_or("127.0.0.1"));
        let url = format!("http://{host}/__openclaw__/cap/{capability}");
        let expires = now.plus(Duration::from_mins(10)).0;
        Ok(
            json!({"surface": surface, "pluginSurfaceUrls": {"canvas": url}, "expiresAtMs": expires}),
        )
    }
}

/// The node that calls.
pub(crate) fn node_of(call: &Call) -> NodeId {
    NodeId::new(call.device.as_ref().map_or("", DeviceId::as_str))
}

pub(crate) fn pairing_changed(message: &str) -> ErrorShape {
    let mut error = ErrorShape::new(ErrorCode::Unavailable, message)
        .with_details(json!({"code": "PAIRING_CHANGED"}));
    error.retryable = Some(true);
    error
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names
}

fn node_echo(call: &Call, name: &str) -> Value {
    let list = call.params.get(name).cloned().unwrap_or_else(|| json!([]));
    Object::new()
        .with("nodeId", node_of(call).as_str())
        .with(name, list)
        .build()
}

/// `payload`, or `payloadJSON` read.
fn event_payload(call: &Call) -> Option<Value> {
    let direct = call
        .params
        .get("payload")
        .filter(|payload| payload.is_object())
        .cloned();
    let text = || {
        serde_json::from_str::<Value>(call.text("payloadJSON"))
            .ok()
            .filter(Value::is_object)
    };
    direct.or_else(text)
}
