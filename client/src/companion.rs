//! What the `companion` process does between its arguments and its exit code.

use std::io::Write as _;
use std::path::PathBuf;

use client_core::{
    ClientEvent, ClientOptions, GatewayRecord, Intent, IntentOutcome, NodeSurface, Policy,
    Registry, Snapshot,
};
use gateway_client::invoke::browser_proxy;
use gateway_client::{
    BrowserProxy, Builtins, ClientHandle, Clock, DeviceFacts, FileStore, LoadError, RunPolicy,
    SearchPath, Setup, Store as _, TcpConnector,
};
use gateway_protocol::SharedToken;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tracing_subscriber::EnvFilter;

/// A gateway client: operator and node over one device identity per gateway.
#[derive(Debug, clap::Parser)]
#[command(name = "companion", version)]
pub(crate) struct Arguments {
    /// Where gateways.json and the identities lie; made when it is not there.
    #[arg(long, value_name = "FOLDER")]
    data_dir: PathBuf,
    /// Gateway to connect to with a shared token.
    #[arg(long, value_name = "URL", requires = "token")]
    url: Option<String>,
    /// Its shared token.
    #[arg(long, value_name = "TOKEN", requires = "url")]
    token: Option<Hidden>,
    /// Setup code to redeem.
    #[arg(long, value_name = "CODE", conflicts_with = "url")]
    setup_code: Option<Hidden>,
    /// Offer this machine as a node: system.which, system.notify, device.info, device.status, and system.run
    /// for the programs of --allow-run.
    #[arg(long)]
    node: bool,
    /// A program that system.run may start; may be given more than once.
    #[arg(long, value_name = "PROGRAM", requires = "node")]
    allow_run: Vec<String>,
    /// Offer browser.proxy too, where the gateway's shared token is known and its browser control port is sure.
    #[arg(long, requires = "node")]
    browser: bool,
    /// Which generation of the client to be.
    #[arg(long, value_name = "POLICY", default_value = "hardened")]
    policy: PolicyName,
    /// Seed of ids, jitter and new device keys; drawn from the system when absent.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Form of the log on stderr.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// An argument that never prints itself.
#[derive(Clone)]
struct Hidden(String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<hidden>")
    }
}

impl std::str::FromStr for Hidden {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum PolicyName {
    Pr741,
    Hardened,
}

/// Documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Stopped = 0,
    Broken = 1,
    DataDir = 3,
    BadInput = 4,
}

/// Level from `RUST_LOG`, else `info`.
pub(crate) fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log.json().init(),
        LogFormat::Text => log.with_ansi(false).init(),
    }
}

pub(crate) async fn run(arguments: Arguments) -> Exit {
    let exit = serve(arguments).await;
    // Whoever read stdout may be gone; the exit code says the same.
    drop(say(&json!({"type": "stopped", "exitCode": exit as u8})));
    exit
}

async fn serve(arguments: Arguments) -> Exit {
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "failed to listen for signals");
            return Exit::Broken;
        }
    };
    // New device keys come from this: enough for a test client, too little for a product.
    let seed = match arguments.seed.map_or_else(getrandom::u64, Ok) {
        Ok(seed) => seed,
        Err(error) => {
            tracing::error!(%error, "failed to draw a seed");
            return Exit::Broken;
        }
    };
    let intent = first_intent(&arguments);
    let mut client = match start(arguments, seed) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "failed to use the data directory");
            return Exit::DataDir;
        }
    };
    let watched = (client.events(), client.snapshot());
    let (Some(mut events), mut snapshot) = watched else {
        return Exit::Broken;
    };
    if say(&json!({"type": "ready", "pid": std::process::id()})).is_err()
        || client.intent(intent).await.is_err()
    {
        return Exit::Broken;
    }
    let exit = report(&mut signals, &mut events, &mut snapshot).await;
    client.shutdown().await;
    // The roles have gone down meanwhile; whoever read stdout may be gone too.
    drop(say_state(&snapshot.borrow_and_update()));
    exit
}

fn first_intent(arguments: &Arguments) -> Intent {
    match (&arguments.setup_code, &arguments.url, &arguments.token) {
        (Some(code), _, _) => Intent::ApplySetupCode {
            code: code.0.clone(),
        },
        (None, Some(url), Some(token)) => Intent::ConnectSharedToken {
            url: url.clone(),
            token: token.0.clone(),
            ssh_tunnel: None,
        },
        (None, _, _) => Intent::Connect,
    }
}

fn start(arguments: Arguments, seed: u64) -> Result<ClientHandle, LoadError> {
    let clock = Clock::system();
    let facts = DeviceFacts::of_this_machine();
    let store = FileStore::open(&arguments.data_dir)?;
    let browser = browser(&arguments, &store.load()?.registry);
    let mut node = NodeSurface {
        caps: Builtins::caps(),
        commands: Builtins::commands(),
        ..NodeSurface::default()
    };
    let options = ClientOptions {
        policy: match arguments.policy {
            PolicyName::Pr741 => Policy::Pr741,
            PolicyName::Hardened => Policy::Hardened,
        },
        seed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine_name: facts.device_name.clone(),
        node_enabled: arguments.node,
        builtin_commands: false,
        ..ClientOptions::default()
    };
    let policy = RunPolicy {
        allow: arguments.allow_run.into_iter().collect(),
        ..RunPolicy::default()
    };
    let mut handler = Builtins::new(SearchPath::of_this_process(), policy, facts);
    if let Some(browser) = browser {
        node.caps.push("browser".to_owned());
        node.commands.push("browser.proxy".to_owned());
        handler = handler.with_browser(browser);
    }
    Setup::new(
        ClientOptions { node, ..options },
        store,
        TcpConnector,
        clock,
    )
    .invoke_handler(handler)
    .spawn()
}

/// The control host of the gateway that is connected first. What a node offers is said once per process, so a
/// later switch to another gateway does not change it.
fn browser(arguments: &Arguments, registry: &Registry) -> Option<BrowserProxy> {
    let record = match (&arguments.setup_code, &arguments.url, &arguments.token) {
        (Some(_), _, _) => GatewayRecord::default(),
        (None, Some(url), Some(token)) => GatewayRecord {
            shared_gateway_token: Some(SharedToken::new(token.0.as_str())),
            ..registry
                .find_by_url(url)
                .cloned()
                .unwrap_or_else(|| GatewayRecord::new("", url))
        },
        (None, _, _) => registry.active().cloned().unwrap_or_default(),
    };
    match browser_proxy(&record, arguments.browser, arguments.node) {
        Ok(browser) => Some(browser),
        Err(block) => {
            tracing::info!(%block, "browser.proxy is not offered");
            None
        }
    }
}

/// Tells what happens until a signal, a refusal of the first wish, or the client's own end.
async fn report(
    signals: &mut Signals,
    events: &mut mpsc::Receiver<ClientEvent>,
    snapshot: &mut watch::Receiver<Snapshot>,
) -> Exit {
    let mut told = say_state(&snapshot.borrow_and_update());
    loop {
        if told.is_err() {
            tracing::info!("nobody reads stdout any more");
            return Exit::Stopped;
        }
        told = tokio::select! {
            biased;
            name = signals.next() => {
                tracing::info!(signal = name, "stopping");
                return Exit::Stopped;
            }
            event = events.recv() => {
                let Some(event) = event else { return Exit::Broken };
                let told = say_event(&event);
                if refuses_input(&event) {
                    return Exit::BadInput;
                }
                told
            }
            changed = snapshot.changed() => match changed {
                Ok(()) => say_state(&snapshot.borrow_and_update()),
                Err(_) => return Exit::Broken,
            },
        };
    }
}

fn refuses_input(event: &ClientEvent) -> bool {
    let ClientEvent::IntentDone { outcome, .. } = event else {
        return false;
    };
    matches!(
        outcome,
        IntentOutcome::InvalidCode | IntentOutcome::InvalidUrl
    )
}

fn say_state(snapshot: &Snapshot) -> std::io::Result<()> {
    say(&json!({"type": "state", "snapshot": snapshot}))
}

/// What a gateway sends or answers may hold tokens, so only the kind of such an event is told.
fn say_event(event: &ClientEvent) -> std::io::Result<()> {
    let mut line = json!({"type": "event"});
    let (Some(line), Ok(Value::Object(members))) =
        (line.as_object_mut(), serde_json::to_value(event))
    else {
        return Ok(());
    };
    line.extend(members.into_iter().filter(|(name, _)| name != "payload"));
    say(&Value::Object(std::mem::take(line)))
}

fn say(line: &Value) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// SIGTERM and Ctrl-C.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    #[cfg(unix)]
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
    fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
