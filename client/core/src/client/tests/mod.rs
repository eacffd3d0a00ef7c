//! A bench for the client: its shell, its disk and its gateway, all scripted, all in one thread.

#![expect(
    clippy::needless_pass_by_value,
    clippy::wildcard_enum_match_arm,
    reason = "a scripted gateway reads best with json!() as arguments, and a test looks for one event"
)]

mod bootstrap;
mod connect;
mod ensure;
mod foreign_approval;
mod invokes;
mod lifecycle;
mod model;
#[cfg(feature = "mutants")]
mod mutants;
mod ownership;
mod pairing;
mod properties;
mod reconnect;
mod recovery;
mod repair;
mod shared_token;
mod tunnel;

use std::collections::BTreeMap;
use std::time::Duration;

use gateway_protocol::{BootstrapToken, DeviceToken, Now, Outgoing, Role, SharedToken, UnixMillis};
use serde_json::{Value, json};

use crate::client::Client;
use crate::{
    ClientEvent, ClientOptions, DurableState, GatewayRecord, Identity, Inbound, Input, Intent,
    IntentOutcome, InvokeRequest, ManagedEndpoint, Output, Policy, RepairId, SocketId, SshTunnel,
    StoreError, StoreOp, TunnelId,
};

pub(super) const EPOCH: UnixMillis = UnixMillis(1_767_225_600_000);
pub(super) const CHALLENGE_TS: i64 = 1_700_000_000_123;

/// A record as a test wants it.
pub(super) fn record(shared: Option<&str>, bootstrap: Option<&str>) -> GatewayRecord {
    let mut record = GatewayRecord::new("g", "ws://gateway.example:18789");
    record.shared_gateway_token = shared.map(SharedToken::new);
    record.bootstrap_token = bootstrap.map(BootstrapToken::new);
    record
}

/// An identity with the given role tokens.
pub(super) fn identity(operator: Option<&str>, node: Option<&str>) -> Identity {
    let mut identity = Identity::from_seed([9; 32], UnixMillis(1));
    identity.set_token(Role::Operator, operator.map(DeviceToken::new), None);
    identity.set_token(Role::Node, node.map(DeviceToken::new), None);
    identity
}

pub(super) fn disk(record: GatewayRecord, identity: Option<Identity>) -> DurableState {
    let mut state = DurableState::default();
    state.registry.active_id = Some(record.id.clone());
    if let Some(identity) = identity {
        state.identities.insert(record.id.clone(), identity);
    }
    state.registry.upsert(record);
    state
}

#[derive(Debug)]
pub(super) struct Socket {
    pub(super) role: Role,
    pub(super) url: String,
    pub(super) live: bool,
    pub(super) ended: Option<String>,
    pub(super) sent: Vec<Value>,
}

pub(super) struct Bench {
    pub(super) client: Client,
    pub(super) now: Duration,
    pub(super) sockets: BTreeMap<SocketId, Socket>,
    pub(super) events: Vec<ClientEvent>,
    pub(super) ops: Vec<StoreOp>,
    pub(super) invokes: Vec<InvokeRequest>,
    /// Tunnels that run or start, and where they lead.
    pub(super) tunnels: BTreeMap<TunnelId, SshTunnel>,
    /// Ports that were tried for repairs.
    pub(super) probes: Vec<(RepairId, u16)>,
    /// Services that were to be restarted.
    pub(super) restarts: Vec<(RepairId, ManagedEndpoint)>,
    /// Which writes fail.
    pub(super) fails: fn(&StoreOp) -> bool,
    /// Keeps answers to store operations back.
    pub(super) held: Option<Vec<StoreOp>>,
}

impl Bench {
    pub(super) fn new(policy: Policy, state: DurableState) -> Self {
        let options = ClientOptions {
            policy,
            ..ClientOptions::default()
        };
        Self::with(options, state)
    }

    pub(super) fn with(options: ClientOptions, state: DurableState) -> Self {
        let client = Client::new(options, state, Now::at(Duration::ZERO, EPOCH));
        Self {
            client,
            now: Duration::ZERO,
            sockets: BTreeMap::new(),
            events: Vec::new(),
            ops: Vec::new(),
            invokes: Vec::new(),
            tunnels: BTreeMap::new(),
            probes: Vec::new(),
            restarts: Vec::new(),
            fails: |_| false,
            held: None,
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        self.client.handle(Now::at(self.now, EPOCH), input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll() {
            match output {
                Output::Open {
                    socket, role, url, ..
                } => {
                    let fresh = Socket {
                        role,
                        url,
                        live: true,
                        ended: None,
                        sent: Vec::new(),
                    };
                    assert!(
                        self.sockets.insert(socket, fresh).is_none(),
                        "socket id used twice"
                    );
                }
                Output::Send { socket, message } => {
                    let socket = self
                        .sockets
                        .get_mut(&socket)
                        .expect("a socket that was opened");
                    let Outgoing::Frame(frame) = message else {
                        panic!("only frames are sent")
                    };
                    socket.sent.push(frame.to_value());
                }
                Output::Close {
                    socket,
                    code,
                    reason,
                } => self.end(socket, format!("{code} {reason}")),
                Output::Abort { socket } => self.end(socket, "abort".to_owned()),
                Output::Store { op } => self.store(op),
                Output::StartTunnel { tunnel, spec, .. } => {
                    assert!(self.tunnels.insert(tunnel, spec).is_none());
                }
                Output::StopTunnel { tunnel } => drop(self.tunnels.remove(&tunnel)),
                Output::ProbePort { repair, port } => self.probes.push((repair, port)),
                Output::RestartService { repair, endpoint } => {
                    self.restarts.push((repair, endpoint));
                }
                Output::Event(event) => self.events.push(event),
                Output::Invoke(invoke) => self.invokes.push(invoke),
                Output::InvokeCancel { .. } => {}
            }
        }
    }

    fn store(&mut self, op: StoreOp) {
        self.ops.push(op.clone());
        match &mut self.held {
            Some(held) => held.push(op),
            None => self.answer(op),
        }
    }

    pub(super) fn answer(&mut self, op: StoreOp) {
        let result = if (self.fails)(&op) {
            Err(StoreError::Write("disk full".to_owned()))
        } else {
            Ok(())
        };
        self.client
            .handle(Now::at(self.now, EPOCH), Input::Stored { op, result });
    }

    fn end(&mut self, socket: SocketId, how: String) {
        if let Some(socket) = self.sockets.get_mut(&socket) {
            socket.live = false;
            socket.ended = Some(how);
        }
    }

    pub(super) fn intent(&mut self, intent: Intent) {
        self.input(Input::User(intent));
    }

    /// The live socket of a role that was opened last.
    pub(super) fn socket(&self, role: Role) -> SocketId {
        *self
            .sockets
            .iter()
            .rfind(|(_, it)| it.role == role && it.live)
            .expect("a live socket of this role")
            .0
    }

    pub(super) fn live_sockets(&self, role: Role) -> usize {
        self.sockets
            .values()
            .filter(|it| it.role == role && it.live)
            .count()
    }

    pub(super) fn opened(&self, role: Role) -> usize {
        self.sockets.values().filter(|it| it.role == role).count()
    }

    /// Upgrade, challenge, and the params of the connect frame that answers it.
    pub(super) fn challenge(&mut self, socket: SocketId) -> Value {
        self.input(Input::Opened { socket });
        self.event(
            socket,
            "connect.challenge",
            json!({"nonce": format!("n-{}", socket.0), "ts": CHALLENGE_TS}),
        );
        self.sent(socket, "connect")
            .first()
            .expect("a connect frame")["params"]
            .clone()
    }

    pub(super) fn event(&mut self, socket: SocketId, event: &str, payload: Value) {
        self.text(
            socket,
            &json!({"type": "event", "event": event, "payload": payload}),
        );
    }

    pub(super) fn text(&mut self, socket: SocketId, frame: &Value) {
        self.input(Input::Message {
            socket,
            message: Inbound::Text(frame.to_string()),
        });
    }

    /// Frames of one method, as they were sent.
    pub(super) fn sent(&self, socket: SocketId, method: &str) -> Vec<Value> {
        let sent = self.sockets[&socket].sent.iter();
        sent.filter(|frame| frame["method"] == method)
            .cloned()
            .collect()
    }

    /// Answers the last request of a method.
    pub(super) fn ok(&mut self, socket: SocketId, method: &str, payload: Value) {
        let id = self.sent(socket, method).last().expect("the request")["id"].clone();
        self.text(
            socket,
            &json!({"type": "res", "id": id, "ok": true, "payload": payload}),
        );
    }

    pub(super) fn refuse(&mut self, socket: SocketId, method: &str, error: Value) {
        let id = self.sent(socket, method).last().expect("the request")["id"].clone();
        self.text(
            socket,
            &json!({"type": "res", "id": id, "ok": false, "error": error}),
        );
    }

    pub(super) fn closed(&mut self, socket: SocketId, code: u16, reason: &str) {
        self.end(socket, format!("gateway {code}"));
        self.input(Input::Closed {
            socket,
            code: Some(code),
            reason: reason.to_owned(),
        });
    }

    /// A refused connect as gateways do it: the response, then the close.
    pub(super) fn refuse_connect(&mut self, socket: SocketId, error: Value) {
        let message = error["message"].as_str().unwrap_or_default().to_owned();
        self.refuse(socket, "connect", error);
        self.closed(socket, 1008, &message);
    }

    /// Moves time, waking the client at each of its deadlines.
    pub(super) fn elapse(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(at) = self.client.wake_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.input(Input::Woke);
        }
        self.now = end;
        self.input(Input::Woke);
    }

    /// Operator hello-ok with these auth members.
    pub(super) fn hello(&mut self, socket: SocketId, auth: Value) {
        let payload = json!({"type": "hello-ok", "protocol": 4, "server": {"version": "2026.6.34"}, "auth": auth,
            "policy": {"tickIntervalMs": 30000}});
        self.ok(socket, "connect", payload);
    }

    /// The socket of a role from open to hello-ok; returns the socket and the connect params.
    pub(super) fn complete(&mut self, role: Role, auth: Value) -> (SocketId, Value) {
        let socket = self.socket(role);
        let params = self.challenge(socket);
        self.hello(socket, auth);
        (socket, params)
    }

    /// Both roles connected with admin.
    pub(super) fn ready(&mut self) -> (SocketId, SocketId) {
        self.intent(Intent::Connect);
        let (operator, _) = self.complete(Role::Operator, admin("op-token"));
        let (node, _) = self.complete(Role::Node, json!({"deviceToken": "node-token"}));
        (operator, node)
    }

    pub(super) fn outcome(&self) -> (IntentOutcome, Option<String>) {
        let done = self.events.iter().rev().find_map(|event| match event {
            ClientEvent::IntentDone { outcome, error, .. } => Some((*outcome, error.clone())),
            _ => None,
        });
        done.expect("an intent that ended")
    }

    pub(super) fn diagnosed(&self, wanted: &str) -> bool {
        self.events.iter().any(|event| matches!(event, ClientEvent::Diagnostic { message, .. } if message.contains(wanted)))
    }

    pub(super) fn stored_record(&self) -> &GatewayRecord {
        self.client
            .durable()
            .registry
            .find("g")
            .expect("the record")
    }

    pub(super) fn stored_token(&self, role: Role) -> Option<&str> {
        self.client
            .durable()
            .identities
            .get("g")
            .and_then(|identity| identity.token(role))
    }
}

pub(super) fn admin(token: &str) -> Value {
    json!({"role": "operator", "scopes": ["operator.admin", "operator.pairing", "operator.read", "operator.write"],
        "deviceToken": token})
}

pub(super) fn auth_keys(params: &Value) -> Vec<String> {
    params["auth"]
        .as_object()
        .expect("auth")
        .keys()
        .cloned()
        .collect()
}

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// `NOT_PAIRED` as both roles understand it.
pub(super) fn not_paired(request_id: &str) -> Value {
    json!({"code": "NOT_PAIRED", "message": "pairing required: device is not approved yet",
        "details": {"code": "PAIRING_REQUIRED", "reason": "not-paired", "requestId": request_id}})
}

pub(super) fn unauthorized(code: &str, message: &str) -> Value {
    json!({"code": "INVALID_REQUEST", "message": message, "details": {"code": code}})
}
