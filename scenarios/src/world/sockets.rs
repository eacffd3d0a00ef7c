//! The real shells over streams: what the memory world and the loopback world have in common.

mod dialer;
mod leftovers;
mod listen;
mod pace;
mod peer;
mod set_ups;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client_core::{ClientEvent, ClientOptions, EndpointOwner, Identity, Intent};
use gateway_client::{ClientHandle, Clock, MemoryState, Setup};
use gateway_core::Control;
use gateway_protocol::{ClockFault, Hand, UnixMillis};
use link::{Carrier, FaultName, FaultSpec, FaultTable};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use transcript::Recorder;

use dialer::{Dialer, Toll};
use leftovers::leftovers;
use listen::{listen, watch};
pub(crate) use pace::Pace;
pub(crate) use peer::Peer;
use set_ups::SetUp;

use super::arrange::{Arrangement, ClientPlan, finding, turn_identity};
use super::bell::Bell;
use super::puppet::Puppet;
use super::raw::{Phase, RawConnection, RawMessage};
use super::services::Services;
use super::set_up::{Ground, Wish};
use super::tether::{Knife, Severing, Tether};
use super::witness::{Disk, Ledger, Reports, Watchglass, Witness};
use super::{Ending, RawBook, RawPhase, Refusal, World};
use crate::judge::durable::StoreNotes;
use crate::judge::record::{StoreNote, Withheld};
use crate::run::MAX_ENTRIES;
use crate::scenario::IdentityFile;

/// Opens the streams of one kind of world.
pub(crate) trait Road: Clone + Send + Sync + 'static {
    /// What carries the WebSocket.
    type Stream: Carrier;

    /// Opens a stream to the gateway's port.
    fn open(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// With real time the conductor looks around this often, so that Ctrl-C need not wait for a quiet hour.
const GLANCE: Duration = Duration::from_millis(200);

/// A world of streams.
pub(crate) struct Sockets<C: Road, P> {
    road: C,
    pace: Pace,
    port: u16,
    begin: Instant,
    epoch: UnixMillis,
    peer: P,
    recorder: Recorder,
    faults: FaultTable,
    bell: Bell,
    ledger: Ledger,
    clients: BTreeMap<String, ClientActor>,
    set_ups: BTreeMap<String, SetUp>,
    /// Where set-ups find their computer, when it is this machine.
    ground: Option<Ground>,
    services: Services,
    raws: BTreeMap<String, Vec<RawConnection>>,
    raw_knives: BTreeMap<String, Vec<Knife>>,
    book: RawBook,
    tasks: JoinSet<()>,
}

struct ClientActor {
    plan: ClientPlan,
    state: MemoryState,
    disk: Disk,
    notes: Arc<Mutex<StoreNotes>>,
    clock: Clock,
    knives: Knives,
    reports: Reports,
    handle: Option<ClientHandle>,
    /// Who listens at the gateway's address, for a client that looks.
    listener: Option<EndpointOwner>,
    /// The identity file as it was before it was damaged.
    aside: Option<Identity>,
}

/// The knives of a client's streams, newest last.
type Knives = Arc<Mutex<Vec<Knife>>>;

/// What a world of streams is made of.
pub(crate) struct Parts<C, P> {
    pub(crate) road: C,
    pub(crate) pace: Pace,
    pub(crate) port: u16,
    /// What the wall clocks read at the beginning.
    pub(crate) epoch: UnixMillis,
    pub(crate) peer: P,
    pub(crate) recorder: Recorder,
    pub(crate) faults: FaultTable,
    pub(crate) arrangement: Arrangement,
}

impl<C: Road, P> Sockets<C, P> {
    fn told(&self, actor: &str) -> Option<&Reports> {
        let set_up = self.set_ups.get(actor).map(|it| &it.reports);
        set_up.or_else(|| Some(&self.clients.get(actor)?.reports))
    }

    /// The world at its beginning; must be called inside a runtime.
    pub(crate) fn new(parts: Parts<C, P>) -> Self {
        let Parts {
            road,
            pace,
            port,
            epoch,
            peer,
            recorder,
            faults,
            arrangement,
        } = parts;
        // Every connect of this world goes through a toll.
        faults.count_refusals();
        let bell = Bell::default();
        let ring = bell.clone();
        recorder.on_raw(Box::new(move |_entry| ring.ring()));
        let book = RawBook::new(&arrangement);
        let ledger = Ledger::default();
        let clients = arrangement
            .clients
            .into_iter()
            .map(|(name, plan)| {
                let actor = ClientActor::new(&name, plan, port, epoch);
                ledger.begin(&actor.notes.lock().unwrap_or_else(PoisonError::into_inner));
                (name, actor)
            })
            .collect();
        let set_ups = arrangement
            .setups
            .into_iter()
            .map(|(name, plan)| (name, SetUp::new(plan)))
            .collect();
        Self {
            road,
            pace,
            port,
            begin: Instant::now(),
            epoch,
            peer,
            recorder,
            faults,
            bell,
            ledger,
            clients,
            set_ups,
            ground: None,
            services: Services::new(),
            raws: BTreeMap::new(),
            raw_knives: BTreeMap::new(),
            book,
            tasks: JoinSet::new(),
        }
    }

    /// The same with set-ups on this machine.
    pub(super) fn with_ground(mut self, ground: Ground) -> Self {
        self.ground = Some(ground);
        self
    }

    /// The gateway's port.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Rings when something has changed.
    pub(super) fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// Reads the time of the run.
    pub(super) fn watchglass(&self) -> Watchglass {
        let begin = self.begin;
        Arc::new(move || begin.elapsed())
    }

    fn client(&self, actor: &str) -> Result<&ClientActor, Refusal> {
        self.clients
            .get(actor)
            .ok_or_else(|| Refusal::new(format!("there is no client called {actor}")))
    }

    fn raw_connection(&self, actor: &str, nth: Option<u32>) -> Option<&RawConnection> {
        let connections = self.raws.get(actor)?;
        match nth {
            None => connections.last(),
            Some(nth) => connections.get(usize::try_from(nth.checked_sub(1)?).ok()?),
        }
    }

    fn toll(&self, actor: &str) -> Toll {
        Toll {
            faults: self.faults.clone(),
            recorder: self.recorder.clone(),
            begin: self.begin,
            actor: actor.to_owned(),
        }
    }

    /// Starts a client as it is, or with other options.
    fn start_client(&mut self, name: &str, options: Option<ClientOptions>) -> Result<(), Refusal> {
        let time = self.watchglass();
        let (bell, ledger, road, port) = (
            self.bell.clone(),
            self.ledger.clone(),
            self.road.clone(),
            self.port,
        );
        let toll = self.toll(name);
        let (told, watchglass, who) = (ledger.clone(), self.watchglass(), name.to_owned());
        let heard = move |event: &ClientEvent| told.hear(&who, watchglass(), event);
        let hands = |service| {
            self.services
                .hands(service, self.faults.clone(), bell.clone())
        };
        let Some(actor) = self.clients.get_mut(name) else {
            return Err(Refusal::new(format!("there is no client called {name}")));
        };
        if actor.handle.is_some() {
            return Err(Refusal::new(format!("{name} is running already")));
        }
        let store = Witness::new(
            actor.state.clone(),
            Arc::clone(&actor.notes),
            ledger,
            time,
            bell.clone(),
            actor.disk.clone(),
        );
        let connector = Dialer {
            road,
            port,
            headers: actor.plan.headers.clone(),
            knives: Arc::clone(&actor.knives),
            toll,
        };
        let options = options.unwrap_or_else(|| actor.plan.start());
        let setup =
            Setup::new(options, store, connector, actor.clock.clone()).invoke_handler(Puppet);
        let setup = match actor.plan.service.map(hands) {
            Some(hands) => setup.service_keeper(hands),
            None => setup,
        };
        let mut handle = setup
            .spawn()
            .map_err(|error| Refusal::new(format!("{name} did not start: {error}")))?;
        if let Some(events) = handle.events() {
            self.tasks
                .spawn(listen(events, actor.reports.clone(), heard, bell.clone()));
        }
        self.tasks.spawn(watch(handle.snapshot(), bell));
        actor.handle = Some(handle);
        Ok(())
    }

    fn open_raw(&mut self, name: &str) -> Result<(), Refusal> {
        let plan = self
            .book
            .plan(name)
            .ok_or_else(|| Refusal::new(format!("there is no actor called {name}")))?;
        let knife = Knife::default();
        let (road, headers, cut) = (self.road.clone(), plan.headers.clone(), knife.clone());
        let toll = self.toll(name);
        let connect = async move {
            let stream = toll.through(road.open().await)?;
            Ok(Tether::new(stream, &headers, cut))
        };
        let origin = plan.origin.clone();
        let url = format!("ws://localhost:{}", self.port);
        let connection =
            RawConnection::open(&mut self.tasks, connect, &url, origin, self.bell.clone());
        self.raws
            .entry(name.to_owned())
            .or_default()
            .push(connection);
        self.raw_knives
            .entry(name.to_owned())
            .or_default()
            .push(knife);
        Ok(())
    }
}

impl ClientActor {
    fn new(name: &str, mut plan: ClientPlan, port: u16, epoch: UnixMillis) -> Self {
        plan.move_to(port);
        let clock = Clock::starting_at(epoch);
        // Only the monotonic clock can refuse.
        clock
            .fault(Hand::Wall, ClockFault::OffsetMs(plan.offset_ms))
            .ok();
        Self {
            state: MemoryState::new(plan.state.clone()),
            disk: Disk::default(),
            notes: Arc::new(Mutex::new(StoreNotes::new(name, &plan.state))),
            clock,
            knives: Knives::default(),
            reports: Reports::default(),
            handle: None,
            listener: None,
            aside: None,
            plan,
        }
    }
}

impl<C: Road, P: Peer> World for Sockets<C, P> {
    fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    fn epoch(&self) -> UnixMillis {
        self.epoch
    }

    fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    fn url(&self) -> String {
        format!("ws://localhost:{}", self.port)
    }

    fn pulse(&self) -> u64 {
        self.bell.strokes()
    }

    async fn settle(&mut self) {
        self.look_after_set_ups().await;
        self.look_after_services().await;
        let patience = self
            .pace
            .patience()
            .map(|patience| Instant::now() + patience);
        // Parties that answer each other without an end leave no moment for virtual time to pass: the conductor has to end
        // the run.
        while self.recorder.len() <= MAX_ENTRIES {
            let heard = self.bell.strokes();
            let quiet = timeout_at(Instant::now() + self.pace.silence(), self.bell.after(heard))
                .await
                .is_err();
            let over = patience.is_some_and(|patience| Instant::now() >= patience);
            if quiet || over {
                return;
            }
        }
    }

    async fn wait(&mut self, seen: u64, deadline: Duration) {
        let looks = self.set_ups.values().filter_map(|set_up| set_up.look_at);
        let deadline = looks.fold(deadline, Duration::min);
        let deadline = match self.pace {
            Pace::Virtual => self.begin + deadline,
            Pace::Real | Pace::Foreign => (self.begin + deadline).min(Instant::now() + GLANCE),
        };
        // Coming too late is what the caller asks for.
        drop(timeout_at(deadline, self.bell.after(seen)).await);
        self.look_after_set_ups().await;
        self.look_after_services().await;
    }

    async fn start(&mut self, actor: &str) -> Result<(), Refusal> {
        if let Some(client) = self.clients.get(actor) {
            let listener = client.listener;
            self.start_client(actor, None)?;
            if let Some(owner) = listener {
                self.find_listener(actor, owner).await?;
            }
            return self.intend(actor, Intent::Connect).await;
        }
        if self.set_ups.contains_key(actor) {
            return self.fulfil(actor, Wish::Run).await;
        }
        self.open_raw(actor)
    }

    async fn stop(&mut self, actor: &str) -> Result<(), Refusal> {
        if let Some(client) = self.clients.get_mut(actor) {
            let Some(handle) = client.handle.take() else {
                return Err(Refusal::new(format!("{actor} is not running")));
            };
            handle.shutdown().await;
            return Ok(());
        }
        for connection in self.raws.entry(actor.to_owned()).or_default() {
            let farewell = RawMessage::Close {
                code: 1000,
                reason: String::new(),
            };
            if connection.phase() == Phase::Open && !connection.send(farewell).await {
                tracing::debug!("a raw connection ended before its farewell");
            }
        }
        Ok(())
    }

    async fn intend(&mut self, actor: &str, intent: Intent) -> Result<(), Refusal> {
        let client = self.client(actor)?;
        let Some(handle) = &client.handle else {
            return Err(Refusal::new(format!("{actor} is not running")));
        };
        handle
            .intent(intent)
            .await
            .map_err(|error| Refusal::new(error.to_string()))
    }

    async fn send(
        &mut self,
        actor: &str,
        nth: Option<u32>,
        message: RawMessage,
    ) -> Result<(), Refusal> {
        let Some(connection) = self.raw_connection(actor, nth) else {
            return Err(Refusal::new(format!("{actor} has no connection")));
        };
        if connection.send(message).await {
            Ok(())
        } else {
            Err(Refusal::new(format!("the connection of {actor} is over")))
        }
    }

    fn raw(&self, actor: &str, nth: Option<u32>) -> (RawPhase, Option<String>) {
        match self.raw_connection(actor, nth) {
            None => (RawPhase::None, None),
            Some(connection) => {
                let phase = match connection.phase() {
                    Phase::Opening => RawPhase::Opening,
                    Phase::Open => RawPhase::Open,
                    Phase::Ended => RawPhase::Ended,
                };
                (phase, connection.nonce())
            }
        }
    }

    fn sever(&mut self, actor: &str, severing: Severing) -> Result<(), Refusal> {
        let knives = match self.clients.get(actor) {
            Some(client) => {
                std::mem::take(&mut *client.knives.lock().unwrap_or_else(PoisonError::into_inner))
            }
            None => self.raw_knives.remove(actor).unwrap_or_default(),
        };
        if knives.is_empty() {
            return Err(Refusal::new(format!("{actor} has no connection")));
        }
        for knife in &knives {
            knife.cut(severing);
        }
        Ok(())
    }

    async fn control(&mut self, control: Control) -> Result<Value, Refusal> {
        self.peer.control(control).await
    }

    async fn install(&mut self, fault: FaultSpec) {
        // The id is not needed: a script heals by name.
        let _id = self.faults.install(fault);
    }

    async fn heal(&mut self, name: FaultName) -> bool {
        self.faults.heal(name) > 0
    }

    async fn start_gateway(&mut self) -> Result<(), Refusal> {
        self.control(Control::Start).await.map(drop)
    }

    async fn stop_gateway(&mut self) -> Result<(), Refusal> {
        self.control(Control::Halt).await.map(drop)
    }

    fn set_clock(&mut self, actor: &str, hand: Hand, fault: ClockFault) -> Result<(), Refusal> {
        self.client(actor)?
            .clock
            .fault(hand, fault)
            .map_err(|error| Refusal::new(error.to_string()))
    }

    fn fail_disk(&mut self, actor: &str, changes: u32) -> Result<(), Refusal> {
        self.client(actor)?.disk.fail(changes);
        Ok(())
    }

    async fn view(&mut self) -> Value {
        self.peer.view().await
    }

    async fn set_up(&mut self, actor: &str, wish: Wish) -> Result<(), Refusal> {
        self.fulfil(actor, wish).await
    }

    fn snapshot(&self, actor: &str) -> Option<Value> {
        if let Some(set_up) = self.set_ups.get(actor) {
            return Some(set_up.snapshot.clone());
        }
        let handle = self.clients.get(actor)?.handle.as_ref()?;
        serde_json::to_value(&*handle.snapshot().borrow()).ok()
    }

    fn durable(&self, actor: &str) -> Option<client_core::DurableState> {
        Some(self.clients.get(actor)?.state.read())
    }

    async fn dashboard(&self, actor: &str) -> Option<Value> {
        let handle = self.clients.get(actor)?.handle.as_ref()?;
        let control = handle.control();
        let answer = control.look(client_core::Client::dashboard).await.ok()??;
        serde_json::to_value(answer).ok()
    }

    fn reports(&self, actor: &str) -> Vec<Value> {
        self.told(actor).map(Reports::all).unwrap_or_default()
    }

    fn reported(&self, actor: &str) -> usize {
        self.told(actor).map_or(0, Reports::len)
    }

    fn stores(&self) -> Vec<StoreNote> {
        self.ledger.notes()
    }

    fn withheld(&self) -> Vec<Withheld> {
        self.ledger.withheld()
    }

    async fn turn_identity(&mut self, actor: &str, file: IdentityFile) -> Result<(), Refusal> {
        let Some(client) = self.clients.get_mut(actor) else {
            return Err(Refusal::new(format!("there is no client called {actor}")));
        };
        let aside = &mut client.aside;
        client.state.with(|state| turn_identity(file, state, aside));
        let Some(handle) = client
            .handle
            .as_ref()
            .filter(|_| file != IdentityFile::Made)
        else {
            return Ok(());
        };
        let reread = handle.reread_identities().await;
        reread.map_err(|error| Refusal::new(error.to_string()))
    }

    async fn find_listener(&mut self, actor: &str, owner: EndpointOwner) -> Result<(), Refusal> {
        let Some(client) = self.clients.get_mut(actor) else {
            return Err(Refusal::new(format!("there is no client called {actor}")));
        };
        client.listener = Some(owner);
        let Some(handle) = &client.handle else {
            return Ok(());
        };
        handle
            .report(finding(owner))
            .await
            .map_err(|error| Refusal::new(error.to_string()))
    }

    async fn finish(mut self) -> Ending {
        for client in self.clients.values_mut() {
            if let Some(handle) = client.handle.take() {
                handle.shutdown().await;
            }
        }
        self.raws.clear();
        self.tasks.shutdown().await;
        self.peer.stop().await;
        let set_ups = std::mem::take(&mut self.set_ups);
        let mut leftovers = leftovers().await;
        leftovers.extend(set_ups.into_values().flat_map(SetUp::end));
        Ending {
            leftovers,
            programs: Vec::new(),
        }
    }
}
