//! Delta debugging: fewer events with the same finding, and less time between them.

use super::event::Event;
use super::flow::{Flow, Holding, Roles};

/// Lengths of time that are tried instead of a longer one, in milliseconds.
const SHORT: [u64; 2] = [20, 1_100];

/// Takes events away as long as `fails` says that the finding stays, then tries to hold less.
///
/// The result fails, and no single event can be taken out of it.
pub(super) fn shrink(flow: &Flow, mut fails: impl FnMut(&Flow) -> bool) -> Flow {
    let mut best = flow.clone();
    make_easier(&mut best, &mut fails);
    for at in 0..best.events.len() {
        shorten(&mut best, at, &mut fails);
    }
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

/// To which flows a change applies, and the change.
type Change = (fn(&Flow) -> bool, fn(&mut Flow));

/// Takes away what is no event, where the finding stays without it.
fn make_easier(best: &mut Flow, fails: &mut impl FnMut(&Flow) -> bool) {
    // First of all the time: what is tried hundreds of times should not last ten minutes each.
    let changes: [Change; 5] = [
        (|_anything| true, |flow| flow.is_brief = true),
        (
            |flow| flow.is_long && !flow.is_brief,
            |flow| flow.is_long = false,
        ),
        (|flow| !flow.is_brief, |flow| flow.is_ready_once = true),
        (|flow| !flow.links.is_empty(), |flow| flow.links.clear()),
        (
            |flow| flow.roles == Roles::Both,
            |flow| flow.roles = Roles::Operator,
        ),
    ];
    for (applies, change) in changes {
        let mut less = best.clone();
        change(&mut less);
        if applies(best) && less.model().is_some() && fails(&less) {
            *best = less;
        }
    }
}

/// Makes the event at this place shorter if it is time that passes and the finding stays.
fn shorten(best: &mut Flow, at: usize, fails: &mut impl FnMut(&Flow) -> bool) {
    let Some(Event::Elapse(millis)) = best.events.get(at).copied() else {
        return;
    };
    for short in SHORT.into_iter().filter(|short| *short < millis) {
        let mut less = best.clone();
        if let Some(event) = less.events.get_mut(at) {
            *event = Event::Elapse(short);
        }
        if less.model().is_some() && fails(&less) {
            *best = less;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::flow::Owner;
    use crate::scenario::Policy;

    #[test]
    fn what_has_no_part_in_the_finding_goes() {
        let events: Vec<Event> = [Event::Start]
            .into_iter()
            .chain((1..40).map(Event::Elapse))
            .collect();
        let flow = Flow {
            policy: Policy::Hardened,
            owner: Owner::ApprovesAll,
            holding: Holding::All,
            roles: Roles::Both,
            links: Vec::new(),
            events,
            is_long: true,
            is_brief: false,
            is_ready_once: false,
        };
        let needed = [Event::Start, Event::Elapse(17), Event::Elapse(31)];
        let small = shrink(&flow, |flow| {
            needed.iter().all(|event| flow.events.contains(event))
        });
        assert_eq!(small.events, needed);
        assert!(small.is_brief);
        assert_eq!(small.roles, Roles::Operator);
    }

    #[test]
    fn time_that_has_no_part_in_it_gets_shorter() {
        let flow = Flow {
            policy: Policy::Hardened,
            owner: Owner::ApprovesAll,
            holding: Holding::All,
            roles: Roles::Both,
            links: Vec::new(),
            events: vec![Event::Start, Event::Elapse(400_000), Event::Stop],
            is_long: true,
            is_brief: false,
            is_ready_once: false,
        };
        let small = shrink(&flow, |flow| {
            let passes = |event: &Event| matches!(event, Event::Elapse(millis) if *millis > 500);
            !flow.is_brief && flow.events.iter().any(passes) && flow.events.len() == 3
        });
        let needed = [Event::Start, Event::Elapse(1_100), Event::Stop];
        assert_eq!(small.events, needed);
        assert!(!small.is_brief);
    }
}
