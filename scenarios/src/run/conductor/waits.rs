//! Steps that wait: `expect`, `quiet`, `elapse`.

use std::time::Duration;

use serde_json::Value;

use super::{Broken, Conductor};
use crate::judge::durable;
use crate::judge::expectations::{state_matches, wanted};
use crate::judge::record::{Missed, Nearest, StepResult};
use crate::scenario::captures::resolve;
use crate::scenario::{Expect, Quiet};
use crate::world::World;

impl<W: World> Conductor<'_, W> {
    pub(super) async fn expect(&mut self, expect: &Expect) -> Result<StepResult, Broken> {
        let expect = self.filled(expect).await?;
        if expect.actor.is_some() || expect.gateway.is_some() {
            return self.expect_state(&expect).await;
        }
        let start = self.world.now();
        let deadline = start.saturating_add(expect.patience());
        loop {
            let seen = self.world.pulse();
            self.observe()?;
            if let Some(found) = self.watch.seek(&expect, &mut self.captured) {
                return Ok(StepResult::Met {
                    entry: Some(found.entry),
                });
            }
            let now = self.world.now();
            if now >= deadline {
                return Err(Broken::Step(Box::new(StepResult::Missed(
                    self.watch.miss(&expect, now.saturating_sub(start)),
                ))));
            }
            self.world.wait(seen, deadline).await;
        }
    }

    /// Waits for a client's or the gateway's state, or for a client's report.
    async fn expect_state(&mut self, expect: &Expect) -> Result<StepResult, Broken> {
        let start = self.world.now();
        let deadline = start.saturating_add(expect.patience());
        loop {
            let seen = self.world.pulse();
            self.observe()?;
            let nearest = match self.state_holds(expect).await {
                Ok(()) => return Ok(StepResult::Met { entry: None }),
                Err(nearest) => nearest,
            };
            let now = self.world.now();
            if now >= deadline {
                let missed = Missed {
                    waited: now.saturating_sub(start),
                    wanted: wanted(expect),
                    nearest: Some(nearest),
                };
                return Err(Broken::Step(Box::new(StepResult::Missed(missed))));
            }
            self.world.wait(seen, deadline).await;
        }
    }

    async fn state_holds(&mut self, expect: &Expect) -> Result<(), Nearest> {
        if let Some(wanted) = &expect.gateway {
            state_matches(wanted, &self.world.view().await)?;
        }
        let Some(actor) = &expect.actor else {
            return Ok(());
        };
        if let Some(wanted) = &expect.snapshot {
            state_matches(wanted, &self.world.snapshot(actor).unwrap_or_default())?;
        }
        if let Some(wanted) = &expect.durable {
            let state = self
                .world
                .durable(actor)
                .map(|state| durable::view(&state))
                .unwrap_or_default();
            state_matches(wanted, &state)?;
        }
        if let Some(wanted) = &expect.reports {
            self.report_came(actor, wanted, expect)?;
        }
        Ok(())
    }

    /// Takes the first report since the last action that matches, and fills captures from it.
    fn report_came(&mut self, actor: &str, wanted: &Value, expect: &Expect) -> Result<(), Nearest> {
        let first = self.reports_marked.get(actor).copied().unwrap_or_default();
        let taken = self.reports_taken.entry(actor.to_owned()).or_default();
        let mut nearest = Nearest {
            expected: wanted.to_string(),
            got: "no report".to_owned(),
            ..Nearest::default()
        };
        for (index, event) in self.world.reports(actor).iter().enumerate().skip(first) {
            if taken.contains(&index) {
                continue;
            }
            let got = serde_json::to_value(event).unwrap_or_default();
            match state_matches(wanted, &got) {
                Ok(()) => {
                    taken.push(index);
                    for (name, pointer) in &expect.capture {
                        if let Some(value) = got.pointer(pointer) {
                            self.captured.insert(name.clone(), value.clone());
                        }
                    }
                    return Ok(());
                }
                Err(near) => nearest = near,
            }
        }
        Err(nearest)
    }

    pub(super) async fn quiet(&mut self, quiet: &Quiet) -> Result<StepResult, Broken> {
        let quiet = resolve(quiet, &self.captured).map_err(refused)?;
        let pattern = quiet.pattern();
        let start = self.world.now();
        let deadline = start.saturating_add(quiet.lasting.0);
        loop {
            let seen = self.world.pulse();
            self.observe()?;
            let now = self.world.now();
            if let Some(entry) = self.watch.intrusion(&pattern) {
                let missed = self
                    .watch
                    .broken_silence(&pattern, entry, now.saturating_sub(start));
                return Err(Broken::Step(Box::new(StepResult::Missed(missed))));
            }
            if now >= deadline {
                return Ok(StepResult::Done);
            }
            self.world.wait(seen, deadline).await;
        }
    }

    pub(super) async fn elapse(&mut self, lapse: Duration) -> Result<StepResult, Broken> {
        let until = self.world.now().saturating_add(lapse);
        loop {
            // Looking now and then keeps a client that talks to itself inside the budget.
            let seen = self.world.pulse();
            self.observe()?;
            if self.world.now() >= until {
                return Ok(StepResult::Done);
            }
            self.world.wait(seen, until).await;
        }
    }
}

/// A step that could not be done.
pub(super) fn refused(why: impl std::fmt::Display) -> Broken {
    Broken::Step(Box::new(StepResult::Refused {
        why: why.to_string(),
    }))
}
