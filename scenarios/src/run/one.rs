//! Runs one scenario in one world and judges it. A panic is caught and told as a bug of ours.

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use gateway_core::ConnPick;
use link::{ConnSelector, FaultTable, SpecError};
use sha2::{Digest as _, Sha256};
use tracing_subscriber::layer::SubscriberExt as _;
use transcript::{Header, Recorder, Redactor, Transcript, digest};

use super::conductor::{Brief, Conducted, Conductor, INTERRUPTED};
use super::plan::Job;
use crate::judge::record::{FinalViews, RunEnd, RunRecord};
use crate::judge::{Verdict, judge};
use crate::scenario::captures::Captured;
use crate::scenario::{Scenario, SetupActor, WorldName};
use crate::world::{
    Arrangement, Brains, Stage, arrange_with_token, foreign, foreign_at_real, loopback, memory,
    real, wsl,
};

/// A judged run of one scenario in one world.
#[derive(Debug)]
pub struct Outcome {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// The world.
    pub world: WorldName,
    /// The seed.
    pub seed: u64,
    /// What the judge says.
    pub verdict: Verdict,
    /// What the run left behind.
    pub record: RunRecord,
    /// Secrets of the run by kind and value, for the canary scan. Never written.
    pub secrets: Vec<(String, String)>,
}

impl Outcome {
    /// `setup-connect/auth/token::memory`, the name in every report.
    pub fn name(&self) -> String {
        format!("{}::{}", self.scenario.id, self.world.name())
    }

    /// Whether it was ended from outside.
    pub(super) fn was_interrupted(&self) -> bool {
        matches!(&self.record.end, RunEnd::OutOfBudget { what } if what == INTERRUPTED)
    }

    /// SHA-256 of the redacted transcript, in hex.
    pub fn digest(&self) -> String {
        digest::exact(&self.record.transcript)
    }

    /// Hides what is known to be private of this run, and what is found to be.
    pub fn redactor(&self) -> Redactor {
        Redactor::of_record(&self.record.transcript.header, &self.secrets)
    }
}

/// Runs and judges one job.
pub fn run_job(job: &Job, seed: u64, commit: Option<&str>) -> Outcome {
    let scenario = Arc::clone(&job.scenario);
    let seed = scenario.seed.unwrap_or(seed);
    let (mut record, secrets) = match &job.missing {
        Some(missing) => (
            empty(
                &scenario,
                job.world,
                seed,
                RunEnd::Unavailable {
                    missing: missing.clone(),
                },
            ),
            Vec::new(),
        ),
        None => guarded(job, || conduct(job, seed, commit)),
    };
    let verdict =
        catch_unwind(AssertUnwindSafe(|| judge(&scenario, &record))).unwrap_or_else(|panic| {
            Verdict::Broken {
                what: format!("the judge: {}", words(panic.as_ref())),
            }
        });
    // What was expected was compared raw, and an excerpt of the file may quote a made-up token.
    // To know every form of every secret takes time, and most runs have nothing to say.
    let (header, mut redactor) = (record.transcript.header.clone(), None);
    let mut hide = |text: &str| {
        let redactor = redactor.get_or_insert_with(|| Redactor::of_record(&header, &secrets));
        redactor.redact_text(text)
    };
    let verdict = verdict.with_text(&mut hide);
    for line in record
        .programs
        .iter_mut()
        .flat_map(|program| &mut program.output)
    {
        *line = hide(line);
    }
    Outcome {
        scenario,
        world: job.world,
        seed,
        verdict,
        record,
        secrets,
    }
}

/// Runs a scenario; whatever panics on this thread meanwhile ends up in the record.
pub(super) fn guarded(job: &Job, conduct: impl FnOnce() -> Conducted) -> Conducted {
    // Started, and its turn awaited, before the run's time begins.
    let _turn = job.ground.as_ref().map(|ground| {
        let turn = ground.take_turn();
        if let Err(why) = ground.footing() {
            tracing::debug!("{why}");
        }
        turn
    });
    let (scenario, world) = (job.scenario.as_ref(), job.world);
    listen_for_panics();
    PANICS.with_borrow_mut(|panics| *panics = Some(Vec::new()));
    let began = Instant::now();
    let (log, errors) = LOG.with(Clone::clone);
    let run = || tracing::dispatcher::with_default(&log, conduct);
    let result = catch_unwind(AssertUnwindSafe(run));
    let panics = PANICS.with_borrow_mut(Option::take).unwrap_or_default();
    let (mut record, secrets) = match result {
        Ok(done) => done,
        Err(panic) => {
            let what = words(panic.as_ref());
            (
                empty(scenario, world, 0, RunEnd::HarnessBroke { what }),
                Vec::new(),
            )
        }
    };
    if let Some(first) = panics.first() {
        record.end = RunEnd::HarnessBroke {
            what: first.clone(),
        };
    }
    record.errors_logged = errors.take();
    record.took = began.elapsed();
    (record, secrets)
}

fn conduct(job: &Job, seed: u64, commit: Option<&str>) -> Conducted {
    let (scenario, world) = (job.scenario.as_ref(), job.world);
    let nothing = |end: RunEnd| (empty(scenario, world, seed, end), Vec::new());
    let broke = |what: String| nothing(RunEnd::HarnessBroke { what });
    let footing = match job
        .ground
        .as_ref()
        .map(|ground| ground.footing())
        .transpose()
    {
        Ok(footing) => footing,
        Err(why) => {
            return nothing(RunEnd::Unavailable {
                missing: why.to_owned(),
            });
        }
    };
    let token = footing.map(|footing| footing.token.as_str());
    let arrangement = match arrange_with_token(scenario, seed, token) {
        Ok(arrangement) => arrangement,
        Err(error) => return broke(format!("arrange the scenario: {error}")),
    };
    let gateway = match &job.ground {
        Some(ground) => format!("real version {}", ground.release()),
        None => match scenario.set_up().and_then(SetupActor::real_release) {
            Some(release) => format!("real version {release}"),
            None => format!("mock profile {}", arrangement.profile.version),
        },
    };
    let recorder = Recorder::in_memory(header(job, seed, commit, gateway));
    for (kind, value) in &arrangement.secrets {
        recorder.register_secret(kind, value);
    }
    let faults = match planned_faults(scenario) {
        Ok(faults) => faults,
        Err(error) => return broke(format!("arrange faults: {error}")),
    };
    let brief = Brief {
        scenario,
        seed,
        world: world.name(),
        redacts: true,
        captured: captures(&arrangement),
        patience: job
            .client
            .as_ref()
            .map_or(1.0, |client| client.adapter.file.patience.value),
    };
    staged(job, brief, arrangement, recorder, faults)
}

/// Runs what was arranged in the job's world.
pub(super) fn staged(
    job: &Job,
    brief: Brief<'_>,
    arrangement: Arrangement,
    recorder: Recorder,
    faults: FaultTable,
) -> Conducted {
    let (scenario, world, seed) = (brief.scenario, job.world, brief.seed);
    let nothing = |end: RunEnd| (empty(scenario, world, seed, end), Vec::new());
    if let Some(client) = &job.client {
        let (client, mark) = (Arc::clone(client), mark(&scenario.id, seed));
        let no_place = |error: io::Error| {
            nothing(RunEnd::Unavailable {
                missing: format!("a port and a folder for the client: {error}"),
            })
        };
        let ground = job.ground.clone();
        return on_runtime(false, async move {
            let stage = Stage { client, mark };
            match ground {
                Some(ground) => {
                    match foreign_at_real(arrangement, recorder, faults, stage, ground) {
                        Ok(world) => Conductor::new(brief, world).run().await,
                        Err(error) => no_place(error),
                    }
                }
                None => match foreign(arrangement, recorder, faults, stage).await {
                    Ok(world) => Conductor::new(brief, world).run().await,
                    Err(error) => no_place(error),
                },
            }
        });
    }
    match world {
        WorldName::Core => in_core(brief, arrangement, recorder, faults),
        WorldName::Memory => on_runtime(true, async move {
            let world = memory(arrangement, recorder, faults);
            Conductor::new(brief, world).run().await
        }),
        WorldName::Loopback => on_runtime(false, async move {
            match loopback(arrangement, recorder, faults, None).await {
                Ok(world) => Conductor::new(brief, world).run().await,
                Err(error) => nothing(RunEnd::Unavailable {
                    missing: format!("a TCP port on 127.0.0.1: {error}"),
                }),
            }
        }),
        WorldName::Real => match job.ground.clone() {
            Some(ground) => on_runtime(false, async move {
                match real(arrangement, recorder, faults, ground, None) {
                    Ok(world) => Conductor::new(brief, world).run().await,
                    Err(error) => nothing(RunEnd::Unavailable {
                        missing: format!("a proxy before the real gateway: {error}"),
                    }),
                }
            }),
            None => nothing(RunEnd::Unavailable {
                missing: "a real gateway".to_owned(),
            }),
        },
        WorldName::Wsl => on_runtime(false, async move {
            match wsl(arrangement, recorder, faults).await {
                Ok(world) => Conductor::new(brief, world).run().await,
                Err(missing) => nothing(RunEnd::Unavailable { missing }),
            }
        }),
    }
}

fn in_core(
    brief: Brief<'_>,
    arrangement: Arrangement,
    recorder: Recorder,
    faults: FaultTable,
) -> Conducted {
    let (scenario, seed) = (brief.scenario, brief.seed);
    let stuck = |what: &str| {
        let end = RunEnd::HarnessBroke {
            what: what.to_owned(),
        };
        (empty(scenario, WorldName::Core, seed, end), Vec::new())
    };
    match Brains::new(arrangement, recorder, faults) {
        // Nothing in this world waits for anything but the loop itself.
        Some(world) => Conductor::new(brief, world)
            .run()
            .now_or_never()
            .unwrap_or_else(|| stuck("the core world waited")),
        None => stuck("the arrangement has no gateway"),
    }
}

fn on_runtime(paused: bool, run: impl Future<Output = Conducted>) -> Conducted {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(paused);
    if !paused {
        builder.enable_io();
    }
    match builder.build() {
        Ok(runtime) => runtime.block_on(run),
        Err(error) => {
            let end = RunEnd::Unavailable {
                missing: format!("a runtime: {error}"),
            };
            (
                empty(&Scenario::default(), WorldName::Memory, 0, end),
                Vec::new(),
            )
        }
    }
}

pub(super) fn captures(arrangement: &Arrangement) -> Captured {
    let mut captured = Captured::new();
    if let Some(token) = &arrangement.config.auth.token {
        captured.insert("gateway.token".to_owned(), token.expose().into());
    }
    if let Some(password) = &arrangement.config.auth.password {
        captured.insert("gateway.password".to_owned(), password.expose().into());
    }
    for (name, raw) in &arrangement.raws {
        captured.insert(
            format!("{name}.device"),
            raw.key.device_id().to_string().into(),
        );
    }
    captured
}

/// What single connections meet instead of the gateway.
pub(super) fn planned_faults(scenario: &Scenario) -> Result<FaultTable, SpecError> {
    let faults = FaultTable::new();
    let latencies = scenario.gateway.latency.iter().map(|lapse| lapse.0);
    faults.set_latencies(latencies.collect());
    for plan in &scenario.gateway.connection {
        let Some(fault) = &plan.fault else { continue };
        let selected = match plan.pick() {
            ConnPick::Numbers(numbers) => ConnSelector::Numbers(numbers),
            ConnPick::Range { from, to } => ConnSelector::Range { from, to },
        };
        let spec = fault.spec().connections(selected);
        spec.check()?;
        // The id is not needed: nobody heals a planned fault by id.
        let _id = faults.install(spec);
    }
    Ok(faults)
}

/// Names one run in the environment of a client's processes; no other run of this machine has the same.
fn mark(scenario: &str, seed: u64) -> String {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    format!("{}-{run}-{seed}-{scenario}", std::process::id())
}

fn header(job: &Job, seed: u64, commit: Option<&str>, gateway: String) -> Header {
    let (scenario, world) = (job.scenario.as_ref(), job.world);
    let mut header = Header::new(seed, world.name(), gateway);
    header.scenario = Some(scenario.id.clone());
    header.scenario_sha256 = Some(gateway_protocol::device::hex(&Sha256::digest(
        &scenario.source.text,
    )));
    header.client = Some(job.client.as_ref().map_or_else(
        || {
            let bug = scenario
                .mutation()
                .map(|bug| format!(", with the bug {bug}"));
            format!(
                "companion {}{}",
                env!("CARGO_PKG_VERSION"),
                bug.unwrap_or_default()
            )
        },
        |client| client.label(),
    ));
    header.commit = commit.map(str::to_owned);
    header
}

/// A run that did not take place.
pub(super) fn nothing(job: &Job, seed: u64, end: RunEnd) -> Conducted {
    (empty(&job.scenario, job.world, seed, end), Vec::new())
}

/// The record of a run that did not take place.
fn empty(scenario: &Scenario, world: WorldName, seed: u64, end: RunEnd) -> RunRecord {
    let mut header = Header::new(seed, world.name(), "none");
    header.scenario = Some(scenario.id.clone());
    RunRecord {
        transcript: Transcript {
            header,
            entries: Vec::new(),
        },
        steps: Vec::new(),
        views: FinalViews::default(),
        ends: Vec::new(),
        end,
        leftovers: Vec::new(),
        programs: Vec::new(),
        leaks: Vec::new(),
        unclaimed: Vec::new(),
        stores: Vec::new(),
        withheld: Vec::new(),
        shown: Vec::new(),
        referee: crate::referee::standing().clone(),
        errors_logged: Vec::new(),
        seed,
        world: world.name().to_owned(),
        took: Duration::ZERO,
    }
}

thread_local! {
    /// One log for all runs of a thread: making one asks every place that logs whether it is enabled.
    static LOG: (tracing::Dispatch, Errors) = {
        let errors = Errors::default();
        (tracing::Dispatch::new(tracing_subscriber::registry().with(errors.clone())), errors)
    };
    /// Panics on this thread while a scenario runs; tasks of its runtime panic here too.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Keeps panics of running scenarios for their report; others are told as always.
fn listen_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic
                .location()
                .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
            let kept = PANICS.with_borrow_mut(|panics| match panics {
                Some(panics) => {
                    panics.push(format!("{}{place}", words(panic.payload())));
                    true
                }
                None => false,
            });
            if !kept {
                usual(panic);
            }
        }));
    });
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

/// ERROR-level log lines of one run: each of them fails it.
#[derive(Clone, Default)]
struct Errors {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Errors {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Errors {
    fn enabled(
        &self,
        metadata: &tracing::Metadata<'_>,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let mut line = format!("{}:", event.metadata().target());
        event.record(&mut Words(&mut line));
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }
}

/// Puts an event's fields into one line.
struct Words<'a>(&'a mut String);

impl tracing::field::Visit for Words<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write as _;
        // Writing to a string does not fail.
        let _fine = if field.name() == "message" {
            write!(self.0, " {value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
    }
}
