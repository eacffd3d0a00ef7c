//! A set-up in a world: the pipeline of `wsl-fixtures` beside the world's own mock gateway and client, over a computer in
//! memory or over namespaces of this machine.
//!
//! The pipeline is plain code that waits; the world is a runtime whose clock is paused. So the pipeline has a thread of
//! its own, and exactly one of the two runs at any moment: every pause, order and connection is asked for over
//! `line::Line` and answered by the world, which alone lets time pass. That keeps a run the same bytes every time.
//!
//! | module | content |
//! |---|---|
//! | `line` | what is asked and told |
//! | `computer` | WSL, its gateway and the journal, in the time of the world |
//! | `namespace` | the same as real processes, and whose gateway runs there |
//! | `back_end` | what its distros are made of |
//! | `peer` | the Windows side: the world's client, its registry and identity |
//! | `bench` | the thread: wishes in, reports and a snapshot out |

mod back_end;
mod bench;
mod computer;
mod line;
mod namespace;
mod peer;

pub(crate) use bench::{Bench, Tools};
pub(crate) use line::{Ask, Told, Wish};
pub(crate) use namespace::{Gateway, Ground};
