//! A client that hears nothing gives up and says so.
//!
//! Two silences: no challenge after the upgrade, and no tick after hello-ok. Both leave a client that looks connected
//! and is not, for as long as nobody restarts it.

use std::collections::BTreeMap;

use serde_json::Value;
use transcript::{Direction, Kind, Stage};

use crate::scenario::{Control, Step};

use super::{Breach, Evidence, Row, Subject, at, breach, ends_the_stream, text};

pub(super) const GIVES_UP_ON_A_SILENT_GATEWAY: Row = Row {
    name: "gives_up_on_a_silent_gateway",
    doc: "A client that gets no challenge ends the connection by itself within 20 seconds.",
    source: "real-clients 1; field-bugs 2, 30",
    subject: Subject::Client,
    mutant: "client:wait_for_the_challenge_for_ever",
    check: no_challenge,
};

pub(super) const SILENCE_IS_NOTICED: Row = Row {
    name: "silence_is_noticed",
    doc: "A client that hears nothing for four tick intervals ends the connection by itself.",
    source: "real-clients 1; field-bugs 80; client-behaviour 7",
    subject: Subject::Client,
    mutant: "client:deaf_to_silence",
    check: no_tick,
};

/// The reference client waits 15 s; the rest is for slow machines.
const CHALLENGE_US: u64 = 20_000_000;

/// After two intervals a client may be sure, after three it must have looked; the rest is for slow machines.
const INTERVALS: u64 = 4;

/// With virtual time the client is late by its own doing only.
const GRACE_US: u64 = 1_000_000;

/// Where time is real, a busy machine runs a program's timers seconds late.
const REAL_TIME_GRACE_US: u64 = 5_000_000;

/// What a connection was like, as its client saw it.
#[derive(Debug, Default)]
pub(super) struct Life {
    opened: u64,
    opened_us: u64,
    /// The client's first word about the end, or the end of the stream.
    left_us: Option<u64>,
    challenged_us: Option<u64>,
    tick_us: Option<u64>,
    /// When a fault first held a message of either way back.
    held_us: Option<u64>,
    heard: u64,
    heard_us: u64,
    /// The longest silence after hello-ok: when it began, and after which entry.
    longest: Option<(u64, u64, u64)>,
}

impl Life {
    fn hears(&mut self, n: u64, t_us: u64) {
        self.silence_until(t_us);
        (self.heard, self.heard_us) = (n, t_us);
    }

    fn silence_until(&mut self, t_us: u64) {
        let silent = t_us.saturating_sub(self.heard_us);
        if self.tick_us.is_some() && self.longest.is_none_or(|(longest, ..)| silent > longest) {
            self.longest = Some((silent, self.heard, self.heard_us));
        }
    }
}

/// Connections by number.
pub(super) type Lives = BTreeMap<u32, Life>;

fn lives<'e>(evidence: &'e Evidence<'_>) -> &'e Lives {
    evidence.lives.get_or_init(|| lived(evidence))
}

fn lived(evidence: &Evidence<'_>) -> Lives {
    let mut lives = Lives::new();
    let mut end_us = evidence
        .record
        .steps
        .iter()
        .map(|step| step.ended_us)
        .max()
        .unwrap_or_default();
    for entry in evidence.entries() {
        end_us = end_us.max(entry.t_us);
        let Some(conn) = entry.conn.filter(|conn| !evidence.is_scripted(*conn)) else {
            continue;
        };
        let life = lives.entry(conn).or_default();
        if entry.kind == Kind::Open {
            (life.opened, life.opened_us) = (entry.n, entry.t_us);
            continue;
        }
        let ours = entry.dir == Some(Direction::ClientToGateway);
        let ends = matches!(entry.kind, Kind::Eof | Kind::Reset)
            || ends_the_stream(entry)
            || (entry.kind == Kind::Close && ours);
        // A gateway that closes has spoken, whatever becomes of its words.
        let gateway_closes = entry.kind == Kind::Close && !ours;
        if (ends || gateway_closes) && life.left_us.is_none() {
            life.silence_until(entry.t_us);
            life.left_us = Some(entry.t_us);
        }
        if entry.stage == Some(Stage::Held) {
            life.held_us.get_or_insert(entry.t_us);
        }
        if life.left_us.is_some() || ours || entry.stage != Some(Stage::Delivered) {
            continue;
        }
        // What a black hole lets go of late reaches a socket that its client may have left long ago, unseen behind it.
        // Found by `clawproof explore --world memory --latency`, seed 114.
        let left = life.held_us.and_then(|at| replaced(evidence, conn, at));
        if let Some(left_us) = left.filter(|left_us| *left_us < entry.t_us) {
            life.silence_until(left_us);
            life.left_us = Some(left_us);
            continue;
        }
        // In this order: the silence before hello-ok is the client's own, ticks begin behind it.
        life.hears(entry.n, entry.t_us);
        if let Some(frame) = &entry.frame {
            listen(life, frame, entry.t_us);
        }
    }
    for (conn, life) in lives.iter_mut().filter(|(_, life)| life.left_us.is_none()) {
        let after_us = life.heard_us.max(life.opened_us);
        let gone = gateway_left(evidence, after_us);
        let left_us = replaced(evidence, *conn, life.heard_us)
            .into_iter()
            .chain(gone)
            .min();
        let left_us = left_us.unwrap_or(end_us);
        life.silence_until(left_us);
        life.left_us = Some(left_us);
    }
    lives
}

/// When the client opened another connection for the same role: behind a black hole nothing else shows that it left.
fn replaced(evidence: &Evidence<'_>, conn: u32, after_us: u64) -> Option<u64> {
    let known = evidence.wire.connection(conn)?;
    let later = evidence.wire.connections().filter(|(other, connection)| {
        *other > conn
            && connection.opened_us > after_us
            && connection.actor == known.actor
            && (connection.role == known.role || known.role.is_none())
    });
    later.map(|(_, connection)| connection.opened_us).min()
}

/// When the gateway's service next ended: it writes nothing down of a connection that it has lost.
fn gateway_left(evidence: &Evidence<'_>, after_us: u64) -> Option<u64> {
    let ends = evidence.record.steps.iter().filter(|outcome| {
        let step = evidence.scenario.steps.get(outcome.index);
        step.is_some_and(
            |step| matches!(&step.value, Step::Control(control) if ends_the_service(control)),
        )
    });
    let times = ends.map(|outcome| outcome.began_us);
    times.filter(|t_us| *t_us > after_us).min()
}

/// A changed shared token restarts the gateway as well. Found by `clawproof explore --latency`, seed 730.
const fn ends_the_service(control: &Control) -> bool {
    control.stop || control.rotate_shared_token || control.restart.is_some()
}

fn listen(life: &mut Life, frame: &Value, t_us: u64) {
    if text(frame, "/event") == Some("connect.challenge") {
        life.challenged_us.get_or_insert(t_us);
    }
    if text(frame, "/payload/type") == Some("hello-ok") {
        let tick = at(frame, "/payload/policy/tickIntervalMs").and_then(Value::as_u64);
        life.tick_us = tick.map(|ms| ms.saturating_mul(1_000));
    }
}

fn no_challenge(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (conn, life) in lives(evidence) {
        let until = life
            .challenged_us
            .or(life.left_us)
            .unwrap_or(life.opened_us);
        let waited = until.saturating_sub(life.opened_us);
        if waited > CHALLENGE_US && life.opened > 0 {
            let who = evidence.wire.describe(*conn);
            let what = format!(
                "{who} waited {} s for a challenge and kept waiting",
                waited / 1_000_000
            );
            breaches.push(breach(what, &[life.opened]));
        }
    }
    breaches
}

/// Whether the script set a clock of the client: then nobody can say how long it has waited.
fn sets_its_clock(evidence: &Evidence<'_>, conn: u32) -> bool {
    let actor = evidence.actor(conn);
    let mut steps = evidence.scenario.steps.iter();
    steps.any(|step| matches!(&step.value, Step::Clock(clock) if clock.of == actor))
}

fn no_tick(evidence: &Evidence<'_>) -> Vec<Breach> {
    let grace_us = match evidence.record.world.as_str() {
        "core" | "memory" => GRACE_US,
        _ => REAL_TIME_GRACE_US,
    };
    let mut breaches = Vec::new();
    for (conn, life) in lives(evidence) {
        let (Some(tick), Some((silent, heard, _))) = (life.tick_us, life.longest) else {
            continue;
        };
        if sets_its_clock(evidence, *conn) {
            continue;
        }
        if silent > tick.saturating_mul(INTERVALS).saturating_add(grace_us) {
            let who = evidence.wire.describe(*conn);
            let what = format!(
                "{who} heard nothing for {} ms and stayed, although ticks come every {} ms",
                silent / 1_000,
                tick / 1_000
            );
            breaches.push(breach(what, &[heard]));
        }
    }
    breaches
}
