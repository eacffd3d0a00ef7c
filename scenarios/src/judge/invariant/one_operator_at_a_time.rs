//! A companion holds one operator connection, not two.
//!
//! A socket is live from its connect frame until the first sign of its end: a close frame of either side, the end of
//! the stream, or a fault that cut it. Behind a fault that swallows messages nobody at the gateway's end can see that
//! the client has left, so a socket that meets one is counted as ended. One whose end
//! nobody saw was alive until the last message that arrived on it: a gateway may drop a stream without a word.

use std::collections::BTreeMap;

use transcript::{Kind, Stage};

use crate::scenario::{Fault, IntentName, Step};

use super::{Breach, Evidence, Row, Subject, breach, ends, text};

pub(super) const ROW: Row = Row {
    name: "one_operator_at_a_time",
    doc: "Two operator sockets of a client are never live together, save the short one that tries a shared token.",
    source: "client-behaviour §14, §16, §19; scenario-catalogue K2",
    subject: Subject::Companion,
    mutant: "client:keep_old_socket",
    check,
};

/// The end of one stream and the beginning of the next may be seen in either order.
const GRACE_US: u64 = 100_000;

/// On a real machine the end of a stream is read when the gateway gets to it.
const REAL_TIME_GRACE_US: u64 = 2_000_000;

/// A shared token is tried for 15 s at most; the rest is for slow machines.
const TRIAL_US: u64 = 20_000_000;

/// An operator socket that was asked to connect.
#[derive(Clone, Copy, Debug)]
struct Socket {
    conn: u32,
    entry: u64,
    opened_us: u64,
    from_us: u64,
    until_us: u64,
}

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let grace_us = match evidence.record.world.as_str() {
        "core" | "memory" => GRACE_US,
        _ => REAL_TIME_GRACE_US,
    };
    let mut breaches = Vec::new();
    for (actor, sockets) in operator_sockets(evidence) {
        for (at, later) in sockets.iter().enumerate() {
            let earlier = sockets.iter().take(at);
            let Some(other) = earlier
                .filter(|other| together_us(other, later) > grace_us)
                .find(|other| {
                    !is_trial(evidence, actor, later) && !is_trial(evidence, actor, other)
                })
            else {
                continue;
            };
            let what = format!(
                "{actor} had connection {} and connection {} as operator for {} ms together",
                other.conn,
                later.conn,
                together_us(other, later) / 1_000
            );
            breaches.push(breach(what, &[other.entry, later.entry]));
        }
    }
    breaches
}

const fn together_us(earlier: &Socket, later: &Socket) -> u64 {
    let until_us = if earlier.until_us < later.until_us {
        earlier.until_us
    } else {
        later.until_us
    };
    until_us.saturating_sub(later.from_us)
}

fn operator_sockets<'a>(evidence: &Evidence<'a>) -> BTreeMap<&'a str, Vec<Socket>> {
    let ends = ends(evidence);
    let cuts = cuts(evidence);
    let heard = heard(evidence);
    let mut sockets: BTreeMap<&str, Vec<Socket>> = BTreeMap::new();
    for (said, frame) in evidence.connects() {
        let operator = text(frame, "/params/role").is_none_or(|role| role == "operator");
        let (Some(known), true) = (evidence.wire.connection(said.conn), operator) else {
            continue;
        };
        let actor = evidence.actor(said.conn);
        let of_actor = sockets.entry(actor).or_default();
        if of_actor.iter().any(|socket| socket.conn == said.conn) {
            continue;
        }
        let seen = ends.get(&said.conn).map(|end| end.t_us);
        let until_us = seen
            .into_iter()
            .chain(cuts.get(&said.conn).copied())
            .chain(hidden_from(evidence, actor, said.conn, known.opened_us))
            .min();
        of_actor.push(Socket {
            conn: said.conn,
            entry: said.n(),
            opened_us: known.opened_us,
            from_us: said.entry.t_us,
            until_us: until_us
                .or_else(|| heard.get(&said.conn).copied())
                .unwrap_or(said.entry.t_us),
        });
    }
    sockets
}

/// When the last message arrived on a connection.
fn heard(evidence: &Evidence<'_>) -> BTreeMap<u32, u64> {
    let arrived = evidence
        .entries()
        .filter(|entry| entry.stage == Some(Stage::Delivered));
    let arrived = arrived.filter_map(|entry| Some((entry.conn?, entry.t_us)));
    arrived.collect()
}

/// When a fault first cut a connection, in whatever way.
fn cuts(evidence: &Evidence<'_>) -> BTreeMap<u32, u64> {
    let mut cuts = BTreeMap::new();
    for entry in evidence.entries().filter(|entry| entry.kind == Kind::Fault) {
        if let Some(conn) = entry.conn {
            cuts.entry(conn).or_insert(entry.t_us);
        }
    }
    cuts
}

/// When a fault of the script began to hide what becomes of a socket.
fn hidden_from(evidence: &Evidence<'_>, actor: &str, conn: u32, opened_us: u64) -> Option<u64> {
    if is_planned_to_fail(evidence, conn) {
        return Some(opened_us);
    }
    let faults = evidence.record.steps.iter().filter_map(|outcome| {
        let step = evidence.scenario.steps.get(outcome.index)?;
        let Step::Fault(fault) = &step.value else {
            return None;
        };
        let of_others = fault.actor.as_deref().is_some_and(|of| of != actor);
        (!of_others).then_some((outcome.began_us, fault))
    });
    faults
        .filter(|(began_us, fault)| *began_us >= opened_us || meets_later_ones(fault))
        .map(|(began_us, _)| began_us.max(opened_us))
        .min()
}

/// A fault that is not only for what is open when it begins.
fn meets_later_ones(fault: &Fault) -> bool {
    fault.next.is_some() || !fault.connections.is_empty() || !fault.selects()
}

/// What the scenario has planned for this connection is a fault.
fn is_planned_to_fail(evidence: &Evidence<'_>, conn: u32) -> bool {
    let mut plans = evidence.scenario.gateway.connection.iter();
    plans.any(|plan| plan.value.fault.is_some() && plan.value.pick().takes(conn))
}

/// The one-shot socket that tries a shared token before anything is replaced: the user asked for it, and it is short.
fn is_trial(evidence: &Evidence<'_>, actor: &str, socket: &Socket) -> bool {
    let outcomes = evidence.record.steps.iter().rev();
    let last = outcomes
        .filter(|outcome| outcome.began_us <= socket.opened_us)
        .find_map(|outcome| {
            let step = evidence.scenario.steps.get(outcome.index)?;
            let Step::Do(intent) = &step.value else {
                return None;
            };
            (intent.actor == actor).then_some(intent.intent)
        });
    last == Some(IntentName::ConnectSharedToken)
        && socket.until_us.saturating_sub(socket.from_us) <= TRIAL_US
}
