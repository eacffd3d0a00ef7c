//! One run of the real gateway, from start to end.
//!
//! Dropping it kills every process of it and removes its folders; [`RealGateway::terminate`] lets it say
//! goodbye to its clients first. ref: gateway-behaviour.md §8

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use thiserror::Error;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::admin::{Admin, AdminError};
use super::http;
use super::output::Output;
use crate::fetch::{Cache, Component, Installed, Missing};
use crate::process::{ChildTree, Signal};

/// Releases that are pinned, the older one first.
pub const RELEASES: [&str; 2] = ["2026.6.34", "2026.9.6"];

/// It needs 5 to 15 s on a machine that has nothing else to do.
const START: Duration = Duration::from_mins(4);

/// After SIGTERM it is gone within seconds; then it is killed.
const GRACE: Duration = Duration::from_secs(20);

/// A command of its command line.
const COMMAND: Duration = Duration::from_mins(2);

/// Between two looks at its health page: only it knows when its late parts are up.
const GLANCE: Duration = Duration::from_millis(100);

/// It watches its configuration file.
const NOTICE: Duration = Duration::from_secs(20);

/// Between noticing a change and having applied it, or having said that it restarts.
const DECISION: Duration = Duration::from_secs(2);

/// What it prints when its port is open.
const LISTENING: &str = "http server listening";

/// How many of its last lines a message repeats.
const TAIL: usize = 12;

/// How a gateway is started.
#[derive(Clone, Debug)]
pub struct RealOptions {
    /// The release, for example `2026.9.6`; see [`RELEASES`].
    pub release: String,
    /// Put over the smallest `openclaw.json` that starts: objects are merged, `null` removes a key.
    pub config: Value,
    /// The shared token.
    pub token: String,
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Further variables of its environment.
    pub env: BTreeMap<String, String>,
}

impl RealOptions {
    /// The smallest gateway of a release: loopback, shared token, any port.
    pub fn new(release: &str) -> Self {
        Self {
            release: release.to_owned(),
            config: Value::Null,
            token: "clawproof-real-shared-token".to_owned(),
            port: 0,
            env: BTreeMap::new(),
        }
    }
}

/// Why there is no real gateway.
#[derive(Debug, Error)]
pub enum RealError {
    /// No release of this name is pinned.
    #[error("the release {release} is not pinned: there are {}", RELEASES.join(" and "))]
    UnknownRelease {
        /// What was asked for.
        release: String,
    },
    /// It was not fetched, or can't run here.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// Its folders, its port or its process could not be made.
    #[error("could not {what}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It ended instead of starting.
    #[error("the real gateway {release} ended while it started:\n{said}")]
    Ended {
        /// Which one.
        release: String,
        /// Its last lines.
        said: String,
    },
    /// It was not ready in time.
    #[error("the real gateway {release} was not ready within {} s:\n{said}", .within.as_secs())]
    NotReady {
        /// Which one.
        release: String,
        /// The time it had.
        within: Duration,
        /// Its last lines.
        said: String,
    },
    /// A command of its command line failed.
    #[error("openclaw {command} failed:\n{said}")]
    Command {
        /// The command.
        command: String,
        /// What it said.
        said: String,
    },
}

impl RealError {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownRelease { .. } => "name one of them".to_owned(),
            Self::Missing(missing) => missing.hint(),
            Self::System { .. } => {
                "check free space and permissions of the temporary folder".to_owned()
            }
            Self::Ended { .. } => {
                "its last lines say why; a configuration key that the release does not know ends it"
                    .to_owned()
            }
            Self::NotReady { .. } => {
                "it needs about 1 GB of memory and some seconds of processor time".to_owned()
            }
            Self::Command { .. } => "see what it said".to_owned(),
        }
    }
}

/// A real gateway that runs.
#[derive(Debug)]
pub struct RealGateway {
    // Dropped in this order: its processes end before their folders go.
    tree: ChildTree,
    tasks: JoinSet<()>,
    output: Output,
    program: Program,
    release: String,
    token: String,
    port: u16,
    started_in: Duration,
}

/// What it takes to run anything of its package.
#[derive(Debug)]
struct Program {
    node: Installed,
    openclaw: Installed,
    home: TempDir,
    env: BTreeMap<String, String>,
}

impl Program {
    fn state_dir(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// A command with an environment of its own and nothing of this machine's.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.node.entry());
        command
            .arg(self.openclaw.entry())
            .args(words)
            .env_clear()
            .env("HOME", self.home.path().join("home"))
            .env("TMPDIR", self.home.path().join("tmp"))
            .env("OPENCLAW_STATE_DIR", self.state_dir())
            .env("PATH", path_variable(&self.node))
            .env("LANG", "C.UTF-8")
            .env("NO_COLOR", "1")
            .envs(&self.env)
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Its own node first, then what every system has.
fn path_variable(node: &Installed) -> OsString {
    let mut path = node
        .entry()
        .parent()
        .map_or_else(OsString::new, |folder| folder.as_os_str().to_owned());
    path.push(":/usr/bin:/bin");
    path
}

impl RealGateway {
    /// Starts a gateway and waits until it is ready for clients.
    ///
    /// # Errors
    /// When it was not fetched, can't run here, or does not become ready; nothing is left then.
    pub async fn start(cache: &Cache, options: RealOptions) -> Result<Self, RealError> {
        let component =
            Component::gateway(&options.release).ok_or_else(|| RealError::UnknownRelease {
                release: options.release.clone(),
            })?;
        let node = cache.locate(Component::Node)?;
        let openclaw = cache.locate(component)?;
        let began = Instant::now();
        let home = tempfile::Builder::new()
            .prefix("clawproof-real-")
            .tempdir()
            .map_err(system("make a folder for the real gateway"))?;
        let port = match options.port {
            0 => free_port().map_err(system("find a free port"))?,
            port => port,
        };
        let program = Program {
            node,
            openclaw,
            home,
            env: options.env,
        };
        prepare(program.home.path(), port, &options.token, &options.config)
            .map_err(system("write the real gateway's configuration"))?;
        let port_text = port.to_string();
        let mut command = program.command(&["gateway", "run", "--port", &port_text]);
        let mut tree = ChildTree::spawn(&mut command).map_err(system("start the real gateway"))?;
        let (output, mut tasks) = (Output::new(), JoinSet::new());
        if let Some(stdout) = tree.child().stdout.take() {
            output.read(stdout, &mut tasks);
        }
        if let Some(stderr) = tree.child().stderr.take() {
            output.read(stderr, &mut tasks);
        }
        let mut gateway = Self {
            tree,
            tasks,
            output,
            program,
            release: options.release,
            token: options.token,
            port,
            started_in: Duration::ZERO,
        };
        gateway.until_ready(0).await?;
        gateway.started_in = began.elapsed();
        Ok(gateway)
    }

    /// Waits until it listens once more than `before` times and calls itself ready.
    async fn until_ready(&self, before: usize) -> Result<(), RealError> {
        let ready = async {
            if !self.output.more_than(before, LISTENING).await {
                return Err(RealError::Ended {
                    release: self.release.clone(),
                    said: self.output.tail(TAIL),
                });
            }
            while !self.is_ready().await {
                tokio::time::sleep(GLANCE).await;
            }
            // The newer release is ready before it lets clients in. Any other refusal is what its
            // configuration asks for.
            drop(Admin::connect_when_started(self.port, &self.token).await);
            Ok(())
        };
        timeout(START, ready)
            .await
            .map_err(|_late| RealError::NotReady {
                release: self.release.clone(),
                within: START,
                said: self.output.tail(TAIL),
            })?
    }

    /// What its own page says. ref: gateway-behaviour.md §9
    async fn is_ready(&self) -> bool {
        http::get(self.port, "/readyz").await.is_ok_and(|answer| {
            answer.status == 200 && answer.body.replace(' ', "").contains("\"ready\":true")
        })
    }

    /// Its release.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Its port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `ws://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The shared token it was started with.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Its state folder; removed with it.
    pub fn state_dir(&self) -> PathBuf {
        self.program.state_dir()
    }

    /// Time from its start until it was ready.
    pub const fn started_in(&self) -> Duration {
        self.started_in
    }

    /// What it has printed, standard output and standard error.
    pub fn log(&self) -> String {
        self.output.text()
    }

    /// The owner's connection.
    ///
    /// # Errors
    /// When the gateway does not let the owner in.
    pub async fn admin(&self) -> Result<Admin, AdminError> {
        Admin::connect(self.port, &self.token).await
    }

    /// Makes a setup code that leads to `url`; `limited` leaves out the admin scope, which the older release has no word
    /// for. Its command line writes the code into the gateway's state; the newer one has a request for it, too, which
    /// takes milliseconds instead of seconds.
    ///
    /// # Errors
    /// When the command fails. ref: gateway-behaviour.md §5
    pub async fn mint_setup_code(&self, url: &str, limited: bool) -> Result<String, RealError> {
        let failed = |said: String| RealError::Command {
            command: "qr".to_owned(),
            said,
        };
        if self.release != "2026.6.34" {
            let params = if limited {
                json!({ "publicUrl": url, "includeQr": false, "bootstrapProfile": "limited" })
            } else {
                json!({ "publicUrl": url, "includeQr": false })
            };
            let answer = match self.admin().await {
                Ok(mut owner) => owner.request("device.pair.setupCode", params).await,
                Err(error) => Err(error),
            };
            let answer = answer.map_err(|error| failed(error.to_string()))?;
            let code = answer.get("setupCode").and_then(Value::as_str);
            return code
                .map(str::to_owned)
                .ok_or_else(|| failed(answer.to_string()));
        }
        if limited {
            return Err(failed("2026.6.34 has no limited setup codes".to_owned()));
        }
        let answer = self
            .run(&["qr", "--json", "--no-ascii", "--url", url])
            .await?;
        let code = answer
            .find('{')
            .and_then(|start| answer.get(start..))
            .and_then(|json| serde_json::from_str::<Value>(json).ok())
            .and_then(|answer| answer.get("setupCode")?.as_str().map(str::to_owned));
        code.ok_or_else(|| failed(answer))
    }

    /// Runs a command of its command line on its state; gives what it prints.
    ///
    /// # Errors
    /// When the command fails or does not end in time.
    pub async fn run(&self, words: &[&str]) -> Result<String, RealError> {
        let mut command = self.program.command(words);
        let mut tree = ChildTree::spawn(&mut command).map_err(system("start openclaw"))?;
        let (output, errors, mut tasks) = (Output::new(), Output::new(), JoinSet::new());
        if let Some(stdout) = tree.child().stdout.take() {
            output.read(stdout, &mut tasks);
        }
        if let Some(stderr) = tree.child().stderr.take() {
            errors.read(stderr, &mut tasks);
        }
        let ended = timeout(COMMAND, async {
            let status = tree.wait().await;
            while tasks.join_next().await.is_some() {}
            status
        })
        .await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(output.text()),
            Ok(Err(source)) => Err(system("wait for openclaw")(source)),
            Ok(Ok(_)) | Err(_) => Err(RealError::Command {
                command: words.join(" "),
                said: errors.tail(TAIL),
            }),
        }
    }

    /// Restarts it in place, by the signal that its release listens to, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn restart(&self) -> Result<(), RealError> {
        let before = self.output.count(LISTENING);
        self.ask_to_restart();
        self.until_ready(before).await
    }

    /// Puts `over` over its configuration file, null takes away, and waits until it has taken notice: it goes on, or it
    /// restarts and is ready again.
    ///
    /// # Errors
    /// When the file can't be written, or it does not come back.
    pub async fn reload(&self, over: &Value) -> Result<(), RealError> {
        const NOTICED: &str = "evaluating reload";
        const RESTARTS: &str = "config change requires gateway restart";
        let counts = [NOTICED, RESTARTS, LISTENING].map(|said| self.output.count(said));
        let [noticed, restarts, listening] = counts;
        edit(&self.state_dir().join("openclaw.json"), over)
            .map_err(system("write the real gateway's configuration"))?;
        let late = |said: String| RealError::NotReady {
            release: self.release.clone(),
            within: NOTICE,
            said,
        };
        timeout(NOTICE, self.output.more_than(noticed, NOTICED))
            .await
            .map_err(|_late| late(self.output.tail(TAIL)))?;
        tokio::time::sleep(DECISION).await;
        if self.output.count(RESTARTS) > restarts {
            self.until_ready(listening).await?;
        }
        Ok(())
    }

    /// Only sends the signal: the older release listens to SIGUSR1, the newer one to SIGUSR2. To the
    /// gateway itself, not to what it started: a helper process would end.
    fn ask_to_restart(&self) {
        let signal = if self.release == "2026.6.34" {
            Signal::User1
        } else {
            Signal::User2
        };
        self.tree.signal_child(signal);
    }

    /// Asks it to end, and kills it if it does not. Its clients see what they would see of any stop.
    ///
    /// # Errors
    /// When the system can't say how it ended.
    pub async fn terminate(mut self) -> Result<ExitStatus, RealError> {
        let status = self
            .tree
            .terminate(GRACE)
            .await
            .map_err(system("wait for the real gateway"))?;
        self.tasks.shutdown().await;
        Ok(status)
    }

    /// Resident memory of all its processes, in bytes; none where the system does not tell.
    pub fn rss_bytes(&self) -> Option<u64> {
        crate::process::resident_bytes(self.tree.id()?)
    }
}

fn system(what: &'static str) -> impl Fn(io::Error) -> RealError {
    move |source| RealError::System { what, source }
}

/// A port that nobody has at this moment. The gateway can't pick one by itself.
fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Folders and `openclaw.json`.
fn prepare(home: &Path, port: u16, token: &str, over: &Value) -> io::Result<()> {
    for folder in ["home", "state", "tmp"] {
        fs::create_dir(home.join(folder))?;
    }
    let mut config = json!({
        "gateway": {
            "mode": "local",
            "port": port,
            "bind": "loopback",
            "auth": { "mode": "token", "token": token },
        },
        "update": { "checkOnStart": false },
        "logging": { "file": home.join("tmp/openclaw.log") },
    });
    merge(&mut config, over);
    let text = serde_json::to_vec_pretty(&config)?;
    let mut file = fs::File::create(home.join("state/openclaw.json"))?;
    io::Write::write_all(&mut file, &text)
}

/// Changes a JSON file in one step, as an editor does.
fn edit(file: &Path, over: &Value) -> io::Result<()> {
    let mut config: Value = serde_json::from_slice(&fs::read(file)?)?;
    merge(&mut config, over);
    let mut fresh = tempfile::NamedTempFile::new_in(file.parent().unwrap_or(file))?;
    io::Write::write_all(&mut fresh, &serde_json::to_vec_pretty(&config)?)?;
    fresh.persist(file).map_err(|error| error.error)?;
    Ok(())
}

/// Puts `over` over `base`: objects are merged, `null` removes, anything else replaces.
fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (_, Value::Null) => {}
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                if value.is_null() {
                    base.shift_remove(key);
                } else {
                    merge(base.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (base, over) => *base = over.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_merged() {
        let mut base = json!({ "a": { "b": 1, "c": 2 }, "d": [1] });
        merge(
            &mut base,
            &json!({ "a": { "b": null, "e": { "f": 3 } }, "d": [] }),
        );
        assert_eq!(base, json!({ "a": { "c": 2, "e": { "f": 3 } }, "d": [] }));
        merge(&mut base, &Value::Null);
        assert_eq!(base["a"]["c"], 2);
    }

    #[tokio::test]
    async fn what_was_not_fetched_is_named() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::at(home.path());
        let start = |release| RealGateway::start(&cache, RealOptions::new(release));
        let unknown = start("1.0").await.unwrap_err();
        assert!(
            unknown.to_string().contains("2026.6.34 and 2026.9.6"),
            "{unknown}"
        );
        let missing = start("2026.9.6").await.unwrap_err();
        assert!(matches!(missing, RealError::Missing(_)), "{missing}");
    }
}
