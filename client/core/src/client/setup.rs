//! Setup codes, and shared tokens that are tried before anything is replaced. ref: client-behaviour.md §15, §16

use std::time::Duration;

use gateway_protocol::{BootstrapToken, SetupCode, SharedToken};

use crate::client::Client;
use crate::client::connection::{Connection, Slot};
use crate::client::durable::{RegistryAfter, RegistryChange};
use crate::client::lifecycle::{Step, Then};
use crate::client::timers::Timer;
use crate::credential::{Credential, CredentialSource};
use crate::event::DiagnosticCategory as Category;
use crate::hello::Issued;
use crate::input::SocketId;
use crate::intent::IntentOutcome;
use crate::mutation::Mutation;
use crate::output::Output;
use crate::refusal::{Refusal, Verdict};
use crate::registry::{GatewayRecord, SshTunnel};
use crate::url::GatewayUrl;

/// How long a validation may take. ref: §16
const VALIDATION_LIMIT: Duration = Duration::from_secs(15);

impl Client {
    /// Redeems a setup code: the record is durable first, then exactly one connect is forced to the bootstrap token.
    pub(super) fn apply_setup_code(&mut self, code: &str) {
        let code = match SetupCode::decode(code) {
            Ok(code) => code,
            Err(error) => {
                if self.options.has(Mutation::BadCodeClears) {
                    self.clear_all_tokens_for_mutant();
                }
                return self.finish(IntentOutcome::InvalidCode, Some(error.to_string()));
            }
        };
        let Some(text) = code.url else {
            let error = "Setup code must include a gateway URL".to_owned();
            return self.finish(IntentOutcome::InvalidCode, Some(error));
        };
        let Some(url) = GatewayUrl::parse(&text) else {
            return self.finish(
                IntentOutcome::InvalidUrl,
                Some("Gateway URL is invalid".to_owned()),
            );
        };
        let token = code
            .bootstrap_token
            .filter(|token| !token.expose().trim().is_empty());
        let force_bootstrap = token.is_some() && !self.options.has(Mutation::CodeLoses);
        let record = self.record_with_code(&url, token);
        self.diagnose(
            Category::Setup,
            format!("Setup code applied for {}", url.display()),
        );
        let clear_tokens = self.options.policy.clears_tokens_on_setup_code();
        self.save_and_connect(record, &url, force_bootstrap, clear_tokens);
    }

    fn record_with_code(
        &mut self,
        url: &GatewayUrl,
        token: Option<BootstrapToken>,
    ) -> GatewayRecord {
        let mut record = self.record_for(url);
        record.url = url.socket_url();
        if self.options.has(Mutation::BootstrapAsShared) {
            record.shared_gateway_token =
                token.map(|token| SharedToken::new(token.expose().to_owned()));
        } else if token.is_some() {
            record.bootstrap_token = token;
        }
        record
    }

    /// The record of this gateway, by equivalence of URLs, or a new one.
    fn record_for(&mut self, url: &GatewayUrl) -> GatewayRecord {
        let is_alias = |known: &GatewayRecord| known.url != url.socket_url();
        let known = self.state.registry.find_by_url(&url.normalized()).cloned();
        let known =
            known.filter(|known| !(self.options.has(Mutation::AliasIsAnother) && is_alias(known)));
        known.unwrap_or_else(|| GatewayRecord::new(self.new_uuid(), url.socket_url()))
    }

    fn save_and_connect(
        &mut self,
        record: GatewayRecord,
        url: &GatewayUrl,
        force_bootstrap: bool,
        clear_tokens: bool,
    ) {
        self.set_gateway_url(url);
        let gateway_id = record.id.clone();
        self.wait_for(Step::Saving(Then::Connect {
            gateway_id,
            force_bootstrap,
            clear_tokens,
        }));
        let change = RegistryChange::Put {
            record: Box::new(record),
            activate: true,
        };
        self.change_registry(change, RegistryAfter::Transition);
    }

    fn set_gateway_url(&mut self, url: &GatewayUrl) {
        if let Some(transition) = &mut self.transition {
            transition.gateway_url = Some(url.display());
        }
    }

    /// Connects with a shared token. Where role tokens could be lost it is tried on a connection of its own first.
    pub(super) fn connect_shared_token(
        &mut self,
        url: &str,
        token: &str,
        ssh_tunnel: Option<SshTunnel>,
    ) {
        let Some(url) = GatewayUrl::parse(url) else {
            return self.finish(
                IntentOutcome::InvalidUrl,
                Some("Gateway URL is invalid".to_owned()),
            );
        };
        let token = token.trim();
        if token.is_empty() {
            return self.finish(
                IntentOutcome::ConnectionFailed,
                Some("Shared token is empty".to_owned()),
            );
        }
        let known = self.state.registry.find_by_url(&url.normalized()).cloned();
        let mut record = self.record_for(&url);
        record.url = url.socket_url();
        record.shared_gateway_token = Some(SharedToken::new(token));
        record.bootstrap_token = None;
        record.ssh_tunnel = ssh_tunnel;
        keep_ownership(known.as_ref(), &url, &mut record);
        self.set_gateway_url(&url);
        let paired = self
            .state
            .identities
            .get(&record.id)
            .is_some_and(crate::identity::Identity::has_any_token);
        if paired {
            return self.validate_first(record, url, token);
        }
        self.commit_shared_token(record, &url);
    }

    fn commit_shared_token(&mut self, record: GatewayRecord, url: &GatewayUrl) {
        let clear_tokens = self.options.policy.clears_tokens_on_shared_token();
        self.save_and_connect(record, url, false, clear_tokens);
    }

    fn validate_first(&mut self, record: GatewayRecord, url: GatewayUrl, token: &str) {
        let credential = Credential {
            source: CredentialSource::SharedToken,
            secret: token.to_owned(),
        };
        let v2 = record.starts_with_v2() || self.options.force_v2_signature;
        let tunnel = record.ssh_tunnel.clone().filter(|_| self.options.tunnels);
        let authorized = match tunnel {
            Some(_) => Ok(None),
            None => self.authorize(&record, CredentialSource::SharedToken),
        };
        let connection = self.new_connection(Slot::Validation, &record.id, url, credential, v2);
        let gateway_id = record.id.clone();
        let serial = connection.serial;
        self.wait_for(Step::Validating(Box::new(record)));
        match authorized {
            Ok(proof) => {
                self.validation = Some(Connection {
                    proof,
                    ..connection
                });
            }
            Err(denied) => return self.denied(Slot::Validation, denied),
        }
        let at = self.after(VALIDATION_LIMIT);
        self.timers.set(at, Timer::ValidationDeadline { serial });
        self.diagnose(Category::Setup, "Validating shared gateway token");
        match tunnel {
            Some(spec) => self.start_trial_tunnel(gateway_id, &spec),
            None => self.open_socket(Slot::Validation),
        }
    }

    pub(super) fn validation_refused(&mut self, refusal: &Refusal) {
        match refusal.for_operator(self.options.policy) {
            Verdict::Terminal | Verdict::PairingRejected => {
                let message = refusal.message.clone();
                self.validation_failed(&message);
            }
            // The close that follows ends it. ref: §16
            Verdict::Pairing | Verdict::SignatureInvalid | Verdict::Other => {}
        }
    }

    /// The gateway accepted the token. What it issued is not kept, except by the older client. ref: §31
    pub(super) fn validation_succeeded(&mut self, tokens: Vec<Issued>) {
        if self.options.policy.persists_validation_tokens() {
            let socket = self.validation.as_ref().and_then(|it| it.phase.socket());
            for issued in tokens {
                self.token_issued(Slot::Validation, socket.unwrap_or(SocketId(0)), issued);
            }
        }
        self.end_validation();
        let step = self.transition.as_ref().map(|it| it.step.clone());
        if let Some(Step::Validating(record)) = step
            && let Some(url) = GatewayUrl::parse(&record.url)
        {
            self.diagnose(Category::Setup, "Shared gateway token is valid");
            self.commit_shared_token(*record, &url);
        }
    }

    pub(super) fn validation_failed(&mut self, message: &str) {
        self.end_validation();
        self.diagnose_with(
            Category::Setup,
            "Shared token validation failed",
            Some(message.to_owned()),
        );
        if self
            .transition
            .as_ref()
            .is_some_and(|it| matches!(it.step, Step::Validating(_)))
        {
            self.finish(IntentOutcome::ConnectionFailed, Some(message.to_owned()));
        }
    }

    pub(super) fn validation_timed_out(&mut self, serial: u64) {
        if self
            .validation
            .as_ref()
            .is_some_and(|it| it.serial == serial)
        {
            self.validation_failed("Timed out validating shared gateway token");
        }
    }

    /// The one connection that the client closes politely. ref: §7
    fn end_validation(&mut self) {
        self.stop_trial_tunnel();
        if let Some(socket) = self.validation.take().and_then(|it| it.phase.socket()) {
            self.outputs.push_back(Output::Close {
                socket,
                code: 1000,
                reason: "Disconnecting".to_owned(),
            });
        }
    }
}

/// Managed ownership survives only on the very same endpoint of a managed local record. ref: §4.2
fn keep_ownership(old: Option<&GatewayRecord>, url: &GatewayUrl, record: &mut GatewayRecord) {
    let Some(old) = old else { return };
    let same_endpoint = GatewayUrl::parse(&old.url).is_some_and(|old| {
        let host =
            old.host.eq_ignore_ascii_case(&url.host) || (old.is_loopback() && url.is_loopback());
        let rest = (
            old.tls,
            old.port,
            &old.userinfo,
            &old.path,
            &old.query,
            &old.fragment,
        ) == (
            url.tls,
            url.port,
            &url.userinfo,
            &url.path,
            &url.query,
            &url.fragment,
        );
        host && rest
    });
    let managed = old.is_local && old.managed_distro().is_some() && record.ssh_tunnel.is_none();
    if managed && same_endpoint {
        return;
    }
    record.setup_managed_distro_name = None;
    record.requires_v2_signature = false;
    record.is_local = url.is_loopback();
    if record
        .friendly_name
        .as_deref()
        .is_some_and(|name| name.starts_with("Local ("))
    {
        record.friendly_name = None;
    }
}
