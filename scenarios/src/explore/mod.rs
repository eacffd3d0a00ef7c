//! The explorer: drawn flows through the `core` and `memory` worlds, judged like any scenario.
//!
//! A seed is a [`Flow`]: what the companion holds, and an ordering of user acts, process restarts, gateway restarts,
//! credential changes, decisions of a person, faults of the wire, refusals of the disk and clock
//! jumps (the safety phase: no invariant may break), then a tail in which every fault has ended
//! (the liveness phase: a companion that can be ready must be). A flow that fails is shrunk by delta debugging to a scenario file that fails by itself.
//!
//! | module | content |
//! |---|---|
//! | `chance` | what a seed draws |
//! | `event` | what can happen, as steps of a scenario |
//! | `model` | which orderings make sense, and what must hold at their end |
//! | `flow` | a seed as a scenario |
//! | `shrink` | fewer events with the same finding |
//! | `hunt` | many seeds on many threads |
//!
//! ```
//! use scenarios::explore::{Hunt, hunt};
//! use scenarios::scenario::WorldName;
//! let bug = Some("clear_bootstrap_early".to_owned());
//! let found = hunt(&Hunt { seeds: 0..200, world: WorldName::Core, mutation: bug, ..Hunt::default() }, |_| ());
//! let find = found.finds.first().unwrap();
//! assert!(find.scenario.steps.len() <= 8, "{:#?}", find.scenario.steps);
//! ```

mod chance;
mod event;
mod flow;
mod hunt;
mod model;
mod shrink;

pub use event::{Disturbance, Event};
pub use flow::{Flow, Holding, Owner, Roles};
pub use hunt::{Failing, Find, Hunt, Hunted, hunt};

#[cfg(test)]
mod tests;
