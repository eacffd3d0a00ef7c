//! The computer of a set-up on this machine: a folder, real processes, real time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wsl_fixtures::log::CommandLog;
use wsl_fixtures::setup::Config;
use wsl_fixtures::{Call, Finished, Machine, Wsl, WslError};

use super::back_end::{Distros, distros};
use super::computer::{Computer, State, report};
use super::line::{Ask, Line};
use crate::scenario::BackEnd;
use crate::setup::{Lease, RealOpenClaw, is_free};

/// Where a distro finds how the run's gateway is given orders.
const CONTROL: &str = "/etc/clawproof/control.json";
/// What the pauses of a set-up are divided by: Windows needs them, the stand-in does not.
const PACE: u32 = 20;

/// See [`Gateway::patience`].
const PATIENCE: u32 = 4;

/// How long programs of a distro may take to be gone when it is.
const FAREWELL: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// The ground of a set-up on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    /// This program, which plays wsl.exe under that name, and what a distro has in place of its own.
    pub(crate) program: PathBuf,
    /// The gateway's port in the distro.
    pub(crate) port: u16,
    /// What keeps others from taking it.
    pub(crate) _lease: Arc<Lease>,
    /// What distros are.
    pub(crate) back_end: BackEnd,
    /// Whose gateway it is.
    pub(crate) gateway: Gateway,
}

/// The gateway of a set-up on this machine.
#[derive(Clone, Debug)]
pub(crate) enum Gateway {
    /// The run's mock; the service in the distro is a relay to it.
    Mock {
        /// Where it listens.
        port: u16,
        /// `http://` address of its control endpoint.
        control_url: String,
        /// What opens it.
        control_token: String,
    },
    /// OpenClaw's own, in the distro.
    Real(RealOpenClaw),
}

impl Gateway {
    /// What limits are multiplied by: the real command line starts a node for every word, and a machine that tests has
    /// more to do than one that is set up.
    const fn patience(&self) -> u32 {
        match self {
            Self::Mock { .. } => 1,
            Self::Real(_) => PATIENCE,
        }
    }

    /// Lets every distro of a computer have it.
    fn put_into(&self, machine: &mut Machine, folder: &Path) -> std::io::Result<()> {
        let (port, url, token) = match self {
            Self::Real(openclaw) => return openclaw.put_into(machine, folder),
            Self::Mock {
                port,
                control_url,
                control_token,
            } => (port, control_url, control_token),
        };
        let control = folder.join("control.json");
        let access = json!({ "control": { "url": url, "token": token } });
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, &access)?;
        // The distro's user reads it, and nobody else can enter the folder.
        readable(file.as_file())?;
        file.persist(&control).map_err(|error| error.error)?;
        let binds = &mut machine.binds;
        binds.insert(CONTROL.to_owned(), control.display().to_string());
        let words = ["/usr/local/bin/gateway-relay", "{port}", &port.to_string()];
        machine.gateway = words.map(ToOwned::to_owned).to_vec();
        Ok(())
    }
}

/// A computer with WSL on this machine.
pub(super) struct StandIn {
    distros: Box<dyn Distros>,
    line: Rc<Line>,
    folder: String,
    user: String,
    port: u16,
    /// What limits are multiplied by.
    patience: u32,
    running: Vec<String>,
}

impl StandIn {
    /// Makes the computer in a folder.
    pub(super) fn new(
        folder: &Path,
        mut machine: Machine,
        plan: (&Ground, &Config, &[String]),
        line: Rc<Line>,
    ) -> std::io::Result<Self> {
        let (ground, config, before) = plan;
        ground.gateway.put_into(&mut machine, folder)?;
        Ok(Self {
            distros: distros(ground, folder, machine, before)?,
            line,
            folder: folder.display().to_string(),
            user: config.user.clone(),
            port: ground.port,
            patience: ground.gateway.patience(),
            running: Vec::new(),
        })
    }

    /// What stands in the gateway's file, by dotted keys, without its token.
    fn configuration(&mut self, distro: &str) -> BTreeMap<String, String> {
        let file = format!("/home/{}/.openclaw/openclaw.json", self.user);
        let text = self.distros.file(distro, &file);
        let mut flat = BTreeMap::new();
        flatten(
            "",
            &serde_json::from_str(&text).unwrap_or_default(),
            &mut flat,
        );
        flat.remove("gateway.auth.token");
        flat
    }
}

#[cfg(unix)]
fn readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

fn flatten(path: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                flatten(&path, value, flat);
            }
        }
        Value::String(text) => {
            flat.insert(path.to_owned(), text.clone());
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            flat.insert(path.to_owned(), value.to_string());
        }
    }
}

impl Wsl for StandIn {
    fn call(&mut self, call: &Call) -> Finished {
        let limit = call.limit * self.patience;
        let finished = self.distros.wsl().call(&call.clone().limit(limit));
        report(&self.line, self.distros.look().log(), &self.folder);
        finished
    }

    fn start(&mut self, call: &Call) -> Result<u32, WslError> {
        let started = self.distros.wsl().start(call);
        report(&self.line, self.distros.look().log(), &self.folder);
        let words = call.words.iter().skip_while(|word| *word != "--").skip(1);
        self.running
            .push(words.cloned().collect::<Vec<_>>().join(" "));
        started
    }

    fn pause(&mut self, time: Duration) {
        self.line.ask(Ask::Pause(time / PACE));
    }

    fn now(&self) -> Duration {
        self.distros.look().now()
    }

    fn log(&self) -> &CommandLog {
        self.distros.look().log()
    }
}

impl Computer for StandIn {
    fn catch_up(&mut self) {}

    fn looks_at(&self) -> Option<Duration> {
        None
    }

    fn state(&mut self, distro: &str) -> State {
        let machine = self.distros.machine().unwrap_or_default();
        let now = self.distros.look().now();
        let label = |name: &str| {
            let known = machine.distro(name);
            known.map_or("", |known| known.distro.state(now).label())
        };
        State {
            distros: machine
                .names()
                .map(|name| (name.to_owned(), label(name)))
                .collect(),
            gateway_runs: !is_free(self.port),
            configuration: self.configuration(distro),
            running: self.running.clone(),
        }
    }

    fn end(&mut self) -> Vec<String> {
        let names: Vec<String> = match self.distros.machine() {
            Ok(machine) => machine.names().map(ToOwned::to_owned).collect(),
            Err(error) => return vec![format!("a computer that can't be read: {error}")],
        };
        let mut left = Vec::new();
        for name in names {
            if let Err(error) = self.distros.wsl().unregister(&name) {
                left.push(format!("the distro {name}: {error}"));
            }
        }
        let decoys = self.distros.decoys_called().into_iter();
        left.extend(decoys.map(|call| format!("a call of {call}")));
        left.extend(processes_of(&self.folder));
        left.extend(mounts_of(&self.folder));
        left
    }
}

/// Mounts of a computer that this machine sees: its own namespace should have kept them.
fn mounts_of(folder: &str) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let ours = mounts.lines().filter(|line| line.contains(folder));
    ours.map(|line| format!("the mount {line}")).collect()
}

/// Programs of a computer that still run although it is gone: their environment names its folder. What was told to end
/// gets a moment for it.
fn processes_of(folder: &str) -> Vec<String> {
    let deadline = Instant::now() + FAREWELL;
    loop {
        let left = named_by(folder);
        if left.is_empty() || Instant::now() >= deadline {
            return left;
        }
        std::thread::park_timeout(LOOK);
    }
}

fn named_by(folder: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let named = processes.filter_map(|process| {
        let path = process.path();
        let is_number = process.file_name().to_str()?.parse::<u32>().is_ok();
        let environment = std::fs::read(path.join("environ")).ok()?;
        let is_named = String::from_utf8_lossy(&environment).contains(folder);
        let words = std::fs::read(path.join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&words).replace('\0', " ");
        (is_number && is_named).then(|| format!("the process {}", command.trim()))
    });
    named.collect()
}
