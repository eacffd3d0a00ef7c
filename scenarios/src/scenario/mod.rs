//! The scenario value: what is arranged, what happens, what must hold at the end.
//!
//! A scenario is data. Three makers give the same value: a TOML file ([`parse`]), [`Scenario::builder`],
//! and [`mod@print`] turns a value back into a file. The runner sees only the value.
//!
//! | module | content |
//! |---|---|
//! | `actor` `setup` `gateway` `agent` `fault` `connect` | what is arranged |
//! | `step` `intent` `control` `pattern` | the verbs and what they look for |
//! | `finally` | what must hold at the end |
//! | [`parse`] [`check`] [`mod@print`] [`schema`] | TOML with places in errors, sense, the way back, JSON Schema |
//!
//! ```
//! let text = r#"
//! title = "A client connects"
//! about = "gateway-behaviour 2"
//! [actor.companion]
//! kind = "client"
//! holds = { shared_token = "valid" }
//! [[step]]
//! start = "companion"
//! [[step]]
//! expect = { to = "companion", response = "connect", ok = true }
//! "#;
//! let scenario = scenarios::scenario::parse("setup-connect/a-client-connects", text).unwrap();
//! assert_eq!(scenario.steps.len(), 2);
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod actor;
mod agent;
mod behavior;
mod builder;
pub mod captures;
pub mod check;
mod connect;
mod control;
mod diagnostic;
mod fault;
mod finally;
mod gateway;
mod intent;
mod lapse;
mod listener;
mod located;
pub mod lower;
mod parsing;
mod pattern;
pub mod print;
pub mod schema;
mod setup;
mod shard;
mod step;

pub use actor::{Actor, ClientActor, Held, Holds, Peer, Policy, RawActor, Service, UrlForm};
pub use agent::{AgentPlan, TurnEnd, TurnPlan, parse_agent};
pub use builder::Builder;
pub use connect::{AuthPlan, ConnectPlan, DevicePlan};
pub use control::{
    Broadcast, Control, Invoke, MintSetupCode, Restart, TokenOf, Tunnel, TunnelName,
};
pub use diagnostic::{Problem, Problems, Severity};
pub use fault::{Fault, FaultName, Way};
pub use finally::Finally;
pub use gateway::{
    AuthMode, ChallengePlan, ClosePlan, ConnectionPlan, GatewayPlan, HttpPlan, On, RateLimit,
    ScriptLine, WizardPlan,
};
pub use intent::{Do, IntentName, PairingKind};
pub use lapse::{Lapse, LapseError, Offset};
pub use listener::{Listener, ListenerName, Look, Seen};
pub use located::Located;
pub(crate) use parsing::explain;
pub use parsing::{parse, parse_unchecked};
pub use pattern::{
    At, ClosePattern, Count, DEFAULT_WITHIN, Ended, Expect, Never, Pattern, Quiet, RoleName, Which,
};
pub use schema::schema_json;
pub use setup::{BackEnd, OpenClaw, SetupActor};
pub use shard::Shard;
pub use step::{Clock, Close, Death, Disk, End, How, IdentityFile, Moment, Send, Step, WhichClock};

/// A scenario.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Its stable name: the path below `suite/` without `.toml`. Not written in the file.
    #[serde(skip)]
    pub id: String,
    /// What it shows, as a sentence.
    pub title: String,
    /// Where it comes from: an issue, a requirement, a page of the reference.
    pub about: String,
    /// Capabilities that the client under test must have (`node`, `companion`, ...).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// The shard, when it is not the first segment of the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Which companion its clients behave like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// `strict`: a credential that goes out before its trust condition is met is a finding. ref: the invariant
    /// `credentials_follow_trust`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
    /// The gateway version that the mock behaves like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The seed of every run of it, whatever seed the run has: for what depends on what was drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Where it runs; `memory` and `loopback` when absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub worlds: Vec<WorldName>,
    /// Invariants that it breaks on purpose, each with the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub allow: BTreeMap<String, String>,
    /// The parties.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Actor>")]
    pub actor: IndexMap<String, Actor>,
    /// The gateway's side.
    #[serde(skip_serializing_if = "actor::is_default")]
    pub gateway: GatewayPlan,
    /// The script.
    #[serde(rename = "step")]
    pub steps: Vec<Located<Step>>,
    /// What must not be seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub never: Vec<Located<Never>>,
    /// How often something is seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub count: Vec<Located<Count>>,
    /// What must hold when the script is over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finally: Vec<Located<Finally>>,
    /// The text it was read from, and the file's name, for findings that point there.
    #[serde(skip)]
    pub source: Source,
}

/// How much must be proven before a credential goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// All that its trust condition wants.
    Strict,
}

/// Where a scenario was read from.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// File name for messages, relative to the workspace or the suite.
    pub file: String,
    /// The whole text.
    pub text: String,
}

/// Two scenarios that say the same are equal, wherever they were read from.
impl PartialEq for Source {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

/// The grounds that a scenario can run on.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum WorldName {
    /// The two brains in a loop, without sockets, in virtual time.
    Core,
    /// The real shells over in-memory streams, in virtual time.
    Memory,
    /// The real shells over TCP on the loopback interface, in real time.
    Loopback,
    /// The real gateway.
    Real,
    /// A WSL distribution.
    Wsl,
}

impl WorldName {
    /// Every world.
    pub const ALL: [Self; 5] = [
        Self::Core,
        Self::Memory,
        Self::Loopback,
        Self::Real,
        Self::Wsl,
    ];

    /// The word used in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Memory => "memory",
            Self::Loopback => "loopback",
            Self::Real => "real",
            Self::Wsl => "wsl",
        }
    }

    /// The world with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|world| world.name() == name)
    }
}

impl Scenario {
    /// The same, with a gateway and a script that are this many times faster.
    #[must_use]
    pub fn with_time_scale(mut self, times: u32) -> Self {
        self.gateway.time_scale = Some(times);
        self
    }

    /// The same, with every credential held to its trust condition.
    #[must_use]
    pub fn with_trust(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// Starts a scenario made in Rust.
    pub fn builder(id: &str, title: &str) -> Builder {
        Builder::new(id, title)
    }

    /// Time that passes whatever the client does: what it elapses, and how long it wants silence.
    pub fn floor(&self) -> Duration {
        let each = self.steps.iter().map(|step| match &step.value {
            Step::Elapse(lapse) => lapse.0,
            Step::Quiet(quiet) => quiet.lasting.0,
            Step::Expect(expect) => expect.not_before.unwrap_or_default().0,
            Step::Start(_)
            | Step::Stop(_)
            | Step::Do(_)
            | Step::Send(_)
            | Step::Fault(_)
            | Step::Heal(_)
            | Step::Close(_)
            | Step::Control(_)
            | Step::Clock(_)
            | Step::Disk(_)
            | Step::Note(_) => Duration::ZERO,
        });
        each.sum()
    }

    /// How the command line selects it: by its id, after `--suite` where it lies in a suite of somebody's own.
    pub fn selected(&self) -> String {
        if let Some((id, policy)) = self.id.rsplit_once('@') {
            let plain = Self {
                id: id.to_owned(),
                source: self.source.clone(),
                ..Self::default()
            };
            return format!("{} --policy {policy}", plain.selected());
        }
        let file = self.source.file.strip_suffix(".toml");
        let suite = file.and_then(|file| file.strip_suffix(self.id.as_str()));
        let suite = suite.unwrap_or_default().trim_end_matches('/');
        if suite.is_empty() || suite == "suite" || suite.ends_with("scenarios/suite") {
            return self.id.clone();
        }
        let quote = if suite.contains(' ') { "'" } else { "" };
        format!("--suite {quote}{suite}{quote} {}", self.id)
    }

    /// The worlds it runs in.
    pub fn worlds(&self) -> Vec<WorldName> {
        if self.worlds.is_empty() {
            vec![WorldName::Memory, WorldName::Loopback]
        } else {
            self.worlds.clone()
        }
    }

    /// The shard: said in the head, else the first segment of the id.
    pub fn shard(&self) -> Option<Shard> {
        self.shard.or_else(|| Shard::of_id(&self.id))
    }

    /// Whether the gateway's own view at the end decides something.
    pub(crate) fn asks_the_gateway(&self) -> bool {
        let plans = !self.gateway.on.is_empty() || !self.gateway.connection.is_empty();
        let mounts = |step: &Located<Step>| matches!(&step.value, Step::Control(control) if control.on.is_some());
        plans
            || self.steps.iter().any(mounts)
            || self.finally.iter().any(|it| it.value.gateway.is_some())
    }

    /// Whether what clients have stored at the end decides something.
    pub(crate) fn asks_the_disk(&self) -> bool {
        let mut ends = self.finally.iter();
        ends.any(|it| it.value.durable.is_some())
    }

    /// The deliberate bug that its first client or set-up has, if any.
    pub fn mutation(&self) -> Option<&str> {
        self.actor.values().find_map(|actor| match actor {
            Actor::Client(client) => client.mutation.as_deref(),
            Actor::Setup(setup) => setup.mutation.as_deref(),
            Actor::Raw(_) => None,
        })
    }

    /// The same with another OpenClaw and other distros in every set-up; what is `None` stays.
    #[must_use]
    pub fn set_up_with(mut self, openclaw: Option<OpenClaw>, back_end: Option<BackEnd>) -> Self {
        for actor in self.actor.values_mut() {
            if let Actor::Setup(setup) = actor {
                setup.openclaw = openclaw.unwrap_or(setup.openclaw);
                setup.back_end = back_end.unwrap_or(setup.back_end);
            }
        }
        self
    }

    /// The set-up that wants this machine in one of its unusual ways, if there is one.
    pub(crate) fn set_up(&self) -> Option<&SetupActor> {
        let mut actors = self.actor.values();
        actors.find_map(|actor| match actor {
            Actor::Setup(setup) => Some(setup.as_ref()),
            Actor::Client(_) | Actor::Raw(_) => None,
        })
    }

    /// The same with a deliberate bug in every client, or in every set-up when it is one of a set-up.
    #[must_use]
    pub fn with_mutation(mut self, mutation: &str) -> Self {
        let of_setup = wsl_fixtures::setup::Mutation::named(mutation).is_some();
        for actor in self.actor.values_mut() {
            match actor {
                Actor::Client(client) if !of_setup => client.mutation = Some(mutation.to_owned()),
                Actor::Setup(setup) if of_setup => setup.mutation = Some(mutation.to_owned()),
                Actor::Client(_) | Actor::Setup(_) | Actor::Raw(_) => {}
            }
        }
        self
    }

    /// The same with clients that behave like another companion, under an id of its own; none when the file says itself
    /// which companion it is about, or has no client.
    pub fn under(&self, policy: Policy) -> Option<Self> {
        let mut clients = self.actor.values().filter_map(Actor::client).peekable();
        clients.peek()?;
        let says = |client: &ClientActor| client.policy.is_some() || client.upgrade.is_some();
        if self.policy.is_some() || clients.any(says) {
            return None;
        }
        Some(Self {
            id: format!("{}@{}", self.id, policy.name()),
            shard: self.shard(),
            policy: Some(policy),
            ..self.clone()
        })
    }

    /// Line and column (from 1) of a place in the file.
    pub fn line_of(&self, at: Option<&std::ops::Range<usize>>) -> Option<(usize, usize)> {
        let start = at?.start;
        let before = self.source.text.get(..start)?;
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .map_or(0, |rest| rest.chars().count())
            + 1;
        Some((line, column))
    }

    /// `suite/x/y.toml:12` for a place in the file, or the id when it was made in Rust.
    pub fn place(&self, at: Option<&std::ops::Range<usize>>) -> String {
        match self.line_of(at) {
            Some((line, _column)) => format!("{}:{line}", self.source.file),
            None if self.source.file.is_empty() => self.id.clone(),
            None => self.source.file.clone(),
        }
    }
}

#[cfg(test)]
mod suite_tests;
