//! A client that is refused waits before it tries again.

use std::collections::BTreeMap;

use super::{Breach, Evidence, Row, Subject, breach};

pub(super) const ROW: Row = Row {
    name: "reconnect_is_not_a_storm",
    doc: "Attempts that fail come no faster than the backoff: three in a row span almost a second, six span five.",
    source: "client-behaviour §7.1; scenario-catalogue K8, 209; field-bugs 34",
    subject: Subject::Client,
    mutant: "client:reconnect_storm",
    check,
};

/// Attempts in a row, and the shortest time from the first to the last of them.
///
/// Two attempts may be close: a refused device token is replaced after 200 ms, once. The table of the backoff is
/// 1, 2, 4, 8, ... seconds, so three attempts span a second even if one of them was such a replacement.
const FLOORS: [(usize, u64); 2] = [(3, 900_000), (6, 5_000_000)];

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let prompts = evidence.prompts();
    let mut breaches = Vec::new();
    for ((actor, role), attempts) in failed_in_a_row(evidence, &prompts) {
        for run in attempts {
            let storm = FLOORS.iter().find_map(|(many, floor)| {
                run.windows(*many)
                    .find(|window| match (window.first(), window.last()) {
                        (Some((_, first)), Some((_, last))) => last.saturating_sub(*first) < *floor,
                        _ => false,
                    })
            });
            let Some(storm) = storm else { continue };
            let span = match (storm.first(), storm.last()) {
                (Some((_, first)), Some((_, last))) => (last - first) / 1_000,
                _ => 0,
            };
            let entries: Vec<u64> = storm.iter().map(|(n, _)| *n).collect();
            let what = format!(
                "{actor} ({role}) tried {} times within {span} ms without success",
                storm.len()
            );
            breaches.push(breach(what, &entries));
        }
    }
    breaches
}

type Runs = Vec<Vec<(u64, u64)>>;

/// Runs of attempts (entry, time) of an actor and role, each but the last without a hello-ok and without a prompt
/// of the script in between.
fn failed_in_a_row(evidence: &Evidence<'_>, prompts: &[u64]) -> BTreeMap<(String, String), Runs> {
    let mut by_client: BTreeMap<(String, String), Runs> = BTreeMap::new();
    let mut last: BTreeMap<(String, String), (u64, bool)> = BTreeMap::new();
    for (conn, connection) in evidence.wire.connections() {
        if evidence.is_scripted(conn) {
            continue;
        }
        let actor = evidence.actor(conn).to_owned();
        let role = connection
            .role
            .clone()
            .unwrap_or_else(|| "no role yet".to_owned());
        let key = (actor, role);
        let runs = by_client.entry(key.clone()).or_default();
        let continues = last.get(&key).is_some_and(|(before, succeeded)| {
            !succeeded
                && !prompts
                    .iter()
                    .any(|prompt| (*before..=connection.opened_us).contains(prompt))
        });
        if !continues {
            runs.push(Vec::new());
        }
        if let Some(run) = runs.last_mut() {
            run.push((connection.opened, connection.opened_us));
        }
        last.insert(key, (connection.opened_us, connection.hello.is_some()));
    }
    by_client
}
