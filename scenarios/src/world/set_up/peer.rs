//! The Windows side of a set-up in the memory world: the world's own client.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use client_core::{Registry, StoreOp};
use gateway_client::MemoryState;
use serde_json::Value;
use wsl_fixtures::setup::memory::Shared;
use wsl_fixtures::setup::{Asked, Connection, Credential, Owner, Peer, PeerError, Role};

use super::line::{Ask, Line, Told};
use crate::setup::{self, registry};

/// The gateway's port on the Windows side.
pub(super) trait Port {
    /// Whether it can be taken.
    fn is_free(&mut self) -> bool;
    /// Whether somebody answers HTTP at an address.
    fn reaches(&mut self, url: &str) -> bool;
    /// Who listens.
    fn owner(&mut self) -> Owner;
}

/// The port of a computer in memory.
pub(super) struct ModelPort(pub(super) Shared);

impl Port for ModelPort {
    fn is_free(&mut self) -> bool {
        self.0.borrow_mut().port_is_free()
    }

    fn reaches(&mut self, _: &str) -> bool {
        self.0.borrow().runs()
    }

    fn owner(&mut self) -> Owner {
        self.0.borrow_mut().look_at_owner()
    }
}

/// A port of this machine. Here Windows and the distro share their network: the proof in the distro says whose it is.
pub(super) struct RealPort(pub(super) u16);

impl Port for RealPort {
    fn is_free(&mut self) -> bool {
        setup::is_free(self.0)
    }

    fn reaches(&mut self, url: &str) -> bool {
        setup::reaches(url)
    }

    fn owner(&mut self) -> Owner {
        if setup::is_free(self.0) {
            Owner::NoListener
        } else {
            Owner::Expected
        }
    }
}

/// The app: the companion of the scenario.
pub(super) struct LinePeer {
    pub(super) line: Rc<Line>,
    pub(super) port: Box<dyn Port>,
    pub(super) cancelled: Rc<Cell<bool>>,
    pub(super) state: MemoryState,
    /// The shared token of the run's gateway.
    pub(super) token: String,
    /// What became of each connection of this wish.
    pub(super) connections: Vec<String>,
}

impl LinePeer {
    fn edit<T>(&self, edit: impl FnOnce(&mut Registry) -> T) -> Result<T, PeerError> {
        self.line.ask(Ask::Disconnect);
        let mut registry = self.state.read().registry;
        let result = edit(&mut registry);
        self.store(StoreOp::SaveRegistry { registry })?;
        Ok(result)
    }

    fn store(&self, op: StoreOp) -> Result<(), PeerError> {
        let stored = self.line.answer(Ask::Store(Box::new(op)));
        stored.map(drop).map_err(PeerError::Failed)
    }

    /// The id of the gateway in use.
    fn active(&self) -> Result<Option<String>, PeerError> {
        let state = self.state.read();
        if let Some((id, damage)) = state.damaged.iter().next() {
            return Err(PeerError::Corrupt(format!(
                "the identity of {id} is damaged ({damage:?}): move its folder away and pair again"
            )));
        }
        Ok(state.registry.active().map(|record| record.id.clone()))
    }
}

/// A connection in a few words.
fn told(role: Role, connection: &Connection) -> String {
    let role = match role {
        Role::Operator => "operator",
        Role::Node => "node",
    };
    let word = match connection {
        Connection::Connected { .. } => "connected",
        Connection::PairingRequired(_) => "pairing required",
        Connection::Refused(_) => "refused",
        Connection::TimedOut => "no answer",
    };
    format!("{role}: {word}")
}

impl Peer for LinePeer {
    fn port_is_free(&mut self, _: u16) -> bool {
        self.port.is_free()
    }

    fn reaches(&mut self, url: &str) -> bool {
        self.port.reaches(url)
    }

    fn owner(&mut self, _: u16) -> Owner {
        self.port.owner()
    }

    fn remember(
        &mut self,
        url: &str,
        distro: &str,
        shared: &str,
        bootstrap: &str,
    ) -> Result<(), PeerError> {
        self.active()?;
        let id = crate::world::GATEWAY_ID;
        self.edit(|known| registry::remember(known, id, url, distro, [shared, bootstrap]))
    }

    fn forget(&mut self, distro: &str) -> Result<(), PeerError> {
        let gone = self.edit(|known| registry::forget(known, distro))?;
        self.state.with(|state| {
            for id in gone {
                state.identities.remove(&id);
            }
        });
        Ok(())
    }

    fn connect(&mut self, role: Role, _: &Credential, limit: Duration) -> Connection {
        // The client chooses as it always does: its own token when it has one, else the shared one.
        let connection = match self.line.ask(Ask::Connect(role, limit)) {
            Some(Told::Connection(connection)) => connection,
            Some(Told::Wish(_) | Told::Answer(_) | Told::Asked(_) | Told::Done) | None => {
                Connection::Refused("the run is over".to_owned())
            }
        };
        self.connections.push(told(role, &connection));
        connection
    }

    fn ask(&mut self, method: &str, params: Value, limit: Duration) -> Asked {
        let ask = Ask::Request(method.to_owned(), params, limit);
        match self.line.ask(ask) {
            Some(Told::Asked(asked)) => asked,
            Some(Told::Wish(_) | Told::Answer(_) | Told::Connection(_) | Told::Done) | None => {
                Asked::Refused("the run is over".to_owned())
            }
        }
    }

    fn disconnect(&mut self, _: Role) {
        self.line.ask(Ask::Disconnect);
    }

    fn has_operator_token(&mut self) -> Result<bool, PeerError> {
        let Some(id) = self.active()? else {
            return Ok(false);
        };
        let state = self.state.read();
        let identity = state.identities.get(&id);
        Ok(identity.is_some_and(|identity| identity.device_token.is_some()))
    }

    fn clear_operator_token(&mut self) -> Result<(), PeerError> {
        self.line.ask(Ask::Disconnect);
        let Some(gateway_id) = self.active()? else {
            return Ok(());
        };
        let role = gateway_protocol::Role::Operator;
        self.store(StoreOp::ClearToken { gateway_id, role })
    }

    fn clear_bootstrap(&mut self) -> Result<(), PeerError> {
        self.edit(registry::clear_bootstrap)
    }

    fn fresh_token(&mut self) -> Result<String, PeerError> {
        Ok(self.token.clone())
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }
}
