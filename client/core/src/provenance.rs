//! Who owns the port of a gateway that runs in a WSL distribution, judged from snapshots. ref: client-behaviour.md §18.1
//!
//! The shell takes the snapshots: the host's listeners, the distribution's own word, and, when the host has no
//! listener, the host's listeners once more. This module only judges them, so every rule can be tested anywhere.
//!
//! ```
//! use client_core::provenance::{HostPort, Provenance, judge};
//! use client_core::EndpointOwner;
//! use client_core::guest::Guest;
//! let nobody = HostPort { complete: true, listeners: Vec::new() };
//! let found = judge(&nobody, Guest::OwnsPort, Some(&nobody));
//! assert!(matches!(found, Provenance::Expected { .. }), "mirrored networking needs no relay");
//! assert_eq!(judge(&nobody, Guest::Silent, Some(&nobody)).owner(), EndpointOwner::NoListener);
//! ```

use serde::{Deserialize, Serialize};

use crate::guest::Guest;
use crate::input::EndpointOwner;

/// The host's listeners on the gateway's port, on every address that its URL can mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPort {
    /// Every address family that the host name needs was read.
    pub complete: bool,
    /// Who listens.
    pub listeners: Vec<HostListener>,
}

/// One listener of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostListener {
    /// Process id.
    pub pid: u32,
    /// When the process started, in the host's own count.
    pub started: u64,
    /// Name of its program, without extension.
    pub program: String,
    /// Full path of its program.
    pub path: String,
    /// Its file carries a valid signature of Microsoft.
    pub is_signed_by_microsoft: bool,
    /// It is fully proven to be the app's own, obsolete native gateway task.
    pub is_obsolete_gateway: bool,
    /// It is the very socket of which the distribution's gateway service says that it is its own: a computer that shares
    /// its network and its table of sockets with the distribution shows it, Windows does not.
    pub is_the_guests: bool,
}

/// The judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Provenance {
    /// The managed gateway.
    Expected {
        /// Changes with the owner.
        proof: u64,
    },
    /// Nobody listens.
    NoListener,
    /// The app's own older gateway sits on the port; it may be removed.
    ConflictingGateway,
    /// Somebody who could not be proven.
    UnknownListener,
    /// Listeners came or went while they were looked at.
    Changed,
}

impl Provenance {
    /// What it means to the gate of credentials.
    pub fn owner(self) -> EndpointOwner {
        match self {
            Self::Expected { proof } => EndpointOwner::Expected { proof },
            Self::NoListener => EndpointOwner::NoListener,
            Self::ConflictingGateway | Self::UnknownListener | Self::Changed => {
                EndpointOwner::Foreign
            }
        }
    }
}

/// Judges. `again` is a later snapshot of the host, needed only when the first shows nobody.
pub fn judge(host: &HostPort, guest: Guest, again: Option<&HostPort>) -> Provenance {
    if !host.complete {
        return Provenance::UnknownListener;
    }
    let outside: Vec<&HostListener> = host
        .listeners
        .iter()
        .filter(|listener| !listener.is_the_guests)
        .collect();
    if outside.is_empty() {
        return judge_relayless(host, guest, again);
    }
    let all = |is: fn(&HostListener) -> bool| outside.iter().all(|listener| is(listener));
    if all(is_relay) && guest == Guest::OwnsPort {
        return Provenance::Expected {
            proof: proof_of(&host.listeners),
        };
    }
    if all(|listener| listener.is_obsolete_gateway) {
        return Provenance::ConflictingGateway;
    }
    Provenance::UnknownListener
}

/// Nobody but the guest has the port, if anybody has.
fn judge_relayless(host: &HostPort, guest: Guest, again: Option<&HostPort>) -> Provenance {
    let proof = proof_of(&host.listeners);
    match (guest, again) {
        (Guest::Silent, _) if host.listeners.is_empty() => Provenance::NoListener,
        (Guest::OwnsPort, Some(again)) if again.complete => {
            let is_unchanged = again.listeners.iter().all(|it| it.is_the_guests)
                && proof_of(&again.listeners) == proof;
            if is_unchanged {
                Provenance::Expected { proof }
            } else {
                Provenance::Changed
            }
        }
        (Guest::Silent, _) | (Guest::OwnsPort, Some(_) | None) => Provenance::UnknownListener,
    }
}

/// WSL's own relay: the name alone proves nothing, anybody can call a program so.
fn is_relay(listener: &HostListener) -> bool {
    listener.program.eq_ignore_ascii_case("wslrelay")
        && listener.is_signed_by_microsoft
        && is_canonical(&listener.path)
}

/// Where Windows and the Store install it. A path with `..` in it is nowhere.
fn is_canonical(path: &str) -> bool {
    let path = path.to_ascii_lowercase().replace('/', "\\");
    let Some((drive, rest)) = path.split_once(":\\") else {
        return false;
    };
    let below = [
        "program files\\wsl\\",
        "windows\\system32\\",
        "program files\\windowsapps\\",
    ];
    let is_letter = drive.len() == 1 && drive.bytes().all(|byte| byte.is_ascii_lowercase());
    is_letter
        && below.iter().any(|folder| rest.starts_with(folder))
        && !rest.split('\\').any(|part| part == "..")
        && rest.rsplit('\\').next() == Some("wslrelay.exe")
}

/// FNV-1a over process, start time and path: told apart, not secret.
fn proof_of(listeners: &[HostListener]) -> u64 {
    let mut sorted: Vec<(u32, u64, &str)> = listeners
        .iter()
        .map(|it| (it.pid, it.started, it.path.as_str()))
        .collect();
    sorted.sort_unstable();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for (pid, started, path) in sorted {
        mix(&pid.to_le_bytes());
        mix(&started.to_le_bytes());
        mix(path.as_bytes());
    }
    hash
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn relay(pid: u32) -> HostListener {
        HostListener {
            pid,
            started: 1,
            program: "wslrelay".into(),
            path: r"C:\Program Files\WSL\wslrelay.exe".into(),
            is_signed_by_microsoft: true,
            is_obsolete_gateway: false,
            is_the_guests: false,
        }
    }

    fn guests(pid: u32) -> HostListener {
        HostListener {
            program: "node".into(),
            path: "/usr/bin/node".into(),
            is_signed_by_microsoft: false,
            is_the_guests: true,
            ..relay(pid)
        }
    }

    fn obsolete() -> HostListener {
        HostListener {
            program: "node".into(),
            path: r"C:\app\node.exe".into(),
            is_signed_by_microsoft: false,
            is_obsolete_gateway: true,
            ..relay(3)
        }
    }

    fn host(listeners: &[HostListener]) -> HostPort {
        HostPort {
            complete: true,
            listeners: listeners.to_vec(),
        }
    }

    fn incomplete() -> HostPort {
        HostPort {
            complete: false,
            listeners: Vec::new(),
        }
    }

    use EndpointOwner::{Foreign, NoListener};

    #[rstest]
    #[case::relay_and_guest(host(&[relay(1)]), Guest::OwnsPort, None, None)]
    #[case::two_relays(host(&[relay(1), relay(2)]), Guest::OwnsPort, None, None)]
    #[case::relay_without_guest(host(&[relay(1)]), Guest::Silent, None, Some(Foreign))]
    #[case::mixed(host(&[relay(1), obsolete()]), Guest::OwnsPort, None, Some(Foreign))]
    #[case::obsolete(host(&[obsolete()]), Guest::OwnsPort, None, Some(Foreign))]
    #[case::nobody(host(&[]), Guest::Silent, None, Some(NoListener))]
    #[case::mirrored(host(&[]), Guest::OwnsPort, Some(host(&[])), None)]
    #[case::mirrored_unproven(host(&[]), Guest::OwnsPort, None, Some(Foreign))]
    #[case::changed(host(&[]), Guest::OwnsPort, Some(host(&[relay(1)])), Some(Foreign))]
    #[case::shared_network(host(&[guests(4)]), Guest::OwnsPort, Some(host(&[guests(4)])), None)]
    #[case::shared_and_foreign(host(&[guests(4), obsolete()]), Guest::OwnsPort, Some(host(&[guests(4)])), Some(Foreign))]
    #[case::another_guest(host(&[guests(4)]), Guest::OwnsPort, Some(host(&[guests(5)])), Some(Foreign))]
    #[case::joined(host(&[guests(4)]), Guest::OwnsPort, Some(host(&[guests(4), relay(1)])), Some(Foreign))]
    #[case::guest_denies(host(&[guests(4)]), Guest::Silent, Some(host(&[guests(4)])), Some(Foreign))]
    #[case::half_read(incomplete(), Guest::OwnsPort, Some(host(&[])), Some(Foreign))]
    #[case::half_read_again(host(&[]), Guest::OwnsPort, Some(incomplete()), Some(Foreign))]
    fn the_gate_opens_only_for_a_proven_owner(
        #[case] first: HostPort,
        #[case] guest: Guest,
        #[case] again: Option<HostPort>,
        #[case] closed: Option<EndpointOwner>,
    ) {
        let owner = judge(&first, guest, again.as_ref()).owner();
        match closed {
            Some(expected) => assert_eq!(owner, expected),
            None => assert!(matches!(owner, EndpointOwner::Expected { .. }), "{owner:?}"),
        }
    }

    #[test]
    fn the_apps_own_obsolete_gateway_is_named() {
        let found = judge(&host(&[obsolete()]), Guest::Silent, None);
        assert_eq!(found, Provenance::ConflictingGateway);
        let found = judge(&host(&[]), Guest::OwnsPort, Some(&host(&[relay(1)])));
        assert_eq!(found, Provenance::Changed);
    }

    #[rstest]
    #[case::wsl(r"C:\Program Files\WSL\wslrelay.exe", true, true)]
    #[case::system(r"c:\windows\System32\wslrelay.exe", true, true)]
    #[case::store(
        r"C:\Program Files\WindowsApps\MicrosoftCorporationII_1\wslrelay.exe",
        true,
        true
    )]
    #[case::unsigned(r"C:\Windows\System32\wslrelay.exe", false, false)]
    #[case::elsewhere(r"D:\Users\ada\wslrelay.exe", true, false)]
    #[case::climbs_out(r"C:\Windows\System32\..\..\Users\ada\wslrelay.exe", true, false)]
    #[case::another_program(r"C:\Windows\System32\evil.exe", true, false)]
    #[case::look_alike(r"C:\Windows\System32x\wslrelay.exe", true, false)]
    #[case::share(r"\\host\C\Windows\System32\wslrelay.exe", true, false)]
    fn a_relay_is_known_by_place_and_signature(
        #[case] path: &str,
        #[case] is_signed_by_microsoft: bool,
        #[case] expected: bool,
    ) {
        let listener = HostListener {
            path: path.into(),
            is_signed_by_microsoft,
            ..relay(1)
        };
        let found = judge(&host(&[listener]), Guest::OwnsPort, None);
        assert_eq!(matches!(found, Provenance::Expected { .. }), expected);
    }

    #[test]
    fn the_proof_changes_with_the_process_and_not_with_the_order() {
        let proof = |listeners: &[HostListener]| judge(&host(listeners), Guest::OwnsPort, None);
        assert_eq!(proof(&[relay(1), relay(2)]), proof(&[relay(2), relay(1)]));
        assert_ne!(proof(&[relay(1)]), proof(&[relay(2)]));
        let restarted = HostListener {
            started: 2,
            ..relay(1)
        };
        assert_ne!(proof(&[relay(1)]), proof(&[restarted]));
    }
}
