//! The event registry: which events exist, and who gets the ones of the connection and pairing surface.

use std::sync::LazyLock;

/// One row of the registry.
#[derive(Clone, Copy, Debug)]
pub struct EventRow {
    /// Event name.
    pub name: &'static str,
    /// Advertised in hello-ok of 2026.6.34.
    pub in_6: bool,
    /// Advertised in hello-ok of 2026.9.6.
    pub in_9: bool,
    /// What it tells and who gets it; empty outside the connection and pairing surface.
    pub doc: &'static str,
}

/// ref: gateway-behaviour.md §1.2, §2.1, §3, §6.3, §7.1, §7.3, §8
const DOCS: &[(&str, &str)] = &[
    (
        "connect.challenge",
        "first frame on a socket: nonce and gateway time; no seq",
    ),
    ("tick", "every 30 s to everybody"),
    ("health", "health snapshot; 2026.6.34 after each connect"),
    (
        "presence",
        "presence list; on disconnect (2026.9.6 also on connect) of a client that is not a CLI",
    ),
    (
        "shutdown",
        "the gateway stops or restarts; close 1012 follows",
    ),
    (
        "node.pair.requested",
        "to operators with pairing: a node's surface waits for approval",
    ),
    (
        "node.pair.resolved",
        "to operators with pairing (2026.9.6 also to the node): decided, withdrawn or removed",
    ),
    ("node.invoke.request", "to one node: run a command; no seq"),
    ("node.invoke.cancel", "to one node: stop a command"),
    (
        "device.pair.requested",
        "to operators with pairing: a device waits for approval",
    ),
    (
        "device.pair.resolved",
        "to operators with pairing: approved or rejected",
    ),
    (
        "device.pair.setup.completed",
        "2026.9.6: a setup code was redeemed",
    ),
    ("voicewake.changed", "to a node right after hello; no seq"),
    (
        "voicewake.routing.changed",
        "to a node right after hello; no seq",
    ),
    ("config.changed", "2026.9.6: configuration was reloaded"),
];

static EVENTS: LazyLock<Vec<EventRow>> = LazyLock::new(|| {
    include_str!("../data/events.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(parse_row)
        .collect()
});

fn parse_row(line: &'static str) -> Option<EventRow> {
    let (name, releases) = line.split_once('\t')?;
    let doc = DOCS
        .iter()
        .find(|(documented, _)| *documented == name)
        .map_or("", |(_, doc)| doc);
    Some(EventRow {
        name,
        in_6: releases.contains('6'),
        in_9: releases.contains('9'),
        doc,
    })
}

/// Every known event, in the gateway's order.
pub fn events() -> &'static [EventRow] {
    &EVENTS
}

/// The registry row of an event.
pub fn event_row(name: &str) -> Option<&'static EventRow> {
    EVENTS.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_release_advertises_what_was_recorded() {
        assert_eq!(events().iter().filter(|row| row.in_6).count(), 27);
        assert_eq!(events().iter().filter(|row| row.in_9).count(), 64);
    }

    #[test]
    fn every_documented_event_exists() {
        for (name, _) in DOCS {
            assert!(event_row(name).is_some(), "{name}");
        }
    }
}
