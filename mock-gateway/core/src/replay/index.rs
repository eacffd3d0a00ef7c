//! `recordings/index.tsv`: every recording that was made, and what becomes of it in each release.
//!
//! A cell says `replayed`, `http`, or in a sentence why the recording is not played. One that lies in a folder and is said not
//! to be played, or the other way round, fails; so does a recording that is not in the index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::profile::PROFILES;

/// So many recordings of each release there are in the reference.
const RECORDINGS: usize = 73;

/// Shorter ones explain nothing.
const REASON: usize = 30;

/// Recording to cells, in the order of the releases.
fn index() -> BTreeMap<&'static str, Vec<&'static str>> {
    let text = include_str!("../../recordings/index.tsv");
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let mut cells = line.split('\t');
        (cells.next().unwrap(), cells.collect())
    })
    .collect()
}

#[expect(clippy::disallowed_methods, reason = "a test reads its recordings")]
fn names(folder: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| {
            let path = file.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        })
        .collect()
}

/// What the index says of a release that the folders do not, and the other way round.
fn problems(
    index: &BTreeMap<&str, Vec<&str>>,
    column: usize,
    played: &BTreeSet<String>,
    http: &BTreeSet<String>,
) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, cells) in index {
        let there = (played.contains(*name), http.contains(*name));
        let cell = cells.get(column).copied().unwrap_or_default();
        let fits = match cell {
            "replayed" => there == (true, false),
            "http" => there == (false, true),
            reason => reason.len() >= REASON && there == (false, false),
        };
        if !fits {
            problems.push(format!(
                "{name}: the index says {cell:?}; in the folder: {there:?}"
            ));
        }
    }
    let unknown = played
        .union(http)
        .filter(|name| !index.contains_key(name.as_str()));
    problems.extend(unknown.map(|name| format!("{name}: not in the index")));
    problems
}

#[test]
fn every_recording_is_played_or_has_its_reason() {
    let index = index();
    assert_eq!(index.len(), RECORDINGS);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (column, version) in PROFILES.into_iter().enumerate() {
        let played = names(&here.join("recordings").join(version));
        let http = names(&here.join("../recordings").join(version));
        let problems = problems(&index, column, &played, &http);
        assert!(problems.is_empty(), "{version}: {}", problems.join("\n"));
    }
}

#[test]
fn a_stale_or_missing_row_is_noticed() {
    let index = BTreeMap::from([
        ("1-a", vec!["replayed"]),
        (
            "2-b",
            vec!["it shows what only a socket has, see the flow x"],
        ),
        ("3-c", vec!["no"]),
    ]);
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let found =
        |played: &[&str], http: &[&str]| problems(&index, 0, &set(played), &set(http)).len();
    // The reason of 3-c is none.
    assert_eq!(found(&["1-a"], &[]), 1);
    assert_eq!(found(&[], &[]), 2);
    assert_eq!(found(&["1-a", "2-b"], &[]), 2);
    assert_eq!(found(&["1-a", "4-d"], &[]), 2);
    assert_eq!(found(&[], &["1-a"]), 2);
}
