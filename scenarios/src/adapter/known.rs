//! `known-failures.toml`: what is known to be wrong with a client, and why.

use serde::Deserialize;

use crate::judge::Finding;
use crate::run::glob_matches;
use crate::scenario::{Located, Problem, Problems};

/// One known failure.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KnownFailure {
    /// The scenarios that show it: an id or a glob.
    pub scenario: String,
    /// Only this rule: `expectation`, `invariant:reconnect_is_not_a_storm`, ...
    pub rule: Option<String>,
    /// Only findings whose text has this in it.
    pub says: Option<String>,
    /// Only in these releases of the client.
    pub versions: Vec<String>,
    /// Why it fails.
    pub reason: String,
    /// Where it is reported or described.
    pub link: String,
    /// Since when it is known, as a date.
    pub since: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    known: Vec<Located<KnownFailure>>,
}

/// Reads the file; `file` names it in messages.
pub fn parse(file: &str, text: &str) -> Result<Vec<Located<KnownFailure>>, Problems> {
    let problems = |list| Problems {
        file: file.to_owned(),
        text: text.to_owned(),
        list,
    };
    let read: File = toml::from_str(text)
        .map_err(|error| problems(vec![crate::scenario::explain(&error, text)]))?;
    let found: Vec<Problem> = read.known.iter().flat_map(check).collect();
    if found.is_empty() {
        Ok(read.known)
    } else {
        Err(problems(found))
    }
}

fn check(row: &Located<KnownFailure>) -> Vec<Problem> {
    let missing = |what: &str, help: &str| {
        Problem::error(
            "known::incomplete",
            format!("a known failure without {what}"),
        )
        .at(row.at.clone())
        .help(help.to_owned())
    };
    let mut problems = Vec::new();
    if row.reason.trim().is_empty() {
        problems.push(missing(
            "a reason",
            "reason = \"what the client does, and why that is wrong\"",
        ));
    }
    if row.link.trim().is_empty() {
        problems.push(missing(
            "a link",
            "link = \"an issue, or the page that describes it\"",
        ));
    }
    if row.since.parse::<jiff::civil::Date>().is_err() {
        problems.push(missing("a date", "since = \"2026-11-25\""));
    }
    if row.scenario.is_empty() {
        problems.push(missing(
            "a scenario",
            "scenario = \"network-recovery/client/**\"",
        ));
    }
    problems
}

impl KnownFailure {
    /// Whether it is about this release.
    pub fn is_of(&self, version: Option<&str>) -> bool {
        self.versions.is_empty()
            || version.is_some_and(|version| self.versions.iter().any(|row| row == version))
    }

    /// Whether it is about this scenario.
    pub fn is_about(&self, scenario: &str) -> bool {
        glob_matches(&self.scenario, scenario)
    }

    /// Whether it explains this finding.
    pub fn explains(&self, scenario: &str, finding: &Finding) -> bool {
        let is_said = |says: &String| finding.summary.contains(says);
        self.is_about(scenario)
            && self.rule.as_ref().is_none_or(|rule| *rule == finding.rule)
            && self.says.as_ref().is_none_or(is_said)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ROW: &str = "[[known]]\nscenario = \"a/*\"\nrule = \"expectation\"\nreason = \"r\"\nlink = \"l\"\nsince = \"2026-11-25\"\n";

    #[test]
    fn a_row_explains_what_it_names_and_nothing_else() {
        let row = parse("k", ROW).unwrap().remove(0).value;
        let finding = |rule: &str| Finding {
            rule: rule.to_owned(),
            ..Finding::default()
        };
        assert!(row.explains("a/b", &finding("expectation")));
        assert!(!row.explains("b/b", &finding("expectation")));
        assert!(!row.explains("a/b", &finding("quiet")));
        assert!(row.is_of(None));
    }

    #[test]
    fn a_row_that_quotes_explains_only_what_it_quotes() {
        let row = format!("{ROW}says = \"of two\"\n");
        let row = parse("k", &row).unwrap().remove(0).value;
        let finding = |summary: &str| Finding {
            rule: "expectation".to_owned(),
            summary: summary.to_owned(),
            ..Finding::default()
        };
        assert!(row.explains("a/b", &finding("one of two")));
        assert!(!row.explains("a/b", &finding("one of three")));
    }

    #[rstest]
    #[case::reason("reason = \"r\"\n", "without a reason")]
    #[case::link("link = \"l\"\n", "without a link")]
    #[case::since("since = \"2026-11-25\"\n", "without a date")]
    fn an_incomplete_row_is_an_error(#[case] line: &str, #[case] says: &str) {
        let told = parse("k", &ROW.replace(line, "")).unwrap_err().to_string();
        assert!(told.contains(says), "{told}");
    }
}
