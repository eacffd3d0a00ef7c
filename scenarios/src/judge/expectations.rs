//! What a script waits for, decided while the run goes on. Pure: the runner feeds entries and states in.
//!
//! Matching happens on raw values, so that captured tokens and nonces can be compared; what goes into a
//! report is words without values (`safe`).
//!
//! The rule of `expect`: the first entry that matches, that came after the last action, and that no earlier
//! expectation took. [`Watch::mark`] is called when an action begins.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use transcript::{Direction, Kind, RawEntry, Stage};

use super::record::{EndOutcome, EndSection, FinalViews, Missed, Nearest};
use super::wire::{Recorded, Wire, summary};
use crate::scenario::captures::{Captured, resolve};
use crate::scenario::{At, Ended, Expect, Pattern, Scenario, Step, Which};

mod body;
mod ends;

pub use body::{body_of, capture, state_matches};
pub use ends::ends;

/// Everything a run has shown so far, and what the script has taken of it.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    entries: Vec<RawEntry>,
    wire: Wire,
    taken: BTreeSet<u64>,
    /// Number of the last entry before the last action.
    mark: u64,
    mark_us: u64,
    /// Numbers of the first entry after each note.
    notes: Vec<(String, u64)>,
}

/// What an expectation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The entry.
    pub entry: u64,
    /// Its connection.
    pub conn: Option<u32>,
}

impl Watch {
    /// Takes entries, in order.
    pub fn feed(&mut self, entries: impl IntoIterator<Item = RawEntry>) {
        for entry in entries {
            self.wire.observe(&entry);
            self.entries.push(entry);
        }
    }

    /// Number of the last entry that was fed.
    pub fn last(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.n)
    }

    /// An action begins at this time: expectations look at what comes from now on.
    pub fn mark(&mut self, t_us: u64) {
        self.mark = self.last();
        self.mark_us = t_us;
    }

    /// A `note` step.
    pub fn note(&mut self, text: &str) {
        let last = self.last();
        self.notes.push((text.to_owned(), last));
    }

    /// Tells whose connection it is.
    pub fn name_connection(&mut self, conn: u32, actor: &str) {
        self.wire.name_connection(conn, actor);
    }

    /// What is known of the connections.
    pub const fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The entries so far.
    pub fn entries(&self) -> &[RawEntry] {
        &self.entries
    }

    /// Number of the last entry before the last action.
    pub const fn marked(&self) -> u64 {
        self.mark
    }

    /// The newest open connection of an actor (and role).
    pub fn newest_connection(&self, actor: &str, role: Option<&str>) -> Option<u32> {
        self.open_connections(actor, role).last().copied()
    }

    /// The open connections of an actor (and role), oldest first.
    pub fn open_connections(&self, actor: &str, role: Option<&str>) -> Vec<u32> {
        self.wire
            .connections()
            .filter(|(_, c)| c.ended.is_none() && c.actor.as_deref() == Some(actor))
            .filter(|(_, c)| role.is_none() || c.role.as_deref() == role)
            .map(|(conn, _)| conn)
            .collect()
    }

    /// Looks for the expected message among what came since the last action. Takes it, and fills the captures.
    pub fn seek(&mut self, expect: &Expect, captured: &mut Captured) -> Option<Found> {
        let pattern = expect.pattern();
        let earliest = self
            .mark_us
            .saturating_add(micros(expect.not_before.unwrap_or_default().0));
        let found = self.since_mark().iter().find(|entry| {
            entry.t_us >= earliest
                && !self.taken.contains(&entry.n)
                && self.matches(&pattern, *entry).is_ok()
        })?;
        capture(&expect.capture, found, captured);
        let found = Found {
            entry: found.n,
            conn: found.conn,
        };
        self.taken.insert(found.entry);
        Some(found)
    }

    /// The first message of a kind since the last action.
    pub fn intrusion(&self, pattern: &Pattern) -> Option<u64> {
        self.since_mark()
            .iter()
            .find(|entry| self.matches(pattern, *entry).is_ok())
            .map(|entry| entry.n)
    }

    /// The entries of the whole run that match, between two notes.
    pub fn all(&self, pattern: &Pattern, after: Option<&str>, before: Option<&str>) -> Vec<u64> {
        let start = after.and_then(|note| self.note_at(note)).unwrap_or(0);
        let end = before
            .and_then(|note| self.note_at(note))
            .unwrap_or(u64::MAX);
        self.entries
            .iter()
            .filter(|entry| {
                entry.n > start && entry.n <= end && self.matches(pattern, *entry).is_ok()
            })
            .map(|entry| entry.n)
            .collect()
    }

    /// What came since the last action.
    fn since_mark(&self) -> &[RawEntry] {
        self.after(self.mark)
    }

    /// The entries after number `n`.
    pub fn after(&self, n: u64) -> &[RawEntry] {
        let first = self.entries.partition_point(|entry| entry.n <= n);
        self.entries.get(first..).unwrap_or_default()
    }

    fn note_at(&self, note: &str) -> Option<u64> {
        self.notes
            .iter()
            .find(|(text, _)| text == note)
            .map(|(_, n)| *n)
    }

    /// Explains an expectation that was not met.
    pub fn miss(&self, expect: &Expect, waited: Duration) -> Missed {
        let pattern = expect.pattern();
        let nearest = self
            .since_mark()
            .iter()
            .filter(|entry| !self.taken.contains(&entry.n))
            .filter_map(|entry| self.matches(&pattern, entry).err())
            .filter(|nearest| nearest.agreed > 0)
            .reduce(|best, next| {
                if next.agreed > best.agreed {
                    next
                } else {
                    best
                }
            });
        Missed {
            waited,
            wanted: wanted(expect),
            nearest,
        }
    }

    /// Explains a silence that was broken.
    pub fn broken_silence(&self, pattern: &Pattern, entry: u64, waited: Duration) -> Missed {
        let got = self
            .entries
            .iter()
            .find(|e| e.n == entry)
            .map_or_else(String::new, |e| summary(e, &self.wire));
        let nearest = Nearest {
            entry: Some(entry),
            expected: "nothing".to_owned(),
            got,
            ..Nearest::default()
        };
        Missed {
            waited,
            wanted: format!("no {}", describe(pattern)),
            nearest: Some(nearest),
        }
    }

    fn matches<R: Recorded>(&self, pattern: &Pattern, entry: &R) -> Result<(), Nearest> {
        matches(pattern, entry, &self.wire, self.mark)
    }
}

/// Whether an entry is what a pattern means; if not, how near it came.
///
/// `mark` is the last entry before the last action, for `connection = "next"`.
pub fn matches<R: Recorded>(
    pattern: &Pattern,
    entry: &R,
    wire: &Wire,
    mark: u64,
) -> Result<(), Nearest> {
    let mut check = Check {
        agreed: 0,
        entry: entry.n(),
    };
    check.that(kind_fits(pattern, entry), || {
        ("kind", wanted_kind(pattern), entry.kind().to_string())
    })?;
    check.that(stage_fits(pattern, entry), || {
        (
            "at",
            format!("{:?}", pattern.at.unwrap_or_default()),
            format!("{:?}", entry.stage()),
        )
    })?;
    let dir = match (&pattern.from, &pattern.to) {
        (Some(_), _) => Some(Direction::ClientToGateway),
        (None, Some(_)) => Some(Direction::GatewayToClient),
        (None, None) => None,
    };
    // A connection opens and ends for both: `from` and `to` only say whose it is.
    let both_ways =
        pattern.ends.is_some() || matches!(entry.kind(), Kind::Open | Kind::Eof | Kind::Reset);
    if let Some(dir) = dir
        && !both_ways
    {
        check.that(entry.dir() == Some(dir), || {
            ("direction", dir.to_string(), format!("{:?}", entry.dir()))
        })?;
    }
    connection_fits(pattern, entry, wire, mark, &mut check)?;
    names_fit(pattern, entry, wire, &mut check)?;
    body::fits(pattern, entry, &mut check)
}

/// Counts what agrees, and stops at the first thing that does not.
pub(super) struct Check {
    agreed: usize,
    entry: u64,
}

impl Check {
    fn that(
        &mut self,
        holds: bool,
        why: impl FnOnce() -> (&'static str, String, String),
    ) -> Result<(), Nearest> {
        if holds {
            self.agreed += 1;
            return Ok(());
        }
        let (pointer, expected, got) = why();
        Err(self.miss(pointer, expected, got))
    }

    fn miss(&self, pointer: &str, expected: String, got: String) -> Nearest {
        // Kind, stage and direction agree for most of what is said: a near miss shares more than that.
        let agreed = self.agreed.saturating_sub(3);
        Nearest {
            entry: Some(self.entry),
            pointer: pointer.to_owned(),
            expected,
            got,
            agreed,
        }
    }
}

fn wanted_kind(pattern: &Pattern) -> String {
    if pattern.opens {
        "a new connection"
    } else if pattern.ends.is_some() {
        "the end of a connection"
    } else if pattern.close.is_some() {
        "a close frame"
    } else if pattern.ping {
        "a ping"
    } else if pattern.pong {
        "a pong"
    } else {
        "a message"
    }
    .to_owned()
}

fn kind_fits<R: Recorded>(pattern: &Pattern, entry: &R) -> bool {
    let kind = entry.kind();
    if pattern.opens {
        return kind == Kind::Open;
    }
    if let Some(ended) = pattern.ends {
        return match ended {
            Ended::Anyhow => matches!(kind, Kind::Eof | Kind::Reset | Kind::Close),
            Ended::Close => kind == Kind::Close,
            Ended::Eof => kind == Kind::Eof,
            Ended::Reset => kind == Kind::Reset,
        };
    }
    if pattern.close.is_some() {
        return kind == Kind::Close;
    }
    if pattern.ping {
        return kind == Kind::Ping;
    }
    if pattern.pong {
        return kind == Kind::Pong;
    }
    matches!(kind, Kind::Text | Kind::Binary)
}

fn stage_fits<R: Recorded>(pattern: &Pattern, entry: &R) -> bool {
    let Some(stage) = entry.stage() else {
        return true;
    };
    stage
        == match pattern.at.unwrap_or_default() {
            At::Delivered => Stage::Delivered,
            At::Sent => Stage::Sent,
            At::Dropped => Stage::Dropped,
            At::Held => Stage::Held,
        }
}

fn connection_fits<R: Recorded>(
    pattern: &Pattern,
    entry: &R,
    wire: &Wire,
    mark: u64,
    check: &mut Check,
) -> Result<(), Nearest> {
    let Some(conn) = entry.conn() else {
        let free = pattern.from.is_none() && pattern.to.is_none() && pattern.role.is_none();
        return check.that(free, || {
            ("connection", "a connection".to_owned(), "none".to_owned())
        });
    };
    let known = wire.connection(conn);
    if let Some(actor) = pattern.from.as_ref().or(pattern.to.as_ref()) {
        let owner = known.and_then(|c| c.actor.as_deref());
        check.that(owner == Some(actor), || {
            (
                "actor",
                actor.clone(),
                owner.unwrap_or("unknown").to_owned(),
            )
        })?;
    }
    if let Some(role) = pattern.role {
        let asked = known.and_then(|c| c.role.as_deref());
        check.that(asked == Some(role.name()), || {
            (
                "role",
                role.name().to_owned(),
                asked.unwrap_or("none yet").to_owned(),
            )
        })?;
    }
    if let Some(nth) = pattern.nth_connection {
        let got = wire.nth_of_actor(conn);
        check.that(got == Some(nth), || {
            ("nth_connection", nth.to_string(), format!("{got:?}"))
        })?;
    }
    if let Some(which) = pattern.connection {
        let opened = known.map_or(0, |c| c.opened);
        let fits = match which {
            Which::Next => opened > mark,
            Which::Current => opened <= mark,
        };
        let age = if opened > mark {
            "opened after the last action"
        } else {
            "opened before the last action"
        };
        check.that(fits, || {
            (
                "connection",
                format!("{which:?}").to_lowercase(),
                age.to_owned(),
            )
        })?;
    }
    Ok(())
}

fn names_fit<R: Recorded>(
    pattern: &Pattern,
    entry: &R,
    wire: &Wire,
    check: &mut Check,
) -> Result<(), Nearest> {
    let text = |name: &str| {
        entry
            .frame()
            .and_then(|frame| frame.get(name))
            .and_then(Value::as_str)
    };
    let is = |kind: &str| text("type") == Some(kind);
    let found = || summary(entry, wire);
    if let Some(method) = &pattern.method {
        check.that(is("req") && text("method") == Some(method), || {
            ("method", method.clone(), found())
        })?;
    }
    if let Some(event) = &pattern.event {
        check.that(is("event") && text("event") == Some(event), || {
            ("event", event.clone(), found())
        })?;
    }
    if let Some(method) = &pattern.response {
        let answers = wire.answers(entry.n());
        let fits = is("res") && (answers == Some(method) || method == "*");
        check.that(fits, || {
            ("response", format!("an answer to {method}"), found())
        })?;
    }
    if let Some(ok) = pattern.ok {
        let got = entry
            .frame()
            .and_then(|frame| frame.get("ok"))
            .and_then(Value::as_bool);
        check.that(got == Some(ok), || ("ok", ok.to_string(), found()))?;
    }
    Ok(())
}

/// An expectation in words.
pub fn wanted(expect: &Expect) -> String {
    if let Some(actor) = &expect.actor {
        let part = if expect.snapshot.is_some() {
            ("snapshot", &expect.snapshot)
        } else if expect.durable.is_some() {
            ("durable state", &expect.durable)
        } else {
            ("report", &expect.reports)
        };
        let value = part.1.as_ref().map(ToString::to_string).unwrap_or_default();
        return format!("{actor}'s {} to have {value}", part.0);
    }
    if let Some(gateway) = &expect.gateway {
        return format!("the gateway to believe {gateway}");
    }
    describe(&expect.pattern())
}

/// A pattern in words: `request connect from companion (node)`.
pub fn describe(pattern: &Pattern) -> String {
    let mut words = Vec::new();
    if pattern.opens
        || pattern.ends.is_some()
        || pattern.close.is_some()
        || pattern.ping
        || pattern.pong
    {
        words.push(wanted_kind(pattern));
    } else if let Some(method) = &pattern.method {
        words.push(format!("request {method}"));
    } else if let Some(method) = &pattern.response {
        let ok = match pattern.ok {
            Some(true) => "ok answer",
            Some(false) => "error answer",
            None => "answer",
        };
        words.push(format!("{ok} to {method}"));
    } else if let Some(event) = &pattern.event {
        words.push(format!("event {event}"));
    } else {
        words.push("message".to_owned());
    }
    if let Some(actor) = &pattern.from {
        words.push(format!("from {actor}"));
    }
    if let Some(actor) = &pattern.to {
        words.push(format!("to {actor}"));
    }
    if let Some(role) = pattern.role {
        words.push(format!("({})", role.name()));
    }
    if let Some(close) = &pattern.close
        && let Some(code) = close.code
    {
        words.push(format!("with code {code}"));
    }
    for body in [
        &pattern.params,
        &pattern.payload,
        &pattern.error,
        &pattern.frame,
    ]
    .into_iter()
    .flatten()
    {
        words.push(format!("with {body}"));
    }
    words.join(" ")
}

/// The steps' expectation with its captures filled in.
pub fn filled(step: &Step, captured: &Captured) -> Result<Option<Expect>, String> {
    match step {
        Step::Expect(expect) => resolve(expect.as_ref(), captured)
            .map(Some)
            .map_err(|error| error.to_string()),
        Step::Start(_)
        | Step::Stop(_)
        | Step::Do(_)
        | Step::Send(_)
        | Step::Quiet(_)
        | Step::Fault(_)
        | Step::Heal(_)
        | Step::Elapse(_)
        | Step::Close(_)
        | Step::Control(_)
        | Step::Clock(_)
        | Step::Disk(_)
        | Step::Note(_) => Ok(None),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "expectations_tests.rs"]
mod tests;
