//! SSH tunnels by the system's own `ssh`, and the proof that their near end is ours. ref: client-behaviour.md §18, §24
//!
//! | file | what it does |
//! |---|---|
//! | `command` | the command line, and what may stand in it |
//! | `listeners` | who listens on a port, from `/proc` |
//! | `run` | one tunnel from its start to its end |
//!
//! `ssh` is given no way to ask anything (`BatchMode`): keys come from its own configuration and agent.

mod command;
mod listeners;
mod run;

use std::path::PathBuf;
use std::sync::Arc;

use client_core::{SshTunnel, TunnelId};
use tokio::sync::mpsc;

pub use command::SpecError;
pub use listeners::{Listener, Listeners, Owner, Ownership, ProcListeners, ownership};
pub(crate) use run::run;

/// How tunnels are run.
#[derive(Clone)]
pub struct Ssh {
    program: PathBuf,
    config_file: Option<PathBuf>,
    listeners: Arc<dyn Listeners>,
}

impl std::fmt::Debug for Ssh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ssh")
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

impl Ssh {
    /// The `ssh` on the PATH with the user's own configuration.
    pub fn new(listeners: impl Listeners) -> Self {
        Self {
            program: PathBuf::from("ssh"),
            config_file: None,
            listeners: Arc::new(listeners),
        }
    }

    /// Another `ssh`.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// Another configuration file (`ssh -F`).
    #[must_use]
    pub fn config_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.config_file = Some(file.into());
        self
    }
}

/// What a tunnel tells the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TunnelEvent {
    /// The near end listens, and the process that listens is ours.
    Up { local_port: u16, owner: Owner },
    /// It did not start, or it ended.
    Down { error: String },
}

/// A tunnel's way to the driver.
pub(crate) type TunnelSender = mpsc::Sender<(TunnelId, TunnelEvent)>;

/// One order to run a tunnel.
pub(crate) struct TunnelPlan {
    pub(crate) id: TunnelId,
    pub(crate) spec: SshTunnel,
    pub(crate) ssh: Ssh,
}

impl Ssh {
    /// Whether the port still belongs to this process alone. A table that can't be read proves nothing.
    pub(crate) fn still_owns(&self, port: u16, owner: Owner) -> bool {
        self.listeners
            .on_port(port)
            .is_ok_and(|found| ownership(&found, owner) == Ownership::Ours)
    }
}
