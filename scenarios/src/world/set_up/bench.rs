//! The thread of a set-up: wishes go in, reports and a snapshot come out.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use gateway_client::MemoryState;
use serde_json::{Value, json};
use tokio::sync::Notify;
use wsl_fixtures::argv::{Run, Verb};
use wsl_fixtures::output::decode;
use wsl_fixtures::setup::memory::{World, pair};
use wsl_fixtures::setup::{
    Config, Context, Journal as _, MemoryJournal, Mutation, Outcome, Owner, repeat, run, uninstall,
};
use wsl_fixtures::{Call, Machine, ModelWsl};

use super::computer::{BesideGateway, Computer, TimedWsl, ToldJournal, count, without_folder};
use super::line::{Ask, Line, Told, Wish};
use super::namespace::{Ground, StandIn};
use super::peer::{LinePeer, ModelPort, Port, RealPort};
use crate::scenario::SetupActor;

/// What a script of a scenario may take; the real command line takes its time.
const SCRIPT: Duration = Duration::from_mins(3);

/// What a set-up works with.
pub(crate) struct Tools {
    /// What the scenario says.
    pub(crate) actor: SetupActor,
    /// What is set up.
    pub(crate) config: Config,
    /// The computer.
    pub(crate) machine: Machine,
    /// What its companion stores.
    pub(crate) state: MemoryState,
    /// The shared token of the run's gateway.
    pub(crate) token: String,
    /// This machine, when it is the computer; else it is one in memory.
    pub(crate) ground: Option<Ground>,
}

/// The world's end of a set-up.
pub(crate) struct Bench {
    answers: Sender<(Duration, Told)>,
    asks: Receiver<Ask>,
    /// Rings with every question, for a world whose time runs by itself.
    bell: Arc<Notify>,
    is_real: bool,
    thread: Option<JoinHandle<Vec<String>>>,
}

/// Rings when a thread is over, however it ended.
struct LastRing(Arc<Notify>);

impl Drop for LastRing {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Bench {
    /// A set-up that waits for its first wish.
    pub(crate) fn new(tools: Tools) -> Self {
        let (say, asks) = channel();
        let (answers, hear) = channel();
        let bell = Arc::new(Notify::new());
        let is_real = tools.ground.is_some();
        let thread = std::thread::Builder::new().name("set-up".to_owned());
        let ring = Arc::clone(&bell);
        let work = move || {
            // Dropped last: whoever waits sees that nobody asks any more.
            let _last = LastRing(Arc::clone(&ring));
            let line = Rc::new(Line::new(say, hear, ring));
            serve(tools, &line).unwrap_or_else(|why| vec![broken(&line, why)])
        };
        Self {
            answers,
            asks,
            bell,
            is_real,
            // Without a thread nothing is ever asked, and the first wish is told so.
            thread: thread.spawn(work).ok(),
        }
    }

    /// Tells it something; false when it is gone.
    pub(crate) fn tell(&self, now: Duration, told: Told) -> bool {
        self.answers.send((now, told)).is_ok()
    }

    /// What it asks next; none when it is gone. Where time is the world's own nothing else runs meanwhile.
    pub(crate) async fn listen(&self) -> Option<Ask> {
        if !self.is_real {
            return self.asks.recv().ok();
        }
        loop {
            match self.asks.try_recv() {
                Ok(ask) => return Some(ask),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => self.bell.notified().await,
            }
        }
    }

    /// Ends it; what is left of it, in words.
    pub(crate) fn end(self) -> Vec<String> {
        let Self {
            answers,
            asks,
            thread,
            ..
        } = self;
        drop((answers, asks));
        let ended = thread.map(JoinHandle::join);
        match ended {
            None => Vec::new(),
            Some(Ok(left)) => left,
            Some(Err(_)) => vec!["a set-up whose thread broke".to_owned()],
        }
    }
}

/// Everything that stays between two wishes.
struct Desk {
    tools: Tools,
    line: Rc<Line>,
    computer: Box<dyn Computer>,
    peer: LinePeer,
    journal: ToldJournal,
    folder: tempfile::TempDir,
    outcome: Option<Outcome>,
    first_line: usize,
    /// What the last script said.
    said: Value,
}

/// Fulfils wishes until the world is over, and takes everything away then.
fn serve(tools: Tools, line: &Rc<Line>) -> Result<Vec<String>, String> {
    let mut desk = Desk::new(tools, line)?;
    // However the work ends, nothing of the computer may stay.
    let why = desk.work().err();
    let mut left = desk.computer.end();
    let path = desk.folder.path().display().to_string();
    if let Err(error) = desk.folder.close() {
        left.push(format!("the folder {path}: {error}"));
    }
    left.extend(why.map(|why| broken(line, why)));
    Ok(left)
}

/// Tells the world that a set-up can't go on.
fn broken(line: &Line, why: String) -> String {
    let snapshot = json!({ "outcome": "broken", "message": why });
    line.say(Ask::Idle {
        snapshot,
        look_at: None,
    });
    why
}

impl Desk {
    fn new(tools: Tools, line: &Rc<Line>) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("a folder: {error}"))?;
        let (computer, port): (Box<dyn Computer>, Box<dyn Port>) = match &tools.ground {
            None => in_memory(&tools, folder.path(), line),
            Some(ground) => {
                let plan = (ground, &tools.config, tools.actor.distros.as_slice());
                let machine = tools.machine.clone();
                let made = StandIn::new(folder.path(), machine, plan, Rc::clone(line));
                let computer = made.map_err(|error| format!("a computer: {error}"))?;
                (Box::new(computer), Box::new(RealPort(ground.port)))
            }
        };
        let cancelled = Rc::new(Cell::new(false));
        let peer = LinePeer {
            line: Rc::clone(line),
            port,
            cancelled: Rc::clone(&cancelled),
            state: tools.state.clone(),
            token: tools.token.clone(),
            connections: Vec::new(),
        };
        let journal = ToldJournal {
            lines: match tools.actor.killed_after {
                Some(lines) => MemoryJournal::with_room(lines),
                None => MemoryJournal::default(),
            },
            line: Rc::clone(line),
            cancel: tools.actor.cancel_at.clone(),
            cancelled,
        };
        Ok(Self {
            computer,
            tools,
            line: Rc::clone(line),
            peer,
            journal,
            folder,
            outcome: None,
            first_line: 0,
            said: Value::Null,
        })
    }

    /// Fulfils wishes until the world is over.
    fn work(&mut self) -> Result<(), String> {
        while let Some(told) = self.line.hear() {
            if let Told::Wish(wish) = told {
                self.fulfil(&wish)?;
                let (snapshot, look_at) = (self.snapshot(), self.computer.looks_at());
                self.line.say(Ask::Idle { snapshot, look_at });
            }
        }
        Ok(())
    }

    /// Where the app keeps its files.
    fn app(&self) -> PathBuf {
        self.folder.path().join("app")
    }

    fn fulfil(&mut self, wish: &Wish) -> Result<(), String> {
        self.computer.catch_up();
        if let Wish::Script(script) = wish {
            self.said = self.script(script);
            return Ok(());
        }
        if *wish == Wish::Look {
            return Ok(());
        }
        self.first_line = self.journal.lines().len();
        self.peer.connections.clear();
        let app = self.app();
        std::fs::create_dir_all(&app).map_err(|error| format!("a folder: {error}"))?;
        let config = self.tools.config.clone();
        let mut context = Context::new(config, &mut *self.computer, &mut self.peer, app);
        let mutation = self.tools.actor.mutation.as_deref();
        context.mutation = mutation.and_then(Mutation::named);
        let outcome = match wish {
            Wish::Run => run(&mut context, &mut self.journal),
            Wish::Uninstall => uninstall(&mut context, &mut self.journal),
            Wish::Repeat(step) => repeat(&mut context, &mut self.journal, step)
                .ok_or_else(|| format!("a set-up has no step {step}"))?,
            Wish::Look | Wish::Script(_) => return Ok(()),
        };
        // The app has ended, and with it what it connected and what its user wished.
        self.line.ask(Ask::Disconnect);
        self.peer.cancelled.set(false);
        if outcome == Outcome::Killed {
            self.journal.lines.room = None;
        }
        self.outcome = Some(outcome);
        Ok(())
    }

    /// Runs a script in the distro, and tells how it ended and what it printed, as JSON when it is some.
    fn script(&mut self, script: &str) -> Value {
        let call = Call::verb(&Verb::Run(Run::bash_stdin(&self.tools.config.distro_name)))
            .stdin(script.replace("{port}", &self.tools.config.gateway_port.to_string()))
            .env("OPENCLAW_GATEWAY_TOKEN", &self.tools.token)
            .limit(SCRIPT);
        let finished = self.computer.call(&call);
        let text = decode(&finished.stdout).replace(&self.tools.token, "<shared-token>");
        let said = serde_json::from_str(&text).unwrap_or_else(|_| json!(text.trim()));
        json!({ "exit": finished.exit, "stdout": said, "stderr": decode(&finished.stderr).trim() })
    }

    /// Everything that a scenario may ask about.
    fn snapshot(&mut self) -> Value {
        let state = self.computer.state(&self.tools.config.distro_name);
        let calls: BTreeMap<&String, usize> = (self.tools.actor.counts.iter())
            .map(|words| (words, count(self.computer.log(), words)))
            .collect();
        let (mut steps, mut undone) = (Vec::new(), Vec::new());
        for line in self.journal.lines().iter().skip(self.first_line) {
            let (Some(step), Some(outcome)) = (&line.step_id, &line.outcome) else {
                continue;
            };
            let told = format!("{step}: {outcome}");
            if line.event == "rollback" {
                undone.push(told);
            } else {
                steps.push(told);
            }
        }
        let folder = self.folder.path().display().to_string();
        let (outcome, failed_step, message) = told(self.outcome.as_ref(), &folder);
        json!({
            "outcome": outcome, "exitCode": self.outcome.as_ref().map(Outcome::exit_code),
            "failedStep": failed_step, "message": message, "steps": steps, "undone": undone, "calls": calls,
            "distros": state.distros, "gatewayRuns": state.gateway_runs, "configuration": state.configuration,
            "files": files(&self.app()), "running": state.running, "connections": self.peer.connections,
            "said": self.said,
        })
    }
}

/// A computer in memory, and its port.
fn in_memory(tools: &Tools, folder: &Path, line: &Rc<Line>) -> (Box<dyn Computer>, Box<dyn Port>) {
    let gateway = BesideGateway::new(Rc::clone(line), tools.actor.code.clone());
    let mut owners = tools.actor.owners.iter().map(|word| owner(word));
    let world = World {
        owner: owners.next().unwrap_or(Owner::Expected),
        next_owners: owners.collect(),
        port_held: tools.actor.port_held,
        gateway: Some(Box::new(gateway)),
        ..World::default()
    };
    let (world, distro, _) = pair(world);
    let mut model = ModelWsl::new(tools.machine.clone()).with_inside(distro);
    model.redact("shared-token", &tools.token);
    for name in &tools.actor.distros {
        model.machine.add(name);
    }
    let shown = folder.display().to_string();
    let port = ModelPort(Rc::clone(&world));
    let computer = TimedWsl::new(model, world, Rc::clone(line), shown);
    (Box::new(computer), Box::new(port))
}

fn owner(word: &str) -> Owner {
    match word {
        "expected" => Owner::Expected,
        "nobody" => Owner::NoListener,
        stranger => Owner::Unknown(stranger.to_owned()),
    }
}

/// Outcome, step and reason in words.
fn told(outcome: Option<&Outcome>, folder: &str) -> (&'static str, Option<String>, Option<String>) {
    match outcome {
        None => ("not run", None, None),
        Some(Outcome::Done) => ("done", None, None),
        Some(Outcome::Cancelled) => ("cancelled", None, None),
        Some(Outcome::Killed) => ("killed", None, None),
        Some(Outcome::Failed { step, message }) => {
            let message = without_folder(message, folder);
            ("failed", Some(step.clone()), Some(message))
        }
    }
}

/// Names of what the app keeps in its folder.
fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
