//! A secret of every kind is shown to have been on the wire, and is in no artifact, in any encoding.

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use scenarios::run::{Outcome, RunSummary, run_job, write_run};
use scenarios::scenario::{Scenario, WorldName};
use transcript::canary;

/// A run in which every kind of secret goes over the wire: shared token, setup code with its bootstrap token,
/// device tokens of both roles, signatures; and then a failing step, so that the report quotes the wire.
const EVERYTHING: &str = r#"
title = "every kind of secret goes over the wire"
about = "tests/secrets.rs"
worlds = ["memory"]

[actor.companion]
kind = "client"
node = true
holds = { shared_token = "valid", operator_token = "valid", node_token = "valid" }

[actor.raw]
kind = "raw"

[[step]]
start = "companion"

[[step]]
expect = { actor = "companion", snapshot = { overallState = "Ready" } }

[[step]]
control = { mint_setup_code = {}, capture = { code = "/setupCode", bootstrap = "/bootstrapToken" } }

[[step]]
do = { actor = "companion", intent = "apply_setup_code", code = "$code" }

[[step]]
start = "raw"

[[step]]
send = { from = "raw", connect = { auth = { token = "$gateway.token" }, scopes = ["operator.admin"] } }

[[step]]
expect = { to = "raw", response = "connect", ok = true, capture = { issued = "/auth/deviceToken" } }

[[step]]
send = { from = "raw", request = "status", params = { note = "the code ${code} and the token ${issued}" } }

[[step]]
elapse = "5s"

[[step]]
expect = { to = "raw", event = "tick", payload = { ts = "$code" }, within = "1s" }
"#;

const PASSWORD: &str = r#"
title = "a password goes over the wire"
about = "tests/secrets.rs"
worlds = ["memory"]

[gateway]
auth = "password"

[actor.raw]
kind = "raw"

[[step]]
start = "raw"

[[step]]
send = { from = "raw", connect = { auth = { password = "$gateway.password" } } }

[[step]]
expect = { to = "raw", response = "connect", ok = true }
"#;

fn run(name: &str, text: &str) -> Outcome {
    let scenario: std::sync::Arc<Scenario> =
        common::scenario(&format!("setup-connect/{name}"), text);
    run_job(
        &common::job(&scenario, WorldName::Memory),
        common::SEED,
        None,
    )
}

fn summary() -> RunSummary {
    RunSummary {
        id: "secrets".to_owned(),
        seed: common::SEED,
        command: "clawproof run".to_owned(),
        commit: None,
        dirty: None,
        took: Duration::from_secs(1),
        interrupted: false,
        shard: None,
        plan: Vec::new(),
    }
}

#[test]
fn secrets_are_on_the_wire_and_in_no_artifact() {
    let outcomes = [run("everything", EVERYTHING), run("password", PASSWORD)];
    let kinds: BTreeSet<&str> = outcomes
        .iter()
        .flat_map(|outcome| &outcome.secrets)
        .map(|(kind, _)| kind.as_str())
        .collect();
    for kind in [
        "shared-token",
        "device-token",
        "bootstrap-token",
        "setup-code",
        "password",
        "signature",
    ] {
        assert!(kinds.contains(kind), "no {kind} in {kinds:?}");
    }

    // On the wire: the pseudonym of each kind stands where the secret stood.
    let transcripts: Vec<String> = outcomes
        .iter()
        .map(|outcome| outcome.record.transcript.to_jsonl())
        .collect();
    for kind in [
        "shared-token",
        "device-token",
        "bootstrap-token",
        "setup-code",
        "password",
        "signature",
    ] {
        let pseudonym = format!("<{kind}:");
        assert!(
            transcripts.iter().any(|text| text.contains(&pseudonym)),
            "no {kind} was seen"
        );
    }

    let home = tempfile::tempdir().unwrap();
    let folder = write_run(&home.path().join("run"), &summary(), &outcomes).expect("nothing leaks");
    let secrets: Vec<(String, String)> = outcomes
        .iter()
        .flat_map(|outcome| outcome.secrets.clone())
        .collect();
    let scan = canary::scan(&folder, &secrets).unwrap();
    assert!(
        scan.files >= 8 && scan.secrets >= 6,
        "{} files, {} secrets",
        scan.files,
        scan.secrets
    );
    assert_eq!(scan.leaks, [], "in no file");
}

#[test]
fn a_leak_withholds_the_folder() {
    let mut outcome = run("password", PASSWORD);
    let password = outcome
        .secrets
        .iter()
        .find(|(kind, _)| kind == "password")
        .expect("a password")
        .1
        .clone();
    // A redactor that missed one place, with the secret in another encoding.
    let hex = gateway_protocol::device::hex(password.as_bytes());
    outcome
        .record
        .transcript
        .entries
        .last_mut()
        .expect("entries")
        .text = Some(hex);
    let home = tempfile::tempdir().unwrap();
    let error = write_run(&home.path().join("run"), &summary(), &[outcome]).unwrap_err();
    assert!(error.to_string().contains("password"), "{error}");
    assert!(!error.to_string().contains(&password));
    assert_eq!(
        std::fs::read_dir(home.path()).unwrap().count(),
        0,
        "nothing is left"
    );
}
