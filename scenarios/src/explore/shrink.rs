//! Delta debugging: fewer events with the same finding, and less time between them.

use super::event::Event;
use super::flow::{Flow, Holding};

/// Lengths of time that are tried instead of a longer one, in milliseconds.
const SHORT: [u64; 2] = [20, 1_100];

/// Takes events away as long as `fails` says that the finding stays, then tries to hold less.
///
/// The result fails, and no single event can be taken out of it.
pub(super) fn shrink(flow: &Flow, mut fails: impl FnMut(&Flow) -> bool) -> Flow {
    let mut best = flow.clone();
    // First of all the time: what is tried hundreds of times should not last ten minutes each.
    let brief = Flow {
        is_brief: true,
        ..best.clone()
    };
    if fails(&brief) {
        best = brief;
    }
    let short = Flow {
        is_long: false,
        ..best.clone()
    };
    if best.is_long && !best.is_brief && fails(&short) {
        best = short;
    }
    let once = Flow {
        is_ready_once: true,
        ..best.clone()
    };
    if !best.is_brief && fails(&once) {
        best = once;
    }
    let fast = Flow {
        links: Vec::new(),
        ..best.clone()
    };
    if !best.links.is_empty() && fails(&fast) {
        best = fast;
    }
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
    }

    #[test]
    fn time_that_has_no_part_in_it_gets_shorter() {
        let flow = Flow {
            policy: Policy::Hardened,
            owner: Owner::ApprovesAll,
            holding: Holding::All,
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
