//! The suite catches the bugs that it was written for: each deliberate bug of the client fails the scenario that
//! stands for its field bug, and that scenario passes without it.

mod common;

use std::sync::Arc;

use rstest::rstest;
use scenarios::run::run_job;
use scenarios::scenario::{Actor, Scenario, WorldName};

fn with_bug(scenario: &Scenario, bug: &str) -> Arc<Scenario> {
    let mut scenario = scenario.clone();
    for actor in scenario.actor.values_mut() {
        if let Actor::Client(client) = actor {
            client.mutation = Some(bug.to_owned());
        }
    }
    Arc::new(scenario)
}

#[rstest]
#[case::field_bug_1("local_clock_signed_at", "setup-connect/clock-off-by-twelve-hours")]
#[case::field_bug_11("omit_device_family", "setup-connect/both-roles-show-the-same-machine")]
#[case::field_bug_19(
    "clear_tokens_on_shared_mismatch",
    "revocation-recovery/shared-token-changed-at-the-gateway"
)]
#[case::field_bug_20(
    "never_recover_token",
    "revocation-recovery/device-token-mismatch-recovers-with-the-shared-token"
)]
#[case::field_bug_23(
    "keep_retrying_after_terminal",
    "revocation-recovery/shared-token-changed-at-the-gateway"
)]
#[case::field_bug_34(
    "pairing_storm",
    "setup-connect/close-does-not-hide-the-pairing-request"
)]
#[case::field_bug_35("stop_while_pairing", "setup-connect/approval-is-noticed")]
#[case::field_bug_36(
    "close_overwrites_pairing",
    "setup-connect/close-does-not-hide-the-pairing-request"
)]
#[case::field_bug_57(
    "bootstrap_forever",
    "revocation-recovery/spent-bootstrap-token-is-not-used-again"
)]
#[case::field_bug_58(
    "clear_bootstrap_early",
    "revocation-recovery/bootstrap-token-stays-until-both-roles-are-durable"
)]
#[case::field_bug_63("swap_role_tokens", "setup-connect/role-tokens-are-filed-by-role")]
#[case::field_bug_76("zombie_after_restart", "network-recovery/no-zombie-after-1012")]
#[case::field_bug_77("starting_is_fatal", "network-recovery/gateway-starting-is-not-fatal")]
#[case::backoff("reconnect_storm", "network-recovery/closed-before-the-challenge")]
#[case::identity(
    "new_key_on_reconnect",
    "network-recovery/credentials-survive-both-restarts"
)]
#[case::one_connect_per_challenge("connect_twice", "setup-connect/a-second-challenge-is-ignored")]
#[case::nonce_per_socket("reuse_nonce", "network-recovery/closed-a-while-after-hello")]
#[case::busy_then_limited(
    "starting_is_fatal",
    "revocation-recovery/the-second-refusal-differs-from-the-first"
)]
#[case::limited_for_good(
    "keep_retrying_after_terminal",
    "revocation-recovery/the-second-refusal-differs-from-the-first"
)]
#[case::still_clock("local_clock_signed_at", "setup-connect/gateway-clock-stands-still")]
#[case::upgrade_storm("reconnect_storm", "network-recovery/upgrade-answered-with-429")]
#[case::one_device(
    "new_key_on_reconnect",
    "setup-connect/the-device-that-asked-is-the-one-that-comes-back"
)]
#[case::invoke("answer_invoke_twice", "setup-connect/wire-invoke-and-answer")]
fn a_bug_fails_its_scenario(#[case] bug: &str, #[case] id: &str) {
    let suite = common::suite();
    let scenario = suite
        .iter()
        .find(|scenario| scenario.id == id)
        .expect("the suite has it");
    let sound = run_job(&common::job(scenario, WorldName::Core), common::SEED, None);
    assert!(
        sound.verdict.is_passed(),
        "{id} fails without the bug: {:?}",
        sound.verdict
    );
    let buggy = run_job(
        &common::job(&with_bug(scenario, bug), WorldName::Core),
        common::SEED,
        None,
    );
    assert_eq!(buggy.verdict.word(), "failed", "{id} does not see {bug}");
}
