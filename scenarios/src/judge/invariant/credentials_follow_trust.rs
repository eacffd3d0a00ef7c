//! Nothing goes out before what it must wait for.

use super::super::trust;
use super::{Breach, Evidence, Row, Subject, breach};
use crate::scenario::Trust;

pub(super) const ROW: Row = Row {
    name: "credentials_follow_trust",
    doc: "In a scenario with `trust = \"strict\"`, no credential precedes its trust condition: a challenge on its own connection, a signature over it, and for shared and bootstrap tokens a private address whose listener is not known to be somebody else.",
    source: "client-behaviour §17.4, §18; field-bugs 25, 104",
    subject: Subject::Client,
    mutant: "client:send_to_strangers",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    if evidence.scenario.trust != Some(Trust::Strict) {
        return Vec::new();
    }
    let crossings = trust::crossings(&evidence.record.transcript);
    crossings
        .iter()
        .filter(|it| !evidence.is_scripted(it.conn) && !it.missing().is_empty())
        .map(|it| breach(it.sentence(), &[it.entry]))
        .collect()
}
