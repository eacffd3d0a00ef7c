//! A client that is refused waits before it tries again.

use std::collections::BTreeMap;

use transcript::{Direction, Stage};

use super::{Breach, Evidence, Row, Subject, breach, ends, text};

pub(super) const ROW: Row = Row {
    name: "reconnect_is_not_a_storm",
    doc: "Attempts that fail come no faster than the backoff (three in a row span almost a second, six span five), and a lost connection is replaced by one.",
    source: "client-behaviour §7.1; scenario-catalogue K8, 209; field-bugs 34; real-clients 1",
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
    for ((actor, role), attempts) in failed_in_a_row(evidence, prompts) {
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
    breaches.extend(multiplied(evidence, prompts));
    breaches
}

/// Clients that open more connections than they lose. Counted from the first loss that the client did not want, and
/// anew after each prompt of the script: what was open before may have had its reasons.
fn multiplied(evidence: &Evidence<'_>, prompts: &[u64]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for ((actor, role), mut events) in turns(evidence) {
        events.extend(prompts.iter().map(|t_us| (*t_us, Turn::Prompt, 0)));
        // By entry at equal times: in virtual time a connection may be lost in the very moment that it was opened.
        events.sort_by_key(|(t_us, _, entry)| (*t_us, *entry));
        let mut lost: Option<u64> = None;
        let mut opened: Vec<u64> = Vec::new();
        for (_, turn, entry) in events {
            match turn {
                Turn::Prompt => (lost, opened) = (None, Vec::new()),
                Turn::Lost => lost = Some(lost.unwrap_or_default() + 1),
                Turn::Left => lost = lost.map(|lost| lost + 1),
                Turn::Opened if lost.is_some() => opened.push(entry),
                Turn::Opened => {}
            }
            if let Some(lost) = lost
                && opened.len() as u64 > lost
            {
                let what = format!(
                    "{actor} ({role}) opened {} connections for {lost} that it had lost",
                    opened.len()
                );
                breaches.push(breach(what, &opened));
                break;
            }
        }
    }
    breaches
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// A connection that had its hello-ok ended, and the client did not end it.
    Lost,
    /// A connection ended in any other way.
    Left,
    /// The script told the client something.
    Prompt,
    /// A connection was opened.
    Opened,
}

/// When connections came and went: time, what, entry; by actor and role.
type Turns = BTreeMap<(String, String), Vec<(u64, Turn, u64)>>;

fn turns(evidence: &Evidence<'_>) -> Turns {
    let mut all: Turns = BTreeMap::new();
    let ends = ends(evidence);
    for (conn, connection) in evidence.wire.connections() {
        if evidence.is_scripted(conn) {
            continue;
        }
        let Some(role) = connection.role.clone() else {
            continue;
        };
        let turns = all
            .entry((evidence.actor(conn).to_owned(), role))
            .or_default();
        turns.push((connection.opened_us, Turn::Opened, connection.opened));
        if let Some(end) = ends.get(&conn) {
            let lost = connection.hello.is_some() && !end.by_client;
            turns.push((
                end.t_us,
                if lost { Turn::Lost } else { Turn::Left },
                end.entry,
            ));
        }
    }
    all
}

type Runs = Vec<Vec<(u64, u64)>>;

/// When the operator of each actor was connected: that starts its node, whatever its backoff says.
fn operators_welcomed(evidence: &Evidence<'_>) -> BTreeMap<String, Vec<u64>> {
    let mut welcomed: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (conn, connection) in evidence.wire.connections() {
        if connection.role.as_deref() == Some("operator") && connection.hello.is_some() {
            let actor = evidence.actor(conn).to_owned();
            let times = welcomed.entry(actor).or_default();
            times.push(connection.opened_us);
            times.extend(connection.hello.and_then(|n| heard(evidence, conn, n)));
        }
    }
    welcomed
}

/// When a connection's hello-ok, sent as this entry, came to its client: over a slow link that is long after the connection.
/// Found by `clawproof explore --latency`, seed 257.
fn heard(evidence: &Evidence<'_>, conn: u32, sent: u64) -> Option<u64> {
    let mut later = evidence.entries().skip_while(|entry| entry.n <= sent);
    let came = later.find(|entry| {
        entry.conn == Some(conn)
            && entry.stage == Some(Stage::Delivered)
            && entry.dir == Some(Direction::GatewayToClient)
            && (entry.frame.as_deref())
                .is_some_and(|frame| text(frame, "/payload/type") == Some("hello-ok"))
    });
    came.map(|entry| entry.t_us)
}

/// Runs of attempts (entry, time) of an actor and role, each but the last without a hello-ok and without a prompt
/// of the script in between.
fn failed_in_a_row(evidence: &Evidence<'_>, prompts: &[u64]) -> BTreeMap<(String, String), Runs> {
    let mut by_client: BTreeMap<(String, String), Runs> = BTreeMap::new();
    let mut last: BTreeMap<(String, String), (u64, bool)> = BTreeMap::new();
    let operators = operators_welcomed(evidence);
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
        let welcomes = operators.get(&key.0).filter(|_| key.1 == "node");
        let continues = last.get(&key).is_some_and(|(before, succeeded)| {
            let between = *before..=connection.opened_us;
            !succeeded
                && !prompts
                    .iter()
                    .chain(welcomes.into_iter().flatten())
                    .any(|prompt| between.contains(prompt))
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
