//! What the `companion` process does between its arguments and its exit code.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use client_core::{
    ClientEvent, ClientOptions, GatewayRecord, Intent, IntentOutcome, NodeSurface, Policy,
    Registry, Snapshot,
};
use gateway_client::invoke::browser_proxy;
use gateway_client::mcp::{McpContext, McpError, McpServer, McpToken};
use gateway_client::sanitize::sanitize_log;
use gateway_client::store::MigrationError;
#[cfg(target_os = "linux")]
use gateway_client::tunnel::{ProcListeners, Ssh};
use gateway_client::{
    BrowserProxy, Builtins, ClientHandle, Clock, DeviceFacts, FileStore, Fingerprint, LoadError,
    NetConnector, RunPolicy, SearchPath, Setup, Store as _, Timeline, TlsError, TlsTrust,
};
use gateway_protocol::SharedToken;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;

/// A gateway client: operator and node over one device identity per gateway.
#[derive(Debug, clap::Parser)]
#[command(name = "companion", version)]
pub(crate) struct Arguments {
    /// Where gateways.json and the identities lie; made when it is not there. Default: `OPENCLAW_TRAY_DATA_DIR`.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
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
    /// Serve MCP tools on this port of 127.0.0.1, behind the token in mcp-token.txt; 0 takes any free port.
    #[arg(long, value_name = "PORT")]
    mcp_port: Option<u16>,
    /// Believe wss gateways whose certificate one of these roots vouches for, instead of the computer's roots.
    #[arg(long, value_name = "PEM", conflicts_with = "tls_fingerprint")]
    tls_ca: Option<PathBuf>,
    /// Believe the wss gateway with exactly this certificate: its SHA-256, as openssl prints it.
    #[arg(long, value_name = "SHA256")]
    tls_fingerprint: Option<Fingerprint>,
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
    Usage = 2,
    DataDir = 3,
    BadInput = 4,
}

/// Level from `RUST_LOG`, else `info`.
pub(crate) fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| CleanStderr);
    match format {
        LogFormat::Json => log.json().init(),
        LogFormat::Text => log.with_ansi(false).init(),
    }
}

/// Standard error without secrets: each event is one write. ref: client-behaviour.md §26
struct CleanStderr;

impl std::io::Write for CleanStderr {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let clean = sanitize_log(&String::from_utf8_lossy(line));
        std::io::stderr().lock().write_all(clean.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().lock().flush()
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
    let started = match start(arguments, seed).await {
        Ok(started) => started,
        Err(error) => {
            tracing::error!(%error, "failed to start");
            return error.exit();
        }
    };
    supervise(started, &mut signals).await
}

/// A client that runs, and what was started beside it.
struct Started {
    client: ClientHandle,
    intent: Intent,
    clock: Clock,
    timeline: Arc<Mutex<Timeline>>,
    mcp: Option<(McpServer, McpContext)>,
    ready: Value,
}

async fn supervise(started: Started, signals: &mut Signals) -> Exit {
    let Started {
        mut client,
        intent,
        clock,
        timeline,
        mcp,
        ready,
    } = started;
    let watched = (client.events(), client.snapshot());
    let (Some(mut events), mut snapshot) = watched else {
        return Exit::Broken;
    };
    // The command line's wish comes before those of the tools: its refusal ends the process.
    if say(&ready).is_err() || client.intent(intent).await.is_err() {
        return Exit::Broken;
    }
    let mut beside = JoinSet::new();
    if let Some((server, context)) = mcp {
        beside.spawn(async move { match server.serve(context).await {} });
    }
    let told = Told { clock, timeline };
    let exit = report(signals, &mut events, &mut snapshot, &told).await;
    beside.shutdown().await;
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

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("no data directory\nhint: pass --data-dir or set OPENCLAW_TRAY_DATA_DIR")]
    NoDataDir,
    #[error("use the data directory: {0}")]
    Load(#[from] LoadError),
    #[error("take over the settings of an older companion: {0}")]
    Migration(#[from] MigrationError),
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("serve MCP: {0}")]
    Mcp(#[from] McpError),
    #[error("serve MCP: {0}")]
    Address(std::io::Error),
}

impl StartError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoDataDir => Exit::Usage,
            Self::Load(_) | Self::Migration(_) => Exit::DataDir,
            Self::Tls(_) => Exit::BadInput,
            Self::Mcp(McpError::Token(_)) => Exit::DataDir,
            Self::Mcp(McpError::Listen { .. }) | Self::Address(_) => Exit::Broken,
        }
    }
}

async fn start(arguments: Arguments, seed: u64) -> Result<Started, StartError> {
    let clock = Clock::system();
    let data_dir = arguments
        .data_dir
        .clone()
        .or_else(|| std::env::var_os("OPENCLAW_TRAY_DATA_DIR").map(PathBuf::from))
        .ok_or(StartError::NoDataDir)?;
    let trust = match (&arguments.tls_ca, arguments.tls_fingerprint) {
        (Some(path), _) => TlsTrust::ca_file(path)?,
        (None, Some(pin)) => TlsTrust::Pinned(pin),
        (None, None) => TlsTrust::System,
    };
    let mut store = FileStore::open(&data_dir)?;
    if let Some(id) = store.migrate_legacy()? {
        tracing::info!(gateway = id, "took over the settings of an older companion");
    }
    let intent = first_intent(&arguments);
    let server = match arguments.mcp_port {
        Some(port) => Some(McpServer::bind(&data_dir, port).await?),
        None => None,
    };
    let mut ready = json!({"type": "ready", "pid": std::process::id()});
    if let (Some(server), Some(ready)) = (&server, ready.as_object_mut()) {
        let address = server.address().map_err(StartError::Address)?;
        let token_file = McpToken::path(&data_dir);
        let mcp = json!({"url": format!("http://{address}/mcp"), "tokenFile": token_file});
        ready.insert("mcp".to_owned(), mcp);
    }
    let (node_mode, browser_proxy) = (arguments.node, arguments.browser);
    let client = spawn(
        arguments,
        seed,
        store,
        NetConnector::new(trust),
        clock.clone(),
    )?;
    let timeline = Arc::new(Mutex::new(Timeline::default()));
    let context = McpContext {
        control: client.control(),
        timeline: Arc::clone(&timeline),
        node_mode,
        browser_proxy,
    };
    Ok(Started {
        client,
        intent,
        clock,
        timeline,
        mcp: server.map(|server| (server, context)),
        ready,
    })
}

fn spawn(
    arguments: Arguments,
    seed: u64,
    store: FileStore,
    connector: NetConnector,
    clock: Clock,
) -> Result<ClientHandle, LoadError> {
    let facts = DeviceFacts::of_this_machine();
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
    let options = ClientOptions { node, ..options };
    let setup = Setup::new(options, store, connector, clock).invoke_handler(handler);
    with_ssh(setup).spawn()
}

/// Tunnels need to know who owns their near ends, and only Linux says so without more rights.
#[cfg(target_os = "linux")]
fn with_ssh(setup: Setup<NetConnector, FileStore>) -> Setup<NetConnector, FileStore> {
    let ssh = Ssh::new(ProcListeners::default());
    setup.ssh(match std::env::var_os("OPENCLAW_E2E_SSH_CONFIG_FILE") {
        Some(file) => ssh.config_file(file),
        None => ssh,
    })
}

#[cfg(not(target_os = "linux"))]
fn with_ssh(setup: Setup<NetConnector, FileStore>) -> Setup<NetConnector, FileStore> {
    setup
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

/// Who else hears of events.
struct Told {
    clock: Clock,
    timeline: Arc<Mutex<Timeline>>,
}

impl Told {
    fn hear(&self, event: &ClientEvent) {
        let mut timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        timeline.hear(self.clock.now().wall, event);
    }
}

/// Tells what happens until a signal, a refusal of the first wish, or the client's own end.
async fn report(
    signals: &mut Signals,
    events: &mut mpsc::Receiver<ClientEvent>,
    snapshot: &mut watch::Receiver<Snapshot>,
    told_to: &Told,
) -> Exit {
    let mut told = say_state(&snapshot.borrow_and_update());
    let mut is_first_wish = true;
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
                told_to.hear(&event);
                let told = say_event(&event);
                if let ClientEvent::IntentDone { outcome, .. } = &event
                    && std::mem::take(&mut is_first_wish)
                    && is_bad_input(*outcome)
                {
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

fn is_bad_input(outcome: IntentOutcome) -> bool {
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
