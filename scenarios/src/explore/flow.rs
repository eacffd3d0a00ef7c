//! A seed as a scenario: what is held, what happens, what must hold at the end.

use serde_json::json;

use super::chance::{Chance, links, roles};
use super::event::Event;
use super::model::{COMPANION, Model, Promise};
use crate::scenario::{
    Actor, ClientActor, Finally, GatewayPlan, Held, Holds, Lapse, Located, Policy, Scenario, Shard,
    WorldName,
};

/// The fewest events of a safety phase: a start, and something.
const FEWEST_EVENTS: u32 = 2;

/// The most events of a safety phase, one of them drawn: most bugs show in a small scope, and a short flow leaves time for
/// another.
const MOST_EVENTS: [u32; 16] = [2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 6, 14];

/// With more events than this the tail is always a long one.
const FEW_EVENTS: u32 = 6;

/// Of how many flows with few events one has a long tail.
const LONG_TAILS: u32 = 8;

/// The companions that are drawn: the older one less often, since its weaknesses are known.
const POLICIES: [Policy; 4] = [
    Policy::Hardened,
    Policy::Hardened,
    Policy::Hardened,
    Policy::Pr741,
];

/// What follows the events of a brief flow.
const BRIEF: [Event; 1] = [Event::Elapse(20_000)];

/// What the companion holds at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Everything.
    All,
    /// Both device tokens.
    Tokens,
    /// The shared token.
    Shared,
    /// A bootstrap token.
    Bootstrap,
    /// A bootstrap token beside everything else.
    AllAndBootstrap,
}

impl Holding {
    /// What is drawn: a device that has to be paired first less often, since every such flow begins with the same five
    /// handshakes.
    const DRAWN: [Self; 8] = [
        Self::All,
        Self::All,
        Self::All,
        Self::Tokens,
        Self::Tokens,
        Self::Shared,
        Self::Bootstrap,
        Self::AllAndBootstrap,
    ];

    /// Whether the gateway knows the device.
    pub(super) const fn has_device(self) -> bool {
        matches!(self, Self::All | Self::Tokens | Self::AllAndBootstrap)
    }

    /// Whether the shared token is on the disk.
    pub(super) const fn has_shared(self) -> bool {
        matches!(self, Self::All | Self::Shared | Self::AllAndBootstrap)
    }

    fn holds(self, roles: Roles) -> Holds {
        let when = |is: bool| if is { Held::Valid } else { Held::Absent };
        Holds {
            shared_token: when(self.has_shared()),
            bootstrap_token: when(matches!(self, Self::Bootstrap | Self::AllAndBootstrap)),
            operator_token: when(self.has_device()),
            node_token: when(self.has_device() && roles == Roles::Both),
            ..Holds::default()
        }
    }
}

/// Who decides about pairing requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Somebody who approves everything at once.
    ApprovesAll,
    /// A person, who decides when a drawn event says so.
    Person,
}

/// Which connections the companion makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    /// One as operator and one as node.
    Both,
    /// One as operator: its node is switched off.
    Operator,
}

/// A drawn flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Which companion.
    pub policy: Policy,
    /// Who decides about its requests.
    pub owner: Owner,
    /// What it holds.
    pub holding: Holding,
    /// Which connections it makes.
    pub roles: Roles,
    /// How long messages take on each link, in milliseconds; nothing at all when there is none.
    pub links: Vec<u16>,
    /// The safety phase.
    pub events: Vec<Event>,
    /// Whether its tail goes on when what was promised holds and nothing disturbs it any more.
    pub is_long: bool,
    /// Whether it ends soon after the last event, with nothing promised: enough for what needs no end, and a storm is
    /// ten minutes shorter.
    pub is_brief: bool,
    /// Whether it ends when it is ready for the first time, and need not stay so.
    pub is_ready_once: bool,
}

impl Flow {
    /// The flow of a seed.
    pub fn drawn(seed: u64) -> Self {
        let mut chance = Chance::of(seed);
        let policy = chance.pick(&POLICIES);
        let owner = chance.pick(&[Owner::ApprovesAll, Owner::ApprovesAll, Owner::Person]);
        let holding = chance.pick(&Holding::DRAWN);
        let roles = roles(seed);
        let mut model = Model::new(policy, owner, holding, roles);
        let mut events = Vec::new();
        let most = chance.pick(&MOST_EVENTS);
        let wanted = FEWEST_EVENTS + chance.below(most + 1 - FEWEST_EVENTS);
        let is_long = wanted > FEW_EVENTS || chance.below(LONG_TAILS) == 0;
        if let Some(next) = model.then(Event::Start) {
            events.push(Event::Start);
            model = next;
        }
        while events.len() < usize::try_from(wanted).unwrap_or(1) {
            let event = chance.event();
            // What can't happen now is drawn again; time can always pass.
            if let Some(next) = model.then(event) {
                events.push(event);
                model = next;
            }
        }
        Self {
            policy,
            owner,
            holding,
            roles,
            links: links(seed),
            events,
            is_long,
            is_brief: false,
            is_ready_once: false,
        }
    }

    /// What flows share that begin alike: everything but their events and their links.
    pub(crate) const fn base(&self) -> u64 {
        let companion = self.holding as u64 * 2 + self.policy as u64;
        (companion * 2 + self.owner as u64) * 2 + self.roles as u64
    }

    /// The state after the events; none when they make no sense in this order.
    pub(super) fn model(&self) -> Option<Model> {
        Model::new(self.policy, self.owner, self.holding, self.roles).after(&self.events)
    }

    /// The flow as a scenario; none when its events make no sense in this order.
    pub fn scenario(&self, id: &str, mutation: Option<&str>) -> Option<Scenario> {
        let model = self.model()?;
        let promise = if self.is_brief {
            Promise::Nothing
        } else {
            model.promise()
        };
        let last = match (self.is_brief, model.tail(promise, self.is_long)) {
            (true, _) => &BRIEF[..],
            (false, [first @ .., Event::Elapse(_), Event::Ready(_)]) if self.is_ready_once => first,
            (false, all) => all,
        };
        let mend = model.mend();
        let events = self.events.iter().chain(&mend).chain(last);
        let steps = events.flat_map(|event| event.steps()).map(Located::nowhere);
        let companion = ClientActor {
            node: self.roles == Roles::Both,
            holds: self.holding.holds(self.roles),
            mutation: mutation.map(str::to_owned),
            ..ClientActor::default()
        };
        let mut scenario = Scenario {
            id: id.to_owned(),
            title: "A drawn flow".to_owned(),
            about: "clawproof explore".to_owned(),
            needs: match self.roles {
                Roles::Both => vec!["node".to_owned()],
                Roles::Operator => Vec::new(),
            },
            shard: Some(Shard::NetworkRecovery),
            policy: Some(self.policy),
            worlds: vec![WorldName::Core, WorldName::Memory],
            gateway: GatewayPlan {
                approves: self.owner == Owner::ApprovesAll,
                latency: self
                    .links
                    .iter()
                    .map(|ms| Lapse::millis(u64::from(*ms)))
                    .collect(),
                ..GatewayPlan::default()
            },
            steps: steps.collect(),
            ..Scenario::default()
        };
        scenario
            .actor
            .insert(COMPANION.to_owned(), Actor::Client(companion));
        if promise != Promise::Nothing {
            scenario.finally.push(Located::nowhere(Finally {
                actor: Some(COMPANION.to_owned()),
                snapshot: Some(json!({"overallState": "Ready"})),
                because: Some("every fault has ended, and a good credential is left".to_owned()),
                ..Finally::default()
            }));
        }
        Some(scenario)
    }
}
