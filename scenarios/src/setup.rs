//! A whole set-up on this machine: the pipeline of `wsl-fixtures` over its stand-in for wsl.exe, with our client as the
//! Windows side and the mock gateway as the service in the distro.
//!
//! - [`Bench`]: the folder of one app with its stand-in computer
//! - [`RealOpenClaw`]: the real OpenClaw in a distro
//! - [`CompanionPeer`]: the Windows side

mod bench;
mod openclaw;
mod peer;
mod port;
pub(crate) mod registry;

pub(crate) use bench::link_programs;
pub use bench::{Bench, BenchError, GatewayProgram, Task};
pub use openclaw::RealOpenClaw;
pub use peer::CompanionPeer;
pub(crate) use peer::{ask, decided, reaches};
pub(crate) use port::{Lease, is_free, lease};
