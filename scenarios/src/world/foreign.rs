//! The client under test is a program that somebody else wrote.
//!
//! The gateway and the raw actors are those of the loopback world. The one client actor of the scenario is a process
//! of an adapter; everything about it is learned from the wire, from what it prints and from how it ends.

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

use super::arrange::Arrangement;
use super::bell::Bell;
use super::loopback::{TcpRoad, loopback};
use super::raw::RawMessage;
use super::sockets::Sockets;
use super::{Ending, RawPhase, Refusal, Severing, World};
use crate::adapter::{Client, Ended, Listener, Place, Process, Spawn, kill_all, marked};
use crate::judge::record::{ProgramNote, StoreNote};

/// Processes of one client at a time; a script that starts more has lost count.
const MAX_PROGRAMS: usize = 32;

/// A one-shot action that is still running at the end is given this long.
const LAST_ACTIONS: Duration = Duration::from_millis(200);

/// The loopback world with a foreign client.
pub(crate) struct Foreign {
    inner: Sockets<TcpRoad, Running>,
    actor: String,
    client: Arc<Client>,
    place: Place,
    home: Option<TempDir>,
    programs: Vec<Program>,
    told: Told,
    bell: Bell,
    tasks: JoinSet<()>,
    notes: Vec<ProgramNote>,
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

/// The world at its beginning; must be called inside a runtime.
pub(crate) async fn foreign(
    mut arrangement: Arrangement,
    recorder: Recorder,
    faults: FaultTable,
    stage: Stage,
) -> io::Result<Foreign> {
    let Stage { client, mark } = stage;
    let (actor, plan) = arrangement
        .clients
        .pop_first()
        .ok_or_else(|| io::Error::other("the scenario has no client"))?;
    let active = plan.state.registry.active();
    let token = active.and_then(|record| record.shared_gateway_token.as_ref());
    let token = token.map(|token| token.expose().to_owned());
    let forwarded = plan
        .headers
        .iter()
        .find_map(|line| line.strip_prefix("x-forwarded-for: "));
    let guest = Guest {
        actor: actor.clone(),
        forwarded_for: forwarded.map(str::to_owned),
    };
    // A foreign client lives by the machine's clock, and signs with it.
    let epoch = UnixMillis(jiff::Timestamp::now().as_millisecond());
    let inner = loopback(arrangement, recorder, faults, Some((guest, epoch))).await?;
    let home = tempfile::Builder::new()
        .prefix("clawproof-client-")
        .tempdir()?;
    let place = Place {
        port: inner.port(),
        token,
        home: home.path().to_path_buf(),
        mark,
    };
    furnish(&client, &place)?;
    Ok(Foreign {
        bell: inner.bell(),
        inner,
        actor,
        client,
        place,
        home: Some(home),
        programs: Vec::new(),
        told: Told::default(),
        tasks: JoinSet::new(),
        notes: Vec::new(),
    })
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

impl Foreign {
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
        let Some(row) = client.adapter.file.action.get(name) else {
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

impl World for Foreign {
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
        let stays = self.client.adapter.file.stays;
        let spawn = self.client.start(&self.place);
        self.launch(&spawn, "start", stays)
    }

    async fn stop(&mut self, actor: &str) -> Result<(), Refusal> {
        if actor != self.actor {
            return self.inner.stop(actor).await;
        }
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

    async fn view(&mut self) -> Value {
        self.inner.view().await
    }

    fn snapshot(&self, _actor: &str) -> Option<Value> {
        None
    }

    fn durable(&self, _actor: &str) -> Option<client_core::DurableState> {
        None
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
