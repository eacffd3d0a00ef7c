//! Both sides of a managed port put together and judged. Linux: the computer's side is `/proc`. A system that shares its
//! network with the distribution shows the guest's own socket there; it is known by its inode, which no other socket has.

use std::path::PathBuf;
use std::sync::Arc;

use client_core::guest::GuestPort;
use client_core::provenance::{HostListener, HostPort, judge};
use client_core::{EndpointOwner, ManagedEndpoint};

use super::{GuestProbe, OwnerFuture, OwnerProbe};
use crate::tunnel::{Listeners as _, ProcListeners};

/// Looks at this computer, asks the distribution, and looks again.
#[derive(Clone)]
pub struct LocalOwners {
    listeners: ProcListeners,
    guest: Option<Arc<dyn GuestProbe>>,
}

impl std::fmt::Debug for LocalOwners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalOwners")
            .field("asks_guests", &self.guest.is_some())
            .finish_non_exhaustive()
    }
}

impl LocalOwners {
    /// A computer that can't ask its distributions: no listener is ever proven.
    pub fn new(listeners: ProcListeners) -> Self {
        Self {
            listeners,
            guest: None,
        }
    }

    /// Asks distributions by this.
    #[must_use]
    pub fn guest(mut self, guest: impl GuestProbe) -> Self {
        self.guest = Some(Arc::new(guest));
        self
    }

    async fn judged(self, endpoint: ManagedEndpoint) -> EndpointOwner {
        let before = self.host(endpoint.port, &[]);
        let word = self.word(&endpoint).await;
        // The guest's own sockets can be told from others only now.
        let host = self.host(endpoint.port, &word.sockets);
        let again = self.host(endpoint.port, &word.sockets);
        if sockets(&before) != sockets(&host) {
            tracing::warn!(port = endpoint.port, "listeners came or went during a look");
            return EndpointOwner::Foreign;
        }
        let found = judge(&host, word.guest, Some(&again));
        tracing::debug!(port = endpoint.port, ?found, "owner of a managed port");
        found.owner()
    }

    async fn word(&self, endpoint: &ManagedEndpoint) -> GuestPort {
        let Some(guest) = &self.guest else {
            tracing::warn!(
                distro = endpoint.distro,
                port = endpoint.port,
                "nobody can ask the distribution who listens there: expected a program like wsl.exe (companion --wsl)"
            );
            return GuestPort::SILENT;
        };
        let word = guest.ask(endpoint.distro.clone(), endpoint.port).await;
        word.unwrap_or_else(|error| {
            let (distro, port) = (&endpoint.distro, endpoint.port);
            tracing::warn!(
                distro,
                port,
                error,
                "the distribution did not say who listens"
            );
            GuestPort::SILENT
        })
    }

    fn host(&self, port: u16, guests: &[u64]) -> HostPort {
        let Ok(found) = self.listeners.sockets(port) else {
            return HostPort::default();
        };
        let reached = found.into_iter().filter(|(listener, _)| {
            let address = listener.address.to_canonical();
            address.is_loopback() || address.is_unspecified()
        });
        let listeners = reached.map(|(listener, inode)| {
            let owner = listener.owner.and_then(|it| self.listeners.process(it.pid));
            let path = owner.and_then(|it| self.listeners.program(it.pid));
            let program = path
                .as_deref()
                .and_then(|path| path.file_stem())
                .unwrap_or_default();
            HostListener {
                // The processes of others can't be looked at; their socket has a number of its own too.
                pid: owner.map_or(0, |it| it.pid),
                started: owner.map_or(inode, |it| it.started),
                program: program.to_string_lossy().into_owned(),
                path: path.map_or_else(String::new, |path: PathBuf| path.display().to_string()),
                is_signed_by_microsoft: false,
                is_obsolete_gateway: false,
                is_the_guests: guests.contains(&inode),
            }
        });
        HostPort {
            complete: true,
            listeners: listeners.collect(),
        }
    }
}

/// A snapshot's listeners, to compare two of them.
fn sockets(port: &HostPort) -> Vec<(u32, u64, &str)> {
    let mut all: Vec<_> = port
        .listeners
        .iter()
        .map(|it| (it.pid, it.started, it.path.as_str()))
        .collect();
    all.sort_unstable();
    all
}

impl OwnerProbe for LocalOwners {
    fn look(&self, endpoint: ManagedEndpoint) -> OwnerFuture {
        Box::pin(self.clone().judged(endpoint))
    }
}
