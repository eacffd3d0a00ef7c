//! The explorer finds planted bugs, its finds are files that fail by themselves, and they pass without the bug.

use std::sync::Arc;

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::run::{Job, run_job};
use crate::scenario::{WorldName, parse, print};

fn look(mutation: Option<&str>, seeds: std::ops::Range<u64>) -> Hunted {
    let hunted = Hunt {
        seeds,
        mutation: mutation.map(str::to_owned),
        ..Hunt::default()
    };
    hunt(&hunted, |_| ())
}

#[rstest]
#[case::bootstrap_clearing("clear_bootstrap_early")]
#[case::token_recovery("never_recover_token")]
#[case::backoff("reconnect_storm")]
fn a_planted_bug_becomes_a_short_file_that_fails_by_itself(#[case] mutation: &str) {
    let find = look(Some(mutation), 0..3_000).finds.remove(0);
    assert!(find.scenario.steps.len() <= 8, "{:#?}", find.scenario.steps);
    // A slow machine draws ten flows a second: that is within ten seconds everywhere.
    assert!(find.seed < 100, "seed {}", find.seed);
    let text = print::to_toml(&find.scenario).unwrap();
    let read = Arc::new(parse(&find.scenario.id, &text).unwrap());
    let job = |scenario| Job {
        scenario,
        world: WorldName::Core,
        missing: None,
        ground: None,
        client: None,
    };
    // The file names its seed: whatever seed the run has, it is the same conversation.
    let outcome = run_job(&job(Arc::clone(&read)), find.seed + 1, None);
    assert_eq!(
        outcome.verdict.findings().first().map(|it| &it.rule),
        Some(&find.finding.rule)
    );
    // The same file without the bug passes: what it shows is the bug.
    let sound = text.replace(&format!("mutation = \"{mutation}\""), "");
    assert_ne!(sound, text);
    let sound = Arc::new(parse(&find.scenario.id, &sound).unwrap());
    let outcome = run_job(&job(sound), find.seed, None);
    assert!(outcome.verdict.is_passed(), "{:#?}", outcome.verdict);
}

#[test]
fn equal_seeds_find_the_same() {
    let find = || look(Some("never_recover_token"), 0..500).finds.remove(0);
    let (one, other) = (find(), find());
    assert_eq!((one.seed, one.scenario), (other.seed, other.scenario));
}

proptest! {
    #[test]
    fn every_drawn_flow_is_a_scenario_that_checks(seed in any::<u64>()) {
        let flow = Flow::drawn(seed);
        prop_assert_eq!(&flow, &Flow::drawn(seed));
        let scenario = flow.scenario("found/x", None).unwrap();
        let text = print::to_toml(&scenario).unwrap();
        let read = parse("found/x", &text).unwrap();
        prop_assert_eq!(read.steps, scenario.steps);
    }
}

/// What a search found, and the rules were wrong about.
#[rstest]
#[case::the_gateway_left("found/seed-730", THE_GATEWAY_LEFT, WorldName::Core)]
#[case::the_client_left_unseen("found/seed-114", THE_CLIENT_LEFT_UNSEEN, WorldName::Memory)]
#[case::the_operator_came_back_late("found/seed-257", THE_OPERATOR_CAME_BACK_LATE, WorldName::Core)]
#[case::the_shared_token_replaced_the_bootstrap_token("found/seed-72", REPLACED, WorldName::Core)]
fn what_was_no_bug_passes(#[case] id: &str, #[case] text: &str, #[case] world: WorldName) {
    let job = Job {
        scenario: Arc::new(parse(id, text).unwrap()),
        world,
        missing: None,
        ground: None,
        client: None,
    };
    let outcome = run_job(&job, 1, None);
    assert!(outcome.verdict.is_passed(), "{:#?}", outcome.verdict);
}

/// Its challenge was on the way when a changed token restarted the gateway, and its user had enough.
const THE_GATEWAY_LEFT: &str = r#"
title = "Found: connection 1 (companion) waited 20 s for a challenge and kept waiting"
about = "clawproof explore --latency --seeds 730..731"
needs = ["node"]
shard = "network-recovery"
seed = 730
worlds = ["core", "memory"]
[gateway]
approves = true
latency = ["20ms", "28ms", "48ms"]
[actor.companion]
kind = "client"
node = true
holds = { operator_token = "valid", node_token = "valid" }
[[step]]
start = "companion"
[[step]]
control = { rotate_shared_token = true }
[[step]]
do = { actor = "companion", intent = "disconnect" }
[[step]]
elapse = "20s"
"#;

/// A black hole hid that the operator had another connection, and let go of what it held fifty seconds later.
const THE_CLIENT_LEFT_UNSEEN: &str = r#"
title = "Found: connection 3 (companion, operator) heard nothing for 308839 ms and stayed"
about = "clawproof explore --world memory --latency --seeds 114..115"
needs = ["node"]
shard = "network-recovery"
seed = 114
worlds = ["core", "memory"]
[gateway]
approves = true
[actor.companion]
kind = "client"
node = true
holds = { shared_token = "valid" }
[[step]]
start = "companion"
[[step]]
fault = { name = "blackhole", next = 2, after_messages = 5, lasts = "50s" }
[[step]]
control = { mint_setup_code = {}, capture = { code = "/setupCode" } }
[[step]]
do = { actor = "companion", intent = "apply_setup_code", code = "$code" }
[[step]]
elapse = "6m"
[[step]]
do = { actor = "companion", intent = "reconnect" }
[[step]]
expect = { actor = "companion", within = "5m", snapshot = { overallState = "Ready" } }
"#;

/// An operator's hello-ok starts its node, and over a slow link it comes when the node has tried by itself.
const THE_OPERATOR_CAME_BACK_LATE: &str = r#"
title = "Found: companion (node) tried 3 times within 756 ms without success"
about = "clawproof explore --latency --seeds 257..258"
needs = ["node"]
shard = "network-recovery"
seed = 257
worlds = ["core", "memory"]
[gateway]
approves = true
latency = ["19ms", "99ms", "143ms"]
[actor.companion]
kind = "client"
node = true
holds = { shared_token = "valid", operator_token = "valid", node_token = "valid" }
[[step]]
start = "companion"
[[step]]
elapse = "1s 100ms"
[[step]]
control = { rotate_token = { device = "$companion.device", role = "node" } }
[[step]]
fault = { name = "reset" }
[[step]]
elapse = "20s"
"#;

/// A shared token took the bootstrap token's place while its user wanted something else already, and no node was there to hide
/// it.
const REPLACED: &str = r#"
title = "Found: companion cleared its bootstrap token before node_token was stored"
about = "clawproof explore --world memory --latency --seeds 72..73"
shard = "network-recovery"
seed = 72
worlds = ["core", "memory"]
[gateway]
approves = true
latency = ["47ms", "54ms", "19ms"]
[actor.companion]
kind = "client"
holds = { shared_token = "valid", bootstrap_token = "valid", operator_token = "valid" }
[[step]]
start = "companion"
[[step]]
do = { actor = "companion", intent = "connect_shared_token", token = "$gateway.token" }
[[step]]
do = { actor = "companion", intent = "reconnect" }
[[step]]
elapse = "20s"
"#;
