//! What `clawproof list` and `clawproof run` print with `--message-format json`.

use std::collections::BTreeSet;

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
    /// What a skipped one lacks.
    pub(super) missing: Option<String>,
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
    Result {
        id: String,
        world: String,
        verdict: String,
        missing: Option<String>,
    },
    Finished {},
    #[serde(other)]
    Other,
}

impl Report {
    pub(super) fn parse(text: &str) -> Self {
        let mut report = Self::default();
        for line in text.lines() {
            match serde_json::from_str(line) {
                Ok(Line::Result {
                    id,
                    world,
                    verdict,
                    missing,
                }) => {
                    report.outcomes.push(Outcome {
                        trial: (id, world),
                        verdict,
                        missing,
                    });
                }
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
            r#"{"event":"result","id":"a/b","world":"core","seed":7,"verdict":"skipped","missing":"wsl"}"#,
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
                missing: Some("wsl".to_owned())
            }]
        );
    }
}
