//! The computer of a set-up, in the time of the world: WSL over a line, the gateway behind it, and the journal.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use gateway_core::Control;
use serde_json::{Value, json};
use wsl_fixtures::log::CommandLog;
use wsl_fixtures::setup::memory::{Gateway, Pending, Shared};
use wsl_fixtures::setup::{Journal, Line as JournalLine, MemoryJournal};
use wsl_fixtures::{Call, Finished, ModelWsl, Wsl, WslError};

use super::line::{Ask, Line};

/// What a computer is like at a moment.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Every distro and what it does.
    pub(super) distros: BTreeMap<String, &'static str>,
    /// Whether the gateway of the distro runs.
    pub(super) gateway_runs: bool,
    /// The gateway's configuration by dotted keys, without its token.
    pub(super) configuration: BTreeMap<String, String>,
    /// Commands that were started and left running.
    pub(super) running: Vec<String>,
}

/// A computer with WSL that can be looked at from outside.
pub(super) trait Computer: Wsl {
    /// Lets it know what time it is.
    fn catch_up(&mut self);
    /// When something may happen in it by itself.
    fn looks_at(&self) -> Option<Duration>;
    /// What it is like, and what is in this distro.
    fn state(&mut self, distro: &str) -> State;
    /// Takes everything away; what can't be, in words.
    fn end(&mut self) -> Vec<String>;
}

/// Tells the newest call.
pub(super) fn report(line: &Line, log: &CommandLog, folder: &str) {
    let Some(entry) = log.entries().last() else {
        return;
    };
    let command = without_folder(&entry.argv.join(" "), folder);
    let said = json!({ "event": "command", "command": command, "user": entry.user, "exit": entry.exit, "env": entry.env });
    line.say(Ask::Report(said));
}

/// The text without the folder of the run; what is left of a path in it reads the same on every system.
pub(super) fn without_folder(text: &str, folder: &str) -> String {
    let text = text.replace(folder, "<data>");
    let words = text.split(' ').map(|word| {
        if word.contains("<data>") {
            Cow::Owned(word.replace('\\', "/"))
        } else {
            Cow::Borrowed(word)
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// How many calls contain these words.
pub(super) fn count(log: &CommandLog, words: &str) -> usize {
    let entries = log.entries().iter();
    entries
        .filter(|entry| entry.argv.join(" ").contains(words))
        .count()
}

/// A WSL in memory whose time is the world's.
pub(super) struct TimedWsl {
    model: ModelWsl,
    line: Rc<Line>,
    world: Shared,
    /// The folder of the run, which no report may show.
    folder: String,
}

impl TimedWsl {
    pub(super) fn new(model: ModelWsl, world: Shared, line: Rc<Line>, folder: String) -> Self {
        Self {
            model,
            line,
            world,
            folder,
        }
    }

    fn wait(&mut self, time: Duration) {
        if !time.is_zero() {
            self.line.ask(Ask::Pause(time));
        }
        self.catch_up();
    }
}

impl Wsl for TimedWsl {
    fn call(&mut self, call: &Call) -> Finished {
        self.catch_up();
        let finished = self.model.call(call);
        report(&self.line, self.model.log(), &self.folder);
        // The model's clock has moved already: the world's follows.
        let behind = self.model.now().saturating_sub(self.line.now());
        self.wait(behind);
        finished
    }

    fn start(&mut self, call: &Call) -> Result<u32, WslError> {
        self.catch_up();
        let started = self.model.start(call);
        report(&self.line, self.model.log(), &self.folder);
        started
    }

    fn pause(&mut self, time: Duration) {
        self.wait(time);
    }

    fn now(&self) -> Duration {
        self.line.now()
    }

    fn log(&self) -> &CommandLog {
        self.model.log()
    }
}

impl Computer for TimedWsl {
    /// A distro that idled too long stops.
    fn catch_up(&mut self) {
        let behind = self.line.now().saturating_sub(self.model.now());
        self.model.pause(behind);
    }

    fn looks_at(&self) -> Option<Duration> {
        self.model.machine.idles_at()
    }

    fn state(&mut self, _: &str) -> State {
        let world = self.world.borrow();
        let label = |name: &str| self.model.state(name).map_or("", |state| state.label());
        let mut configuration = world.configuration().clone();
        configuration.remove("gateway.auth.token");
        let names = self.model.machine.names();
        State {
            distros: names.map(|name| (name.to_owned(), label(name))).collect(),
            gateway_runs: world.runs(),
            configuration,
            running: self.model.detached().to_vec(),
        }
    }

    fn end(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// The world's mock gateway, as `openclaw` in the distro sees it.
pub(super) struct BesideGateway {
    line: Rc<Line>,
    /// What `qr --json` prints; a fresh code when absent.
    code: Option<String>,
}

impl BesideGateway {
    pub(super) fn new(line: Rc<Line>, code: Option<String>) -> Self {
        Self { line, code }
    }
}

impl fmt::Debug for BesideGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BesideGateway").finish_non_exhaustive()
    }
}

impl Gateway for BesideGateway {
    fn start(&mut self) {
        // One that runs already goes on running.
        drop(self.line.control(Control::Start));
    }

    fn stop(&mut self) {
        drop(self.line.control(Control::Halt));
    }

    fn code(&mut self) -> Result<String, String> {
        if let Some(code) = &self.code {
            return Ok(code.clone());
        }
        let minted = self.line.control(Control::MintSetupCode {
            url: Some("ws://localhost:18789".to_owned()),
            ttl_ms: None,
            limited: false,
        })?;
        let part = |key: &str| minted.get(key).cloned().unwrap_or_default();
        let told =
            json!({ "setupCode": part("setupCode"), "bootstrapToken": part("bootstrapToken") });
        Ok(told.to_string())
    }

    fn pending(&mut self, what: Pending) -> Vec<String> {
        let (list, id) = match what {
            Pending::Device => ("pending_devices", "request_id"),
            Pending::Node => ("pending_nodes", "request_id"),
        };
        let view = self.line.answer(Ask::View).unwrap_or_default();
        let requests = view.get(list).and_then(Value::as_array).cloned();
        let ids = requests.unwrap_or_default();
        let ids = ids.iter().filter_map(|request| request.get(id)?.as_str());
        ids.map(ToOwned::to_owned).collect()
    }

    fn approve(&mut self, what: Pending, id: &str) -> Result<(), String> {
        let request_id = id.to_owned();
        let order = match what {
            Pending::Device => Control::Approve { request_id },
            Pending::Node => Control::ApproveNode { request_id },
        };
        self.line.control(order).map(drop)
    }
}

/// A journal that tells every line.
pub(super) struct ToldJournal {
    pub(super) lines: MemoryJournal,
    pub(super) line: Rc<Line>,
    /// The step at whose beginning the user says stop, once.
    pub(super) cancel: Option<String>,
    pub(super) cancelled: Rc<Cell<bool>>,
}

impl Journal for ToldJournal {
    fn add(&mut self, line: JournalLine) -> io::Result<()> {
        let begins = line.event == "step_started" && line.step_id == self.cancel;
        if begins && self.cancel.take().is_some() {
            self.cancelled.set(true);
        }
        let said = json!({ "event": line.event, "step": line.step_id, "outcome": line.outcome, "detail": line.detail });
        self.lines.add(line)?;
        self.line.say(Ask::Report(said));
        Ok(())
    }

    fn lines(&self) -> &[JournalLine] {
        self.lines.lines()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::linux("--location /tmp/a b/app/wsl/D --no-launch", "/tmp/a b")]
    #[case::windows(r"--location C:\Temp\a b\app\wsl\D --no-launch", r"C:\Temp\a b")]
    fn a_path_of_the_run_reads_the_same_everywhere(#[case] text: &str, #[case] folder: &str) {
        let expected = "--location <data>/app/wsl/D --no-launch";
        assert_eq!(without_folder(text, folder), expected);
    }

    #[test]
    fn other_backslashes_stay() {
        let text = r"printf 'a\n' /tmp/x";
        assert_eq!(without_folder(text, "/tmp/x"), r"printf 'a\n' <data>");
    }
}
