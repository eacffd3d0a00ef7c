//! What is told: diagnostics without secrets, state changes, and the snapshot. ref: client-behaviour.md §23, §26

use std::borrow::Cow;

use gateway_protocol::Role;

use crate::classify::ErrorKind;
use crate::client::Client;
use crate::client::connection::Slot;
use crate::credential::Resolution;
use crate::event::{ClientEvent, DiagnosticCategory, PairingStatus};
use crate::identity::Identity;
use crate::input::SocketId;
use crate::intent::ApprovalKind;
use crate::mutation::Mutation;
use crate::output::Output;
use crate::snapshot::{
    CredentialSnapshot, GatewaySnapshot, NodeSnapshot, OperatorSnapshot, Snapshot,
};
use crate::state::{NodeState, NodeTrigger, OperatorState, OperatorTrigger, OverallState, overall};
use crate::url::GatewayUrl;

/// What is known of the operator role.
#[derive(Clone, Debug, Default)]
pub(crate) struct OperatorRole {
    pub(crate) state: OperatorState,
    pub(crate) error: Option<(String, ErrorKind)>,
    pub(crate) request_id: Option<String>,
    pub(crate) credential: CredentialSnapshot,
    pub(crate) device_id: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) version: Option<String>,
    pub(crate) last_close: Option<(Option<u16>, String)>,
    pub(crate) told_pairing: Option<(PairingStatus, Option<String>)>,
}

/// What is known of the node role.
#[derive(Clone, Debug)]
pub(crate) struct NodeRole {
    pub(crate) enabled: bool,
    pub(crate) state: NodeState,
    pub(crate) pairing: PairingStatus,
    pub(crate) kind: Option<ApprovalKind>,
    pub(crate) request_id: Option<String>,
    pub(crate) error: Option<(String, ErrorKind)>,
    pub(crate) credential: CredentialSnapshot,
    pub(crate) node_id: Option<String>,
    /// The last status told, so that reconnects do not repeat it. ref: §10
    pub(crate) told_pairing: Option<(PairingStatus, Option<String>)>,
}

impl NodeRole {
    pub(crate) fn new(enabled: bool) -> Self {
        Self {
            enabled,
            state: if enabled {
                NodeState::Idle
            } else {
                NodeState::Disabled
            },
            pairing: PairingStatus::Unknown,
            kind: None,
            request_id: None,
            error: None,
            credential: CredentialSnapshot::default(),
            node_id: None,
            told_pairing: None,
        }
    }
}

/// The states last told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Option<(OverallState, OperatorState, NodeState)>);

impl From<&Resolution> for CredentialSnapshot {
    fn from(resolution: &Resolution) -> Self {
        Self {
            source: resolution
                .credential
                .as_ref()
                .map(|credential| credential.source),
            status: resolution.status,
            fallback_used: resolution.fallback_used,
            bootstrap_required: resolution.bootstrap_required,
        }
    }
}

impl Client {
    pub(super) fn tell(&mut self, event: ClientEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(super) fn diagnose(&mut self, category: DiagnosticCategory, message: impl Into<String>) {
        self.diagnose_with(category, message, None);
    }

    /// A line of the timeline; every text is cleaned of secrets first.
    pub(super) fn diagnose_with(
        &mut self,
        category: DiagnosticCategory,
        message: impl Into<String>,
        detail: Option<String>,
    ) {
        let message = self.without_secrets(&message.into());
        let detail = detail.map(|text| self.without_secrets(&text));
        self.tell(ClientEvent::Diagnostic {
            category,
            message,
            detail,
        });
    }

    /// The text with every known secret and everything that looks like a token taken out. ref: §27.1
    pub(super) fn without_secrets(&self, text: &str) -> String {
        if self.options.has(Mutation::ShowsItsToken) {
            return text.to_owned();
        }
        let mut clean = Cow::Borrowed(text);
        let records = self.state.registry.gateways.iter();
        let of_record =
            records.flat_map(|it| [it.usable_shared_token(), it.usable_bootstrap_token()]);
        let identities = self.state.identities.values();
        let of_identity = identities.flat_map(|it| Role::ALL.map(|role| it.token(role)));
        let known = of_record.flatten().chain(of_identity.flatten());
        // A secret of a few characters is a test's; replacing it would garble the text.
        for secret in known.filter(|secret| secret.len() >= 6) {
            // Most texts hold none, and most are shorter than any.
            if clean.contains(secret) {
                clean = Cow::Owned(clean.replace(secret, "[REDACTED]"));
            }
        }
        redact_runs(&clean)
    }

    pub(super) fn operator_trigger(&mut self, trigger: OperatorTrigger) {
        let from = self.operator_role.state;
        let Some(to) = from.after(trigger) else {
            return;
        };
        self.operator_role.state = to;
        if to != OperatorState::PairingRequired {
            self.operator_role.request_id = None;
        }
        if from != to {
            self.diagnose_with(
                DiagnosticCategory::State,
                format!("{from:?} \u{2192} {to:?}"),
                Some("operator".into()),
            );
        }
    }

    pub(super) fn node_trigger(&mut self, trigger: NodeTrigger) {
        let from = self.node_role.state;
        let Some(to) = from.after(trigger) else {
            return;
        };
        self.node_role.state = to;
        if from != to {
            self.diagnose(DiagnosticCategory::Node, format!("Node status: {to:?}"));
        }
    }

    pub(super) fn operator_failed(&mut self, message: &str, kind: ErrorKind) {
        let message = self.without_secrets(message);
        self.operator_role.error = Some((message, kind));
    }

    pub(super) fn node_failed(&mut self, message: &str, kind: ErrorKind) {
        let message = self.without_secrets(message);
        self.node_role.error = Some((message, kind));
    }

    fn overall(&self) -> OverallState {
        overall(
            self.operator_role.state,
            self.node_role.state,
            self.node_role.enabled,
        )
    }

    pub(super) fn tell_state(&mut self) {
        let states = (
            self.overall(),
            self.operator_role.state,
            self.node_role.state,
        );
        if self.told.0.replace(states) != Some(states) {
            let (overall, operator, node) = states;
            self.tell(ClientEvent::StateChanged {
                overall,
                operator,
                node,
            });
        }
    }

    pub(super) fn report(&self) -> Snapshot {
        let overall_state = self.overall();
        let connected = self.operator_role.state == OperatorState::Connected;
        Snapshot {
            policy: self.options.policy,
            overall_state,
            connection_status: if connected {
                OverallState::Connected
            } else {
                overall_state
            },
            operator: self.report_operator(),
            node: self.report_node(),
            gateway: self.report_gateway(),
            generation: self.generation,
            user_disconnected: self.user_disconnected,
            busy: self.transition.is_some() || !self.intents.is_empty(),
        }
    }

    fn report_operator(&self) -> OperatorSnapshot {
        let role = &self.operator_role;
        let attempts = self
            .operator
            .as_ref()
            .map_or(0, |connection| connection.backoff.attempts());
        OperatorSnapshot {
            state: role.state,
            error: role.error.as_ref().map(|(text, _)| text.clone()),
            error_kind: role.error.as_ref().map(|(_, kind)| *kind),
            pairing_request_id: role.request_id.clone(),
            credential: role.credential,
            device_id: role
                .device_id
                .clone()
                .or_else(|| self.identity().map(|it| it.device_id.clone())),
            scopes: role.scopes.clone(),
            gateway_version: role.version.clone(),
            next_attempt_ms: self.next_attempt_ms(Slot::Operator),
            attempts: attempts as u64,
            last_close: role.last_close.clone(),
        }
    }

    fn report_node(&self) -> NodeSnapshot {
        let role = &self.node_role;
        let pending = role.pairing == PairingStatus::Pending;
        NodeSnapshot {
            state: role.state,
            intended: role.enabled,
            connected: role.state == NodeState::Connected,
            pairing_status: role.pairing,
            approval_kind: role.kind.filter(|_| pending),
            pairing_request_id: role.request_id.clone().filter(|_| pending),
            approval_command: self.approval_command().filter(|_| pending),
            error: role.error.as_ref().map(|(text, _)| text.clone()),
            error_kind: role.error.as_ref().map(|(_, kind)| *kind),
            credential: role.credential,
            node_id: role.node_id.clone(),
            next_attempt_ms: self.next_attempt_ms(Slot::Node),
            running_invokes: self.invokes.running() as u64,
        }
    }

    fn report_gateway(&self) -> Option<GatewaySnapshot> {
        let record = self.record().or_else(|| self.state.registry.active())?;
        let identity = self.state.identities.get(&record.id);
        let has = |role| identity.is_some_and(|identity| identity.token(role).is_some());
        Some(GatewaySnapshot {
            id: record.id.clone(),
            url: GatewayUrl::parse(&record.url).map_or_else(String::new, |url| url.display()),
            name: record.friendly_name.clone(),
            is_local: record.is_local,
            last_connected: record.last_connected.clone(),
            requires_v2_signature: record.requires_v2_signature,
            has_shared_gateway_token: record.usable_shared_token().is_some(),
            has_bootstrap_token: record.usable_bootstrap_token().is_some(),
            has_operator_token: has(Role::Operator),
            has_node_token: has(Role::Node),
            device_id: identity.map(|identity| identity.device_id.clone()),
        })
    }

    fn next_attempt_ms(&self, slot: Slot) -> Option<u64> {
        let serial = self.connection(slot)?.serial;
        let at = self.timers.attempt_at(slot, serial)?;
        u64::try_from(at.as_millis()).ok()
    }

    /// The identity of the current gateway.
    pub(super) fn identity(&self) -> Option<&Identity> {
        self.state.identities.get(self.gateway_id.as_deref()?)
    }

    pub(super) fn abort(&mut self, socket: SocketId) {
        if self.options.has(Mutation::UnknownCloseCode) {
            self.outputs.push_back(Output::Close {
                socket,
                code: 4999,
                reason: "bye".to_owned(),
            });
        } else {
            self.outputs.push_back(Output::Abort { socket });
        }
    }
}

/// Base64url characters of 32 bytes; 64 hex digits are more.
const SHORTEST_TOKEN: usize = 43;

/// Replaces isolated runs of exactly 43 base64url characters or 64 hex digits. ref: §27.1
fn redact_runs(text: &str) -> String {
    if text.len() < SHORTEST_TOKEN {
        return text.to_owned();
    }
    let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
        let (head, tail) = rest.split_at(run);
        let hex = head.len() == 64 && head.chars().all(|c| c.is_ascii_hexdigit());
        clean.push_str(if head.len() == SHORTEST_TOKEN || hex {
            "[REDACTED_TOKEN]"
        } else {
            head
        });
        let gap = tail.find(is_token).unwrap_or(tail.len());
        let (between, next) = tail.split_at(gap);
        clean.push_str(between);
        rest = next;
    }
    clean
}

#[cfg(test)]
mod run_tests {
    use rstest::rstest;

    use super::redact_runs;

    #[rstest]
    #[case(42, false)]
    #[case(43, true)]
    #[case(44, false)]
    #[case(64, true)]
    #[case(65, false)]
    fn only_runs_of_token_length_are_redacted(#[case] length: usize, #[case] redacted: bool) {
        let text = format!("a {} b", "a".repeat(length));
        assert_eq!(redact_runs(&text) == "a [REDACTED_TOKEN] b", redacted);
    }
}
