//! The hands of automatic repair: whether a port answers, and restarting the service of a gateway in its distribution.
//! ref: client-behaviour.md §25

use std::ffi::OsString;
use std::future::Future;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client_core::{Input, ManagedEndpoint, RepairId};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a port may take to answer. ref: §25
const PROBE: Duration = Duration::from_secs(2);
/// How long a command in a distribution may take: starting one is part of it.
const COMMAND: Duration = Duration::from_mins(1);
/// What is kept of what a failed command said.
const SAID: usize = 400;

/// Whether a port answers.
pub type AnswersFuture = Pin<Box<dyn Future<Output = bool> + Send>>;

/// How a restart ended; an error says what was tried and what was said.
pub type RestartFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Looks after the services of managed gateways for one client. See [`crate::Setup::service_keeper`].
///
/// ```
/// use client_core::ManagedEndpoint;
/// use gateway_client::{AnswersFuture, RestartFuture, ServiceKeeper};
///
/// struct Nothing;
/// impl ServiceKeeper for Nothing {
///     fn answers(&self, _port: u16) -> AnswersFuture {
///         Box::pin(async { false })
///     }
///     fn restart(&self, endpoint: ManagedEndpoint) -> RestartFuture {
///         Box::pin(async move { Err(format!("nothing restarts {}", endpoint.distro)) })
///     }
/// }
/// ```
pub trait ServiceKeeper: Send + Sync + 'static {
    /// Whether somebody accepts connections on a port of this computer. Must end within 2 s.
    fn answers(&self, port: u16) -> AnswersFuture;

    /// Restarts a gateway's service. Must end.
    fn restart(&self, endpoint: ManagedEndpoint) -> RestartFuture;
}

/// Restarts services in distributions behind `wsl.exe`, or behind what stands in for it, and keeps those distributions
/// running afterwards as long as it lives.
#[derive(Clone, Debug)]
pub struct WslKeeper {
    program: PathBuf,
    env: Vec<(OsString, OsString)>,
    /// What keeps a distribution from idling, by its name.
    alive: Arc<Mutex<Vec<(String, Child)>>>,
}

impl WslKeeper {
    /// Distributions of this program.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            env: Vec::new(),
            alive: Arc::default(),
        }
    }

    /// A variable of the program's environment, besides what it inherits.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    async fn run(&self, words: &[&str]) -> Result<(), String> {
        let line = format!("{} {}", self.program.display(), words.join(" "));
        let ended = timeout(COMMAND, self.command(words).output()).await;
        let output = ended
            .map_err(|_| format!("{line}: no end within {} s", COMMAND.as_secs()))?
            .map_err(|error| format!("{line}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: String = said.trim().chars().take(SAID).collect();
        Err(format!("{line} ended with {}: {said}", output.status))
    }

    /// The service is asked to restart; one that can't be asked gets a distribution that was started anew. ref: §25
    async fn bring_back(self, distro: String) -> Result<(), String> {
        let is_name = !distro.starts_with('-') && !distro.chars().any(char::is_control);
        if !is_name {
            return Err(format!("{distro:?} is no name of a distribution"));
        }
        let gateway = |act| ["-d", &distro, "--", "bash", "-lc", act];
        if let Err(first) = self.run(&gateway("openclaw gateway restart")).await {
            tracing::info!(error = first, "the gateway is started in a fresh distro");
            self.run(&["--terminate", &distro]).await?;
            self.run(&gateway("openclaw gateway start"))
                .await
                .map_err(|second| format!("{first}; then {second}"))?;
        }
        self.keep_alive(distro)
    }

    /// One sleeper for each distribution. ref: §25
    fn keep_alive(&self, distro: String) -> Result<(), String> {
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        alive.retain_mut(|(_, child)| matches!(child.try_wait(), Ok(None)));
        if alive.iter().any(|(name, _)| *name == distro) {
            return Ok(());
        }
        let mut sleeper = self.command(&["-d", &distro, "--", "sleep", "infinity"]);
        let sleeper = sleeper.stdout(Stdio::null()).stderr(Stdio::null());
        let child = sleeper
            .spawn()
            .map_err(|error| format!("keep {distro} running: {error}"))?;
        alive.push((distro, child));
        Ok(())
    }
}

impl ServiceKeeper for WslKeeper {
    fn answers(&self, port: u16) -> AnswersFuture {
        Box::pin(async move {
            let connect = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
            matches!(timeout(PROBE, connect).await, Ok(Ok(_)))
        })
    }

    fn restart(&self, endpoint: ManagedEndpoint) -> RestartFuture {
        Box::pin(self.clone().bring_back(endpoint.distro))
    }
}

/// The repairs of one client, carried out for its driver.
pub(crate) struct Repairs {
    keeper: Option<Arc<dyn ServiceKeeper>>,
    tasks: JoinSet<Input>,
}

impl Repairs {
    pub(crate) fn new(keeper: Option<Arc<dyn ServiceKeeper>>) -> Self {
        Self {
            keeper,
            tasks: JoinSet::new(),
        }
    }

    pub(crate) fn probe(&mut self, repair: RepairId, port: u16) {
        let keeper = self.keeper.clone();
        self.tasks.spawn(async move {
            let answers = match keeper {
                Some(keeper) => keeper.answers(port).await,
                None => false,
            };
            Input::Probed { repair, answers }
        });
    }

    pub(crate) fn restart(&mut self, repair: RepairId, endpoint: ManagedEndpoint) {
        let keeper = self.keeper.clone();
        self.tasks.spawn(async move {
            let result = match keeper {
                Some(keeper) => keeper.restart(endpoint).await,
                None => Err("this client keeps no services".to_owned()),
            };
            Input::Restarted { repair, result }
        });
    }

    /// Waits for the next end of something; for ever when nothing runs.
    pub(crate) async fn next(&mut self) -> Option<Input> {
        match self.tasks.join_next().await {
            Some(done) => done.ok(),
            None => std::future::pending().await,
        }
    }

    pub(crate) async fn shutdown(&mut self) {
        self.tasks.shutdown().await;
    }
}
