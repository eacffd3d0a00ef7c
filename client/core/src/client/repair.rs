//! Automatic repair of a gateway that this app manages on this computer: notice that it is gone, reconnect when its port
//! answers, restart its service within a budget when it does not. ref: client-behaviour.md §25
//!
//! ```text
//! unhealthy for 15 s -> probe the port -> answers -> reconnect, 15 s to be connected -> reconnected without restart
//!                                      -> silent  -> restart, reconnect, 15 s        -> repaired, or verification pending
//! ```
//!
//! Whatever the user does meanwhile comes first. Only a restart holds the transition lock: wishes wait for it, and it waits
//! for none.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway_protocol::Role;

use crate::classify::ErrorKind;
use crate::client::Client;
use crate::client::lifecycle::{Step, Transition};
use crate::client::timers::Timer;
use crate::event::{ClientEvent, DiagnosticCategory as Category, RepairOutcome};
use crate::input::{ManagedEndpoint, RepairId};
use crate::intent::Intent;
use crate::output::Output;
use crate::registry::GatewayRecord;
use crate::state::OperatorState;

/// How long a client runs before it looks for the first time: a gateway may be starting as well.
const GRACE: Duration = Duration::from_secs(45);
/// Between two looks.
const POLL: Duration = Duration::from_secs(5);
/// How long a gateway must have been gone.
const OUTAGE: Duration = Duration::from_secs(15);
/// How long a reconnect may take before it counts as failed.
const VERIFY: Duration = Duration::from_secs(15);
/// Between two repairs of one gateway.
const COOLDOWN: Duration = Duration::from_secs(90);
/// Restarts of one gateway until it was well again.
const RESTARTS: u32 = 3;

/// What repairs are being done, and what they have cost so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repairs {
    /// Since when which gateway has been gone.
    gone: Option<(String, Duration)>,
    running: Option<Repair>,
    /// By gateway id.
    budgets: BTreeMap<String, Budget>,
    last_id: u64,
}

#[derive(Clone, Debug)]
struct Repair {
    id: RepairId,
    endpoint: ManagedEndpoint,
    step: RepairStep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RepairStep {
    /// The shell tries the port.
    Probing,
    /// The shell restarts the service; the transition lock is held.
    Restarting,
    /// The client connects.
    Verifying { was_restarted: bool },
}

#[derive(Clone, Copy, Debug, Default)]
struct Budget {
    restarts: u32,
    /// When the last repair ended.
    ended_at: Option<Duration>,
    /// That it is used up has been told.
    told: bool,
}

impl Repairs {
    pub(crate) fn is_running(&self, id: RepairId) -> bool {
        self.running.as_ref().is_some_and(|it| it.id == id)
    }
}

/// What may be repaired at this moment.
enum Health {
    Well,
    /// Not connected, and nothing that a restart could mend.
    NotEligible,
    Gone,
    PortTaken,
}

impl Client {
    fn repairs(&self) -> bool {
        self.options.keeps_services && self.options.policy.repairs_services()
    }

    pub(super) fn arm_repairs(&mut self) {
        if self.repairs() {
            let at = self.after(GRACE);
            self.timers.set(at, Timer::RepairPoll);
        }
    }

    /// The endpoint that a running repair may open a socket to.
    pub(super) fn endpoint_under_repair(&self, id: RepairId) -> Option<ManagedEndpoint> {
        let running = self.repairs.running.as_ref().filter(|it| it.id == id)?;
        Some(running.endpoint.clone())
    }

    pub(super) fn poll_repair(&mut self) {
        let at = self.after(POLL);
        self.timers.set(at, Timer::RepairPoll);
        let active = self.state.registry.active();
        let Some(endpoint) = active.and_then(GatewayRecord::managed_endpoint) else {
            self.repairs.gone = None;
            return;
        };
        if self.repairs.running.is_some() {
            return;
        }
        match self.health(&endpoint.gateway_id) {
            Health::Well => {
                self.repairs.gone = None;
                self.repairs.budgets.remove(&endpoint.gateway_id);
            }
            Health::NotEligible => self.repairs.gone = None,
            Health::Gone if self.is_due(&endpoint.gateway_id) => self.begin_repair(endpoint),
            Health::PortTaken if self.is_due(&endpoint.gateway_id) => {
                self.tell_repair(endpoint, RepairOutcome::PortConflictBlocked);
            }
            Health::Gone | Health::PortTaken => {}
        }
    }

    fn health(&self, gateway_id: &str) -> Health {
        if self.user_disconnected || self.gateway_id.as_deref() != Some(gateway_id) {
            return Health::NotEligible;
        }
        let operator = &self.operator_role;
        let is_trying = match operator.state {
            OperatorState::Connected => return Health::Well,
            OperatorState::Idle | OperatorState::PairingRequired => return Health::NotEligible,
            OperatorState::Connecting => true,
            OperatorState::Error => false,
        };
        if operator.credential.bootstrap_required {
            return Health::NotEligible;
        }
        match operator.error.as_ref().map(|(_, kind)| *kind) {
            None if is_trying => Health::Gone,
            Some(ErrorKind::Network | ErrorKind::Server) => Health::Gone,
            Some(ErrorKind::LocalPortConflict) => Health::PortTaken,
            Some(
                ErrorKind::RateLimited
                | ErrorKind::Tunnel
                | ErrorKind::Tls
                | ErrorKind::ScopeMismatch
                | ErrorKind::Auth
                | ErrorKind::TokenDrift
                | ErrorKind::DeviceTokenMismatch
                | ErrorKind::PairingRequired
                | ErrorKind::PairingRejected
                | ErrorKind::Unknown,
            )
            | None => Health::NotEligible,
        }
    }

    /// Whether it has been gone for long enough, and was not repaired just now.
    fn is_due(&mut self, gateway_id: &str) -> bool {
        let now = self.now.since_start;
        let since = match &self.repairs.gone {
            Some((id, since)) if id == gateway_id => *since,
            Some(_) | None => {
                self.repairs.gone = Some((gateway_id.to_owned(), now));
                now
            }
        };
        let budget = self.repairs.budgets.get(gateway_id);
        let ended_at = budget.and_then(|it| it.ended_at);
        let cools = ended_at.is_some_and(|at| now.saturating_sub(at) < COOLDOWN);
        now.saturating_sub(since) >= OUTAGE && !cools
    }

    fn begin_repair(&mut self, endpoint: ManagedEndpoint) {
        self.repairs.last_id += 1;
        let id = RepairId(self.repairs.last_id);
        let port = endpoint.port;
        self.repairs.running = Some(Repair {
            id,
            endpoint,
            step: RepairStep::Probing,
        });
        self.outputs
            .push_back(Output::ProbePort { repair: id, port });
    }

    /// Why a repair of this endpoint must not go on.
    fn why_abort(&self, endpoint: &ManagedEndpoint) -> Option<RepairOutcome> {
        let active = self.state.registry.active();
        if active.and_then(GatewayRecord::managed_endpoint).as_ref() != Some(endpoint) {
            return Some(RepairOutcome::AbortedGatewayChanged);
        }
        if self.user_disconnected || !self.intents.is_empty() {
            return Some(RepairOutcome::AbortedUserIntent);
        }
        let refused = match self.health(&endpoint.gateway_id) {
            Health::Well | Health::Gone => false,
            // Between two attempts of its own a client is idle; a stop by the user was asked for above.
            Health::NotEligible => self.operator_role.state != OperatorState::Idle,
            Health::PortTaken => true,
        };
        refused.then_some(RepairOutcome::AbortedNonTransportFailure)
    }

    /// The port was tried.
    pub(super) fn on_probed(&mut self, id: RepairId, answers: bool) {
        let step = RepairStep::Probing;
        let Some(endpoint) = self.repair_at(id, step) else {
            return;
        };
        if let Some(outcome) = self.why_abort(&endpoint) {
            return self.end_repair(outcome);
        }
        if answers {
            self.verify(id, endpoint.gateway_id, false);
        } else {
            self.restart_service(id);
        }
    }

    /// What this repair is for, while it stands there.
    fn repair_at(&self, id: RepairId, step: RepairStep) -> Option<ManagedEndpoint> {
        let running = self.repairs.running.as_ref()?;
        (running.id == id && running.step == step).then(|| running.endpoint.clone())
    }

    fn verify(&mut self, id: RepairId, gateway_id: String, was_restarted: bool) {
        let at = self.after(VERIFY);
        self.timers.set(at, Timer::RepairVerify { id });
        if let Some(running) = &mut self.repairs.running {
            running.step = RepairStep::Verifying { was_restarted };
        }
        self.on_intent(Intent::ReconnectIfCurrent { id: gateway_id });
    }

    fn restart_service(&mut self, id: RepairId) {
        let Some(running) = &mut self.repairs.running else {
            return;
        };
        let endpoint = running.endpoint.clone();
        let gateway_id = endpoint.gateway_id.clone();
        let budget = self.repairs.budgets.entry(gateway_id).or_default();
        if budget.restarts >= RESTARTS {
            return self.end_repair(RepairOutcome::AttemptsExhausted);
        }
        if self.transition.is_some() {
            return self.end_repair(RepairOutcome::AlreadyInProgress);
        }
        budget.restarts += 1;
        running.step = RepairStep::Restarting;
        self.transition = Some(Transition {
            intent: "repair",
            gateway_url: None,
            step: Step::Repairing,
            committed: false,
        });
        let text = format!(
            "Automatic repair restarts the gateway in {}",
            endpoint.distro
        );
        self.diagnose(Category::Setup, text);
        let repair = id;
        self.outputs
            .push_back(Output::RestartService { repair, endpoint });
    }

    /// The service was restarted, or could not be.
    pub(super) fn on_restarted(&mut self, id: RepairId, result: Result<(), String>) {
        let Some(endpoint) = self.repair_at(id, RepairStep::Restarting) else {
            return;
        };
        let abort = self.why_abort(&endpoint);
        self.transition = None;
        match (abort, result) {
            (Some(outcome), _) => self.end_repair(outcome),
            (None, Ok(())) => self.verify(id, endpoint.gateway_id, true),
            (None, Err(error)) => {
                self.diagnose_with(
                    Category::Error,
                    "Automatic repair could not restart the gateway",
                    Some(error),
                );
                self.end_repair(RepairOutcome::RestartFailed);
            }
        }
        self.next_intent();
    }

    /// The time for a reconnect is over.
    pub(super) fn repair_unverified(&mut self, id: RepairId) {
        let verifying = |was_restarted| RepairStep::Verifying { was_restarted };
        if self.repair_at(id, verifying(false)).is_some() {
            self.restart_service(id);
        } else if self.repair_at(id, verifying(true)).is_some() {
            self.end_repair(RepairOutcome::ReconnectPendingVerification);
        }
    }

    /// Ends a repair that led to a connection, or that something has overtaken. After every input.
    pub(super) fn settle_repair(&mut self) {
        let Some(running) = &self.repairs.running else {
            return;
        };
        let RepairStep::Verifying { was_restarted } = running.step else {
            return;
        };
        let outcome = match self.why_abort(&running.endpoint) {
            Some(outcome) => outcome,
            None if !self.role_is_live(Role::Operator) => return,
            None if was_restarted => RepairOutcome::Repaired,
            None => RepairOutcome::ReconnectedWithoutRestart,
        };
        self.end_repair(outcome);
    }

    fn end_repair(&mut self, outcome: RepairOutcome) {
        if let Some(repair) = self.repairs.running.take() {
            self.tell_repair(repair.endpoint, outcome);
        }
    }

    fn tell_repair(&mut self, endpoint: ManagedEndpoint, outcome: RepairOutcome) {
        self.repairs.gone = None;
        let gateway_id = endpoint.gateway_id;
        let budget = self.repairs.budgets.entry(gateway_id.clone()).or_default();
        budget.ended_at = Some(self.now.since_start);
        // It stays used up until the gateway is well; saying so once is enough.
        let repeats = std::mem::replace(
            &mut budget.told,
            outcome == RepairOutcome::AttemptsExhausted,
        );
        if repeats && outcome == RepairOutcome::AttemptsExhausted {
            return;
        }
        self.tell(ClientEvent::Repair {
            gateway_id,
            outcome,
        });
    }
}
