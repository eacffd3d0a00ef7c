//! Which flows on which versions, and the report of what came of them.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::flow::Flow;
use super::library::{Golden, Library, Provenance, golden_path};
use super::normalize::Entry;
use super::run::{Outcome, known_profile};

/// Which flows are played for which versions.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The flows, by id.
    pub flows: Vec<&'a Flow>,
    /// The versions.
    pub versions: Vec<&'static str>,
    /// Whether flows that take minutes of real time are meant, too.
    pub slow: bool,
    /// Hears how far a real gateway is; nothing of a mock, which is done in a second.
    pub tell: fn(&str),
}

/// What is compared with the golden records.
#[derive(Clone, Debug)]
pub enum Target {
    /// A fresh mock for every flow, in memory, on virtual time.
    Mock,
    /// The real gateway, started here, and the mock beside it.
    Real,
    /// A gateway that runs already.
    At {
        /// Where.
        addr: SocketAddr,
        /// Its shared secret.
        secret: String,
        /// Which of the flows' configurations it has.
        config: String,
        /// A command that prints a setup code of it.
        mint: Option<String>,
    },
}

/// One flow on one version.
#[derive(Clone, Debug)]
pub struct Case {
    /// Flow.
    pub flow: String,
    /// Its title.
    pub title: String,
    /// Its file's digest.
    pub digest: String,
    /// Version.
    pub version: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was heard, when something was.
    pub entries: Vec<Entry>,
    /// Whether it was heard from a gateway that we did not write.
    pub real: bool,
}

/// Every case.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// By version, then flow.
    pub cases: Vec<Case>,
}

impl<'a> Plan<'a> {
    /// Selects.
    ///
    /// # Errors
    /// When a version or every pattern is unknown.
    pub fn of(
        library: &'a Library,
        patterns: &[String],
        versions: &[String],
        slow: bool,
    ) -> Result<Self, String> {
        let versions = if versions.is_empty() {
            gateway_core::PROFILES.to_vec()
        } else {
            let known: Result<Vec<_>, _> = versions
                .iter()
                .map(|version| known_profile(version).map(|profile| profile.version))
                .collect();
            known?
        };
        let fits = |flow: &&Flow| {
            patterns.is_empty()
                || patterns
                    .iter()
                    .any(|pattern| crate::run::glob_matches(pattern, &flow.id))
        };
        let flows: Vec<&Flow> = library.flows.iter().filter(fits).collect();
        if flows.is_empty() {
            return Err(format!("no flow is called {}", patterns.join(" or ")));
        }
        Ok(Self {
            flows,
            versions,
            slow,
            tell: |_| {},
        })
    }
}

impl Case {
    /// For people: one line when it is `same`, the first difference with both frames when not.
    pub fn to_text(&self) -> String {
        let line = format!("{:<10} {} {}", self.outcome.word(), self.version, self.flow);
        match &self.outcome {
            Outcome::Same => line,
            Outcome::Stale { reason } => format!(
                "{line}\n    differences.toml says: {reason}\n    hint: the difference is gone; remove the row"
            ),
            Outcome::Skipped { missing } => format!("{line}\n    missing: {missing}"),
            Outcome::Broken { problem } => format!("{line}\n    {problem}"),
            Outcome::Different(difference) => format!("{line}\n{}", difference.to_text()),
            Outcome::Known { reason, difference } => {
                format!("{line}\n    because: {reason}\n{}", difference.to_text())
            }
        }
    }

    /// For programs: one object.
    pub fn to_json(&self) -> Value {
        let mut object = json!({"flow": self.flow, "title": self.title, "version": self.version});
        let outcome = serde_json::to_value(&self.outcome).unwrap_or_default();
        if let (Some(object), Value::Object(outcome)) = (object.as_object_mut(), outcome) {
            object.extend(outcome);
        }
        object
    }

    /// Every entry on a line of its own.
    pub fn print_record(&self) -> String {
        let lines = self
            .entries
            .iter()
            .map(|entry| format!("{:<18} {}", entry.on, entry.got));
        let lines: Vec<String> = lines.collect();
        format!("{} {}\n{}", self.version, self.flow, lines.join("\n"))
    }

    /// Path and text of a golden record; none when nothing was heard, or not from a real gateway.
    pub fn golden(&self) -> Option<(String, String)> {
        if !self.real || self.entries.is_empty() {
            return None;
        }
        let golden = Golden {
            provenance: Provenance {
                flow: self.flow.clone(),
                flow_sha256: self.digest.clone(),
                gateway: format!("openclaw {}", self.version),
                recorded: jiff::Zoned::now().date().to_string(),
            },
            entries: self.entries.clone(),
        };
        Some((golden_path(self.version, &self.flow), golden.print()))
    }
}

impl Outcome {
    /// One word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different(_) => "DIFFERENT",
            Self::Known { .. } => "known",
            Self::Stale { .. } => "STALE",
            Self::Skipped { .. } => "skipped",
            Self::Broken { .. } => "BROKEN",
        }
    }
}

impl super::compare::Difference {
    /// Both frames, and the part that differs.
    pub fn to_text(&self) -> String {
        let show = |frame: &Option<Value>| match frame {
            Some(frame) => frame.to_string(),
            None => "nothing more".to_owned(),
        };
        let at = if self.at.is_empty() {
            "the whole"
        } else {
            &self.at
        };
        format!(
            "    on {}, heard {}: {at}\n    real: {}\n    mock: {}",
            self.on,
            self.nth,
            show(&self.expected),
            show(&self.got)
        )
    }
}

impl Report {
    /// One line with the counts.
    pub fn summary(&self) -> String {
        let count = |word: &str| {
            self.cases
                .iter()
                .filter(|case| case.outcome.word() == word)
                .count()
        };
        let judged = self.cases.len() - count("skipped");
        let percent = (count("same") * 1000)
            .checked_div(judged)
            .unwrap_or_default();
        format!(
            "{} flows compared: {} same ({}.{} %), {} known differences, {} different, {} stale, {} broken, {} skipped",
            judged,
            count("same"),
            percent / 10,
            percent % 10,
            count("known"),
            count("DIFFERENT"),
            count("STALE"),
            count("BROKEN"),
            count("skipped"),
        )
    }
}
