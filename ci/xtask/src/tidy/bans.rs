//! A nested `clippy.toml` replaces the root's; it must forbid and allow at least the same.

use toml::{Table, Value};

use crate::tidy::Finding;
use crate::tidy::tree::Tree;

const RULE: &str = "bans_are_a_superset";

/// Every setting of the root's `clippy.toml` that a nested one lacks.
pub(crate) fn superset(tree: &Tree) -> Vec<Finding> {
    let Some(root) = tree.file("clippy.toml") else {
        return vec![Finding::new(RULE, "clippy.toml", 0, "is missing")];
    };
    let root = match root.text.parse::<Table>() {
        Ok(table) => table,
        Err(error) => return vec![Finding::new(RULE, "clippy.toml", 0, error.to_string())],
    };
    let nested = tree
        .files
        .iter()
        .filter(|file| file.path.ends_with("/clippy.toml"));
    nested
        .flat_map(|file| missing(&root, &file.path, &file.text))
        .collect()
}

fn missing(root: &Table, path: &str, text: &str) -> Vec<Finding> {
    let table = match text.parse::<Table>() {
        Ok(table) => table,
        Err(error) => return vec![Finding::new(RULE, path, 0, error.to_string())],
    };
    let mut findings = Vec::new();
    for (key, value) in root {
        match (value, table.get(key)) {
            (Value::Array(wanted), Some(Value::Array(found))) => {
                for entry in wanted.iter().filter(|entry| !found.contains(entry)) {
                    findings.push(Finding::new(
                        RULE,
                        path,
                        0,
                        format!("{key} lacks {}", name_of(entry)),
                    ));
                }
            }
            (value, found) if found != Some(value) => {
                findings.push(Finding::new(
                    RULE,
                    path,
                    0,
                    format!("{key} differs from the root's"),
                ));
            }
            _ => {}
        }
    }
    findings
}

fn name_of(entry: &Value) -> String {
    let path = entry.get("path").and_then(Value::as_str);
    path.map_or_else(|| entry.to_string(), str::to_owned)
}
