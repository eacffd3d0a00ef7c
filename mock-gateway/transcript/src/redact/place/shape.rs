//! Addresses, hosts of URLs, e-mail addresses and home folders in a text, told by their form alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use crate::redact::marks::Marks;

/// A name in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) range: Range<usize>,
    pub(super) kind: &'static str,
    /// Whether it is to be hidden in other texts too.
    pub(super) is_word: bool,
}

/// What stands before the name of a user and a separator. In JSON and in code a backslash is written up to four times.
const HOMES: [&str; 3] = ["/home", "/Users", "\\Users"];
/// Accounts that every machine has.
const NOBODY: [&str; 8] = [
    "All Users",
    "Default",
    "Default User",
    "Public",
    "Shared",
    "openclaw",
    "root",
    "runner",
];
/// Host names of documentation, and the project's own site.
const NOBODYS_HOSTS: [&str; 9] = [
    "localhost",
    "example",
    "example.com",
    "example.net",
    "example.org",
    "invalid",
    "test",
    "openclaw.ai",
    "github.com",
];

/// Every name, in order and without overlap, of a text with these marks.
pub(super) fn spots(text: &str, marks: Marks) -> Vec<Spot> {
    let mut found = Vec::new();
    if marks.may_tell_addresses() {
        addresses(text, &mut found);
    }
    if marks.has(Marks::SLASH) {
        homes(text, &mut found);
        if marks.has(Marks::COLON) {
            hosts(text, &mut found);
        }
    }
    if marks.has(Marks::AT) {
        mail(text, &mut found);
    }
    if found.len() > 1 {
        found.sort_by_key(|spot| (spot.range.start, std::cmp::Reverse(spot.range.end)));
        let mut end = 0;
        found.retain(|spot| {
            let keep = spot.range.start >= end;
            if keep {
                end = spot.range.end;
            }
            keep
        });
    }
    found
}

/// IPv4 and IPv6, alone, in brackets, with a port or a zone.
fn addresses(text: &str, found: &mut Vec<Spot>) {
    let bytes = text.as_bytes();
    let belongs = |byte: &&u8| byte.is_ascii_hexdigit() || [b'.', b':'].contains(*byte);
    let mut end = 0;
    for at in memchr::memchr2_iter(b'.', b':', bytes) {
        if at < end {
            continue;
        }
        let before = bytes.get(end..at).unwrap_or_default();
        let start = at - before.iter().rev().take_while(belongs).count();
        let after = bytes.get(at..).unwrap_or_default();
        end = at + after.iter().take_while(belongs).count();
        let run = start..end;
        let word = text.get(run.clone()).unwrap_or_default();
        let count = |mark: u8| word.bytes().filter(|byte| *byte == mark).count();
        if count(b'.') < 3 && count(b':') < 2 {
            continue;
        }
        // A letter, digit or underscore beside it makes it part of a name; after a label stands a colon.
        let before = run.start.checked_sub(1).filter(|_| !word.starts_with(':'));
        let beside = [before, Some(run.end)];
        let is_part = beside.iter().flatten().any(|&at| {
            let byte = text.as_bytes().get(at);
            byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        });
        if is_part {
            continue;
        }
        if let Some(within) = address(word) {
            found.push(Spot {
                range: run.start + within.start..run.start + within.end,
                kind: "ip",
                is_word: false,
            });
        }
    }
}

/// Where in a run somebody's address stands: all of it, or without a port, a label or the end of a sentence.
fn address(word: &str) -> Option<Range<usize>> {
    let end = word.trim_end_matches([':', '.']).len();
    let all = word.get(..end)?;
    // `[::]` is written in brackets, so its colons are its own.
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    for whole in [word, all].iter().filter(|_| has_digit) {
        if let Ok(v6) = whole.parse::<Ipv6Addr>() {
            return (!is_nobodys(IpAddr::V6(v6))).then_some(0..whole.len());
        }
    }
    let mut start = 0;
    for piece in all.split(':') {
        if piece.parse::<Ipv4Addr>().is_ok_and(|v4| !is_nobodys_v4(v4)) {
            return Some(start..start + piece.len());
        }
        start += piece.len() + 1;
    }
    None
}

/// Loopback, unspecified, broadcast, and the ranges reserved for documentation.
fn is_nobodys(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_nobodys_v4(v4),
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            v6.is_loopback()
                || v6.is_unspecified()
                || (first == 0x2001 && second == 0x0db8)
                || v6.to_ipv4_mapped().is_some_and(is_nobodys_v4)
                || is_short(v6)
        }
    }
}

fn is_nobodys_v4(v4: Ipv4Addr) -> bool {
    v4.is_loopback() || v4.is_unspecified() || v4.is_broadcast() || v4.is_documentation()
}

/// `::a` and the like: more likely a piece of code than an address.
fn is_short(v6: Ipv6Addr) -> bool {
    let [head @ .., _] = v6.segments();
    head.iter().all(|segment| *segment == 0)
}

/// The user's name in the path of a home folder, with `/mnt/c` or a drive before it or not.
fn homes(text: &str, found: &mut Vec<Spot>) {
    for at in memchr::memchr2_iter(b'/', b'\\', text.as_bytes()) {
        let here = text.get(at..).unwrap_or_default();
        for home in HOMES {
            if !here.starts_with(home) {
                continue;
            }
            let separator = if home.starts_with('\\') { '\\' } else { '/' };
            let rest = here.get(home.len()..).unwrap_or_default();
            let separators = rest.len() - rest.trim_start_matches(separator).len();
            if separators == 0 || separators > 4 {
                continue;
            }
            let start = at + home.len();
            let start = start + separators;
            let end = start + name_length(text.get(start..).unwrap_or_default());
            let name = text.get(start..end).unwrap_or_default();
            if name.is_empty() || NOBODY.contains(&name) || name.starts_with(['<', '%', '$', '*']) {
                continue;
            }
            found.push(Spot {
                range: start..end,
                kind: "user",
                is_word: true,
            });
        }
    }
}

/// A name may hold spaces where a separator follows it before the line, or the quotation, ends.
fn name_length(rest: &str) -> usize {
    let until = |stop: &[char]| rest.find(stop).unwrap_or(rest.len());
    let whole = until(&[
        '/', '\\', '"', '\'', '\n', '\r', ':', '<', '>', '|', '*', '?',
    ]);
    if rest
        .get(whole..)
        .is_some_and(|tail| tail.starts_with(['/', '\\']))
        && whole <= 40
    {
        return whole;
    }
    until(&[
        '/', '\\', '"', '\'', '\n', '\r', ':', '<', '>', '|', '*', '?', ' ', ',', ';', ')', ']',
        '}',
    ])
}

/// The host in `scheme://host:port/`.
fn hosts(text: &str, found: &mut Vec<Spot>) {
    for at in memchr::memchr_iter(b':', text.as_bytes()) {
        let Some(rest) = text.get(at..).and_then(|rest| rest.strip_prefix("://")) else {
            continue;
        };
        let start = at + 3;
        let length = rest
            .find(|char: char| char.is_whitespace() || "/?#\"'<>\\,)".contains(char))
            .unwrap_or(rest.len());
        let authority = rest.get(..length).unwrap_or_default();
        let skipped = authority.rfind('@').map_or(0, |at| at + 1);
        let host = authority.get(skipped..).unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        let is_name = host.bytes().any(|byte| byte.is_ascii_alphabetic())
            && !host.starts_with('[')
            && host.parse::<IpAddr>().is_err();
        if is_name && !is_nobodys_host(host) {
            let start = start + skipped;
            found.push(Spot {
                range: start..start + host.len(),
                kind: "host",
                is_word: true,
            });
        }
    }
}

/// Whether the name is reserved, or everybody's.
pub(super) fn is_nobodys_host(host: &str) -> bool {
    let host = host.trim_end_matches('.').as_bytes();
    NOBODYS_HOSTS.iter().any(|known| {
        let split = host.len().checked_sub(known.len());
        split.is_some_and(|split| {
            let (rest, end) = host.split_at(split);
            end.eq_ignore_ascii_case(known.as_bytes()) && (rest.is_empty() || rest.ends_with(b"."))
        })
    })
}

/// `somebody@somewhere`, as in mail and `ssh`; `package@1.2.3` is none.
fn mail(text: &str, found: &mut Vec<Spot>) {
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('@') {
        let before = bytes.get(..at).unwrap_or_default();
        let local = before
            .iter()
            .rev()
            .take_while(|byte| is_local(**byte))
            .count();
        let after = bytes.get(at + 1..).unwrap_or_default();
        let host = after.iter().take_while(|byte| is_host(**byte)).count();
        let name = text.get(at + 1..at + 1 + host).unwrap_or_default();
        let host = name.trim_end_matches(['.', '-']).len();
        let is_scheme = bytes.get(at - local..at).is_some_and(<[u8]>::is_empty);
        // A tag of a package: `openclaw@latest`, `openclaw@2026.6.34`.
        let is_package = !name.contains('.') && ["latest", "next", "beta"].contains(&name);
        if is_scheme
            || is_package
            || !name.starts_with(|char: char| char.is_ascii_alphabetic())
            || is_nobodys_host(name)
        {
            continue;
        }
        found.push(Spot {
            range: at - local..at + 1 + host,
            kind: "email",
            is_word: true,
        });
    }
}
