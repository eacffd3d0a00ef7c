//! From a connect in order to a place inside: all checks in sequence, then the pairing decision.
//!
//! ref: gateway-behaviour.md §2.3 (precedence), §4.3, §5, §6.2, §6.5

mod ask;
mod ssh_probe;

pub(crate) use ssh_probe::SshProbes;

use gateway_protocol::{ConnectParams, Now, Role, SecretKind, UnixMillis};
use serde_json::Value;

use crate::auth::Attempt;
use crate::bootstrap::SetupToken;
use crate::config::AuthMode;
use crate::connection::Granted;
use crate::devices::{ApprovedVia, Device, Token, scope_belongs_to};
use crate::gateway::Gateway;
use crate::handshake::{self, Refusal};
use crate::identity::{self, VerifiedDevice};
use crate::locality::in_ranges;
use crate::metadata::{self, Change};
use crate::mutation::Mutation;
use crate::pairing::{PairingReason, PendingDevice, expiry, union};

/// What a connect has earned.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) attempt: Attempt,
    pub(crate) granted: Granted,
    /// Scopes when no token says otherwise.
    pub(crate) scopes: Vec<String>,
    /// Whether the device has a record, and so a token.
    pub(crate) recorded: bool,
    /// A used-up setup code: tokens of the other roles are handed over.
    pub(crate) handoff: Option<SetupToken>,
}

/// What is approved already, for the details of an upgrade.
#[derive(Debug, Default)]
struct Approved {
    roles: Vec<Role>,
    scopes: Vec<String>,
}

impl Gateway {
    fn still_starting(&self) -> Refusal {
        handshake::starting(self.config.paced(handshake::STARTING_RETRY_MS))
    }

    /// All checks of `connect`; the first that fails ends it.
    pub(crate) fn admit(
        &mut self,
        now: Now,
        conn: u32,
        params: Option<&Value>,
    ) -> Result<Admitted, Refusal> {
        let params = handshake::check_schema(self.profile, params)?;
        if self.is_starting(now) {
            return Err(self.still_starting());
        }
        if self.profile.rules.rich_hello {
            handshake::check_special_clients(&params)?;
        }
        handshake::check_protocol(self.profile, &params)?;
        let role = handshake::check_role(&params)?;
        let Some(connection) = self.connections.get(&conn) else {
            return Err(handshake::not_connect());
        };
        if !self.has(Mutation::AnyOrigin) {
            handshake::check_origin(&self.config, connection, &params)?;
        }
        if self.profile.rules.rich_hello {
            handshake::check_build(connection, &params, &self.profile.build_id())?;
        }
        handshake::check_client_has_device(&params)?;
        let nonce = connection
            .handshake()
            .map_or("", |handshake| handshake.nonce.as_str());
        let (nonce, at) = self.mutated_identity_check(&params, nonce, now.wall);
        let checked = identity::check(&params, nonce, at, &self.keys);
        let mut attempt = Attempt {
            role,
            device: None,
            locality: connection.locality.clone(),
            origin: connection.origin.clone(),
            params,
        };
        if self.has(Mutation::RemoteIsApproved) {
            attempt.locality.local = true;
        }
        if checked.is_err() && self.has(Mutation::CredentialsBeforeSignature) {
            self.authorize(now.wall, &attempt)?;
        }
        let device = checked?;
        attempt.device.clone_from(&device);
        if self.profile.rules.rich_hello && role == Role::Node && device.is_some() {
            metadata::complete(&mut attempt.params.client);
        }
        let granted = self.authorize(now.wall, &attempt)?;
        match device {
            None => self.admit_without_device(attempt, granted),
            Some(device) => self.admit_device(now.wall, attempt, &device, granted),
        }
    }

    /// Nonce and time that a device block is compared with.
    fn mutated_identity_check<'a>(
        &self,
        params: &'a ConnectParams,
        nonce: &'a str,
        now: UnixMillis,
    ) -> (&'a str, UnixMillis) {
        let device = params.device.as_ref();
        match device {
            Some(device) if self.has(Mutation::AnyNonce) => (device.nonce.trim(), now),
            Some(device) if self.has(Mutation::StaleSignatureAccepted) => {
                (nonce, UnixMillis(device.signed_at))
            }
            Some(_) | None => (nonce, now),
        }
    }

    /// ref: gateway-behaviour.md §4.3
    fn admit_without_device(
        &self,
        attempt: Attempt,
        granted: Granted,
    ) -> Result<Admitted, Refusal> {
        let backend = attempt.is_client("gateway-client", "backend");
        if attempt.role == Role::Node || (self.config.auth.mode == AuthMode::None && !backend) {
            return Err(handshake::device_required());
        }
        let cli = attempt.is_client("cli", "cli") && self.profile.rules.cli_keeps_scopes;
        let keeps = attempt.locality.local && !attempt.browser() && (backend || cli);
        let scopes = if keeps { attempt.scopes() } else { Vec::new() };
        Ok(Admitted {
            attempt,
            granted,
            scopes,
            recorded: false,
            handoff: None,
        })
    }

    fn admit_device(
        &mut self,
        now: UnixMillis,
        mut attempt: Attempt,
        device: &VerifiedDevice,
        granted: Granted,
    ) -> Result<Admitted, Refusal> {
        let scopes = attempt.scopes();
        let known = self.devices.find(&device.id).is_some();
        let mut handoff = None;
        if known {
            let settled = self.settle_upgrades(now, &attempt, device, granted);
            if settled.is_err() && granted == Granted::BootstrapToken {
                self.wait_for_approval(&attempt);
            }
            settled?;
            // From here on the device is called what the record calls it.
            if let Some(record) = self.devices.find(&device.id) {
                let client = &mut attempt.params.client;
                client.platform.clone_from(&record.platform);
                client.device_family.clone_from(&record.device_family);
            }
            if granted == Granted::BootstrapToken {
                handoff = self.redeem(&attempt);
            }
        } else if granted == Granted::BootstrapToken {
            handoff = self.pair_by_setup_code(now, &attempt, device)?;
        } else if is_local_backend(&attempt, granted) {
            return Ok(Admitted {
                attempt,
                granted,
                scopes,
                recorded: false,
                handoff: None,
            });
        } else {
            self.pair_fresh(now, &attempt, device)?;
        }
        if let Some(record) = self.devices.find_mut(&device.id) {
            record.seen(
                &attempt.params.client,
                attempt.locality.remote_ip,
                now,
                "connect",
            );
        }
        Ok(Admitted {
            attempt,
            granted,
            scopes,
            recorded: true,
            handoff,
        })
    }

    /// A device nobody knows, with a shared credential. ref: gateway-behaviour.md §6.2
    fn pair_fresh(
        &mut self,
        now: UnixMillis,
        attempt: &Attempt,
        device: &VerifiedDevice,
    ) -> Result<(), Refusal> {
        let scopes = attempt.scopes();
        let fitting = scopes
            .iter()
            .all(|scope| scope_belongs_to(scope, attempt.role));
        let local = self.approves_locally(attempt);
        if local && fitting {
            self.approve_silently(now, attempt, device, scopes, ApprovedVia::Silent);
            return Ok(());
        }
        // An address that came through a proxy on this machine proves nothing. Flow pairing/trusted-range.
        let locality = &attempt.locality;
        let in_range = !locality.behind_loopback_proxy
            && locality
                .remote_ip
                .is_some_and(|ip| in_ranges(ip, &self.config.nodes.auto_approve_cidrs));
        if in_range && attempt.role == Role::Node && scopes.is_empty() && !attempt.browser() {
            self.approve_silently(now, attempt, device, scopes, ApprovedVia::TrustedCidr);
            return Ok(());
        }
        Err(self.ask(
            now,
            attempt,
            device,
            PairingReason::NotPaired,
            local,
            &Approved::default(),
        ))
    }

    /// Whether a local client needs nobody's approval, however it proved itself.
    fn approves_locally(&self, attempt: &Attempt) -> bool {
        let web = ["openclaw-control-ui", "openclaw-tui", "webchat-ui"]
            .contains(&attempt.params.client.id.as_str());
        attempt.locality.local
            && (!attempt.browser() || web)
            && (!self.profile.rules.lenient_local || self.config.nodes.auto_approve_local)
    }

    /// A device nobody knows, with a setup code; gives the code when that used it up. On the gateway's own machine it is
    /// paired as with any other credential. ref: gateway-behaviour.md §5.1, §5.2; flow setup/other-client-local.
    fn pair_by_setup_code(
        &mut self,
        now: UnixMillis,
        attempt: &Attempt,
        device: &VerifiedDevice,
    ) -> Result<Option<SetupToken>, Refusal> {
        let offered = setup_token_of(attempt);
        if metadata::is_official_mobile_node(&attempt.params)
            && let Some(setup) = self.setup_tokens.consume(&offered)
        {
            if self.has(Mutation::SetupCodeReusable) {
                self.setup_tokens.restore(setup.clone());
            }
            let mut pending = self.request_of(now, attempt, device, setup.scopes.clone(), false);
            pending.roles = vec![Role::Node, Role::Operator];
            self.approve(now, &pending, ApprovedVia::Bootstrap);
            return Ok(Some(setup));
        }
        if self.approves_locally(attempt) {
            self.pair_fresh(now, attempt, device)?;
            return Ok(self.redeem(attempt));
        }
        self.wait_for_approval(attempt);
        Err(self.ask(
            now,
            attempt,
            device,
            PairingReason::NotPaired,
            false,
            &Approved::default(),
        ))
    }

    /// Until its request is decided, the code is worth nothing in the other role.
    fn wait_for_approval(&mut self, attempt: &Attempt) {
        if let Some(setup) = self.setup_tokens.find_mut(&setup_token_of(attempt)) {
            setup.wait_for(attempt.role);
        }
    }

    /// A known device came in with its setup code; gives the code when that used it up and the newer release hands over
    /// the tokens of the other role.
    fn redeem(&mut self, attempt: &Attempt) -> Option<SetupToken> {
        let offered = setup_token_of(attempt);
        let setup = self.setup_tokens.find_mut(&offered)?;
        if !setup.redeem(attempt.role, &attempt.scopes()) {
            return None;
        }
        let used_up = self.setup_tokens.consume(&offered);
        used_up.filter(|_| self.profile.rules.setup_rpc)
    }

    /// A known device: metadata, then role, then scopes. ref: gateway-behaviour.md §6.5
    fn settle_upgrades(
        &mut self,
        now: UnixMillis,
        attempt: &Attempt,
        device: &VerifiedDevice,
        granted: Granted,
    ) -> Result<(), Refusal> {
        let Some(record) = self.devices.find(&device.id) else {
            return Ok(());
        };
        let approved = Approved {
            roles: record.roles.clone(),
            scopes: record.scopes.clone(),
        };
        let active = record.active_roles();
        let scopes = attempt.scopes();
        // Scopes are compared with the record as it was, even when the role has just been approved with them.
        let covered = record.covers(&scopes);
        let change = metadata::change(
            record,
            &attempt.params.client,
            self.profile.rules.lenient_local,
        );
        let local = self.approves_locally(attempt);
        match change {
            Change::Different if self.has(Mutation::MetadataNotPinned) => {}
            Change::None => {}
            Change::Refresh => self.refresh_metadata(attempt, device),
            Change::Different
                if attempt.locality.local && !attempt.browser() && is_native_app(attempt) =>
            {
                self.approve_silently(now, attempt, device, Vec::new(), ApprovedVia::Silent);
            }
            Change::Different => {
                return Err(self.ask(
                    now,
                    attempt,
                    device,
                    PairingReason::MetadataUpgrade,
                    false,
                    &approved,
                ));
            }
        }
        if !active.contains(&attempt.role) {
            if !(local && attempt.role == Role::Operator) {
                return Err(self.ask(
                    now,
                    attempt,
                    device,
                    PairingReason::RoleUpgrade,
                    false,
                    &approved,
                ));
            }
            self.approve_silently(now, attempt, device, scopes.clone(), ApprovedVia::Silent);
        }
        // A device token's own scopes have been compared already.
        if granted == Granted::DeviceToken || covered || self.has(Mutation::ScopeUpgradeUnasked) {
            return Ok(());
        }
        if local && granted.is_shared() && self.profile.rules.lenient_local {
            self.approve_silently(now, attempt, device, scopes, ApprovedVia::Silent);
            return Ok(());
        }
        let refusal = self.ask(
            now,
            attempt,
            device,
            PairingReason::ScopeUpgrade,
            false,
            &approved,
        );
        // The newer release asks, and then looks once more at what has just been approved with the role. Flow
        // setup/other-client-local.
        let record = self.devices.find(&device.id);
        if self.profile.rules.lenient_local && record.is_some_and(|record| record.covers(&scopes)) {
            return Ok(());
        }
        Err(refusal)
    }

    fn refresh_metadata(&mut self, attempt: &Attempt, device: &VerifiedDevice) {
        if let Some(record) = self.devices.find_mut(&device.id) {
            record.platform.clone_from(&attempt.params.client.platform);
            record
                .device_family
                .clone_from(&attempt.params.client.device_family);
        }
    }

    fn request_of(
        &mut self,
        now: UnixMillis,
        attempt: &Attempt,
        device: &VerifiedDevice,
        scopes: Vec<String>,
        silent: bool,
    ) -> PendingDevice {
        let client = &attempt.params.client;
        PendingDevice {
            request_id: self.entropy.uuid().into(),
            device_id: device.id.clone(),
            public_key: device.public_key.clone(),
            display_name: client.display_name.clone(),
            platform: client.platform.clone(),
            device_family: client.device_family.clone(),
            client_id: client.id.clone(),
            client_mode: client.mode.clone(),
            role: attempt.role,
            roles: vec![attempt.role],
            scopes,
            remote_ip: attempt.locality.remote_ip,
            silent,
            is_repair: self.devices.find(&device.id).is_some(),
            ts: now,
            expires_at: expiry(now, self.config.pairing_ttl_ms()),
        }
    }

    fn approve_silently(
        &mut self,
        now: UnixMillis,
        attempt: &Attempt,
        device: &VerifiedDevice,
        scopes: Vec<String>,
        via: ApprovedVia,
    ) {
        let pending = self.request_of(now, attempt, device, scopes, true);
        self.approve(now, &pending, via);
    }

    /// Turns a request into a record with fresh tokens for the roles it asks for, and tells the operators.
    pub(crate) fn approve(&mut self, now: UnixMillis, pending: &PendingDevice, via: ApprovedVia) {
        let mut device = match self.devices.find(&pending.device_id) {
            Some(device) => device.clone(),
            None => new_device(pending, via, now),
        };
        device.public_key.clone_from(&pending.public_key);
        device.display_name.clone_from(&pending.display_name);
        device.platform.clone_from(&pending.platform);
        device.device_family.clone_from(&pending.device_family);
        device.client_id.clone_from(&pending.client_id);
        device.client_mode.clone_from(&pending.client_mode);
        device.remote_ip = pending.remote_ip;
        device.role = pending.role;
        device.roles = union(&device.roles, &pending.roles);
        device.scopes = union(&device.scopes, &pending.scopes);
        device.approved_at = now;
        device.approved_via = via;
        for role in &pending.roles {
            let value = self.mint(SecretKind::DeviceToken);
            let scopes = device.token_scopes(*role);
            match device.tokens.get_mut(role) {
                Some(token) => token.reissue(value, scopes, now),
                None => {
                    device.tokens.insert(*role, Token::new(value, scopes, now));
                }
            }
        }
        self.devices.insert(device);
        self.pending_devices.drop_of(&pending.device_id);
        self.tell_pairing("device.pair.resolved", &pending.resolved("approved", now));
        self.log(
            None,
            format!(
                "device {} approved as {} ({})",
                pending.device_id,
                pending.role,
                via.as_str()
            ),
        );
    }

    /// The token a recorded device gets in hello: the one it has, widened when an approved connect asks for more.
    pub(crate) fn token_for(
        &mut self,
        device: &VerifiedDevice,
        role: Role,
        asked: &[String],
        now: UnixMillis,
    ) -> Option<Token> {
        let fits = self
            .devices
            .find(&device.id)?
            .tokens
            .get(&role)
            .is_some_and(|token| {
                token.revoked_at.is_none()
                    && asked
                        .iter()
                        .all(|scope| gateway_protocol::role::scope_allows(&token.scopes, scope))
            });
        if !fits || self.has(Mutation::TokenPerConnect) {
            let value = self.mint(SecretKind::DeviceToken);
            let record = self.devices.find_mut(&device.id)?;
            let scopes = record.token_scopes(role);
            match record.tokens.get_mut(&role) {
                Some(token) => token.reissue(value, scopes, now),
                None => {
                    record.tokens.insert(role, Token::new(value, scopes, now));
                }
            }
        }
        self.devices.find(&device.id)?.tokens.get(&role).cloned()
    }
}

fn setup_token_of(attempt: &Attempt) -> String {
    let auth = attempt.params.auth.as_ref();
    auth.and_then(|auth| auth.bootstrap_token.as_deref())
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The gateway's own helpers need no record. ref: gateway-behaviour.md §4.3
fn is_local_backend(attempt: &Attempt, granted: Granted) -> bool {
    attempt.is_client("gateway-client", "backend")
        && attempt.role == Role::Operator
        && attempt.locality.local
        && granted.is_shared()
        && !attempt.browser()
}

/// An app that may call its platform by another name from the gateway's own machine.
fn is_native_app(attempt: &Attempt) -> bool {
    ["openclaw-macos", "openclaw-ios", "openclaw-android"]
        .iter()
        .any(|id| attempt.is_client(id, "ui"))
}

fn new_device(pending: &PendingDevice, via: ApprovedVia, now: UnixMillis) -> Device {
    Device {
        id: pending.device_id.clone(),
        public_key: pending.public_key.clone(),
        display_name: None,
        platform: pending.platform.clone(),
        device_family: None,
        client_id: pending.client_id.clone(),
        client_mode: pending.client_mode.clone(),
        role: pending.role,
        roles: Vec::new(),
        scopes: Vec::new(),
        remote_ip: None,
        approved_via: via,
        label: None,
        created_at: now,
        approved_at: now,
        last_seen: None,
        tokens: std::collections::BTreeMap::new(),
    }
}
