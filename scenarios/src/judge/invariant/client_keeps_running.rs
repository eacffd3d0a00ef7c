//! A client that is meant to stay ends when it is told to, or when it was refused for good.

use super::no_socket_after_terminal::TERMINAL;
use super::{Breach, Evidence, Row, Subject, breach, text};

pub(super) const ROW: Row = Row {
    name: "client_keeps_running",
    doc: "A client that is meant to stay does not end by itself, unless its last connect was refused for good.",
    source: "real-clients 5; field-bugs 23",
    subject: Subject::Client,
    mutant: "record:programs",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for program in evidence
        .record
        .programs
        .iter()
        .filter(|program| program.stays)
    {
        let Some(ended_us) = program.ended_us else {
            continue;
        };
        let last = last_refusal(evidence, &program.actor, ended_us);
        if last
            .as_ref()
            .is_some_and(|(_, code)| TERMINAL.contains(&code.as_str()))
        {
            continue;
        }
        let how = match (program.code, program.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no exit code".to_owned(),
        };
        let after = last
            .as_ref()
            .map_or_else(String::new, |(_, code)| format!(" after {code}"));
        let entries: Vec<u64> = last.iter().map(|(entry, _)| *entry).collect();
        breaches.push(breach(
            format!("{} ended by itself with {how}{after}", program.actor),
            &entries,
        ));
    }
    breaches
}

/// The newest refusal of a connect before a moment: its entry and its code.
fn last_refusal(evidence: &Evidence<'_>, actor: &str, before_us: u64) -> Option<(u64, String)> {
    evidence
        .gateway_frames()
        .filter(|(said, _)| said.entry.t_us <= before_us && evidence.actor(said.conn) == actor)
        .filter(|(said, _)| evidence.wire.answers(said.n()) == Some("connect"))
        .filter_map(|(said, frame)| {
            Some((said.n(), text(frame, "/error/details/code")?.to_owned()))
        })
        .last()
}
