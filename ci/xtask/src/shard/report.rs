//! What `clawproof list` and `clawproof run` print with `--message-format json`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;

use crate::error::XtaskError;

/// A scenario in a world.
pub(super) type Trial = (String, String);

#[derive(Deserialize)]
struct Listed {
    id: String,
    worlds: Vec<String>,
}

/// The trials of a listing.
pub(super) fn listed(text: &str) -> Result<BTreeSet<Trial>, XtaskError> {
    let mut trials = BTreeSet::new();
    for line in text.lines() {
        let Listed { id, worlds } =
            serde_json::from_str(line).map_err(|error| XtaskError::Unexpected {
                tool: "clawproof list",
                expected: "one JSON object a line",
                got: error.to_string(),
            })?;
        trials.extend(worlds.into_iter().map(|world| (id.clone(), world)));
    }
    Ok(trials)
}

/// One result of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) trial: Trial,
    /// `passed`, `failed`, `inconclusive`, `skipped`, `broken`.
    pub(super) verdict: String,
    /// What a skipped one lacks, what broke, or the first finding.
    pub(super) why: Option<String>,
    /// The rule of each finding.
    pub(super) rules: Vec<String>,
    /// Wall time.
    pub(super) took: Duration,
}

/// What a run reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) outcomes: Vec<Outcome>,
    /// Whether the last line says that the run came to its end.
    pub(super) finished: bool,
    /// Lines that could not be read.
    pub(super) unreadable: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Started {},
    Result(Box<Told>),
    Finished {},
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Told {
    id: String,
    world: String,
    verdict: String,
    #[serde(rename = "tookMs", default)]
    took_ms: u64,
    missing: Option<String>,
    why: Option<String>,
    what: Option<String>,
    #[serde(default)]
    findings: Vec<Finding>,
}

#[derive(Deserialize)]
struct Finding {
    rule: String,
    summary: String,
}

impl From<Told> for Outcome {
    fn from(told: Told) -> Self {
        let first = told
            .findings
            .first()
            .map(|it| format!("{}: {}", it.rule, it.summary));
        Self {
            trial: (told.id, told.world),
            verdict: told.verdict,
            why: told.missing.or(told.why).or(told.what).or(first),
            rules: told.findings.into_iter().map(|it| it.rule).collect(),
            took: Duration::from_millis(told.took_ms),
        }
    }
}

impl Report {
    pub(super) fn parse(text: &str) -> Self {
        let mut report = Self::default();
        for line in text.lines() {
            match serde_json::from_str(line) {
                Ok(Line::Result(told)) => report.outcomes.push((*told).into()),
                Ok(Line::Finished {}) => report.finished = true,
                Ok(Line::Started {} | Line::Other) => {}
                Err(error) => report.unreadable.push(format!("{error}: {line}")),
            }
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_names_each_scenario_in_each_of_its_worlds() {
        let text = r#"{"id":"a/b","title":"t","worlds":["core","memory"]}"#;
        let expected = [("a/b", "core"), ("a/b", "memory")]
            .map(|(id, world)| (id.to_owned(), world.to_owned()));
        assert_eq!(listed(text).unwrap(), BTreeSet::from(expected));
        assert!(listed("no json").is_err());
    }

    #[test]
    fn a_report_is_read_line_by_line() {
        let text = concat!(
            r#"{"event":"started","scenarios":1,"seed":7}"#,
            "\n",
            r#"{"event":"result","id":"a/b","world":"core","seed":7,"verdict":"skipped","missing":"wsl","tookMs":3}"#,
            "\n",
            r#"{"event":"finished","passed":0}"#,
            "\n{"
        );
        let report = Report::parse(text);
        assert!(report.finished);
        assert_eq!(report.unreadable.len(), 1);
        assert_eq!(
            report.outcomes,
            [Outcome {
                trial: ("a/b".to_owned(), "core".to_owned()),
                verdict: "skipped".to_owned(),
                why: Some("wsl".to_owned()),
                rules: vec![],
                took: Duration::from_millis(3),
            }]
        );
    }
}
