//! A Windows computer with WSL, as a pure state machine: a call of wsl.exe goes in, what it prints or what has
//! to be run in a distro comes out.
//!
//! - [`Machine::call`]: reads the words, applies faults, changes distros, answers
//! - [`Answer`]: printed at once, never ending, or a command for the back-end to execute
//! - [`Machine::finished`], [`Machine::idle`]: what runs keeps a distro alive; one that idles is stopped
//!
//! The same machine stands behind the in-memory back-end and behind the executable: it is written to disk as
//! JSON between two calls.
//!
//! ```
//! use std::time::Duration;
//! use wsl_fixtures::{Call, machine::{Answer, Machine}, output::decode};
//!
//! let mut machine = Machine::default();
//! let Answer::Printed(answer) = machine.call(Duration::ZERO, &Call::new(["--terminate", "D"]), 1) else { unreachable!() };
//! assert_eq!(answer.exit, -1);
//! assert!(decode(&answer.stdout).contains("WSL_E_DISTRO_NOT_FOUND"));
//! ```
//!
//! ref: setup-and-wsl.md §10

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::argv::{ArgvError, Verb};
use crate::distro::{ColdStart, Distro, State};
use crate::fault::{Effect, Faults};
use crate::output::encode_utf16le;
use crate::text::{self, Locale};
use crate::wsl::Call;

mod verbs;

/// How wsl.exe writes its own sentences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// As the real one does.
    #[default]
    Utf16le,
    /// The same with a mark in front.
    Utf16leBom,
    /// As newer ones do when `WSL_UTF8=1` is set.
    Utf8,
}

/// A distro as Windows knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Its life.
    pub distro: Distro,
    /// Which distribution it was made from.
    pub base: String,
    /// Folder with its disk; `None` for the place that WSL picks.
    pub location: Option<String>,
    /// Commands that run in it.
    running: u32,
    /// When the last one ended.
    idle_since: Duration,
}

/// The computer. Every member has a default, so that a file may name only what differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Machine {
    /// Version of WSL.
    pub version: Vec<u32>,
    /// Language of Windows.
    pub locale: Locale,
    /// How wsl.exe writes.
    pub encoding: Encoding,
    /// Whether wsl.exe rewrites variables in arguments, as the real one does.
    pub expands_argv: bool,
    /// What starts of a distro cost.
    pub cold_start: ColdStart,
    /// How long an installation takes, in milliseconds.
    pub install_ms: u64,
    /// A distro without commands is stopped after this many milliseconds; `None` leaves it running.
    pub idle_stop_ms: Option<u64>,
    /// How Windows reaches the distro.
    pub network: Network,
    /// Ports that the relay carries.
    pub relay_ports: Vec<u16>,
    /// Files and folders of this machine that a distro sees, read-only: where it sees them, and where they are.
    pub binds: BTreeMap<String, String>,
    /// What starts the gateway that `openclaw` runs in a distro; `{port}` and `{token}` are filled in.
    pub gateway: Vec<String>,
    /// What goes wrong.
    pub faults: Faults,
    /// The distros by name.
    pub distros: BTreeMap<String, Registered>,
    /// The starred one.
    pub default_distro: Option<String>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            version: vec![2, 4, 13, 0],
            locale: Locale::default(),
            encoding: Encoding::default(),
            expands_argv: true,
            cold_start: ColdStart::default(),
            install_ms: 0,
            idle_stop_ms: None,
            network: Network::default(),
            relay_ports: Vec::new(),
            binds: BTreeMap::new(),
            gateway: Vec::new(),
            faults: Faults::default(),
            distros: BTreeMap::new(),
            default_distro: None,
        }
    }
}

/// What wsl.exe prints by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Printed {
    /// Exit code as Windows has it: -1 is 4294967295.
    pub exit: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// How much later.
    pub delay: Duration,
}

/// A change of the disk that goes with what is printed. The back-end makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A distro was made.
    Made(String),
    /// A distro was stopped: everything in it dies.
    Stopped(String),
    /// A distro was removed: its files go.
    Removed(String),
    /// A distro's files are to be written to an archive.
    Exported(String, String),
    /// A distro was made from an archive.
    Imported(String, String),
}

/// A command to run in a distro.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Which distro; it runs.
    pub distro: String,
    /// As whom; `None` is the distro's default user.
    pub user: Option<String>,
    /// Folder to begin in.
    pub cd: Option<String>,
    /// The words as the program in the distro gets them; empty opens a shell.
    pub words: Vec<String>,
    /// Variables that cross.
    pub env: BTreeMap<String, String>,
    /// The start, and faults.
    pub delay: Duration,
}

impl Execution {
    /// The words, when they are not those of the call any more.
    pub fn rewritten(&self, call: &Call) -> Option<Vec<String>> {
        let untouched = call.words.ends_with(&self.words);
        (!untouched).then(|| self.words.clone())
    }
}

/// How Windows reaches a port of the distro.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// The distro has its own network; a relay owns the Windows side of [`Machine::relay_ports`].
    Nat,
    /// One network for both: the guest owns the port and Windows shows no listener.
    #[default]
    Mirrored,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It prints and ends; see [`Machine::call_with_changes`].
    Printed(Printed),
    /// It prints and never ends.
    Hangs(Vec<u8>),
    /// The back-end runs this, prints what it prints and ends as it ends.
    Execute(Execution),
}

type Said = Result<String, String>;

impl Machine {
    /// One call of wsl.exe at `now`, by a process with this id. The changes are what the disk has to follow.
    pub fn call_with_changes(
        &mut self,
        now: Duration,
        call: &Call,
        pid: u32,
    ) -> (Answer, Vec<Change>) {
        let verb = Verb::parse(call.words.iter().cloned());
        let verb = match verb {
            Ok(verb) => verb,
            Err(error) => {
                let told = self.faults.strike(&call.words.join(" "));
                let answer = told.map_or_else(|| self.print(Err(refusal(&error))), instead);
                return (answer, Vec::new());
            }
        };
        let mut changes = Vec::new();
        let effect = self.faults.strike(&subject(&verb, &call.stdin));
        let (mut delay, mut fails) = (Duration::ZERO, None);
        match effect {
            Some(Effect::Slow { ms }) => delay = Duration::from_millis(ms),
            Some(Effect::HalfDone { exit, stderr }) => fails = Some((exit, stderr)),
            Some(effect) => return (instead(effect), changes),
            None => {}
        }
        let mut answer = if let Verb::Run(run) = &verb {
            self.run(now, run, call, pid)
        } else {
            let said = self.own(now, &verb, &mut changes);
            self.print(said)
        };
        match &mut answer {
            Answer::Printed(printed) => printed.delay += delay,
            Answer::Execute(execution) => execution.delay += delay,
            Answer::Hangs(_) => {}
        }
        if let Some((exit, stderr)) = fails {
            let stderr = self.encode(&stderr);
            answer = Answer::Printed(Printed {
                exit,
                stderr,
                ..Printed::default()
            });
        }
        (answer, changes)
    }

    /// The same where no disk has to follow.
    pub fn call(&mut self, now: Duration, call: &Call, pid: u32) -> Answer {
        self.call_with_changes(now, call, pid).0
    }

    /// A command in a distro has ended.
    pub fn finished(&mut self, now: Duration, distro: &str) {
        if let Some(entry) = self.distros.get_mut(distro) {
            entry.running = entry.running.saturating_sub(1);
            entry.idle_since = now;
        }
    }

    /// Stops distros in which nothing has run for too long, and names them.
    pub fn idle(&mut self, now: Duration) -> Vec<String> {
        let Some(limit) = self.idle_stop_ms.map(Duration::from_millis) else {
            return Vec::new();
        };
        let idles = |entry: &&mut Registered| {
            entry.running == 0
                && entry.distro.state(now) == State::Running
                && now.saturating_sub(entry.idle_since) >= limit
        };
        let stopped = self.distros.values_mut().filter(idles).map(|entry| {
            entry.distro.terminate();
            entry.distro.name().to_owned()
        });
        stopped.collect()
    }

    /// A registered distro.
    pub fn distro(&self, name: &str) -> Option<&Registered> {
        self.distros.get(name)
    }

    /// Names of all distros.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.distros.keys().map(String::as_str)
    }

    /// When the first distro will have idled too long, if nothing else happens.
    pub fn idles_at(&self) -> Option<Duration> {
        let limit = Duration::from_millis(self.idle_stop_ms?);
        let idling = self.distros.values().filter(|entry| {
            entry.running == 0 && entry.distro.state(Duration::MAX) == State::Running
        });
        idling.map(|entry| entry.idle_since + limit).min()
    }

    /// Puts a distro on the computer that was there before.
    pub fn add(&mut self, name: &str) {
        // One of this name stays as it is.
        drop(self.register(Duration::ZERO, name, name, None));
    }

    fn encode(&self, text: &str) -> Vec<u8> {
        match self.encoding {
            Encoding::Utf16le => encode_utf16le(text, false),
            Encoding::Utf16leBom => encode_utf16le(text, true),
            Encoding::Utf8 => text.as_bytes().to_vec(),
        }
    }

    /// wsl.exe prints its errors to standard output, and ends with -1.
    fn print(&self, said: Said) -> Answer {
        let (exit, text) = match said {
            Ok(text) => (0, text),
            Err(text) => (-1, text),
        };
        Answer::Printed(Printed {
            exit,
            stdout: self.encode(&text),
            ..Printed::default()
        })
    }
}

fn instead(effect: Effect) -> Answer {
    match effect {
        Effect::Answer {
            exit,
            stdout,
            stderr,
        } => Answer::Printed(Printed {
            exit,
            stdout: stdout.into_bytes(),
            stderr: stderr.into_bytes(),
            delay: Duration::ZERO,
        }),
        Effect::Hang { stdout } => Answer::Hangs(stdout.into_bytes()),
        Effect::Slow { ms } => Answer::Printed(Printed {
            delay: Duration::from_millis(ms),
            ..Printed::default()
        }),
        Effect::HalfDone { exit, stderr } => Answer::Printed(Printed {
            exit,
            stderr: stderr.into_bytes(),
            ..Printed::default()
        }),
    }
}

/// What faults look at.
fn subject(verb: &Verb, stdin: &[u8]) -> String {
    let words = verb.to_words().join(" ");
    if matches!(verb, Verb::Run(_)) {
        format!("run {words}\n{}", String::from_utf8_lossy(stdin))
    } else {
        format!("wsl {words}")
    }
}

fn refusal(error: &ArgvError) -> String {
    match error {
        ArgvError::UnknownOption(option) => text::unknown_option(option),
        ArgvError::MissingValue { option, .. } => text::missing_value(option),
        ArgvError::ExtraWord { word, .. } => text::unknown_option(word),
    }
}
