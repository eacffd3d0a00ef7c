//! What many runs begin with: a run that stands still after its first steps, and from there goes on more than once.

use std::collections::BTreeMap;

use client_core::DurableState;
use futures_util::FutureExt as _;
use transcript::{Direction, Kind, Recorder, Stage};

use super::{Brief, Conductor};
use crate::judge::expectations::Watch;
use crate::judge::record::StepOutcome;
use crate::scenario::captures::Captured;
use crate::world::{Brains, Draw, World as _};

/// A run after its first steps, in the world `core`, at rest.
pub(in crate::run) struct Opening {
    world: Brains,
    watch: Watch,
    captured: Captured,
    outcomes: Vec<StepOutcome>,
    reports_marked: BTreeMap<String, usize>,
    approved: u64,
    before: BTreeMap<String, DurableState>,
}

/// One entry without anything that is drawn.
type Outline = (u64, Option<u32>, Option<Direction>, Option<Stage>, Kind);

impl Conductor<'_, Brains> {
    /// Takes the first steps of the script and lets everything happen that needs no more time; none when one of them can't
    /// be taken.
    pub(in crate::run) fn opening(mut self, steps: usize) -> Option<Opening> {
        self.before = self.durable_states();
        for (index, step) in self.scenario.steps.iter().take(steps).enumerate() {
            // Nothing in this world waits for anything but the loop itself.
            let taken = self.step(index, &step.value).now_or_never()?;
            taken.ok()?;
        }
        self.world.rest();
        Some(Opening {
            world: self.world,
            watch: self.watch,
            captured: self.captured,
            outcomes: self.outcomes,
            reports_marked: self.reports_marked,
            approved: self.approved,
            before: self.before,
        })
    }
}

impl<'a> Conductor<'a, Brains> {
    /// The rest of a run that begins with these steps; none when the opening can't be gone on from.
    pub(in crate::run) fn after(
        opening: &Opening,
        brief: Brief<'a>,
        recorder: Recorder,
    ) -> Option<Self> {
        let recorder = recorder.after(opening.world.recorder().raw_since(0));
        let draw = Draw::of(&brief.scenario.id, brief.seed);
        let world = opening.world.copy(draw, recorder)?;
        let mut conductor = Self::new(brief, world);
        conductor.watch.clone_from(&opening.watch);
        conductor.captured.clone_from(&opening.captured);
        conductor.outcomes.clone_from(&opening.outcomes);
        conductor.reports_marked.clone_from(&opening.reports_marked);
        conductor.approved = opening.approved;
        conductor.before.clone_from(&opening.before);
        Some(conductor)
    }
}

impl Opening {
    /// Whether this one with the chance of the other is the other: then chance has decided nothing yet but names, and what
    /// is drawn once more for a copy.
    pub(in crate::run) fn is_like(&self, other: &Self, others: Draw) -> bool {
        let copy = self.world.copy(others, Recorder::off());
        let alike = copy.is_some_and(|copy| copy.deadlines() == other.world.deadlines());
        alike && self.outline() == other.outline()
    }

    fn outline(&self) -> Vec<Outline> {
        let entries = self.world.recorder().raw_since(0);
        let outline = |entry: &transcript::RawEntry| {
            let (conn, dir, stage) = (entry.conn, entry.dir, entry.stage);
            (entry.t_us, conn, dir, stage, entry.kind)
        };
        entries.iter().map(outline).collect()
    }
}
