//! A verdict judged again from what a run left behind: scenario file, transcript, record.

use std::collections::BTreeMap;

use serde_json::Value;
use transcript::Transcript;

use super::saved::{FORMAT, SavedRecord};
use crate::judge::{Verdict, judge};
use crate::referee;
use crate::scenario::parse_unchecked;

/// The rule that needs the published schema.
const SCHEMA_RULE: &str = "invariant:every_frame_is_schema_valid";

/// One scenario of a run folder, judged again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rederived {
    /// The verdict's word.
    pub word: String,
    /// Rules of its findings, sorted.
    pub rules: Vec<String>,
    /// What could not be judged again, and why.
    pub notes: Vec<String>,
    /// `mock profile X` or `real version Y`, from the transcript.
    pub gateway: String,
}

/// Judges the scenario in `place` again and compares with its `verdict.json`.
///
/// # Errors
/// What is wrong, as sentences that name the file.
pub fn rederive(files: &BTreeMap<String, Vec<u8>>, place: &str) -> Result<Rederived, Vec<String>> {
    let text = |name: &str| {
        let path = format!("{place}/{name}");
        let bytes = files
            .get(&path)
            .ok_or_else(|| vec![format!("{path} is missing")])?;
        let text = std::str::from_utf8(bytes).map_err(|_| vec![format!("{path} is no text")])?;
        Ok::<_, Vec<String>>((path, text))
    };
    let (path, verdict) = text("verdict.json")?;
    let verdict: Value =
        serde_json::from_str(verdict).map_err(|error| vec![format!("{path}: {error}")])?;
    let (path, transcript) = text("transcript.jsonl")?;
    let transcript =
        Transcript::parse(transcript).map_err(|error| vec![format!("{path}: {error}")])?;
    let told = told(&verdict);
    let gateway = transcript.header.gateway.clone();
    let (path, record) = text("record.json")?;
    let saved: SavedRecord =
        serde_json::from_str(record).map_err(|error| vec![format!("{path}: {error}")])?;
    if saved.format > FORMAT {
        let got = saved.format;
        return Err(vec![format!(
            "{path}: expected format {FORMAT} or lower, got {got}"
        )]);
    }
    let (path, source) = text("scenario.toml")?;
    let id = transcript.header.scenario.clone().unwrap_or_default();
    let mut scenario = parse_unchecked(&id, source)
        .map_err(|problems| vec![format!("{path}: {}", problems.render(false))])?;
    if let Some(mutant) = &saved.mutant {
        scenario = scenario.with_mutation(mutant);
    }
    let asked = saved.referee_verified;
    let standing = if asked {
        referee::standing().clone()
    } else {
        referee::Standing::Off
    };
    let again = judge(&scenario, &saved.record(transcript, standing.clone()));
    let mut notes = Vec::new();
    let mut expected = told;
    if asked && !standing.verified() {
        notes.push(format!(
            "{place}: frames were not checked against the published schema again, {standing}"
        ));
        expected.1.retain(|rule| rule != SCHEMA_RULE);
        if expected.1.is_empty() && expected.0 == "failed" {
            "passed".clone_into(&mut expected.0);
        }
    }
    let (word, rules) = (again.word().to_owned(), rules(&again));
    if (&word, &rules) != (&expected.0, &expected.1) {
        return Err(vec![format!(
            "{place}: verdict.json says {} {:?}, but scenario, transcript and record give {word} {rules:?}",
            expected.0, expected.1
        )]);
    }
    Ok(Rederived {
        word: told_word(&verdict),
        rules,
        notes,
        gateway,
    })
}

fn told_word(verdict: &Value) -> String {
    let word = verdict.get("verdict").and_then(Value::as_str);
    word.unwrap_or_default().to_owned()
}

/// Verdict and rules as `verdict.json` tells them.
fn told(verdict: &Value) -> (String, Vec<String>) {
    let findings = verdict.get("findings").and_then(Value::as_array);
    let rule = |finding: &Value| Some(finding.get("rule")?.as_str()?.to_owned());
    let mut rules: Vec<String> = findings.into_iter().flatten().filter_map(rule).collect();
    rules.sort();
    (told_word(verdict), rules)
}

fn rules(verdict: &Verdict) -> Vec<String> {
    let mut rules: Vec<String> = verdict
        .findings()
        .iter()
        .map(|finding| finding.rule.clone())
        .collect();
    rules.sort();
    rules
}
