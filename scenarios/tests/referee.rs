//! The referee against what we did not write: the published schema as a whole, and recordings of real gateways.
//!
//! `cargo xtask test` fetches the schema, and leaves these tests out where it can't be had.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway_protocol::method::{Authority, methods};
use gateway_protocol::schema::smallest;
use scenarios::judge::Verdict;
use scenarios::referee::{Referee, Standing, standing};
use scenarios::run::run_job;
use scenarios::scenario::parse;
use serde_json::{Value, json};

fn referee() -> Arc<Referee> {
    match standing() {
        Standing::Ready(referee) => Arc::clone(referee),
        Standing::Missing { .. } | Standing::Off => panic!(
            "{}; or leave these tests out: -E 'not test(/needs_schema::/)'",
            standing()
        ),
    }
}

fn response(method: &str, payload: &Value) -> (Value, String) {
    let frame = json!({"type": "res", "id": "1", "ok": true, "payload": payload});
    (frame, method.to_owned())
}

mod needs_schema {
    use super::*;

    /// A made-up answer is one that the schema allows, whatever the method.
    #[test]
    fn every_smallest_result_is_valid() {
        let referee = referee();
        let catalog = referee.catalog();
        let (mut checked, mut wrong) = (0, Vec::new());
        for (method, _) in catalog.methods() {
            let Some(definition) = catalog.result(method) else {
                continue;
            };
            let payload = smallest(&catalog.definition(&definition).unwrap());
            let (frame, method) = response(method, &payload);
            checked += 1;
            let found = referee.check(&frame, Some(&method), "none");
            wrong.extend(
                found
                    .iter()
                    .map(|violation| format!("{violation} ({payload})")),
            );
        }
        assert!(checked > 200, "{checked} methods have a result");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Our registry asks for the scope that upstream publishes. What differs between the releases stands here.
    #[test]
    fn the_registry_asks_for_the_published_scope() {
        let referee = referee();
        let ours: BTreeMap<&str, Authority> = methods()
            .iter()
            .map(|row| (row.name, row.authority))
            .collect();
        let mut differing = Vec::new();
        for (method, scope) in referee.catalog().methods() {
            // 2026.6.34 asks for operator.write here; the scope operator.talk is later.
            if scope == "operator.talk"
                && ours.get(method) == Some(&Authority::Scope("operator.write"))
            {
                continue;
            }
            let same = match ours.get(method) {
                Some(Authority::Scope(our)) => *our == scope || scope == "dynamic",
                Some(Authority::Node) => scope == "node",
                Some(Authority::Anyone) => scope == "dynamic" || method == "health",
                None => false,
            };
            if !same {
                differing.push(format!(
                    "{method}: published {scope}, ours {:?}",
                    ours.get(method)
                ));
            }
        }
        assert_eq!(differing, [""; 0], "published and ours");
    }

    /// What real gateways said fits the schema, besides the differences that are written down; and each of those is needed.
    #[test]
    fn recordings_of_real_gateways_fit() {
        let referee = referee();
        let mut wrong: BTreeMap<String, usize> = BTreeMap::new();
        let mut frames = 0;
        for (profile, file) in recordings() {
            let text = std::fs::read_to_string(&file).unwrap();
            let mut asked: BTreeMap<(String, String), String> = BTreeMap::new();
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let entry: Value = serde_json::from_str(line).unwrap();
                let frame = entry.get("frame").filter(|frame| frame.is_object());
                let Some(frame) = frame else { continue };
                let key = |frame: &Value| {
                    let conn = entry["conn"].to_string();
                    (conn, frame["id"].to_string())
                };
                if entry["dir"] == "c2g" {
                    if let Some(method) = frame["method"].as_str() {
                        asked.insert(key(frame), method.to_owned());
                    }
                    continue;
                }
                if entry["dir"] != "g2c" || frame.get("type").is_none() {
                    continue;
                }
                frames += 1;
                let answers = asked.get(&key(frame)).map(String::as_str);
                let found = referee.check(frame, answers, &profile);
                // What varies from run to run was cut out of the recordings.
                for violation in found
                    .iter()
                    .filter(|violation| !violation.says.contains("<cut>"))
                {
                    *wrong.entry(format!("{profile}: {violation}")).or_default() += 1;
                }
            }
        }
        assert!(frames > 500, "{frames} frames");
        let wrong: Vec<String> = wrong
            .iter()
            .map(|(what, times)| format!("{times:4} {what}"))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        // What was cut is said by the mock, which was made after the whole recordings.
        for id in [
            "network-recovery/gateway-stops-and-starts",
            "network-recovery/wire-gateway-starting",
            "setup-connect/agent/a-turn-is-streamed",
            "setup-connect/wire-members-later-than-the-schema",
        ] {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("suite/{id}.toml"));
            let scenario = Arc::new(parse(id, &std::fs::read_to_string(file).unwrap()).unwrap());
            let world = scenario.worlds()[0];
            let job = common::job(&scenario, world);
            assert_eq!(
                run_job(&job, common::SEED, None).verdict,
                Verdict::Passed,
                "{id}"
            );
        }
        let unmet = referee.differences().unmet();
        assert!(unmet.is_empty(), "stale: {unmet:#?}");
    }
}

/// The recordings that gateway-core replays, with the release that made each.
fn recordings() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mock-gateway/core/recordings");
    let mut found = Vec::new();
    for release in gateway_core::PROFILES {
        let folder = root.join(release);
        let files =
            std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("no {}", folder.display()));
        found.extend(files.map(|file| (release.to_owned(), file.unwrap().path())));
    }
    found.sort();
    found
}
