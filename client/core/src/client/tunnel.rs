//! The SSH tunnel to a gateway: started before the roles that need it, reused while it fits, restarted within a
//! budget. ref: client-behaviour.md §14.4, §16 (3), §24
//!
//! The shell runs `ssh`; the core says when, and holds every connection back until the near end is proven to be ours.
//! The id of a tunnel is the proof: a connection that was made under one id is never continued under another.

use std::time::Duration;

use crate::classify::ErrorKind;
use crate::client::Client;
use crate::client::connection::{Phase, Slot};
use crate::client::lifecycle::Step;
use crate::client::timers::Timer;
use crate::credential::CredentialSource;
use crate::event::DiagnosticCategory as Category;
use crate::input::TunnelId;
use crate::output::Output;
use crate::registry::{GatewayRecord, SshTunnel};
use crate::state::{NodeTrigger, OperatorTrigger};
use crate::url::GatewayUrl;

/// Waits before the first, second and third restart; there is no fourth within [`WINDOW`]. ref: §24
const RESTART_DELAYS: [Duration; 3] = [
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(30),
];
/// A restart that lies further back no longer counts.
const WINDOW: Duration = Duration::from_mins(5);
/// A restart that meets a running wish looks again this much later.
const BUSY_DELAY: Duration = Duration::from_millis(200);

/// The tunnel of the current gateway.
#[derive(Clone, Debug)]
struct Tunnel {
    id: TunnelId,
    gateway_id: String,
    spec: SshTunnel,
    phase: TunnelPhase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TunnelPhase {
    Starting,
    Up,
    Down,
}

/// Every tunnel of a client: one for its connections, and for the length of a validation one more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tunnels {
    active: Option<Tunnel>,
    /// The isolated tunnel of a shared-token validation, and whether it is up.
    trial: Option<(TunnelId, bool)>,
    /// When tunnels were restarted, oldest first.
    restarts: Vec<Duration>,
    last_id: u64,
}

impl Tunnels {
    fn new_id(&mut self) -> TunnelId {
        self.last_id += 1;
        TunnelId(self.last_id)
    }

    /// The proof of the near end for this gateway's roles.
    pub(crate) fn proof(&self, record: &GatewayRecord) -> Option<u64> {
        let tunnel = self.active.as_ref()?;
        let fits =
            tunnel.gateway_id == record.id && record.ssh_tunnel.as_ref() == Some(&tunnel.spec);
        (fits && tunnel.phase == TunnelPhase::Up).then_some(tunnel.id.0)
    }

    /// The proof of the near end of a validation's tunnel.
    pub(crate) fn trial_proof(&self) -> Option<u64> {
        self.trial.filter(|(_, up)| *up).map(|(id, _)| id.0)
    }

    pub(crate) fn is_active(&self, id: TunnelId) -> bool {
        self.active.as_ref().is_some_and(|tunnel| tunnel.id == id)
    }

    /// A recovery that led to a connected role gives the whole budget back.
    pub(crate) fn recovered(&mut self) {
        self.restarts.clear();
    }
}

impl Client {
    /// Whether this gateway's roles must wait for its tunnel.
    pub(super) fn waits_for_tunnel(&self, record: &GatewayRecord) -> bool {
        record.ssh_tunnel.is_some() && self.options.tunnels && self.tunnels.proof(record).is_none()
    }

    /// Starts the tunnel of this record, unless it is being started already.
    pub(super) fn want_tunnel(&mut self, record: &GatewayRecord) {
        let Some(spec) = record.ssh_tunnel.clone() else {
            return;
        };
        self.keep_only_tunnel_of(record);
        let alive = |tunnel: &Tunnel| tunnel.phase != TunnelPhase::Down;
        if self.tunnels.active.as_ref().is_some_and(alive) {
            return;
        }
        let id = self.tunnels.new_id();
        self.owners.remove(&record.id);
        self.tunnels.active = Some(Tunnel {
            id,
            gateway_id: record.id.clone(),
            spec: spec.clone(),
            phase: TunnelPhase::Starting,
        });
        self.outputs.push_back(Output::StartTunnel {
            tunnel: id,
            gateway_id: record.id.clone(),
            spec,
        });
    }

    /// Stops a tunnel that leads elsewhere than this record wants.
    pub(super) fn keep_only_tunnel_of(&mut self, record: &GatewayRecord) {
        let fits = |tunnel: &Tunnel| {
            tunnel.gateway_id == record.id && record.ssh_tunnel.as_ref() == Some(&tunnel.spec)
        };
        if self.tunnels.active.as_ref().is_some_and(|it| !fits(it)) {
            self.stop_tunnel();
        }
    }

    /// Stops the tunnel of the connections; the budget of restarts starts over.
    pub(super) fn stop_tunnel(&mut self) {
        self.tunnels.recovered();
        if let Some(tunnel) = self.tunnels.active.take()
            && tunnel.phase != TunnelPhase::Down
        {
            self.diagnose(Category::Tunnel, "SSH tunnel stopped");
            self.outputs
                .push_back(Output::StopTunnel { tunnel: tunnel.id });
        }
    }

    /// Starts a tunnel on a port of its own for a validation: the live one is not touched. ref: §16 (3)
    pub(super) fn start_trial_tunnel(&mut self, gateway_id: String, spec: &SshTunnel) {
        let id = self.tunnels.new_id();
        self.tunnels.trial = Some((id, false));
        let spec = SshTunnel {
            local_port: 0,
            include_browser_proxy_forward: false,
            ..spec.clone()
        };
        self.outputs.push_back(Output::StartTunnel {
            tunnel: id,
            gateway_id,
            spec,
        });
    }

    pub(super) fn stop_trial_tunnel(&mut self) {
        if let Some((tunnel, _)) = self.tunnels.trial.take() {
            self.outputs.push_back(Output::StopTunnel { tunnel });
        }
    }

    /// The near end listens and is ours.
    pub(super) fn on_tunnel_up(&mut self, id: TunnelId, local_port: u16) {
        if self.tunnels.trial == Some((id, false)) {
            self.tunnels.trial = Some((id, true));
            return self.trial_tunnel_up(id, local_port);
        }
        let Some(tunnel) = self.tunnels.active.as_mut().filter(|it| it.id == id) else {
            // A superseded start has no successor to serve.
            return self.outputs.push_back(Output::StopTunnel { tunnel: id });
        };
        tunnel.phase = TunnelPhase::Up;
        let gateway_id = tunnel.gateway_id.clone();
        self.diagnose_with(
            Category::Tunnel,
            "SSH tunnel started",
            Some(format!("localPort={local_port}")),
        );
        for slot in [Slot::Operator, Slot::Node] {
            let waits = self.connection(slot).is_some_and(|it| {
                it.gateway_id == gateway_id && matches!(it.phase, Phase::Preparing)
            });
            if waits {
                self.launch_through_tunnel(slot);
            }
        }
        self.launch_settled();
    }

    fn launch_through_tunnel(&mut self, slot: Slot) {
        let Some(connection) = self.connection(slot) else {
            return;
        };
        let source = connection.credential.source;
        let record = self.state.registry.find(&connection.gateway_id).cloned();
        let Some(record) = record else { return };
        match self.authorize(&record, source) {
            Ok(proof) => {
                if let Some(connection) = self.connection_mut(slot) {
                    connection.proof = proof;
                }
                self.open_when_ready(slot);
            }
            Err(denied) => {
                if let Some(connection) = self.connection_mut(slot) {
                    connection.phase = Phase::Stopped;
                }
                self.denied(slot, denied);
            }
        }
    }

    fn trial_tunnel_up(&mut self, id: TunnelId, local_port: u16) {
        let Some(target) = GatewayUrl::parse(&format!("ws://localhost:{local_port}")) else {
            return;
        };
        if let Some(validation) = &mut self.validation {
            validation.target = target;
            validation.proof = Some(id.0);
            self.open_socket(Slot::Validation);
        }
    }

    /// The tunnel could not be started, or ended by itself.
    pub(super) fn on_tunnel_down(&mut self, id: TunnelId, error: &str) {
        if self.tunnels.trial.is_some_and(|(trial, _)| trial == id) {
            self.tunnels.trial = None;
            return self
                .validation_failed("Shared token validation failed: SSH tunnel start failed");
        }
        let Some(tunnel) = self.tunnels.active.as_mut().filter(|it| it.id == id) else {
            return;
        };
        let was = std::mem::replace(&mut tunnel.phase, TunnelPhase::Down);
        let gateway_id = tunnel.gateway_id.clone();
        let text = match was {
            TunnelPhase::Starting => "SSH tunnel start failed",
            TunnelPhase::Up | TunnelPhase::Down => "SSH tunnel ended unexpectedly",
        };
        self.diagnose_with(Category::Tunnel, text, Some(error.to_owned()));
        if was == TunnelPhase::Starting {
            self.tunnel_start_failed(&gateway_id, error);
        }
        if was == TunnelPhase::Up || !self.tunnels.restarts.is_empty() {
            self.schedule_tunnel_restart(id);
        }
    }

    fn tunnel_start_failed(&mut self, gateway_id: &str, error: &str) {
        let message = format!("SSH tunnel start failed: {error}");
        let waits = |it: &super::connection::Connection| {
            it.gateway_id == gateway_id && matches!(it.phase, Phase::Preparing)
        };
        if self.operator.as_ref().is_some_and(waits) {
            self.operator = None;
            self.operator_failed(&message, ErrorKind::Tunnel);
            self.operator_trigger(OperatorTrigger::WebSocketError);
        }
        if self.node.as_ref().is_some_and(waits) {
            self.node = None;
            self.node_failed(&message, ErrorKind::Tunnel);
            self.node_trigger(NodeTrigger::StartBlocked);
        }
        self.launch_settled();
    }

    fn schedule_tunnel_restart(&mut self, id: TunnelId) {
        let now = self.now.since_start;
        let restarts = &mut self.tunnels.restarts;
        restarts.retain(|at| now.saturating_sub(*at) < WINDOW);
        let Some(delay) = RESTART_DELAYS.get(restarts.len()) else {
            self.operator_failed(
                "SSH tunnel keeps ending; reconnect to try again",
                ErrorKind::Tunnel,
            );
            self.operator_trigger(OperatorTrigger::WebSocketError);
            return self.diagnose(Category::Tunnel, "SSH tunnel recovery budget is used up");
        };
        let at = now.saturating_add(*delay);
        restarts.push(at);
        self.timers.set(at, Timer::TunnelRestart { tunnel: id });
    }

    /// Reconnects through a new tunnel, if everything is still as it was when the old one ended.
    pub(super) fn restart_tunnel(&mut self, id: TunnelId) {
        let Some(tunnel) = self.tunnels.active.clone().filter(|it| it.id == id) else {
            return;
        };
        let still_wanted = self.state.registry.active().is_some_and(|record| {
            record.id == tunnel.gateway_id && record.ssh_tunnel.as_ref() == Some(&tunnel.spec)
        });
        if !still_wanted || self.user_disconnected || tunnel.phase != TunnelPhase::Down {
            return;
        }
        if self.transition.is_some() {
            let at = self.after(BUSY_DELAY);
            return self.timers.set(at, Timer::TunnelRestart { tunnel: id });
        }
        self.diagnose(Category::Tunnel, "Restarting the SSH tunnel");
        self.disconnect();
        self.launch_operator(&tunnel.gateway_id);
    }

    /// The record whose rules hold for a connection: a validation tries one that is not saved yet.
    pub(super) fn record_of(&self, slot: Slot) -> Option<&GatewayRecord> {
        if slot == Slot::Validation
            && let Some(transition) = &self.transition
            && let Step::Validating(record) = &transition.step
        {
            return Some(record);
        }
        self.state.registry.find(&self.connection(slot)?.gateway_id)
    }

    /// Whether the fallback credential of a recovery can't be read by a stranger. ref: §17.4
    pub(super) fn is_recovery_safe(&self, record: &GatewayRecord, slot: Slot) -> bool {
        let proves = self.options.policy.proves_endpoints();
        if record.ssh_tunnel.is_some() && proves {
            let proof = self.tunnels.proof(record);
            return proof.is_some() && proof == self.connection(slot).and_then(|it| it.proof);
        }
        let proven = self
            .authorize(record, CredentialSource::SharedToken)
            .is_ok();
        record.is_recovery_safe() && proven
    }
}
