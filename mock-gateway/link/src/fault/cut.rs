//! The rule that the cutting faults share: at once, in place of a message, or after one.

use gateway_protocol::Now;

use crate::rule::{Cut, Fate, InFlight, Pick, Rule};
use crate::spec::FaultSpec;

/// Cuts once. `after = n` without `matching`: when the n-th counted message has been delivered. With `matching`: in
/// place of the first matching message after n others. With neither: at once.
pub(crate) struct CutOnce {
    cut: Option<Cut>,
    is_immediate: bool,
    is_in_place: bool,
    pick: Pick,
}

impl CutOnce {
    pub(crate) fn new(spec: &FaultSpec, cut: Cut) -> Self {
        let is_in_place = spec.matching.is_some();
        let mut spec = spec.clone();
        let is_immediate = !is_in_place && spec.after == 0;
        if !is_in_place {
            spec.after = spec.after.saturating_sub(1);
        }
        Self {
            cut: Some(cut),
            is_immediate,
            is_in_place,
            pick: Pick::new(&spec, Some(1)),
        }
    }
}

impl Rule for CutOnce {
    fn on_message(&mut self, _: Now, message: &InFlight<'_>) -> Fate {
        if self.is_immediate || self.cut.is_none() || !self.pick.picks(message) {
            return Fate::Pass;
        }
        match self.cut.take() {
            Some(cut) if self.is_in_place => Fate::Cut(cut),
            Some(cut) => Fate::CutAfter(cut),
            None => Fate::Pass,
        }
    }

    fn on_start(&mut self, _: Now) -> Option<Cut> {
        if self.is_immediate {
            self.cut.take()
        } else {
            None
        }
    }
}
