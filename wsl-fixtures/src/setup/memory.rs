//! A distro with a gateway in it and a Windows side, both in memory: enough for a set-up to run over a
//! [`ModelWsl`](crate::ModelWsl) in no time.
//!
//! The distro runs no shell. It knows the scripts of the set-up by the words in them, and ends any other with 127.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use super::context::Credential;
use super::peer::{Connection, Owner, Peer, PeerError, Role};
use crate::machine::{Change, Execution};
use crate::model::Inside;
use crate::wsl::Finished;

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
    /// The registry: distro to URL.
    pub records: BTreeMap<String, String>,
    /// Whether an operator token is stored.
    pub operator_token: bool,
    /// Whether the bootstrap token is stored.
    pub bootstrap: bool,
    /// What is in the distro.
    pub guest: Guest,
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
            records: BTreeMap::new(),
            operator_token: false,
            bootstrap: false,
            guest: Guest::default(),
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

    /// What goes with the distro's files.
    fn forget_distro(&mut self) {
        self.guest = Guest::default();
        self.devices.clear();
        self.nodes.clear();
    }

    fn approve(&mut self, id: &str, what: &str) -> Finished {
        let before = self.devices.len() + self.nodes.len();
        self.devices.retain(|known| known != id);
        self.nodes.retain(|known| known != id);
        if self.devices.len() + self.nodes.len() == before {
            return fails(1, "unknown requestId");
        }
        self.guest.approved.push(id.to_owned());
        self.events.push(format!("approve {what} {id}"));
        says(&json!({"requestId": id}).to_string())
    }
}

/// A handle on the world; every clone is the same world.
pub type Shared = Rc<RefCell<World>>;

/// A distro, and its Windows side.
pub fn pair(world: World) -> (Shared, Box<MemoryDistro>, MemoryPeer) {
    let shared = Rc::new(RefCell::new(world));
    let peer = MemoryPeer {
        world: Rc::clone(&shared),
        tokens: 0,
    };
    (Rc::clone(&shared), Box::new(MemoryDistro(shared)), peer)
}

/// What is in the distro.
#[derive(Debug)]
pub struct MemoryDistro(Shared);

fn says(text: &str) -> Finished {
    Finished {
        exit: Some(0),
        stdout: format!("{text}\n").into_bytes(),
        ..Finished::default()
    }
}

fn fails(exit: i32, text: &str) -> Finished {
    Finished {
        exit: Some(exit),
        stderr: format!("{text}\n").into_bytes(),
        ..Finished::default()
    }
}

/// Success in silence, or failure.
fn ends(ok: bool) -> Finished {
    Finished {
        exit: Some(i32::from(!ok)),
        ..Finished::default()
    }
}

impl Inside for MemoryDistro {
    fn run(&mut self, execution: &Execution, stdin: &[u8]) -> Finished {
        let mut world = self.0.borrow_mut();
        let input = String::from_utf8_lossy(stdin);
        let last = execution.words.last().map_or("", String::as_str);
        let script = if last == "-s" { input.as_ref() } else { last };
        let answer = system(&mut world, script)
            .or_else(|| service(&mut world, execution, script))
            .or_else(|| pairing(&mut world, script));
        answer.unwrap_or_else(|| fails(127, &format!("bash: {script}: command not found")))
    }

    fn follow(&mut self, change: &Change) {
        let mut world = self.0.borrow_mut();
        match change {
            Change::Stopped(_) => world.guest.runs = false,
            Change::Made(_) | Change::Removed(_) => world.forget_distro(),
            Change::Exported(..) | Change::Imported(..) => {}
        }
    }
}

/// User, files and the installer.
fn system(world: &mut World, script: &str) -> Option<Finished> {
    let has = |words: &str| script.contains(words);
    Some(if has("OPENCLAW_FRESH_WSL_READY") {
        says("0\nOPENCLAW_FRESH_WSL_READY")
    } else if has("CONFIGURED_OK") {
        world.guest.conf = script
            .split('\'')
            .skip(3)
            .step_by(2)
            .fold(String::new(), |conf, line| conf + line + "\n");
        says("CONFIGURED_OK")
    } else if has("cat /etc/wsl.conf") {
        if world.guest.conf.is_empty() {
            fails(1, "cat: /etc/wsl.conf: No such file or directory")
        } else {
            says(&world.guest.conf)
        }
    } else if has("LOCKDOWN_VALID") {
        if world.guest.conf.is_empty() {
            fails(1, "USER_MISSING")
        } else {
            says("LOCKDOWN_VALID")
        }
    } else if has("install-cli.sh") {
        world.guest.installed = script.rsplit('\'').nth(1).map(ToOwned::to_owned);
        says("installed")
    } else if has("OPENCLAW_PATH_READY") {
        world.guest.linked = true;
        says("OPENCLAW_PATH_READY")
    } else if has("--version") {
        let finds = world.guest.linked || has("/.openclaw/bin/openclaw");
        match &world.guest.installed {
            Some(version) if finds => says(&format!("OpenClaw {version}")),
            _ => fails(127, "openclaw: command not found"),
        }
    } else if has("rm -rf /opt/openclaw") {
        (world.guest.installed, world.guest.linked) = (None, false);
        ends(true)
    } else {
        return None;
    })
}

/// Configuration, service, health.
fn service(world: &mut World, execution: &Execution, script: &str) -> Option<Finished> {
    let has = |words: &str| script.contains(words);
    Some(if has("GATEWAY_CONFIGURED") {
        for line in script
            .split(" && ")
            .filter_map(|line| line.strip_prefix("openclaw config set "))
        {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            let value = value.trim_matches(['\'', '"']).replace(
                "$OPENCLAW_GATEWAY_TOKEN",
                execution
                    .env
                    .get("OPENCLAW_GATEWAY_TOKEN")
                    .map_or("", String::as_str),
            );
            world.guest.config.insert(key.to_owned(), value);
        }
        says("GATEWAY_CONFIGURED")
    } else if let Some(key) = script.split("openclaw config get ").nth(1) {
        let key = key.split_whitespace().next().unwrap_or_default();
        match world.guest.config.get(key) {
            Some(value) => says(value),
            None => fails(1, &format!("Config path not found: {key}")),
        }
    } else if has("openclaw gateway install") {
        world.guest.service = true;
        ends(true)
    } else if has("openclaw gateway uninstall") {
        (world.guest.service, world.guest.runs) = (false, false);
        ends(true)
    } else if has("openclaw gateway start") {
        world.guest.runs = world.guest.service;
        ends(world.guest.service)
    } else if has("openclaw gateway status") {
        says(if world.guest.runs {
            "{\"runtime\":\"running\"}"
        } else {
            "{\"runtime\":\"stopped\"}"
        })
    } else if has("MainPID") {
        ends(world.guest.runs)
    } else if has("ss -tlnp") {
        says("State Recv-Q Send-Q Local Address:Port Peer Address:Port Process")
    } else if has("%{http_code}") {
        says(if world.guest.runs { "200" } else { "000" })
    } else if has("systemctl --user stop") {
        world.guest.runs = false;
        ends(true)
    } else if has("reset-failed") {
        ends(true)
    } else if has("systemctl --user status") {
        says("inactive (dead)")
    } else {
        return None;
    })
}

/// Codes, devices, nodes, agents.
fn pairing(world: &mut World, script: &str) -> Option<Finished> {
    let has = |words: &str| script.contains(words);
    // wsl.exe has put the id where the variable stood.
    let id = || {
        script
            .rsplit("approve \"")
            .next()
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_default()
            .to_owned()
    };
    Some(if has("openclaw qr --json") {
        says(&world.qr)
    } else if has("devices approve --latest") {
        match world.devices.last() {
            Some(id) => says(&json!({"selected": {"requestId": id}}).to_string()),
            None => fails(1, "No pending device pairing requests."),
        }
    } else if has("devices approve") {
        world.approve(&id(), "device")
    } else if has("nodes approve") {
        world.approve(&id(), "node")
    } else if has("nodes list") {
        let pending: Vec<_> = world
            .nodes
            .iter()
            .map(|id| json!({"requestId": id}))
            .collect();
        says(&json!({"pending": pending, "paired": []}).to_string())
    } else if has("agents list") {
        says(r#"[{"id":"main","isDefault":true,"workspace":"/home/openclaw/.openclaw/workspace"}]"#)
    } else if has("WINDOWS_NODE_CONTEXT_READY") {
        world.guest.context = true;
        says("WINDOWS_NODE_CONTEXT_READY")
    } else if has("WINDOWS_NODE_CONTEXT_REMOVED") {
        world.guest.context = false;
        says("WINDOWS_NODE_CONTEXT_REMOVED")
    } else {
        return None;
    })
}

/// The Windows side.
#[derive(Debug)]
pub struct MemoryPeer {
    world: Shared,
    tokens: u64,
}

impl Peer for MemoryPeer {
    fn port_is_free(&mut self, _: u16) -> bool {
        let mut world = self.world.borrow_mut();
        let held = world.port_held > 0;
        world.port_held = world.port_held.saturating_sub(1);
        !held && !world.guest.runs
    }

    fn reaches(&mut self, _: &str) -> bool {
        self.world.borrow().guest.runs
    }

    fn owner(&mut self, _: u16) -> Owner {
        let mut world = self.world.borrow_mut();
        let owner = world.owner.clone();
        if let Some(next) = world.next_owners.pop_front() {
            world.owner = next;
        }
        owner
    }

    fn remember(
        &mut self,
        url: &str,
        distro: &str,
        _: &str,
        bootstrap: &str,
    ) -> Result<(), PeerError> {
        let mut world = self.world.borrow_mut();
        world.records.insert(distro.to_owned(), url.to_owned());
        world.bootstrap = !bootstrap.is_empty();
        Ok(())
    }

    fn forget(&mut self, distro: &str) -> Result<(), PeerError> {
        let mut world = self.world.borrow_mut();
        if world.records.remove(distro).is_some() {
            (world.operator_token, world.bootstrap) = (false, false);
        }
        Ok(())
    }

    fn connect(&mut self, role: Role, credential: &Credential, limit: Duration) -> Connection {
        let mut world = self.world.borrow_mut();
        let with = match credential {
            Credential::Shared(_) => "shared",
            Credential::Bootstrap(_) => "bootstrap",
            Credential::Device => "device",
        };
        world
            .events
            .push(format!("connect {role:?} {with}").to_lowercase());
        if !world.guest.runs {
            return if limit.is_zero() {
                Connection::TimedOut
            } else {
                Connection::Refused("connection refused".to_owned())
            };
        }
        let id = match role {
            Role::Operator => "device-1",
            Role::Node => "node-1",
        };
        if world.asks_for_devices && !world.guest.approved.iter().any(|known| known == id) {
            if !world.devices.iter().any(|known| known == id) {
                world.devices.push(id.to_owned());
            }
            return Connection::PairingRequired((role == Role::Node).then(|| id.to_owned()));
        }
        world.operator_token |= role == Role::Operator;
        Connection::Connected {
            protocol: world.protocol,
            version: world.version.clone(),
        }
    }

    fn disconnect(&mut self, _: Role) {}

    fn has_operator_token(&mut self) -> Result<bool, PeerError> {
        Ok(self.world.borrow().operator_token)
    }

    fn clear_operator_token(&mut self) -> Result<(), PeerError> {
        self.world.borrow_mut().operator_token = false;
        Ok(())
    }

    fn clear_bootstrap(&mut self) -> Result<(), PeerError> {
        self.world.borrow_mut().bootstrap = false;
        Ok(())
    }

    fn fresh_token(&mut self) -> Result<String, PeerError> {
        self.tokens += 1;
        Ok(format!("{:064x}", self.tokens))
    }

    fn is_cancelled(&self) -> bool {
        self.world.borrow().cancelled
    }
}
