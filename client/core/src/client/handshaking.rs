//! Challenge, connect frame, hello-ok or refusal, for any slot. ref: client-behaviour.md §8, §10, §11

use std::time::Duration;

use serde_json::Value;

use crate::client::Client;
use crate::client::connection::{Phase, Retry, Slot};
use crate::client::socket::DEFAULT_SILENCE;
use crate::client::timers::Timer;
use crate::credential::CredentialSource;
use crate::event::DiagnosticCategory as Category;
use crate::handshake::{Challenge, ConnectParts};
use crate::hello::{Hello, is_hello};
use crate::identity::{IDENTITY_RECOVERY, Identity};
use crate::input::SocketId;
use crate::mutation::Mutation;
use crate::refusal::Refusal;
use crate::state::OperatorTrigger;

impl Client {
    pub(super) fn on_challenge(&mut self, slot: Slot, socket: SocketId, payload: &Value) {
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
        let verdict = self.authorize_again(slot);
        if let Err(denied) = verdict
            && self.options.has(Mutation::SendToStrangers)
        {
            self.tell_denied(slot, denied);
        } else if let Err(denied) = verdict {
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
        let again = self.options.has(Mutation::ConnectTwice);
        let again = again.then(|| params.clone());
        self.send_request(socket, &request_id, "connect", Some(params));
        if let Some(params) = again {
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
        let (mut source, secret) = self.credential_now(slot)?;
        let is_bootstrap = source == CredentialSource::BootstrapToken;
        if is_bootstrap && self.options.has(Mutation::BootstrapSentAsShared) {
            source = CredentialSource::SharedToken;
        }
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
        let owner = if self.options.has(Mutation::OperatorTokenAsNode) {
            gateway_protocol::Role::Operator
        } else {
            role
        };
        let stored = self
            .state
            .identities
            .get(&connection.gateway_id)
            .and_then(|identity| identity.token(owner));
        let source = match role {
            gateway_protocol::Role::Operator => CredentialSource::OperatorToken,
            gateway_protocol::Role::Node => CredentialSource::NodeToken,
        };
        let cached = self.options.has(Mutation::CachedToken);
        match stored.filter(|_| !connection.ignore_stored && !cached) {
            Some(token) => Some((source, token.to_owned())),
            None => Some((
                connection.credential.source,
                connection.credential.secret.clone(),
            )),
        }
    }

    pub(super) fn on_response(&mut self, slot: Slot, socket: SocketId, frame: &Value) {
        let id = frame.get("id").and_then(Value::as_str).unwrap_or_default();
        let ok = frame.get("ok").and_then(Value::as_bool) == Some(true);
        let payload = frame.get("payload").unwrap_or(&Value::Null);
        let phase = self.connection(slot).map(|it| &it.phase);
        let correlated = matches!(phase, Some(Phase::Asked { request_id, .. }) if request_id == id);
        let handshaking = matches!(phase, Some(Phase::Asked { .. }));
        let lenient = handshaking && !self.options.policy.correlates_hello()
            || self.options.has(Mutation::AnyHello);
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
            let refusal = self.misread(Refusal::read(error), error);
            return self.on_refused(slot, socket, &refusal);
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
            held: Vec::new(),
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
        let heard_at = self.watched_time();
        let Some(connection) = self.connection_mut(slot) else {
            return;
        };
        let live = Phase::Live { socket };
        let Phase::Storing { hello, held, .. } = std::mem::replace(&mut connection.phase, live)
        else {
            return;
        };
        connection.backoff.reset();
        connection.retry = Retry::Allowed;
        connection.heard_at = heard_at;
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
        for message in held {
            self.on_message(socket, message);
        }
    }

    /// The refusal as it is; less of it, or more, with a deliberate bug.
    fn misread(&self, mut refusal: Refusal, error: &Value) -> Refusal {
        let one_place = self.options.has(Mutation::OneSpelling) && error.get("details").is_none();
        if one_place || self.options.has(Mutation::DropDetails) {
            refusal.detail_code = None;
            refusal.request_id = None;
        }
        if self.options.has(Mutation::DropDetails) {
            refusal.code = None;
            refusal.message.clear();
        }
        if self.options.has(Mutation::AnyRequestId) {
            let id = error.pointer("/details/requestId").and_then(Value::as_str);
            refusal.request_id = id.map(str::to_owned);
        }
        refusal
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
