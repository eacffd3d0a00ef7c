//! What a distribution says of its gateway's port: its own words, read. ref: client-behaviour.md §18.1
//!
//! The shell runs [`SCRIPT`] inside and hands over what it printed. The service's main process must itself listen on the
//! port; what else listens there does not count.
//!
//! ```
//! use client_core::guest::{Guest, GuestPort};
//! let said = "MainPID=412\nLISTEN 0 511 127.0.0.1:18789 0.0.0.0:* users:((\"node\",pid=412,fd=21)) ino:77 sk:1\n";
//! let port = GuestPort::read(said, 18_789);
//! assert_eq!((port.guest, port.sockets), (Guest::OwnsPort, vec![77]));
//! ```

use serde::{Deserialize, Serialize};

/// For `bash -s` inside the distribution. It ends with 0 when both could be asked.
pub const SCRIPT: &str = "set -e\nsystemctl --user show -p MainPID openclaw-gateway\nss -ltnpeH\n";

/// What the distribution says of the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Guest {
    /// The gateway's service runs and its process listens there.
    OwnsPort,
    /// It does not.
    Silent,
}

/// The distribution's word, and by which sockets it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestPort {
    /// The word.
    pub guest: Guest,
    /// Inodes of the service's listening sockets on the port, where `ss` told them: the kernel gives each number once,
    /// whatever the namespace.
    pub sockets: Vec<u64>,
}

impl GuestPort {
    /// A distribution that says nothing for itself.
    pub const SILENT: Self = Self {
        guest: Guest::Silent,
        sockets: Vec::new(),
    };

    /// Reads what [`SCRIPT`] printed.
    pub fn read(said: &str, port: u16) -> Self {
        let main_pid = said.lines().find_map(|line| {
            let pid: u32 = line.trim().strip_prefix("MainPID=")?.parse().ok()?;
            (pid > 0).then_some(pid)
        });
        let Some(main_pid) = main_pid else {
            return Self::SILENT;
        };
        let (by, port) = (format!("pid={main_pid},"), port.to_string());
        let owned = said.lines().filter(|line| {
            let mut columns = line.split_whitespace();
            let listens = columns.next() == Some("LISTEN");
            let local = columns.nth(2).and_then(|local| local.rsplit(':').next());
            listens && local == Some(port.as_str()) && line.contains(&by)
        });
        let mut found = Self::SILENT;
        for line in owned {
            found.guest = Guest::OwnsPort;
            let inode = |word: &str| word.strip_prefix("ino:")?.parse::<u64>().ok();
            found
                .sockets
                .extend(line.split_whitespace().find_map(inode));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const SS: &str = r#"LISTEN 0 511 127.0.0.1:18789 0.0.0.0:* users:(("node",pid=412,fd=21)) uid:1000 ino:901 sk:1 <->
LISTEN 0 511 [::1]:18791 [::]:* users:(("node",pid=413,fd=22))
LISTEN 0 511 [::1]:18789 [::]:* users:(("node",pid=412,fd=23)) uid:1000 ino:902 sk:2 <->
LISTEN 0 511 127.0.0.2:18789 0.0.0.0:* users:(("nc",pid=41,fd=3)) ino:903 sk:3 <->"#;

    #[rstest]
    #[case::owns("MainPID=412\n", 18_789, &[901, 902])]
    #[case::another_process("MainPID=41\n", 18_789, &[903])]
    #[case::another_port("MainPID=412\n", 1_878, &[])]
    #[case::not_the_service("MainPID=4\n", 18_789, &[])]
    #[case::stopped("MainPID=0\n", 18_789, &[])]
    #[case::no_service("", 18_789, &[])]
    fn the_guests_word_counts_only_for_its_own_process(
        #[case] main_pid: &str,
        #[case] port: u16,
        #[case] sockets: &[u64],
    ) {
        let found = GuestPort::read(&format!("{main_pid}{SS}"), port);
        let owns = if sockets.is_empty() {
            Guest::Silent
        } else {
            Guest::OwnsPort
        };
        assert_eq!((found.guest, found.sockets.as_slice()), (owns, sockets));
    }

    #[test]
    fn an_older_ss_tells_no_inode_and_is_believed_all_the_same() {
        let found = GuestPort::read(&format!("MainPID=413\n{SS}"), 18_791);
        assert_eq!((found.guest, found.sockets), (Guest::OwnsPort, Vec::new()));
    }
}
