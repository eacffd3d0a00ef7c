//! Who may depend on whom (docs/ARCHITECTURE.md). Any other arrow is a finding.

use std::path::Path;

use serde::Deserialize;

use crate::error::XtaskError;
use crate::process::{cargo, read};
use crate::tidy::Finding;

const RULE: &str = "dependency_arrow";

/// Each package of ours and the packages of ours that it may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("gateway-protocol", &[]),
    ("transcript", &["gateway-protocol"]),
    ("link", &["gateway-protocol", "transcript"]),
    ("gateway-core", &["gateway-protocol"]),
    (
        "mock-gateway",
        &["gateway-protocol", "gateway-core", "link", "transcript"],
    ),
    ("client-core", &["gateway-protocol"]),
    ("gateway-client", &["client-core", "gateway-protocol"]),
    ("wsl-fixtures", &[]),
    (
        "scenarios",
        &[
            "client-core",
            "gateway-client",
            "gateway-core",
            "gateway-protocol",
            "link",
            "mock-gateway",
            "transcript",
            "wsl-fixtures",
        ],
    ),
    ("xtask", &["gateway-protocol", "link", "scenarios"]),
];

/// What tests and benches may use besides: a real peer to talk to.
const TEST_ARROWS: &[(&str, &[&str])] =
    &[("gateway-client", &["gateway-core", "link", "mock-gateway"])];

/// Packages that get time, chance and I/O only as arguments.
const PURE: &[&str] = &["gateway-protocol", "gateway-core", "client-core"];

/// What a pure package may never use, not even through a feature.
const IMPURE: &[&str] = &[
    "axum",
    "fastrand",
    "getrandom",
    "hyper",
    "hyper-util",
    "rand",
    "tempfile",
    "tokio",
    "tokio-tungstenite",
    "tokio-util",
    "tracing-subscriber",
];

/// The part of `cargo metadata` that is read here.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
}

/// A package of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `dev` or `build`; none for a normal one.
    kind: Option<String>,
}

/// Asks cargo for the packages of the workspace.
pub(crate) fn metadata(root: &Path) -> Result<Metadata, XtaskError> {
    let text = read(cargo(
        root,
        &["metadata", "--no-deps", "--format-version", "1"],
    ))?;
    parse(&text)
}

fn parse(text: &str) -> Result<Metadata, XtaskError> {
    serde_json::from_str(text).map_err(|error| XtaskError::Unexpected {
        tool: "cargo metadata",
        expected: "a list of packages",
        got: error.to_string(),
    })
}

/// Every arrow that the table does not have.
pub(crate) fn check(metadata: &Metadata) -> Vec<Finding> {
    metadata.packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Finding> {
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
        let message = "has no row in the table of arrows: ci/xtask/src/tidy/arrows.rs";
        return vec![Finding::new(RULE, &package.name, 0, message)];
    };
    let pure = PURE.contains(&package.name.as_str());
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        let ours = ARROWS.iter().any(|(known, _)| *known == name);
        let for_tests = dependency.kind.as_deref() == Some("dev")
            && TEST_ARROWS
                .iter()
                .any(|(user, used)| *user == package.name && used.contains(&name));
        if ours && !for_tests && !allowed.contains(&name) {
            let message = format!("may not depend on {name}; a new arrow needs a decision record");
            findings.push(Finding::new(RULE, &package.name, 0, message));
        }
        if pure && dependency.kind.is_none() && IMPURE.contains(&name) {
            let message = format!("is pure and may not depend on {name}");
            findings.push(Finding::new(RULE, &package.name, 0, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn package(name: &str, dependency: &str, kind: &str) -> Metadata {
        let text = format!(
            r#"{{"packages":[{{"name":"{name}","dependencies":[{{"name":"{dependency}","kind":{kind}}}]}}]}}"#
        );
        parse(&text).unwrap()
    }

    #[rstest]
    #[case::down("link", "transcript", "null", 0)]
    #[case::foreign("link", "tokio", "null", 0)]
    #[case::up("transcript", "link", "null", 1)]
    #[case::up_for_tests("transcript", "link", "\"dev\"", 1)]
    #[case::tests_may_meet_a_peer("gateway-client", "mock-gateway", "\"dev\"", 0)]
    #[case::code_may_not("gateway-client", "mock-gateway", "null", 1)]
    #[case::brains_never_meet("client-core", "gateway-core", "null", 1)]
    #[case::impure("gateway-core", "tokio", "null", 1)]
    #[case::tests_may_use_the_world("gateway-core", "tokio", "\"dev\"", 0)]
    #[case::unknown("new-crate", "serde", "null", 1)]
    fn only_the_arrows_of_the_table_are_allowed(
        #[case] name: &str,
        #[case] dependency: &str,
        #[case] kind: &str,
        #[case] findings: usize,
    ) {
        assert_eq!(check(&package(name, dependency, kind)).len(), findings);
    }
}
