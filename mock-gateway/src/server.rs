//! The gateway as a whole: builder, accept loop, and the handle of a running one.
//!
//! - [`MockGateway`]: what to serve, and how. [`Running`]: what is being served. [`Guest`]: who has no name.
//! - Tasks: one hub, one accept loop, one per socket; all on one [`TaskTracker`], all under one [`CancellationToken`].

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use gateway_core::{
    Config, Control, ControlError, DEFAULT_PROFILE, Gateway, Memory, Profile, StateView,
};
use gateway_protocol::schema::Catalog;
use gateway_protocol::{SharedToken, UnixMillis};
use link::{Carrier, FaultStream, FaultTable, TcpCarrier};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transcript::Recorder;

use crate::browser_control;
use crate::clock::Clock;
use crate::connection::{self, Shared};
use crate::control_port::{self, ControlSite, Feed};
use crate::http::Site;
use crate::hub::{Hub, HubHandle, HubParts, Keep, Port};

/// How long a stopping gateway waits for clients to answer its close frames. The real one is gone after about a
/// second. ref: gateway-behaviour.md §8
const STOP_GRACE: Duration = Duration::from_secs(1);

/// A mock gateway that has not started yet.
///
/// ```
/// use mock_gateway::{Config, MockGateway};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let running = MockGateway::new()
///     .config(Config::with_token("t"))
///     .serve_tcp(([127, 0, 0, 1], 0).into())
///     .await?;
/// assert!(running.ws_url().starts_with("ws://127.0.0.1:"));
/// running.stop().await;
/// # Ok::<(), std::io::Error>(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a gateway does nothing until it is served"]
pub struct MockGateway {
    config: Config,
    profile: Option<&'static Profile>,
    seed: u64,
    recorder: Option<Recorder>,
    faults: FaultTable,
    epoch: UnixMillis,
    core: Option<Gateway>,
    control_ui: Option<PathBuf>,
    catalog: Option<Arc<Catalog>>,
    memory: Option<Memory>,
    keep: Option<Keep>,
    guest: Option<Guest>,
}

/// What counts as said by an upgrade that does not name its actor: a foreign client cannot add headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guest {
    /// Names it in the transcript.
    pub actor: String,
    /// Where a proxy on this machine would say it comes from.
    pub forwarded_for: Option<String>,
}

impl Default for MockGateway {
    fn default() -> Self {
        Self::new()
    }
}

impl MockGateway {
    /// A gateway with the default configuration and profile, seed 0, the virtual epoch, nothing recorded.
    pub fn new() -> Self {
        Self {
            config: Config::default(),
            profile: None,
            seed: 0,
            recorder: None,
            faults: FaultTable::default(),
            epoch: gateway_protocol::time::VIRTUAL_EPOCH,
            core: None,
            control_ui: None,
            catalog: None,
            memory: None,
            keep: None,
            guest: None,
        }
    }

    /// A brain that was prepared elsewhere, with devices already paired. Its configuration, profile and seed count;
    /// it must have met no deadline yet.
    pub fn core(mut self, core: Gateway) -> Self {
        self.core = Some(core);
        self
    }

    /// Directory with the files of a real Control UI (`dist/control-ui` of the npm package `openclaw`), served where
    /// the real gateway serves them; by default a page of ours says what this is.
    pub fn control_ui(mut self, directory: PathBuf) -> Self {
        self.control_ui = Some(directory);
        self
    }

    /// What an earlier process of this gateway knew, and who is shown the gateway after everything that happens to it,
    /// before anybody hears of it.
    pub fn keeping(
        mut self,
        memory: Option<Memory>,
        keep: impl FnMut(&Gateway) + Send + 'static,
    ) -> Self {
        self.memory = memory;
        self.keep = Some(Box::new(keep));
        self
    }

    /// The published schema, where somebody has fetched it: see [`Gateway::use_catalog`].
    pub fn catalog(mut self, catalog: Option<Arc<Catalog>>) -> Self {
        self.catalog = catalog;
        self
    }

    /// What the gateway is told at start.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The gateway version to behave like.
    pub fn profile(mut self, profile: &'static Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Seed of every id, nonce and token.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Where the wire is recorded.
    pub fn recorder(mut self, recorder: Recorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Faults that can be installed while the gateway runs.
    pub fn faults(mut self, faults: FaultTable) -> Self {
        self.faults = faults;
        self
    }

    /// Who an upgrade without a name is, and where it comes from.
    pub fn guest(mut self, guest: Guest) -> Self {
        self.guest = Some(guest);
        self
    }

    /// What the wall clock reads at the start.
    pub fn epoch(mut self, epoch: UnixMillis) -> Self {
        self.epoch = epoch;
        self
    }

    /// Serves on a TCP address; port 0 takes a free one. The port listens when this returns.
    ///
    /// # Errors
    /// What the system says about the address.
    #[expect(
        clippy::unused_async,
        reason = "binding needs a runtime, which only an async caller has for sure"
    )]
    pub async fn serve_tcp(self, addr: SocketAddr) -> io::Result<Running> {
        let listener = TcpCarrier::bind(addr, &self.faults)?;
        let addr = listener.addr();
        Ok(self.serve(listener, addr))
    }

    /// Serves on a listener of the `link` crate, or any other that wraps its streams alike. The listener should know
    /// the same fault table as this gateway, else it cannot refuse while the gateway restarts. Must be called inside
    /// a runtime.
    pub fn serve_on<L, C>(self, listener: L) -> Running
    where
        L: Listener<Io = FaultStream<C>, Addr = SocketAddr>,
        C: Carrier,
    {
        let addr = listener
            .local_addr()
            .unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0)));
        self.serve(listener, addr)
    }

    fn serve<L, C>(self, listener: L, addr: SocketAddr) -> Running
    where
        L: Listener<Io = FaultStream<C>, Addr = SocketAddr>,
        C: Carrier,
    {
        let Self {
            mut config,
            profile,
            seed,
            recorder,
            faults,
            epoch,
            core,
            control_ui,
            catalog,
            memory,
            keep,
            guest,
        } = self;
        let profile = core
            .as_ref()
            .map(Gateway::profile)
            .or(profile)
            .unwrap_or_else(default_profile);
        let recorder = recorder.unwrap_or_else(Recorder::off);
        config
            .url_hint
            .get_or_insert_with(|| format!("ws://{addr}"));
        let clock = Clock::starting_now(epoch);
        let cancel = CancellationToken::new();
        let now = clock.now();
        let mut gateway = core.unwrap_or_else(|| Gateway::new(config, profile, seed, now));
        learn(&mut gateway, catalog, memory, now.wall);
        let learner = recorder.clone();
        let (hub, handle) = Hub::new(HubParts {
            gateway,
            clock,
            faults: faults.clone(),
            learn_secrets: Box::new(move |gateway| learn_secrets(&learner, gateway)),
            keep,
            keeps_frames: recorder.is_brief(),
            cancel: cancel.clone(),
        });
        let sockets = TaskTracker::new();
        let tasks = TaskTracker::new();
        let control_ui = control_ui.map(Arc::from);
        let site = Site {
            hub: handle.clone(),
            clock,
            profile,
            control_ui,
        };
        let (known, bent) = (recorder.clone(), faults.clone());
        let shared = Shared::new(handle.clone(), site, known, bent, clock, guest);
        tasks.spawn(hub.run());
        tasks.spawn(accept(
            listener,
            Arc::new(shared),
            handle.port(),
            sockets.clone(),
            cancel.clone(),
        ));
        Running {
            addr,
            profile,
            hub: handle,
            recorder,
            faults,
            clock,
            sockets,
            tasks,
            cancel,
        }
    }
}

/// What a gateway knows before anybody comes.
fn learn(
    gateway: &mut Gateway,
    catalog: Option<Arc<Catalog>>,
    memory: Option<Memory>,
    now: UnixMillis,
) {
    if let Some(catalog) = catalog {
        gateway.use_catalog(catalog);
    }
    if let Some(memory) = memory {
        gateway.remember(memory, now);
    }
}

fn default_profile() -> &'static Profile {
    static DEFAULT: std::sync::LazyLock<Option<&'static Profile>> =
        std::sync::LazyLock::new(|| gateway_core::profile(DEFAULT_PROFILE));
    match *DEFAULT {
        Some(profile) => profile,
        None => unreachable!("the default profile is one of the profiles"),
    }
}

fn learn_secrets(recorder: &Recorder, gateway: &Gateway) {
    if recorder.is_on() {
        for (kind, value) in gateway.secrets() {
            recorder.register_secret(kind.as_str(), &value);
        }
    }
}

/// Takes connections until the port is closed for good. While the gateway is down the listener itself refuses.
async fn accept<L, C>(
    mut listener: L,
    shared: Arc<Shared>,
    mut port: watch::Receiver<Port>,
    sockets: TaskTracker,
    cancel: CancellationToken,
) where
    L: Listener<Io = FaultStream<C>, Addr = SocketAddr>,
    C: Carrier,
{
    let mut closed = pin!(async move {
        port.wait_for(|port| *port == Port::Closed)
            .await
            .map(|_| ())
    });
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            _ = &mut closed => return,
            (stream, peer) = listener.accept() => {
                sockets.spawn(connection::run(stream, peer.ip(), Arc::clone(&shared), cancel.clone()));
            }
        }
    }
}

/// A gateway that is being served. Dropping it ends every task at once, without a word to any client.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    profile: &'static Profile,
    hub: HubHandle,
    recorder: Recorder,
    faults: FaultTable,
    clock: Clock,
    sockets: TaskTracker,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Running {
    /// Ready once the gateway was told to stop for good.
    pub async fn ended(&self) {
        let mut port = self.hub.port();
        // An error means that the hub is gone, which is an end too.
        port.wait_for(|port| *port == Port::Closed).await.ok();
    }

    /// Address of the port; a made-up one for listeners that have none.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `ws://` URL of the port.
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.addr)
    }

    /// `http://` URL of the port.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Gives the gateway an order, as its owner.
    ///
    /// # Errors
    /// [`ControlError`] when the order fits nothing, or the gateway has ended.
    pub async fn control(&self, command: Control) -> Result<Value, ControlError> {
        self.hub.control(command).await
    }

    /// What the gateway believes; `None` when it has ended.
    pub async fn view(&self) -> Option<StateView> {
        self.hub.view().await
    }

    pub(crate) fn hub(&self) -> &HubHandle {
        &self.hub
    }

    /// The recorder of the wire.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The faults that can be installed.
    pub fn faults(&self) -> &FaultTable {
        &self.faults
    }

    /// Time of the run, as the gateway counts it.
    pub fn since_start(&self) -> Duration {
        self.clock.now().since_start
    }

    /// Number of open sockets, WebSocket or not.
    pub fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// Opens the control endpoint on a fresh loopback port, guarded by `token`.
    ///
    /// # Errors
    /// What the system says about the port.
    pub async fn open_control_port(&self, token: SharedToken) -> io::Result<SocketAddr> {
        control_port::open(self.control_site(token), &self.tasks).await
    }

    pub(crate) fn control_site(&self, token: SharedToken) -> ControlSite {
        ControlSite {
            hub: self.hub.clone(),
            clock: self.clock,
            feed: Feed::new(self.recorder.clone()),
            recorder: self.recorder.clone(),
            faults: self.faults.clone(),
            gateway: self.addr,
            token,
            cancel: self.cancel.clone(),
        }
    }

    /// Opens the browser control service two ports above the gateway, as the real one has it. There is no browser
    /// behind it.
    ///
    /// # Errors
    /// What the system says about the port.
    pub async fn open_browser_control(&self) -> io::Result<SocketAddr> {
        let (hub, cancel) = (self.hub.clone(), self.cancel.clone());
        browser_control::open(hub, self.profile, self.addr, &self.tasks, cancel).await
    }

    /// Ends as the real gateway does on SIGTERM: `shutdown` event, close 1012, port closed. Returns when every task has
    /// ended; clients that do not answer the close frame are cut off after a second.
    pub async fn stop(self) {
        // An error means that the gateway is down or gone already.
        self.hub.control(Control::Stop).await.ok();
        self.sockets.close();
        if tokio::time::timeout(STOP_GRACE, self.sockets.wait())
            .await
            .is_err()
        {
            tracing::debug!("{} sockets outlived the grace", self.sockets.len());
        }
        self.cancel.cancel();
        self.sockets.wait().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
