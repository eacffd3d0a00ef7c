//! What a run leaves behind on the machine.

use super::{Breach, Evidence, Row, Subject, breach};

pub(super) const NO_SECRET_IN_ARTIFACTS: Row = Row {
    name: "no_secret_in_artifacts",
    doc: "No secret of the run is in any artifact, in any encoding.",
    source: "tester-needs 4; scenario-catalogue 246; field-bugs 136",
    subject: Subject::Harness,
    mutant: "record:leaks",
    check: no_secret_in_artifacts,
};

pub(super) const NOTHING_LEFT_RUNNING: Row = Row {
    name: "nothing_left_running",
    doc: "When a run is over, no task, port, process or temporary file of it is left.",
    source: "tester-needs 8",
    subject: Subject::Harness,
    mutant: "record:leftovers",
    check: nothing_left_running,
};

pub(super) const NO_ERROR_IS_LOGGED: Row = Row {
    name: "no_error_is_logged",
    doc: "Nothing logs at level ERROR during a run.",
    source: "DESIGN 8",
    subject: Subject::Harness,
    mutant: "record:errors_logged",
    check: no_error_is_logged,
};

fn no_secret_in_artifacts(evidence: &Evidence<'_>) -> Vec<Breach> {
    let told = |leak: &super::super::record::Leak| {
        breach(
            format!(
                "a secret ({}) is in {} as {}",
                leak.kind, leak.file, leak.form
            ),
            &[],
        )
    };
    evidence.record.leaks.iter().map(told).collect()
}

fn nothing_left_running(evidence: &Evidence<'_>) -> Vec<Breach> {
    evidence
        .record
        .leftovers
        .iter()
        .map(|what| breach(format!("left behind: {what}"), &[]))
        .collect()
}

fn no_error_is_logged(evidence: &Evidence<'_>) -> Vec<Breach> {
    evidence
        .record
        .errors_logged
        .iter()
        .map(|what| breach(format!("logged as an error: {what}"), &[]))
        .collect()
}
