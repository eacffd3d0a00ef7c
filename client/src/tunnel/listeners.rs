//! Who listens on a port of this computer: the table of sockets in `/proc`, and what it proves.
//! ref: client-behaviour.md §18, §24

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// A process, told apart from a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Process id.
    pub pid: u32,
    /// When it started, in the kernel's clock ticks since boot.
    pub started: u64,
}

/// One listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens; an unspecified address means everywhere.
    pub address: IpAddr,
    /// Who; none when it is somebody whom we may not look at.
    pub owner: Option<Owner>,
}

/// Finds listeners.
pub trait Listeners: Send + Sync + 'static {
    /// Every socket that listens on this TCP port.
    ///
    /// # Errors
    /// When the table can't be read as a whole; nothing is proven then.
    fn on_port(&self, port: u16) -> io::Result<Vec<Listener>>;

    /// The process with this number, as long as it runs.
    fn process(&self, pid: u32) -> Option<Owner>;
}

/// What a snapshot proves about a loopback port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Nobody listens there.
    Nobody,
    /// This process, and nobody else.
    Ours,
    /// Somebody else, or somebody unknown, or several.
    Foreign,
}

/// Judges a port. A listener on an address that loopback traffic never reaches does not count; any other competing one
/// makes the port ambiguous, 127.0.0.2 included.
///
/// ```
/// use gateway_client::tunnel::{Listener, Owner, Ownership, ownership};
/// let ours = Owner { pid: 7, started: 1 };
/// let at = |address: &str, owner| Listener { address: address.parse().unwrap(), owner };
/// assert_eq!(ownership(&[], ours), Ownership::Nobody);
/// assert_eq!(ownership(&[at("127.0.0.1", Some(ours)), at("192.0.2.1", None)], ours), Ownership::Ours);
/// assert_eq!(ownership(&[at("127.0.0.1", Some(ours)), at("127.0.0.2", None)], ours), Ownership::Foreign);
/// ```
pub fn ownership(listeners: &[Listener], ours: Owner) -> Ownership {
    let mut found = Ownership::Nobody;
    for listener in listeners {
        let address = listener.address.to_canonical();
        if !address.is_loopback() && !address.is_unspecified() {
            continue;
        }
        if listener.owner != Some(ours) {
            return Ownership::Foreign;
        }
        found = Ownership::Ours;
    }
    found
}

/// Reads Linux's `/proc`.
#[derive(Clone, Debug)]
pub struct ProcListeners {
    root: PathBuf,
}

impl Default for ProcListeners {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/proc"),
        }
    }
}

impl ProcListeners {
    fn table(&self, name: &str, port: u16) -> io::Result<Vec<(IpAddr, u64)>> {
        match std::fs::read_to_string(self.root.join("net").join(name)) {
            Ok(text) => Ok(text
                .lines()
                .skip(1)
                .filter_map(|line| row(line, port))
                .collect()),
            // A kernel without IPv6 has no such table, and nobody listens there.
            Err(error) if error.kind() == io::ErrorKind::NotFound && name == "tcp6" => {
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Which process holds which of these sockets. Processes that end meanwhile, and those of others, are passed over.
    fn holders(&self, sockets: &[u64]) -> io::Result<BTreeMap<u64, Owner>> {
        let mut holders = BTreeMap::new();
        for entry in std::fs::read_dir(&self.root)? {
            let entry = entry?;
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            for inode in sockets_of(&entry.path()) {
                if sockets.contains(&inode)
                    && let Some(owner) = self.process(pid)
                {
                    holders.insert(inode, owner);
                }
            }
        }
        Ok(holders)
    }
}

impl ProcListeners {
    /// Every socket that listens on this TCP port, with its inode.
    ///
    /// # Errors
    /// When the table can't be read as a whole.
    pub fn sockets(&self, port: u16) -> io::Result<Vec<(Listener, u64)>> {
        let mut rows = self.table("tcp", port)?;
        rows.extend(self.table("tcp6", port)?);
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let inodes: Vec<u64> = rows.iter().map(|(_, inode)| *inode).collect();
        let holders = self.holders(&inodes)?;
        let listener = |(address, inode)| Listener {
            address,
            owner: holders.get(&inode).copied(),
        };
        let numbered = |row: (IpAddr, u64)| (listener(row), row.1);
        Ok(rows.into_iter().map(numbered).collect())
    }

    /// The program of a process; none when it has ended or belongs to somebody else.
    pub fn program(&self, pid: u32) -> Option<PathBuf> {
        std::fs::read_link(self.root.join(pid.to_string()).join("exe")).ok()
    }
}

impl Listeners for ProcListeners {
    fn on_port(&self, port: u16) -> io::Result<Vec<Listener>> {
        let found = self.sockets(port)?;
        Ok(found.into_iter().map(|(listener, _)| listener).collect())
    }

    fn process(&self, pid: u32) -> Option<Owner> {
        let stat = std::fs::read_to_string(self.root.join(pid.to_string()).join("stat")).ok()?;
        // The name in brackets may hold anything, so count from its end: the start time is the 20th field after it.
        let (_, rest) = stat.rsplit_once(')')?;
        let started = rest.split_whitespace().nth(19)?.parse().ok()?;
        Some(Owner { pid, started })
    }
}

fn sockets_of(process: &Path) -> Vec<u64> {
    let Ok(handles) = std::fs::read_dir(process.join("fd")) else {
        return Vec::new();
    };
    let inode = |entry: io::Result<std::fs::DirEntry>| {
        let target = std::fs::read_link(entry.ok()?.path()).ok()?;
        let name = target.to_str()?.strip_prefix("socket:[")?;
        name.strip_suffix(']')?.parse().ok()
    };
    handles.filter_map(inode).collect()
}

/// `  sl  local_address rem_address   st … inode`: the address and inode of a row that listens on this port.
fn row(line: &str, port: u16) -> Option<(IpAddr, u64)> {
    const LISTENS: &str = "0A";
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    if fields.nth(1)? != LISTENS {
        return None;
    }
    let inode = fields.nth(5)?.parse().ok()?;
    let (address, own_port) = local.split_once(':')?;
    let fits = u16::from_str_radix(own_port, 16) == Ok(port);
    Some((address_of(address)?, inode)).filter(|_| fits)
}

/// Words of four bytes, each as the machine keeps it in memory.
fn address_of(hex: &str) -> Option<IpAddr> {
    let mut bytes = Vec::with_capacity(16);
    let mut rest = hex;
    while !rest.is_empty() {
        let (word, tail) = rest.split_at_checked(8)?;
        bytes.extend(u32::from_str_radix(word, 16).ok()?.to_ne_bytes());
        rest = tail;
    }
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes)
            .ok()
            .map(|it| Ipv4Addr::from(it).into()),
        16 => <[u8; 16]>::try_from(bytes)
            .ok()
            .map(|it| Ipv6Addr::from(it).into()),
        _ => None,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpListener;

    use rstest::rstest;

    use super::*;

    const OURS: Owner = Owner { pid: 7, started: 1 };
    const LATER: Owner = Owner { pid: 7, started: 2 };

    #[rstest]
    #[case::nobody(&[], Ownership::Nobody)]
    #[case::both_families(&[("127.0.0.1", Some(OURS)), ("::1", Some(OURS))], Ownership::Ours)]
    #[case::elsewhere_is_ignored(&[("127.0.0.1", Some(OURS)), ("192.0.2.1", None)], Ownership::Ours)]
    #[case::only_elsewhere(&[("192.0.2.1", Some(OURS))], Ownership::Nobody)]
    #[case::competing_loopback(&[("127.0.0.1", Some(OURS)), ("127.0.0.2", None)], Ownership::Foreign)]
    #[case::wildcard_of_others(&[("127.0.0.1", Some(OURS)), ("0.0.0.0", None)], Ownership::Foreign)]
    #[case::mapped(&[("::ffff:127.0.0.1", None)], Ownership::Foreign)]
    #[case::same_number_later(&[("127.0.0.1", Some(LATER))], Ownership::Foreign)]
    fn a_port_is_ours_only_when_nobody_competes(
        #[case] listeners: &[(&str, Option<Owner>)],
        #[case] expected: Ownership,
    ) {
        let listener = |(address, owner): &(&str, Option<Owner>)| Listener {
            address: address.parse().unwrap(),
            owner: *owner,
        };
        let listeners: Vec<Listener> = listeners.iter().map(listener).collect();
        assert_eq!(ownership(&listeners, OURS), expected);
    }

    #[rstest]
    #[case("127.0.0.1:0")]
    #[case("[::1]:0")]
    fn the_kernels_table_names_this_process(#[case] address: &str) {
        let Ok(socket) = TcpListener::bind(address) else {
            // A computer without IPv6 has no second row to read.
            assert!(address.starts_with('['));
            return;
        };
        let address = socket.local_addr().unwrap();
        let proc = ProcListeners::default();
        let ours = proc.process(std::process::id()).unwrap();
        let found = proc.on_port(address.port()).unwrap();
        let wanted = Listener {
            address: address.ip(),
            owner: Some(ours),
        };
        assert!(found.contains(&wanted), "{found:?}");
        assert_eq!(ownership(&found, ours), Ownership::Ours);
        drop(socket);
        assert_eq!(
            ownership(&proc.on_port(address.port()).unwrap(), ours),
            Ownership::Nobody
        );
    }

    #[test]
    fn a_table_that_can_not_be_read_is_an_error() {
        let proc = ProcListeners {
            root: PathBuf::from("/nowhere"),
        };
        assert!(proc.on_port(1).is_err());
        assert_eq!(proc.process(1), None);
    }
}
