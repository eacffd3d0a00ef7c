//! What each client does, as a page: the tables that `clawproof run --client NAME --table FILE.json` leaves in a
//! folder, side by side. Made from a run, so not by `cargo xtask generate`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::table::{code, table};
use super::{Page, write};
use crate::error::XtaskError;
use crate::say;

const PATH: &str = "docs/reference/clients.md";

const ABOUT: &str = "Unmodified programs against the mock gateway, as `bash ci/run clients` ran them. A *finding* is a \
    breach of an invariant that every run is checked against; *known* ones stand, with their reasons, in the adapter's \
    `known-failures.toml`. A dash: the scenario was not run with this client.";

/// One client's table. The rest of its fields is for others.
#[derive(Debug, Deserialize)]
struct Client {
    #[serde(rename = "client")]
    name: String,
    version: String,
    gateway: String,
    date: String,
    findings: BTreeMap<String, u64>,
    results: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    scenario: String,
    verdict: String,
    why: String,
    known: Vec<String>,
}

/// Writes the page from the `*.json` of a folder.
pub(crate) fn run(root: &Path, folder: &Path) -> Result<(), XtaskError> {
    let mut clients = Vec::new();
    let read_error = |path: &Path| {
        let path = path.to_path_buf();
        move |source| XtaskError::Read { path, source }
    };
    for file in fs::read_dir(folder).map_err(read_error(folder))? {
        let path = file.map_err(read_error(folder))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let text = fs::read_to_string(&path).map_err(read_error(&path))?;
            let client = serde_json::from_str(&text).map_err(|error| XtaskError::Unexpected {
                tool: "clawproof run --table",
                expected: "the table of one client",
                got: format!("{}: {error}", path.display()),
            })?;
            clients.push(client);
        }
    }
    let page = page(clients);
    write(&root.join(&page.path), &page.text)?;
    say(&format!("wrote {}", page.path))
}

fn page(mut clients: Vec<Client>) -> Page {
    clients.sort_by(|one, other| one.name.cmp(&other.name));
    let mut body = String::from("## Clients\n\n");
    body.push_str(&table(
        [
            "client",
            "says it is",
            "gateway",
            "passed",
            "known failures",
            "failed",
            "skipped",
            "date",
        ],
        clients.iter().map(|client| {
            let count = |verdict: &str| {
                let of = client.results.iter().filter(|row| row.verdict == verdict);
                of.count().to_string()
            };
            [
                code(&client.name),
                client.version.clone(),
                client.gateway.clone(),
                count("passed"),
                count("known failure"),
                count("failed"),
                count("skipped"),
                client.date.clone(),
            ]
        }),
    ));
    body.push_str("\n## Findings by rule\n\n");
    body.push_str(&by_rule(&clients));
    let scenarios: BTreeSet<&str> = clients
        .iter()
        .flat_map(|client| &client.results)
        .map(|row| row.scenario.as_str())
        .collect();
    for client in &clients {
        // Writing to a string does not fail.
        let _fine = write!(body, "\n## {}\n\n", client.name);
        let rows = client
            .results
            .iter()
            .map(|row| [row.scenario.clone(), row.verdict.clone(), note(row)]);
        body.push_str(&table(["scenario", "verdict", "why"], rows));
        let rules: Vec<String> = client
            .findings
            .iter()
            .map(|(rule, count)| format!("{rule} {count}"))
            .collect();
        if !rules.is_empty() {
            let _fine = writeln!(body, "\nFindings by rule: {}.", rules.join(", "));
        }
    }
    let title = format!(
        "What {} clients do in {} scenarios",
        clients.len(),
        scenarios.len()
    );
    Page::made_by(
        "cargo xtask clients target/ci/clients",
        PATH,
        &title,
        ABOUT,
        &body,
    )
}

/// Which clients broke which rule, and in how many scenarios each.
fn by_rule(clients: &[Client]) -> String {
    let mut rules: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for client in clients {
        for (rule, count) in &client.findings {
            let broken = format!("`{}` {count}", client.name);
            rules.entry(rule.as_str()).or_default().push(broken);
        }
    }
    let rows = rules.iter().map(|(rule, broken)| {
        let shown = rule.strip_prefix("invariant:").map_or_else(
            || (*rule).to_owned(),
            |name| format!("[{name}](invariants.md)"),
        );
        [shown, broken.join(", ")]
    });
    table(["rule", "broken by"], rows)
}

/// How long a scenario took is not worth a change of the page.
fn note(row: &Row) -> String {
    match row.verdict.as_str() {
        "passed" => String::new(),
        "known failure" => row.known.join(" "),
        _ => row.why.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"{"client": "c@1", "version": "1", "gateway": "the mock", "date": "2026-11-25", "findings": {"invariant:x": 2},
        "results": [{"scenario": "a/b", "verdict": "passed", "why": "3.1 s", "known": [], "took_ms": 3100},
                    {"scenario": "a/c", "verdict": "known failure", "why": "x", "known": ["It does so."]}]}"#;

    #[test]
    fn a_run_makes_a_page_without_times() {
        let page = page(vec![serde_json::from_str(TABLE).unwrap()]);
        for line in [
            "# What 1 clients do in 2 scenarios",
            "| `c@1` | 1 | the mock | 1 | 1 | 0 | 0 | 2026-11-25 |",
            "| [x](invariants.md) | `c@1` 2 |",
            "| a/b | passed |  |",
            "| a/c | known failure | It does so. |",
            "Findings by rule: invariant:x 2.",
        ] {
            assert!(page.text.contains(line), "{line}\n{}", page.text);
        }
        assert!(!page.text.contains("3.1 s"), "{}", page.text);
    }
}
