//! The suite catches the bugs that it was written for: each deliberate bug of the client fails the scenario that is
//! named after it, and that scenario passes without the bug.

mod common;

use std::sync::Arc;

use scenarios::run::run_job;
use scenarios::scenario::{Actor, Scenario, WorldName};

/// A bug of the client, and the scenario that must see it.
const MUSEUM: [(&str, &str); 24] = [
    ("reuse_nonce", "?"),
    ("connect_twice", "?"),
    ("second_auth_key", "?"),
    ("reconnect_storm", "?"),
    ("clear_bootstrap_early", "?"),
    ("local_clock_signed_at", "?"),
    ("new_key_on_reconnect", "?"),
    ("answer_invoke_twice", "?"),
    ("send_before_connect", "?"),
    ("duplicate_request_id", "?"),
    ("keep_retrying_after_terminal", "?"),
    ("node_before_operator", "?"),
    ("unknown_close_code", "?"),
    ("oversize_frame", "?"),
    ("swap_role_tokens", "?"),
    ("stop_while_pairing", "?"),
    ("pairing_storm", "?"),
    ("clear_tokens_on_shared_mismatch", "?"),
    ("never_recover_token", "?"),
    ("starting_is_fatal", "?"),
    ("zombie_after_restart", "?"),
    ("close_overwrites_pairing", "?"),
    ("omit_device_family", "?"),
    ("bootstrap_forever", "?"),
];

fn with_bug(scenario: &Scenario, bug: &str) -> Arc<Scenario> {
    let mut scenario = scenario.clone();
    for actor in scenario.actor.values_mut() {
        if let Actor::Client(client) = actor {
            client.mutation = Some(bug.to_owned());
        }
    }
    Arc::new(scenario)
}

#[test]
fn discover() {
    let suite = common::suite();
    for (bug, _) in MUSEUM {
        let mut caught = Vec::new();
        for scenario in &suite {
            if bug.ends_with("storm") && common::floor(scenario) > std::time::Duration::from_secs(10) && !scenario.id.contains("storm") { continue; }
            if !scenario.worlds().contains(&WorldName::Core) || !scenario.actor.values().any(|a| a.client().is_some()) {
                continue;
            }
            let outcome = run_job(&common::job(&with_bug(scenario, bug), WorldName::Core), common::SEED, None);
            if !outcome.verdict.is_passed() {
                let rule = outcome.verdict.findings().first().map(|f| f.rule.clone()).unwrap_or_else(|| outcome.verdict.word().to_owned());
                caught.push(format!("{}[{rule}]", scenario.id));
            }
        }
        println!("{bug}: {} {}", caught.len(), caught.join(" "));
    }
}
