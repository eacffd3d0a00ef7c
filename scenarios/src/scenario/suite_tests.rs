//! The committed suite: every file reads, makes sense, and survives the way to a value and back.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::check::check;
use super::{Shard, parse, print};

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("suite")
}

fn files() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![suite()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let id = path.strip_prefix(suite()).unwrap().with_extension("");
            let id = id.to_str().unwrap().replace('\\', "/");
            found.push((
                id,
                std::fs::read_to_string(&path)
                    .unwrap()
                    .replace("\r\n", "\n"),
            ));
        }
    }
    found.sort();
    found
}

#[test]
fn every_file_makes_sense_without_a_warning() {
    let mut told = String::new();
    for (id, text) in files() {
        match parse(&id, &text) {
            Ok(scenario) => {
                let problems = check(&scenario);
                if !problems.list.is_empty() {
                    told.push_str(&problems.render(false));
                }
            }
            Err(problems) => told.push_str(&problems.render(false)),
        }
    }
    assert!(told.is_empty(), "{told}");
}

#[test]
fn every_file_survives_the_way_to_a_value_and_back() {
    for (id, text) in files() {
        let scenario = parse(&id, &text).unwrap();
        let printed = print::to_toml(&scenario).unwrap();
        let again =
            parse(&id, &printed).unwrap_or_else(|problems| panic!("{id}: {problems}\n{printed}"));
        assert_eq!(scenario, again, "{id}");
    }
}

#[test]
fn every_shard_has_scenarios_and_every_title_is_its_own() {
    let mut titles = BTreeSet::new();
    let mut shards = BTreeSet::new();
    let mut count = 0;
    for (id, text) in files() {
        let scenario = parse(&id, &text).unwrap();
        shards.insert(scenario.shard().unwrap());
        assert!(
            titles.insert(scenario.title.clone()),
            "{id}: another scenario has this title"
        );
        assert!(
            !scenario.worlds.is_empty(),
            "{id} does not say where it runs"
        );
        count += 1;
    }
    assert_eq!(shards.into_iter().collect::<Vec<_>>(), Shard::ALL);
    assert!(count >= 40, "{count} scenarios");
}
