//! The Windows side in memory.

use std::time::Duration;

use serde_json::{Value, json};

use super::Shared;
use crate::setup::context::Credential;
use crate::setup::peer::{Asked, Connection, Owner, Peer, PeerError, Role};

/// The Windows side.
#[derive(Debug)]
pub struct MemoryPeer {
    world: Shared,
    tokens: u64,
}

impl MemoryPeer {
    pub(super) fn new(world: Shared) -> Self {
        Self { world, tokens: 0 }
    }
}

impl Peer for MemoryPeer {
    fn port_is_free(&mut self, _: u16) -> bool {
        self.world.borrow_mut().port_is_free()
    }

    fn reaches(&mut self, _: &str) -> bool {
        self.world.borrow().guest.runs
    }

    fn owner(&mut self, _: u16) -> Owner {
        self.world.borrow_mut().look_at_owner()
    }

    fn remember(
        &mut self,
        url: &str,
        distro: &str,
        _: &str,
        bootstrap: &str,
    ) -> Result<(), PeerError> {
        let mut world = self.world.borrow_mut();
        world.records.insert(distro.to_owned(), url.to_owned());
        world.bootstrap = !bootstrap.is_empty();
        Ok(())
    }

    fn forget(&mut self, distro: &str) -> Result<(), PeerError> {
        let mut world = self.world.borrow_mut();
        if world.records.remove(distro).is_some() {
            (world.operator_token, world.bootstrap) = (false, false);
        }
        Ok(())
    }

    fn connect(&mut self, role: Role, credential: &Credential, limit: Duration) -> Connection {
        let mut world = self.world.borrow_mut();
        let with = match credential {
            Credential::Shared(_) => "shared",
            Credential::Bootstrap(_) => "bootstrap",
            Credential::Device => "device",
        };
        world
            .events
            .push(format!("connect {role:?} {with}").to_lowercase());
        if !world.guest.runs {
            return if limit.is_zero() {
                Connection::TimedOut
            } else {
                Connection::Refused("connection refused".to_owned())
            };
        }
        let id = match role {
            Role::Operator => "device-1",
            Role::Node => "node-1",
        };
        if world.asks_for_devices && !world.guest.approved.iter().any(|known| known == id) {
            if !world.devices.iter().any(|known| known == id) {
                world.devices.push(id.to_owned());
            }
            return Connection::PairingRequired((role == Role::Node).then(|| id.to_owned()));
        }
        world.operator_token |= role == Role::Operator;
        Connection::Connected {
            protocol: world.protocol,
            version: world.version.clone(),
        }
    }

    fn ask(&mut self, method: &str, params: Value, _: Duration) -> Asked {
        let mut world = self.world.borrow_mut();
        world.events.push(format!("ask {method} {params}"));
        let told = world.answers.pop_front();
        told.unwrap_or_else(|| {
            Asked::Answered(json!({"sessionId": "s", "done": true, "status": "done"}))
        })
    }

    fn disconnect(&mut self, _: Role) {}

    fn has_operator_token(&mut self) -> Result<bool, PeerError> {
        Ok(self.world.borrow().operator_token)
    }

    fn clear_operator_token(&mut self) -> Result<(), PeerError> {
        self.world.borrow_mut().operator_token = false;
        Ok(())
    }

    fn clear_bootstrap(&mut self) -> Result<(), PeerError> {
        self.world.borrow_mut().bootstrap = false;
        Ok(())
    }

    fn fresh_token(&mut self) -> Result<String, PeerError> {
        self.tokens += 1;
        Ok(format!("{:064x}", self.tokens))
    }

    fn is_cancelled(&self) -> bool {
        self.world.borrow().cancelled
    }
}
