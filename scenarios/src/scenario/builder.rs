//! A scenario made in Rust: for cases that a file cannot say, and for tests.

use super::actor::{Actor, ClientActor, RawActor};
use super::control::Control;
use super::finally::Finally;
use super::gateway::{GatewayPlan, On};
use super::intent::{Do, IntentName};
use super::lapse::Lapse;
use super::located::Located;
use super::pattern::{Count, Expect, Never, Quiet};
use super::step::{Send, Step};
use super::{Policy, Scenario, WorldName};

/// Makes a [`Scenario`], part by part.
///
/// ```
/// use scenarios::scenario::{ClientActor, Expect, Scenario};
/// let scenario = Scenario::builder("setup-connect/hello", "A client connects")
///     .about("gateway-behaviour 2")
///     .client("companion", ClientActor::default())
///     .start("companion")
///     .expect(Expect { to: Some("companion".into()), response: Some("connect".into()), ..Expect::default() })
///     .build();
/// assert_eq!(scenario.steps.len(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    scenario: Scenario,
}

impl Builder {
    pub(super) fn new(id: &str, title: &str) -> Self {
        let scenario = Scenario {
            id: id.to_owned(),
            title: title.to_owned(),
            ..Scenario::default()
        };
        Self { scenario }
    }

    /// Where it comes from.
    #[must_use]
    pub fn about(mut self, about: &str) -> Self {
        about.clone_into(&mut self.scenario.about);
        self
    }

    /// Where it runs.
    #[must_use]
    pub fn worlds(mut self, worlds: &[WorldName]) -> Self {
        self.scenario.worlds = worlds.to_vec();
        self
    }

    /// Which companion its clients behave like.
    #[must_use]
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.scenario.policy = Some(policy);
        self
    }

    /// An invariant that it breaks on purpose.
    #[must_use]
    pub fn allow(mut self, invariant: &str, reason: &str) -> Self {
        self.scenario
            .allow
            .insert(invariant.to_owned(), reason.to_owned());
        self
    }

    /// A companion client.
    #[must_use]
    pub fn client(mut self, name: &str, client: ClientActor) -> Self {
        self.scenario
            .actor
            .insert(name.to_owned(), Actor::Client(client));
        self
    }

    /// A bare WebSocket.
    #[must_use]
    pub fn raw(mut self, name: &str, raw: RawActor) -> Self {
        self.scenario.actor.insert(name.to_owned(), Actor::Raw(raw));
        self
    }

    /// The gateway's side.
    #[must_use]
    pub fn gateway(mut self, gateway: GatewayPlan) -> Self {
        self.scenario.gateway = gateway;
        self
    }

    /// A mounted behaviour.
    #[must_use]
    pub fn on(mut self, on: On) -> Self {
        self.scenario.gateway.on.push(Located::nowhere(on));
        self
    }

    /// Any step.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.scenario.steps.push(Located::nowhere(step));
        self
    }

    /// Starts an actor.
    #[must_use]
    pub fn start(self, actor: &str) -> Self {
        self.step(Step::Start(actor.to_owned()))
    }

    /// Tells a client an intent without arguments.
    #[must_use]
    pub fn intent(self, actor: &str, intent: IntentName) -> Self {
        self.step(Step::Do(Do::bare(actor, intent)))
    }

    /// Lets a raw actor send.
    #[must_use]
    pub fn send(self, send: Send) -> Self {
        self.step(Step::Send(Box::new(send)))
    }

    /// Waits.
    #[must_use]
    pub fn expect(self, expect: Expect) -> Self {
        self.step(Step::Expect(Box::new(expect)))
    }

    /// Waits in silence.
    #[must_use]
    pub fn quiet(self, quiet: Quiet) -> Self {
        self.step(Step::Quiet(Box::new(quiet)))
    }

    /// Lets time pass.
    #[must_use]
    pub fn elapse(self, lapse: Lapse) -> Self {
        self.step(Step::Elapse(lapse))
    }

    /// Acts as the administrator.
    #[must_use]
    pub fn control(self, control: Control) -> Self {
        self.step(Step::Control(Box::new(control)))
    }

    /// What must not be seen.
    #[must_use]
    pub fn never(mut self, never: Never) -> Self {
        self.scenario.never.push(Located::nowhere(never));
        self
    }

    /// How often something is seen.
    #[must_use]
    pub fn count(mut self, count: Count) -> Self {
        self.scenario.count.push(Located::nowhere(count));
        self
    }

    /// What must hold at the end.
    #[must_use]
    pub fn finally(mut self, finally: Finally) -> Self {
        self.scenario.finally.push(Located::nowhere(finally));
        self
    }

    /// The finished scenario. Ask [`super::check::check`] whether it makes sense.
    #[must_use]
    pub fn build(self) -> Scenario {
        self.scenario
    }
}
