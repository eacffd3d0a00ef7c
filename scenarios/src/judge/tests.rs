//! The judge on whole records, and findings that explain themselves.

use rstest::rstest;
use serde_json::json;

use super::record::{EndOutcome, EndSection, Missed, Nearest, StepOutcome, StepResult};
use super::sample::{Talk, record, scenario};
use super::*;
use crate::report::ScenarioResult;
use crate::report::terminal::{Style, explanation};

const FILE: &str = r#"title = "A refused client asks for approval"
about = "tests"
[actor.companion]
kind = "client"

[[step]]
start = "companion"

[[step]]
expect = { to = "companion", response = "connect", error = { details = { code = "PAIRING_REQUIRED" } } }

[[never]]
from = "companion"
method = "connect"
because = "it has no credential"
"#;

fn run() -> (Scenario, RunRecord) {
    let scenario = crate::scenario::parse("setup-connect/refused", FILE).unwrap();
    let talk = Talk::new()
        .connect(1, "companion", "operator", &json!({"token":"t-0123456789"}))
        .refusal(1, "AUTH_TOKEN_MISMATCH");
    let mut record = record(talk.transcript());
    record.views.gateway = json!({"devices": [], "pending_devices": [{"device_id": "0123456789abcdef", "roles": ["operator"]}]});
    (scenario, record)
}

#[test]
fn a_run_without_findings_passes() {
    let (scenario, record) = run();
    assert_eq!(judge(&scenario, &record), Verdict::Passed);
}

#[rstest]
#[case(RunEnd::Unavailable { missing: "a gateway".into() }, "skipped")]
#[case(RunEnd::HarnessBroke { what: "a panic".into() }, "broken")]
#[case(RunEnd::OutOfBudget { what: "1000000 steps".into() }, "inconclusive")]
#[case(RunEnd::Completed, "passed")]
fn the_end_of_a_run_decides_what_can_be_said(#[case] end: RunEnd, #[case] word: &str) {
    let (scenario, mut record) = run();
    record.end = end;
    assert_eq!(judge(&scenario, &record).word(), word);
}

#[test]
fn an_allowed_invariant_is_no_finding() {
    let talk = Talk::new().open(1, "companion").says_text(1, "hello");
    let mut allowed = scenario();
    assert_eq!(judge(&allowed, &record(talk.transcript())).word(), "failed");
    for name in ["every_frame_parses", "nothing_before_connect"] {
        allowed
            .allow
            .insert(name.to_owned(), "the point".to_owned());
    }
    assert_eq!(judge(&allowed, &record(talk.transcript())), Verdict::Passed);
}

#[test]
fn a_finding_explains_itself_to_a_stranger() {
    let (scenario, mut record) = run();
    let nearest = Nearest {
        entry: Some(6),
        pointer: "/error/details/code".to_owned(),
        expected: "\"PAIRING_REQUIRED\"".to_owned(),
        got: "\"AUTH_TOKEN_MISMATCH\"".to_owned(),
        agreed: 3,
    };
    let missed = Missed {
        waited: std::time::Duration::from_secs(30),
        wanted: String::new(),
        nearest: Some(nearest),
    };
    record.steps.push(StepOutcome {
        index: 1,
        began_us: 0,
        ended_us: 1,
        first_entry: 1,
        result: StepResult::Missed(missed),
    });
    record.ends.push(EndOutcome {
        section: EndSection::Never,
        index: 0,
        entries: vec![4],
        held: false,
        nearest: None,
    });
    record.end = RunEnd::Stopped { step: 1 };
    let result = ScenarioResult {
        id: scenario.id.clone(),
        title: scenario.title.clone(),
        world: "memory".to_owned(),
        seed: 7,
        took: record.took,
        virtual_time: std::time::Duration::from_secs(30),
        verdict: judge(&scenario, &record),
    };
    insta::assert_snapshot!(explanation(&result, Style::default()));
}
