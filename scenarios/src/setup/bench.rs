//! The folder of an app and of the computer that it runs on.
//!
//! ```text
//! <folder>/bin/wsl.exe     this program, under the name of the one that it stands for
//! <folder>/computer/       the computer (see wsl_fixtures::standin::home)
//! <folder>/app/            what the app keeps: registry, identity, settings, disks
//! <folder>/setup.journal.jsonl
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gateway_client::WslGuest;
use wsl_fixtures::Machine;
use wsl_fixtures::backend::process::ProcessWsl;
use wsl_fixtures::fault::named;
use wsl_fixtures::setup::{Config, Context, FileJournal, Outcome, repeat, run, uninstall};
use wsl_fixtures::standin::decoy::{DECOYS, is_decoy};
use wsl_fixtures::standin::home::Home;

use super::openclaw::RealOpenClaw;
use super::peer::CompanionPeer;
use crate::guarded::{Existing, whole};
use crate::real::RealError;

/// Where a distro finds the mock gateway.
const GATEWAY: &str = "/opt/clawproof/clawproof";
/// What an app of a user keeps: a folder with it and without a computer is not ours.
const USERS: [&str; 3] = ["gateways.json", "settings.json", "setup-state.json"];

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// It belongs to somebody.
    #[error("{} holds an app that was not set up here: expected a new folder, or one of an earlier set-up", .0.display())]
    Foreign(PathBuf),
    /// A fault has no such name.
    #[error("nothing that goes wrong is called {0}")]
    UnknownFault(String),
    /// The real OpenClaw can't be had.
    #[error(transparent)]
    Real(#[from] RealError),
    /// A file can't be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The folder.
#[derive(Debug)]
pub struct Bench {
    folder: PathBuf,
    pace: u32,
    patience: u32,
}

/// What is asked of a set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Everything from the beginning.
    SetUp,
    /// Take away what it made.
    TakeAway,
    /// The gateway's wizard and the node context, on a set-up that stands.
    Wizard,
}

/// What runs as the service of a distro.
#[derive(Clone, Debug)]
pub enum GatewayProgram {
    /// The mock of this program.
    Mock(PathBuf),
    /// The real OpenClaw.
    Real(RealOpenClaw),
}

impl GatewayProgram {
    /// Lets every distro of a computer have it. `folder` may keep files for that.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn put_into(
        &self,
        machine: &mut Machine,
        config: &Config,
        folder: &Path,
    ) -> io::Result<()> {
        let program = match self {
            Self::Real(openclaw) => return openclaw.put_into(machine, folder),
            Self::Mock(program) => program.display().to_string(),
        };
        let home = format!("/home/{}/.openclaw", config.user);
        let file = format!("{home}/openclaw.json");
        let state = format!("{home}/mock");
        let command = [
            GATEWAY,
            "serve",
            "--port",
            "{port}",
            "--profile",
            &config.version,
            "--config",
            &file,
            "--state",
            &state,
        ];
        machine.binds.insert(GATEWAY.to_owned(), program);
        machine.gateway = command.map(ToOwned::to_owned).to_vec();
        Ok(())
    }
}

impl Bench {
    /// Makes or opens the folder. `program` is clawproof itself.
    ///
    /// # Errors
    /// [`BenchError::Foreign`] when the folder is that of a user's own app.
    pub fn open(folder: &Path, program: &Path) -> Result<Self, BenchError> {
        let is_ours = folder.join("computer").is_dir();
        if !is_ours && USERS.iter().any(|name| folder.join(name).exists()) {
            return Err(BenchError::Foreign(folder.to_owned()));
        }
        let io = |source| BenchError::Io {
            path: folder.to_owned(),
            source,
        };
        let folder = std::path::absolute(folder).map_err(io)?;
        let bench = Self {
            folder,
            pace: 1,
            patience: 1,
        };
        std::fs::create_dir_all(bench.app()).map_err(io)?;
        link_programs(program, &bench.folder.join("bin")).map_err(io)?;
        bench.home()?;
        Ok(bench)
    }

    /// Divides the pauses of the set-up, which Windows needs and the stand-in does not.
    #[must_use]
    pub fn with_pace(mut self, pace: u32) -> Self {
        self.pace = pace;
        self
    }

    /// Multiplies the limits of the set-up, for a gateway that takes its time.
    #[must_use]
    pub fn with_patience(mut self, patience: u32) -> Self {
        self.patience = patience;
        self
    }

    /// What the app keeps.
    pub fn app(&self) -> PathBuf {
        self.folder.join("app")
    }

    /// The stand-in for wsl.exe.
    pub fn program(&self) -> PathBuf {
        self.folder.join("bin/wsl.exe")
    }

    /// Writes an artifact beside the journal.
    ///
    /// # Errors
    /// [`BenchError::Io`].
    pub fn keep(&self, name: &str, artifact: &serde_json::Value) -> Result<(), BenchError> {
        let path = self.folder.join(name);
        let text = format!("{artifact:#}\n");
        let written = whole(&path, text.as_bytes(), Existing::Replaced);
        written.map_err(|source| BenchError::Io { path, source })
    }

    /// The journal of all set-ups here.
    pub fn journal(&self) -> PathBuf {
        self.folder.join("setup.journal.jsonl")
    }

    /// The computer.
    ///
    /// # Errors
    /// [`BenchError::Io`].
    pub fn home(&self) -> Result<Home, BenchError> {
        let path = self.folder.join("computer");
        Home::open(&path).map_err(|source| BenchError::Io { path, source })
    }

    /// Prepares the computer: what a distro sees of this machine, and what goes wrong.
    ///
    /// # Errors
    /// [`BenchError::UnknownFault`].
    pub fn prepare(
        &self,
        config: &Config,
        gateway: &GatewayProgram,
        faults: &[String],
    ) -> Result<(), BenchError> {
        let mut rules = Vec::new();
        for name in faults {
            let fault = named(name).ok_or_else(|| BenchError::UnknownFault(name.clone()))?;
            rules.extend((fault.rules)());
        }
        let home = self.home()?;
        let changed = home.change(|machine| {
            gateway.put_into(machine, config, &self.folder)?;
            machine.faults = wsl_fixtures::fault::Faults::default();
            for rule in rules {
                machine.faults.add(rule);
            }
            Ok(())
        });
        changed
            .and_then(|changed| changed)
            .map_err(|source| BenchError::Io {
                path: home.path().to_owned(),
                source,
            })
    }

    /// Does what is asked of the set-up.
    ///
    /// # Errors
    /// [`BenchError::Io`] when there is no journal.
    pub fn run(
        &self,
        config: &Config,
        task: Task,
        cancelled: Arc<AtomicBool>,
    ) -> Result<Outcome, BenchError> {
        let path = self.journal();
        let mut journal =
            FileJournal::open(&path).map_err(|source| BenchError::Io { path, source })?;
        let mut wsl = ProcessWsl::stand_in(&self.program(), &self.folder.join("computer"))
            .with_pace(self.pace)
            .with_patience(self.patience);
        let mut peer =
            CompanionPeer::new(self.app(), self.guest(), cancelled).map_err(|source| {
                BenchError::Io {
                    path: self.app(),
                    source,
                }
            })?;
        let mut context = Context::new(config.clone(), &mut wsl, &mut peer, self.app());
        Ok(match task {
            Task::SetUp => run(&mut context, &mut journal),
            Task::TakeAway => uninstall(&mut context, &mut journal),
            Task::Wizard => {
                let steps = ["run-wizard", "windows-node-context"];
                let mut outcomes = steps
                    .iter()
                    .filter_map(|step| repeat(&mut context, &mut journal, step));
                let failed = outcomes.find(|outcome| *outcome != Outcome::Done);
                failed.unwrap_or(Outcome::Done)
            }
        })
    }

    /// The distros, as the app asks them who listens.
    fn guest(&self) -> WslGuest {
        WslGuest::new(self.program()).env(wsl_fixtures::standin::HOME, self.folder.join("computer"))
    }

    /// What is left of a set-up: distros that are registered, and files that the app made.
    ///
    /// # Errors
    /// [`BenchError::Io`].
    pub fn left(&self) -> Result<Vec<String>, BenchError> {
        let io = |source| BenchError::Io {
            path: self.folder.clone(),
            source,
        };
        let machine = self.home()?.machine().map_err(io)?;
        let mut left: Vec<String> = machine
            .names()
            .map(|name| format!("distro {name}"))
            .collect();
        let calls = self.home()?.log().map_err(io)?;
        let decoys = calls.iter().filter(|call| is_decoy(&call.argv));
        left.extend(decoys.map(|call| format!("a call of {}", call.argv.join(" "))));
        for name in [
            "setup-state.json",
            "windows-node-context.json",
            "keepalive.json",
            "wsl",
        ] {
            if self.app().join(name).exists() {
                left.push(format!("app/{name}"));
            }
        }
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let ours = self.folder.display().to_string();
        left.extend(
            mounts
                .lines()
                .filter(|line| line.contains(&ours))
                .map(|line| format!("mount {line}")),
        );
        Ok(left)
    }
}

/// Puts wsl.exe into a folder that stands alone on PATH, and decoys for all else that Windows has.
pub(crate) fn link_programs(program: &Path, folder: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    for name in std::iter::once(&"wsl").chain(DECOYS) {
        let link = folder.join(format!("{name}.exe"));
        if !link.exists() {
            link_program(program, &link)?;
        }
    }
    Ok(folder.join("wsl.exe"))
}

/// Puts a program under another name.
#[cfg(unix)]
fn link_program(program: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(program, link)
}

/// Puts a program under another name.
#[cfg(not(unix))]
fn link_program(program: &Path, link: &Path) -> io::Result<()> {
    std::fs::copy(program, link).map(drop)
}
