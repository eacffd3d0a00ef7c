//! Everything between the arguments and a client that runs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

#[cfg(target_os = "linux")]
use client_core::url::GatewayUrl;
use client_core::{ClientOptions, GatewayRecord, Intent, NodeSurface, Registry};
use gateway_client::invoke::browser_proxy;
use gateway_client::mcp::{McpContext, McpError, McpServer, McpToken};
use gateway_client::store::MigrationError;
#[cfg(target_os = "linux")]
use gateway_client::tunnel::{ProcListeners, Ssh};
use gateway_client::{
    BrowserProxy, Builtins, ClientHandle, Clock, DeviceFacts, FileStore, LoadError, NetConnector,
    RunPolicy, SearchPath, Setup, Store as _, Timeline, TlsError, TlsTrust, WslKeeper,
};
#[cfg(target_os = "linux")]
use gateway_client::{LocalOwners, WslGuest, is_one_process};
use gateway_protocol::SharedToken;
use serde_json::{Value, json};

use super::Exit;
use super::arguments::Arguments;

/// A client that runs, and what was started beside it.
pub(super) struct Started {
    pub(super) client: ClientHandle,
    pub(super) intent: Intent,
    pub(super) clock: Clock,
    pub(super) timeline: Arc<Mutex<Timeline>>,
    pub(super) mcp: Option<(McpServer, McpContext)>,
    pub(super) ready: Value,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
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
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::NoDataDir => Exit::Usage,
            Self::Load(_) | Self::Migration(_) => Exit::DataDir,
            Self::Tls(_) => Exit::BadInput,
            Self::Mcp(McpError::Token(_)) => Exit::DataDir,
            Self::Mcp(McpError::Listen { .. }) | Self::Address(_) => Exit::Broken,
        }
    }
}

pub(super) async fn start(arguments: Arguments, seed: u64) -> Result<Started, StartError> {
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
    let intent = arguments.first_intent();
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
    )
    .await?;
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

async fn spawn(
    arguments: Arguments,
    seed: u64,
    store: FileStore,
    connector: NetConnector,
    clock: Clock,
) -> Result<ClientHandle, LoadError> {
    let facts = DeviceFacts::of_this_machine();
    let browser = browser(&arguments, &store.load()?.registry).await;
    let mut node = NodeSurface {
        caps: Builtins::caps(),
        commands: Builtins::commands(),
        ..NodeSurface::default()
    };
    let options = ClientOptions {
        policy: arguments.policy.unwrap_or_default().policy(),
        seed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine_name: facts.device_name.clone(),
        node_enabled: arguments.node,
        builtin_commands: false,
        // Where nobody can look, nobody is believed. ref: client-behaviour.md §18
        probes_owners: true,
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
    let setup = match &arguments.wsl {
        Some(program) if !arguments.no_repair => setup.service_keeper(WslKeeper::new(program)),
        Some(_) | None => setup,
    };
    with_proofs(setup, arguments.wsl).spawn()
}

/// Tunnels and managed gateways need to know who owns a port, and only Linux says so without more rights.
#[cfg(target_os = "linux")]
fn with_proofs(
    setup: Setup<NetConnector, FileStore>,
    wsl: Option<PathBuf>,
) -> Setup<NetConnector, FileStore> {
    let ssh = Ssh::new(ProcListeners::default());
    let setup = setup.ssh(match std::env::var_os("OPENCLAW_E2E_SSH_CONFIG_FILE") {
        Some(file) => ssh.config_file(file),
        None => ssh,
    });
    let owners = LocalOwners::new(ProcListeners::default());
    setup.owner_probe(match wsl {
        Some(program) => owners.guest(WslGuest::new(program)),
        None => owners,
    })
}

#[cfg(not(target_os = "linux"))]
fn with_proofs(
    setup: Setup<NetConnector, FileStore>,
    _wsl: Option<PathBuf>,
) -> Setup<NetConnector, FileStore> {
    setup
}

/// The control host of the gateway that is connected first. What a node offers is said once per process, so a
/// later switch to another gateway does not change it.
async fn browser(arguments: &Arguments, registry: &Registry) -> Option<BrowserProxy> {
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
    let found = browser_proxy(&record, arguments.browser, arguments.node);
    let found = match found.map(|browser| with_owner_check(browser, &record)) {
        // Behind a tunnel there is nothing to look at before the tunnel is up.
        Ok(browser) if record.ssh_tunnel.is_none() => browser.if_live().await,
        found => found,
    };
    match found {
        Ok(browser) => Some(browser),
        Err(block) => {
            tracing::info!(%block, "browser.proxy is not offered");
            None
        }
    }
}

/// The token goes to the control host only while the gateway's own process, or its tunnel's, has the port. A control host
/// beside no local gateway has nobody to be compared with, nor has one where the system does not tell who listens.
#[cfg(target_os = "linux")]
fn with_owner_check(browser: BrowserProxy, record: &GatewayRecord) -> BrowserProxy {
    let target = record.socket_target().filter(GatewayUrl::is_loopback);
    let gateway = target.map(|url| url.port);
    browser.owner_check(move |port| {
        gateway.is_some_and(|gateway| is_one_process(&ProcListeners::default(), gateway, port))
    })
}

#[cfg(not(target_os = "linux"))]
fn with_owner_check(browser: BrowserProxy, _record: &GatewayRecord) -> BrowserProxy {
    browser.owner_check(|_port| false)
}
