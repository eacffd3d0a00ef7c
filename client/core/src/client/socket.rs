//! One socket from open to end, for any slot, and the loop that opens the next. ref: client-behaviour.md §7, §8, §10

use std::time::Duration;

use gateway_protocol::{Frame, Outgoing, Request};
use serde_json::{Value, json};

use crate::client::Client;
use crate::client::connection::{Phase, Slot};
use crate::client::timers::Timer;
use crate::credential::CredentialSource;
use crate::event::DiagnosticCategory as Category;
use crate::handshake::{Challenge, ConnectParts};
use crate::hello::{Hello, is_hello};
use crate::identity::{IDENTITY_RECOVERY, Identity};
use crate::input::{Inbound, SocketId};
use crate::mutation::Mutation;
use crate::output::Output;
use crate::refusal::Refusal;
use crate::state::{NodeTrigger, OperatorTrigger};

/// Silence limit while a hello-ok has not told the tick interval.
pub(super) const DEFAULT_SILENCE: Duration = Duration::from_mins(1);

impl Client {
    /// Opens the next socket of a connection.
    pub(super) fn open_socket(&mut self, slot: Slot) {
        self.last_socket += 1;
        let socket = SocketId(self.last_socket);
        let Some(connection) = self.connection_mut(slot) else {
            return;
        };
        connection.phase = Phase::Opening { socket };
        connection.sockets += 1;
        connection.unsupported.clear();
        let target = connection.target.clone();
        self.diagnose_with(
            Category::Websocket,
            "WebSocket connecting",
            Some(describe(slot, &target.display())),
        );
        self.outputs.push_back(Output::Open {
            socket,
            role: slot.role(),
            url: target.socket_url(),
            origin: target.origin(),
            basic: target.userinfo.map(|text| {
                if text.contains(':') {
                    text
                } else {
                    format!("{text}:")
                }
            }),
        });
    }

    pub(super) fn attempt(&mut self, slot: Slot, serial: u64) {
        let due = |it: &crate::client::connection::Connection| {
            it.serial == serial && it.may_retry() && matches!(it.phase, Phase::Waiting)
        };
        if !self.connection(slot).is_some_and(due) {
            return;
        }
        match self.authorize_again(slot) {
            Ok(()) => self.open_socket(slot),
            Err(denied) => {
                // Nobody tries again by himself until the endpoint is proven. ref: §7.1 (3)
                self.stop_loop(slot);
                if let Some(connection) = self.connection_mut(slot) {
                    connection.phase = Phase::Stopped;
                }
                self.denied(slot, denied);
            }
        }
    }

    pub(super) fn on_opened(&mut self, socket: SocketId) {
        let Some(slot) = self.slot_of(socket) else {
            // A dial that finishes after its connection was replaced closes itself. field-bugs.md 90
            self.abort(socket);
            return;
        };
        let heard_at = self.now.since_start;
        if let Some(connection) = self
            .connection_mut(slot)
            .filter(|it| matches!(it.phase, Phase::Opening { .. }))
        {
            connection.phase = Phase::Open { socket };
            connection.heard_at = heard_at;
            self.diagnose_with(
                Category::Websocket,
                "WebSocket connected",
                Some(describe(slot, "open")),
            );
            if slot == Slot::Operator {
                self.operator_trigger(OperatorTrigger::WebSocketConnected);
            }
            if self.options.has(Mutation::SendBeforeConnect) {
                let id = self.new_request_id();
                self.send_request(socket, &id, "health", None);
            }
            if slot == Slot::Operator && self.options.has(Mutation::NodeBeforeOperator) {
                self.start_node();
            }
        }
    }

    pub(super) fn on_open_failed(&mut self, socket: SocketId, error: &str) {
        let Some(slot) = self.slot_of(socket) else {
            return;
        };
        self.diagnose_with(
            Category::Websocket,
            "WebSocket error",
            Some(describe(slot, error)),
        );
        match slot {
            Slot::Operator => self.operator_socket_failed(error),
            Slot::Node => self.node_socket_failed(error),
            Slot::Validation => return self.validation_failed("Shared token validation failed"),
        }
        self.ended(slot);
    }

    pub(super) fn on_closed(&mut self, socket: SocketId, code: Option<u16>, reason: &str) {
        let Some(slot) = self.slot_of(socket) else {
            return;
        };
        let code_text = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        let detail = describe(slot, &format!("code={code_text}; reason={reason}"));
        self.diagnose_with(Category::Websocket, "WebSocket disconnected", Some(detail));
        self.fail_requests(socket, code, reason);
        match slot {
            Slot::Operator => self.operator_socket_closed(code, reason),
            Slot::Node => self.node_socket_closed(),
            Slot::Validation => return self.validation_failed("Shared token validation failed"),
        }
        if code == Some(1012) && self.options.has(Mutation::ZombieAfterRestart) {
            self.stop_loop(slot);
        }
        self.ended(slot);
    }

    /// The socket of this slot is gone: schedule the next attempt, or end the loop.
    pub(super) fn ended(&mut self, slot: Slot) {
        let may_retry = self
            .connection(slot)
            .is_some_and(|it| it.may_retry() && it.is_running());
        let pairing = self.operator_is_pairing() && slot == Slot::Operator;
        if !may_retry || (pairing && self.options.has(Mutation::StopWhilePairing)) {
            if let Some(connection) = self.connection_mut(slot) {
                connection.phase = Phase::Stopped;
            }
            return;
        }
        let delay = self.next_delay(slot, pairing);
        let at = self.after(delay);
        let Some(connection) = self.connection_mut(slot) else {
            return;
        };
        connection.phase = Phase::Waiting;
        let serial = connection.serial;
        self.timers.set(at, Timer::Attempt { slot, serial });
        match slot {
            Slot::Operator => self.operator_trigger(OperatorTrigger::ReconnectScheduled),
            Slot::Node => self.node_trigger(NodeTrigger::Start),
            Slot::Validation => {}
        }
    }

    fn next_delay(&mut self, slot: Slot, pairing: bool) -> Duration {
        let mut rng = self.rng.clone();
        let Some(connection) = self.connection_mut(slot) else {
            return Duration::ZERO;
        };
        let delay = connection.backoff.next_delay(&mut rng);
        let floor = connection.retry_after.take().unwrap_or_default();
        self.rng = rng;
        let storm = self.options.has(Mutation::ReconnectStorm)
            || (pairing && self.options.has(Mutation::PairingStorm));
        if storm {
            Duration::from_millis(10)
        } else {
            delay.max(floor)
        }
    }

    pub(super) fn stop_loop(&mut self, slot: Slot) {
        if let Some(connection) = self.connection_mut(slot) {
            connection.retry = crate::client::connection::Retry::Terminal;
        }
    }

    pub(super) fn on_message(&mut self, socket: SocketId, message: Inbound) {
        let Some(slot) = self.slot_of(socket) else {
            return;
        };
        let heard_at = self.now.since_start;
        if let Some(connection) = self.connection_mut(slot) {
            connection.heard_at = heard_at;
        }
        let text = match message {
            Inbound::Text(text) => text,
            Inbound::Binary(_) => {
                return self.diagnose(Category::Warning, "Binary message ignored");
            }
        };
        if self.options.policy.limits_inbound() && is_too_large(&text) {
            self.outputs.push_back(Output::Close {
                socket,
                code: 1009,
                reason: "message too large".to_owned(),
            });
            return self.on_closed(socket, Some(1009), "message too large");
        }
        let Ok(frame) = serde_json::from_str::<Value>(&text) else {
            return self.diagnose(Category::Warning, "Message is not JSON; ignored");
        };
        let name = |key: &str| frame.get(key).and_then(Value::as_str).unwrap_or_default();
        let payload = frame.get("payload").unwrap_or(&Value::Null);
        match name("type") {
            "event" if name("event") == "connect.challenge" => {
                self.on_challenge(slot, socket, payload);
            }
            "event" => self.on_event(slot, socket, name("event"), payload),
            "res" => self.on_response(slot, socket, &frame),
            "req" if slot == Slot::Node => self.on_node_request(socket, &frame),
            _ => self.diagnose(Category::Warning, "Unexpected frame; ignored"),
        }
    }

    fn on_event(&mut self, slot: Slot, socket: SocketId, name: &str, payload: &Value) {
        match slot {
            Slot::Operator => self.on_operator_event(socket, name, payload),
            Slot::Node => self.on_node_event(socket, name, payload),
            Slot::Validation => {}
        }
    }

    fn on_challenge(&mut self, slot: Slot, socket: SocketId, payload: &Value) {
        let open = self
            .connection(slot)
            .is_some_and(|it| matches!(it.phase, Phase::Open { .. }));
        if !open {
            // One connect frame per socket, whatever the gateway repeats. field-bugs.md "two challenges on one socket"
            return self.diagnose(Category::Warning, "Repeated challenge ignored");
        }
        if slot == Slot::Operator {
            self.operator_trigger(OperatorTrigger::ChallengeReceived);
        }
        if let Err(denied) = self.authorize_again(slot) {
            self.abort(socket);
            self.denied(slot, denied);
            return self.ended(slot);
        }
        let challenge = Challenge::read(payload);
        let Some(params) = self.connect_params(slot, &challenge) else {
            self.abort(socket);
            self.stop_loop(slot);
            self.ended(slot);
            return self.identity_failed();
        };
        let request_id = self.new_request_id();
        self.send_request(socket, &request_id, "connect", Some(params.clone()));
        if self.options.has(Mutation::ConnectTwice) {
            let second = self.new_request_id();
            self.send_request(socket, &second, "connect", Some(params));
        }
        if let Some(connection) = self.connection_mut(slot) {
            connection.phase = Phase::Asked { socket, request_id };
        }
        if slot == Slot::Operator {
            self.operator_trigger(OperatorTrigger::ConnectRequestSent);
        }
    }

    /// The params of this socket's connect frame; `None` when the identity can't sign.
    fn connect_params(&mut self, slot: Slot, challenge: &Challenge) -> Option<Value> {
        let nonce = self.nonce_to_sign(challenge);
        let fresh_key = self
            .options
            .has(Mutation::NewKeyOnReconnect)
            .then(|| self.random::<32>());
        let connection = self.connection(slot)?;
        let identity = self.state.identities.get(&connection.gateway_id)?;
        let key = match fresh_key.filter(|_| connection.sockets > 1) {
            Some(seed) => Identity::from_seed(seed, self.now.wall).validate().ok()?,
            None => identity.validate().ok()?,
        };
        let (source, secret) = self.credential_now(slot)?;
        let echoes = self.options.policy.signs_challenge_time()
            && !self.options.has(Mutation::LocalClockSignedAt);
        let signed_at = challenge.ts.filter(|_| echoes).unwrap_or(self.now.wall.0);
        let extra = self
            .options
            .has(Mutation::SecondAuthKey)
            .then_some("one-too-many");
        let parts = ConnectParts {
            options: &self.options,
            role: slot.role(),
            source,
            secret: &secret,
            stored_scopes: identity.scopes(slot.role()),
            key: &key,
            nonce: nonce.as_deref(),
            signed_at,
            version: connection.signature,
            extra_token: extra,
        };
        serde_json::to_value(parts.params()).ok()
    }

    fn nonce_to_sign(&mut self, challenge: &Challenge) -> Option<String> {
        if self.options.has(Mutation::ReuseNonce) {
            let fresh = challenge.nonce.clone()?;
            return Some(self.first_nonce.get_or_insert(fresh).clone());
        }
        challenge.nonce.clone()
    }

    /// The credential on disk at this moment: the stored device token, else what the connection was made with.
    pub(super) fn credential_now(&self, slot: Slot) -> Option<(CredentialSource, String)> {
        let connection = self.connection(slot)?;
        let role = slot.role();
        let stored = self
            .state
            .identities
            .get(&connection.gateway_id)
            .and_then(|identity| identity.token(role));
        let source = match role {
            gateway_protocol::Role::Operator => CredentialSource::OperatorToken,
            gateway_protocol::Role::Node => CredentialSource::NodeToken,
        };
        match stored.filter(|_| !connection.ignore_stored) {
            Some(token) => Some((source, token.to_owned())),
            None => Some((
                connection.credential.source,
                connection.credential.secret.clone(),
            )),
        }
    }

    fn on_response(&mut self, slot: Slot, socket: SocketId, frame: &Value) {
        let id = frame.get("id").and_then(Value::as_str).unwrap_or_default();
        let ok = frame.get("ok").and_then(Value::as_bool) == Some(true);
        let payload = frame.get("payload").unwrap_or(&Value::Null);
        let phase = self.connection(slot).map(|it| &it.phase);
        let correlated = matches!(phase, Some(Phase::Asked { request_id, .. }) if request_id == id);
        let handshaking = matches!(phase, Some(Phase::Asked { .. }));
        let lenient = handshaking && !self.options.policy.correlates_hello();
        if ok && is_hello(payload) {
            if correlated || lenient {
                return self.on_hello(slot, socket, payload);
            }
            return self.diagnose(
                Category::Warning,
                "hello-ok without a matching connect request ignored",
            );
        }
        let error = frame.get("error").unwrap_or(&Value::Null);
        if correlated && !ok {
            return self.on_refused(slot, socket, &Refusal::read(error));
        }
        self.on_answer(socket, id, if ok { Ok(payload) } else { Err(error) });
    }

    fn on_hello(&mut self, slot: Slot, socket: SocketId, payload: &Value) {
        let mut hello = match Hello::read(payload, slot.role()) {
            Ok(hello) => hello,
            Err(role) => {
                let detail = format!("device token role {:?} is not known", role.0);
                return self.diagnose_with(
                    Category::Error,
                    "hello-ok could not be processed",
                    Some(detail),
                );
            }
        };
        let tokens = std::mem::take(&mut hello.tokens);
        let Some(connection) = self.connection_mut(slot) else {
            return;
        };
        connection.phase = Phase::Storing {
            socket,
            hello: Box::new(hello),
            left: tokens.len(),
        };
        if slot == Slot::Validation {
            return self.validation_succeeded(tokens);
        }
        let nothing_to_store = tokens.is_empty();
        for issued in tokens {
            self.token_issued(slot, socket, issued);
        }
        if nothing_to_store {
            self.hello_stored(slot, socket);
        }
    }

    /// One token of the hello-ok is durable, or will not be; after the last one the role is connected.
    pub(super) fn hello_token_settled(&mut self, slot: Slot, socket: SocketId) {
        let Some(connection) = self.connection_mut(slot) else {
            return;
        };
        if let Phase::Storing {
            socket: own, left, ..
        } = &mut connection.phase
            && *own == socket
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.hello_stored(slot, socket);
            }
        }
    }

    fn hello_stored(&mut self, slot: Slot, socket: SocketId) {
        let now = self.now.since_start;
        let Some(connection) = self.connection_mut(slot) else {
            return;
        };
        let live = Phase::Live { socket };
        let Phase::Storing { hello, .. } = std::mem::replace(&mut connection.phase, live) else {
            return;
        };
        connection.backoff.reset();
        connection.retry = crate::client::connection::Retry::Allowed;
        connection.heard_at = now;
        connection.silence_limit = hello.tick_interval_ms.map_or(DEFAULT_SILENCE, |ms| {
            Duration::from_millis(ms.saturating_mul(2))
        });
        let silent_at = now.saturating_add(connection.silence_limit);
        if self.options.watches_ticks() {
            self.timers.set(silent_at, Timer::Silence { slot, socket });
        }
        match slot {
            Slot::Operator => self.operator_connected(socket, *hello),
            Slot::Node => self.node_connected(socket, *hello),
            Slot::Validation => {}
        }
    }

    /// Gives up a connection on which nothing came for two tick intervals. field-bugs.md 80
    pub(super) fn check_silence(&mut self, slot: Slot, socket: SocketId) {
        let Some(connection) = self
            .connection(slot)
            .filter(|it| it.live_socket() == Some(socket))
        else {
            return;
        };
        let silent_at = connection.heard_at.saturating_add(connection.silence_limit);
        if silent_at > self.now.since_start {
            return self.timers.set(silent_at, Timer::Silence { slot, socket });
        }
        self.abort(socket);
        self.on_closed(socket, None, "tick timeout");
    }

    fn on_refused(&mut self, slot: Slot, socket: SocketId, refusal: &Refusal) {
        if let Some(connection) = self.connection_mut(slot) {
            connection.phase = Phase::Refused { socket };
            connection.retry_after = refusal.retry_after_ms.map(Duration::from_millis);
        }
        let code = refusal
            .detail_code
            .as_deref()
            .or(refusal.code.as_deref())
            .unwrap_or("none");
        let detail = format!(
            "role={}; code={code}; message={}",
            slot.role(),
            refusal.message
        );
        self.diagnose_with(Category::Handshake, "Connect refused", Some(detail));
        match slot {
            Slot::Operator => self.operator_refused(refusal),
            Slot::Node => self.node_refused(refusal),
            Slot::Validation => self.validation_refused(refusal),
        }
    }

    pub(super) fn send_request(
        &mut self,
        socket: SocketId,
        id: &str,
        method: &str,
        params: Option<Value>,
    ) {
        let frame = Frame::Request(Request::new(id, method, params));
        self.outputs.push_back(Output::Send {
            socket,
            message: Outgoing::Frame(frame),
        });
    }

    /// The identity can't be used: both roles stop with the fixed message. ref: §2.4
    pub(super) fn identity_failed(&mut self) {
        self.diagnose(
            Category::Identity,
            "Stored device identity could not be loaded or saved",
        );
        self.operator_failed(IDENTITY_RECOVERY, crate::classify::ErrorKind::Unknown);
        self.operator_trigger(OperatorTrigger::WebSocketError);
    }
}

fn describe(slot: Slot, what: &str) -> String {
    let name = match slot {
        Slot::Operator => "operator",
        Slot::Node => "node",
        Slot::Validation => "validation",
    };
    format!("{name}: {what}")
}

/// Measured in UTF-16 units, as the companion counts; a text that is short in bytes is short in units too.
fn is_too_large(text: &str) -> bool {
    let limit = gateway_protocol::limits::CLIENT_INBOUND_CHARS;
    text.len() > limit && (text.is_ascii() || text.encode_utf16().count() > limit)
}

/// `{deep:true}` and its kind, for the requests after hello-ok. ref: §10 (10)
pub(super) fn post_hello_requests() -> [(&'static str, Value); 7] {
    [
        ("health", json!({"deep": true})),
        ("sessions.list", json!({})),
        ("sessions.subscribe", json!({})),
        ("usage.status", json!({})),
        ("usage.cost", json!({"days": 30})),
        ("node.list", json!({})),
        ("agents.list", json!({})),
    ]
}
