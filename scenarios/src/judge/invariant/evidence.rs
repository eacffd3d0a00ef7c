//! What invariants look at: the run, folded once.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use gateway_protocol::member;
use serde_json::Value;
use transcript::{Direction, Entry, Kind, Stage};

use super::super::record::RunRecord;
use super::super::wire::Wire;
use super::responses::Pairs;
use super::silence::Lives;
use super::text;
use crate::scenario::{Actor, Scenario};

/// What an invariant may look at.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The run.
    pub record: &'a RunRecord,
    /// Who said what.
    pub wire: &'a Wire,
    scripted: BTreeSet<u32>,
    said: Vec<Said<'a>>,
    connects: Vec<(Said<'a>, &'a Value)>,
    prompts: Vec<u64>,
    pub(super) pairs: OnceCell<Pairs<'a>>,
    pub(super) lives: OnceCell<Lives>,
}

impl<'a> Evidence<'a> {
    /// The evidence of a run.
    pub fn new(scenario: &'a Scenario, record: &'a RunRecord, wire: &'a Wire) -> Self {
        let is_raw = |name: &str| matches!(scenario.actor.get(name), Some(Actor::Raw(_)));
        let owned = |(conn, known): (u32, &super::super::wire::Connection)| {
            known.actor.as_deref().is_some_and(is_raw).then_some(conn)
        };
        let scripted: BTreeSet<u32> = wire.connections().filter_map(owned).collect();
        let said: Vec<Said<'a>> = record
            .transcript
            .entries
            .iter()
            .filter_map(Said::of)
            .collect();
        let of_clients = said
            .iter()
            .filter(|said| !said.by_gateway && !scripted.contains(&said.conn));
        let connects = of_clients
            .filter(|said| said.method == Some("connect"))
            .filter_map(|said| Some((*said, said.entry.frame.as_deref()?)))
            .collect();
        Self {
            scenario,
            record,
            wire,
            prompts: prompts(scenario, record),
            scripted,
            said,
            connects,
            pairs: OnceCell::new(),
            lives: OnceCell::new(),
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
        let later = self
            .entries()
            .skip_while(|entry| entry.n <= said.n())
            .filter(same)
            .filter_map(|entry| entry.stage)
            .filter(|stage| *stage != Stage::Sent);
        // What a black hole held may be dropped or delivered later. A wire that can't be seen into has no second stage.
        // Found by `clawproof explore`, seed 2330.
        later.last().is_some_and(|stage| stage != Stage::Delivered)
    }

    /// Whether a connection belongs to a raw actor.
    pub fn is_scripted(&self, conn: u32) -> bool {
        self.scripted.contains(&conn)
    }

    /// Every message as its sender said it, once each, whoever it was.
    pub fn said_by_anybody(&self) -> impl Iterator<Item = Said<'a>> + '_ {
        self.said.iter().copied()
    }

    /// Every message as its sender said it: once each, from clients that are judged and from the gateway.
    pub fn said(&self) -> impl Iterator<Item = Said<'a>> + '_ {
        self.said_by_anybody()
            .filter(|said| said.by_gateway || !self.is_scripted(said.conn))
    }

    /// Every frame that a judged client said.
    pub fn client_frames(&self) -> impl Iterator<Item = (Said<'a>, &'a Value)> + '_ {
        self.said()
            .filter(|said| !said.by_gateway)
            .filter_map(|said| Some((said, said.entry.frame.as_deref()?)))
    }

    /// Every frame that the gateway said, to anybody.
    pub fn gateway_frames(&self) -> impl Iterator<Item = (Said<'a>, &'a Value)> + '_ {
        self.said_by_anybody()
            .filter(|said| said.by_gateway)
            .filter_map(|said| Some((said, said.entry.frame.as_deref()?)))
    }

    /// Every `connect` request of a judged client.
    pub fn connects(&self) -> impl Iterator<Item = (Said<'a>, &'a Value)> + '_ {
        self.connects.iter().copied()
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
    pub fn prompts(&self) -> &[u64] {
        &self.prompts
    }
}

fn prompts(scenario: &Scenario, record: &RunRecord) -> Vec<u64> {
    let acts = record.steps.iter().filter(|outcome| {
        let step = scenario.steps.get(outcome.index);
        step.is_some_and(|step| matches!(step.value.verb(), "do" | "start"))
    });
    acts.map(|outcome| outcome.began_us).collect()
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
    /// The method of a request.
    pub method: Option<&'a str>,
    /// The name of an event.
    pub event: Option<&'a str>,
    /// Whether it is a hello-ok.
    pub is_hello: bool,
}

impl<'a> Said<'a> {
    fn of(entry: &'a Entry) -> Option<Self> {
        let message = matches!(entry.kind, Kind::Text | Kind::Binary);
        if !message || entry.stage != Some(Stage::Sent) {
            return None;
        }
        let by_gateway = entry.dir? == Direction::GatewayToClient;
        let frame = entry.frame.as_deref();
        let name = |of: &str| member(frame?, of)?.as_str();
        let is_hello = || text(frame?, "/payload/type").map(|kind| kind == "hello-ok");
        Some(Self {
            entry,
            conn: entry.conn?,
            by_gateway,
            method: name("method"),
            event: name("event"),
            is_hello: by_gateway && is_hello().unwrap_or(false),
        })
    }

    /// Number of the entry.
    pub const fn n(&self) -> u64 {
        self.entry.n
    }
}

/// Whether an entry tells that a fault has ended the stream to the client. A reset ends both ways, whichever message met
/// it; a FIN ends its own.
pub(super) fn ends_the_stream(entry: &Entry) -> bool {
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
pub(super) fn ends(evidence: &Evidence<'_>) -> BTreeMap<u32, End> {
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
pub(super) struct End {
    pub(super) t_us: u64,
    pub(super) entry: u64,
    pub(super) by_client: bool,
}
