//! Delta debugging: fewer events with the same finding.

use super::flow::{Flow, Holding};

/// Takes events away as long as `fails` says that the finding stays, then tries to hold less.
///
/// The result fails, and no single event can be taken out of it.
pub(super) fn shrink(flow: &Flow, mut fails: impl FnMut(&Flow) -> bool) -> Flow {
    let mut best = flow.clone();
    let mut size = best.events.len().div_ceil(2).max(1);
    loop {
        let mut start = 0;
        let mut shrunk = false;
        while start < best.events.len() {
            let end = (start + size).min(best.events.len());
            let mut less = best.clone();
            less.events.drain(start..end);
            if less.model().is_some() && fails(&less) {
                best = less;
                shrunk = true;
            } else {
                start = end;
            }
        }
        // At single events, once more around as long as something goes.
        if size == 1 && !shrunk {
            break;
        }
        size = size.div_ceil(2).max(1);
        if size > best.events.len() {
            size = best.events.len().max(1);
        }
    }
    for holding in [
        Holding::Tokens,
        Holding::Shared,
        Holding::Bootstrap,
        Holding::All,
    ] {
        let less = Flow {
            holding,
            ..best.clone()
        };
        if holding != best.holding && less.model().is_some() && fails(&less) {
            return less;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::event::Event;
    use super::*;
    use crate::scenario::Policy;

    #[test]
    fn what_has_no_part_in_the_finding_goes() {
        let events: Vec<Event> = [Event::Start]
            .into_iter()
            .chain((1..40).map(Event::Elapse))
            .collect();
        let flow = Flow {
            policy: Policy::Hardened,
            holding: Holding::All,
            events,
        };
        let needed = [Event::Start, Event::Elapse(17), Event::Elapse(31)];
        let small = shrink(&flow, |flow| {
            needed.iter().all(|event| flow.events.contains(event))
        });
        assert_eq!(small.events, needed);
    }
}
