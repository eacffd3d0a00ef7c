//! What the field has asked for and seen: the catalogue with its scenarios, the museum with its mutants.

use std::collections::BTreeMap;

use scenarios::catalogue::{Catalogue, Line, Mention, State, Tally};
use scenarios::museum::{Museum, Place};
use toml::{Table, Value};

use super::Page;
use super::table::{code, table};
use crate::tidy::tree::Tree;

const SUITE: &str = "scenarios/suite/";

pub(super) fn pages(tree: &Tree) -> Vec<Page> {
    vec![catalogue(tree), museum()]
}

fn catalogue(tree: &Tree) -> Page {
    let mentions = mentions(tree);
    let page = |about: &str, body: &str| {
        Page::reference("docs/reference/catalogue.md", "Catalogue", about, body)
    };
    let catalogue = match Catalogue::embedded() {
        Ok(catalogue) => catalogue,
        Err(error) => return page("The catalogue can't be read.", &error.to_string()),
    };
    let lines = catalogue.lines(&mentions);
    let mut shards: BTreeMap<&str, Vec<&Line<'_>>> = BTreeMap::new();
    for line in &lines {
        shards.entry(line.row.shard.name()).or_default().push(line);
    }
    let mut body = String::new();
    for (shard, lines) in shards {
        let rows = lines.iter().map(|line| {
            [
                format!("{:03}", line.row.number),
                line.row.title.clone(),
                line.row.policy.name().to_owned(),
                line.state.word().to_owned(),
                shown_by(line),
            ]
        });
        let rows = table(
            ["row", "what must be so", "companion", "state", "shown by"],
            rows,
        );
        body.extend(["## ", shard, "\n\n", &rows, "\n"]);
    }
    let about = format!(
        "What the field asks of a client, and the scenarios that show it. {}. `clawproof catalogue` adds the verdicts of\n\
         the last run. `tested` rows are shown by tests of one crate and are not counted as covered.",
        Tally::of(&lines)
    );
    page(&about, body.trim_end_matches('\n'))
}

fn shown_by(line: &Line<'_>) -> String {
    match &line.state {
        State::Covered(mentions) => {
            let ids: Vec<String> = mentions.iter().map(|it| code(&it.id)).collect();
            ids.join(", ")
        }
        State::Tested(file) => code(file),
        State::Out(reason) => (*reason).to_owned(),
        State::Open => "nothing".to_owned(),
    }
}

/// What every scenario of the tree says of itself.
fn mentions(tree: &Tree) -> Vec<Mention> {
    let read = |file: &crate::tidy::tree::SourceFile| {
        let id = file.path.strip_prefix(SUITE)?.strip_suffix(".toml")?;
        let head = file.text.parse::<Table>().unwrap_or_default();
        let about = head.get("about").and_then(Value::as_str);
        Some(Mention {
            id: id.to_owned(),
            about: about.unwrap_or_default().to_owned(),
            ..Mention::default()
        })
    };
    tree.files.iter().filter_map(read).collect()
}

fn museum() -> Page {
    let page = |about: &str, body: &str| {
        Page::reference("docs/reference/museum.md", "Museum", about, body)
    };
    let museum = match Museum::embedded() {
        Ok(museum) => museum,
        Err(error) => return page("The museum can't be read.", &error.to_string()),
    };
    let mut shown = 0_usize;
    let rows: Vec<[String; 5]> = museum
        .exhibits()
        .iter()
        .map(|exhibit| {
            let (mutant, scenario) = match &exhibit.place {
                Place::Shown { mutant, scenario } => {
                    shown += 1;
                    (code(mutant), code(scenario))
                }
                Place::Out(reason) => ("none".to_owned(), reason.clone()),
                Place::Open => ("none".to_owned(), "nothing shows it yet".to_owned()),
            };
            [
                format!("{:03}", exhibit.number),
                exhibit.title.clone(),
                exhibit.fault.name().to_owned(),
                mutant,
                scenario,
            ]
        })
        .collect();
    let about = format!(
        "Bugs that the field has seen: {} of them, {shown} with a deliberate bug of the client that must fail a scenario.\n\
         `clawproof museum --all` runs each.",
        rows.len()
    );
    let head = [
        "bug",
        "what goes wrong",
        "whose",
        "mutant",
        "scenario, or why none",
    ];
    page(&about, &table(head, rows))
}
