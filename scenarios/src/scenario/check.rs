//! Whether a scenario makes sense: everything that types cannot say.
//!
//! Errors stop a run; warnings (a method that nobody has listed) are shown and the run goes on.

use std::collections::BTreeSet;
use std::ops::Range;

use super::Scenario;
use super::diagnostic::{Problem, Problems};
use super::parsing::nearest;

mod arrange;
mod ends;
mod names;
mod steps;

/// Checks a scenario. The list is empty when nothing is wrong.
///
/// ```
/// use scenarios::scenario::{Scenario, check::check};
/// let problems = check(&Scenario::builder("setup-connect/empty", "Nothing happens").build());
/// assert!(problems.list.iter().any(|problem| problem.code == "scenario::no_about"));
/// ```
pub fn check(scenario: &Scenario) -> Problems {
    let mut checker = Checker {
        scenario,
        list: Vec::new(),
        bound: BTreeSet::new(),
    };
    checker.head();
    arrange::check(&mut checker);
    steps::check(&mut checker);
    ends::check(&mut checker);
    let mut list = checker.list;
    list.sort_by_key(|problem| problem.at.as_ref().map_or(0, |at| at.start));
    Problems {
        file: scenario.source.file.clone(),
        text: scenario.source.text.clone(),
        list,
    }
}

struct Checker<'a> {
    scenario: &'a Scenario,
    list: Vec<Problem>,
    /// Captures that are bound at the step that is looked at.
    bound: BTreeSet<String>,
}

impl Checker<'_> {
    fn report(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    fn head(&mut self) {
        let scenario = self.scenario;
        if scenario.title.trim().is_empty() {
            self.report(
                Problem::error("scenario::no_title", "the scenario has no title".to_owned())
                    .help("add `title = \"...\"`: what it shows, as one sentence"),
            );
        }
        if scenario.about.trim().is_empty() {
            self.report(
                Problem::error(
                    "scenario::no_about",
                    "the scenario does not say where it comes from".to_owned(),
                )
                .help("add `about = \"...\"`: an issue, a requirement or a page of the reference"),
            );
        }
        if scenario.steps.is_empty() {
            self.report(
                Problem::error("scenario::no_steps", "the scenario has no steps".to_owned())
                    .help("add a `[[step]]`, for example `start = \"companion\"`"),
            );
        }
        self.id();
        self.allow();
        self.profile();
        self.worlds();
    }

    fn id(&mut self) {
        let id = self.scenario.id.clone();
        let plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '/');
        if id.is_empty() || !id.chars().all(plain) {
            self.report(
                Problem::error(
                    "scenario::bad_id",
                    format!("the id {id:?} is no path in lower case"),
                )
                .help("the id is the file's path below suite/ without .toml: words with hyphens"),
            );
        }
        if self.scenario.shard().is_none() {
            self.report(
                Problem::error("scenario::no_shard", format!("no shard: {id:?} starts with none"))
                    .help("put it below setup-connect/, revocation-recovery/ or network-recovery/, or add `shard = \"...\"`"),
            );
        }
    }

    fn allow(&mut self) {
        for (name, reason) in &self.scenario.allow {
            let place = self.word(name);
            if crate::judge::invariant::named(name).is_none() {
                let known = crate::judge::invariant::REGISTRY.iter().map(|row| row.name);
                let help = match nearest(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`clawproof explain invariants` lists them".to_owned(),
                };
                self.report(
                    Problem::error(
                        "scenario::unknown_invariant",
                        format!("no invariant is called {name}"),
                    )
                    .at(place.clone())
                    .help(help),
                );
            }
            if reason.trim().is_empty() {
                self.report(
                    Problem::error(
                        "scenario::allow_without_reason",
                        format!("no reason is given for allowing {name}"),
                    )
                    .at(place)
                    .help(format!(
                        "write `{name} = \"why this scenario breaks it on purpose\"`"
                    )),
                );
            }
        }
    }

    fn profile(&mut self) {
        let Some(profile) = &self.scenario.profile else {
            return;
        };
        if gateway_core::profile(profile).is_none() {
            let place = self.word(profile);
            self.report(
                Problem::error(
                    "scenario::unknown_profile",
                    format!("no gateway profile is called {profile}"),
                )
                .at(place)
                .help(format!("the default is {}", gateway_core::DEFAULT_PROFILE)),
            );
        }
    }

    fn worlds(&mut self) {
        let worlds = self.scenario.worlds();
        let listed: BTreeSet<_> = worlds.iter().copied().collect();
        if listed.len() != worlds.len() {
            let place = self.word("worlds");
            self.report(
                Problem::error(
                    "scenario::duplicate_world",
                    "a world is listed twice".to_owned(),
                )
                .at(place)
                .help("list each world once"),
            );
        }
    }

    /// The first place in the file where a word stands behind another one.
    fn word_after(&self, first: &str, word: &str) -> Option<Range<usize>> {
        let text = &self.scenario.source.text;
        let behind = text.find(first)? + first.len();
        let start = behind + text.get(behind..)?.find(word)?;
        Some(start..start + word.len())
    }

    /// The first place in the file where a word stands.
    fn word(&self, word: &str) -> Option<Range<usize>> {
        let text = &self.scenario.source.text;
        let start = text.find(word)?;
        Some(start..start + word.len())
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
