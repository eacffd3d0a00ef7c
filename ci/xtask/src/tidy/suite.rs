//! Rules about scenarios, protocol notes, faults and each crate's page.

use toml::{Table, Value};

use crate::tidy::Finding;
use crate::tidy::tree::{SourceFile, Tree};

const SUITE: &str = "scenarios/suite/";

fn scenarios(tree: &Tree) -> impl Iterator<Item = &SourceFile> {
    tree.files
        .iter()
        .filter(|file| file.path.starts_with(SUITE) && file.has_extension("toml"))
}

/// A flow that protocol notes cite, as `[flow: area/name]`, is there and was recorded from a real gateway.
pub(crate) fn protocol_notes_are_shown(tree: &Tree) -> Vec<Finding> {
    const NOTES: &str = "docs/protocol.md";
    let rule = "protocol_notes_are_shown";
    let mut findings = Vec::new();
    let Some(notes) = tree.file(NOTES) else {
        return findings;
    };
    for (number, line) in notes.numbered() {
        let cited: Vec<&str> = line
            .split("[flow: ")
            .skip(1)
            .filter_map(|rest| rest.split(']').next())
            .collect();
        if line.starts_with("- ") && cited.is_empty() {
            findings.push(Finding::new(rule, NOTES, number, "no flow shows this"));
        }
        for flow in cited {
            let is_there = tree
                .file(&format!("scenarios/conform/flows/{flow}.toml"))
                .is_some();
            let recorded = format!("/{flow}.jsonl");
            let is_recorded = tree.files.iter().any(|file| {
                file.path.starts_with("scenarios/conform/golden/") && file.path.ends_with(&recorded)
            });
            if !(is_there && is_recorded) {
                let message = format!("{flow} is no flow that was recorded");
                findings.push(Finding::new(rule, NOTES, number, message));
            }
        }
    }
    findings
}

/// A scenario says which issue or requirement it is about.
pub(crate) fn scenario_has_about(tree: &Tree) -> Vec<Finding> {
    let rule = "scenario_has_about";
    let mut findings = Vec::new();
    for file in scenarios(tree) {
        match file.text.parse::<Table>() {
            Err(error) => findings.push(Finding::new(rule, &file.path, 0, error.to_string())),
            Ok(table) => {
                for key in ["title", "about"] {
                    let filled = table
                        .get(key)
                        .and_then(Value::as_str)
                        .is_some_and(|text| !text.trim().is_empty());
                    if !filled {
                        findings.push(Finding::new(
                            rule,
                            &file.path,
                            0,
                            format!("`{key}` is missing or empty"),
                        ));
                    }
                }
            }
        }
    }
    findings
}

/// The id is the path without `.toml`: stable, lower case, hyphens; the file does not claim another.
pub(crate) fn scenario_id_is_its_path(tree: &Tree) -> Vec<Finding> {
    let rule = "scenario_id_is_its_path";
    let mut findings = Vec::new();
    for file in scenarios(tree) {
        let id = file
            .path
            .trim_start_matches(SUITE)
            .trim_end_matches(".toml");
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '/';
        if !id.chars().all(plain) || !id.contains('/') {
            let message = "wants the form family/name, in lower case with hyphens";
            findings.push(Finding::new(rule, &file.path, 0, message));
        }
        let claimed = file
            .text
            .parse::<Table>()
            .ok()
            .and_then(|table| table.get("id").cloned());
        if claimed.is_some_and(|claimed| claimed.as_str() != Some(id)) {
            findings.push(Finding::new(
                rule,
                &file.path,
                0,
                format!("the id is the path: {id}"),
            ));
        }
    }
    findings
}

/// Each crate has a README.md that starts with its name and a sentence on what it is.
pub(crate) fn crate_page(tree: &Tree) -> Vec<Finding> {
    let rule = "crate_page";
    let mut findings = Vec::new();
    let manifests = tree
        .files
        .iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"));
    for manifest in manifests {
        let Some(name) = package_name(&manifest.text) else {
            continue;
        };
        let path = manifest.path.replace("Cargo.toml", "README.md");
        let starts_right = tree.file(&path).is_some_and(|page| {
            let mut lines = page.text.lines().filter(|line| !line.trim().is_empty());
            lines.next() == Some(format!("# {name}").as_str())
                && lines
                    .next()
                    .is_some_and(|line| line.starts_with(char::is_alphabetic))
        });
        if !starts_right {
            let message = format!("starts with `# {name}` and a sentence on what it is");
            findings.push(Finding::new(rule, &path, 0, message));
        }
    }
    findings
}

/// What a fault does to a socket is shown by a test that names it.
pub(crate) fn fault_has_self_test(tree: &Tree) -> Vec<Finding> {
    let folder = "mock-gateway/link/tests/";
    let tests: Vec<_> = tree
        .files
        .iter()
        .filter(|file| file.path.starts_with(folder))
        .collect();
    let shown = |name: &str| tests.iter().any(|file| file.text.contains(name));
    let missing = link::FAULTS.iter().filter(|row| !shown(row.name.as_str()));
    let finding = |name: &str| {
        Finding::new(
            "fault_has_self_test",
            folder,
            0,
            format!("{name} has no self-test"),
        )
    };
    missing.map(|row| finding(row.name.as_str())).collect()
}

fn package_name(manifest: &str) -> Option<String> {
    let table = manifest.parse::<Table>().ok()?;
    Some(table.get("package")?.get("name")?.as_str()?.to_owned())
}
