//! The manifests of the shards, with what is new in the suite. What is gone stays listed, until a person takes it out.

use scenarios::scenario::Shard;

use super::Page;
use crate::shard::manifest::{FOLDER, of_suite, with_new};
use crate::tidy::Finding;
use crate::tidy::tree::Tree;

/// Each manifest as it has to be; one that can't be read is left alone, and reading it says why.
pub(super) fn pages(tree: &Tree) -> Vec<Page> {
    let page = |shard: Shard| {
        let path = path(shard);
        let text = &tree.file(&path)?.text;
        let text = with_new(&text.replace("\r\n", "\n"), &of_suite(tree, shard.name()))?;
        Some(Page { path, text })
    };
    Shard::ALL.into_iter().filter_map(page).collect()
}

/// A finding for each scenario that a manifest lists and the suite no longer has.
pub(crate) fn deleted(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for shard in Shard::ALL {
        let path = path(shard);
        let Some(file) = tree.file(&path) else {
            continue;
        };
        let suite = of_suite(tree, shard.name());
        let has = |id: &str, world: &str| {
            suite
                .get(id)
                .is_some_and(|worlds| worlds.iter().any(|it| it == world))
        };
        let rows = file
            .numbered()
            .skip_while(|(_, line)| *line != "[must_pass]");
        for (number, line) in rows {
            let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
            let Some((id, worlds)) = quoted.split_first() else {
                continue;
            };
            for world in worlds.iter().filter(|world| !has(id, world)) {
                let message = format!(
                    "{id} in {world} is gone from the suite; bring it back, or take it out of this line by hand"
                );
                findings.push(Finding::new(
                    "shard_lists_what_is_there",
                    &path,
                    number,
                    message,
                ));
            }
        }
    }
    findings
}

fn path(shard: Shard) -> String {
    format!("{FOLDER}{}.toml", shard.name())
}
