//! The Windows side of a set-up: our client, its registry and its identity.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use client_core::{
    ClientOptions, Intent, NodeState, NodeSurface, OperatorState, Registry, Snapshot, StoreOp,
};
use gateway_client::tunnel::ProcListeners;
use gateway_client::{
    ClientHandle, Clock, FileStore, LocalOwners, Setup, Store as _, TcpConnector, WslGuest,
};
use gateway_protocol::limits;
use serde_json::Value;
use tokio::runtime::Runtime;
use wsl_fixtures::setup::{Asked, Connection, Credential, Owner, Peer, PeerError, Role};

use super::port::is_free;
use super::registry;

/// The app: one client at a time over its data folder.
pub struct CompanionPeer {
    runtime: Runtime,
    folder: PathBuf,
    owners: LocalOwners,
    client: Option<ClientHandle>,
    cancelled: Arc<AtomicBool>,
}

impl std::fmt::Debug for CompanionPeer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompanionPeer")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Drop for CompanionPeer {
    fn drop(&mut self) {
        self.close();
    }
}

fn failed(error: impl std::fmt::Display) -> PeerError {
    PeerError::Failed(error.to_string())
}

fn random<const N: usize>() -> Result<[u8; N], PeerError> {
    let mut bytes = [0; N];
    let filled = getrandom::fill(&mut bytes);
    filled
        .map_err(|error| PeerError::Failed(format!("the system gives no random bytes: {error}")))?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

impl CompanionPeer {
    /// An app that keeps its files in this folder and asks its distros by this guest; `cancelled` is the user's wish to
    /// stop.
    ///
    /// # Errors
    /// When there is no runtime.
    pub fn new(folder: PathBuf, guest: WslGuest, cancelled: Arc<AtomicBool>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            runtime,
            folder,
            owners: LocalOwners::new(ProcListeners::default()).guest(guest),
            client: None,
            cancelled,
        })
    }

    fn close(&mut self) {
        if let Some(client) = self.client.take() {
            self.runtime.block_on(client.shutdown());
        }
    }

    /// Changes the registry while no client runs.
    fn edit(&mut self, edit: impl FnOnce(&mut Registry)) -> Result<(), PeerError> {
        self.close();
        let mut store = FileStore::open(&self.folder).map_err(failed)?;
        let mut registry = store.load().map_err(failed)?.registry;
        edit(&mut registry);
        store
            .apply(&StoreOp::SaveRegistry { registry })
            .map_err(failed)
    }

    /// The id of the gateway in use.
    fn active(&self) -> Result<Option<String>, PeerError> {
        let store = FileStore::open(&self.folder).map_err(failed)?;
        let state = store.load().map_err(failed)?;
        if let Some((id, damage)) = state.damaged.iter().next() {
            return Err(PeerError::Corrupt(format!(
                "the identity of {id} is damaged ({damage:?}): move its folder away and pair again"
            )));
        }
        Ok(state.registry.active().map(|record| record.id.clone()))
    }

    fn start(&mut self, role: Role) -> Result<(), PeerError> {
        self.close();
        let store = FileStore::open(&self.folder).map_err(failed)?;
        let options = ClientOptions {
            seed: u64::from_le_bytes(random()?),
            node_enabled: role == Role::Node,
            node: NodeSurface::companion(),
            force_v2_signature: true,
            ..ClientOptions::default()
        };
        let _entered = self.runtime.enter();
        self.client = Some(
            Setup::new(options, store, TcpConnector, Clock::system())
                .owner_probe(self.owners.clone())
                .spawn()
                .map_err(failed)?,
        );
        Ok(())
    }
}

/// The only generation that the client speaks: a connection that stands was made in it.
fn spoken() -> u32 {
    u32::try_from(limits::PROTOCOL).unwrap_or_default()
}

/// How a role stands, once that is decided.
pub(crate) fn decided(role: Role, snapshot: &Snapshot, protocol: u32) -> Option<Connection> {
    let version = snapshot
        .operator
        .gateway_version
        .clone()
        .unwrap_or_default();
    let connected = Connection::Connected { protocol, version };
    let refused = |error: &Option<String>| {
        Some(Connection::Refused(
            error.clone().unwrap_or_else(|| "refused".to_owned()),
        ))
    };
    match role {
        Role::Operator => match snapshot.operator.state {
            OperatorState::Connected => Some(connected),
            OperatorState::PairingRequired => Some(Connection::PairingRequired(
                snapshot.operator.pairing_request_id.clone(),
            )),
            OperatorState::Error => refused(&snapshot.operator.error),
            OperatorState::Idle | OperatorState::Connecting => None,
        },
        Role::Node => match snapshot.node.state {
            NodeState::Connected => Some(connected),
            NodeState::PairingRequired => Some(Connection::PairingRequired(
                snapshot.node.pairing_request_id.clone(),
            )),
            NodeState::PairingRejected | NodeState::RateLimited | NodeState::Error => {
                refused(&snapshot.node.error)
            }
            NodeState::Idle | NodeState::Connecting | NodeState::Disabled => None,
        },
    }
}

async fn wait(client: &ClientHandle, role: Role, limit: Duration) -> Connection {
    if client.intent(Intent::Connect).await.is_err() {
        return Connection::Refused("the client has stopped".to_owned());
    }
    let mut snapshot = client.snapshot();
    let result = tokio::time::timeout(
        limit,
        snapshot.wait_for(|snapshot| decided(role, snapshot, spoken()).is_some()),
    )
    .await;
    match result {
        Ok(Ok(snapshot)) => decided(role, &snapshot, spoken()).unwrap_or(Connection::TimedOut),
        Ok(Err(_)) => Connection::Refused("the client has stopped".to_owned()),
        Err(_) => Connection::TimedOut,
    }
}

/// Asks the gateway on the operator's connection.
pub(crate) async fn ask(
    client: &ClientHandle,
    method: &str,
    params: Value,
    limit: Duration,
) -> Asked {
    let role = gateway_protocol::Role::Operator;
    let control = client.control();
    let asked = control.request_within(role, method, params, Some(limit));
    match asked.await {
        Ok(answer) => Asked::of(answer),
        Err(stopped) => Asked::Refused(stopped.to_string()),
    }
}

/// Whether somebody answers HTTP at an address, with any status.
pub(crate) fn reaches(url: &str) -> bool {
    let authority = url.trim_start_matches("http://").trim_end_matches('/');
    let limit = Duration::from_secs(5);
    let asks = || -> io::Result<bool> {
        let address = authority
            .to_socket_addrs()?
            .find(std::net::SocketAddr::is_ipv4)
            .ok_or_else(|| io::Error::other("no address"))?;
        let mut stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.write_all(
            format!("GET / HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").as_bytes(),
        )?;
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        Ok(&head == b"HTTP/")
    };
    asks().unwrap_or(false)
}

impl Peer for CompanionPeer {
    fn port_is_free(&mut self, port: u16) -> bool {
        is_free(port)
    }

    fn reaches(&mut self, url: &str) -> bool {
        reaches(url)
    }

    /// Here Windows and the distro share their network, so there is no relay whose owner could be asked: the proof in
    /// the distro decides. The client looks by itself as well, at each connect and at each challenge.
    fn owner(&mut self, port: u16) -> Owner {
        if is_free(port) {
            Owner::NoListener
        } else {
            Owner::Expected
        }
    }

    fn remember(
        &mut self,
        url: &str,
        distro: &str,
        shared: &str,
        bootstrap: &str,
    ) -> Result<(), PeerError> {
        self.close();
        self.active()?;
        let id = hex(&random::<8>()?);
        self.edit(|known| registry::remember(known, &id, url, distro, [shared, bootstrap]))
    }

    fn forget(&mut self, distro: &str) -> Result<(), PeerError> {
        let mut gone = Vec::new();
        self.edit(|known| gone = registry::forget(known, distro))?;
        for id in gone {
            match std::fs::remove_dir_all(self.folder.join("gateways").join(id)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn connect(&mut self, role: Role, _: &Credential, limit: Duration) -> Connection {
        // The client chooses as it always does: its own token when it has one, else the shared one.
        if let Err(error) = self.start(role) {
            return Connection::Refused(error.to_string());
        }
        match &self.client {
            Some(client) => self.runtime.block_on(wait(client, role, limit)),
            None => Connection::TimedOut,
        }
    }

    fn ask(&mut self, method: &str, params: Value, limit: Duration) -> Asked {
        match &self.client {
            Some(client) => self.runtime.block_on(ask(client, method, params, limit)),
            None => Asked::Refused("nothing is connected".to_owned()),
        }
    }

    fn disconnect(&mut self, _: Role) {
        self.close();
    }

    fn has_operator_token(&mut self) -> Result<bool, PeerError> {
        self.close();
        let Some(id) = self.active()? else {
            return Ok(false);
        };
        let store = FileStore::open(&self.folder).map_err(failed)?;
        let state = store.load().map_err(failed)?;
        Ok(state
            .identities
            .get(&id)
            .is_some_and(|identity| identity.device_token.is_some()))
    }

    fn clear_operator_token(&mut self) -> Result<(), PeerError> {
        self.close();
        let Some(gateway_id) = self.active()? else {
            return Ok(());
        };
        let mut store = FileStore::open(&self.folder).map_err(failed)?;
        let role = gateway_protocol::Role::Operator;
        store
            .apply(&StoreOp::ClearToken { gateway_id, role })
            .map_err(failed)
    }

    fn clear_bootstrap(&mut self) -> Result<(), PeerError> {
        self.edit(registry::clear_bootstrap)
    }

    fn fresh_token(&mut self) -> Result<String, PeerError> {
        Ok(hex(&random::<32>()?))
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}
