//! A distro with a gateway in it and a Windows side, both in memory: enough for a set-up to run over a
//! [`ModelWsl`](crate::ModelWsl) in no time.
//!
//! The distro runs no shell. It knows the scripts of the set-up by the words in them, and ends any other with 127.
//! The gateway is a few facts of [`World`], or one that stands beside it: [`Gateway`].

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::Rc;

use super::peer::{Asked, Owner};

mod distro;
mod peer;

pub use distro::MemoryDistro;
pub use peer::MemoryPeer;

/// The queue that a request waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Devices.
    Device,
    /// Surfaces of nodes.
    Node,
}

impl Pending {
    const fn word(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Node => "node",
        }
    }
}

/// A gateway that stands beside the distro: what `openclaw` in it starts, stops and asks.
pub trait Gateway: fmt::Debug {
    /// The service is started.
    fn start(&mut self);
    /// The service is stopped.
    fn stop(&mut self);
    /// What `openclaw qr --json` prints.
    ///
    /// # Errors
    /// What it prints instead.
    fn code(&mut self) -> Result<String, String>;
    /// Ids of pending requests, oldest first.
    fn pending(&mut self, what: Pending) -> Vec<String>;
    /// Approves one.
    ///
    /// # Errors
    /// What `openclaw` prints then.
    fn approve(&mut self, what: Pending, id: &str) -> Result<(), String>;
}

/// What is in the distro. It goes with it.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of the distro that a script asks for"
)]
pub struct Guest {
    approved: Vec<String>,
    conf: String,
    installed: Option<String>,
    linked: bool,
    config: BTreeMap<String, String>,
    service: bool,
    runs: bool,
    context: bool,
}

/// What both sides see of the gateway.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact that a test sets or reads"
)]
pub struct World {
    /// Protocol that the gateway speaks.
    pub protocol: u32,
    /// Version that it says it is.
    pub version: String,
    /// What `openclaw qr --json` prints.
    pub qr: String,
    /// Who owns the port on the Windows side.
    pub owner: Owner,
    /// Who owns it at the times after that: each look takes one, and the last stays.
    pub next_owners: VecDeque<Owner>,
    /// How many looks find the port taken, as a relay holds it that outlives its distro.
    pub port_held: u32,
    /// Whether a device has to be approved.
    pub asks_for_devices: bool,
    /// Whether the user has cancelled.
    pub cancelled: bool,
    /// Pending requests of devices.
    pub devices: Vec<String>,
    /// Pending requests of nodes.
    pub nodes: Vec<String>,
    /// What happened, in order: approvals and connections.
    pub events: Vec<String>,
    /// What requests are answered, in order; then every wizard is done at once.
    pub answers: VecDeque<Asked>,
    /// The registry: distro to URL.
    pub records: BTreeMap<String, String>,
    /// Whether an operator token is stored.
    pub operator_token: bool,
    /// Whether the bootstrap token is stored.
    pub bootstrap: bool,
    /// What is in the distro.
    pub guest: Guest,
    /// The gateway, when it is more than these facts.
    pub gateway: Option<Box<dyn Gateway>>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            protocol: 4,
            version: "2026.6.34".to_owned(),
            qr: r#"{"bootstrapToken":"bt-1","setupCode":"sc-1"}"#.to_owned(),
            owner: Owner::Expected,
            next_owners: VecDeque::new(),
            port_held: 0,
            asks_for_devices: true,
            cancelled: false,
            devices: Vec::new(),
            nodes: Vec::new(),
            events: Vec::new(),
            answers: VecDeque::new(),
            records: BTreeMap::new(),
            operator_token: false,
            bootstrap: false,
            guest: Guest::default(),
            gateway: None,
        }
    }
}

impl World {
    /// One value of the gateway's configuration.
    pub fn config(&self, key: &str) -> Option<&str> {
        self.guest.config.get(key).map(String::as_str)
    }

    /// Whether the gateway runs.
    pub fn runs(&self) -> bool {
        self.guest.runs
    }

    /// Every value of the gateway's configuration.
    pub fn configuration(&self) -> &BTreeMap<String, String> {
        &self.guest.config
    }

    /// Whether the gateway's port can be taken on the Windows side; a look counts.
    pub fn port_is_free(&mut self) -> bool {
        let held = self.port_held > 0;
        self.port_held = self.port_held.saturating_sub(1);
        !held && !self.guest.runs
    }

    /// Who owns the port at this look.
    pub fn look_at_owner(&mut self) -> Owner {
        let owner = self.owner.clone();
        if let Some(next) = self.next_owners.pop_front() {
            self.owner = next;
        }
        owner
    }

    /// What goes with the distro's files.
    fn forget_distro(&mut self) {
        self.stop();
        self.guest = Guest::default();
        self.devices.clear();
        self.nodes.clear();
    }

    fn start(&mut self) -> bool {
        let starts = self.guest.service;
        if starts && let Some(gateway) = &mut self.gateway {
            gateway.start();
        }
        self.guest.runs = starts;
        starts
    }

    fn stop(&mut self) {
        if self.guest.runs
            && let Some(gateway) = &mut self.gateway
        {
            gateway.stop();
        }
        self.guest.runs = false;
    }

    fn code(&mut self) -> Result<String, String> {
        match &mut self.gateway {
            Some(gateway) => gateway.code(),
            None => Ok(self.qr.clone()),
        }
    }

    fn pending(&mut self, what: Pending) -> Vec<String> {
        match (&mut self.gateway, what) {
            (Some(gateway), what) => gateway.pending(what),
            (None, Pending::Device) => self.devices.clone(),
            (None, Pending::Node) => self.nodes.clone(),
        }
    }

    fn approve(&mut self, what: Pending, id: &str) -> Result<(), String> {
        if let Some(gateway) = &mut self.gateway {
            gateway.approve(what, id)?;
        } else {
            let before = self.devices.len() + self.nodes.len();
            self.devices.retain(|known| known != id);
            self.nodes.retain(|known| known != id);
            if self.devices.len() + self.nodes.len() == before {
                return Err("unknown requestId".to_owned());
            }
            self.guest.approved.push(id.to_owned());
        }
        self.events.push(format!("approve {} {id}", what.word()));
        Ok(())
    }
}

/// A handle on the world; every clone is the same world.
pub type Shared = Rc<RefCell<World>>;

/// A distro, and its Windows side.
pub fn pair(world: World) -> (Shared, Box<MemoryDistro>, MemoryPeer) {
    let shared = Rc::new(RefCell::new(world));
    let peer = MemoryPeer::new(Rc::clone(&shared));
    (
        Rc::clone(&shared),
        Box::new(MemoryDistro::new(shared)),
        peer,
    )
}
