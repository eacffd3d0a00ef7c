//! `device.pair.*`, `device.token.*` and `device.scopes.*`. ref: gateway-behaviour.md §5, §6.3, §6.4, §6.6

use gateway_protocol::role::scope_allows;
use gateway_protocol::{CloseFrame, DeviceId, ErrorShape, Now, Role, SecretKind, UnixMillis};
use serde_json::{Value, json};

use crate::connection::{Connection, Granted};
use crate::devices::{ApprovedVia, Device, DeviceSurfaces};
use crate::gateway::{Gateway, ScopeWait};
use crate::json::Object;
use crate::method::{Answer, Call, invalid};
use crate::mutation::Mutation;
use crate::nodes::PendingNode;
use crate::pairing::{Asked, PendingDevice, expiry};
use crate::view::{DeviceView, TokenView};

impl Gateway {
    pub(crate) fn call_device(&mut self, now: Now, call: &Call) -> Answer {
        let at = now.wall;
        self.pending_devices.prune(at);
        match call.method.as_str() {
            "device.pair.list" => Ok(self.device_list(call)).into(),
            "device.pair.approve" => self.device_approve(at, call).into(),
            "device.pair.reject" => self.device_reject(at, call).into(),
            "device.pair.remove" => self.device_remove(call).into(),
            "device.pair.rename" => self.device_rename(call).into(),
            "device.token.rotate" => self.device_rotate(at, call).into(),
            "device.token.revoke" => self.device_revoke(at, call).into(),
            "device.pair.setupCode" => self.device_setup_code(at, call).into(),
            "device.pair.setupStatus" => Ok(self.device_setup_status(call)).into(),
            "device.scopes.requestUpgrade" => self.scopes_request(at, call).into(),
            "device.scopes.waitUpgrade" => self.scopes_wait(call),
            _ => self.made_up(call),
        }
    }

    fn device_list(&self, call: &Call) -> Value {
        let pending = self.pending_devices.oldest_first().iter().rev();
        let pending: Vec<Value> = pending
            .filter(|pending| !call.is_foreign(&pending.device_id))
            .map(PendingDevice::to_json)
            .collect();
        let devices = self.devices.newest_first();
        let paired: Vec<Value> = devices
            .into_iter()
            .filter(|device| !call.is_foreign(&device.id))
            .map(|device| self.device_json(device, true))
            .collect();
        json!({"pending": pending, "paired": paired})
    }

    fn device_json(&self, device: &Device, listed: bool) -> Value {
        let rich = self.profile.rules.rich_lists;
        let node = gateway_protocol::NodeId::new(device.id.as_str());
        let surfaces = if rich {
            let pending = self
                .nodes
                .pending_of(&node)
                .map(PendingNode::to_surface_json);
            DeviceSurfaces {
                approved: self.node_surface_json(&device.id),
                pending,
            }
        } else {
            DeviceSurfaces::default()
        };
        let connected = (rich && listed).then(|| self.is_connected(&device.id));
        device.to_json(rich, surfaces, connected)
    }

    pub(crate) fn is_connected(&self, device: &DeviceId) -> bool {
        self.connections.values().any(|connection| {
            connection
                .open()
                .is_some_and(|open| open.device.as_ref() == Some(device))
        })
    }

    fn device_approve(&mut self, now: UnixMillis, call: &Call) -> Result<Value, ErrorShape> {
        let id = call.text("requestId");
        let Some(pending) = self.pending_devices.find(id) else {
            return Err(invalid("unknown requestId"));
        };
        if !self.has(Mutation::ApproverNotChecked) {
            check_may_approve(call, pending, self.devices.find(&pending.device_id))?;
        }
        self.approve_request(now, id, ApprovedVia::Owner)
            .ok_or_else(|| invalid("unknown requestId"))
    }

    /// Approves a pending request; `None` when there is none of that id.
    pub(crate) fn approve_request(
        &mut self,
        now: UnixMillis,
        id: &str,
        via: ApprovedVia,
    ) -> Option<Value> {
        let pending = self.pending_devices.take(id)?;
        self.approve(now, &pending, via);
        self.end_scope_waits(id, true);
        let device = self.devices.find(&pending.device_id)?;
        Some(json!({"requestId": id, "device": self.device_json(device, false)}))
    }

    fn device_reject(&mut self, now: UnixMillis, call: &Call) -> Result<Value, ErrorShape> {
        let id = call.text("requestId");
        let Some(pending) = self.pending_devices.find(id) else {
            return Err(invalid("unknown requestId"));
        };
        if call.is_foreign(&pending.device_id) {
            return Err(invalid("device pairing rejection denied"));
        }
        self.reject_request(now, id)
            .ok_or_else(|| invalid("unknown requestId"))
    }

    /// Rejects a pending request; its setup code dies with it. ref: gateway-behaviour.md §5.2
    pub(crate) fn reject_request(&mut self, now: UnixMillis, id: &str) -> Option<Value> {
        let pending = self.pending_devices.take(id)?;
        self.setup_tokens.revoke_of(&pending.device_id);
        self.tell_pairing("device.pair.resolved", &pending.resolved("rejected", now));
        self.end_scope_waits(id, false);
        self.log(None, format!("pairing request {id} rejected"));
        Some(json!({"requestId": id, "deviceId": pending.device_id.as_str()}))
    }

    fn device_remove(&mut self, call: &Call) -> Result<Value, ErrorShape> {
        let id = DeviceId::from(call.text("deviceId"));
        if call.is_foreign(&id) {
            return Err(invalid("device pairing removal denied"));
        }
        self.remove_device(&id)
            .ok_or_else(|| invalid("unknown deviceId"))
    }

    /// Removes a device with everything it had; live connections close 4001.
    pub(crate) fn remove_device(&mut self, id: &DeviceId) -> Option<Value> {
        self.devices.remove(id)?;
        self.pending_devices.drop_of(id);
        self.nodes
            .remove(&gateway_protocol::NodeId::new(id.as_str()));
        self.close_device(id, None);
        self.log(None, format!("device {id} removed"));
        Some(json!({"deviceId": id.as_str()}))
    }

    /// Marks a device's connections for closing once the current answer is out.
    pub(crate) fn close_device(&mut self, id: &DeviceId, role: Option<Role>) {
        for (conn, connection) in &self.connections {
            let hit = connection.open().is_some_and(|open| {
                open.device.as_ref() == Some(id) && role.is_none_or(|role| role == open.role)
            });
            if hit {
                self.closing
                    .push((*conn, CloseFrame::new(4001, "device removed")));
            }
        }
    }

    fn device_rename(&mut self, call: &Call) -> Result<Value, ErrorShape> {
        let (id, label) = (DeviceId::from(call.text("deviceId")), call.text("label"));
        let device = self
            .devices
            .find_mut(&id)
            .ok_or_else(|| invalid("unknown deviceId"))?;
        device.label = Some(label.to_owned());
        self.tell_pairing("device.pair.changed", &json!({}));
        Ok(json!({"deviceId": id.as_str(), "label": label}))
    }

    fn device_rotate(&mut self, now: UnixMillis, call: &Call) -> Result<Value, ErrorShape> {
        let denied = || invalid("device token rotation denied");
        let id = DeviceId::from(call.text("deviceId"));
        let role = Role::parse(call.text("role")).ok_or_else(denied)?;
        let scopes: Option<Vec<String>> =
            call.params
                .get("scopes")
                .and_then(Value::as_array)
                .map(|scopes| {
                    scopes
                        .iter()
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect()
                });
        if !self.may_handle_token(call, &id, role) {
            return Err(denied());
        }
        let own = call.device.as_ref() == Some(&id) && call.granted == Granted::DeviceToken;
        self.rotate_token(now, &id, role, scopes, own)
            .ok_or_else(denied)
    }

    /// Replaces a token; `None` for an unknown device or role, a revoked token, or scopes beyond the approved ones.
    pub(crate) fn rotate_token(
        &mut self,
        now: UnixMillis,
        id: &DeviceId,
        role: Role,
        scopes: Option<Vec<String>>,
        reveal: bool,
    ) -> Option<Value> {
        let device = self.devices.find(id)?;
        device
            .tokens
            .get(&role)
            .filter(|token| token.revoked_at.is_none())?;
        let scopes = match scopes {
            Some(scopes) if !device.covers(&scopes) => return None,
            Some(scopes) => gateway_protocol::role::with_implied(&scopes),
            None => device.token_scopes(role),
        };
        let value = self.mint(SecretKind::DeviceToken);
        let token = self.devices.find_mut(id)?.tokens.get_mut(&role)?;
        token.reissue(value.clone(), scopes.clone(), now);
        if !self.has(Mutation::RotationKeepsConnections) {
            self.close_device(id, Some(role));
        }
        self.log(None, format!("{role} token of device {id} rotated"));
        let delivery = if reveal {
            "in-band"
        } else {
            "withheld-cross-device"
        };
        let answer = Object::new()
            .with("deviceId", id.as_str())
            .with("role", role.as_str())
            .with("scopes", scopes)
            .with("rotatedAtMs", now.0)
            .maybe("token", reveal.then_some(value))
            .when(self.profile.rules.rich_lists, "tokenDelivery", delivery);
        Some(answer.build())
    }

    fn device_revoke(&mut self, now: UnixMillis, call: &Call) -> Result<Value, ErrorShape> {
        let denied = || invalid("device token revocation denied");
        let id = DeviceId::from(call.text("deviceId"));
        let role = Role::parse(call.text("role")).ok_or_else(denied)?;
        if !self.may_handle_token(call, &id, role) {
            return Err(denied());
        }
        self.revoke_token(now, &id, role).ok_or_else(denied)
    }

    /// Revokes a token; `None` for an unknown device or role.
    pub(crate) fn revoke_token(
        &mut self,
        now: UnixMillis,
        id: &DeviceId,
        role: Role,
    ) -> Option<Value> {
        let token = self.devices.find_mut(id)?.tokens.get_mut(&role)?;
        let revoked_at = *token.revoked_at.get_or_insert(now);
        self.close_device(id, Some(role));
        self.log(None, format!("{role} token of device {id} revoked"));
        Some(json!({"deviceId": id.as_str(), "role": role.as_str(), "revokedAtMs": revoked_at.0}))
    }

    /// Admins handle every token; others their own device's, or operator tokens that can do no more than they can.
    /// ref: gateway-behaviour.md §6.4, recording 102
    fn may_handle_token(&self, call: &Call, id: &DeviceId, role: Role) -> bool {
        if call.is_admin() || call.confined_to.as_ref() == Some(id) {
            return true;
        }
        let token = self
            .devices
            .find(id)
            .and_then(|device| device.tokens.get(&role));
        let weaker = token.is_some_and(|token| {
            token
                .scopes
                .iter()
                .all(|scope| scope_allows(&call.scopes, scope))
        });
        role == Role::Operator && weaker && !call.is_foreign(id)
    }

    fn device_setup_code(&mut self, now: UnixMillis, call: &Call) -> Result<Value, ErrorShape> {
        let Some(url) = call
            .params
            .get("publicUrl")
            .and_then(Value::as_str)
            .map(str::to_owned)
        else {
            return Err(invalid(
                "Gateway is only bound to loopback. Set gateway.bind=lan, enable tailscale serve, or configure \
                 plugins.entries.device-pair.config.publicUrl.",
            ));
        };
        if is_public_plain(&url) {
            return Err(invalid(
                "Tailscale and public mobile pairing require a secure gateway URL (wss://) or Tailscale \
                 Serve/Funnel. Resolved source: plugins.entries.device-pair.config.publicUrl. Fix: use a private \
                 LAN address, prefer gateway.tailscale.mode=serve, or set gateway.remote.url / \
                 plugins.entries.device-pair.config.publicUrl to a wss:// URL. ws:// is only valid for localhost, \
                 private LAN addresses, .local hosts, or the Android emulator.",
            ));
        }
        let limited = call.text("bootstrapProfile") == "limited";
        // Full access is not handed out over a network in clear text. Flow setup/over-rpc.
        let downgraded = !limited && !is_secure(&url) && !is_on_this_machine(&url);
        let minted = self.mint_setup_code(now, &url, None, limited || downgraded);
        Ok(Object::new()
            .with("setupId", minted.setup_id)
            .with("expiresAtMs", minted.expires_at.0)
            .with("setupCode", minted.setup_code)
            .with("gatewayUrl", url)
            .with("auth", self.config.auth.mode.as_str())
            .with("urlSource", "request.publicUrl")
            .with("access", minted.access)
            .when(downgraded, "accessDowngraded", true)
            .build())
    }

    fn device_setup_status(&self, call: &Call) -> Value {
        let completion = self.completed_setups.get(call.text("setupId")).cloned();
        Object::new().maybe("completion", completion).build()
    }

    fn scopes_request(&mut self, now: UnixMillis, call: &Call) -> Result<Value, ErrorShape> {
        let device = call.device.as_ref().and_then(|id| self.devices.find(id));
        let Some(device) = device else {
            return Err(invalid("device identity required"));
        };
        let scopes = call
            .params
            .get("scopes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let incoming = PendingDevice {
            request_id: self.entropy.uuid().into(),
            device_id: device.id.clone(),
            public_key: device.public_key.clone(),
            display_name: device.display_name.clone(),
            platform: device.platform.clone(),
            device_family: device.device_family.clone(),
            client_id: device.client_id.clone(),
            client_mode: device.client_mode.clone(),
            role: Role::Operator,
            roles: vec![Role::Operator],
            scopes: scopes
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            remote_ip: device.remote_ip,
            silent: false,
            is_repair: true,
            ts: now,
            expires_at: expiry(now, self.config.pairing_ttl_ms()),
        };
        let pending = match self.pending_devices.ask(incoming, true) {
            Asked::Again(pending) => pending,
            Asked::New { pending, .. } => {
                self.tell_pairing("device.pair.requested", &pending.to_json());
                pending
            }
        };
        Ok(json!({"requestId": pending.request_id.as_str()}))
    }

    /// The answer is kept back until somebody decides. Recording 81.
    fn scopes_wait(&mut self, call: &Call) -> Answer {
        let id = call.text("requestId").to_owned();
        let Some(pending) = self.pending_devices.find(&id) else {
            return Answer::error("unknown requestId");
        };
        if Some(&pending.device_id) != call.device.as_ref() {
            return Answer::error("unknown requestId");
        }
        self.scope_waits.push(ScopeWait {
            request_id: id,
            conn: call.conn,
            id: call.id.clone(),
        });
        Answer::Later
    }

    /// Answers those who wait for a request. No recording shows a rejection; the shape is the approval's.
    fn end_scope_waits(&mut self, request_id: &str, approved: bool) {
        let (done, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.scope_waits)
            .into_iter()
            .partition(|wait| wait.request_id == request_id);
        self.scope_waits = rest;
        for wait in done {
            let open = self.connections.get(&wait.conn).and_then(Connection::open);
            let device = open.and_then(|open| self.devices.find(open.device.as_ref()?));
            let token = device
                .and_then(|device| device.tokens.get(&Role::Operator))
                .filter(|_| approved);
            let answer = Object::new()
                .with("status", if approved { "approved" } else { "rejected" })
                .with("requestId", request_id)
                .maybe("deviceToken", token.map(|token| token.value.expose()))
                .maybe("scopes", token.map(|token| token.scopes.clone()));
            self.respond(wait.conn, &wait.id, Ok(answer.build()));
        }
    }

    pub(crate) fn device_view(&self, device: &Device) -> DeviceView {
        let tokens = device.tokens.iter().map(|(role, token)| TokenView {
            role: *role,
            scopes: token.scopes.clone(),
            created_at_ms: token.created_at.0,
            rotated_at_ms: token.rotated_at.map(|at| at.0),
            revoked_at_ms: token.revoked_at.map(|at| at.0),
        });
        DeviceView {
            device_id: device.id.clone(),
            display_name: device.display_name.clone(),
            platform: device.platform.clone(),
            roles: device.roles.clone(),
            scopes: device.scopes.clone(),
            tokens: tokens.collect(),
            approved_via: device.approved_via.as_str().to_owned(),
            created_at_ms: device.created_at.0,
            approved_at_ms: device.approved_at.0,
            connected: self.is_connected(&device.id),
        }
    }
}

/// Whether a URL leads over the open network without TLS. Seen by the flow setup/over-rpc.
fn is_public_plain(url: &str) -> bool {
    let host = host_of(url);
    let near = match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(std::net::IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        Err(_) => {
            host == "localhost" || host.to_ascii_lowercase().rsplit('.').next() == Some("local")
        }
    };
    !is_secure(url) && !near
}

fn is_secure(url: &str) -> bool {
    url.starts_with("wss://") || url.starts_with("https://")
}

fn is_on_this_machine(url: &str) -> bool {
    let host = host_of(url);
    let ip = host.parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// The host of a URL, without the brackets of an IPv6 address.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => authority,
    };
    host.trim_matches(['[', ']'])
}

/// The approver must hold every operator scope that the new token will have: those asked for and those that the
/// device has already. ref: gateway-behaviour.md §6.4; the second half seen with `openclaw devices approve` 2026.6.34.
fn check_may_approve(
    call: &Call,
    pending: &PendingDevice,
    known: Option<&Device>,
) -> Result<(), ErrorShape> {
    let denied = || invalid("device pairing approval denied");
    if call.is_foreign(&pending.device_id) {
        return Err(denied());
    }
    let held = known
        .filter(|_| pending.roles.contains(&Role::Operator))
        .map(|device| device.token_scopes(Role::Operator));
    // Sorted, so admin is missed first. Recording 77
    let asked = gateway_protocol::role::with_implied(&pending.scopes);
    let mut needed = asked.iter().chain(held.iter().flatten());
    let missing = needed.find(|scope| scope.starts_with("operator.") && !call.allows(scope));
    if let Some(scope) = missing {
        return Err(invalid(&format!("missing scope: {scope}")));
    }
    if pending.roles.contains(&Role::Node) && !call.is_admin() {
        return Err(denied());
    }
    Ok(())
}
