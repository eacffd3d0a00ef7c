//! Each renderer on fixed results and a fixed transcript.

use std::time::Duration;

use serde_json::json;
use transcript::Direction;

use super::*;
use crate::judge::Finding;
use crate::judge::sample::Talk;
use crate::referee::Standing;

fn results() -> Vec<ScenarioResult> {
    let finding = Finding {
        rule: "invariant:seq_only_grows".to_owned(),
        summary: "connection 1 (companion): event with seq 3, expected 2".to_owned(),
        place: "suite/setup-connect/b.toml".to_owned(),
        evidence: vec!["   0.000s #1 <- event tick".to_owned()],
        reference: Some("gateway-behaviour §1.2".to_owned()),
        repeat: "clawproof run setup-connect/b --world memory --seed 7".to_owned(),
        ..Finding::default()
    };
    let result = |id: &str, verdict| ScenarioResult {
        id: id.to_owned(),
        title: format!("Title of {id}"),
        world: "memory".to_owned(),
        seed: 7,
        took: Duration::from_micros(1_234),
        virtual_time: Duration::from_secs(95),
        verdict,
    };
    vec![
        result("setup-connect/a", Verdict::Passed),
        result("setup-connect/b", Verdict::Failed(vec![finding])),
        result(
            "network-recovery/c",
            Verdict::Skipped {
                missing: "the world wsl".to_owned(),
            },
        ),
        result(
            "network-recovery/d",
            Verdict::Inconclusive {
                why: "out of budget: 1000000 steps".to_owned(),
            },
        ),
    ]
}

#[test]
fn the_terminal_report() {
    let results = results();
    let mut text = String::new();
    for result in &results {
        text.push_str(&terminal::line(result, terminal::Style::default()));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&terminal::explanation(
        &results[1],
        terminal::Style::default(),
    ));
    text.push('\n');
    text.push_str(&terminal::summary(
        &results,
        Duration::from_millis(12),
        terminal::Style::default(),
    ));
    insta::assert_snapshot!(text);
}

#[test]
fn colours_are_only_used_when_asked_for() {
    let line = terminal::line(&results()[0], terminal::Style { colour: true });
    assert!(line.contains("\u{1b}[32m"));
    assert!(!terminal::line(&results()[0], terminal::Style::default()).contains('\u{1b}'));
}

#[test]
fn the_junit_report() {
    insta::assert_snapshot!(
        junit::xml(&results(), Duration::from_millis(12), &Standing::Off).unwrap()
    );
}

#[test]
fn a_run_of_nothing_is_noticed() {
    assert!(junit::ran_something(&results()));
    assert!(!junit::ran_something(&results()[2..3]));
}

#[test]
fn the_json_lines() {
    let results = results();
    let mut lines = vec![lines::started(results.len(), 7)];
    lines.extend(results.iter().map(lines::result));
    lines.push(lines::finished(
        &results,
        Duration::from_millis(12),
        &Standing::Off,
    ));
    let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(text.join("\n"));
}

fn conversation() -> transcript::Transcript {
    Talk::new()
        .joined(1, "companion", "operator")
        .after(30_000)
        .hears(
            1,
            &json!({"type":"event","event":"tick","payload":{},"seq":1}),
        )
        .after(30_000)
        .hears(
            1,
            &json!({"type":"event","event":"tick","payload":{},"seq":2}),
        )
        .close(1, Direction::GatewayToClient, 1012, "service restart; #1")
        .eof(1)
        .transcript()
}

#[test]
fn the_sequence_diagram() {
    insta::assert_snapshot!(sequence::mermaid(&conversation()));
}

#[test]
fn the_plain_sequence() {
    insta::assert_snapshot!(sequence::plain(&conversation()));
}
