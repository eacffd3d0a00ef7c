//! The gate's own tests: each way in which a shard can look green without being so is red, for its own reason.
//!
//! The scenarios are small, and really run; what is judged is what the command line would print of them.

use std::sync::Arc;
use std::time::Duration;

use rstest::rstest;
use scenarios::report::{Counts, lines};
use scenarios::run::{
    FolderError, Job, Outcome, RunOptions, RunSummary, jobs, result, results, run_all, write_run,
};
use scenarios::scenario::{Scenario, WorldName, parse};

use super::gate::{Blame, Gate, Ran, judge};
use super::manifest::Manifest;
use super::report::{Report, Trial};
use super::*;

const SHARD: &str = "setup-connect";

/// What the connect of the small scenario is answered.
const GOOD: &str = "response = \"connect\", ok = true";
const BAD: &str = "response = \"connect\", ok = false";

fn scenario(id: &str, needs: &str, expected: &str) -> Arc<Scenario> {
    let text = format!(
        r#"
title = "small"
about = "the gate's own tests"
worlds = ["core"]
needs = [{needs}]

[actor.raw]
kind = "raw"

[[step]]
start = "raw"

[[step]]
send = {{ from = "raw", connect = {{ auth = {{ token = "$gateway.token" }}, scopes = ["operator.admin"] }} }}

[[step]]
expect = {{ to = "raw", {expected} }}
"#
    );
    match parse(&format!("{SHARD}/{id}"), &text) {
        Ok(scenario) => Arc::new(scenario),
        Err(problems) => panic!("{}", problems.render(false)),
    }
}

fn good(id: &str) -> Arc<Scenario> {
    scenario(id, "\"raw\"", GOOD)
}

fn manifest(rows: &str, ids: &[&str]) -> Manifest {
    let line = |id: &&str| {
        format!(
            "\"{SHARD}/{id}\" = [\"core\"]
"
        )
    };
    let ids = ids.iter().map(line).collect::<Vec<_>>().concat();
    let text = format!("time_limit = 60\nscenario_limit = 60\n{rows}\n[must_pass]\n{ids}");
    Manifest::parse("the manifest", &text).unwrap()
}

fn may_skip(id: &str, reason: &str) -> String {
    format!("[[may_skip]]\nscenario = \"{SHARD}/{id}\"\nworld = \"core\"\nreason = \"{reason}\"\n")
}

fn known_failure(id: &str, rule: &str) -> String {
    format!(
        "[[known_failure]]\nscenario = \"{SHARD}/{id}\"\nworld = \"core\"\nrule = \"{rule}\"\nbecause = \"it is\"\n"
    )
}

fn planned(suite: &[Arc<Scenario>]) -> Vec<Job> {
    jobs(suite, &[WorldName::Core])
}

fn trials(suite: &[Arc<Scenario>]) -> BTreeSet<Trial> {
    suite
        .iter()
        .map(|it| (it.id.clone(), "core".to_owned()))
        .collect()
}

/// What the command line would say and end with.
fn told(outcomes: &[Outcome]) -> (String, i32) {
    let results = results(outcomes);
    let counts = Counts::of(&results);
    let mut said: Vec<String> = outcomes
        .iter()
        .map(|it| lines::result(&result(it)).to_string())
        .collect();
    let referee = scenarios::referee::standing();
    said.push(lines::finished(&results, Duration::ZERO, referee).to_string());
    let text = said.join("\n") + "\n";
    let code = match counts {
        Counts { broken: 1.., .. } => 1,
        Counts { failed: 1.., .. } => 10,
        Counts { passed: 1.., .. } => 0,
        Counts { skipped: 1.., .. } => 22,
        _ => 3,
    };
    (text, code)
}

fn ran(suite: &[Arc<Scenario>]) -> Ran {
    let outcomes = run_all(&planned(suite), &RunOptions::new(1), |_| ());
    let (text, code) = told(&outcomes);
    Ran {
        report: Report::parse(&text),
        code: Some(code),
        ..Ran::default()
    }
}

fn gate(manifest: &Manifest, suite: &[Arc<Scenario>]) -> Gate {
    judge(SHARD, manifest, &trials(suite), &ran(suite))
}

/// Red with this exit code, and every reason is the one that is meant.
#[track_caller]
fn assert_red(gate: &Gate, code: u8, reason: &str) {
    assert_eq!(gate.code(), code, "{gate:#?}");
    assert!(
        gate.problems.iter().any(|it| it.text.contains(reason)),
        "{gate:#?}"
    );
}

#[test]
fn a_shard_that_is_as_listed_is_green() {
    let gate = gate(&manifest("", &["a", "b"]), &[good("a"), good("b")]);
    assert_eq!(
        (gate.code(), gate.counts.passed, gate.problems),
        (0, 2, vec![])
    );
}

#[test]
fn test_1_an_empty_selection_is_named() {
    let nothing = gate(&manifest("", &[]), &[]);
    assert_red(&nothing, 2, "setup-connect executed nothing");
}

/// Deleted from the suite, or lost on the way.
#[test]
fn test_2_what_must_pass_is_missed() {
    let listed = manifest("", &["a", "b"]);
    let deleted = gate(&listed, &[good("a")]);
    assert_red(
        &deleted,
        2,
        "setup-connect/b in core must run, but the suite does not have it",
    );
    let suite = trials(&[good("a"), good("b")]);
    let lost = judge(SHARD, &listed, &suite, &ran(&[good("a")]));
    assert_red(
        &lost,
        2,
        "setup-connect/b in core must run, but has no result",
    );
    // And what nobody listed is seen as well.
    assert_red(
        &gate(&manifest("", &["a"]), &[good("a"), good("b")]),
        2,
        "not in the manifest",
    );
}

#[test]
fn test_3_what_must_pass_is_not_skipped() {
    let gate = gate(
        &manifest("", &["a", "b"]),
        &[good("a"), scenario("b", "\"wings\"", GOOD)],
    );
    assert_red(
        &gate,
        2,
        "setup-connect/b in core must pass, but was skipped: the capability wings",
    );
}

#[test]
fn test_4_an_allowed_skip_is_a_warning() {
    let listed = manifest(&may_skip("b", "the capability wings"), &["a", "b"]);
    let gate = gate(&listed, &[good("a"), scenario("b", "\"wings\"", GOOD)]);
    assert_eq!((gate.code(), gate.counts.skipped), (0, 1), "{gate:#?}");
    assert_eq!(
        gate.warnings,
        ["setup-connect/b in core was skipped: the capability wings"]
    );
}

#[test]
fn test_5_a_skip_for_another_reason_is_not_allowed() {
    let listed = manifest(&may_skip("b", "the capability fins"), &["a", "b"]);
    let other = gate(&listed, &[good("a"), scenario("b", "\"wings\"", GOOD)]);
    assert_red(
        &other,
        2,
        "another reason than 'the capability fins': the capability wings",
    );
    // A reason that is no longer true is stale.
    assert_red(
        &gate(&listed, &[good("a"), good("b")]),
        2,
        "take its [[may_skip]] out",
    );
}

#[test]
fn test_6_a_report_that_is_gone_or_cut_short() {
    let suite = [good("a"), good("b")];
    let listed = manifest("", &["a", "b"]);
    let outcomes = run_all(&planned(&suite), &RunOptions::new(1), |_| ());
    let (text, code) = told(&outcomes);
    for (cut, reason) in [
        ("", "its last line is missing"),
        (&text[..text.len() / 2], "unreadable report"),
        (
            text.rsplit_once("{\"event\":\"finished\"").unwrap().0,
            "its last line is missing",
        ),
    ] {
        let ran = Ran {
            report: Report::parse(cut),
            code: Some(code),
            ..Ran::default()
        };
        assert_red(&judge(SHARD, &listed, &trials(&suite), &ran), 2, reason);
    }
}

#[test]
fn test_7_a_red_shard_does_not_stop_the_next() {
    let listed = manifest("", &["a"]);
    let shards = ["one", "two", "three"].map(str::to_owned);
    let mut ran = Vec::new();
    let ended = all(&shards, |shard| {
        ran.push(shard.to_owned());
        let expected = if shard == "one" { BAD } else { GOOD };
        Ok(gate(&listed, &[scenario("a", "\"raw\"", expected)]))
    });
    assert_eq!(ran, shards);
    let error = ended.unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (1, "red: one (1 problems)")
    );
}

/// Nothing began: each is failed for the set-up, none is skipped. One that broke by itself is too.
#[test]
fn test_8_a_set_up_that_fails_fails_everything() {
    let suite = [good("a"), good("b")];
    let listed = manifest("", &["a", "b"]);
    let ran = Ran {
        code: Some(22),
        ..Ran::default()
    };
    let gate = judge(SHARD, &listed, &trials(&suite), &ran);
    assert_red(
        &gate,
        3,
        "setup-connect/b in core failed: the run did not begin, clawproof ended with 22",
    );
    assert_eq!((gate.counts.failed, gate.counts.skipped), (2, 0));
    let text = r#"{"event":"result","id":"setup-connect/a","world":"core","verdict":"broken","what":"arrange the scenario"}"#;
    let ran = Ran {
        report: Report::parse(text),
        code: Some(1),
        ..Ran::default()
    };
    assert_red(
        &judge(SHARD, &listed, &trials(&suite), &ran),
        3,
        "broke: arrange the scenario",
    );
}

#[rstest]
#[case::explained("expectation", 0)]
#[case::another_cause("invariant:no_such", 1)]
fn test_9_a_known_failure_explains_only_itself(#[case] rule: &str, #[case] code: u8) {
    let listed = manifest(&known_failure("b", rule), &["a", "b"]);
    let suite = [good("a"), scenario("b", "\"raw\"", BAD)];
    let known = gate(&listed, &suite);
    assert_eq!(known.code(), code, "{known:#?}");
    // One unrelated failure beside it is a failure.
    let listed = manifest(&known_failure("b", rule), &["a", "b"]);
    let suite = [scenario("a", "\"raw\"", BAD), suite[1].clone()];
    let unrelated = gate(&listed, &suite);
    assert_red(&unrelated, 1, "setup-connect/a in core failed");
}

#[test]
fn a_failure_that_is_known_and_gone_is_stale() {
    let listed = manifest(&known_failure("a", "expectation"), &["a"]);
    assert_red(
        &gate(&listed, &[good("a")]),
        2,
        "take its [[known_failure]] out",
    );
}

#[test]
fn test_10_a_planted_secret_withholds_the_folder() {
    let suite = [good("a")];
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let mut outcomes = run_all(&planned(&suite), &RunOptions::new(1), |_| ());
    let summary = RunSummary {
        id: "run".to_owned(),
        seed: 1,
        command: "clawproof run".to_owned(),
        commit: None,
        dirty: None,
        took: Duration::ZERO,
        interrupted: false,
        shard: None,
        plan: vec![],
    };
    // The title goes into the verdict as it is.
    outcomes[0]
        .secrets
        .push(("shared-token".to_owned(), "planted-Xq7-secret".to_owned()));
    let mut told_of = Scenario::clone(&outcomes[0].scenario);
    told_of.title = "planted-Xq7-secret".to_owned();
    outcomes[0].scenario = Arc::new(told_of);
    let error = write_run(&folder, &summary, &outcomes).unwrap_err();
    assert!(matches!(error, FolderError::Leak { .. }), "{error}");
    assert!(!folder.exists());
    // The command line ends with 30 then; and a folder that is not there is missed whatever it ends with.
    let (text, _) = told(&outcomes);
    for (code, reason) in [(30, "withheld"), (0, "left no run.json")] {
        let ran = Ran {
            report: Report::parse(&text),
            code: Some(code),
            folder: Some(folder.clone()),
            ..Ran::default()
        };
        assert_red(
            &judge(SHARD, &manifest("", &["a"]), &trials(&suite), &ran),
            2,
            reason,
        );
    }
}

#[test]
fn what_takes_longer_than_it_may_is_red() {
    let suite = [good("a")];
    let slow = Ran {
        took: Duration::from_secs(61),
        ..ran(&suite)
    };
    assert_red(
        &judge(SHARD, &manifest("", &["a"]), &trials(&suite), &slow),
        2,
        "setup-connect took 61",
    );
    let mut one = ran(&suite);
    one.report.outcomes[0].took = Duration::from_secs(61);
    assert_red(
        &judge(SHARD, &manifest("", &["a"]), &trials(&suite), &one),
        2,
        "more than its limit",
    );
}

#[test]
fn twice_is_once_too_often() {
    let suite = [good("a")];
    let mut twice = ran(&suite);
    twice.report.outcomes.extend(twice.report.outcomes.clone());
    let gate = judge(SHARD, &manifest("", &["a"]), &trials(&suite), &twice);
    assert_red(&gate, 2, "reported twice");
    assert!(gate.problems.iter().all(|it| it.blame == Blame::Gate));
}
