//! What the script and the gateway's behaviours know of each other: notes that were passed, and captures, both ways.

use gateway_core::Control as Order;
use serde_json::Value;

use super::{Broken, Conductor};
use crate::run::conductor::waits::refused;
use crate::scenario::captures::{Captured, names_in, resolve};
use crate::scenario::{Expect, On, Scenario, Step};
use crate::world::World;

/// Which of it a scenario needs, so that the others pay nothing, and what was told last.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// A behaviour refers to notes or captures.
    asks: bool,
    /// A behaviour captures.
    captures: bool,
    told: Captured,
    /// Counters of behaviours that were taken away.
    retired: Vec<Value>,
}

impl Shared {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let mounted = scenario.gateway.on.iter().map(|on| &on.value);
        let later = scenario.steps.iter().filter_map(|step| {
            if let Step::Control(control) = &step.value {
                control.on.as_ref()
            } else {
                None
            }
        });
        let all: Vec<&On> = mounted.chain(later).collect();
        let asks = |on: &&On| {
            let value = serde_json::to_value(on).unwrap_or_default();
            on.after.is_some() || on.before.is_some() || !names_in(&value).is_empty()
        };
        Self {
            asks: all.iter().any(asks),
            captures: all.iter().any(|on| !on.capture.is_empty()),
            ..Self::default()
        }
    }

    /// Keeps the counters that an unmounted behaviour leaves.
    pub(super) fn retire(&mut self, view: Value) {
        if view.is_object() {
            self.retired.push(view);
        }
    }

    /// Puts them beside those of the mounted ones.
    pub(super) fn add_retired(&mut self, gateway: &mut Value) {
        if let Some(Value::Array(behaviors)) = gateway.get_mut("behaviors") {
            behaviors.append(&mut self.retired);
        }
    }
}

impl<W: World> Conductor<'_, W> {
    /// Takes over what behaviours have captured, and tells them what the script has.
    pub(super) async fn share(&mut self) {
        if self.shared.captures
            && let Ok(Value::Object(captured)) = self.world.control(Order::Captured).await
        {
            self.captured.extend(captured);
        }
        if self.shared.asks && self.shared.told != self.captured {
            self.shared.told.clone_from(&self.captured);
            let values = self.captured.clone();
            // Binding is refused by no gateway, up or down.
            self.world.control(Order::Bind { values }).await.ok();
        }
    }

    pub(super) async fn pass_on_note(&mut self, name: &str) {
        if self.shared.asks {
            let name = name.to_owned();
            self.world.control(Order::Note { name }).await.ok();
        }
    }

    /// An expectation with its captures filled in; waits for those that a behaviour may still capture.
    pub(super) async fn filled(&mut self, expect: &Expect) -> Result<Expect, Broken> {
        let deadline = self.world.now().saturating_add(expect.patience());
        loop {
            let seen = self.world.pulse();
            self.observe()?;
            match resolve(expect, &self.captured) {
                Ok(expect) => return Ok(expect),
                Err(unbound) if !self.shared.captures || self.world.now() >= deadline => {
                    return Err(refused(unbound));
                }
                Err(_unbound) => self.world.wait(seen, deadline).await,
            }
            self.share().await;
        }
    }
}
