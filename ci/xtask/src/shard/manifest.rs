//! The manifest of a shard (`scenarios/shards/NAME.toml`): what it must run and pass, what it may skip and why, and how
//! long it may take.
//!
//! It is not derived from the suite: a scenario that is deleted from the suite is still in the manifest, and missed.
//! `cargo xtask generate` adds what is new and takes nothing away, so a deletion is a line that a person takes out and a
//! reviewer sees.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::report::Trial;
use crate::error::XtaskError;
use crate::tidy::tree::Tree;

/// Where the manifests lie.
pub(crate) const FOLDER: &str = "scenarios/shards/";

/// The heading of the part that `generate` adds to: the last one of the file.
const MUST_PASS: &str = "[must_pass]\n";

/// The worlds of the shards. By default a scenario runs in virtual time only; here also over real sockets.
pub(crate) const WORLDS: [&str; 3] = ["core", "memory", "loopback"];

/// A manifest as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The whole run ends after this many seconds and reports what it has.
    pub(super) time_limit: u64,
    /// The most that one scenario may take, in seconds.
    pub(super) scenario_limit: u64,
    /// What may be skipped, each with the reason that is allowed.
    #[serde(default)]
    pub(super) may_skip: Vec<MaySkip>,
    /// What is known to fail, each with the one cause that is accepted.
    #[serde(default)]
    pub(super) known_failure: Vec<KnownFailure>,
    /// Every scenario with its worlds; what is not in `may_skip` must pass.
    pub(super) must_pass: BTreeMap<String, Vec<String>>,
}

/// A scenario that may be skipped in a world.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MaySkip {
    pub(super) scenario: String,
    pub(super) world: String,
    /// Text that the reason of the skip must contain.
    pub(super) reason: String,
}

/// A scenario whose failure is known, in a world.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownFailure {
    pub(super) scenario: String,
    pub(super) world: String,
    /// The rule of every finding it may have; another finding beside it is a failure.
    pub(super) rule: String,
    /// Why it is accepted, for people.
    #[serde(rename = "because")]
    pub(super) _because: String,
}

impl Manifest {
    /// Reads a manifest from its text.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, XtaskError> {
        let wrong = |problem: String| XtaskError::Manifest {
            path: path.to_owned(),
            problem,
        };
        let manifest: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let listed = manifest.trials();
        let rows = manifest
            .may_skip
            .iter()
            .map(|row| (&row.scenario, &row.world));
        let known = manifest.known_failure.iter();
        for (scenario, world) in rows.chain(known.map(|row| (&row.scenario, &row.world))) {
            if !listed.contains(&(scenario.clone(), world.clone())) {
                return Err(wrong(format!(
                    "a row speaks of {scenario} in {world}, which [must_pass] does not list; take the row out"
                )));
            }
        }
        if manifest.may_skip.iter().any(|row| row.reason.len() < 8) {
            return Err(wrong(
                "expected the reason of a [[may_skip]] to be at least 8 letters of what the runner says".to_owned(),
            ));
        }
        Ok(manifest)
    }

    /// Reads the manifest of a shard.
    pub(super) fn load(root: &Path, shard: &str) -> Result<Self, XtaskError> {
        let path = format!("{FOLDER}{shard}.toml");
        let text =
            std::fs::read_to_string(root.join(&path)).map_err(|source| XtaskError::Read {
                path: path.clone().into(),
                source,
            })?;
        Self::parse(&path, &text)
    }

    /// Every scenario in each of its worlds.
    pub(super) fn trials(&self) -> BTreeSet<Trial> {
        let rows = self.must_pass.iter();
        rows.flat_map(|(id, worlds)| worlds.iter().map(move |world| (id.clone(), world.clone())))
            .collect()
    }
}

/// A manifest's text with everything of the suite in it that it does not name yet. Nothing is taken out.
pub(crate) fn with_new(text: &str, suite: &BTreeMap<String, Vec<String>>) -> Option<String> {
    let (head, rows) = text.split_once(MUST_PASS)?;
    let mut rows: BTreeMap<String, Vec<String>> = toml::from_str(rows).ok()?;
    for (id, worlds) in suite {
        let row = rows.entry(id.clone()).or_default();
        let missing: Vec<String> = worlds
            .iter()
            .filter(|it| !row.contains(it))
            .cloned()
            .collect();
        row.extend(missing);
        row.sort_by_key(|world| WORLDS.iter().position(|it| it == world));
    }
    let line = |(id, worlds): (&String, &Vec<String>)| format!("{id:?} = {worlds:?}\n");
    let lines: String = rows.iter().map(line).collect();
    Some(format!("{head}{MUST_PASS}{lines}"))
}

/// What the suite holds for a shard: every id with its worlds of [`WORLDS`].
pub(crate) fn of_suite(tree: &Tree, shard: &str) -> BTreeMap<String, Vec<String>> {
    const SUITE: &str = "scenarios/suite/";
    let mut found = BTreeMap::new();
    for file in &tree.files {
        let inside = file.path.strip_prefix(SUITE);
        let Some(id) = inside.and_then(|path| path.strip_suffix(".toml")) else {
            continue;
        };
        // A file that can't be read has a finding of its own.
        let Ok(scenario) = scenarios::scenario::parse(id, &file.text) else {
            continue;
        };
        if scenario.shard().map(scenarios::scenario::Shard::name) != Some(shard) {
            continue;
        }
        let worlds = scenario
            .worlds()
            .into_iter()
            .map(|world| world.name().to_owned());
        found.insert(
            id.to_owned(),
            worlds
                .filter(|world| WORLDS.contains(&world.as_str()))
                .collect(),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const HEAD: &str = "time_limit = 1\nscenario_limit = 1\n";

    fn suite(rows: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        let row = |(id, worlds): &(&str, &[&str])| {
            (
                (*id).to_owned(),
                worlds.iter().map(|it| (*it).to_owned()).collect(),
            )
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn what_is_new_is_added_and_what_is_gone_stays() {
        let text =
            format!("{HEAD}\n[must_pass]\n\"s/gone\" = [\"core\"]\n\"s/here\" = [\"memory\"]\n");
        let suite = suite(&[("s/here", &["core", "memory"]), ("s/new", &["loopback"])]);
        let lines = "\"s/gone\" = [\"core\"]\n\"s/here\" = [\"core\", \"memory\"]\n\"s/new\" = [\"loopback\"]\n";
        let expected = format!("{HEAD}\n[must_pass]\n{lines}");
        assert_eq!(with_new(&text, &suite), Some(expected.clone()));
        // A second time changes nothing.
        assert_eq!(with_new(&expected, &suite), Some(expected));
    }

    #[rstest]
    #[case::row_of_nothing(
        "[[may_skip]]\nscenario = \"s/b\"\nworld = \"core\"\nreason = \"the world core\"",
        "s/b in core"
    )]
    #[case::world_of_nothing(
        "[[may_skip]]\nscenario = \"s/a\"\nworld = \"memory\"\nreason = \"the world x\"",
        "s/a in memory"
    )]
    #[case::failure_of_nothing(
        "[[known_failure]]\nscenario = \"s/c\"\nworld = \"core\"\nrule = \"x\"\nbecause = \"y\"",
        "s/c in core"
    )]
    #[case::any_reason(
        "[[may_skip]]\nscenario = \"s/a\"\nworld = \"core\"\nreason = \"\"",
        "at least 8 letters"
    )]
    #[case::unknown("colour = 1", "unknown field")]
    fn a_manifest_that_contradicts_itself_is_refused(#[case] rows: &str, #[case] why: &str) {
        let text = format!("{HEAD}{rows}\n[must_pass]\n\"s/a\" = [\"core\"]\n");
        let error = Manifest::parse("x.toml", &text).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("x.toml"), "{error}");
    }
}
