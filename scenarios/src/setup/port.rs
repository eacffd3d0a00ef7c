//! The gateway's port of a set-up: out of the range that no system hands out by itself, free on both loopback addresses,
//! and nobody else's of those who choose at the same time.
//!
//! ref: setup-and-wsl.md §5

use std::fs::{File, TryLockError};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Serialize;

/// Where set-ups look.
const PORTS: RangeInclusive<u16> = 20_000..=39_999;
/// Where a Linux machine says which ports it hands out, and which it never does.
const HANDED_OUT: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// No port can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no port of {} to {} is free on both loopback addresses\nhint: see who listens there with ss -ltn",
    PORTS.start(),
    PORTS.end()
)]
pub(crate) struct NoPort;

/// A port that nobody else takes while this lives.
#[derive(Debug)]
pub(crate) struct Lease {
    /// The port.
    pub(crate) port: u16,
    /// How it was found.
    pub(crate) allocation: Allocation,
    path: PathBuf,
    _lock: File,
}

/// How a port was found, for the artifact `gateway-port-allocation.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Allocation {
    /// The one that was taken.
    pub(crate) port: u16,
    /// Ports that were looked at and are not to be had.
    pub(crate) skipped: Vec<Skipped>,
    /// Free on `127.0.0.1` and on `::1`, where the machine has it.
    pub(crate) free_on_both_families: bool,
}

/// A port that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Skipped {
    port: u16,
    why: Why,
}

/// Why a port was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Why {
    /// The machine keeps it for somebody.
    Reserved,
    /// Another set-up has it.
    Leased,
    /// Somebody listens.
    Busy,
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Whoever finds the file without its lock may have the port.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Leases a port of this machine.
///
/// # Errors
/// [`NoPort`].
pub(crate) fn lease() -> Result<Lease, NoPort> {
    // Where to begin differs from process to process and from one to the next, so that set-ups at the same time seldom
    // meet.
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(31) + ASKED.fetch_add(1, Ordering::Relaxed) * 7;
    let reserved = std::fs::read_to_string(RESERVED).unwrap_or_default();
    let handed_out = std::fs::read_to_string(HANDED_OUT).unwrap_or_default();
    let kept = [ranges(&reserved), handed_out_of(&handed_out)].concat();
    lease_in(&std::env::temp_dir().join("clawproof-ports"), begin, &kept)
}

fn lease_in(folder: &Path, begin: u32, kept: &[RangeInclusive<u16>]) -> Result<Lease, NoPort> {
    let span = PORTS.end() - PORTS.start() + 1;
    let offset = u16::try_from(begin % u32::from(span)).unwrap_or_default();
    let mut skipped = Vec::new();
    for n in 0..span {
        let port = PORTS.start() + (offset + n) % span;
        let why = if kept.iter().any(|range| range.contains(&port)) {
            Why::Reserved
        } else if let Some((path, lock)) = lock(folder, port) {
            if is_free(port) {
                let allocation = Allocation {
                    port,
                    skipped,
                    free_on_both_families: true,
                };
                return Ok(Lease {
                    port,
                    allocation,
                    path,
                    _lock: lock,
                });
            }
            drop(std::fs::remove_file(path));
            Why::Busy
        } else {
            Why::Leased
        };
        skipped.push(Skipped { port, why });
    }
    Err(NoPort)
}

/// The file of a port, locked; `None` when somebody else has it.
fn lock(folder: &Path, port: u16) -> Option<(PathBuf, File)> {
    std::fs::create_dir_all(folder).ok()?;
    let path = folder.join(format!("{port}.lease"));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .ok()?;
    match file.try_lock() {
        Ok(()) => Some((path, file)),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
    }
}

/// Ports as the kernel lists them: `8080,9000-9002`.
fn ranges(text: &str) -> Vec<RangeInclusive<u16>> {
    let parts = text.trim().split(',');
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    };
    parts.filter_map(range).collect()
}

/// What the kernel hands out by itself, when that leaves something of the range where set-ups look.
fn handed_out_of(text: &str) -> Vec<RangeInclusive<u16>> {
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(first), Some(last)) if first > *PORTS.start() || last < *PORTS.end() => {
            vec![first..=last]
        }
        _ => Vec::new(),
    }
}

/// Whether nobody listens on a port of this machine's loopback addresses.
pub(crate) fn is_free(port: u16) -> bool {
    let four = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let six = TcpListener::bind((Ipv6Addr::LOCALHOST, port));
    let has_no_six = matches!(&six, Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable);
    four.is_ok() && (six.is_ok() || has_no_six)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whys(lease: &Lease) -> Vec<(u16, Why)> {
        let skipped = lease.allocation.skipped.iter();
        skipped.map(|it| (it.port, it.why)).collect()
    }

    /// A port that is kept, one that is leased and one on which somebody listens are passed over, and each says why.
    #[test]
    fn ports_of_others_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let first = lease_in(folder.path(), 4_000, &[]).unwrap();
        let begin = u32::from(first.port - PORTS.start());
        assert!(PORTS.contains(&first.port) && first.allocation.free_on_both_families);
        let second = lease_in(folder.path(), begin, &[]).unwrap();
        assert_eq!(whys(&second), [(first.port, Why::Leased)]);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, second.port)).unwrap();
        let kept = second.port + 1..=second.port + 1;
        let busy = second.port;
        drop(second);
        let third = lease_in(folder.path(), begin, std::slice::from_ref(&kept)).unwrap();
        let whys = whys(&third);
        for expected in [
            (first.port, Why::Leased),
            (busy, Why::Busy),
            (*kept.start(), Why::Reserved),
        ] {
            assert!(whys.contains(&expected), "{expected:?} in {whys:?}");
        }
        drop(listener);
    }

    /// One family is not enough.
    #[test]
    fn a_listener_on_one_family_is_a_listener() {
        let folder = tempfile::tempdir().unwrap();
        let lease = lease_in(folder.path(), 9_000, &[]).unwrap();
        if let Ok(six) = TcpListener::bind((Ipv6Addr::LOCALHOST, lease.port)) {
            assert!(!is_free(lease.port));
            drop(six);
        }
        assert!(is_free(lease.port));
    }

    /// A lease that is given back leaves no file, and the port can be had again.
    #[test]
    fn a_lease_that_ends_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let lease = lease_in(folder.path(), 12_000, &[]).unwrap();
        let begin = u32::from(lease.port - PORTS.start());
        drop(lease);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(lease_in(folder.path(), begin, &[]).is_ok());
    }

    #[test]
    fn what_the_kernel_says_is_read() {
        assert_eq!(ranges("8080,9000-9002\n"), [8080..=8080, 9000..=9002]);
        assert_eq!(ranges("\n"), []);
        assert_eq!(handed_out_of("32768\t60999\n"), [32_768..=60_999]);
        // A machine that hands out everything leaves nothing to choose from: then any free port will do.
        assert_eq!(handed_out_of("1024 65535\n"), []);
    }
}
