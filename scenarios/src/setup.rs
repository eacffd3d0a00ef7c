//! A whole set-up on this machine: the pipeline of `wsl-fixtures` over its stand-in for wsl.exe, with our client as the
//! Windows side and the mock gateway as the service in the distro.
//!
//! - [`Bench`]: the folder of one app with its stand-in computer
//! - [`CompanionPeer`]: the Windows side

mod bench;
mod peer;

pub(crate) use bench::free_port;
pub use bench::{Bench, BenchError};
pub use peer::CompanionPeer;
