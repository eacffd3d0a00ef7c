//! What is there before the first step: a gateway with its configuration, behaviours and paired devices,
//! clients with their stored credentials, keys for raw actors. Pure: the same for every world.
//!
//! A credential that a client `holds` as valid is not made up: it is issued by the gateway's own pairing,
//! driven to the end before time begins.

use std::collections::BTreeMap;

use client_core::{
    ClientOptions, DurableState, EndpointOwner, GatewayRecord, Identity, Input, SshTunnel,
};
use gateway_client::MemoryState;
use gateway_core::{AuthMode, Config, Control, Gateway, Profile};
use gateway_protocol::time::VIRTUAL_EPOCH;
use gateway_protocol::{
    BootstrapToken, DeviceToken, Keypair, Now, Password, Role, SetupCode, SharedToken,
};
use std::time::Duration;
use thiserror::Error;
use wsl_fixtures::setup::Mutation;

mod copy;
mod identity;
mod options;

pub(crate) use self::identity::{identity_read, turn_identity};
pub(crate) use self::options::client_seed;
use self::options::{options, policy};

use super::draw::Draw;
use super::pairing::{Applicant, PairingError, pair};
use super::set_up::{Ground, Tools};
use crate::scenario::lower::{LowerError, behavior, config, on_name, plan_name, planned};
use crate::scenario::{
    Actor, ClientActor, Held, Peer, RawActor, Scenario, Service, SetupActor, UrlForm,
};

/// Id of the one gateway that clients know at first.
pub(crate) const GATEWAY_ID: &str = "gateway";

/// The distribution of a gateway that the app manages.
const DISTRO: &str = "OpenClaw";

/// A gateway behind an SSH tunnel: nobody reaches it at this address.
const FAR_ADDRESS: &str = "ws://gateway.example:18790";

/// Port of the gateway, and of the near end of a tunnel to it.
pub(crate) const PORT: u16 = 18_789;

/// The tunnel of `holds = { tunnel = true }`.
pub(crate) fn ssh_tunnel() -> SshTunnel {
    SshTunnel {
        user: "openclaw".to_owned(),
        host: "gateway.example".to_owned(),
        remote_port: PORT,
        local_port: PORT,
        include_browser_proxy_forward: false,
        ssh_port: 22,
    }
}

/// Out of the range for documentation: where remote clients appear to be.
const REMOTE_ADDRESS: &str = "203.0.113.7";

/// Names the actor behind a connection in the transcript; no gateway looks at it.
pub(crate) const ACTOR_HEADER: &str = "x-clawproof-actor";

/// Operator scopes that a companion asks for when it is new. ref: client-behaviour.md §8
const OPERATOR_SCOPES: [&str; 2] = ["operator.admin", "operator.pairing"];

/// Everything that is there before the first step.
#[derive(Clone)]
pub(crate) struct Arrangement {
    /// The gateway, with paired devices and mounted behaviours; taken by the world.
    pub(crate) gateway: Option<Gateway>,
    /// Its configuration.
    pub(crate) config: Config,
    pub(crate) profile: &'static Profile,
    /// Clients by name.
    pub(crate) clients: BTreeMap<String, ClientPlan>,
    pub(crate) setups: BTreeMap<String, SetupPlan>,
    /// Raw actors by name.
    pub(crate) raws: BTreeMap<String, RawPlan>,
    /// What opens the gateway's control endpoint, where a world has one.
    pub(crate) orders: String,
    /// Secrets that were made up, for the redactor: kind and value.
    pub(crate) secrets: Vec<(&'static str, String)>,
}

/// A client before it runs.
#[derive(Clone, Debug)]
pub(crate) struct ClientPlan {
    /// What it is told once.
    options: ClientOptions,
    /// The policy of every start but the first.
    upgrade: Option<client_core::Policy>,
    /// What is on its disk; record URLs are filled in by the world.
    pub(crate) state: DurableState,
    /// How far its wall clock is ahead.
    pub(crate) offset_ms: i64,
    /// Extra lines of its upgrade requests.
    pub(crate) headers: Vec<String>,
    /// What comes of its restarts of the gateway's service.
    pub(crate) service: Option<Service>,
}

impl ClientPlan {
    /// What it is told while a set-up uses it: one role at a time, and the signature that every release reads.
    pub(crate) fn for_set_up(&self, node_enabled: bool) -> ClientOptions {
        ClientOptions {
            node_enabled,
            force_v2_signature: true,
            ..self.options.clone()
        }
    }

    /// What it draws from here on comes from this seed.
    pub(crate) const fn reseed(&mut self, seed: u64) {
        self.options.seed = seed;
    }

    /// Puts the gateway's port into its records.
    pub(crate) fn move_to(&mut self, port: u16) {
        for record in &mut self.state.registry.gateways {
            record.url = record.url.replace("18789", &port.to_string());
        }
    }

    /// What it is told at this start.
    pub(crate) fn start(&mut self) -> ClientOptions {
        let options = self.options.clone();
        if let Some(policy) = self.upgrade {
            self.options.policy = policy;
        }
        options
    }
}

/// A set-up before it is run.
#[derive(Clone, Debug)]
pub(crate) struct SetupPlan {
    /// What the scenario says.
    pub(crate) actor: SetupActor,
    config: wsl_fixtures::setup::Config,
    machine: wsl_fixtures::Machine,
    token: String,
}

impl SetupPlan {
    fn new(actor: &SetupActor, config: &Config) -> Result<Self, ArrangeError> {
        let known = |name: &String| Mutation::named(name).is_some();
        if let Some(name) = actor.mutation.as_ref().filter(|name| !known(name)) {
            return Err(ArrangeError::Mutation(name.clone()));
        }
        let token = config.auth.token.as_ref();
        Ok(Self {
            actor: actor.clone(),
            config: actor.config().map_err(ArrangeError::Setup)?,
            machine: actor.machine().map_err(ArrangeError::Setup)?,
            token: token.map_or_else(String::new, |token| token.expose().to_owned()),
        })
    }

    /// What it works with; `state` is what its companion stores.
    pub(crate) fn tools(&self, state: MemoryState, ground: Option<Ground>) -> Tools {
        Tools {
            actor: self.actor.clone(),
            config: self.config_on(ground.as_ref()),
            machine: self.machine.clone(),
            state,
            token: self.token.clone(),
            ground,
        }
    }

    fn config_on(&self, ground: Option<&Ground>) -> wsl_fixtures::setup::Config {
        let mut config = self.config.clone();
        if let Some(ground) = ground {
            config.gateway_port = ground.port;
        }
        config
    }
}

/// A raw actor before its first connection.
#[derive(Clone, Debug)]
pub(crate) struct RawPlan {
    /// Its key pair.
    pub(crate) key: Keypair,
    /// `Origin` of its upgrade requests.
    pub(crate) origin: Option<String>,
    /// Extra lines of its upgrade requests.
    pub(crate) headers: Vec<String>,
}

/// A scenario that can't be arranged.
#[derive(Debug, Error)]
pub(crate) enum ArrangeError {
    /// The gateway does not know the version.
    #[error("arrange the gateway: unknown profile '{0}'")]
    Profile(String),
    /// The gateway does not understand a part.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// The gateway would not start with this configuration.
    #[error("configure the gateway: {0}")]
    Config(#[from] gateway_core::config::ConfigError),
    /// A behaviour was not accepted.
    #[error("mount a behaviour: {0}")]
    Mount(gateway_core::ControlError),
    /// A credential could not be issued.
    #[error("issue what {actor} holds: {source}")]
    Holds {
        /// The client.
        actor: String,
        /// What stood in the way.
        source: PairingError,
    },
    /// A set-up can't be read.
    #[error("arrange the set-up: {0}")]
    Setup(String),
    /// The client, or the set-up, knows no such mistake.
    #[error("switch on the mutation '{0}': there is no such mistake")]
    Mutation(String),
}

/// The first reading of every virtual clock.
pub(crate) fn beginning() -> Now {
    Now::at(Duration::ZERO, VIRTUAL_EPOCH)
}

/// Arranges a scenario.
pub(crate) fn arrange(scenario: &Scenario, seed: u64) -> Result<Arrangement, ArrangeError> {
    arrange_with_token(scenario, seed, None)
}

/// Arranges a scenario for a gateway whose shared token is given; one that is `None` is drawn.
pub(crate) fn arrange_with_token(
    scenario: &Scenario,
    seed: u64,
    token: Option<&str>,
) -> Result<Arrangement, ArrangeError> {
    arrange_drawn(scenario, Draw::of(&scenario.id, seed), token)
}

/// Arranges a scenario by this chance.
fn arrange_drawn(
    scenario: &Scenario,
    draw: Draw,
    token: Option<&str>,
) -> Result<Arrangement, ArrangeError> {
    let version = scenario
        .profile
        .as_deref()
        .unwrap_or(gateway_core::DEFAULT_PROFILE);
    let profile =
        gateway_core::profile(version).ok_or_else(|| ArrangeError::Profile(version.to_owned()))?;
    let config = gateway_config(scenario, profile, draw, token)?;
    let mut gateway = Gateway::new(config.clone(), profile, draw.seed("gateway"), beginning());
    if let Some(catalog) = crate::referee::standing().catalog() {
        gateway.use_catalog(catalog);
    }
    let mut arrangement = Arranger {
        draw,
        scenario,
        config: &config,
        gateway: &mut gateway,
        secrets: Vec::new(),
    };
    let mut clients = BTreeMap::new();
    let mut raws = BTreeMap::new();
    let mut setups = BTreeMap::new();
    for (name, actor) in &scenario.actor {
        match actor {
            Actor::Client(client) => {
                clients.insert(name.clone(), arrangement.client(name, client)?);
            }
            Actor::Setup(actor) => {
                setups.insert(name.clone(), SetupPlan::new(actor, &config)?);
            }
            Actor::Raw(raw) => {
                raws.insert(name.clone(), raw_plan(draw, name, raw));
            }
        }
    }
    let mut secrets = arrangement.secrets;
    let orders = draw.token("control-token");
    secrets.push(("control-token", orders.clone()));
    secrets.extend(
        config
            .auth
            .token
            .iter()
            .map(|token| ("shared-token", token.expose().to_owned())),
    );
    secrets.extend(
        config
            .auth
            .password
            .iter()
            .map(|password| ("password", password.expose().to_owned())),
    );
    mount(&mut gateway, scenario)?;
    Ok(Arrangement {
        gateway: Some(gateway),
        config,
        profile,
        clients,
        setups,
        raws,
        orders,
        secrets,
    })
}

fn gateway_config(
    scenario: &Scenario,
    profile: &Profile,
    draw: Draw,
    token: Option<&str>,
) -> Result<Config, ArrangeError> {
    let mut config = config(&scenario.gateway, profile)?.config;
    match config.auth.mode {
        AuthMode::Token => {
            config.auth.token.get_or_insert_with(|| {
                token.map_or_else(
                    || SharedToken::new(draw.token("shared-token")),
                    SharedToken::new,
                )
            });
        }
        AuthMode::Password => {
            config
                .auth
                .password
                .get_or_insert_with(|| Password::new(draw.token("password")));
        }
        AuthMode::None => {}
    }
    let somebody_is_remote = scenario
        .actor
        .values()
        .any(|actor| actor.peer() == Peer::Remote);
    if somebody_is_remote && config.trusted_proxies.is_empty() {
        config
            .trusted_proxies
            .push(std::net::Ipv4Addr::LOCALHOST.to_string());
    }
    Ok(config)
}

fn mount(gateway: &mut Gateway, scenario: &Scenario) -> Result<(), ArrangeError> {
    for (index, on) in scenario.gateway.on.iter().enumerate() {
        let behavior = Box::new(behavior(on, &on_name(index))?);
        gateway
            .control(beginning(), Control::Mount { behavior })
            .map_err(ArrangeError::Mount)?;
    }
    for (index, plan) in scenario.gateway.connection.iter().enumerate() {
        if let Some(behavior) = planned(plan, &plan_name(index))? {
            let behavior = Box::new(behavior);
            gateway
                .control(beginning(), Control::Mount { behavior })
                .map_err(ArrangeError::Mount)?;
        }
    }
    if let Some(offset) = scenario.gateway.clock {
        let shift = Control::ShiftClock {
            offset_ms: offset.millis,
        };
        gateway
            .control(beginning(), shift)
            .map_err(ArrangeError::Mount)?;
    }
    while gateway.poll().is_some() {}
    Ok(())
}

fn raw_plan(draw: Draw, name: &str, raw: &RawActor) -> RawPlan {
    let owner = raw.identity_of.as_deref().unwrap_or(name);
    RawPlan {
        key: draw.key(&format!("device-key {owner}")),
        origin: raw.origin.clone(),
        headers: headers(name, raw.peer),
    }
}

fn headers(name: &str, peer: Peer) -> Vec<String> {
    let mut lines = vec![format!("{ACTOR_HEADER}: {name}")];
    if peer == Peer::Remote {
        lines.push(format!("x-forwarded-for: {REMOTE_ADDRESS}"));
    }
    lines
}

struct Arranger<'a> {
    draw: Draw,
    scenario: &'a Scenario,
    config: &'a Config,
    gateway: &'a mut Gateway,
    secrets: Vec<(&'static str, String)>,
}

impl Arranger<'_> {
    fn client(&mut self, name: &str, actor: &ClientActor) -> Result<ClientPlan, ArrangeError> {
        let options = options(self.draw, self.scenario, name, actor)?;
        let mut paired = options.clone();
        if let Some(platform) = &actor.holds.paired_platform {
            paired.platform.clone_from(platform);
        }
        let state = self.state(name, actor, &paired)?;
        Ok(ClientPlan {
            options,
            upgrade: actor.upgrade.map(policy),
            state,
            offset_ms: actor.clock.unwrap_or_default().millis,
            headers: headers(name, actor.peer),
            service: actor.service,
        })
    }

    fn state(
        &mut self,
        name: &str,
        actor: &ClientActor,
        options: &ClientOptions,
    ) -> Result<DurableState, ArrangeError> {
        let holds = &actor.holds;
        let mut state = DurableState::default();
        if holds.no_record && holds.nothing() {
            return Ok(state);
        }
        let near = address(actor.url.unwrap_or_else(|| UrlForm::of(actor.peer)));
        let url = if holds.tunnel { FAR_ADDRESS } else { near };
        let mut record = GatewayRecord::new(GATEWAY_ID, url);
        record.ssh_tunnel = holds.tunnel.then(ssh_tunnel);
        record.requires_v2_signature = holds.requires_v2;
        record.setup_managed_distro_name = holds.managed.then(|| DISTRO.to_owned());
        record.shared_gateway_token = self
            .shared_token(name, holds.shared_token)
            .map(SharedToken::new);
        let bootstrap = self.bootstrap_token(name, holds.bootstrap_token)?;
        record.bootstrap_token = bootstrap.map(BootstrapToken::new);
        state.registry.upsert(record);
        state.registry.active_id = Some(GATEWAY_ID.to_owned());

        let key_name = format!("device-key {name}");
        let mut identity = Identity::from_seed(self.draw.bytes(&key_name), beginning().wall);
        let operator_scopes = holds
            .operator_scopes
            .clone()
            .unwrap_or_else(|| OPERATOR_SCOPES.map(str::to_owned).to_vec());
        for (role, held) in [
            (Role::Operator, holds.operator_token),
            (Role::Node, holds.node_token),
        ] {
            let scopes = if role == Role::Operator {
                operator_scopes.clone()
            } else {
                Vec::new()
            };
            if let Some(token) = self.device_token(name, options, role, held, &scopes)? {
                identity.set_token(
                    role,
                    Some(DeviceToken::new(token)),
                    (!scopes.is_empty()).then(|| scopes.clone()),
                );
            }
        }
        state.identities.insert(GATEWAY_ID.to_owned(), identity);
        Ok(state)
    }

    fn shared_token(&mut self, name: &str, held: Held) -> Option<String> {
        match held {
            Held::Absent => None,
            Held::Blank => Some("  ".to_owned()),
            Held::Stale => Some(self.forgotten("shared-token", name)),
            Held::Valid => self
                .config
                .auth
                .token
                .as_ref()
                .map(|token| token.expose().to_owned()),
        }
    }

    fn bootstrap_token(&mut self, name: &str, held: Held) -> Result<Option<String>, ArrangeError> {
        match held {
            Held::Absent => Ok(None),
            Held::Blank => Ok(Some("  ".to_owned())),
            Held::Stale => Ok(Some(self.forgotten("bootstrap-token", name))),
            Held::Valid => {
                let mint = Control::MintSetupCode {
                    url: Some("ws://localhost:18789".to_owned()),
                    ttl_ms: None,
                    limited: false,
                };
                let minted = self
                    .gateway
                    .control(beginning(), mint)
                    .map_err(ArrangeError::Mount)?;
                while self.gateway.poll().is_some() {}
                let code = minted
                    .get("setupCode")
                    .and_then(serde_json::Value::as_str)
                    .unwrap_or_default();
                let token = SetupCode::decode(code)
                    .ok()
                    .and_then(|code| code.bootstrap_token);
                Ok(token.map(|token| {
                    self.secrets
                        .push(("bootstrap-token", token.expose().to_owned()));
                    token.expose().to_owned()
                }))
            }
        }
    }

    fn device_token(
        &mut self,
        name: &str,
        options: &ClientOptions,
        role: Role,
        held: Held,
        scopes: &[String],
    ) -> Result<Option<String>, ArrangeError> {
        match held {
            Held::Absent => Ok(None),
            Held::Blank => Ok(Some("  ".to_owned())),
            Held::Stale => Ok(Some(
                self.forgotten("device-token", &format!("{name} {role}")),
            )),
            Held::Valid => {
                let applicant = Applicant {
                    key: self.draw.key(&format!("device-key {name}")),
                    options,
                    role,
                    scopes,
                    auth: &self.config.auth,
                };
                let token =
                    pair(self.gateway, &applicant).map_err(|source| ArrangeError::Holds {
                        actor: name.to_owned(),
                        source,
                    })?;
                self.secrets.push(("device-token", token.clone()));
                Ok(Some(token))
            }
        }
    }

    /// A well-formed secret that no gateway ever issued.
    fn forgotten(&mut self, kind: &'static str, name: &str) -> String {
        let value = self.draw.token(&format!("forgotten {kind} {name}"));
        self.secrets.push((kind, value.clone()));
        value
    }
}

/// What a look at the gateway's port has found.
pub(crate) fn finding(owner: EndpointOwner) -> Input {
    Input::EndpointOwner {
        gateway_id: GATEWAY_ID.to_owned(),
        owner,
    }
}

/// The gateway's address as the client's record spells it; a world puts its own port in.
const fn address(form: UrlForm) -> &'static str {
    match form {
        UrlForm::Localhost => "ws://localhost:18789",
        UrlForm::Ipv4 => "ws://127.0.0.1:18789",
        UrlForm::Ipv6 => "ws://[::1]:18789",
        UrlForm::Lan => "ws://192.168.1.20:18789",
    }
}
