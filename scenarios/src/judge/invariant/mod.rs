//! What always holds, whatever the scenario says. One fold each, all on by default.
//!
//! A scenario that means to break one says so: `[allow]` with `seq_only_grows = "the point of this test"`. Every
//! invariant names a mutant that violates it, and `tests/mutants.rs` shows that the judge names it back: an
//! invariant that nobody can violate proves nothing.
//!
//! Add one: a file with a `check` function, a row in [`REGISTRY`], a test with a transcript that keeps it and one
//! that breaks it, and a mutant.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use transcript::{Direction, Entry, Kind, Stage};

use super::record::RunRecord;
use super::wire::Wire;
use crate::scenario::{Actor, Scenario};

mod artifacts;
mod bootstrap_cleared_last;
mod challenge_comes_first;
mod client_keeps_running;
mod close_code_is_known;
mod device_id_never_changes;
mod every_frame_is_schema_valid;
mod every_frame_parses;
mod every_request_is_claimed;
mod limits_respected;
mod no_socket_after_terminal;
mod nonce_used_once;
mod nothing_after_close;
mod nothing_before_connect;
mod nothing_for_a_stranger;
mod one_auth_key_per_connect;
mod one_connect_per_socket;
mod one_operator_at_a_time;
mod one_record_for_one_gateway;
mod one_result_per_invoke;
mod operator_comes_first;
mod reconnect_is_not_a_storm;
mod responses;
mod seq_only_grows;
mod silence;
mod tokens_stay_with_their_role;

/// Who can break an invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A client. Scripted (raw) actors are not judged: they say what the scenario wants.
    Client,
    /// Our companion: its own rules are stricter than the protocol, and bind nobody else.
    Companion,
    /// The gateway.
    Gateway,
    /// Both ends.
    Both,
    /// The harness itself.
    Harness,
}

/// One broken place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breach {
    /// What is wrong, as a sentence.
    pub what: String,
    /// Transcript entries that prove it.
    pub entries: Vec<u64>,
}

/// One invariant.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name: a sentence with underscores.
    pub name: &'static str,
    /// What it says.
    pub doc: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Who can break it.
    pub subject: Subject,
    /// A deliberate mistake that breaks it: `client:MUTATION`, `gateway:BEHAVIOUR` or `record:FIELD`.
    pub mutant: &'static str,
    /// The fold.
    pub check: fn(&Evidence<'_>) -> Vec<Breach>,
}

/// Every invariant.
pub const REGISTRY: &[Row] = &[
    every_frame_parses::ROW,
    every_frame_is_schema_valid::ROW,
    nothing_before_connect::ROW,
    one_connect_per_socket::ROW,
    challenge_comes_first::ROW,
    responses::ONE_RESPONSE_PER_REQUEST,
    responses::RESPONSES_NAME_A_REQUEST,
    responses::REQUEST_IDS_ARE_UNIQUE,
    seq_only_grows::ROW,
    nonce_used_once::ROW,
    limits_respected::ROW,
    close_code_is_known::ROW,
    nothing_after_close::ROW,
    reconnect_is_not_a_storm::ROW,
    silence::GIVES_UP_ON_A_SILENT_GATEWAY,
    silence::SILENCE_IS_NOTICED,
    client_keeps_running::ROW,
    every_request_is_claimed::ROW,
    one_auth_key_per_connect::ROW,
    tokens_stay_with_their_role::ROW,
    device_id_never_changes::ROW,
    one_record_for_one_gateway::ROW,
    one_operator_at_a_time::ROW,
    operator_comes_first::ROW,
    nothing_for_a_stranger::ROW,
    one_result_per_invoke::ROW,
    no_socket_after_terminal::ROW,
    bootstrap_cleared_last::ROW,
    artifacts::NO_SECRET_IN_ARTIFACTS,
    artifacts::NOTHING_LEFT_RUNNING,
    artifacts::NO_ERROR_IS_LOGGED,
];

/// The invariant with this name.
pub fn named(name: &str) -> Option<&'static Row> {
    REGISTRY.iter().find(|row| row.name == name)
}

/// What an invariant may look at.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The run.
    pub record: &'a RunRecord,
    /// Who said what.
    pub wire: &'a Wire,
    scripted: BTreeSet<&'a str>,
}

impl<'a> Evidence<'a> {
    /// The evidence of a run.
    pub fn new(scenario: &'a Scenario, record: &'a RunRecord, wire: &'a Wire) -> Self {
        let scripted = scenario
            .actor
            .iter()
            .filter(|(_, actor)| matches!(actor, Actor::Raw(_)))
            .map(|(name, _)| name.as_str())
            .collect();
        Self {
            scenario,
            record,
            wire,
            scripted,
        }
    }

    /// Every entry.
    pub fn entries(&self) -> impl Iterator<Item = &'a Entry> + use<'a> {
        self.record.transcript.entries.iter()
    }

    /// Whether a message never reached the other end: what nobody heard binds nobody.
    pub fn was_lost(&self, said: &Said<'_>) -> bool {
        let same = |entry: &&Entry| {
            entry.conn == said.entry.conn
                && entry.dir == said.entry.dir
                && entry.frame == said.entry.frame
        };
        let mut later = self
            .entries()
            .skip_while(|entry| entry.n <= said.n())
            .filter(same)
            .filter_map(|entry| entry.stage);
        // A wire that can't be seen into has no second stage.
        later.find(|stage| *stage != Stage::Sent) == Some(Stage::Dropped)
    }

    /// Whether a connection belongs to a raw actor.
    pub fn is_scripted(&self, conn: u32) -> bool {
        let actor = self
            .wire
            .connection(conn)
            .and_then(|connection| connection.actor.as_deref());
        actor.is_some_and(|actor| self.scripted.contains(actor))
    }

    /// Every message as its sender said it: once each, from clients that are judged and from the gateway.
    pub fn said(&self) -> impl Iterator<Item = Said<'a>> + '_ {
        self.entries().filter_map(|entry| {
            let said = Said::of(entry)?;
            (said.by_gateway || !self.is_scripted(said.conn)).then_some(said)
        })
    }

    /// Every frame that a judged client said.
    pub fn client_frames(&self) -> impl Iterator<Item = (Said<'a>, &'a Value)> + '_ {
        self.said()
            .filter(|said| !said.by_gateway)
            .filter_map(|said| Some((said, said.entry.frame.as_ref()?)))
    }

    /// Every frame that the gateway said, to anybody.
    pub fn gateway_frames(&self) -> impl Iterator<Item = (Said<'a>, &'a Value)> + '_ {
        self.said()
            .filter(|said| said.by_gateway)
            .filter_map(|said| Some((said, said.entry.frame.as_ref()?)))
    }

    /// Every `connect` request of a judged client.
    pub fn connects(&self) -> impl Iterator<Item = (Said<'a>, &'a Value)> + '_ {
        self.client_frames()
            .filter(|(_, frame)| text(frame, "/method") == Some("connect"))
    }

    /// The actor of a connection, for sentences.
    pub fn actor(&self, conn: u32) -> &'a str {
        self.wire
            .connection(conn)
            .and_then(|connection| connection.actor.as_deref())
            .unwrap_or("a client")
    }

    /// Times at which the script told a client something, or brought something back: what follows is not the
    /// client's own decision.
    pub fn prompts(&self) -> Vec<u64> {
        let acts = self.record.steps.iter().filter(|outcome| {
            let step = self.scenario.steps.get(outcome.index);
            step.is_some_and(|step| matches!(step.value.verb(), "do" | "start"))
        });
        acts.map(|outcome| outcome.began_us).collect()
    }
}

/// One message, as its sender said it.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// Its connection.
    pub conn: u32,
    /// Whether the gateway said it.
    pub by_gateway: bool,
}

impl<'a> Said<'a> {
    fn of(entry: &'a Entry) -> Option<Self> {
        let message = matches!(entry.kind, Kind::Text | Kind::Binary);
        let sent = entry.stage == Some(Stage::Sent);
        let by_gateway = entry.dir? == Direction::GatewayToClient;
        (message && sent).then_some(Self {
            entry,
            conn: entry.conn?,
            by_gateway,
        })
    }

    /// Number of the entry.
    pub const fn n(&self) -> u64 {
        self.entry.n
    }
}

/// Whether an entry tells that a fault has ended the stream to the client. A reset ends both ways, whichever message met
/// it; a FIN ends its own.
fn ends_the_stream(entry: &Entry) -> bool {
    let by_gateway = entry.dir == Some(Direction::GatewayToClient);
    entry.kind == Kind::Fault
        && match entry.text.as_deref() {
            Some("reset" | "close_then_reset") => true,
            Some("fin_without_close") => by_gateway,
            Some(_) | None => false,
        }
}

fn is_fin(entry: &Entry) -> bool {
    entry.text.as_deref() == Some("fin_without_close")
}

/// The first sign that a connection is over, by its number: time, entry, and whether the client gave it.
///
/// A client that just hangs up has left as well; a gateway that does is no different from a bad wire.
fn ends(evidence: &Evidence<'_>) -> BTreeMap<u32, End> {
    let mut ends: BTreeMap<u32, End> = BTreeMap::new();
    for entry in evidence.entries() {
        let Some(conn) = entry.conn else { continue };
        let by_client = entry.dir == Some(Direction::ClientToGateway);
        let over = match entry.kind {
            Kind::Close | Kind::Eof => Some(by_client),
            Kind::Reset => Some(false),
            // The other way as well: a gateway whose stream ends hangs up.
            Kind::Fault if ends_the_stream(entry) || is_fin(entry) => Some(false),
            Kind::Text
            | Kind::Binary
            | Kind::Ping
            | Kind::Pong
            | Kind::Open
            | Kind::Fault
            | Kind::Step
            | Kind::Note => None,
        };
        if let Some(by_client) = over {
            ends.entry(conn).or_insert(End {
                t_us: entry.t_us,
                entry: entry.n,
                by_client,
            });
        }
    }
    ends
}

/// How a connection ended, as far as it can be seen.
#[derive(Clone, Copy, Debug)]
struct End {
    t_us: u64,
    entry: u64,
    by_client: bool,
}

/// The text at a JSON pointer.
pub fn text<'a>(frame: &'a Value, pointer: &str) -> Option<&'a str> {
    frame.pointer(pointer)?.as_str()
}

fn breach(what: String, entries: &[u64]) -> Breach {
    Breach {
        what,
        entries: entries.to_vec(),
    }
}

#[cfg(test)]
mod tests;
