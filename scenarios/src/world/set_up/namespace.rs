//! The computer of a set-up as the stand-in for wsl.exe: a folder, real processes, real time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wsl_fixtures::argv::Install;
use wsl_fixtures::backend::process::ProcessWsl;
use wsl_fixtures::log::CommandLog;
use wsl_fixtures::setup::Config;
use wsl_fixtures::standin::home::Home;
use wsl_fixtures::{Call, Finished, Machine, Wsl, WslError};

use super::computer::{Computer, State, report};
use super::line::{Ask, Line};
use crate::setup::{is_free, link_program};

/// Where a distro finds how the run's gateway is given orders.
const CONTROL: &str = "/etc/clawproof/control.json";
/// What the pauses of a set-up are divided by: Windows needs them, the stand-in does not.
const PACE: u32 = 20;

/// How long programs of a distro may take to be gone when it is.
const FAREWELL: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// The ground of a set-up on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    /// This program, which plays wsl.exe under that name.
    pub(crate) program: PathBuf,
    /// The gateway's port in the distro.
    pub(crate) port: u16,
    /// Where the run's mock gateway listens.
    pub(crate) gateway: u16,
    /// `http://` address of its control endpoint.
    pub(crate) control_url: String,
    /// What opens it.
    pub(crate) control_token: String,
}

/// wsl.exe played by this program, over a folder.
pub(super) struct StandIn {
    wsl: ProcessWsl,
    home: Home,
    line: Rc<Line>,
    folder: String,
    user: String,
    port: u16,
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
        let (ground, config, distros) = plan;
        let bin = folder.join("bin");
        std::fs::create_dir_all(&bin)?;
        let program = bin.join("wsl.exe");
        link_program(&ground.program, &program)?;
        let computer = folder.join("computer");
        let home = Home::open(&computer)?;
        let control = folder.join("control.json");
        let access =
            json!({ "control": { "url": ground.control_url, "token": ground.control_token } });
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, &access)?;
        // The distro's user reads it, and nobody else can enter the folder.
        readable(file.as_file())?;
        file.persist(&control).map_err(|error| error.error)?;
        machine
            .binds
            .insert(CONTROL.to_owned(), control.display().to_string());
        machine.gateway = [
            "/usr/local/bin/gateway-relay",
            "{port}",
            &ground.gateway.to_string(),
        ]
        .map(ToOwned::to_owned)
        .to_vec();
        home.change(|known| *known = machine)?;
        let mut before = ProcessWsl::stand_in(&program, &computer);
        for name in distros {
            let installed = before.install(&Install::named(name, name));
            installed.map_err(std::io::Error::other)?;
        }
        Ok(Self {
            wsl: ProcessWsl::stand_in(&program, &computer),
            home,
            line,
            folder: folder.display().to_string(),
            user: config.user.clone(),
            port: ground.port,
            running: Vec::new(),
        })
    }

    fn root(&self, distro: &str) -> PathBuf {
        self.home.distro(distro).join("root")
    }

    /// What stands in the gateway's file, by dotted keys, without its token.
    fn configuration(&self, distro: &str) -> BTreeMap<String, String> {
        let file = format!("home/{}/.openclaw/openclaw.json", self.user);
        let text = std::fs::read_to_string(self.root(distro).join(file)).unwrap_or_default();
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
        let finished = self.wsl.call(call);
        report(&self.line, self.wsl.log(), &self.folder);
        finished
    }

    fn start(&mut self, call: &Call) -> Result<u32, WslError> {
        let started = self.wsl.start(call);
        report(&self.line, self.wsl.log(), &self.folder);
        let words = call.words.iter().skip_while(|word| *word != "--").skip(1);
        self.running
            .push(words.cloned().collect::<Vec<_>>().join(" "));
        started
    }

    fn pause(&mut self, time: Duration) {
        self.line.ask(Ask::Pause(time / PACE));
    }

    fn now(&self) -> Duration {
        self.wsl.now()
    }

    fn log(&self) -> &CommandLog {
        self.wsl.log()
    }
}

impl Computer for StandIn {
    fn catch_up(&mut self) {}

    fn looks_at(&self) -> Option<Duration> {
        None
    }

    fn state(&self, distro: &str) -> State {
        let machine = self.home.machine().unwrap_or_default();
        let now = self.wsl.now();
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
        let names: Vec<String> = match self.home.machine() {
            Ok(machine) => machine.names().map(ToOwned::to_owned).collect(),
            Err(error) => return vec![format!("a computer that can't be read: {error}")],
        };
        let mut left = Vec::new();
        for name in names {
            if let Err(error) = self.wsl.unregister(&name) {
                left.push(format!("the distro {name}: {error}"));
            }
        }
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
