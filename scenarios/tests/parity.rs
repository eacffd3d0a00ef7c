//! The worlds agree: a scenario that claims several gives the same normalised conversation in each.
//!
//! Compared is what each connection delivered, in order, with ids, nonces, tokens and times renamed. With real time
//! three things are left out, because they are timing and nothing else: broadcasts that come on a timer of their
//! own, the counters that count them, and what was still on its way when the script ended. Known differences are
//! listed with their reasons in `parity-differences.toml`; one that is gone fails the test.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use scenarios::run::{Outcome, result, run_job};
use scenarios::scenario::{Scenario, WorldName};
use serde::Deserialize;
use transcript::normalize::{Normalizer, per_connection};
use transcript::{Direction, Kind, Stage, Transcript};

/// A scenario that covers more protocol time than this is not compared in real time.
const PATIENCE: Duration = Duration::from_secs(4);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    #[serde(default)]
    difference: Vec<Difference>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    scenario: String,
    world: String,
    reason: String,
}

/// Which way, and what, of everything that arrived: each direction on its own, since their interleaving is timing.
type Conversation = BTreeMap<(u32, Direction), Vec<String>>;

/// Sent on timers of the gateway, whatever the clients do.
const TIMED_EVENTS: [&str; 3] = ["health", "presence", "tick"];

/// `exact`: both worlds have virtual time, so everything counts.
fn conversation(transcript: &Transcript, exact: bool) -> Conversation {
    let mut transcript = transcript.clone();
    if !exact {
        transcript.entries.retain(|entry| {
            !entry
                .event()
                .is_some_and(|event| TIMED_EVENTS.contains(&event))
        });
        for frame in transcript
            .entries
            .iter_mut()
            .filter_map(|entry| Arc::make_mut(entry.frame.as_mut()?).as_object_mut())
        {
            frame.shift_remove("seq");
            frame.shift_remove("stateVersion");
            if let Some(hello) = frame
                .get_mut("payload")
                .and_then(|payload| payload.pointer_mut("/snapshot"))
            {
                *hello = "left out: it holds presence, health and uptime".into();
            }
        }
    }
    transcript.entries.retain(|entry| {
        let message = matches!(entry.kind, Kind::Text | Kind::Binary | Kind::Close);
        message && entry.stage == Some(Stage::Delivered)
    });
    let mut said = Conversation::new();
    for (conn, entries) in per_connection(&transcript) {
        // Each connection has its own names: which connection showed a value first is timing.
        let mut names = Normalizer::new();
        for entry in entries.iter().map(|entry| names.entry(entry)) {
            let Some(dir) = entry.dir else { continue };
            let what = match (&entry.frame, &entry.close) {
                (Some(frame), _) => frame.to_string(),
                (None, Some(close)) => format!("close {:?} {}", close.code, close.reason),
                (None, None) => format!("{} {}", entry.kind, entry.raw.unwrap_or_default()),
            };
            said.entry((conn, dir)).or_default().push(what);
        }
    }
    said
}

/// The first thing in which two conversations differ.
fn difference(one: &Conversation, other: &Conversation, exact: bool) -> Option<String> {
    let keys: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    for key in keys {
        let empty = Vec::new();
        let (a, b) = (
            one.get(key).unwrap_or(&empty),
            other.get(key).unwrap_or(&empty),
        );
        let compared = if exact {
            a.len().max(b.len())
        } else {
            a.len().min(b.len())
        };
        for n in 0..compared {
            let (a, b) = (a.get(n), b.get(n));
            if a != b {
                let same = match (a, b) {
                    (Some(a), Some(b)) => {
                        a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
                    }
                    _ => 0,
                };
                let from = same.saturating_sub(60);
                let show = |text: Option<&String>| -> String {
                    text.map_or_else(
                        || "nothing".to_owned(),
                        |text| text.chars().skip(from).take(200).collect(),
                    )
                };
                return Some(format!(
                    "connection {} {} message {}:\n  {}\n  {}",
                    key.0,
                    key.1,
                    n + 1,
                    show(a),
                    show(b)
                ));
            }
        }
    }
    None
}

fn run(scenario: &Arc<Scenario>, world: WorldName) -> Outcome {
    run_job(&common::job(scenario, world), common::SEED, None)
}

#[test]
fn worlds_agree() {
    let known: Known =
        toml::from_str(include_str!("parity-differences.toml")).expect("a list of differences");
    assert!(
        known.difference.iter().all(|known| known.reason.len() > 20),
        "every difference has a reason"
    );
    let suite = common::suite();
    let failures = common::in_parallel(&suite, |scenario| compare(scenario, &known.difference));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    for known in &known.difference {
        assert!(
            suite.iter().any(|scenario| scenario.id == known.scenario),
            "{} is no scenario",
            known.scenario
        );
    }
}

fn compare(scenario: &Arc<Scenario>, known: &[Difference]) -> Result<(), String> {
    let claimed = scenario.worlds();
    if !claimed.contains(&WorldName::Memory) {
        return Ok(());
    }
    let memory = run(scenario, WorldName::Memory);
    for world in [WorldName::Core, WorldName::Loopback] {
        let too_long = world == WorldName::Loopback && result(&memory).virtual_time > PATIENCE;
        if !claimed.contains(&world) || too_long {
            continue;
        }
        let other = run(scenario, world);
        let exact = world == WorldName::Core;
        let [expected, got] =
            [&memory, &other].map(|outcome| conversation(&outcome.record.transcript, exact));
        let found = difference(&expected, &got, exact);
        let is_known = known
            .iter()
            .any(|known| known.scenario == scenario.id && known.world == world.name());
        match (found, is_known) {
            (None, false) | (Some(_), true) => {}
            (None, true) => {
                return Err(format!(
                    "{} in {}: the listed difference is gone",
                    scenario.id,
                    world.name()
                ));
            }
            (Some(found), false) => {
                return Err(format!(
                    "{}: memory and {} differ in {found}",
                    scenario.id,
                    world.name()
                ));
            }
        }
    }
    Ok(())
}
