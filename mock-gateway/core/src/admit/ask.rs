//! Who may not come in yet: the pending request, and what the client is told about it.
//!
//! ref: gateway-behaviour.md §6.2, §6.3

use gateway_protocol::{CloseFrame, DetailCode, ErrorCode, ErrorShape, Role, UnixMillis};

use super::Approved;
use crate::auth::Attempt;
use crate::devices::role_names;
use crate::gateway::Gateway;
use crate::handshake::Refusal;
use crate::identity::VerifiedDevice;
use crate::json::Object;
use crate::mutation::Mutation;
use crate::pairing::{Asked, PairingReason, PendingDevice};

impl Gateway {
    /// Files or finds the pending request and says what the client is told.
    pub(super) fn ask(
        &mut self,
        now: UnixMillis,
        attempt: &Attempt,
        device: &VerifiedDevice,
        reason: PairingReason,
        silent: bool,
        approved: &Approved,
    ) -> Refusal {
        self.pending_devices.prune(now);
        let mut incoming = self.request_of(now, attempt, device, attempt.scopes(), silent);
        if self.has(Mutation::RequestIdReused)
            && let Some(older) = self.pending_devices.of_device(&device.id)
        {
            incoming.request_id = older.request_id.clone();
        }
        let pending = match self
            .pending_devices
            .ask(incoming, self.profile.rules.lenient_local)
        {
            Asked::Again(pending) => pending,
            Asked::New {
                pending,
                superseded,
            } => {
                if self.has(Mutation::PendingNotSuperseded)
                    && let Some(older) = &superseded
                {
                    self.pending_devices.restore(older.clone());
                }
                if let Some(older) = superseded.filter(|_| self.profile.rules.lenient_local) {
                    self.tell_pairing("device.pair.resolved", &older.resolved("rejected", now));
                }
                self.tell_pairing("device.pair.requested", &pending.to_json());
                self.log(
                    None,
                    format!(
                        "pairing request {} of {} ({})",
                        pending.request_id,
                        device.id,
                        reason.as_str()
                    ),
                );
                pending
            }
        };
        let looking = self.looks_over_ssh(now, attempt, device, reason);
        self.pairing_required(attempt, &pending, reason, approved, looking)
    }

    /// ref: gateway-behaviour.md §6.2
    fn pairing_required(
        &self,
        attempt: &Attempt,
        pending: &PendingDevice,
        reason: PairingReason,
        approved: &Approved,
        looking: bool,
    ) -> Refusal {
        let auth = attempt.params.auth.as_ref();
        let by_setup_code = auth
            .and_then(|auth| auth.bootstrap_token.as_deref())
            .is_some_and(|token| !token.trim().is_empty());
        let web = self.profile.rules.lenient_local
            && attempt.params.client.id == "openclaw-control-ui"
            && attempt.role == Role::Operator;
        let wait = web
            || looking
            || (by_setup_code && attempt.role == Role::Node && reason == PairingReason::NotPaired);
        let scopes = attempt.scopes();
        let details = Object::new()
            .with("code", DetailCode::PairingRequired.as_str())
            .with("reason", reason.as_str())
            .with("requestId", pending.request_id.as_str())
            .with("remediationHint", reason.hint())
            .when(wait, "recommendedNextStep", "wait_then_retry")
            .when(wait, "retryable", true)
            .when(wait, "pauseReconnect", false)
            .with("deviceId", pending.device_id.as_str())
            .with("requestedRole", attempt.role.as_str())
            .when(!scopes.is_empty(), "requestedScopes", scopes)
            .when(
                !approved.roles.is_empty(),
                "approvedRoles",
                role_names(&approved.roles),
            )
            .when(
                !approved.scopes.is_empty(),
                "approvedScopes",
                approved.scopes.clone(),
            )
            .build();
        let mut refusal = Refusal::policy(
            ErrorShape::new(ErrorCode::NotPaired, reason.message()).with_details(details),
        );
        refusal.close = CloseFrame::new(
            1008,
            format!("{} (requestId: {})", reason.message(), pending.request_id),
        );
        refusal
    }
}
