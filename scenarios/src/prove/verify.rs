//! Checks a run folder or a bundle of two of them, with nothing but its files.
//!
//! Digests, redaction, the label of the gateway, every verdict judged again, and for a pair: red on the base and green
//! on the head. What can't be checked here is told as a note, never passed over.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use transcript::resign::keypair_of;
use transcript::{Header, Redactor};

use super::digests::{self, SUMS};
use super::manifest::{MANIFEST, SCHEMA, canary, gateway_kind};
use super::rederive::{Rederived, rederive};

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Why the bundle proves nothing; empty when it holds.
    pub problems: Vec<String>,
    /// What was not checked, and why.
    pub notes: Vec<String>,
    /// Files whose digests are right.
    pub files: usize,
    /// Verdicts that were judged again, by place.
    pub verdicts: BTreeMap<String, Rederived>,
    /// `mock`, `real`, or both, from the transcripts.
    pub gateways: Vec<&'static str>,
    /// The manifest.
    pub manifest: Value,
}

/// Checks the bundle in `root`.
pub fn verify(root: &Path) -> Report {
    let mut report = Report::default();
    let files = match digests::files(root) {
        Ok(files) => files,
        Err((path, error)) => {
            report.problems.push(format!("{}: {error}", path.display()));
            return report;
        }
    };
    match std::fs::read_to_string(root.join(SUMS)) {
        Ok(sums) => report.problems.extend(digests::problems(&sums, &files)),
        Err(error) => report.problems.push(format!(
            "{SUMS}: {error}; expected the folder that `clawproof run` or `clawproof prove` wrote"
        )),
    }
    report.files = files.len();
    match files
        .get(MANIFEST)
        .map(|bytes| serde_json::from_slice(bytes))
    {
        Some(Ok(manifest)) => report.manifest = manifest,
        Some(Err(error)) => report.problems.push(format!("{MANIFEST}: {error}")),
        None => report.problems.push(format!("{MANIFEST} is missing")),
    }
    if let Some(version) = foreign_version(&report.manifest) {
        // What it means elsewhere is not known here.
        report.problems.push(version);
        return report;
    }
    judge_again(&files, &mut report);
    rows(&files, &mut report);
    label(&mut report);
    redaction(&files, &mut report);
    if text(&report.manifest, "kind") == "proof" {
        super::bundle::check(&mut report);
    }
    report
}

/// Whether the manifest is of another version than this program writes.
fn foreign_version(manifest: &Value) -> Option<String> {
    let version = manifest
        .get("schemaVersion")
        .filter(|version| **version != SCHEMA)?;
    Some(format!(
        "{MANIFEST}: it is of schemaVersion {version}, expected {SCHEMA}; use the clawproof that wrote it"
    ))
}

fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn judge_again(files: &BTreeMap<String, Vec<u8>>, report: &mut Report) {
    for path in files.keys() {
        let Some(place) = path.strip_suffix("/verdict.json") else {
            continue;
        };
        if !files.contains_key(&format!("{place}/record.json")) {
            report.notes.push(format!(
                "{place}: not judged again, the program that ran it wrote no record.json"
            ));
            continue;
        }
        match rederive(files, place) {
            Ok(again) => {
                report.notes.extend(again.notes.clone());
                report.verdicts.insert(place.to_owned(), again);
            }
            Err(problems) => report.problems.extend(problems),
        }
    }
    if report.verdicts.is_empty() {
        report
            .problems
            .push("no scenario of this bundle could be judged again".to_owned());
    }
}

/// What the manifest of each run says of a scenario is what its folder says.
fn rows(files: &BTreeMap<String, Vec<u8>>, report: &mut Report) {
    for (path, bytes) in files {
        let Some(prefix) = path.strip_suffix(MANIFEST) else {
            continue;
        };
        let Ok(manifest) = serde_json::from_slice::<Value>(bytes) else {
            report.problems.push(format!("{path} is no JSON"));
            continue;
        };
        let rows = manifest.get("scenarios").and_then(Value::as_array);
        for row in rows.into_iter().flatten() {
            let place = format!("{prefix}{}", text(row, "directory"));
            let Some(again) = report.verdicts.get(&place) else {
                continue;
            };
            let said = (text(row, "outcome"), text(row, "gateway"));
            if said != (again.word.as_str(), again.gateway.as_str()) {
                report.problems.push(format!(
                    "{path} says {said:?} of {place}, its files say {:?}",
                    (&again.word, &again.gateway)
                ));
            }
        }
    }
}

/// The label mock or real is what the transcripts say.
fn label(report: &mut Report) {
    let kinds = report
        .verdicts
        .values()
        .map(|again| gateway_kind(&again.gateway));
    let mut kinds: Vec<&'static str> = kinds.filter(|kind| *kind != "none").collect();
    kinds.sort_unstable();
    kinds.dedup();
    let said = report.manifest.pointer("/environment/gatewayKinds");
    let said: Vec<&str> = said
        .and_then(Value::as_array)
        .map(|said| said.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if said != kinds {
        report.problems.push(format!(
            "{MANIFEST} says that the gateway was {said:?}, the transcripts say {kinds:?}"
        ));
    }
    report.gateways = kinds;
}

/// What is redacted stays as it is when it is redacted once more; anything else still shows a secret by its place.
fn redaction(files: &BTreeMap<String, Vec<u8>>, report: &mut Report) {
    let control = canary();
    if control.get("planted") != control.get("found") {
        report.problems.push(format!(
            "the scan for secrets misses a planted one: {control}"
        ));
    }
    for (path, bytes) in files {
        let structured = matches!(extension(path), "json" | "jsonl");
        let Ok(text) = std::str::from_utf8(bytes) else {
            report
                .notes
                .push(format!("{path}: not looked at for secrets, it is no text"));
            continue;
        };
        if extension(path) == "html" {
            report
                .notes
                .push(format!("{path}: a page made of files that were looked at"));
        } else if structured {
            structure(path, text, report);
        }
    }
    let findings = report.manifest.pointer("/secretScan/findings");
    if findings.and_then(Value::as_u64) != Some(0) {
        report
            .problems
            .push(format!("{MANIFEST}: secretScan.findings is not 0"));
    }
}

fn structure(path: &str, text: &str, report: &mut Report) {
    let lines: Vec<&str> = if extension(path) == "jsonl" {
        text.lines().collect()
    } else {
        vec![text]
    };
    let header: Option<Header> = lines
        .first()
        .filter(|_| extension(path) == "jsonl")
        .and_then(|line| serde_json::from_str(line).ok());
    for (index, line) in lines.into_iter().enumerate() {
        let at = if extension(path) == "jsonl" {
            format!("{path}:{}", index + 1)
        } else {
            path.to_owned()
        };
        match serde_json::from_str::<Value>(line) {
            Ok(value) => report.problems.extend(shown(&at, &value, header.as_ref())),
            Err(error) => report.problems.push(format!("{at}: no JSON: {error}")),
        }
    }
}

/// What stands where a secret stands, or names a machine or a person. A signature of a synthetic device is none: whoever has the file can make it.
pub(super) fn shown(at: &str, value: &Value, header: Option<&Header>) -> Option<String> {
    let mut redactor = Redactor::new();
    if header.is_some_and(Header::is_from_the_field) {
        redactor = redactor.hiding_people();
    } else if header.is_some_and(Header::may_name_machines) {
        redactor = redactor.hiding_places();
    }
    redactor.learn(value);
    if let Some(kind) = redactor.names().next() {
        return Some(format!(
            "{at}: the name of a machine or a person ({kind}) is shown"
        ));
    }
    let device = value.pointer("/frame/params/device");
    let signature = device.and_then(|device| device.get("signature")?.as_str());
    let key = device.and_then(|device| device.get("publicKey")?.as_str());
    let synthetic = header
        .zip(key)
        .and_then(|(header, key)| keypair_of(header, key));
    let mut kinds = redactor
        .secrets()
        .filter(|(_, secret)| synthetic.is_none() || Some(*secret) != signature);
    let (kind, _) = kinds.next()?;
    Some(format!("{at}: something stands where a {kind} stands"))
}
