//! The conformance table of a client: every scenario with its verdict, and what was found, rule by rule.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::terminal::short;
use super::{Counts, ScenarioResult};
use crate::adapter::Review;
use crate::judge::Verdict;

/// What stands above a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableHead {
    /// What the client is.
    pub title: String,
    /// Its adapter and version, as on the command line.
    pub client: String,
    /// What it says its version is.
    pub version: String,
    /// What it was run against, with versions.
    pub gateway: String,
    /// Version of the harness.
    pub clawproof: String,
    /// The day of the run, in UTC.
    pub date: String,
}

/// A run of one client.
#[derive(Clone, Copy, Debug)]
pub struct Conformance<'a> {
    /// What stands above.
    pub head: &'a TableHead,
    /// The results.
    pub results: &'a [ScenarioResult],
    /// What is known of them.
    pub review: &'a Review,
}

impl Conformance<'_> {
    /// `passed`, `known failure`, ... for each result.
    fn word(&self, index: usize, result: &ScenarioResult) -> &'static str {
        let known = self
            .review
            .known
            .get(index)
            .is_some_and(|reasons| !reasons.is_empty());
        if known {
            "known failure"
        } else {
            result.verdict.word()
        }
    }

    fn rows(&self) -> impl Iterator<Item = (&ScenarioResult, &'static str, String)> {
        self.results
            .iter()
            .enumerate()
            .map(|(index, result)| (result, self.word(index, result), why(result)))
    }

    /// How many results are failures that nobody knew of.
    pub fn news(&self) -> usize {
        let mut news = 0;
        for (index, result) in self.results.iter().enumerate() {
            if self.word(index, result) == "failed" {
                news += 1;
            }
        }
        news
    }

    /// For people at a terminal, `width` columns wide.
    pub fn text(&self, width: u16) -> String {
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_HORIZONTAL_ONLY)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width)
            .set_header(["scenario", "verdict", "found or needed"]);
        for (result, word, why) in self.rows() {
            table.add_row([result.id.as_str(), word, why.as_str()]);
        }
        format!("{}\n{table}\n{}", self.headline(), self.by_rule_line())
    }

    /// `openclaw node host (openclaw-node-host@2026.6.34, says "2026.6.34") against mock profile 2026.6.34`.
    fn headline(&self) -> String {
        let TableHead {
            title,
            client,
            version,
            gateway,
            clawproof,
            date,
        } = self.head;
        format!(
            "{title} ({client}, says \"{version}\") against {gateway}; clawproof {clawproof}, {date}"
        )
    }

    /// How often each rule was broken.
    pub fn by_rule(&self) -> BTreeMap<&str, usize> {
        let mut rules = BTreeMap::new();
        for finding in self
            .results
            .iter()
            .flat_map(|result| result.verdict.findings())
        {
            *rules.entry(finding.rule.as_str()).or_default() += 1;
        }
        rules
    }

    fn by_rule_line(&self) -> String {
        let rules = self.by_rule();
        if rules.is_empty() {
            return "no findings".to_owned();
        }
        let each: Vec<String> = rules
            .iter()
            .map(|(rule, count)| format!("{rule} {count}"))
            .collect();
        format!("findings by rule: {}", each.join(", "))
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let counts = Counts::of(self.results);
        let rows: Vec<Value> = self
            .rows()
            .enumerate()
            .map(|(index, (result, word, why))| {
                json!({
                    "scenario": result.id,
                    "title": result.title,
                    "verdict": word,
                    "why": why,
                    "known": self.review.known.get(index).cloned().unwrap_or_default(),
                    "findings": result.verdict.findings().iter().map(|finding| json!({
                        "rule": finding.rule,
                        "summary": finding.summary,
                    })).collect::<Vec<Value>>(),
                    "took_ms": u64::try_from(result.took.as_millis()).unwrap_or(u64::MAX),
                })
            })
            .collect();
        let TableHead {
            title,
            client,
            version,
            gateway,
            clawproof,
            date,
        } = self.head;
        json!({
            "format": 1,
            "title": title, "client": client, "version": version, "gateway": gateway,
            "clawproof": clawproof, "date": date,
            "counts": {
                "passed": counts.passed, "failed": self.news(), "known": counts.failed - self.news(),
                "inconclusive": counts.inconclusive, "skipped": counts.skipped, "broken": counts.broken,
            },
            "findings": self.by_rule(),
            "stale": self.review.stale.iter().map(|row| &row.scenario).collect::<Vec<_>>(),
            "results": rows,
        })
    }

    /// For a page or a pull request.
    pub fn markdown(&self) -> String {
        let TableHead {
            title,
            client,
            version,
            gateway,
            clawproof,
            date,
        } = self.head;
        let mut text = format!(
            "## {title}\n\n`{client}`, which says it is `{version}`, against {gateway}; clawproof {clawproof}, {date}.\n\n"
        );
        text.push_str("| scenario | verdict | found or needed |\n|---|---|---|\n");
        for (result, word, why) in self.rows() {
            // Writing to a string does not fail.
            let _fine = writeln!(
                text,
                "| {} | {word} | {} |",
                result.id,
                why.replace('|', "\\|")
            );
        }
        let known: std::collections::BTreeSet<&String> =
            self.review.known.iter().flatten().collect();
        let _fine = writeln!(text, "\n{}.", self.by_rule_line());
        for reason in known {
            let _fine = writeln!(text, "- Known: {reason}");
        }
        text
    }
}

/// What was found, or what is missing, in one line.
fn why(result: &ScenarioResult) -> String {
    match &result.verdict {
        Verdict::Passed => short(result.took),
        Verdict::Failed(findings) => {
            let each: Vec<String> = findings
                .iter()
                .map(|finding| format!("{}: {}", finding.rule, finding.summary))
                .collect();
            each.join("; ")
        }
        Verdict::Inconclusive { why } => why.clone(),
        Verdict::Skipped { missing } => format!("needs {missing}"),
        Verdict::Broken { what } => what.clone(),
    }
}
