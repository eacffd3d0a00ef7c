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
