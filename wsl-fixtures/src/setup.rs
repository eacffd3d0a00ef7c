//! The set-up of an app-owned distro with a gateway in it: ordered steps with retries, limits, journal and rollback.
//!
//! - [`Config`]: what is set up, and the rules for its names
//! - [`Context`]: what the steps work with: a [`Wsl`](crate::Wsl), a [`Peer`], the app's data folder
//! - [`run`], [`repeat`], [`uninstall`]: the engine
//! - [`Journal`]: every step's beginning and end; a run that was killed is undone by the next one
//! - [`memory`]: a distro with a gateway, and a Windows side, for runs in memory
//! - [`STEPS`]: the steps in order
//! - [`Mutation`]: deliberate mistakes, for the bug museum
//!
//! Time passes through the [`Wsl`](crate::Wsl) only, so over a [`ModelWsl`](crate::ModelWsl) ninety seconds of waiting
//! cost nothing.
//!
//! ref: setup-and-wsl.md

mod config;
mod context;
mod engine;
mod journal;
pub mod memory;
mod mutation;
mod peer;
pub mod release;
mod scripts;
mod steps;
mod wizard;

pub use config::{BadConfig, Config};
pub use context::{Context, Credential, Pairing};
pub use engine::{Outcome, Retry, Step, StepError, Undo, repeat, run, uninstall};
pub use journal::{FileJournal, Journal, Line, MemoryJournal};
pub use mutation::Mutation;
pub use peer::{Asked, Connection, Owner, Peer, PeerError, Role};
pub use steps::STEPS;
