//! A running client, as the rest of the program holds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use client_core::{Client, ClientEvent, ClientOptions, Input, Intent, Snapshot};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::connector::Connector;
use crate::control::Control;
use crate::driver::{Channels, Driver, EVENTS, INTENTS, Order, Parts};
use crate::invoke::{InvokeHandler, NoCommands};
use crate::keeper::ServiceKeeper;
use crate::owner::OwnerProbe;
use crate::socket::SocketOptions;
use crate::store::{LoadError, Store};
use crate::tunnel::Ssh;

/// How long [`ClientHandle::shutdown`] waits before it drops what is left.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Everything a client needs before it runs.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use client_core::{ClientOptions, DurableState, Intent, OverallState};
/// use gateway_client::{Clock, MemoryStore, Setup, TcpConnector};
///
/// let store = MemoryStore::new(DurableState::default());
/// let client = Setup::new(ClientOptions::default(), store, TcpConnector, Clock::system()).spawn().unwrap();
/// assert_eq!(client.snapshot().borrow().overall_state, OverallState::Idle);
/// client.intent(Intent::Connect).await.unwrap();
/// client.shutdown().await;
/// # });
/// ```
pub struct Setup<C, S> {
    options: ClientOptions,
    store: S,
    connector: C,
    clock: Clock,
    sockets: SocketOptions,
    handler: Arc<dyn InvokeHandler>,
    ssh: Option<Ssh>,
    owners: Option<Arc<dyn OwnerProbe>>,
    keeper: Option<Arc<dyn ServiceKeeper>>,
}

impl<C: Connector, S: Store> Setup<C, S> {
    /// A client without node commands of its own. The inbound limit is the policy's.
    pub fn new(options: ClientOptions, store: S, connector: C, clock: Clock) -> Self {
        let mut sockets = SocketOptions::default();
        if !options.policy.limits_inbound() {
            sockets.max_message_utf16 = usize::MAX;
        }
        Self {
            options,
            store,
            connector,
            clock,
            sockets,
            handler: Arc::new(NoCommands),
            ssh: None,
            owners: None,
            keeper: None,
        }
    }

    /// Does what the node is invoked for.
    #[must_use]
    pub fn invoke_handler(mut self, handler: impl InvokeHandler) -> Self {
        self.handler = Arc::new(handler);
        self
    }

    /// Runs the tunnels of gateways that are reached through one.
    #[must_use]
    pub fn ssh(mut self, ssh: Ssh) -> Self {
        self.ssh = Some(ssh);
        self.options.tunnels = true;
        self
    }

    /// Looks up who owns the ports of managed gateways. Without a probe, [`ClientOptions::probes_owners`] alone keeps
    /// every strong credential from them.
    #[must_use]
    pub fn owner_probe(mut self, probe: impl OwnerProbe) -> Self {
        self.owners = Some(Arc::new(probe));
        self.options.probes_owners = true;
        self
    }

    /// Repairs managed gateways that are gone, with these hands. ref: client-behaviour.md §25
    #[must_use]
    pub fn service_keeper(mut self, keeper: impl ServiceKeeper) -> Self {
        self.keeper = Some(Arc::new(keeper));
        self.options.keeps_services = true;
        self
    }

    /// Limits and keepalive of every socket.
    #[must_use]
    pub fn socket_options(mut self, sockets: SocketOptions) -> Self {
        self.sockets = sockets;
        self
    }

    /// Reads the store and starts the client. It stays idle until it is told to connect.
    ///
    /// # Errors
    /// [`LoadError`] when the store can't be read. Damaged identities are no error here: the client starts
    /// and refuses to connect with them.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn(self) -> Result<ClientHandle, LoadError> {
        let state = self.store.load()?;
        let core = Client::new(self.options, state, self.clock.now());
        let (orders_in, orders) = mpsc::channel(INTENTS);
        let (events, events_out) = mpsc::channel(EVENTS);
        let (snapshot, snapshot_out) = watch::channel(core.snapshot());
        let events_lost = Arc::new(AtomicU64::new(0));
        let channels = Channels {
            orders,
            events: Some(events),
            events_lost: Arc::clone(&events_lost),
            snapshot,
        };
        let parts = Parts {
            core,
            store: self.store,
            connector: self.connector,
            clock: self.clock,
            options: self.sockets,
            handler: self.handler,
            ssh: self.ssh,
            owners: self.owners,
            keeper: self.keeper,
        };
        let mut task = JoinSet::new();
        task.spawn(Driver::new(parts, channels).run());
        Ok(ClientHandle {
            orders: orders_in,
            events: Some(events_out),
            events_lost,
            snapshot: snapshot_out,
            task,
        })
    }
}

/// Starts a client without node commands: the short form of [`Setup`].
///
/// # Errors
/// [`LoadError`] when the store can't be read.
pub fn spawn<C: Connector, S: Store>(
    options: ClientOptions,
    store: S,
    connector: C,
    clock: Clock,
) -> Result<ClientHandle, LoadError> {
    Setup::new(options, store, connector, clock).spawn()
}

/// The client has stopped and takes no more wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client has stopped")]
pub struct ClientStopped;

/// A running client. Dropping it ends the client at once: sockets without close frames, handlers in the
/// middle of their work.
#[derive(Debug)]
pub struct ClientHandle {
    orders: mpsc::Sender<Order>,
    events: Option<mpsc::Receiver<ClientEvent>>,
    events_lost: Arc<AtomicU64>,
    snapshot: watch::Receiver<Snapshot>,
    task: JoinSet<()>,
}

impl ClientHandle {
    /// Tells the client what is wanted; waits while 64 earlier wishes have not been taken up. How a wish
    /// ended comes as [`ClientEvent::IntentDone`].
    ///
    /// # Errors
    /// [`ClientStopped`].
    pub async fn intent(&self, intent: Intent) -> Result<(), ClientStopped> {
        self.orders
            .send(Order::Intent(Box::new(intent), None))
            .await
            .map_err(|_| ClientStopped)
    }

    /// Makes the client look at the identity files again, after somebody repaired or replaced one.
    ///
    /// # Errors
    /// [`ClientStopped`].
    pub async fn reread_identities(&self) -> Result<(), ClientStopped> {
        self.orders
            .send(Order::RereadIdentities)
            .await
            .map_err(|_| ClientStopped)
    }

    /// Tells the client a finding that this body does not look up by itself, such as who listens on a gateway's
    /// port. Sockets, files and invokes report by themselves; an input of theirs given here would be a lie.
    ///
    /// # Errors
    /// [`ClientStopped`].
    pub async fn report(&self, finding: Input) -> Result<(), ClientStopped> {
        self.orders
            .send(Order::Report(Box::new(finding)))
            .await
            .map_err(|_| ClientStopped)
    }

    /// A way to give wishes, wait for their ends and look inside, for other tasks.
    pub fn control(&self) -> Control {
        Control::new(self.orders.clone(), self.snapshot.clone())
    }

    /// A second way to give wishes, for another task.
    pub fn wishes(&self) -> Wishes {
        Wishes {
            orders: self.orders.clone(),
        }
    }

    /// The events of the client, from its first; `None` when they were taken before. The queue holds 4,096:
    /// when nobody reads, newer events are lost (and counted), while the snapshot stays right.
    pub fn events(&mut self) -> Option<mpsc::Receiver<ClientEvent>> {
        self.events.take()
    }

    /// How many events found the queue full.
    pub fn events_lost(&self) -> u64 {
        self.events_lost.load(Ordering::Relaxed)
    }

    /// The client as it stands, and a way to wait for its next change.
    pub fn snapshot(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.clone()
    }

    /// Stops the client and waits until nothing of it is left, at most 5 seconds.
    pub async fn shutdown(mut self) {
        // A driver that is gone already has nothing to stop.
        drop(
            self.orders
                .send(Order::Intent(Box::new(Intent::Stop), None))
                .await,
        );
        if timeout(SHUTDOWN, self.task.join_next()).await.is_err() {
            tracing::warn!("the client did not stop in time and was dropped");
        }
        self.task.shutdown().await;
    }
}

/// Gives wishes to a client from another task.
#[derive(Clone, Debug)]
pub struct Wishes {
    orders: mpsc::Sender<Order>,
}

impl Wishes {
    /// See [`ClientHandle::intent`].
    ///
    /// # Errors
    /// [`ClientStopped`].
    pub async fn intent(&self, intent: Intent) -> Result<(), ClientStopped> {
        self.orders
            .send(Order::Intent(Box::new(intent), None))
            .await
            .map_err(|_| ClientStopped)
    }
}
