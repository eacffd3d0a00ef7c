//! The client under test is a program that somebody else wrote.
//!
//! The gateway and the raw actors are those of the world `loopback`, or of the world `real`. The one client actor of the scenario is a process
//! of an adapter; everything about it is learned from the wire, from what it prints and from how it ends. One that
//! serves the companion's tools is told things through them, and says through them how it is.

mod tray;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client_core::Intent;
use gateway_core::Control;
use gateway_protocol::{ClockFault, Hand, UnixMillis};
use link::{FaultName, FaultSpec, FaultTable};
use mock_gateway::{Guest, Running};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use transcript::Recorder;

use tray::Tray;

use super::arrange::{Arrangement, ClientPlan};
use super::bell::Bell;
use super::loopback::{TcpRoad, loopback};
use super::raw::RawMessage;
use super::real::{RealPeer, real};
use super::sockets::{Peer, Sockets};
use super::{Ending, RawPhase, Refusal, Severing, World};
use crate::adapter::{Client, Ended, Endpoint, Listener, Place, Process, Spawn, kill_all, marked};
use crate::judge::record::{ProgramNote, StoreNote};
use crate::real::Ground;

/// Processes of one client at a time; a script that starts more has lost count.
const MAX_PROGRAMS: usize = 32;

/// A one-shot action that is still running at the end is given this long.
const LAST_ACTIONS: Duration = Duration::from_millis(200);

/// A world of sockets with a foreign client.
pub(crate) struct Foreign<P> {
    inner: Sockets<TcpRoad, P>,
    actor: String,
    client: Arc<Client>,
    place: Place,
    home: Option<TempDir>,
    programs: Vec<Program>,
    told: Told,
    bell: Bell,
    tasks: JoinSet<()>,
    notes: Vec<ProgramNote>,
    plan: ClientPlan,
    tray: Option<Tray>,
}

struct Program {
    process: Process,
    note: usize,
}

/// What a run with a foreign client is given.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// The client.
    pub(crate) client: Arc<Client>,
    /// Names the run in the environment of the client's processes.
    pub(crate) mark: String,
}

/// What the client's processes have said and how they ended, as reports of the client.
#[derive(Clone, Debug, Default)]
struct Told {
    reports: Arc<Mutex<Vec<Value>>>,
    /// When programs ended by themselves, by the index of their note.
    ends: Arc<Mutex<BTreeMap<usize, u64>>>,
}

impl Told {
    fn push(&self, report: Value) {
        self.reports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(report);
    }

    fn all(&self) -> Vec<Value> {
        self.reports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The mock gateway and a foreign client at their beginning; must be called inside a runtime.
pub(crate) async fn foreign(
    mut arrangement: Arrangement,
    recorder: Recorder,
    faults: FaultTable,
    stage: Stage,
) -> io::Result<Foreign<Running>> {
    let visitor = Visitor::of(&mut arrangement, stage)?;
    let guest = Guest {
        actor: visitor.actor.clone(),
        forwarded_for: visitor.forwarded_for(),
    };
    // A foreign client lives by the machine's clock, and signs with it.
    let epoch = UnixMillis(jiff::Timestamp::now().as_millisecond());
    let inner = loopback(arrangement, recorder, faults, Some((guest, epoch))).await?;
    visitor.enter(inner)
}

/// The same in front of the real gateway, in this run's turn.
pub(crate) fn foreign_at_real(
    mut arrangement: Arrangement,
    recorder: Recorder,
    faults: FaultTable,
    stage: Stage,
    ground: Arc<Ground>,
) -> io::Result<Foreign<RealPeer>> {
    let visitor = Visitor::of(&mut arrangement, stage)?;
    let guest = Some(visitor.actor.clone());
    let inner = real(arrangement, recorder, faults, ground, guest)?;
    visitor.enter(inner)
}

/// A client that has no gateway yet.
struct Visitor {
    actor: String,
    plan: ClientPlan,
    stage: Stage,
}

impl Visitor {
    fn of(arrangement: &mut Arrangement, stage: Stage) -> io::Result<Self> {
        let client = arrangement.clients.pop_first();
        let (actor, plan) = client.ok_or_else(|| io::Error::other("the scenario has no client"))?;
        Ok(Self { actor, plan, stage })
    }

    fn forwarded_for(&self) -> Option<String> {
        let mut headers = self.plan.headers.iter();
        let address = headers.find_map(|line| line.strip_prefix("x-forwarded-for: "));
        address.map(str::to_owned)
    }

    /// Gives it a home and the address of its gateway.
    fn enter<P: Peer>(mut self, inner: Sockets<TcpRoad, P>) -> io::Result<Foreign<P>> {
        let Stage { client, mark } = self.stage;
        let active = self.plan.state.registry.active();
        let token = active.and_then(|record| record.shared_gateway_token.as_ref());
        let token = token.map(|token| token.expose().to_owned());
        let home = tempfile::Builder::new()
            .prefix("clawproof-client-")
            .tempdir()?;
        let place = Place {
            port: inner.port(),
            token,
            home: home.path().to_path_buf(),
            mark,
            ..Place::default()
        };
        self.plan.move_to(place.port);
        furnish(&client, &place)?;
        if client.adapter.file.keeps_state {
            tray::furnish(&place.home.join("state"), &self.plan.state)?;
        }
        Ok(Foreign {
            bell: inner.bell(),
            inner,
            actor: self.actor,
            client,
            place,
            home: Some(home),
            programs: Vec::new(),
            told: Told::default(),
            tasks: JoinSet::new(),
            notes: Vec::new(),
            plan: self.plan,
            tray: None,
        })
    }
}

/// Puts the adapter's files into the client's home.
fn furnish(client: &Client, place: &Place) -> io::Result<()> {
    use std::io::Write as _;
    std::fs::create_dir_all(place.home.join("state"))?;
    for (path, text) in client.files(place) {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::File::create(path)?.write_all(text.as_bytes())?;
    }
    Ok(())
}

impl<P: Peer> Foreign<P> {
    fn open_tray(&mut self, endpoint: Endpoint) -> Tray {
        let url = format!("ws://127.0.0.1:{}", self.place.port);
        Tray::open(
            &mut self.tasks,
            endpoint,
            url,
            self.told.clone(),
            self.bell.clone(),
        )
    }

    /// Waits for the line that says where the tools are.
    async fn ready(&self, first: usize) -> Result<Endpoint, Refusal> {
        let within = self.client.adapter.file.start.ready_within.0;
        let deadline = tokio::time::Instant::now() + within;
        loop {
            let seen = self.bell.strokes();
            if let Some(endpoint) = self.told.all().iter().skip(first).find_map(tray::ready) {
                return endpoint.map_err(|error| Refusal::new(error.to_string()));
            }
            let rung = tokio::time::timeout_at(deadline, self.bell.after(seen)).await;
            if rung.is_err() {
                return Err(Refusal::new(format!(
                    "{} did not say within {} s where its tools are",
                    self.actor,
                    within.as_secs()
                )));
            }
        }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.inner.now().as_micros()).unwrap_or(u64::MAX)
    }

    fn launch(&mut self, spawn: &Spawn, what: &str, stays: bool) -> Result<(), Refusal> {
        if self.programs.len() >= MAX_PROGRAMS {
            return Err(Refusal::new(format!(
                "{} has started {MAX_PROGRAMS} programs already",
                self.actor
            )));
        }
        let note = self.notes.len();
        let listener = self.listener(note, what);
        let process = Process::start(&mut self.tasks, spawn, listener)
            .map_err(|error| Refusal::new(format!("{} did not start: {error}", self.actor)))?;
        self.notes.push(ProgramNote {
            actor: self.actor.clone(),
            what: what.to_owned(),
            stays,
            started_us: self.now_us(),
            ..ProgramNote::default()
        });
        self.programs.push(Program { process, note });
        Ok(())
    }

    /// Turns lines and the end of a program into reports.
    fn listener(&self, note: usize, what: &str) -> Listener {
        let (told, bell, what) = (self.told.clone(), self.bell.clone(), what.to_owned());
        let time = self.inner.watchglass();
        Arc::new(move |line, end| {
            if let Some(line) = line {
                told.push(json!({ "event": "printed", "what": what, "line": line }));
            }
            if let Some(Ended { code, signal }) = end {
                let now = u64::try_from(time().as_micros()).unwrap_or(u64::MAX);
                told.ends
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(note, now);
                told.push(
                    json!({ "event": "exited", "what": what, "code": code, "signal": signal }),
                );
            }
            bell.ring();
        })
    }

    /// Puts down how the programs that have ended did so, before the script ends any itself.
    fn take_ends(&mut self) {
        let ends = self
            .told
            .ends
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for program in &self.programs {
            let Some(note) = self.notes.get_mut(program.note) else {
                continue;
            };
            if note.ended_us.is_none()
                && let Some(Ended { code, signal }) = program.process.ended()
            {
                note.ended_us = ends.get(&program.note).copied();
                note.code = code;
                note.signal = signal;
            }
        }
    }

    async fn end_programs(&mut self) {
        self.take_ends();
        let stop = self.client.adapter.file.stop.clone();
        for program in &mut self.programs {
            let stays = self.notes.get(program.note).is_some_and(|note| note.stays);
            if program.process.ended().is_some() {
                // Its children may live on.
                program
                    .process
                    .stop(&stop.signal.value, None, Duration::ZERO)
                    .await;
            } else if stays {
                program
                    .process
                    .stop(&stop.signal.value, stop.stdin.as_deref(), stop.within.0)
                    .await;
            } else {
                program.process.wait(LAST_ACTIONS).await;
                program
                    .process
                    .stop(&stop.signal.value, None, stop.within.0)
                    .await;
            }
        }
        for program in self.programs.drain(..) {
            if let Some(note) = self.notes.get_mut(program.note) {
                note.output = program.process.output();
            }
        }
    }

    async fn act(
        &mut self,
        name: &str,
        own: &BTreeMap<&'static str, String>,
    ) -> Result<(), Refusal> {
        let client = Arc::clone(&self.client);
        let row = client.adapter.file.action.get(name);
        if let (None, Some(tray)) = (row, &self.tray) {
            return tray.ask(&mut self.tasks, name, own);
        }
        let Some(row) = row else {
            return Err(Refusal::new(format!(
                "the adapter {} has no action {name}",
                client.adapter.name
            )));
        };
        if let Some(spawn) = client.action(row, &self.place, own) {
            return self.launch(&spawn, name, false);
        }
        let text = row.stdin.as_ref().map_or("", |text| text.value.as_str());
        let words = client.words(text, &self.place, own);
        let running = self
            .programs
            .iter_mut()
            .rev()
            .find(|program| self.notes.get(program.note).is_some_and(|note| note.stays));
        match running {
            Some(program) => {
                let written = program.process.write(&words).await;
                written
                    .then_some(())
                    .ok_or_else(|| Refusal::new(format!("{} reads no more", self.actor)))
            }
            None => Err(Refusal::new(format!("{} is not running", self.actor))),
        }
    }
}

impl<P: Peer> World for Foreign<P> {
    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn epoch(&self) -> UnixMillis {
        self.inner.epoch()
    }

    fn recorder(&self) -> &Recorder {
        self.inner.recorder()
    }

    fn url(&self) -> String {
        self.inner.url()
    }

    fn pulse(&self) -> u64 {
        self.inner.pulse()
    }

    async fn settle(&mut self) {
        self.inner.settle().await;
    }

    async fn wait(&mut self, seen: u64, deadline: Duration) {
        self.inner.wait(seen, deadline).await;
    }

    async fn start(&mut self, actor: &str) -> Result<(), Refusal> {
        if actor != self.actor {
            return self.inner.start(actor).await;
        }
        if let Some(endpoint) = self.client.endpoint().cloned() {
            let tray = self.open_tray(endpoint);
            let token = self.place.token.clone().unwrap_or_default();
            let own = BTreeMap::from([("token", token)]);
            let asked = tray.ask(&mut self.tasks, "connect_shared_token", &own);
            self.tray = Some(tray);
            return asked;
        }
        let options = self.plan.start();
        self.place.node = options.node_enabled;
        self.place.policy = options.policy.name();
        let (stays, serves) = (self.client.adapter.file.stays, self.client.adapter.file.mcp);
        let spawn = self.client.start(&self.place);
        let first = self.told.all().len();
        self.launch(&spawn, "start", stays)?;
        if serves {
            let endpoint = self.ready(first).await?;
            self.tray = Some(self.open_tray(endpoint));
        }
        Ok(())
    }

    async fn stop(&mut self, actor: &str) -> Result<(), Refusal> {
        if actor != self.actor {
            return self.inner.stop(actor).await;
        }
        self.tray = None;
        self.end_programs().await;
        Ok(())
    }

    async fn intend(&mut self, actor: &str, intent: Intent) -> Result<(), Refusal> {
        self.inner.intend(actor, intent).await
    }

    fn is_foreign(&self, actor: &str) -> bool {
        actor == self.actor
    }

    async fn tell(
        &mut self,
        _actor: &str,
        action: &str,
        arguments: &BTreeMap<&'static str, String>,
    ) -> Result<(), Refusal> {
        self.act(action, arguments).await
    }

    async fn send(
        &mut self,
        actor: &str,
        nth: Option<u32>,
        message: RawMessage,
    ) -> Result<(), Refusal> {
        self.inner.send(actor, nth, message).await
    }

    fn raw(&self, actor: &str, nth: Option<u32>) -> (RawPhase, Option<String>) {
        self.inner.raw(actor, nth)
    }

    fn sever(&mut self, actor: &str, severing: Severing) -> Result<(), Refusal> {
        self.inner.sever(actor, severing)
    }

    async fn control(&mut self, control: Control) -> Result<Value, Refusal> {
        self.inner.control(control).await
    }

    async fn install(&mut self, fault: FaultSpec) {
        self.inner.install(fault).await;
    }

    async fn heal(&mut self, name: FaultName) -> bool {
        self.inner.heal(name).await
    }

    async fn start_gateway(&mut self) -> Result<(), Refusal> {
        self.inner.start_gateway().await
    }

    async fn stop_gateway(&mut self) -> Result<(), Refusal> {
        self.inner.stop_gateway().await
    }

    fn set_clock(&mut self, actor: &str, hand: Hand, fault: ClockFault) -> Result<(), Refusal> {
        if actor == self.actor {
            return Err(Refusal::new(format!(
                "the clock of {actor} is the machine's"
            )));
        }
        self.inner.set_clock(actor, hand, fault)
    }

    fn fail_disk(&mut self, actor: &str, changes: u32) -> Result<(), Refusal> {
        if actor == self.actor {
            return Err(Refusal::new(format!(
                "the disk of {actor} is the machine's"
            )));
        }
        self.inner.fail_disk(actor, changes)
    }

    async fn view(&mut self) -> Value {
        self.inner.view().await
    }

    fn snapshot(&self, actor: &str) -> Option<Value> {
        let tray = self.tray.as_ref().filter(|_| actor == self.actor)?;
        tray.snapshot()
    }

    fn durable(&self, actor: &str) -> Option<client_core::DurableState> {
        let looks = actor == self.actor && self.client.adapter.file.keeps_state;
        looks.then(|| tray::look(&self.place.home.join("state")))?
    }

    async fn dashboard(&self, actor: &str) -> Option<Value> {
        let tray = self.tray.as_ref().filter(|_| actor == self.actor)?;
        tray.dashboard().await
    }

    fn reports(&self, actor: &str) -> Vec<Value> {
        if actor == self.actor {
            self.told.all()
        } else {
            Vec::new()
        }
    }

    fn stores(&self) -> Vec<StoreNote> {
        Vec::new()
    }

    async fn finish(mut self) -> Ending {
        self.tray = None;
        self.end_programs().await;
        let left = marked(&self.place.mark);
        kill_all(&left);
        self.tasks.shutdown().await;
        let mut ending = self.inner.finish().await;
        ending.leftovers.extend(
            left.iter()
                .map(|(pid, name)| format!("process {pid} ({name}) of {}", self.actor)),
        );
        if let Some(home) = self.home.take()
            && let Err(error) = home.close()
        {
            ending
                .leftovers
                .push(format!("the home folder of {}: {error}", self.actor));
        }
        ending.programs = self.notes;
        ending
    }
}
