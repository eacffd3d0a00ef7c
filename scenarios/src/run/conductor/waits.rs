//! Steps that wait: `expect`, `quiet`, `elapse`.

use std::time::Duration;

use gateway_core::Control;
use gateway_protocol::member;
use serde_json::Value;

use super::{Broken, Conductor, shows};
use crate::judge::durable;
use crate::judge::expectations::{state_matches, wanted};
use crate::judge::record::{Missed, Nearest, StepResult};
use crate::scenario::captures::resolve;
use crate::scenario::{Expect, Lapse, Quiet};
use crate::world::World;

impl<W: World> Conductor<'_, W> {
    pub(super) async fn expect(&mut self, expect: &Expect) -> Result<StepResult, Broken> {
        let mut expect = self.filled(expect).await?;
        expect.not_before = expect.not_before.map(|lapse| Lapse(self.paced(lapse.0)));
        if expect.actor.is_some() || expect.gateway.is_some() {
            return self.expect_state(&expect).await;
        }
        let start = self.world.now();
        let deadline = start.saturating_add(expect.patience().mul_f64(self.patience));
        loop {
            let seen = self.world.pulse();
            self.observe()?;
            self.look_after_requests().await;
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
        let deadline = start.saturating_add(expect.patience().mul_f64(self.patience));
        let mut looked: Option<(u64, Nearest)> = None;
        loop {
            let seen = self.world.pulse();
            self.observe()?;
            self.look_after_requests().await;
            let shown = self.shown(expect);
            let nearest = match looked.take() {
                // To make JSON of the same snapshot after every message is most of a short run's waiting.
                Some((before, nearest)) if shown == Some(before) => nearest,
                Some(_) | None => match self.state_holds(expect).await {
                    Ok(()) => return Ok(StepResult::Met { entry: None }),
                    Err(nearest) => nearest,
                },
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
            looked = shown.map(|shown| (shown, nearest));
            self.world.wait(seen, deadline).await;
        }
    }

    /// What [`World::shown`] says of the snapshot, when an expectation looks at nothing else.
    fn shown(&self, expect: &Expect) -> Option<u64> {
        let actor = expect.actor.as_deref()?;
        let others = [
            &expect.gateway,
            &expect.durable,
            &expect.dashboard,
            &expect.reports,
        ];
        let only = others.iter().all(|other| other.is_none());
        if only { self.world.shown(actor) } else { None }
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
        if let Some(wanted) = &expect.dashboard {
            let answer = self.world.dashboard(actor).await;
            let seen = answer.map(|answer| shows::dashboard(&answer));
            state_matches(wanted, &seen.unwrap_or_default())?;
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
            match state_matches(wanted, event) {
                Ok(()) => {
                    taken.push(index);
                    for (name, pointer) in &expect.capture {
                        if let Some(value) = event.pointer(pointer) {
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
        let deadline = start.saturating_add(self.paced(quiet.lasting.0));
        loop {
            let seen = self.world.pulse();
            self.observe()?;
            self.look_after_requests().await;
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

    /// A length of time of the script as it passes beside a gateway that is faster than said.
    fn paced(&self, lapse: Duration) -> Duration {
        let times = self.scenario.gateway.time_scale;
        times
            .and_then(|times| lapse.checked_div(times))
            .unwrap_or(lapse)
    }

    pub(super) async fn elapse(&mut self, lapse: Duration) -> Result<StepResult, Broken> {
        let until = self.world.now().saturating_add(self.paced(lapse));
        loop {
            // Looking now and then keeps a client that talks to itself inside the budget.
            let seen = self.world.pulse();
            self.observe()?;
            self.look_after_requests().await;
            if self.world.now() >= until {
                return Ok(StepResult::Done);
            }
            self.world.wait(seen, until).await;
        }
    }
}

impl<W: World> Conductor<'_, W> {
    /// Lets the gateway's owner approve what clients have asked for since he last looked, if the scenario says so.
    pub(super) async fn look_after_requests(&mut self) {
        if !self.scenario.gateway.approves {
            return;
        }
        let fresh = self.watch.after(self.approved).iter();
        let asked: Vec<String> = fresh.filter_map(pairing_request).collect();
        self.approved = self.watch.last();
        for request_id in asked {
            let approve = Control::Approve { request_id };
            // A request that is gone already needs no approval.
            if let Err(refusal) = self.world.control(approve).await {
                tracing::debug!(%refusal, "nothing was approved");
            }
        }
    }
}

/// The id of the pairing request that a refusal names.
fn pairing_request(entry: &transcript::RawEntry) -> Option<String> {
    let error = member(entry.frame()?, "error")?;
    let id = error.pointer("/details/requestId")?;
    id.as_str().map(str::to_owned)
}

/// A step that could not be done.
pub(super) fn refused(why: impl std::fmt::Display) -> Broken {
    Broken::Step(Box::new(StepResult::Refused {
        why: why.to_string(),
    }))
}
