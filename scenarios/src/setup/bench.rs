//! The folder of an app and of the computer that it runs on.
//!
//! ```text
//! <folder>/bin/wsl.exe     this program, under the name of the one that it stands for
//! <folder>/computer/       the computer (see wsl_fixtures::standin::home)
//! <folder>/app/            what the app keeps: registry, identity, settings, disks
//! <folder>/setup.journal.jsonl
//! ```

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use gateway_client::WslGuest;
use wsl_fixtures::backend::process::ProcessWsl;
use wsl_fixtures::fault::named;
use wsl_fixtures::setup::{Config, Context, FileJournal, Outcome, run, uninstall};
use wsl_fixtures::standin::home::Home;

use super::peer::CompanionPeer;

/// Ports that no system hands out by itself. ref: setup-and-wsl.md §5
const PORTS: std::ops::RangeInclusive<u16> = 20_000..=39_999;
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
    /// Every port is taken.
    #[error("no port of 20000 to 39999 is free on both loopback addresses")]
    NoPort,
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
        let bench = Self { folder, pace: 1 };
        std::fs::create_dir_all(bench.folder.join("bin")).map_err(io)?;
        std::fs::create_dir_all(bench.app()).map_err(io)?;
        let link = bench.program();
        if !link.exists() {
            link_program(program, &link).map_err(io)?;
        }
        bench.home()?;
        Ok(bench)
    }

    /// Divides the pauses of the set-up, which Windows needs and the stand-in does not.
    #[must_use]
    pub fn with_pace(mut self, pace: u32) -> Self {
        self.pace = pace;
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
        gateway: &Path,
        faults: &[String],
    ) -> Result<(), BenchError> {
        let mut rules = Vec::new();
        for name in faults {
            let fault = named(name).ok_or_else(|| BenchError::UnknownFault(name.clone()))?;
            rules.extend((fault.rules)());
        }
        let file = format!("/home/{}/.openclaw/openclaw.json", config.user);
        let command = [
            GATEWAY,
            "serve",
            "--port",
            "{port}",
            "--profile",
            &config.version,
            "--config",
            &file,
        ];
        let home = self.home()?;
        let changed = home.change(|machine| {
            machine
                .binds
                .insert(GATEWAY.to_owned(), gateway.display().to_string());
            machine.gateway = command.map(ToOwned::to_owned).to_vec();
            machine.faults = wsl_fixtures::fault::Faults::default();
            for rule in rules {
                machine.faults.add(rule);
            }
        });
        changed.map_err(|source| BenchError::Io {
            path: home.path().to_owned(),
            source,
        })
    }

    /// Runs the set-up, or takes away what it made.
    ///
    /// # Errors
    /// [`BenchError::Io`] when there is no journal.
    pub fn run(
        &self,
        config: &Config,
        takes_away: bool,
        cancelled: Arc<AtomicBool>,
    ) -> Result<Outcome, BenchError> {
        let path = self.journal();
        let mut journal =
            FileJournal::open(&path).map_err(|source| BenchError::Io { path, source })?;
        let mut wsl = ProcessWsl::stand_in(&self.program(), &self.folder.join("computer"))
            .with_pace(self.pace);
        let mut peer =
            CompanionPeer::new(self.app(), self.guest(), cancelled).map_err(|source| {
                BenchError::Io {
                    path: self.app(),
                    source,
                }
            })?;
        let mut context = Context::new(config.clone(), &mut wsl, &mut peer, self.app());
        Ok(if takes_away {
            uninstall(&mut context, &mut journal)
        } else {
            run(&mut context, &mut journal)
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

/// A port that is free on both loopback addresses.
///
/// # Errors
/// [`BenchError::NoPort`].
pub(crate) fn free_port() -> Result<u16, BenchError> {
    // Where to begin differs from process to process and from one to the next, so that set-ups at the same time seldom
    // meet.
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let span = PORTS.end() - PORTS.start();
    let begun = std::process::id().wrapping_mul(31) + ASKED.fetch_add(1, Ordering::Relaxed) * 7;
    let offset = u16::try_from(begun % u32::from(span)).unwrap_or_default();
    let candidates = (0..span).map(|n| PORTS.start() + (offset + n) % span);
    candidates
        .into_iter()
        .find(|port| is_free(*port))
        .ok_or(BenchError::NoPort)
}

/// Whether nobody listens on a port of this machine's loopback addresses.
pub(crate) fn is_free(port: u16) -> bool {
    let four = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let six = TcpListener::bind((Ipv6Addr::LOCALHOST, port));
    let has_no_six = matches!(&six, Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable);
    four.is_ok() && (six.is_ok() || has_no_six)
}

/// Puts a program under another name.
#[cfg(unix)]
pub(crate) fn link_program(program: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(program, link)
}

/// Puts a program under another name.
#[cfg(not(unix))]
pub(crate) fn link_program(program: &Path, link: &Path) -> io::Result<()> {
    std::fs::copy(program, link).map(drop)
}
