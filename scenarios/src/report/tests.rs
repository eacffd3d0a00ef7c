//! Each renderer on fixed results and a fixed transcript.

use std::time::Duration;

use serde_json::{Value, json};
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

/// The computer of a set-up has a lane of its own, on the page, in the picture and in Mermaid; so has what the harness does to
/// the wire.
#[test]
fn wsl_and_faults_have_lanes() {
    let mut talk = conversation();
    let at = |n: u64, kind: &str, rest: Value| {
        let mut entry = json!({"n": n, "t_us": 60_000_000 + n, "kind": kind});
        entry
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        serde_json::from_value(entry).unwrap()
    };
    let called =
        json!({"actor": "wsl", "text": "wsl.exe --list -> 0", "data": {"event": "command"}});
    talk.entries.push(at(100, "note", called));
    talk.entries
        .push(at(101, "fault", json!({"conn": 1, "text": "reset"})));
    let (lanes, rows) = html::rows(&talk);
    assert_eq!(lanes, ["companion operator", "gateway", "wsl", "faults"]);
    let lane = |n: u64| {
        rows.iter()
            .find(|row| row[0] == n)
            .map(|row| row[3].clone())
    };
    assert_eq!((lane(100), lane(101)), (Some(2.into()), Some(3.into())));
    let picture = svg::svg("x", &lanes, &rows);
    assert!(picture.contains(">wsl</text>") && picture.contains("wsl.exe --list -&gt; 0"));
    let diagram = sequence::mermaid(&talk);
    assert!(
        diagram.contains("participant w as wsl") && diagram.contains("Note over w: "),
        "{diagram}"
    );
}
