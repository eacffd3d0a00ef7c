//! Required proofs: a list of scenarios, each of which must have been shown on the commit under review.
//!
//! ```toml
//! [[proof]]
//! scenario = "network-recovery/closed-a-while-after-hello"
//! world = "memory"     # any world when left out
//! gateway = "mock"     # or "real"; any when left out
//! red_first = true     # a pair of `clawproof prove` must show it; a run is enough when left out
//! ```

use serde::Deserialize;
use serde_json::Value;

use super::manifest::gateway_kind;
use super::verify::Report;

/// The file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Required {
    /// What must have been shown.
    #[serde(default, rename = "proof")]
    pub proofs: Vec<Proof>,
}

/// One required proof.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Id of the scenario.
    pub scenario: String,
    /// World, any when absent.
    pub world: Option<String>,
    /// `mock` or `real`, any when absent.
    pub gateway: Option<String>,
    /// Whether it must have been red on a base.
    #[serde(default)]
    pub red_first: bool,
}

/// Why the required proofs are not there; empty when they are. `bundles` are verified reports with their names.
pub fn missing(required: &Required, commit: &str, bundles: &[(String, Report)]) -> Vec<String> {
    let mut problems = Vec::new();
    if required.proofs.is_empty() {
        problems.push("no proof is required, so nothing was shown".to_owned());
    }
    for (name, report) in bundles {
        problems.extend(
            report
                .problems
                .iter()
                .map(|problem| format!("{name}: {problem}")),
        );
        let head = report
            .manifest
            .get("head")
            .and_then(Value::as_str)
            .unwrap_or("unknown");
        if head != commit {
            problems.push(format!("{name}: is of commit {head}, not of {commit}"));
        }
        match report.manifest.get("dirty").and_then(Value::as_bool) {
            Some(false) => {}
            Some(true) => problems.push(format!("{name}: the work tree had local changes")),
            None => problems.push(format!(
                "{name}: does not say whether the work tree had local changes"
            )),
        }
    }
    for proof in &required.proofs {
        if let Some(why) = not_shown(proof, bundles) {
            problems.push(why);
        }
    }
    problems
}

fn not_shown(proof: &Proof, bundles: &[(String, Report)]) -> Option<String> {
    let mut nearest = "no bundle ran it".to_owned();
    for (_, report) in bundles {
        let pair = report.manifest.get("kind").and_then(Value::as_str) == Some("proof");
        for (place, again) in &report.verdicts {
            let Some((side, inside)) = place.split_once("scenarios/") else {
                continue;
            };
            let Some((id, world)) = inside.rsplit_once('/') else {
                continue;
            };
            if id != proof.scenario || side == "base/" {
                continue;
            }
            let kind = gateway_kind(&again.gateway);
            if proof.world.as_deref().is_some_and(|wanted| wanted != world) {
                nearest = format!("it ran in the world {world} only");
            } else if proof
                .gateway
                .as_deref()
                .is_some_and(|wanted| wanted != kind)
            {
                nearest = format!("it ran against {kind} only");
            } else if again.word != "passed" {
                nearest = format!("it was {}", again.word);
            } else if proof.red_first && !pair {
                "it passed, but no bundle shows it red on a base".clone_into(&mut nearest);
            } else {
                return None;
            }
        }
    }
    Some(format!("{}: not shown, {nearest}", proof.scenario))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::prove::rederive::Rederived;

    fn bundle(kind: &str, head: &str, dirty: bool, word: &str) -> (String, Report) {
        let again = Rederived {
            word: word.to_owned(),
            rules: vec![],
            notes: vec![],
            gateway: "mock profile 1".to_owned(),
        };
        let side = if kind == "proof" { "head/" } else { "" };
        let report = Report {
            verdicts: [(format!("{side}scenarios/a/b/core"), again)].into(),
            manifest: json!({"kind": kind, "head": head, "dirty": dirty}),
            ..Report::default()
        };
        ("bundle".to_owned(), report)
    }

    /// Only a clean proof of this commit that passed in the wanted place opens the gate.
    #[rstest]
    #[case::shown("scenario = 'a/b'", bundle("run", "c1", false, "passed"), None)]
    #[case::shown_red_first(
        "scenario = 'a/b'\nred_first = true",
        bundle("proof", "c1", false, "passed"),
        None
    )]
    #[case::not_red_first(
        "scenario = 'a/b'\nred_first = true",
        bundle("run", "c1", false, "passed"),
        Some("red on a base")
    )]
    #[case::skipped(
        "scenario = 'a/b'",
        bundle("run", "c1", false, "skipped"),
        Some("it was skipped")
    )]
    #[case::other(
        "scenario = 'a/c'",
        bundle("run", "c1", false, "passed"),
        Some("no bundle ran it")
    )]
    #[case::mock(
        "scenario = 'a/b'\ngateway = 'real'",
        bundle("run", "c1", false, "passed"),
        Some("against mock only")
    )]
    #[case::world(
        "scenario = 'a/b'\nworld = 'memory'",
        bundle("run", "c1", false, "passed"),
        Some("world core only")
    )]
    #[case::commit(
        "scenario = 'a/b'",
        bundle("run", "c2", false, "passed"),
        Some("is of commit c2")
    )]
    #[case::dirty(
        "scenario = 'a/b'",
        bundle("run", "c1", true, "passed"),
        Some("local changes")
    )]
    fn the_gate_opens_for_a_proof_of_this_commit(
        #[case] wanted: &str,
        #[case] bundle: (String, Report),
        #[case] told: Option<&str>,
    ) {
        let required: Required = toml::from_str(&format!("[[proof]]\n{wanted}")).unwrap();
        let problems = missing(&required, "c1", &[bundle]);
        assert_eq!(problems.len(), usize::from(told.is_some()), "{problems:?}");
        if let Some(told) = told {
            assert!(problems[0].contains(told), "{problems:?}");
        }
    }

    #[test]
    fn nothing_required_is_no_gate() {
        assert_eq!(missing(&Required::default(), "c1", &[]).len(), 1);
    }
}
