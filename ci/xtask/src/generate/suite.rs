//! The list of all scenarios: one that disappears shows in the diff.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::Page;
use super::table::{code, table};
use crate::tidy::tree::Tree;

const SUITE: &str = "scenarios/suite/";

pub(super) fn page(tree: &Tree) -> Page {
    let mut shards: BTreeMap<&str, Vec<[String; 3]>> = BTreeMap::new();
    for file in &tree.files {
        let Some(id) = file
            .path
            .strip_prefix(SUITE)
            .and_then(|path| path.strip_suffix(".toml"))
        else {
            continue;
        };
        let head = file.text.parse::<Table>().unwrap_or_default();
        let text = |key: &str| {
            head.get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let shard = id.split('/').next().unwrap_or(id);
        shards
            .entry(shard)
            .or_default()
            .push([code(id), text("title"), text("about")]);
    }
    let count: usize = shards.values().map(Vec::len).sum();
    let mut body = String::new();
    for (shard, rows) in shards {
        let rows = table(["scenario", "what it shows", "from"], rows);
        body.extend(["## ", shard, "\n\n", &rows, "\n"]);
    }
    Page::reference(
        "docs/reference/suite.md",
        "Scenarios",
        &format!(
            "All {count} scenarios of `{SUITE}`. `clawproof list` prints the same, with worlds."
        ),
        body.trim_end_matches('\n'),
    )
}
