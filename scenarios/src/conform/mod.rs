//! Conformance: flows at the wire, played against the mock and against the real gateway, compared after normalisation.
//!
//! - `flow.rs`, `configs.rs`, `differences.rs`: what lies in `scenarios/conform/`; `library.rs` reads it.
//! - `player.rs` plays a flow; `connect.rs`, `words.rs`, `line.rs`, `ws.rs` are its parts.
//! - `ground.rs`: what it is played against; `mock.rs` in memory, `remote.rs` and `real.rs` over TCP.
//! - `normalize.rs`, `compare.rs`: from what was heard to `same` or the first difference.
//! - `run.rs`: many flows, their outcomes; `plan.rs`: which ones, and how they are printed.
//!
//! ```
//! use scenarios::conform::{Library, Outcome, against_golden};
//!
//! let library = Library::load(None, &std::env::current_dir()?).map_err(|problems| problems.join("\n"))?;
//! let flow = library.flows.iter().find(|flow| flow.id == "auth/shared-token-wrong").ok_or("no such flow")?;
//! assert!(matches!(against_golden(&library, flow, "2026.6.34", None), Outcome::Same));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![expect(
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a part of a JSON value that is not there reads as null, and what is not asked for counts alike"
)]

mod compare;
mod configs;
mod connect;
mod differences;
mod flow;
mod ground;
mod library;
mod line;
mod mock;
mod normalize;
mod plan;
mod player;
mod real;
mod remote;
mod run;
mod words;
mod ws;

pub use compare::Difference;
pub use flow::Flow;
pub use library::{Golden, Library, Provenance, golden_path};
pub use normalize::Entry;
pub use plan::{Case, Plan, Report, Target};
pub use run::{Outcome, against_golden, compare};

use sha2::{Digest as _, Sha256};

/// Lower-case hex SHA-256 of a text.
fn digest(text: &str) -> String {
    gateway_protocol::device::hex(&Sha256::digest(text.as_bytes()))
}
