//! Turns the steps of a scenario into commands of a world, and waits for what it expects.
//!
//! The conductor knows time, names and captures; it knows nothing of sockets. What it sees of the wire is
//! the recorder's raw feed, in order; what it leaves behind is a [`RunRecord`].

mod actions;
mod opening;
mod shared;
mod shows;
mod waits;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use client_core::DurableState;
use gateway_protocol::{SkewClock, member};
use transcript::{Draft, Kind};

use crate::judge::durable;
use crate::judge::expectations::{Watch, ends};
use crate::judge::record::{FinalViews, RunEnd, RunRecord, StepOutcome, StepResult, Unclaimed};
use crate::judge::trust::LISTENER_STEP;
use crate::scenario::captures::Captured;
use crate::scenario::{Actor, Death, Disk, Scenario, Step};
use crate::world::{Draw, World};

pub(super) use opening::Opening;
use shared::Shared;

/// A run that records more than this talks to itself. A quiet day of one companion takes 40,000.
pub(crate) const MAX_ENTRIES: u64 = 60_000;

/// A run that takes longer than this, beyond the time it asks to pass in a real-time world, hangs.
const MAX_WALL: Duration = Duration::from_mins(1);

/// What a run is given besides its world.
pub(super) struct Brief<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) seed: u64,
    pub(super) world: &'static str,
    /// Whether its transcript is redacted: one that leaves this process must be.
    pub(super) redacts: bool,
    /// Captures that are known from the beginning.
    pub(super) captured: Captured,
    /// What `within` is multiplied by: a foreign program may be slow to start.
    pub(super) patience: f64,
}

/// What a run says that was ended from outside.
pub(crate) const INTERRUPTED: &str = "interrupted";

thread_local! {
    /// The most that a run on this thread records.
    static MOST: Cell<u64> = const { Cell::new(MAX_ENTRIES) };
    /// Set to end the run of this thread at its next look around.
    static STOP: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// Ends the runs of this thread that record more than this, or more than any run should.
pub(crate) fn record_at_most(entries: Option<u64>) {
    MOST.set(entries.unwrap_or(MAX_ENTRIES));
}

/// Lets `stop` end the runs of this thread.
pub(super) fn obey(stop: &Arc<AtomicBool>) {
    STOP.with_borrow_mut(|current| *current = Some(Arc::clone(stop)));
}

/// Whether the run of this thread is to end.
pub(crate) fn is_stopped() -> bool {
    STOP.with_borrow(|stop| {
        stop.as_ref()
            .is_some_and(|stop| stop.load(Ordering::Relaxed))
    })
}

/// What a run leaves behind, and its secrets by kind and value.
pub(super) type Conducted = (RunRecord, Vec<(String, String)>);

/// Conducts one run.
pub(super) struct Conductor<'a, W> {
    scenario: &'a Scenario,
    world: W,
    seed: u64,
    world_name: &'static str,
    redacts: bool,
    draw: Draw,
    watch: Watch,
    captured: Captured,
    outcomes: Vec<StepOutcome>,
    /// Reports of each client at the last action, and those that expectations have taken.
    reports_marked: BTreeMap<String, usize>,
    reports_taken: BTreeMap<String, Vec<usize>>,
    /// Requests that raw actors have numbered.
    requests: u64,
    /// Clocks of raw actors: `signedAt` is taken from them.
    raw_clocks: BTreeMap<String, SkewClock>,
    rotations: u64,
    /// Processes of a managed gateway that a script has told of, besides the first.
    listeners: u64,
    /// The newest entry that the gateway's owner has looked at.
    approved: u64,
    patience: f64,
    shared: Shared,
    /// What each client had stored before the first step.
    before: BTreeMap<String, DurableState>,
    began: Instant,
}

/// How a step ended early.
pub(super) enum Broken {
    /// The step's own result.
    Step(Box<StepResult>),
    /// The whole run.
    Budget(String),
}

impl<'a, W: World> Conductor<'a, W> {
    pub(super) fn new(brief: Brief<'a>, world: W) -> Self {
        let Brief {
            scenario,
            seed,
            world: world_name,
            redacts,
            captured,
            patience,
        } = brief;
        let raw_clocks = scenario
            .actor
            .iter()
            .filter_map(|(name, actor)| match actor {
                Actor::Client(_) | Actor::Setup(_) => None,
                Actor::Raw(raw) => {
                    let ahead = raw.clock.unwrap_or_default().millis;
                    Some((name.clone(), SkewClock::ahead_by(ahead)))
                }
            })
            .collect();
        Self {
            scenario,
            world,
            seed,
            world_name,
            redacts,
            draw: Draw::of(&scenario.id, seed),
            watch: Watch::default(),
            captured,
            outcomes: Vec::new(),
            reports_marked: BTreeMap::new(),
            reports_taken: BTreeMap::new(),
            requests: 0,
            raw_clocks,
            rotations: 0,
            listeners: 0,
            approved: 0,
            patience,
            shared: Shared::of(scenario),
            before: BTreeMap::new(),
            began: Instant::now(),
        }
    }

    /// Runs the script and puts down what is left of it.
    ///
    /// The secrets of the run come beside the record, for the canary scan.
    pub(super) async fn run(mut self) -> Conducted {
        let mut end = RunEnd::Completed;
        let taken = self.outcomes.len();
        if taken == 0 {
            self.before = self.durable_states();
        }
        for (index, step) in self.scenario.steps.iter().enumerate().skip(taken) {
            match self.step(index, &step.value).await {
                Ok(()) => {}
                Err(Broken::Step(result)) => {
                    if let Some(outcome) = self.outcomes.last_mut() {
                        outcome.result = *result;
                    }
                    end = RunEnd::Stopped { step: index };
                    break;
                }
                Err(Broken::Budget(what)) => {
                    end = RunEnd::OutOfBudget { what };
                    break;
                }
            }
        }
        self.record(end).await
    }

    async fn step(&mut self, index: usize, step: &Step) -> Result<(), Broken> {
        if step.acts() {
            self.world.settle().await;
        }
        self.observe()?;
        self.bind();
        self.share().await;
        if step.acts() || matches!(step, Step::Note(_)) {
            let text = format!("{} {}", index + 1, headline(step));
            self.world
                .recorder()
                .record(Draft::new(self.now_us(), Kind::Step).text(text));
            self.observe()?;
        }
        if step.acts() {
            let now = self.now_us();
            self.watch.mark(now);
            for name in self.scenario.actor.keys() {
                let reports = self.world.reported(name);
                self.reports_marked.insert(name.clone(), reports);
            }
        }
        let began_us = self.now_us();
        self.outcomes.push(StepOutcome {
            index,
            began_us,
            ended_us: began_us,
            first_entry: self.watch.last() + 1,
            result: StepResult::Done,
        });
        let result = self.take(step).await;
        let ended_us = self.now_us();
        let result = match result {
            Ok(result) => {
                if let Some(outcome) = self.outcomes.last_mut() {
                    outcome.result = result;
                }
                Ok(())
            }
            Err(broken) => Err(broken),
        };
        if let Some(outcome) = self.outcomes.last_mut() {
            outcome.ended_us = ended_us;
        }
        result
    }

    async fn take(&mut self, step: &Step) -> Result<StepResult, Broken> {
        match step {
            Step::Expect(expect) => self.expect(expect).await,
            Step::Quiet(quiet) => self.quiet(quiet).await,
            Step::Elapse(lapse) => self.elapse(lapse.0).await,
            Step::Note(text) => {
                self.watch.note(text);
                self.pass_on_note(text).await;
                Ok(StepResult::Done)
            }
            Step::Start(_)
            | Step::Stop(_)
            | Step::Do(_)
            | Step::Send(_)
            | Step::Fault(_)
            | Step::Heal(_)
            | Step::Close(_)
            | Step::Control(_)
            | Step::Clock(_)
            | Step::Disk(_) => self.act(step).await,
        }
    }

    /// Takes in what was recorded, and keeps the run inside its budget.
    fn observe(&mut self) -> Result<(), Broken> {
        let fresh = self.world.recorder().raw_since(self.watch.last());
        self.watch.feed(fresh);
        if is_stopped() {
            return Err(Broken::Budget(INTERRUPTED.to_owned()));
        }
        let most = MOST.get();
        if self.watch.last() > most {
            return Err(Broken::Budget(format!(
                "more than {most} transcript entries"
            )));
        }
        let wall = MAX_WALL
            + if matches!(self.world_name, "loopback" | "real" | "wsl") {
                self.world.now()
            } else {
                Duration::ZERO
            };
        if self.began.elapsed() > wall {
            return Err(Broken::Budget(format!(
                "more than {} s of wall time",
                MAX_WALL.as_secs()
            )));
        }
        Ok(())
    }

    /// Binds what the runner itself knows.
    fn bind(&mut self) {
        let url = self.world.url();
        self.captured.insert("gateway.url".to_owned(), url.into());
        for (name, actor) in &self.scenario.actor {
            if actor.client().is_none() {
                continue;
            }
            let stored = self.world.durable(name).and_then(|state| {
                let active = state.registry.active()?.id.clone();
                state
                    .identities
                    .get(&active)
                    .map(|identity| identity.device_id.clone())
            });
            // Of a foreign client only the wire tells.
            if let Some(device) = stored.or_else(|| device_on_the_wire(&self.watch, name)) {
                self.captured
                    .insert(format!("{name}.device"), device.into());
            }
        }
    }

    fn now_us(&self) -> u64 {
        micros(self.world.now())
    }

    async fn record(mut self, end: RunEnd) -> Conducted {
        // What the last step set off belongs to the run, and to the states at its end.
        self.world.settle().await;
        let observed = self.observe();
        let end = match (end, observed) {
            (RunEnd::Completed, Err(Broken::Budget(what))) => RunEnd::OutOfBudget { what },
            // What a step could not do any more is no finding.
            (RunEnd::Stopped { .. }, Err(Broken::Budget(what))) if what == INTERRUPTED => {
                RunEnd::OutOfBudget { what }
            }
            (end, _) => end,
        };
        self.bind();
        self.share().await;
        let reached = self.outcomes.len();
        for index in reached..self.scenario.steps.len() {
            let now = self.now_us();
            self.outcomes.push(StepOutcome {
                index,
                began_us: now,
                ended_us: now,
                first_entry: self.watch.last() + 1,
                result: StepResult::NotReached,
            });
        }
        let views = self.views().await;
        let outcomes = ends(
            self.scenario,
            &self.watch,
            &views,
            &self.captured,
            &|actor| self.world.reports(actor),
        );
        let (transcript, secrets) = if self.redacts {
            self.world.recorder().finished()
        } else {
            (self.world.recorder().unredacted(), Vec::new())
        };
        let unclaimed = unclaimed(&self.watch);
        // A quick verdict goes without: a client that shows a secret does so in the suite as well.
        let shown = if self.redacts {
            self.shown_secrets()
        } else {
            Vec::new()
        };
        let (stores, withheld) = (self.world.stores(), self.world.withheld());
        let ending = self.world.finish().await;
        let record = RunRecord {
            transcript,
            steps: self.outcomes,
            views,
            ends: outcomes,
            end,
            leftovers: ending.leftovers,
            programs: ending.programs,
            leaks: Vec::new(),
            unclaimed,
            stores,
            withheld,
            shown,
            referee: crate::referee::standing().clone(),
            errors_logged: Vec::new(),
            seed: self.seed,
            world: self.world_name.to_owned(),
            took: self.began.elapsed(),
        };
        (record, secrets)
    }

    /// What each client that shows it has stored.
    fn durable_states(&self) -> BTreeMap<String, DurableState> {
        let names = self.scenario.actor.keys();
        names
            .filter_map(|name| Some((name.clone(), self.world.durable(name)?)))
            .collect()
    }

    async fn views(&mut self) -> FinalViews {
        let mut views = FinalViews::default();
        if self.redacts || self.scenario.asks_the_gateway() {
            views.gateway = self.world.view().await;
        }
        for name in self.scenario.actor.keys() {
            if let Some(snapshot) = self.world.snapshot(name) {
                views.snapshots.insert(name.clone(), snapshot);
            }
        }
        let stored = if self.redacts || self.scenario.asks_the_disk() {
            self.durable_states()
        } else {
            BTreeMap::new()
        };
        for (name, state) in stored {
            if let Some(before) = self.before.get(&name) {
                let kept = durable::kept(before, &state);
                views
                    .durable_before
                    .insert(name.clone(), durable::view(before));
                views.durable_kept.insert(name.clone(), kept);
            }
            views.durable.insert(name, durable::view(&state));
        }
        self.shared.add_retired(&mut views.gateway);
        views
    }
}

/// The device id that the newest signed `connect` of an actor named.
fn device_on_the_wire(watch: &Watch, actor: &str) -> Option<String> {
    watch.entries().iter().rev().find_map(|entry| {
        let frame = entry.frame()?;
        let id = frame.pointer("/params/device/id")?.as_str()?;
        let owner = watch.wire().connection(entry.conn?)?.actor.as_deref();
        (owner == Some(actor)).then(|| id.to_owned())
    })
}

/// Requests to which the gateway answered that it knows no such method.
fn unclaimed(watch: &Watch) -> Vec<Unclaimed> {
    let mut unclaimed = Vec::new();
    for entry in watch.entries() {
        let sent = entry.stage == Some(transcript::Stage::Sent);
        let error = entry
            .frame()
            .and_then(|frame| member(member(frame, "error")?, "message")?.as_str());
        let Some(method) = error.and_then(|text| text.strip_prefix("unknown method: ")) else {
            continue;
        };
        if sent && let Some(conn) = entry.conn {
            unclaimed.push(Unclaimed {
                conn,
                method: method.to_owned(),
                entry: entry.n,
            });
        }
    }
    unclaimed
}

/// A step in a few words, without values that may be secret.
fn headline(step: &Step) -> String {
    let verb = step.verb();
    match step {
        Step::Start(actor) | Step::Stop(actor) => format!("{verb} {actor}"),
        Step::Do(wish) => format!("{verb} {} {}", wish.actor, wish.intent.name()),
        Step::Send(send) => {
            let what = if send.connect.is_some() {
                "connect"
            } else {
                send.request.as_deref().unwrap_or("message")
            };
            format!("{verb} {} {what}", send.from)
        }
        Step::Fault(fault) => format!("{verb} {}", fault.name),
        Step::Heal(name) | Step::Note(name) => format!("{verb} {name}"),
        Step::Elapse(lapse) => format!("{verb} {lapse}"),
        Step::Quiet(quiet) => format!("{verb} {}", quiet.lasting),
        Step::Close(close) => format!("{verb} {}", close.actor),
        Step::Control(control) => match &control.listener {
            Some(told) => format!("{LISTENER_STEP} {} of {}", told.name().name(), told.of),
            None => format!("{verb} {}", control.verbs().join(" ")),
        },
        Step::Clock(clock) => format!("{verb} {}", clock.of),
        Step::Disk(Disk {
            of,
            identity: Some(file),
            ..
        }) => format!("{verb} {of} identity {}", file.name()),
        Step::Disk(disk) => match disk.dies {
            Some(death) => {
                let Death { at, when } = death;
                format!("{verb} {} dies {} change {at}", disk.of, when.name())
            }
            None => format!("{verb} {} fails {}", disk.of, disk.fails),
        },
        Step::Expect(_) => verb.to_owned(),
    }
}

/// Microseconds of a duration, saturating.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
