//! Store operations in flight, and what follows each. ref: client-behaviour.md §4, §5, §17
//!
//! Memory changes when the write is confirmed. Registry writes are whole files, so they go one at a time, each computed
//! from what is durable; a failed one leaves memory as it was and may be tried again.

use std::collections::VecDeque;

use gateway_protocol::Role;

use crate::client::Client;
use crate::client::connection::Slot;
use crate::event::DiagnosticCategory as Category;
use crate::identity::{Identity, IdentityDamage};
use crate::input::SocketId;
use crate::output::Output;
use crate::registry::{GatewayRecord, Registry};
use crate::store::{StoreError, StoreOp};

/// What follows an identity operation.
#[derive(Clone, Debug)]
pub(crate) enum After {
    /// The connections of this gateway that wait for a key may open.
    IdentityCreated,
    /// A hello-ok's token; the second attempt is the manager's own. ref: §5
    Token {
        slot: Slot,
        socket: SocketId,
        generation: u64,
        retried: bool,
    },
    /// A recovery goes on. ref: §17.4
    TokenCleared {
        generation: u64,
        node_generation: u64,
        fallback: &'static str,
    },
    /// The running transition goes on.
    Transition,
    /// Nothing.
    Nothing,
}

/// A change of `gateways.json`.
#[derive(Clone, Debug)]
pub(crate) enum RegistryChange {
    Stamp {
        id: String,
        at: String,
    },
    ClearBootstrap {
        id: String,
    },
    RequireV2 {
        id: String,
    },
    Put {
        record: Box<GatewayRecord>,
        activate: bool,
    },
    Activate {
        id: String,
    },
    Remove {
        id: String,
    },
}

impl RegistryChange {
    fn apply(&self, registry: &mut Registry) {
        match self {
            Self::Stamp { id, at } => {
                if let Some(record) = registry.find_mut(id) {
                    record.last_connected = Some(at.clone());
                }
            }
            Self::ClearBootstrap { id } => {
                if let Some(record) = registry.find_mut(id) {
                    record.bootstrap_token = None;
                }
            }
            Self::RequireV2 { id } => {
                if let Some(record) = registry.find_mut(id) {
                    record.requires_v2_signature = true;
                }
            }
            Self::Put { record, activate } => {
                if *activate || registry.active_id.is_none() {
                    registry.active_id = Some(record.id.clone());
                }
                registry.upsert(record.as_ref().clone());
            }
            Self::Activate { id } => registry.active_id = Some(id.clone()),
            Self::Remove { id } => registry.remove(id),
        }
    }
}

/// What follows a registry write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegistryAfter {
    /// Lines for the timeline: done, and failed.
    Tell(&'static str, &'static str),
    /// The running transition goes on.
    Transition,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    identity: Vec<(StoreOp, After)>,
    registry: Option<(Registry, RegistryAfter)>,
    queue: VecDeque<(RegistryChange, RegistryAfter)>,
}

impl Client {
    pub(super) fn store(&mut self, op: StoreOp, after: After) {
        self.pending.identity.push((op.clone(), after));
        self.outputs.push_back(Output::Store { op });
    }

    pub(super) fn change_registry(&mut self, change: RegistryChange, after: RegistryAfter) {
        self.pending.queue.push_back((change, after));
        self.next_registry_write();
    }

    fn next_registry_write(&mut self) {
        while self.pending.registry.is_none() {
            let Some((change, after)) = self.pending.queue.pop_front() else {
                return;
            };
            let mut registry = self.state.registry.clone();
            change.apply(&mut registry);
            if registry == self.state.registry {
                self.registry_written(after, Ok(()));
                continue;
            }
            self.pending.registry = Some((registry.clone(), after));
            self.outputs.push_back(Output::Store {
                op: StoreOp::SaveRegistry { registry },
            });
        }
    }

    pub(super) fn on_stored(&mut self, op: StoreOp, result: Result<(), StoreError>) {
        if let StoreOp::SaveRegistry { registry } = op {
            if self
                .pending
                .registry
                .as_ref()
                .is_none_or(|(wanted, _)| *wanted != registry)
            {
                return;
            }
            if let Some((registry, after)) = self.pending.registry.take() {
                if result.is_ok() {
                    self.state.registry = registry;
                }
                self.registry_written(after, result);
                self.next_registry_write();
            }
            return;
        }
        let Some(at) = self.pending.identity.iter().position(|(own, _)| *own == op) else {
            return;
        };
        let (op, after) = self.pending.identity.remove(at);
        if result.is_ok() {
            self.remember(&op);
        }
        self.identity_written(&op, after, result);
    }

    fn registry_written(&mut self, after: RegistryAfter, result: Result<(), StoreError>) {
        match (after, result) {
            (RegistryAfter::Tell(done, _), Ok(())) => self.diagnose(Category::State, done),
            (RegistryAfter::Tell(_, failed), Err(error)) => {
                self.diagnose_with(Category::Error, failed, Some(error.to_string()));
            }
            (RegistryAfter::Transition, result) => self.transition_stored(result),
        }
    }

    /// A confirmed operation, applied to memory.
    fn remember(&mut self, op: &StoreOp) {
        let identities = &mut self.state.identities;
        match op {
            StoreOp::SaveRegistry { .. } => {}
            StoreOp::CreateIdentity {
                gateway_id,
                identity,
            } => {
                identities.insert(gateway_id.clone(), identity.clone());
            }
            StoreOp::SaveToken {
                gateway_id,
                role,
                token,
                scopes,
                ..
            } => {
                if let Some(identity) = identities.get_mut(gateway_id) {
                    identity.set_token(*role, Some(token.clone()), scopes.clone());
                }
            }
            StoreOp::ClearToken { gateway_id, role } => {
                if let Some(identity) = identities.get_mut(gateway_id) {
                    identity.set_token(*role, None, None);
                }
            }
            StoreOp::ClearAllTokens { gateway_id } => {
                if let Some(identity) = identities.get_mut(gateway_id) {
                    for role in Role::ALL {
                        identity.set_token(role, None, None);
                    }
                }
            }
        }
    }

    fn identity_written(&mut self, op: &StoreOp, after: After, result: Result<(), StoreError>) {
        match (after, op) {
            (After::IdentityCreated, StoreOp::CreateIdentity { gateway_id, .. }) => {
                self.identity_created(&gateway_id.clone(), result);
            }
            (
                After::Token {
                    slot,
                    socket,
                    generation,
                    retried,
                },
                StoreOp::SaveToken { role, .. },
            ) => {
                let again = (!retried && result.is_err()).then(|| op.clone());
                if let Some(op) = again {
                    let text = format!("Device token for {role} could not be stored; trying again");
                    self.diagnose(Category::Error, text);
                    return self.store(
                        op,
                        After::Token {
                            slot,
                            socket,
                            generation,
                            retried: true,
                        },
                    );
                }
                self.token_settled(slot, socket, generation, *role, result);
            }
            (
                After::TokenCleared {
                    generation,
                    node_generation,
                    fallback,
                },
                StoreOp::ClearToken { role, gateway_id },
            ) => {
                if result.is_err() {
                    // Nothing was recovered: the next refusal may try again.
                    self.recovered.remove(&(gateway_id.clone(), *role));
                }
                self.token_cleared(*role, (generation, node_generation), fallback, result);
            }
            (After::Transition, _) => self.transition_stored(result),
            (
                After::Nothing
                | After::IdentityCreated
                | After::Token { .. }
                | After::TokenCleared { .. },
                _,
            ) => {}
        }
    }

    /// Makes a key for a gateway that has none. An existing file always wins. ref: §5
    pub(super) fn create_identity(&mut self, gateway_id: &str) {
        let creating = self.pending.identity.iter().any(|(op, _)| {
            matches!(op, StoreOp::CreateIdentity { gateway_id: own, .. } if own == gateway_id)
        });
        if creating {
            return;
        }
        let identity = Identity::from_seed(self.random(), self.now.wall);
        self.store(
            StoreOp::CreateIdentity {
                gateway_id: gateway_id.to_owned(),
                identity,
            },
            After::IdentityCreated,
        );
    }

    fn identity_created(&mut self, gateway_id: &str, result: Result<(), StoreError>) {
        match result {
            Ok(()) => {}
            Err(StoreError::IdentityExists(winner)) if winner.validate().is_ok() => {
                self.state.identities.insert(gateway_id.to_owned(), *winner);
            }
            Err(error) => {
                if let StoreError::Damaged(damage) = &error {
                    self.state
                        .damaged
                        .insert(gateway_id.to_owned(), damage.clone());
                }
                self.diagnose_with(
                    Category::Identity,
                    "Device identity could not be created",
                    Some(error.to_string()),
                );
                return self.identity_unavailable(gateway_id);
            }
        }
        for slot in [Slot::Operator, Slot::Node] {
            let waits = |it: &super::connection::Connection| {
                it.gateway_id == gateway_id
                    && matches!(it.phase, super::connection::Phase::Preparing)
            };
            if self.connection(slot).is_some_and(waits) {
                self.open_when_ready(slot);
            }
        }
        self.launch_settled();
    }

    /// Somebody read the identity file again. ref: §5
    pub(super) fn on_identity_read(
        &mut self,
        gateway_id: String,
        identity: Result<Option<Identity>, IdentityDamage>,
    ) {
        let checked = identity.and_then(|identity| match identity {
            Some(identity) => identity.validate().map(|_| Some(identity)),
            None => Ok(None),
        });
        match checked {
            Ok(Some(identity)) => {
                self.state.damaged.remove(&gateway_id);
                self.state.identities.insert(gateway_id, identity);
            }
            Ok(None) => {
                self.state.damaged.remove(&gateway_id);
                self.state.identities.remove(&gateway_id);
            }
            Err(damage) => {
                self.state.damaged.insert(gateway_id, damage);
            }
        }
    }
}
