//! Device tokens after they were issued: storing, dropping the bootstrap token, the reconnect after a bootstrap, and
//! the one recovery per role. ref: client-behaviour.md §17

use std::time::Duration;

use gateway_protocol::{DeviceToken, Role};

use crate::client::connection::Slot;
use crate::client::durable::{After, RegistryAfter, RegistryChange};
use crate::client::timers::Timer;
use crate::client::{Bootstrap, Client};
use crate::event::{ClientEvent, DiagnosticCategory as Category};
use crate::hello::Issued;
use crate::identity::normalize_scopes;
use crate::input::SocketId;
use crate::mutation::Mutation;
use crate::registry::GatewayRecord;
use crate::store::{StoreError, StoreOp};

/// From a handoff or a cleared token to the reconnect. ref: §17.3, §17.4
const RECONNECT_DELAY: Duration = Duration::from_millis(200);

impl Client {
    /// A hello-ok issued a token: make it durable, unless it is already.
    pub(super) fn token_issued(&mut self, slot: Slot, socket: SocketId, issued: Issued) {
        let Some(gateway_id) = self.connection(slot).map(|it| it.gateway_id.clone()) else {
            return;
        };
        let Some(identity) = self.state.identities.get(&gateway_id) else {
            return self.hello_token_settled(slot, socket);
        };
        let role = match (self.options.has(Mutation::SwapRoleTokens), issued.role) {
            (true, Role::Operator) => Role::Node,
            (true, Role::Node) => Role::Operator,
            (false, role) => role,
        };
        let scopes = normalize_scopes(&issued.scopes);
        if self.options.has(Mutation::NoTokensOverPlain) && self.is_plain_elsewhere(slot) {
            return self.hello_token_settled(slot, socket);
        }
        let generation = self.generation;
        let stored = identity.token(role) == Some(issued.token.as_str())
            && identity.scopes(role) == scopes.as_deref();
        if stored {
            return self.token_settled(slot, socket, generation, role, Ok(()));
        }
        let op = StoreOp::SaveToken {
            gateway_id,
            device_id: identity.device_id.clone(),
            role,
            token: DeviceToken::new(issued.token),
            scopes,
        };
        let after = if slot == Slot::Validation {
            After::Nothing
        } else {
            After::Token {
                slot,
                socket,
                generation,
                retried: false,
            }
        };
        self.store(op, after);
    }

    /// Whether a connection goes over a network where others can read.
    fn is_plain_elsewhere(&self, slot: Slot) -> bool {
        self.connection(slot)
            .is_some_and(|it| !it.target.is_loopback() && !it.target.tls)
    }

    pub(super) fn token_settled(
        &mut self,
        slot: Slot,
        socket: SocketId,
        generation: u64,
        role: Role,
        result: Result<(), StoreError>,
    ) {
        if generation != self.generation {
            return;
        }
        match result {
            Ok(()) => {
                let text = match slot {
                    Slot::Node => format!("Node connector device token received for {role}"),
                    Slot::Operator | Slot::Validation => {
                        format!("Device token received for {role}")
                    }
                };
                self.diagnose(Category::Credential, text);
                self.tell(ClientEvent::TokenStored { role });
                self.clear_bootstrap_if_durable();
                self.reconnect_after_bootstrap(role);
            }
            Err(error) => {
                let text = format!("Device token for {role} could not be stored");
                self.diagnose_with(Category::Error, text, Some(error.to_string()));
                if error.is_identity_failure() {
                    self.identity_failed();
                }
            }
        }
        self.hello_token_settled(slot, socket);
    }

    /// Drops the bootstrap token once both role tokens are durable; until then it stays. ref: §17.2
    pub(super) fn clear_bootstrap_if_durable(&mut self) {
        let Some(record) = self
            .record()
            .filter(|record| record.usable_bootstrap_token().is_some())
        else {
            return;
        };
        let id = record.id.clone();
        let has = |role| {
            self.identity()
                .is_some_and(|identity| identity.token(role).is_some())
        };
        let (operator, node) = (has(Role::Operator), has(Role::Node));
        let early = self.options.has(Mutation::ClearBootstrapEarly) && (operator || node);
        if self.options.has(Mutation::BootstrapForever) {
            return;
        }
        if (operator && node) || early {
            let after = RegistryAfter::Tell(
                "Cleared bootstrap token: both role tokens are durable",
                CLEAR_FAILED,
            );
            self.change_registry(RegistryChange::ClearBootstrap { id }, after);
        } else {
            self.diagnose_with(
                Category::Credential,
                "Retaining bootstrap token until role tokens are durable",
                Some(format!("operatorToken={operator}; nodeToken={node}")),
            );
        }
    }

    /// The bootstrap connect has done its work: reconnect with what is durable now. ref: §17.3
    fn reconnect_after_bootstrap(&mut self, role: Role) {
        if self.bootstrap != Bootstrap::Redeeming {
            return;
        }
        let has_operator = self
            .identity()
            .is_some_and(|identity| identity.token(Role::Operator).is_some());
        let has_shared = self
            .record()
            .is_some_and(|record| record.usable_shared_token().is_some());
        let due = match role {
            Role::Operator => has_operator,
            Role::Node => !has_operator && has_shared,
        };
        if due && let Some(gateway_id) = self.gateway_id.clone() {
            self.bootstrap = Bootstrap::HandedOver;
            self.remember_v2(&gateway_id);
            self.diagnose(
                Category::Credential,
                "Bootstrap handoff complete; reconnecting operator",
            );
            self.reconnect_soon(gateway_id);
        }
    }

    fn reconnect_soon(&mut self, gateway_id: String) {
        let at = self.after(RECONNECT_DELAY);
        self.timers.set(
            at,
            Timer::DelayedReconnect {
                generation: self.generation,
                gateway_id,
            },
        );
    }

    /// Reconnects the pinned gateway, unless anything newer has happened. ref: §19
    pub(super) fn delayed_reconnect(&mut self, generation: u64, gateway_id: &str) {
        let current =
            generation == self.generation && self.gateway_id.as_deref() == Some(gateway_id);
        if !current || self.user_disconnected || self.stopped {
            return;
        }
        if self.transition.is_some() {
            return self.reconnect_soon(gateway_id.to_owned());
        }
        self.disconnect();
        self.launch_operator(gateway_id);
    }

    pub(super) fn remember_v2(&mut self, gateway_id: &str) {
        let after = RegistryAfter::Tell(
            "Remembered gateway v2 signature requirement",
            "Failed to remember gateway v2 signature requirement",
        );
        let known = self
            .state
            .registry
            .find(gateway_id)
            .is_some_and(|record| record.requires_v2_signature);
        if !known {
            self.change_registry(
                RegistryChange::RequireV2 {
                    id: gateway_id.to_owned(),
                },
                after,
            );
        }
    }

    pub(super) fn stamp_last_connected(&mut self) {
        let Some(id) = self.gateway_id.clone() else {
            return;
        };
        let at = jiff::Timestamp::from_millisecond(self.now.wall.0).map(|at| at.to_string());
        if let Ok(at) = at {
            let after = RegistryAfter::Tell(
                "Stamped LastConnected on gateway record",
                "Failed to stamp LastConnected",
            );
            self.change_registry(RegistryChange::Stamp { id, at }, after);
        }
    }

    /// The operator's device token was refused. ref: §17.4
    pub(super) fn recover_operator_token(&mut self) {
        match self.recovery_fallback(Role::Operator, Slot::Operator) {
            Ok((gateway_id, fallback)) => {
                self.clear_token_to_recover(gateway_id, Role::Operator, fallback);
            }
            Err(why) => self.diagnose(
                Category::Credential,
                format!("Skipped operator token recovery: {why}"),
            ),
        }
    }

    /// The node's device token was refused. ref: §17.5
    pub(super) fn recover_node_token(&mut self) {
        let allowed = self.options.policy.recovers_node_token();
        let outcome = if !allowed {
            Err("this client has none")
        } else if !self.role_is_live(Role::Operator) {
            Err("operator is not connected")
        } else {
            self.recovery_fallback(Role::Node, Slot::Node)
        };
        match outcome {
            Ok((gateway_id, fallback)) => {
                self.clear_token_to_recover(gateway_id, Role::Node, fallback);
            }
            Err(why) => self.diagnose(
                Category::Credential,
                format!("Skipped node token recovery: {why}"),
            ),
        }
    }

    /// The gateway and the name of the credential that would stand in, or why there is no recovery.
    fn recovery_fallback(
        &self,
        role: Role,
        slot: Slot,
    ) -> Result<(String, &'static str), &'static str> {
        let record = self.record().ok_or("the gateway has no record")?;
        let policy = self.options.policy;
        if self.options.has(Mutation::NeverRecoverToken) {
            return Err("never");
        }
        if !self.sent_device_token(slot) {
            return Err("no device token was sent");
        }
        if self.recovered.contains(&(record.id.clone(), role)) {
            return Err("already attempted");
        }
        let fallback = fallback_name(record, policy.recovers_with_shared_token())
            .ok_or("no fallback credential")?;
        let careful = policy.recovers_on_safe_endpoints_only()
            && !self.options.has(Mutation::RecoverAnywhere);
        if careful && !self.is_recovery_safe(record, slot) {
            return Err("endpoint is not recovery-safe");
        }
        Ok((record.id.clone(), fallback))
    }

    /// Somebody else's error never clears a device token. field-bugs.md 19
    fn sent_device_token(&self, slot: Slot) -> bool {
        let Some(connection) = self.connection(slot) else {
            return false;
        };
        let identity = self.state.identities.get(&connection.gateway_id);
        !connection.ignore_stored
            && identity.is_some_and(|identity| identity.token(slot.role()).is_some())
    }

    fn clear_token_to_recover(&mut self, gateway_id: String, role: Role, fallback: &'static str) {
        self.recovered.insert((gateway_id.clone(), role));
        let (generation, node_generation) = (self.generation, self.node_generation);
        let op = StoreOp::ClearToken { gateway_id, role };
        self.store(
            op,
            After::TokenCleared {
                generation,
                node_generation,
                fallback,
            },
        );
    }

    pub(super) fn token_cleared(
        &mut self,
        role: Role,
        (generation, node_generation): (u64, u64),
        fallback: &'static str,
        result: Result<(), StoreError>,
    ) {
        if let Err(error) = result {
            let text = format!("Stale {role} device token could not be cleared");
            return self.diagnose_with(Category::Error, text, Some(error.to_string()));
        }
        if generation != self.generation {
            return;
        }
        let text = format!("Cleared stale {role} device token; reconnecting with {fallback}");
        self.diagnose(Category::Credential, text);
        match (role, self.gateway_id.clone()) {
            (Role::Operator, Some(gateway_id)) => self.reconnect_soon(gateway_id),
            (Role::Node, _) => {
                let at = self.after(RECONNECT_DELAY);
                self.timers.set(
                    at,
                    Timer::NodeRecovery {
                        generation,
                        node_generation,
                    },
                );
            }
            (Role::Operator, None) => {}
        }
    }

    /// The museum's bugs 19 and 66: somebody else's mistake wipes the pairing.
    pub(super) fn clear_all_tokens_for_mutant(&mut self) {
        if let Some(gateway_id) = self.gateway_id.clone() {
            self.store(StoreOp::ClearAllTokens { gateway_id }, After::Nothing);
        }
    }
}

const CLEAR_FAILED: &str = "Failed to persist cleared bootstrap token";

fn fallback_name(record: &GatewayRecord, shared_allowed: bool) -> Option<&'static str> {
    if shared_allowed && record.usable_shared_token().is_some() {
        return Some("shared gateway token");
    }
    record.usable_bootstrap_token().map(|_| "bootstrap token")
}
