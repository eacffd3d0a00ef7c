//! A whole set-up on this machine: the pipeline of `wsl-fixtures` over its stand-in for wsl.exe, with our client as the
//! Windows side and the mock gateway as the service in the distro.
//!
//! - [`Bench`]: the folder of one app with its stand-in computer
//! - [`CompanionPeer`]: the Windows side

mod bench;
mod peer;
pub(crate) mod registry;

pub use bench::{Bench, BenchError};
pub(crate) use bench::{free_port, is_free, link_program};
pub use peer::CompanionPeer;
pub(crate) use peer::{decided, reaches};
