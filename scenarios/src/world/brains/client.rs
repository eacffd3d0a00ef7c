//! A client without its shell: inbox, store, node commands, and the core between them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client_core::{
    Client, EndpointOwner, Identity, Inbound, Input, Intent, InvokeKey, Output, RepairId, SocketId,
    TunnelId,
};
use gateway_client::Store as _;
use gateway_client::store::MemoryState;
use gateway_protocol::time::VIRTUAL_EPOCH;
use gateway_protocol::{CloseFrame, Now, SkewClock};
use link::WireMessage;
use serde_json::Value;

use super::super::Refusal;
use super::super::arrange::{ClientPlan, PORT, finding, identity_read, turn_identity};
use super::super::bell::Bell;
use super::super::puppet;
use super::super::services::SERVICE_RESTART;
use super::super::witness::{Disk, Ledger, Reports, Watchglass, Witness};
use super::line::Spoken;
use crate::judge::durable::StoreNotes;
use crate::scenario::{Death, IdentityFile, Moment, Service, TunnelName};

/// What a client wants of the world.
pub(super) enum Wish {
    /// It was busy with itself.
    Nothing,
    Open {
        socket: SocketId,
        origin: String,
        url: String,
    },
    Send {
        socket: SocketId,
        message: Spoken,
    },
    Close {
        socket: SocketId,
        message: Option<CloseFrame>,
    },
    Abort {
        socket: SocketId,
    },
    /// It wants to know whether the gateway's port answers.
    Probe {
        repair: RepairId,
    },
    /// The restart of the gateway's service that it asked for is due.
    Restart {
        repair: RepairId,
        service: Service,
    },
    /// Its process was killed at a durable change.
    Die(Moment),
}

/// One client.
pub(super) struct CoreClient {
    name: String,
    plan: ClientPlan,
    pub(super) headers: Vec<String>,
    pub(super) skew: SkewClock,
    pub(super) state: MemoryState,
    pub(super) disk: Disk,
    notes: Arc<Mutex<StoreNotes>>,
    pub(super) reports: Reports,
    running: Option<Running>,
    /// Inputs that it has handled, starts and stops.
    changes: u64,
    /// When its process is to be killed.
    pub(super) death: Option<Death>,
    /// Who listens at the gateway's address, for a client that looks.
    listener: Option<EndpointOwner>,
    /// The identity file as it was before it was damaged.
    aside: Option<Identity>,
    ssh: Ssh,
    ledger: Ledger,
    /// The time of the loop, for the store's notes.
    time: Arc<Mutex<Duration>>,
}

struct Running {
    core: Client,
    store: Witness,
    inbox: VecDeque<Input>,
    /// Commands that are being carried out, and when they are done.
    busy: Vec<(Duration, InvokeKey, Input)>,
    /// A restart of the gateway's service, and when it is over.
    restart: Option<(Duration, RepairId)>,
}

impl CoreClient {
    pub(super) fn new(name: &str, plan: ClientPlan, ledger: &Ledger) -> Self {
        let notes = StoreNotes::new(name, &plan.state);
        ledger.begin(&notes);
        Self {
            headers: plan.headers.clone(),
            skew: SkewClock::ahead_by(plan.offset_ms),
            state: MemoryState::new(plan.state.clone()),
            disk: Disk::default(),
            notes: Arc::new(Mutex::new(notes)),
            reports: Reports::default(),
            running: None,
            changes: 0,
            death: None,
            listener: None,
            aside: None,
            ssh: Ssh::default(),
            ledger: ledger.clone(),
            name: name.to_owned(),
            time: Arc::default(),
            plan,
        }
    }

    /// Starts it and tells it to connect.
    pub(super) fn start(&mut self, now: Duration, ledger: &Ledger) -> Result<(), Refusal> {
        if self.running.is_some() {
            return Err(Refusal::new("the client is running already"));
        }
        let store = self.store(ledger);
        self.changes += 1;
        let core = Client::new(self.plan.start(), self.state.read(), self.clock(now));
        self.running = Some(Running {
            core,
            store,
            inbox: self.listener.map(finding).into_iter().collect(),
            busy: Vec::new(),
            restart: None,
        });
        self.intend(Intent::Connect)
    }

    /// Its disk, as a process of it has it.
    fn store(&self, ledger: &Ledger) -> Witness {
        let time = Arc::clone(&self.time);
        let read: Watchglass =
            Arc::new(move || *time.lock().unwrap_or_else(PoisonError::into_inner));
        Witness::new(
            self.state.clone(),
            Arc::clone(&self.notes),
            ledger.clone(),
            read,
            Bell::default(),
            self.disk.clone(),
        )
    }

    /// The same client in another world, with nothing in common: what it draws from here on comes from this seed.
    pub(super) fn copy(&self, seed: u64, ledger: &Ledger) -> Self {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut copy = Self {
            name: self.name.clone(),
            plan: self.plan.clone(),
            headers: self.headers.clone(),
            skew: self.skew,
            state: MemoryState::new(self.state.read()),
            disk: self.disk.copy(),
            notes: Arc::new(Mutex::new(notes.clone())),
            reports: self.reports.copy(),
            running: None,
            changes: self.changes,
            death: self.death,
            listener: self.listener,
            aside: self.aside.clone(),
            ssh: self.ssh.clone(),
            ledger: ledger.clone(),
            time: Arc::default(),
        };
        copy.plan.reseed(seed);
        copy.running = self.running.as_ref().map(|running| {
            let mut core = running.core.clone();
            core.reseed(seed);
            Running {
                core,
                store: copy.store(ledger),
                inbox: running.inbox.clone(),
                busy: running.busy.clone(),
                restart: running.restart,
            }
        });
        copy
    }

    /// When something is due that it waits for.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Duration> {
        let running = self.running.iter();
        running.flat_map(|running| {
            let busy = running.busy.iter().map(|(at, _, _)| *at);
            let restart = running.restart.iter().map(|(at, _)| *at);
            busy.chain(restart).chain(running.core.deadlines())
        })
    }

    pub(super) fn stop(&mut self) {
        self.changes += 1;
        self.running = None;
    }

    pub(super) fn intend(&mut self, intent: Intent) -> Result<(), Refusal> {
        match &mut self.running {
            Some(running) => {
                running.inbox.push_back(Input::User(intent));
                Ok(())
            }
            None => Err(Refusal::new("the client is not running")),
        }
    }

    /// Somebody listens at the gateway's address.
    pub(super) fn find_listener(&mut self, owner: EndpointOwner) {
        self.listener = Some(owner);
        self.take(finding(owner));
    }

    /// Something becomes of its identity file; it reads it again, if it runs.
    pub(super) fn turn_identity(&mut self, file: IdentityFile) {
        let aside = &mut self.aside;
        let found = self.state.with(|state| {
            turn_identity(file, state, aside);
            identity_read(state)
        });
        if file != IdentityFile::Made {
            self.take(found);
        }
    }

    /// Something becomes of its tunnels.
    pub(super) fn turn_tunnel(&mut self, turn: TunnelName) {
        match turn {
            TunnelName::Ended => self.end_tunnels(|ssh| &mut ssh.running),
            TunnelName::EndedLate => self.end_tunnels(|ssh| &mut ssh.stopped),
            TunnelName::Broken => self.ssh.is_broken = true,
            TunnelName::Mended => self.ssh.is_broken = false,
        }
    }

    fn end_tunnels(&mut self, which: fn(&mut Ssh) -> &mut Vec<TunnelId>) {
        for tunnel in std::mem::take(which(&mut self.ssh)) {
            let error = "ssh ended with exit status 255".to_owned();
            self.take(Input::TunnelDown { tunnel, error });
        }
    }

    /// Something happened to it.
    pub(super) fn take(&mut self, input: Input) {
        if let Some(running) = &mut self.running {
            running.inbox.push_back(input);
        }
    }

    pub(super) fn snapshot(&self) -> Option<Value> {
        serde_json::to_value(self.running.as_ref()?.core.snapshot()).ok()
    }

    pub(super) fn dashboard(&self) -> Option<Value> {
        serde_json::to_value(self.running.as_ref()?.core.dashboard()?).ok()
    }

    /// How often its snapshot may have changed.
    pub(super) fn shown(&self) -> u64 {
        self.changes
    }

    fn clock(&self, now: Duration) -> Now {
        self.skew.read(Now::at(now, VIRTUAL_EPOCH))
    }

    /// The next thing it wants done, after feeding it what waits; none when it is idle.
    pub(super) fn next(&mut self, now: Duration) -> Option<Wish> {
        let clock = self.clock(now);
        *self.time.lock().unwrap_or_else(PoisonError::into_inner) = now;
        let running = self.running.as_mut()?;
        if let Some(output) = running.core.poll() {
            if let Output::Event(event) = &output {
                self.ledger.hear(&self.name, now, event);
            }
            running.inbox.extend(self.ssh.carry_out(&output));
            if matches!(output, Output::Store { .. })
                && let Some(when) = falls_now(&mut self.death)
            {
                if when == Moment::After {
                    running.wish(output, now, &self.reports);
                }
                return Some(Wish::Die(when));
            }
            return Some(running.wish(output, now, &self.reports));
        }
        if let Some((_, repair)) = running.restart.take_if(|(at, _)| *at <= now) {
            // One that is not to be had fails like one that is broken.
            let service = self.plan.service.unwrap_or(Service::Fails);
            return Some(Wish::Restart { repair, service });
        }
        let input = running.inbox.pop_front()?;
        self.changes += 1;
        running.core.handle(clock, input);
        Some(Wish::Nothing)
    }

    /// Hands over a deadline that has come.
    pub(super) fn wake(&mut self, now: Duration) -> bool {
        let clock = self.clock(now);
        let Some(running) = self.running.as_mut() else {
            return false;
        };
        if let Some(done) = running.busy.iter().position(|(at, _, _)| *at <= now) {
            let (_, _, input) = running.busy.remove(done);
            self.changes += 1;
            running.core.handle(clock, input);
            return true;
        }
        if running
            .core
            .wake_at()
            .is_some_and(|at| at <= clock.since_start)
        {
            self.changes += 1;
            running.core.handle(clock, Input::Woke);
            return true;
        }
        false
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let running = self.running.as_ref()?;
        let busy = running.busy.iter().map(|(at, _, _)| *at);
        let wakes = running.core.wake_at().and_then(|at| self.skew.base_of(at));
        let restart = running.restart.map(|(at, _)| at);
        busy.chain(wakes).chain(restart).min()
    }
}

impl Running {
    fn wish(&mut self, output: Output, now: Duration, reports: &Reports) -> Wish {
        match output {
            Output::Open {
                socket,
                origin,
                url,
                ..
            } => {
                return Wish::Open {
                    socket,
                    origin,
                    url,
                };
            }
            Output::Send { socket, message } => {
                return Wish::Send {
                    socket,
                    message: Spoken::of(message),
                };
            }
            Output::Close {
                socket,
                code,
                reason,
            } => {
                return Wish::Close {
                    socket,
                    message: Some(CloseFrame { code, reason }),
                };
            }
            Output::Abort { socket } => return Wish::Abort { socket },
            Output::Store { op } => {
                let result = self.store.apply(&op);
                self.inbox.push_back(Input::Stored { op, result });
            }
            Output::Event(event) => reports.push(event),
            Output::Invoke(request) => {
                let (delay, result) = puppet::answer(
                    &request.command,
                    &request.args,
                    request.session_key.as_deref(),
                );
                let outcome = puppet::outcome(result);
                let done = Input::InvokeDone {
                    key: request.key,
                    outcome,
                };
                self.busy
                    .push((now.saturating_add(delay), request.key, done));
            }
            Output::ProbePort { repair, .. } => return Wish::Probe { repair },
            Output::RestartService { repair, .. } => {
                self.restart = Some((now.saturating_add(SERVICE_RESTART), repair));
            }
            // Carried out before, by its ssh.
            Output::StartTunnel { .. } | Output::StopTunnel { .. } => {}
            Output::InvokeCancel { key } => self.busy.retain(|(_, busy, _)| *busy != key),
        }
        Wish::Nothing
    }
}

/// The ssh of a client, without a program: a tunnel is up as soon as it is started, and its near end is the gateway's port.
#[derive(Clone, Default)]
struct Ssh {
    running: Vec<TunnelId>,
    stopped: Vec<TunnelId>,
    is_broken: bool,
}

impl Ssh {
    /// Carries out what is about tunnels, and answers it.
    fn carry_out(&mut self, output: &Output) -> Option<Input> {
        if let Output::StopTunnel { tunnel } = output {
            self.running.retain(|running| running != tunnel);
            self.stopped.push(*tunnel);
        }
        let Output::StartTunnel { tunnel, .. } = output else {
            return None;
        };
        let tunnel = *tunnel;
        if self.is_broken {
            let error = "connect to host gateway.example port 22: connection refused".to_owned();
            return Some(Input::TunnelDown { tunnel, error });
        }
        self.running.push(tunnel);
        Some(Input::TunnelUp {
            tunnel,
            local_port: PORT,
        })
    }
}

/// Counts one durable change; the side on which the process is killed, when this is the one.
fn falls_now(death: &mut Option<Death>) -> Option<Moment> {
    let due = death.as_mut()?;
    due.at = due.at.saturating_sub(1);
    if due.at > 0 {
        return None;
    }
    death.take().map(|death| death.when)
}

/// A message as the client's shell hands it up; none for what the codec keeps to itself.
pub(super) fn input(
    socket: SocketId,
    message: WireMessage,
    frame: Option<Arc<Value>>,
) -> Option<Input> {
    match message {
        WireMessage::Text(text) => Some(Input::Message {
            socket,
            message: match frame {
                Some(frame) => Inbound::Read { text, frame },
                None => Inbound::Text(text),
            },
        }),
        WireMessage::Binary(bytes) => Some(Input::Message {
            socket,
            message: Inbound::Binary(bytes),
        }),
        WireMessage::Close(frame) => {
            let (code, reason) = frame.map_or((Some(1005), String::new()), |frame| {
                (Some(frame.code), frame.reason)
            });
            Some(Input::Closed {
                socket,
                code,
                reason,
            })
        }
        WireMessage::Ping(_) | WireMessage::Pong(_) => None,
    }
}
