//! Controls at work: the gateway's owner at the gateway's own machine.

use std::time::Duration;

use gateway_protocol::{
    ClockFault, DeviceId, Frame, Hand, NodeId, Now, Outgoing, Role, SecretKind, SetupCode,
    SharedToken, UnixMillis,
};
use serde_json::{Value, json};

use crate::config::document::merge;
use crate::connection::Connection;
use crate::control::{Control, ControlError};
use crate::devices::ApprovedVia;
use crate::gateway::{Gateway, Up};
use crate::invoke::{InvokeFailure, Origin};
use crate::lifecycle::Down;
use crate::method::InvokeOrder;
use crate::pairing::PendingDevice;

impl Gateway {
    /// Carries out an order. Drain [`poll`](Self::poll) afterwards.
    ///
    /// # Errors
    /// [`ControlError`] when the order fits nothing; the gateway is then unchanged.
    pub fn control(&mut self, now: Now, command: Control) -> Result<Value, ControlError> {
        let base = now;
        let now = self.local_time(base);
        let result = if let Control::ShiftClock { offset_ms } = command {
            self.set_clock(base, Hand::Wall, ClockFault::OffsetMs(offset_ms))
        } else if let Control::Clock { hand, fault } = command {
            self.set_clock(base, hand, fault)
        } else {
            self.carry_out(now, command)
        };
        for (conn, frame) in std::mem::take(&mut self.closing) {
            self.close(now, conn, frame);
        }
        result
    }

    fn set_clock(
        &mut self,
        base: Now,
        hand: Hand,
        fault: ClockFault,
    ) -> Result<Value, ControlError> {
        self.clock
            .apply(base, hand, fault)
            .map(|()| Value::Null)
            .map_err(|error| ControlError::Refused(error.to_string()))
    }

    #[expect(clippy::too_many_lines, reason = "one entry per order")]
    fn carry_out(&mut self, now: Now, command: Control) -> Result<Value, ControlError> {
        match command {
            Control::Approve { request_id } => self.order_approve(now.wall, &request_id),
            Control::Reject { request_id } => self.order_reject(now.wall, &request_id),
            Control::RemoveDevice { device_id } => self.order_remove_device(&device_id),
            Control::RevokeToken { device_id, role } => {
                self.order_revoke(now.wall, &device_id, role)
            }
            Control::RotateToken {
                device_id,
                role,
                scopes,
            } => self.order_rotate(now.wall, &device_id, role, scopes),
            Control::ApproveNode { request_id } => self.order_approve_node(now.wall, &request_id),
            Control::RejectNode { request_id } => self.order_reject_node(now.wall, &request_id),
            Control::RemoveNode { node_id } => self.order_remove_node(now.wall, &node_id),
            Control::Restart {
                down_for_ms,
                reason,
            } => self.order_restart(now, down_for_ms, reason),
            Control::Stop => {
                self.go_down(now, &Down::Stop);
                Ok(Value::Null)
            }
            Control::Halt => {
                self.go_down(now, &Down::Halt);
                Ok(Value::Null)
            }
            Control::Start if self.boot.up == Up::Restarting => {
                self.timers.clear();
                self.come_back(now, now.since_start);
                Ok(Value::Null)
            }
            Control::Start => Err(ControlError::Refused(
                "it is up, or stopped for good".to_owned(),
            )),
            Control::MintSetupCode {
                url,
                ttl_ms,
                limited,
            } => self.order_setup_code(now.wall, url, ttl_ms, limited),
            Control::RevokeSetupCode { setup_code } => self.order_revoke_setup_code(&setup_code),
            Control::SetSharedToken { token, at_restart } => {
                self.order_shared_token(now, &token, at_restart)
            }
            Control::Reload { config } => self.order_reload(now, &config),
            Control::Invoke {
                node_id,
                command,
                params,
                timeout_ms,
                idempotency_key,
            } => self.order_invoke(now, &node_id, command, params, timeout_ms, idempotency_key),
            Control::InvokeCancel { invoke_id } => self.order_cancel(&invoke_id),
            Control::SendEvent {
                event,
                payload,
                conn,
                role,
                targeted,
            } => self.order_event(&event, &payload, conn, role, targeted),
            Control::SendRaw { conn, text } => {
                self.known(conn)?;
                self.send_raw(conn, Outgoing::Text(text));
                Ok(Value::Null)
            }
            Control::CloseConnections { conn, role, close } => {
                self.order_close(now, conn, role, close.as_ref())
            }
            // Clocks are set against the true time, see `control`.
            Control::ShiftClock { .. } | Control::Clock { .. } => Ok(Value::Null),
            Control::ExpirePending => {
                self.pending_devices.clear();
                self.setup_tokens.clear();
                Ok(Value::Null)
            }
            Control::Mount { behavior } => self.order_mount(*behavior),
            Control::Unmount { name } => self.order_unmount(name),
            Control::Note { name } => {
                self.behaviors.note(&name);
                Ok(Value::Null)
            }
            Control::Bind { values } => {
                self.behaviors.bind(values);
                Ok(Value::Null)
            }
            Control::Captured => Ok(json!(self.behaviors.captures())),
        }
    }

    fn resolve_request(&mut self, now: UnixMillis, given: &str) -> Result<String, ControlError> {
        self.pending_devices.prune(now);
        self.pending_devices
            .resolve(given)
            .ok_or_else(|| ControlError::UnknownRequest {
                given: given.to_owned(),
                pending: self
                    .pending_devices
                    .oldest_first()
                    .iter()
                    .map(|pending| pending.request_id.as_str().to_owned())
                    .collect(),
            })
    }

    fn order_approve(&mut self, now: UnixMillis, given: &str) -> Result<Value, ControlError> {
        let id = self.resolve_request(now, given)?;
        self.approve_request(now, &id, ApprovedVia::Owner)
            .ok_or_else(|| ControlError::UnknownRequest {
                given: given.to_owned(),
                pending: Vec::new(),
            })
    }

    fn order_reject(&mut self, now: UnixMillis, given: &str) -> Result<Value, ControlError> {
        let id = self.resolve_request(now, given)?;
        self.reject_request(now, &id)
            .ok_or_else(|| ControlError::UnknownRequest {
                given: given.to_owned(),
                pending: Vec::new(),
            })
    }

    fn order_remove_device(&mut self, given: &str) -> Result<Value, ControlError> {
        self.remove_device(&DeviceId::from(given))
            .ok_or_else(|| ControlError::UnknownDevice {
                given: given.to_owned(),
            })
    }

    fn order_revoke(
        &mut self,
        now: UnixMillis,
        given: &str,
        role: Role,
    ) -> Result<Value, ControlError> {
        self.revoke_token(now, &DeviceId::from(given), role)
            .ok_or_else(|| ControlError::UnknownDevice {
                given: given.to_owned(),
            })
    }

    fn order_rotate(
        &mut self,
        now: UnixMillis,
        given: &str,
        role: Role,
        scopes: Option<Vec<String>>,
    ) -> Result<Value, ControlError> {
        self.rotate_token(now, &DeviceId::from(given), role, scopes, false)
            .ok_or_else(|| ControlError::UnknownDevice {
                given: given.to_owned(),
            })
    }

    fn resolve_node_request(&self, given: &str) -> Result<String, ControlError> {
        self.nodes
            .resolve(given)
            .ok_or_else(|| ControlError::UnknownRequest {
                given: given.to_owned(),
                pending: self
                    .nodes
                    .pending
                    .iter()
                    .map(|pending| pending.request_id.as_str().to_owned())
                    .collect(),
            })
    }

    fn order_approve_node(&mut self, now: UnixMillis, given: &str) -> Result<Value, ControlError> {
        let id = self.resolve_node_request(given)?;
        self.approve_node(now, &id, false)
            .ok_or_else(|| ControlError::UnknownRequest {
                given: given.to_owned(),
                pending: Vec::new(),
            })
    }

    fn order_reject_node(&mut self, now: UnixMillis, given: &str) -> Result<Value, ControlError> {
        let id = self.resolve_node_request(given)?;
        self.reject_node(now, &id)
            .ok_or_else(|| ControlError::UnknownRequest {
                given: given.to_owned(),
                pending: Vec::new(),
            })
    }

    fn order_remove_node(&mut self, now: UnixMillis, given: &str) -> Result<Value, ControlError> {
        self.remove_node(now, &NodeId::from(given))
            .ok_or_else(|| ControlError::UnknownNode {
                given: given.to_owned(),
            })
    }

    fn order_restart(
        &mut self,
        now: Now,
        down_for_ms: Option<u64>,
        reason: Option<String>,
    ) -> Result<Value, ControlError> {
        if self.boot.up != Up::Running {
            return Err(ControlError::Down);
        }
        let down_for = down_for_ms.map_or(self.profile.restart_down, Duration::from_millis);
        let reason = reason.unwrap_or_else(|| "gateway restarting".to_owned());
        self.go_down(now, &Down::Restart { down_for, reason });
        Ok(json!({"downForMs": u64::try_from(down_for.as_millis()).unwrap_or(u64::MAX)}))
    }

    /// Like an edit of the file that is noticed at once, or only at the next restart.
    fn order_shared_token(
        &mut self,
        now: Now,
        token: &SharedToken,
        at_restart: bool,
    ) -> Result<Value, ControlError> {
        let edit = json!({"gateway": {"auth": {"token": token.expose()}}});
        if !at_restart {
            return self.order_reload(now, &edit).map(|_| Value::Null);
        }
        let mut file = self.file.written.clone();
        merge(&mut file, &edit);
        self.write_file(file)
            .map(|()| Value::Null)
            .map_err(|error| ControlError::Config(error.to_string()))
    }

    fn order_setup_code(
        &mut self,
        now: UnixMillis,
        url: Option<String>,
        ttl_ms: Option<u64>,
        limited: bool,
    ) -> Result<Value, ControlError> {
        let url = url
            .or_else(|| self.config.url_hint.clone())
            .ok_or(ControlError::NoUrl)?;
        let minted = self.mint_setup_code(now, &url, ttl_ms, limited);
        Ok(json!({
            "setupCode": minted.setup_code,
            "url": url,
            "bootstrapToken": minted.bootstrap_token,
            "expiresAtMs": minted.expires_at.0,
            "setupId": minted.setup_id,
        }))
    }

    fn order_revoke_setup_code(&mut self, given: &str) -> Result<Value, ControlError> {
        let latest = || {
            self.setup_tokens
                .latest()
                .map(|setup| setup.token.expose().to_owned())
        };
        let token = if given == "latest" {
            latest()
        } else {
            SetupCode::decode(given)
                .ok()
                .and_then(|code| Some(code.bootstrap_token?.expose().to_owned()))
        };
        token
            .and_then(|token| self.setup_tokens.consume(&token))
            .ok_or(ControlError::UnknownSetupCode)?;
        Ok(Value::Null)
    }

    fn order_invoke(
        &mut self,
        now: Now,
        node_id: &str,
        command: String,
        params: Option<Value>,
        timeout_ms: Option<u64>,
        idempotency_key: Option<String>,
    ) -> Result<Value, ControlError> {
        let node_id = NodeId::from(node_id);
        let unknown = || ControlError::UnknownNode {
            given: node_id.as_str().to_owned(),
        };
        let node_conn = *self.nodes.live.get(&node_id).ok_or_else(unknown)?;
        let idempotency_key = idempotency_key.unwrap_or_else(|| self.entropy.uuid());
        let order = InvokeOrder {
            origin: Origin::Control,
            node_conn,
            node_id,
            command,
            params,
            timeout_ms,
            idempotency_key,
        };
        Ok(json!({"invokeId": self.start_invoke(now, order).as_str()}))
    }

    fn order_cancel(&mut self, given: &str) -> Result<Value, ControlError> {
        let unknown = || ControlError::UnknownInvoke {
            given: given.to_owned(),
        };
        let id = self.invokes.resolve(given).ok_or_else(unknown)?;
        let pending = self.invokes.pending.get(&id).ok_or_else(unknown)?;
        let payload = json!({"invokeId": id.as_str(), "nodeId": pending.node_id.as_str()});
        self.send_event(pending.node_conn, "node.invoke.cancel", payload);
        self.fail_invoke(&id, InvokeFailure::Cancelled);
        Ok(json!({"invokeId": id.as_str()}))
    }

    fn known(&self, conn: u32) -> Result<(), ControlError> {
        let live = self.connections.get(&conn).is_some_and(|connection| {
            connection.open().is_some() || connection.handshake().is_some()
        });
        if live {
            Ok(())
        } else {
            Err(ControlError::UnknownConnection { conn })
        }
    }

    fn order_event(
        &mut self,
        event: &str,
        payload: &Value,
        conn: Option<u32>,
        role: Option<Role>,
        targeted: bool,
    ) -> Result<Value, ControlError> {
        if let Some(conn) = conn {
            self.known(conn)?;
        }
        let wanted: Vec<u32> = self
            .connections
            .iter()
            .filter(|(number, connection)| {
                conn.is_none_or(|conn| conn == **number)
                    && (conn.is_some() || connection.open().is_some())
                    && role
                        .is_none_or(|role| connection.open().is_some_and(|open| open.role == role))
            })
            .map(|(number, _)| *number)
            .collect();
        for number in &wanted {
            let (seq, recipient) = match self.connections.get_mut(number) {
                Some(connection) if !targeted => {
                    connection.seq += 1;
                    (Some(connection.seq), connection.recipient(self.profile))
                }
                Some(_) | None => (None, None),
            };
            let event = gateway_protocol::Event {
                event: event.to_owned(),
                payload: payload.clone(),
                seq,
                state_version: None,
                recipient_profile_id: recipient.map(str::to_owned),
            };
            self.send(*number, Frame::Event(event));
        }
        Ok(json!({"connections": wanted}))
    }

    fn order_close(
        &mut self,
        now: Now,
        conn: Option<u32>,
        role: Option<Role>,
        close: Option<&gateway_protocol::CloseFrame>,
    ) -> Result<Value, ControlError> {
        if let Some(conn) = conn {
            self.known(conn)?;
        }
        let wanted: Vec<u32> = self
            .connections
            .iter()
            .filter(|(number, connection)| {
                conn.is_none_or(|conn| conn == **number)
                    && role
                        .is_none_or(|role| connection.open().is_some_and(|open| open.role == role))
            })
            .map(|(number, _)| *number)
            .collect();
        for number in &wanted {
            match close {
                Some(frame) => self.close(now, *number, frame.clone()),
                None => self.abort(now, *number),
            }
        }
        Ok(json!({"connections": wanted}))
    }

    fn order_mount(&mut self, behavior: crate::behavior::Behavior) -> Result<Value, ControlError> {
        let name = behavior.name.clone();
        self.behaviors
            .mount(behavior)
            .map(|()| Value::Null)
            .map_err(|problem| ControlError::Behavior { name, problem })
    }

    fn order_unmount(&mut self, name: String) -> Result<Value, ControlError> {
        match self.behaviors.unmount(&name) {
            Some(view) => Ok(serde_json::to_value(view).unwrap_or_default()),
            None => Err(ControlError::Behavior {
                name,
                problem: "is not mounted".to_owned(),
            }),
        }
    }

    /// What the gateway believes, without secrets, as of its last input.
    pub fn view(&self) -> crate::view::StateView {
        self.view_at(UnixMillis(i64::MIN))
    }

    /// The same at `now`: without the pairing requests and setup codes that have expired since the last input. A
    /// gateway lets go of them only when somebody asks.
    pub fn view_at(&self, now: UnixMillis) -> crate::view::StateView {
        let true_time = Now {
            since_start: Duration::ZERO,
            wall: now,
        };
        let now = self.local_time(true_time).wall;
        crate::view::StateView {
            profile: self.profile.version.to_owned(),
            up: self.boot.up == Up::Running,
            connections: self.connections.values().map(Connection::view).collect(),
            devices: self
                .devices
                .oldest_first()
                .map(|device| self.device_view(device))
                .collect(),
            pending_devices: self
                .pending_devices
                .oldest_first()
                .iter()
                .filter(|pending| pending.expires_at > now)
                .map(PendingDevice::view)
                .collect(),
            nodes: self.node_views(),
            pending_nodes: self
                .nodes
                .pending
                .iter()
                .map(|pending| crate::view::PendingNodeView {
                    request_id: pending.request_id.clone(),
                    node_id: pending.node_id.clone(),
                    caps: pending.surface.caps.clone(),
                    commands: pending.surface.commands.clone(),
                })
                .collect(),
            invokes: self.invokes.views(),
            behaviors: self.behaviors.views(),
            live_setup_codes: self.setup_tokens.count(now),
            rate_limits: self.limiter.views(),
        }
    }

    /// Mints a setup code. ref: gateway-behaviour.md §5
    pub(crate) fn mint_setup_code(
        &mut self,
        now: UnixMillis,
        url: &str,
        ttl_ms: Option<u64>,
        limited: bool,
    ) -> MintedCode {
        let setup_id = self.entropy.uuid();
        let bootstrap_token = self.mint(SecretKind::BootstrapToken);
        let lifetime = ttl_ms.unwrap_or(self.config.setup_code_ttl_ms);
        let mut ttl_ms = self.config.paced(lifetime);
        if self.has(crate::Mutation::WrongSetupCodeTtl) {
            ttl_ms *= 6;
        }
        let expires_at = crate::pairing::expiry(now, ttl_ms);
        let full = self.profile.bootstrap_scopes.iter();
        let scopes = full
            .filter(|scope| !limited || **scope != gateway_protocol::role::scope::ADMIN)
            .map(|scope| (*scope).to_owned())
            .collect();
        let access = if limited { "limited" } else { "full" };
        self.setup_tokens.mint(
            setup_id.clone(),
            bootstrap_token.clone(),
            expires_at,
            scopes,
            access,
        );
        let code = SetupCode {
            url: Some(url.to_owned()),
            bootstrap_token: Some(gateway_protocol::BootstrapToken::new(
                bootstrap_token.clone(),
            )),
            expires_at_ms: self.profile.rules.setup_rpc.then_some(expires_at.0),
        };
        let setup_code = code.encode();
        self.remember_secret(SecretKind::SetupCode, setup_code.clone());
        MintedCode {
            setup_id,
            setup_code,
            bootstrap_token,
            expires_at,
            access,
        }
    }
}

/// A fresh setup code.
pub(crate) struct MintedCode {
    pub(crate) setup_id: String,
    pub(crate) setup_code: String,
    pub(crate) bootstrap_token: String,
    pub(crate) expires_at: UnixMillis,
    pub(crate) access: &'static str,
}
