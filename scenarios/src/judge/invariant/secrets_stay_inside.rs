//! What a client shows of itself holds none of its secrets.

use super::{Breach, Evidence, Row, Subject, breach};

pub(super) const ROW: Row = Row {
    name: "secrets_stay_inside",
    doc: "A client's snapshot and its reports hold no token, setup code or key that it stores.",
    source: "client-behaviour §12, §26; scenario-catalogue 181",
    subject: Subject::Companion,
    mutant: "client:shows_its_token",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let told = |shown: &super::super::record::Shown| {
        let what = format!("{} shows {} in {}", shown.actor, shown.secret, shown.place);
        breach(what, &[])
    };
    evidence.record.shown.iter().map(told).collect()
}
