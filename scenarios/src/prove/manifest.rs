//! `manifest.json`: what a bundle is about and what it rests on.
//!
//! Everything in it comes from the run: whether the gateway was the mock or a real one is what the transcripts' headers
//! say, and the world writes those.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use transcript::canary::{Canary, scan_bytes};
use transcript::encoding;

use super::digests::sha256;
use crate::judge::Verdict;
use crate::run::{Outcome, RunSummary, VERSION};
use crate::scenario::Shard;

/// Name of the file.
pub const MANIFEST: &str = "manifest.json";

/// Version of the file.
pub const SCHEMA: u32 = 1;

/// The manifest of one run. `files` are all other files of the run folder, `findings` what a scan of them found.
pub fn of_run(
    summary: &RunSummary,
    outcomes: &[Outcome],
    files: &BTreeMap<String, Vec<u8>>,
    findings: usize,
) -> Value {
    let (secrets, kinds) = secrets(outcomes);
    json!({
        "schemaVersion": SCHEMA,
        "kind": "run",
        "run": summary.id,
        "head": summary.commit,
        "dirty": summary.dirty,
        "seed": summary.seed,
        "command": summary.command,
        "binary": binary(),
        "environment": environment(outcomes),
        "shards": shards(outcomes),
        "scenarios": outcomes.iter().map(|outcome| scenario(outcome, files)).collect::<Vec<_>>(),
        "notVerified": not_verified(outcomes),
        "credentialPolicy": CREDENTIAL_POLICY,
        "redaction": {
            "replacements": replacements(&kinds, files),
            "canary": canary(),
        },
        "secretScan": {
            "tool": format!("clawproof {VERSION}, every encoding of every registered secret"),
            "registeredSecretCount": secrets,
            "filesScanned": files.len() + 1,
            "findings": findings,
        },
        "files": files.iter().map(|(path, bytes)| (path.clone(), sha256(bytes).into())).collect::<serde_json::Map<_, Value>>(),
    })
}

/// What a client may do with its credentials, one line per transition. ref: client-behaviour.md
const CREDENTIAL_POLICY: [&str; 4] = [
    "setup code: its bootstrap token is used first and cleared only when both roles have device tokens on disk",
    "shared token: sent only where no device token is stored, or after the gateway refused the stored one",
    "rotation: a new device token of hello-ok replaces the stored one of the same role and no other",
    "mismatch: a refused device token is answered with one attempt with the shared token, then with a stop",
];

/// The kind of gateway that a transcript's header names: `mock`, `real` or `none`.
pub fn gateway_kind(gateway: &str) -> &'static str {
    if gateway.starts_with("real version ") {
        "real"
    } else if gateway.starts_with("mock profile ") {
        "mock"
    } else {
        "none"
    }
}

fn environment(outcomes: &[Outcome]) -> Value {
    let headers = outcomes
        .iter()
        .map(|outcome| &outcome.record.transcript.header);
    let gateways: BTreeSet<&str> = headers
        .clone()
        .map(|header| header.gateway.as_str())
        .filter(|gateway| gateway_kind(gateway) != "none")
        .collect();
    let kinds: BTreeSet<&str> = gateways
        .iter()
        .map(|gateway| gateway_kind(gateway))
        .collect();
    let clients: BTreeSet<&str> = headers
        .filter_map(|header| header.client.as_deref())
        .collect();
    let mut stand_ins = Vec::new();
    if kinds.contains("mock") {
        stand_ins.push("the gateway is clawproof's mock, not OpenClaw's own");
    }
    json!({
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "gatewayKinds": kinds,
        "gateways": gateways,
        "clients": clients,
        "standIns": stand_ins,
    })
}

/// The program that ran, so that two bundles can be told to come from the same one.
fn binary() -> Value {
    let bytes = std::env::current_exe().and_then(std::fs::read);
    json!({
        "name": "clawproof",
        "version": VERSION,
        "sha256": bytes.ok().map(|bytes| sha256(&bytes)),
    })
}

fn shards(outcomes: &[Outcome]) -> Value {
    let mut shards: BTreeMap<&str, [usize; 5]> = BTreeMap::new();
    for outcome in outcomes {
        let name = Shard::of_id(&outcome.scenario.id).map_or("other", Shard::name);
        let [selected, executed, passed, failed, skipped] = shards.entry(name).or_default();
        *selected += 1;
        match outcome.verdict {
            Verdict::Passed => (*executed, *passed) = (*executed + 1, *passed + 1),
            Verdict::Skipped { .. } => *skipped += 1,
            Verdict::Failed(_) | Verdict::Inconclusive { .. } | Verdict::Broken { .. } => {
                (*executed, *failed) = (*executed + 1, *failed + 1);
            }
        }
    }
    let row = |(name, [selected, executed, passed, failed, skipped]): (&str, [usize; 5])| {
        json!({
            "name": name, "selected": selected, "executed": executed,
            "passed": passed, "failed": failed, "skipped": skipped,
        })
    };
    shards.into_iter().map(row).collect()
}

/// Where the files of an outcome lie inside its run folder.
pub fn place(outcome: &Outcome) -> String {
    format!("scenarios/{}/{}", outcome.scenario.id, outcome.world.name())
}

fn scenario(outcome: &Outcome, files: &BTreeMap<String, Vec<u8>>) -> Value {
    let place = place(outcome);
    let header = &outcome.record.transcript.header;
    let inside = files.range(format!("{place}/")..);
    let own = inside.take_while(|(path, _)| path.starts_with(&format!("{place}/")));
    json!({
        "id": outcome.scenario.id,
        "world": outcome.world.name(),
        "shard": Shard::of_id(&outcome.scenario.id).map_or("other", Shard::name),
        "title": outcome.scenario.title,
        "outcome": outcome.verdict.word(),
        "gateway": header.gateway,
        "client": header.client,
        "scenarioSha256": header.scenario_sha256,
        "counters": super::counters::of(&outcome.scenario, &outcome.record),
        "directory": place,
        "files": own.map(|(path, bytes)| (path.clone(), sha256(bytes).into())).collect::<serde_json::Map<_, Value>>(),
    })
}

fn not_verified(outcomes: &[Outcome]) -> Vec<Value> {
    let row = |name: String, reason: String| json!({"name": name, "reason": reason});
    let mut rows: Vec<Value> = outcomes
        .iter()
        .filter_map(|outcome| match &outcome.verdict {
            Verdict::Skipped { missing } => {
                Some(row(outcome.name(), format!("skipped: {missing}")))
            }
            Verdict::Inconclusive { why } => {
                Some(row(outcome.name(), format!("inconclusive: {why}")))
            }
            Verdict::Broken { what } => {
                Some(row(outcome.name(), format!("the harness broke: {what}")))
            }
            Verdict::Passed | Verdict::Failed(_) => None,
        })
        .collect();
    let referee = crate::referee::standing();
    if !referee.verified() {
        rows.push(row(
            "frames against the published schema".to_owned(),
            referee.to_string(),
        ));
    }
    let real =
        |outcome: &Outcome| gateway_kind(&outcome.record.transcript.header.gateway) == "real";
    if !outcomes.iter().any(real) {
        let reason = "every scenario of this bundle ran against the mock; `clawproof run --world real` runs against OpenClaw's own";
        rows.push(row("the real gateway".to_owned(), reason.to_owned()));
    }
    rows.push(row(
        "native Windows".to_owned(),
        format!(
            "this ran on {}; no window, no service and no WSL of Windows was used",
            std::env::consts::OS
        ),
    ));
    rows
}

/// How many secrets were registered, and of which kinds.
fn secrets(outcomes: &[Outcome]) -> (usize, BTreeSet<&str>) {
    let all: BTreeSet<(&str, &str)> = outcomes
        .iter()
        .flat_map(|outcome| &outcome.secrets)
        .map(|(kind, value)| (kind.as_str(), value.as_str()))
        .collect();
    (all.len(), all.into_iter().map(|(kind, _)| kind).collect())
}

/// How often a pseudonym of each kind stands in the files.
fn replacements(
    kinds: &BTreeSet<&str>,
    files: &BTreeMap<String, Vec<u8>>,
) -> BTreeMap<String, usize> {
    let count = |kind: &&str| {
        let wanted = format!("<{kind}:");
        let texts = files
            .values()
            .filter_map(|bytes| std::str::from_utf8(bytes).ok());
        (
            (*kind).to_owned(),
            texts.map(|text| text.matches(&wanted).count()).sum(),
        )
    };
    kinds.iter().map(count).collect()
}

/// The control of the scan: a planted secret is found in every form that is looked for.
pub fn canary() -> Value {
    let mut canary = Canary::new(1);
    let planted = canary.plant("device-token");
    let forms = encoding::forms(&planted);
    let found = |form: &[u8]| !scan_bytes(form, canary.secrets()).is_empty();
    let hits = forms.iter().filter(|(_, form)| found(form)).count();
    json!({ "planted": forms.len(), "found": hits })
}
