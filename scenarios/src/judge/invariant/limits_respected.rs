//! Nobody sends more than the other end has said it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use gateway_protocol::limits::{MESSAGE_BYTES, PRE_HELLO_MESSAGE_BYTES};
use transcript::{Direction, Kind, Stage};

use super::{Breach, Evidence, Row, Subject, at, breach};

pub(super) const ROW: Row = Row {
    name: "limits_respected",
    doc: "A client's message is no larger than 64 KiB before hello-ok and policy.maxPayload after it.",
    source: "gateway-behaviour §1.3, §3",
    subject: Subject::Client,
    mutant: "client:oversize_frame",
    check,
};

/// Placeholders of redacted secrets are shorter than the secrets, so a message may be a little larger than it looks.
fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut limits: BTreeMap<u32, usize> = BTreeMap::new();
    let mut breaches = Vec::new();
    let mut told = BTreeSet::new();
    for said in evidence.said() {
        let Some(frame) = &said.entry.frame else {
            continue;
        };
        if said.by_gateway {
            if said.is_hello {
                let max = at(frame, "/payload/policy/maxPayload");
                let max = max
                    .and_then(serde_json::Value::as_u64)
                    .and_then(|max| usize::try_from(max).ok())
                    .unwrap_or(MESSAGE_BYTES);
                limits.insert(said.conn, max);
            }
            continue;
        }
        let limit = limits
            .get(&said.conn)
            .copied()
            .unwrap_or(PRE_HELLO_MESSAGE_BYTES);
        let size = length(frame);
        if size > limit && told.insert(said.conn) {
            let who = evidence.wire.describe(said.conn);
            breaches.push(breach(
                format!("{who} sent {size} bytes where {limit} are allowed"),
                &[said.n()],
            ));
        }
    }
    breaches.extend(told_so(evidence, &told));
    breaches
}

/// How long a frame is in print.
fn length(frame: &serde_json::Value) -> usize {
    struct Count(usize);

    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    // Every key of parsed JSON is a string, and counting does not fail.
    serde_json::to_writer(&mut count, frame).ok();
    count.0
}

/// The gateway's codec refuses a message that is too large before anybody reads it: then only the close shows it.
fn told_so(evidence: &Evidence<'_>, known: &BTreeSet<u32>) -> Vec<Breach> {
    evidence
        .entries()
        .filter(|entry| entry.kind == Kind::Close && entry.stage == Some(Stage::Sent))
        .filter(|entry| entry.dir == Some(Direction::GatewayToClient))
        .filter(|entry| entry.close.as_ref().and_then(|close| close.code) == Some(1009))
        .filter_map(|entry| {
            let conn = entry.conn?;
            let theirs = !evidence.is_scripted(conn) && !known.contains(&conn);
            let who = evidence.wire.describe(conn);
            theirs.then(|| {
                breach(
                    format!("{who} was told 1009: its message was too large"),
                    &[entry.n],
                )
            })
        })
        .collect()
}
