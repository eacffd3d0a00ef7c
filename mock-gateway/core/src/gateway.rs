//! The hub: one machine that owns every connection, device, node and pending request.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_protocol::schema::Catalog;
use gateway_protocol::{
    CloseFrame, ErrorShape, Event, Frame, Keypair, Now, Outgoing, RequestId, Response, SecretKind,
    SkewClock, StateVersion, limits,
};
use serde_json::{Value, json};

use crate::admit::SshProbes;
use crate::agent::Agent;
use crate::bootstrap::SetupTokens;
use crate::config::Config;
use crate::connection::{Connection, Handshake, OpenConnection, Phase};
use crate::devices::Devices;
use crate::entropy::Entropy;
use crate::handshake::{LateRefusal, Refusal};
use crate::identity::Keys;
use crate::invoke::Invokes;
use crate::io::{Admission, Input, LogLine, Output, Peer};
use crate::json::Object;
use crate::locality::Locality;
use crate::mounted::MountedBehaviors;
use crate::mutation::Mutation;
use crate::nodes::Nodes;
use crate::outputs::{Broadcast, Outputs, Payload};
use crate::pairing::PendingDevices;
use crate::presence::Presence;
use crate::profile::Profile;
use crate::rate_limit::RateLimiter;
use crate::reload::ConfigFile;
use crate::timers::{Timer, Timers};
use crate::view::BehaviorView;
use crate::wizard::Wizards;

/// A whole gateway: devices, nodes, pending requests and every connection.
///
/// Drive it with [`handle`](Self::handle), then drain [`poll`](Self::poll); call `handle` with [`Input::Woke`] when
/// [`wake_at`](Self::wake_at) has come.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub(crate) profile: &'static Profile,
    pub(crate) config: Config,
    pub(crate) entropy: Entropy,
    pub(crate) boot: Boot,
    pub(crate) identity: Keypair,
    /// The gateway's clocks against the true ones.
    pub(crate) clock: SkewClock,
    pub(crate) timers: Timers,
    pub(crate) outputs: Outputs,
    pub(crate) connections: BTreeMap<u32, Connection>,
    pub(crate) devices: Devices,
    pub(crate) pending_devices: PendingDevices,
    pub(crate) setup_tokens: SetupTokens,
    pub(crate) completed_setups: BTreeMap<String, Value>,
    pub(crate) ssh_probes: SshProbes,
    pub(crate) nodes: Nodes,
    pub(crate) invokes: Invokes,
    pub(crate) presence: Presence,
    pub(crate) keys: Keys,
    pub(crate) versions: StateVersion,
    pub(crate) health_due: bool,
    pub(crate) limiter: RateLimiter,
    pub(crate) behaviors: MountedBehaviors,
    pub(crate) agent: Agent,
    pub(crate) wizards: Wizards,
    /// The published schema, where somebody has fetched it.
    pub(crate) catalog: Option<Arc<Catalog>>,
    /// The configuration as a file, which may say something else than what is in force.
    pub(crate) file: ConfigFile,
    /// Unanswered `device.scopes.waitUpgrade` requests.
    pub(crate) scope_waits: Vec<ScopeWait>,
    /// Connections to close once the current answer is out.
    pub(crate) closing: Vec<(u32, CloseFrame)>,
    minted: Vec<(SecretKind, String)>,
    /// A deliberate bug.
    #[cfg(feature = "mutants")]
    pub(crate) mutation: Option<Mutation>,
}

/// Somebody waits for a scope upgrade.
#[derive(Clone, Debug)]
pub(crate) struct ScopeWait {
    pub(crate) request_id: String,
    pub(crate) conn: u32,
    pub(crate) id: RequestId,
}

/// One run of the gateway process.
#[derive(Clone, Debug)]
pub(crate) struct Boot {
    pub(crate) id: String,
    pub(crate) instance: String,
    pub(crate) config_hash: String,
    pub(crate) started: Duration,
    pub(crate) starting_until: Option<Duration>,
    pub(crate) up: Up,
}

/// Whether anybody is listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Up {
    Running,
    Restarting,
    Stopped,
}

impl Boot {
    pub(crate) fn new(entropy: &mut Entropy, config: &Config, started: Duration) -> Self {
        Self {
            id: entropy.uuid(),
            instance: entropy.uuid(),
            config_hash: entropy.token(),
            started,
            starting_until: config
                .starting_ms
                .map(|ms| started + Duration::from_millis(config.paced(ms))),
            up: Up::Running,
        }
    }
}

impl Gateway {
    /// A gateway that starts `now`. Equal seeds and inputs give equal outputs.
    pub fn new(config: Config, profile: &'static Profile, seed: u64, now: Now) -> Self {
        let mut entropy = Entropy::new(seed);
        let identity = Keypair::from_seed(entropy.bytes());
        let boot = Boot::new(&mut entropy, &config, now.since_start);
        let mut timers = Timers::default();
        timers.set(now.since_start + config.tick_interval(), Timer::Tick);
        Self {
            profile,
            file: ConfigFile::of(&config, profile),
            config,
            entropy,
            boot,
            identity,
            clock: SkewClock::new(),
            timers,
            outputs: Outputs::default(),
            connections: BTreeMap::new(),
            devices: Devices::default(),
            pending_devices: PendingDevices::default(),
            setup_tokens: SetupTokens::default(),
            completed_setups: BTreeMap::new(),
            ssh_probes: SshProbes::default(),
            nodes: Nodes::default(),
            invokes: Invokes::default(),
            presence: Presence::default(),
            keys: Keys::default(),
            versions: StateVersion {
                presence: 1,
                health: 1,
            },
            health_due: false,
            limiter: RateLimiter::default(),
            behaviors: MountedBehaviors::default(),
            agent: Agent::default(),
            wizards: Wizards::default(),
            catalog: None,
            scope_waits: Vec::new(),
            closing: Vec::new(),
            minted: Vec::new(),
            #[cfg(feature = "mutants")]
            mutation: None,
        }
    }

    /// Takes one input. Drain [`poll`](Self::poll) before the next. Inputs for connections that the gateway has
    /// ended, or never saw, are ignored.
    pub fn handle(&mut self, now: Now, input: Input) {
        let now = self.local_time(now);
        if self.has(Mutation::NoRateLimit) {
            self.limiter.clear();
        }
        self.fire_timers(now);
        match input {
            Input::Opened { conn, peer } => self.opened(now, conn, &peer),
            Input::Text { conn, text } => self.received(now, conn, text.as_bytes()),
            Input::Frame { conn, frame } => {
                self.receive(now, conn, || Some(Arc::unwrap_or_clone(frame)));
            }
            Input::Binary { conn, bytes } => self.received(now, conn, &bytes),
            Input::TooLarge { conn } => self.close(now, conn, CloseFrame::new(1009, "")),
            Input::ProtocolError { conn, code } => self.close(now, conn, CloseFrame::new(code, "")),
            Input::Closed { conn, code } => {
                self.left(now, conn);
                if self.connections.remove(&conn).is_some() {
                    let code = code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
                    self.log(Some(conn), format!("closed ({code})"));
                }
            }
            Input::Woke => {}
        }
        self.close_marked(now);
    }

    /// The next thing to do; `None` when nothing is left until the next input.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Woke`] is due, as time since start.
    pub fn wake_at(&self) -> Option<Duration> {
        self.clock.base_of(self.timers.next_deadline()?)
    }

    /// Every secret configured or minted so far, for the redactor.
    pub fn secrets(&self) -> Vec<(SecretKind, String)> {
        let auth = &self.config.auth;
        let configured = [
            auth.token
                .as_ref()
                .map(|token| (SecretKind::SharedToken, token.expose().to_owned())),
            auth.password
                .as_ref()
                .map(|password| (SecretKind::Password, password.expose().to_owned())),
        ];
        configured
            .into_iter()
            .flatten()
            .chain(self.minted.iter().cloned())
            .collect()
    }

    /// Whether the upgrade of connection `conn` may go on, and if not what it is answered. Behaviours are asked first,
    /// and count. ref: gateway-behaviour.md §1.1, §6.1
    pub fn admission(&mut self, conn: u32, peer: &Peer) -> Admission {
        if let Some(http) = self.scripted_upgrade(conn) {
            return Admission::Scripted(http);
        }
        if self.profile.rules.proxy_attribution && Locality::of(peer, &self.config).unattributed {
            return Admission::ProxyAttributionRequired;
        }
        if self.admits(Locality::of(peer, &self.config).limit_ip) {
            Admission::Accept
        } else {
            Admission::TooManyUnauthenticated
        }
    }

    /// Whether another connection from `ip` fits the budget of unauthenticated ones. ref: gateway-behaviour.md §1.1
    pub fn admits(&self, ip: IpAddr) -> bool {
        if self.has(Mutation::NoSocketBudget) {
            return true;
        }
        let waiting = self.connections.values().filter(|connection| {
            connection.locality.limit_ip == ip && connection.handshake().is_some()
        });
        waiting.count() < limits::UNAUTHENTICATED_SOCKETS_PER_IP
    }

    /// The profile this gateway behaves like.
    pub fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// Counters of mounted behaviours, in mounting order.
    pub fn behaviors(&self) -> Vec<BehaviorView> {
        self.behaviors.views()
    }

    /// Rises with each change of [`behaviors`](Self::behaviors).
    pub fn behavior_change(&self) -> u64 {
        self.behaviors.change()
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn local_time(&self, now: Now) -> Now {
        self.clock.read(now)
    }

    fn fire_timers(&mut self, now: Now) {
        while let Some((due, timer)) = self.timers.take_due(now.since_start) {
            self.fire(now, due, timer);
        }
    }

    fn fire(&mut self, now: Now, due: Duration, timer: Timer) {
        match timer {
            Timer::Handshake(conn) => {
                self.log(Some(conn), "handshake timed out".to_owned());
                self.close(now, conn, CloseFrame::new(1000, ""));
            }
            Timer::Tick => self.tick(now, due),
            Timer::Ping(conn) => self.ping(due, conn),
            Timer::Health => self.broadcast_health(now),
            Timer::Challenge(conn, payload) => self.send_event(conn, "connect.challenge", *payload),
            Timer::Invoke(id) => self.fail_invoke(&id, crate::invoke::InvokeFailure::Timeout),
            Timer::Refuse(conn, late) => {
                self.refuse_now(now, conn, &late.request_id, &late.refusal);
            }
            Timer::Scripted(conn, scripted) => {
                self.run_scripted(now, conn, &scripted);
            }
            Timer::Restart(announced) => {
                let (down_for, reason) = *announced;
                self.go_down(now, &crate::lifecycle::Down::Restart { down_for, reason });
            }
            Timer::Ready => self.come_back(now, due),
            Timer::Reload => drop(self.reload(now, None)),
            Timer::Agent(run) => self.step_run(now, due, &run),
        }
        self.close_marked(now);
    }

    fn opened(&mut self, now: Now, conn: u32, peer: &Peer) {
        if self.boot.up != Up::Running || self.connections.contains_key(&conn) {
            self.outputs.push_back(Output::Abort { conn });
            return;
        }
        let nonce = self.entropy.uuid();
        let mut patience = self.config.handshake_timeout();
        if self.has(Mutation::WrongHandshakeTimeout) {
            patience = patience * 2 / 3;
        }
        let deadline = self
            .timers
            .set(now.since_start + patience, Timer::Handshake(conn));
        let handshake = Handshake {
            nonce: nonce.clone().into(),
            deadline: Some(deadline),
            refused: false,
            queued: 0,
        };
        let connection = Connection {
            number: conn,
            id: self.entropy.uuid().into(),
            locality: Locality::of(peer, &self.config),
            origin: peer.origin.clone(),
            host: peer.host.clone(),
            phase: Phase::Handshake(handshake),
            seq: 0,
        };
        let place = if connection.locality.local {
            "local"
        } else {
            "remote"
        };
        self.log(
            Some(conn),
            format!("opened from {} ({place})", peer.remote_ip),
        );
        self.connections.insert(conn, connection);
        self.outputs.push_back(Output::Limit {
            conn,
            max_message: limits::PRE_HELLO_MESSAGE_BYTES,
        });
        self.challenge(now, conn, nonce);
    }

    /// ref: gateway-behaviour.md §2.1
    fn challenge(&mut self, now: Now, conn: u32, nonce: String) {
        let Some((behavior, change)) = self.scripted_challenge(now, conn) else {
            return;
        };
        let nonce = change.nonce.unwrap_or(nonce);
        if let Some(handshake) = self
            .connections
            .get_mut(&conn)
            .and_then(Connection::handshake_mut)
        {
            handshake.nonce = nonce.as_str().into();
        }
        let ts = now.wall.shifted(change.ts_offset_ms.unwrap_or_default());
        let capabilities = self.profile.rules.challenge_capabilities;
        let payload = Object::new().with("nonce", nonce).with("ts", ts.0).when(
            capabilities,
            "capabilities",
            json!(["model-catalog-snapshot"]),
        );
        let payload = change.payload.unwrap_or_else(|| payload.build());
        let payload = match &change.json_patch {
            Some(patch) => self.patched(&behavior, patch, payload),
            None => payload,
        };
        match change.delay_ms {
            Some(ms) => {
                let at = now.since_start + Duration::from_millis(ms);
                self.timers
                    .set(at, Timer::Challenge(conn, Box::new(payload)));
            }
            None => self.send_event(conn, "connect.challenge", payload),
        }
    }

    fn ping(&mut self, due: Duration, conn: u32) {
        let next = self
            .timers
            .set(due + self.config.ping_interval(), Timer::Ping(conn));
        match self
            .connections
            .get_mut(&conn)
            .and_then(Connection::open_mut)
        {
            Some(open) => {
                open.ping = next;
                self.outputs.push_back(Output::Ping { conn });
            }
            None => self.timers.cancel(next),
        }
    }

    /// Ends a connect that failed, now or after the delay that 2026.9.6 gives local offenders.
    pub(crate) fn refuse(&mut self, now: Now, conn: u32, id: &RequestId, refusal: Refusal) {
        if refusal.delay.is_zero() {
            self.refuse_now(now, conn, id, &refusal);
            return;
        }
        if let Some(handshake) = self
            .connections
            .get_mut(&conn)
            .and_then(Connection::handshake_mut)
        {
            handshake.refused = true;
        }
        let late = LateRefusal {
            request_id: id.clone(),
            refusal,
        };
        let at = now.since_start + late.refusal.delay;
        self.timers.set(at, Timer::Refuse(conn, Box::new(late)));
    }

    fn refuse_now(&mut self, now: Now, conn: u32, id: &RequestId, refusal: &Refusal) {
        let refusal = self.mutated_refusal(refusal);
        if let Some(error) = &refusal.error {
            self.log(Some(conn), format!("refused: {}", error.message));
            self.respond(conn, id, Err(error.clone()));
        }
        self.close(now, conn, refusal.close);
    }

    fn mutated_refusal(&self, refusal: &Refusal) -> Refusal {
        let mut refusal = refusal.clone();
        if self.has(Mutation::WrongCloseCode) {
            refusal.close.code = 1000;
        }
        if self.has(Mutation::ReasonNotCut) && refusal.close.reason.len() == 120 {
            refusal.close.reason.push_str("...");
        }
        if self.has(Mutation::MissingDetails)
            && let Some(error) = &mut refusal.error
        {
            error.details = None;
        }
        refusal
    }

    pub(crate) fn respond(
        &mut self,
        conn: u32,
        id: &RequestId,
        outcome: Result<Value, ErrorShape>,
    ) {
        self.send(
            conn,
            Frame::Response(Response {
                id: id.clone(),
                outcome,
            }),
        );
    }

    pub(crate) fn send(&mut self, conn: u32, frame: Frame) {
        self.send_raw(conn, Outgoing::Frame(frame));
    }

    pub(crate) fn send_raw(&mut self, conn: u32, message: Outgoing) {
        let ended = self
            .connections
            .get(&conn)
            .is_none_or(|connection| matches!(connection.phase, Phase::Closing));
        if !ended {
            self.outputs.push_back(Output::Send { conn, message });
        }
    }

    /// A targeted event: no seq.
    pub(crate) fn send_event(&mut self, conn: u32, event: &str, payload: Value) {
        self.send(conn, Frame::Event(Event::targeted(event, payload)));
    }

    /// A broadcast counts on every connection that gets it. ref: gateway-behaviour.md §1.2
    pub(crate) fn broadcast(
        &mut self,
        event: &str,
        payload: impl Into<Payload>,
        versioned: bool,
        wanted: impl Fn(&OpenConnection) -> bool,
    ) {
        let broadcast = Arc::new(Broadcast {
            event: event.to_owned(),
            payload: payload.into(),
            state_version: versioned.then_some(self.versions),
        });
        let restarts = self.has(Mutation::SeqRestarts);
        for (conn, connection) in &mut self.connections {
            if connection.open().is_some_and(&wanted) {
                connection.seq += u64::from(!restarts || connection.seq == 0);
                let recipient = connection.recipient(self.profile);
                self.outputs
                    .push_copy(*conn, connection.seq, recipient, &broadcast);
            }
        }
    }

    /// A broadcast to these connections.
    pub(crate) fn broadcast_to(&mut self, event: &str, payload: &Value, conns: &[u32]) {
        let broadcast = Arc::new(Broadcast {
            event: event.to_owned(),
            payload: payload.into(),
            state_version: None,
        });
        for conn in conns {
            let open = self.connections.get_mut(conn);
            if let Some(connection) = open.filter(|connection| connection.open().is_some()) {
                connection.seq += 1;
                let recipient = connection.recipient(self.profile);
                self.outputs
                    .push_copy(*conn, connection.seq, recipient, &broadcast);
            }
        }
    }

    /// Device pairing events go to operators who may decide. ref: gateway-behaviour.md §6.3
    pub(crate) fn tell_pairing(&mut self, event: &str, payload: &Value) {
        if self.has(Mutation::NoResolvedEvent) && event == "device.pair.resolved" {
            return;
        }
        self.broadcast(event, payload, false, OpenConnection::sees_pairing);
    }

    /// Node pairing events; 2026.9.6 tells an approved node too. ref: gateway-behaviour.md §7.1, recordings 83, 101, 106
    pub(crate) fn tell_node_pairing(&mut self, event: &str, payload: &Value, node: Option<u32>) {
        if let Some(conn) = node.filter(|_| self.profile.rules.node_errors_9) {
            self.send_event(conn, event, payload.clone());
        }
        self.tell_pairing(event, payload);
    }

    /// Sends a close frame and forgets the client.
    pub(crate) fn close(&mut self, now: Now, conn: u32, frame: CloseFrame) {
        let Some(connection) = self.connections.get(&conn) else {
            return;
        };
        if matches!(connection.phase, Phase::Closing) {
            return;
        }
        self.log(
            Some(conn),
            format!("closing {} {:?}", frame.code, frame.reason),
        );
        self.outputs.push_back(Output::Close { conn, frame });
        self.left(now, conn);
    }

    /// Ends a connection without a close frame.
    pub(crate) fn abort(&mut self, now: Now, conn: u32) {
        let Some(connection) = self.connections.get(&conn) else {
            return;
        };
        if matches!(connection.phase, Phase::Closing) {
            return;
        }
        self.outputs.push_back(Output::Abort { conn });
        self.left(now, conn);
    }

    fn close_marked(&mut self, now: Now) {
        for (conn, frame) in std::mem::take(&mut self.closing) {
            self.close(now, conn, frame);
        }
    }

    /// A new secret, remembered for the redactor.
    pub(crate) fn mint(&mut self, kind: SecretKind) -> String {
        let secret = self.entropy.token();
        self.minted.push((kind, secret.clone()));
        secret
    }

    /// Remembers a secret that was made elsewhere.
    pub(crate) fn remember_secret(&mut self, kind: SecretKind, secret: String) {
        self.minted.push((kind, secret));
    }

    pub(crate) fn log(&mut self, conn: Option<u32>, text: String) {
        self.outputs.push_back(Output::Log(LogLine { conn, text }));
    }
}
