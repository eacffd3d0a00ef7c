//! One arrangement for many scenarios that begin alike: what costs signatures is done once.

use super::super::draw::Draw;
use super::{ArrangeError, Arrangement, arrange_drawn, options};
use crate::scenario::Scenario;

/// The chance of every arrangement that is made to be copied: the same whoever makes it first.
const SHARED: Draw = Draw::new(0);

impl Arrangement {
    /// What scenarios with these actors and this gateway begin with.
    pub(crate) fn shared(scenario: &Scenario) -> Result<Self, ArrangeError> {
        arrange_drawn(scenario, SHARED, None)
    }

    /// A copy for such a scenario: the same devices and tokens, and what happens from here on is drawn anew.
    pub(crate) fn anew(&self, scenario: &Scenario, draw: Draw) -> Result<Self, ArrangeError> {
        let mut copy = self.clone();
        if let Some(gateway) = &mut copy.gateway {
            gateway.reseed(draw.seed("gateway"));
        }
        for (name, plan) in &mut copy.clients {
            if let Some(actor) = scenario.actor.get(name).and_then(|actor| actor.client()) {
                plan.options = options(draw, scenario, name, actor)?;
            }
        }
        Ok(copy)
    }
}
