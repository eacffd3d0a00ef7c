use rstest::rstest;

use super::*;

const GOOD: &str = r#"
title = "An approved node comes back"
about = "openclaw-windows-node #845"
worlds = ["memory", "core"]
profile = "2026.6.34"

[allow]
seq_only_grows = "the point of this test"

[actor.companion]
kind = "client"
node = true
holds = { shared_token = "valid", operator_token = "stale" }
clock = "-12h"

[actor.mallory]
kind = "raw"
peer = "remote"

[gateway]
handshake_timeout = "5s"
config = { gateway.nodes.allowCommands = ["system.run"] }

[[gateway.on]]
name = "busy once"
method = "connect"
role = "node"
times = 1
error = { code = "UNAVAILABLE", message = "gateway starting; retry shortly", retryable = true, retry_after_ms = 500 }
close = { code = 1013, reason = "gateway starting" }

[[gateway.connection]]
numbers = [2]
fault = "refuse"

[[step]]
start = "companion"

[[step]]
expect = {
  from = "companion", method = "connect", role = "node",   # the node's own
  params = { role = "node", auth = { token = "$any" } },
  capture = { device = "/device/id" }, within = "35s",
}

[[step]]
control = { approve = "latest" }

[[step]]
send = { from = "mallory", connect = { role = "operator", scopes = ["operator.read"], device = "stale" } }

[[step]]
quiet = { from = "companion", opens = true, lasting = "10m" }

[[step]]
note = "approved"

[[never]]
event = "node.pair.requested"
after = "approved"
because = "it was approved"

[[count]]
from = "companion"
method = "connect"
max = 3

[[finally]]
actor = "companion"
durable = { node_token = true }
"#;

#[test]
fn a_file_with_everything_reads() {
    let scenario = parse("setup-connect/everything", GOOD).unwrap();
    assert_eq!(scenario.steps.len(), 6);
    assert_eq!(scenario.actor.len(), 2);
    assert_eq!(scenario.gateway.on.len(), 1);
    let step = scenario.steps.get(1).unwrap();
    let (line, _) = scenario.line_of(step.at.as_ref()).unwrap();
    assert!(
        scenario
            .source
            .text
            .lines()
            .nth(line - 1)
            .unwrap()
            .contains("[[step]]"),
        "line {line}"
    );
}

#[test]
fn a_printed_scenario_reads_back_as_the_same_value() {
    let scenario = parse("setup-connect/everything", GOOD).unwrap();
    let text = crate::scenario::print::to_toml(&scenario).unwrap();
    let again = parse("setup-connect/everything", &text)
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert_eq!(scenario, again, "{text}");
}

/// What a client's machine does besides its network: ssh, the identity file, records.
const MACHINE: &str = r#"
title = "A tunnel ends"
about = "client-behaviour 24"
worlds = ["core"]

[actor.companion]
kind = "client"
ssh = true
holds = { shared_token = "valid", tunnel = true }

[[step]]
disk = { of = "companion", identity = "corrupt" }

[[step]]
start = "companion"

[[step]]
disk = { of = "companion", identity = "restored" }

[[step]]
do = { actor = "companion", intent = "add_gateway", record = { id = "other", url = "ws://127.0.0.2:18789" } }

[[step]]
do = { actor = "companion", intent = "ensure_node_connected" }

[[step]]
do = { actor = "companion", intent = "connect_shared_token", token = "$gateway.token", tunnel = true }

[[step]]
control = { tunnel = { of = "companion", is = "ended_late" } }

[[count]]
actor = "companion"
reports = { event = "diagnostic", message = "SSH tunnel started" }
exactly = 1
"#;

#[test]
fn what_a_machine_does_reads_back_as_the_same_value() {
    let scenario =
        parse("setup-connect/machine", MACHINE).unwrap_or_else(|error| panic!("{error}"));
    let text = crate::scenario::print::to_toml(&scenario).unwrap();
    let again = parse("setup-connect/machine", &text)
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert_eq!(scenario, again, "{text}");
}

fn small(extra: &str) -> String {
    format!(
        "title = \"A client connects\"\nabout = \"gateway-behaviour 2\"\n[actor.companion]\nkind = \"client\"\n[actor.mallory]\nkind = \"raw\"\n{extra}\n"
    )
}

#[rstest]
#[case::typo_in_expect(
    "[[step]]\nexpect = { form = \"companion\" }",
    "scenario::unknown_field",
    "form",
    "`from`"
)]
#[case::typo_in_actor(
    "[actor.other]\nkind = \"client\"\nnodes = true\n[[step]]\nstart = \"other\"",
    "scenario::unknown_field",
    "nodes",
    "`node`"
)]
#[case::typo_in_head("titel = 1\n", "scenario::unknown_field", "titel", "")]
#[case::unknown_verb(
    "[[step]]\nexpcet = {}",
    "scenario::unknown_word",
    "expcet",
    "`expect`"
)]
#[case::unknown_fault(
    "[[step]]\nfault = { name = \"refused\" }",
    "scenario::unknown_word",
    "refused",
    "`refuse`"
)]
#[case::two_verbs(
    "[[step]]\nstart = \"companion\"\nelapse = \"3s\"",
    "scenario::one_verb_per_step",
    "",
    "split it"
)]
#[case::bad_time("[[step]]\nelapse = \"soon\"", "scenario::not_a_time", "soon", "")]
#[case::wrong_type("[[step]]\nstart = 3", "scenario::wrong_type", "3", "")]
#[case::missing_field(
    "[[step]]\ndo = { actor = \"companion\" }",
    "scenario::missing_field",
    "",
    "`intent = ...`"
)]
#[case::not_toml("[[step", "scenario::not_toml", "", "")]
fn what_cannot_be_read_says_where_and_what_to_do(
    #[case] extra: &str,
    #[case] code: &str,
    #[case] points_at: &str,
    #[case] help: &str,
) {
    let text = small(extra);
    let problems = parse_unchecked("setup-connect/x", &text).unwrap_err();
    let problem = problems.list.first().unwrap();
    assert_eq!(problem.code, code, "{problems}");
    if !points_at.is_empty() {
        let at = problem.at.clone().unwrap();
        assert!(
            text[at.clone()].contains(points_at),
            "{:?} instead of {points_at:?}",
            &text[at]
        );
    }
    assert!(
        problem.help.as_deref().unwrap_or_default().contains(help),
        "{:?}",
        problem.help
    );
}

#[test]
fn a_problem_is_shown_with_its_line_and_remedy() {
    let problems = parse_unchecked(
        "setup-connect/x",
        &small("[[step]]\nexpect = { form = \"companion\" }"),
    )
    .unwrap_err();
    insta::assert_snapshot!(problems.render(false));
}

#[rstest]
#[case("expcet", &["expect", "elapse"], Some("expect"))]
#[case("xyz", &["expect", "elapse"], None)]
#[case("node.pair.requestd", &["node.pair.requested", "node.pair.resolved"], Some("node.pair.requested"))]
fn the_nearest_word_is_meant(
    #[case] word: &str,
    #[case] words: &[&str],
    #[case] expected: Option<&str>,
) {
    assert_eq!(nearest(word, words.iter().copied()), expected);
}

/// The command that repeats a finding finds the scenario again.
#[rstest]
#[case::embedded("suite/a/b.toml", "a/b")]
#[case::repository("scenarios/suite/a/b.toml", "a/b")]
#[case::own("tests/mine/a/b.toml", "--suite tests/mine a/b")]
#[case::blanks("my suite/a/b.toml", "--suite 'my suite' a/b")]
#[case::one_file("elsewhere.toml", "a/b")]
fn a_scenario_of_another_suite_is_selected_with_its_suite(#[case] file: &str, #[case] words: &str) {
    let mut scenario = Scenario::builder("a/b", "x").build();
    file.clone_into(&mut scenario.source.file);
    assert_eq!(scenario.selected(), words);
}
