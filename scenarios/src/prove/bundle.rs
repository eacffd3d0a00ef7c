//! Base and head side by side: red before, green after, in one folder.
//!
//! ```text
//! BUNDLE/manifest.json SUMMARY.md report.html junit.xml SHA256SUMS
//! BUNDLE/base/         the run folder of the base
//! BUNDLE/head/         the run folder of the head
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::digests::{self, SUMS};
use super::manifest::{MANIFEST, SCHEMA};
use super::verify::Report;
use super::{Subject, summary};
use crate::run::{FolderError, RunFolder};

/// Two finished runs of the same scenarios.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What was to fail.
    pub base: (Subject, PathBuf),
    /// What was to pass.
    pub head: (Subject, PathBuf),
    /// The command that repeats both.
    pub command: String,
}

/// One scenario in one world, before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `scenario::world`.
    pub name: String,
    /// Verdict of the base, empty when it did not run there.
    pub base: String,
    /// Verdict of the head.
    pub head: String,
}

impl Change {
    /// Red, then green.
    pub fn holds(&self) -> bool {
        self.base == "failed" && self.head == "passed"
    }
}

/// Writes the bundle of a pair into `target`, and says what changed.
///
/// # Errors
/// When a run folder can't be read or the bundle can't be written.
pub fn assemble(target: &Path, pair: &Pair) -> Result<(PathBuf, Vec<Change>), FolderError> {
    let folder = RunFolder::begin(target)?;
    let mut files = BTreeMap::new();
    for (side, from) in [("base", &pair.base.1), ("head", &pair.head.1)] {
        let read =
            digests::files(from).map_err(|(path, source)| FolderError::Write { path, source })?;
        files.extend(
            read.into_iter()
                .map(|(path, bytes)| (format!("{side}/{path}"), bytes)),
        );
        if let Ok(sums) = std::fs::read(from.join(SUMS)) {
            files.insert(format!("{side}/{SUMS}"), sums);
        }
    }
    let manifest_of = |side: &str| {
        let bytes = files.get(&format!("{side}/{MANIFEST}"));
        bytes
            .and_then(|bytes| serde_json::from_slice(bytes).ok())
            .unwrap_or(Value::Null)
    };
    let (base, head) = (manifest_of("base"), manifest_of("head"));
    let changes = changes(&verdicts(&files, "base"), &verdicts(&files, "head"));
    if let Some(junit) = files.get("head/junit.xml").cloned() {
        files.insert("junit.xml".to_owned(), junit);
    }
    let manifest = manifest(pair, &base, &head, &changes);
    let said = summary::of_pair(&manifest, &files, &changes);
    files.insert("SUMMARY.md".to_owned(), said.into_bytes());
    let mut text = serde_json::to_string_pretty(&manifest).unwrap_or_default();
    text.push('\n');
    files.insert(MANIFEST.to_owned(), text.into_bytes());
    files.insert(
        "report.html".to_owned(),
        crate::report::html::page(&files).into_bytes(),
    );
    for (path, bytes) in &files {
        folder.write(path, bytes)?;
    }
    folder.write(SUMS, digests::to_text(&files).as_bytes())?;
    Ok((folder.commit()?, changes))
}

fn manifest(pair: &Pair, base: &Value, head: &Value, changes: &[Change]) -> Value {
    let side = |subject: &Subject, manifest: &Value| {
        json!({
            "subject": subject.to_string(),
            "commit": subject.commit().map_or_else(|| manifest.get("head").cloned().unwrap_or_default(), Into::into),
            "dirty": if subject.commit().is_some() { false.into() } else { manifest.get("dirty").cloned().unwrap_or_default() },
            "binary": manifest.get("binary"),
        })
    };
    let number =
        |manifest: &Value, pointer: &str| manifest.pointer(pointer).and_then(Value::as_u64);
    let both =
        |pointer: &str| Some(number(base, pointer).unwrap_or_default() + number(head, pointer)?);
    let head_side = side(&pair.head.0, head);
    json!({
        "schemaVersion": SCHEMA,
        "kind": "proof",
        "head": head_side.get("commit"),
        "dirty": head_side.get("dirty"),
        "base": side(&pair.base.0, base),
        "headSide": head_side,
        "proved": proved(changes),
        "requiredProofs": changes.iter().map(|change| json!({
            "name": change.name, "base": change.base, "head": change.head, "holds": change.holds(),
        })).collect::<Vec<_>>(),
        "command": pair.command,
        "seed": head.get("seed"),
        "environment": head.get("environment"),
        "notVerified": head.get("notVerified"),
        "credentialPolicy": head.get("credentialPolicy"),
        "shards": head.get("shards"),
        "redaction": head.get("redaction"),
        "secretScan": {
            "registeredSecretCount": both("/secretScan/registeredSecretCount"),
            "filesScanned": both("/secretScan/filesScanned"),
            "findings": both("/secretScan/findings"),
        },
    })
}

/// Verdicts of one side by `scenario::world`.
fn verdicts(files: &BTreeMap<String, Vec<u8>>, side: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (path, bytes) in files {
        let inside = path.strip_prefix(&format!("{side}/scenarios/"));
        let Some(place) = inside.and_then(|path| path.strip_suffix("/verdict.json")) else {
            continue;
        };
        let verdict: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let word = verdict
            .get("verdict")
            .and_then(Value::as_str)
            .unwrap_or_default();
        found.insert(name(place), word.to_owned());
    }
    found
}

/// `setup-connect/x/memory` as `setup-connect/x::memory`.
fn name(place: &str) -> String {
    place
        .rsplit_once('/')
        .map_or_else(|| place.to_owned(), |(id, world)| format!("{id}::{world}"))
}

fn changes(base: &BTreeMap<String, String>, head: &BTreeMap<String, String>) -> Vec<Change> {
    let change = |(name, head): (&String, &String)| Change {
        name: name.clone(),
        base: base.get(name).cloned().unwrap_or_default(),
        head: head.clone(),
    };
    head.iter().map(change).collect()
}

/// Something ran, and all of it was red before and is green after.
pub fn proved(changes: &[Change]) -> bool {
    !changes.is_empty() && changes.iter().all(Change::holds)
}

/// The pair's own claims against the verdicts that were judged again.
pub(super) fn check(report: &mut Report) {
    let of = |side: &str| -> BTreeMap<String, String> {
        let inside = report.verdicts.iter().filter_map(|(place, again)| {
            let place = place.strip_prefix(&format!("{side}/scenarios/"))?;
            Some((name(place), again.word.clone()))
        });
        inside.collect()
    };
    let (mut base, head) = (of("base"), of("head"));
    let rows = report
        .manifest
        .get("requiredProofs")
        .and_then(Value::as_array)
        .cloned();
    for row in rows.iter().flatten() {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        // A base whose program wrote no record is told in a note; its own word is taken.
        base.entry(text("name").to_owned())
            .or_insert_with(|| text("base").to_owned());
        let again = (base.get(text("name")), head.get(text("name")));
        if again
            != (
                Some(&text("base").to_owned()),
                Some(&text("head").to_owned()),
            )
        {
            report.problems.push(format!(
                "{MANIFEST} says {} was {} and is {}, its files say {again:?}",
                text("name"),
                text("base"),
                text("head")
            ));
        }
    }
    let changes = changes(&base, &head);
    if report.manifest.get("proved").and_then(Value::as_bool) != Some(proved(&changes)) {
        report
            .problems
            .push(format!("{MANIFEST}: proved is not what the verdicts say"));
    }
    for change in changes.iter().filter(|change| !change.holds()) {
        report.problems.push(format!(
            "{}: expected failed on the base and passed on the head, got {:?} and {:?}",
            change.name, change.base, change.head
        ));
    }
}
