//! What `clawproof serve` runs: a mock gateway for hand work and for clients that are programs of their own.
//!
//! The first line on the output is one JSON object that says where everything is and with which token; the log that
//! follows goes through `tracing` (target `gateway`) and holds no secret.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway_core::{
    AgentScript, AuthConfig, AuthMode, Config, Control, ControlError, DEFAULT_PROFILE, PROFILES,
    Profile,
};
use gateway_protocol::schema::Catalog;
use gateway_protocol::{Password, SecretKind, SharedToken, UnixMillis};
use link::FaultTable;
use serde_json::json;
use transcript::{Header, Recorder, WriteError};

use crate::browser_control;
use crate::keeper::{Keeper, StateError};
use crate::server::{MockGateway, Running};
use crate::settings::{self, SettingsError};

/// Entries kept for `GET /v1/transcript` when nothing is saved; about 20 MB of ordinary traffic.
const KEPT_ENTRIES: usize = 20_000;

/// File name inside the directory of [`ServeOptions::save`].
const TRANSCRIPT: &str = "transcript.jsonl";

/// How a gateway for hand work is started.
pub struct ServeOptions {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Shared token; by default the configured one, else a random one.
    pub token: Option<SharedToken>,
    /// Gateway version to behave like, one of [`gateway_core::PROFILES`].
    pub profile: String,
    /// Directory for `transcript.jsonl`, made if it does not exist; the file must not exist.
    pub save: Option<PathBuf>,
    /// Directory in which the gateway keeps what it knows, so that pairings outlive the process; made if it does not exist.
    pub state: Option<PathBuf>,
    /// The real gateway's `openclaw.json`, see [`settings`](crate::settings).
    pub config_file: Option<PathBuf>,
    /// `KEY=VALUE` pairs that are laid over the file.
    pub set: Vec<String>,
    /// Directory with a real Control UI's files; a page of ours stands in their place by default.
    pub control_ui: Option<PathBuf>,
    /// Whether the browser control service listens two ports above the gateway.
    pub browser_control: bool,
    /// How long a client may take to `connect`, in milliseconds; wins over the configuration.
    pub handshake_timeout_ms: Option<u64>,
    /// What the agent says to chat messages.
    pub agent: AgentScript,
    /// The published schema, where somebody has fetched it.
    pub catalog: Option<Arc<Catalog>>,
    /// Where the JSON line goes: standard output.
    pub out: Box<dyn Write + Send>,
}

impl ServeOptions {
    /// A free port, a random token, the default profile, nothing saved.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self {
            port: 0,
            token: None,
            profile: DEFAULT_PROFILE.to_owned(),
            save: None,
            state: None,
            config_file: None,
            set: Vec::new(),
            control_ui: None,
            browser_control: false,
            handshake_timeout_ms: None,
            agent: AgentScript::default(),
            catalog: None,
            out,
        }
    }
}

impl std::fmt::Debug for ServeOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServeOptions")
            .field("port", &self.port)
            .field("profile", &self.profile)
            .field("save", &self.save)
            .finish_non_exhaustive()
    }
}

/// Why serving ended before anyone asked for it.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No such profile.
    #[error("unknown profile {given:?}; known: {}", PROFILES.join(", "))]
    UnknownProfile {
        /// What was asked for.
        given: String,
    },
    /// The configuration was not taken.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The directory has no page.
    #[error("{} has no index.html", path.display())]
    ControlUi {
        /// The directory.
        path: PathBuf,
    },
    /// What the gateway knew can't be read, or can't be kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// Another program has the port.
    #[error("port {port} on 127.0.0.1 is in use")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The port could not be opened for another reason.
    #[error("open port {port} on 127.0.0.1: {source}")]
    Bind {
        /// The port.
        port: u16,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The transcript would overwrite an older one.
    #[error("{} exists", path.display())]
    TranscriptExists {
        /// The file.
        path: PathBuf,
    },
    /// The transcript could not be started.
    #[error("create {}: {source}", path.display())]
    CreateTranscript {
        /// The file or its directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The transcript could not be written to its end.
    #[error("save the transcript: {0}")]
    Save(#[source] WriteError),
    /// The system gave no random bytes for a token.
    #[error("make a random token: {0}")]
    Random(getrandom::Error),
    /// The gateway minted no setup code.
    #[error("make a setup code: {0}")]
    SetupCode(#[source] ControlError),
    /// The JSON line could not be printed.
    #[error("print where the gateway is: {0}")]
    Print(#[source] std::io::Error),
    /// The system does not let us wait for signals.
    #[error("wait for SIGTERM and Ctrl-C: {0}")]
    Signals(#[source] std::io::Error),
}

impl ServeError {
    /// What to do about it, as a sentence without a full stop.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownProfile { .. } => Some(format!("leave --profile out to get {DEFAULT_PROFILE}")),
            Self::Settings(error) => Some(error.hint()),
            Self::ControlUi { .. } => {
                Some("give --control-ui the folder dist/control-ui of the npm package openclaw".to_owned())
            }
            Self::PortInUse { port } => {
                Some(format!("end the program that has port {port}, or leave --port out to get a free one"))
            }
            Self::Bind { .. } => Some("ports below 1024 need privileges; leave --port out to get a free one".to_owned()),
            Self::TranscriptExists { .. } => Some("give --save a directory without a transcript in it".to_owned()),
            Self::CreateTranscript { .. } | Self::Save(_) => {
                Some("check that the directory of --save can be written to and that the disk is not full".to_owned())
            }
            Self::State(StateError::Parse { .. }) => Some(
                "give --state another directory, or move the file away: every pairing in it is lost then".to_owned(),
            ),
            Self::State(StateError::InUse { .. }) => {
                Some("end that gateway, or give --state a directory of its own".to_owned())
            }
            Self::State(_) => Some("check that the directory of --state can be written to".to_owned()),
            Self::Random(_) => Some("give a token with --token".to_owned()),
            Self::SetupCode(_) | Self::Print(_) | Self::Signals(_) => None,
        }
    }
}

/// Serves until SIGTERM or Ctrl-C, then ends as the real gateway does: `shutdown` event, close 1012.
///
/// # Errors
/// [`ServeError`] when the gateway could not be started, or its transcript not be saved.
pub async fn serve(options: ServeOptions) -> Result<(), ServeError> {
    let signal = Signals::new().map_err(ServeError::Signals)?;
    serve_until(options, signal.received()).await
}

/// Serves until `stop` is ready.
///
/// # Errors
/// As [`serve`].
pub async fn serve_until(
    mut options: ServeOptions,
    stop: impl Future<Output = &'static str> + Send,
) -> Result<(), ServeError> {
    let profile = profile(&options.profile)?;
    let mut config = config(&mut options, profile)?;
    config.agent = std::mem::take(&mut options.agent);
    let catalog = options.catalog.take();
    if catalog.is_none() {
        tracing::info!(target: "gateway", "the published schema was not fetched: methods that the mock does not imitate take any params and answer {{}}");
    }
    let control_token = random_token()?;
    let seed = random_seed()?;
    let recorder = recorder(options.save.as_deref(), header(profile, seed))?;
    recorder.register_secret(SecretKind::ControlToken.as_str(), control_token.expose());
    let auth = config.auth.clone();
    let mut gateway = MockGateway::new();
    if let Some(directory) = options.control_ui.take() {
        check_control_ui(&directory)?;
        gateway = gateway.control_ui(directory);
    }
    if let Some(folder) = options.state.take() {
        let (mut keeper, memory) = Keeper::open(&folder)?;
        gateway = gateway.keeping(memory, move |gateway| {
            if let Err(error) = keeper.keep(gateway) {
                tracing::error!(target: "gateway", "{error}: what changed is forgotten when this process ends");
            }
        });
    }
    let running = gateway
        .config(config)
        .profile(profile)
        .seed(seed)
        .recorder(recorder.clone())
        .faults(FaultTable::new())
        .epoch(wall_clock())
        .catalog(catalog)
        .serve_tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port)))
        .await
        .map_err(|source| bind_error(options.port, source))?;
    let control = running
        .open_control_port(control_token.clone())
        .await
        .map_err(|source| ServeError::Bind { port: 0, source })?;
    let browser = if options.browser_control {
        let port = running
            .addr()
            .port()
            .saturating_add(browser_control::OFFSET);
        let opened = running.open_browser_control().await;
        Some(opened.map_err(|source| bind_error(port, source))?)
    } else {
        None
    };
    let line = line(&running, browser, profile, &auth, control, &control_token).await?;
    // One write, so that a reader gets the line whole.
    let printed = options.out.write_all(format!("{line}\n").as_bytes());
    printed
        .and_then(|()| options.out.flush())
        .map_err(ServeError::Print)?;
    tracing::info!(target: "gateway", "mock of {} listens on {}", profile.version, running.ws_url());
    let reason = tokio::select! {
        biased;
        reason = stop => reason,
        () = running.ended() => "order on the control port",
    };
    tracing::info!(target: "gateway", "{reason}: stopping");
    running.stop().await;
    recorder.finish().map_err(ServeError::Save)
}

async fn line(
    running: &Running,
    browser: Option<SocketAddr>,
    profile: &Profile,
    auth: &AuthConfig,
    control: SocketAddr,
    control_token: &SharedToken,
) -> Result<serde_json::Value, ServeError> {
    let url = running.ws_url();
    let mint = Control::MintSetupCode {
        url: Some(url.clone()),
        ttl_ms: None,
        limited: false,
    };
    let minted = running.control(mint).await.map_err(ServeError::SetupCode)?;
    let token = auth.token.as_ref().filter(|_| auth.mode == AuthMode::Token);
    let password = auth
        .password
        .as_ref()
        .filter(|_| auth.mode == AuthMode::Password);
    Ok(json!({
        "url": url,
        "httpUrl": running.http_url(),
        "authMode": auth.mode.as_str(),
        "token": token.map(SharedToken::expose),
        "password": password.map(Password::expose),
        "browserControl": browser.map(|addr| format!("http://{addr}")),
        "setupCode": minted.get("setupCode"),
        "profile": profile.version,
        "control": {"url": format!("http://{control}"), "token": control_token.expose()},
        "inspector": format!("http://{control}/#token={}", control_token.expose()),
    }))
}

fn profile(version: &str) -> Result<&'static Profile, ServeError> {
    gateway_core::profile(version).ok_or_else(|| ServeError::UnknownProfile {
        given: version.to_owned(),
    })
}

fn check_control_ui(directory: &Path) -> Result<(), ServeError> {
    if directory.join("index.html").is_file() {
        return Ok(());
    }
    Err(ServeError::ControlUi {
        path: directory.to_owned(),
    })
}

/// File, pairs, then what has an option of its own; a random credential where none is configured.
fn config(options: &mut ServeOptions, profile: &Profile) -> Result<Config, ServeError> {
    let loaded = settings::load(profile, options.config_file.as_deref(), &options.set)?;
    for key in &loaded.ignored {
        tracing::warn!(target: "gateway", "{} has no effect on the mock", key.path);
    }
    let mut config = loaded.config;
    if let Some(token) = options.token.take() {
        config.auth.token = Some(token);
    }
    if let Some(ms) = options.handshake_timeout_ms {
        config.handshake_timeout_ms = ms;
    }
    match config.auth.mode {
        AuthMode::Token if config.auth.token.is_none() => {
            config.auth.token = Some(random_token()?);
        }
        AuthMode::Password if config.auth.password.is_none() => {
            config.auth.password = Some(Password::new(random_token()?.expose()));
        }
        AuthMode::Token | AuthMode::Password | AuthMode::None => {}
    }
    Ok(config)
}

fn header(profile: &Profile, seed: u64) -> Header {
    Header::new(seed, "serve", format!("mock profile {}", profile.version))
}

fn recorder(save: Option<&Path>, header: Header) -> Result<Recorder, ServeError> {
    let Some(directory) = save else {
        return Ok(Recorder::keeping_last(header, KEPT_ENTRIES));
    };
    let create = |path: &Path, source| ServeError::CreateTranscript {
        path: path.to_owned(),
        source,
    };
    std::fs::create_dir_all(directory).map_err(|source| create(directory, source))?;
    let path = directory.join(TRANSCRIPT);
    let file = new_file(&path).map_err(|source| {
        if source.kind() == ErrorKind::AlreadyExists {
            ServeError::TranscriptExists { path: path.clone() }
        } else {
            create(&path, source)
        }
    })?;
    Ok(Recorder::to_writer(header, Box::new(file)))
}

fn new_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn bind_error(port: u16, source: std::io::Error) -> ServeError {
    if source.kind() == ErrorKind::AddrInUse {
        ServeError::PortInUse { port }
    } else {
        ServeError::Bind { port, source }
    }
}

fn random_token() -> Result<SharedToken, ServeError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(ServeError::Random)?;
    Ok(SharedToken::new(URL_SAFE_NO_PAD.encode(bytes)))
}

fn random_seed() -> Result<u64, ServeError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(ServeError::Random)?;
    Ok(u64::from_le_bytes(bytes))
}

fn wall_clock() -> UnixMillis {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(gateway_protocol::time::millis(since_epoch))
}

/// The signals that end a gateway.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
        })
    }

    #[cfg(unix)]
    async fn received(mut self) -> &'static str {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => "SIGTERM",
            _ = tokio::signal::ctrl_c() => "Ctrl-C",
        }
    }

    #[cfg(not(unix))]
    async fn received(self) -> &'static str {
        // Without a console there is nothing to wait for, and nothing else that could end the wait.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
