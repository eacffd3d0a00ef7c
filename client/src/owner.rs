//! Who owns the port of a gateway that runs in a distribution on this computer: looked up before a credential may be
//! sent. ref: client-behaviour.md §18.1
//!
//! | file | what it does |
//! |---|---|
//! | `local` | this computer's side from `/proc`, the distribution's side from a guest, both judged together |
//! | `neighbour` | whether two ports belong to one process |
//! | `wsl` | asks a distribution by a program called like `wsl.exe` |
//!
//! A client without a probe sends no strong credential to a managed gateway: see [`crate::Setup::owner_probe`].

mod local;
mod neighbour;
mod wsl;

use std::future::Future;
use std::pin::Pin;

use client_core::guest::GuestPort;
use client_core::{EndpointOwner, ManagedEndpoint};

pub use local::LocalOwners;
pub use neighbour::is_one_process;
pub use wsl::WslGuest;

/// What a probe found.
pub type OwnerFuture = Pin<Box<dyn Future<Output = EndpointOwner> + Send>>;

/// What a distribution said; an error names what could not be asked.
pub type GuestFuture = Pin<Box<dyn Future<Output = Result<GuestPort, String>> + Send>>;

/// Looks up who listens on a managed gateway's port.
///
/// ```
/// use client_core::{EndpointOwner, ManagedEndpoint};
/// use gateway_client::{OwnerFuture, OwnerProbe};
///
/// struct Nobody;
/// impl OwnerProbe for Nobody {
///     fn look(&self, _endpoint: ManagedEndpoint) -> OwnerFuture {
///         Box::pin(async { EndpointOwner::NoListener })
///     }
/// }
/// ```
pub trait OwnerProbe: Send + Sync + 'static {
    /// One look. What it is for waits meanwhile, so it must end; after some seconds it is given up and the owner counts as
    /// foreign.
    fn look(&self, endpoint: ManagedEndpoint) -> OwnerFuture;
}

/// Asks a distribution who listens on one of its ports.
pub trait GuestProbe: Send + Sync + 'static {
    /// The word of the distribution.
    fn ask(&self, distro: String, port: u16) -> GuestFuture;
}
