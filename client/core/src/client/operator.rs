//! What hello-ok, refusals, events and ends mean to the operator. ref: client-behaviour.md §10, §11.1, §12, §29

use std::time::Duration;

use gateway_protocol::SignatureVersion;
use serde_json::Value;

use crate::classify::{ErrorKind, classify_text};
use crate::client::Client;
use crate::client::connection::{Phase, Retry, Slot};
use crate::client::requests::Purpose;
use crate::client::socket::post_hello_requests;
use crate::client::timers::Timer;
use crate::event::{ClientEvent, DiagnosticCategory as Category, PairingStatus};
use crate::hello::Hello;
use crate::input::SocketId;
use crate::mutation::Mutation;
use crate::refusal::{Refusal, Verdict};
use crate::state::OperatorTrigger;

/// How long after hello-ok the companion sends its requests. ref: §10 (10)
const POST_HELLO_DELAY: Duration = Duration::from_millis(500);

impl Client {
    /// The operator waits for an approval and keeps asking.
    pub(super) fn operator_is_pairing(&self) -> bool {
        self.operator
            .as_ref()
            .is_some_and(|it| it.retry == Retry::Pairing)
    }

    pub(super) fn operator_socket_failed(&mut self, error: &str) {
        if self.operator_is_pairing() {
            return;
        }
        let kind = classify_text(error).or_network();
        self.operator_failed(error, kind);
        self.operator_trigger(OperatorTrigger::WebSocketError);
    }

    pub(super) fn operator_socket_closed(&mut self, code: Option<u16>, reason: &str) {
        let reason = self.without_secrets(reason);
        self.operator_role.last_close = Some((code, reason));
        if self.operator_is_pairing() && self.options.has(Mutation::CloseOverwritesPairing) {
            self.operator_trigger(OperatorTrigger::PairingApproved);
        }
        if self
            .operator
            .as_ref()
            .is_some_and(|it| it.retry == Retry::Terminal)
        {
            return;
        }
        self.operator_trigger(OperatorTrigger::WebSocketDisconnected);
        if !self.operator_is_pairing() {
            self.operator_role.error = None;
        }
    }

    pub(super) fn operator_connected(&mut self, socket: SocketId, hello: Hello) {
        self.operator_role.error = None;
        self.operator_role.device_id = hello.device_id;
        self.operator_role.scopes = hello.scopes;
        self.operator_role.version = hello.version;
        self.diagnose(Category::State, "Handshake succeeded (hello-ok)");
        self.operator_trigger(OperatorTrigger::HandshakeSucceeded);
        if let Some(gateway_id) = self.gateway_id.clone() {
            self.recovered
                .remove(&(gateway_id, gateway_protocol::Role::Operator));
        }
        if self.record().is_some_and(|it| it.ssh_tunnel.is_some()) {
            self.tunnels.recovered();
        }
        self.tell_operator_pairing(PairingStatus::Paired, None);
        self.stamp_last_connected();
        self.start_node_after_operator();
        if self.options.post_hello_requests {
            let at = self.after(POST_HELLO_DELAY);
            self.timers.set(at, Timer::PostHello { socket });
        }
    }

    /// The node starts with the operator's hello-ok, unless it is still running or waits for an approval.
    fn start_node_after_operator(&mut self) {
        let busy = self.node.as_ref().is_some_and(|it| {
            it.is_running() && !matches!(it.retry, Retry::Terminal) || it.retry == Retry::Pairing
        });
        if self.node_role.enabled && !busy {
            self.start_node();
        }
    }

    pub(super) fn send_post_hello(&mut self, socket: SocketId) {
        let live = self
            .operator
            .as_ref()
            .and_then(super::connection::Connection::live_socket);
        if live != Some(socket) {
            return;
        }
        for (method, mut params) in post_hello_requests() {
            if self.options.has(Mutation::OversizeFrame) && method == "health" {
                let size = gateway_protocol::limits::MESSAGE_BYTES + 1;
                params = serde_json::json!({"deep": true, "padding": "x".repeat(size)});
            }
            self.ask(Slot::Operator, method, Some(params), Purpose::Background);
        }
    }

    pub(super) fn operator_refused(&mut self, refusal: &Refusal) {
        let mut verdict = refusal.for_operator(self.options.policy);
        if self.options.has(Mutation::ExpiredIsOldVersion) && refusal.is_expired() {
            verdict = Verdict::SignatureInvalid;
        }
        match verdict {
            Verdict::Pairing => self.operator_pairing(refusal),
            Verdict::SignatureInvalid if self.fell_back_to_v2(Slot::Operator) => {}
            Verdict::Terminal | Verdict::SignatureInvalid => self.operator_terminal(refusal),
            Verdict::PairingRejected => self.operator_rejected(refusal),
            Verdict::Other if self.options.has(Mutation::StartingIsFatal) => {
                self.operator_terminal(refusal);
            }
            Verdict::Other
                if refusal.kind() == ErrorKind::ScopeMismatch
                    && self.options.has(Mutation::ScopeMismatchIsBadToken) =>
            {
                self.recover_operator_token();
            }
            Verdict::Other => {
                // The socket's fate decides; the text is kept so that a watcher sees why nothing connects.
                let kind = refusal.kind();
                self.operator_failed(&refusal.message, kind);
            }
        }
    }

    /// v3 was refused: the next socket signs v2, and the record remembers. False when v2 was refused already. ref: §9
    pub(super) fn fell_back_to_v2(&mut self, slot: Slot) -> bool {
        let Some(connection) = self.connection_mut(slot) else {
            return false;
        };
        if connection.signature == SignatureVersion::V2 {
            return false;
        }
        connection.signature = SignatureVersion::V2;
        let gateway_id = connection.gateway_id.clone();
        if !self.options.has(Mutation::ForgetVersion) {
            self.remember_v2(&gateway_id);
        }
        true
    }

    fn operator_pairing(&mut self, refusal: &Refusal) {
        if let Some(connection) = &mut self.operator {
            connection.retry = Retry::Pairing;
        }
        self.operator_trigger(OperatorTrigger::PairingPending);
        let keeps = self.options.has(Mutation::KeepsFirstRequestId);
        if !keeps || self.operator_role.request_id.is_none() {
            self.operator_role
                .request_id
                .clone_from(&refusal.request_id);
        }
        let id = refusal.request_id.as_deref().unwrap_or("none");
        let message = format!("Pairing required for operator (requestId={id})");
        self.diagnose(Category::Pairing, message);
        self.tell_operator_pairing(PairingStatus::Pending, refusal.request_id.clone());
    }

    fn operator_rejected(&mut self, refusal: &Refusal) {
        self.stop_loop(Slot::Operator);
        self.operator_failed(&refusal.message, ErrorKind::PairingRejected);
        self.operator_trigger(OperatorTrigger::PairingRejected);
        self.tell_operator_pairing(PairingStatus::Rejected, None);
    }

    fn operator_terminal(&mut self, refusal: &Refusal) {
        let was_pairing = self.operator_is_pairing();
        if !self.options.has(Mutation::KeepRetryingAfterTerminal) {
            self.stop_loop(Slot::Operator);
        }
        let kind = self.relabel_for_owner(refusal.kind());
        let mut text = refusal.message.clone();
        if kind == ErrorKind::DeviceTokenMismatch {
            text = format!("{}: {text}", crate::classify::DEVICE_TOKEN_MISMATCH);
        }
        self.diagnose_with(Category::Error, "Authentication failed", Some(text.clone()));
        self.operator_failed(&text, kind);
        // The table knows no AuthenticationFailed while pairing is required; a refusal then is a rejection.
        let trigger = if was_pairing {
            OperatorTrigger::PairingRejected
        } else {
            OperatorTrigger::AuthenticationFailed
        };
        self.operator_trigger(trigger);
        match kind {
            ErrorKind::DeviceTokenMismatch => self.recover_operator_token(),
            ErrorKind::Auth | ErrorKind::TokenDrift
                if self.options.has(Mutation::ClearTokensOnSharedMismatch) =>
            {
                self.clear_all_tokens_for_mutant();
            }
            ErrorKind::Auth
            | ErrorKind::TokenDrift
            | ErrorKind::RateLimited
            | ErrorKind::Tunnel
            | ErrorKind::Tls
            | ErrorKind::ScopeMismatch
            | ErrorKind::PairingRequired
            | ErrorKind::PairingRejected
            | ErrorKind::Server
            | ErrorKind::Network
            | ErrorKind::LocalPortConflict
            | ErrorKind::Unknown => {}
        }
    }

    pub(super) fn tell_operator_pairing(
        &mut self,
        status: PairingStatus,
        request_id: Option<String>,
    ) {
        let told = Some((status, request_id.clone()));
        if self.operator_role.told_pairing != told {
            self.operator_role.told_pairing = told;
            let role = gateway_protocol::Role::Operator;
            self.tell(ClientEvent::Pairing {
                role,
                status,
                kind: None,
                request_id,
            });
        }
    }

    /// Does what an event asks for; whether it is told to whoever watches.
    pub(super) fn on_operator_event(
        &mut self,
        socket: SocketId,
        name: &str,
        payload: &Value,
    ) -> bool {
        let live = self
            .operator
            .as_ref()
            .is_some_and(|it| matches!(it.phase, Phase::Live { socket: own } if own == socket));
        if !live {
            return false;
        }
        match name {
            "node.pair.requested" | "node.pair.resolved" => self.refresh_node_lists(),
            "device.pair.requested" => self.refresh_device_list(),
            "device.pair.resolved" => {
                self.operator_hears_decision(payload);
                self.refresh_device_list();
            }
            "sessions.changed" => self.background("sessions.list"),
            _ => {}
        }
        true
    }
}
