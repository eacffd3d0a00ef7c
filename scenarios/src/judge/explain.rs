//! From outcomes to findings: everything that a stranger needs to understand what went wrong.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use gateway_core::BehaviorView;
use serde_json::Value;
use transcript::{Direction, Entry, Kind, Stage};

use super::expectations::{describe, wanted};
use super::finding::{ConnectionTail, Difference, Finding};
use super::invariant::{self, Evidence};
use super::record::{EndOutcome, EndSection, Missed, Nearest, RunEnd, RunRecord, StepResult};
use super::wire::{Wire, line, summary};
use crate::scenario::{Lapse, Scenario, Step, lower};

/// How many frames of each connection a finding shows.
const TAIL: usize = 6;
/// How many connections, the newest ones, a finding shows.
const CONNECTIONS: usize = 8;
/// How many entries of evidence a finding shows.
const EVIDENCE: usize = 5;

pub(super) struct Explainer<'a> {
    scenario: &'a Scenario,
    record: &'a RunRecord,
    wire: Wire,
}

impl<'a> Explainer<'a> {
    pub(super) fn new(scenario: &'a Scenario, record: &'a RunRecord) -> Self {
        Self {
            scenario,
            record,
            wire: Wire::of(&record.transcript.entries),
        }
    }

    /// Findings of steps that failed.
    pub(super) fn steps(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for outcome in &self.record.steps {
            let Some(step) = self.scenario.steps.get(outcome.index) else {
                continue;
            };
            match &outcome.result {
                StepResult::Missed(missed) => findings.push(self.missed(step, missed)),
                StepResult::Refused { why } => {
                    let mut finding = self.finding("step", step.at.as_ref());
                    finding.summary =
                        format!("step {} could not be done: {why}", step.value.verb());
                    findings.push(finding);
                }
                StepResult::Done | StepResult::Met { .. } | StepResult::NotReached => {}
            }
        }
        findings
    }

    fn missed(&self, step: &crate::scenario::Located<Step>, missed: &Missed) -> Finding {
        let rule = if matches!(step.value, Step::Quiet(_)) {
            "quiet"
        } else {
            "expectation"
        };
        let mut finding = self.finding(rule, step.at.as_ref());
        let waited = rounded(missed.waited);
        finding.summary = match &step.value {
            Step::Expect(expect) => format!("{} did not come within {waited}", wanted(expect)),
            Step::Quiet(quiet) => format!(
                "{} came, but {} of silence was demanded",
                describe(&quiet.pattern()),
                quiet.lasting
            ),
            Step::Start(_)
            | Step::Stop(_)
            | Step::Do(_)
            | Step::Send(_)
            | Step::Fault(_)
            | Step::Heal(_)
            | Step::Elapse(_)
            | Step::Close(_)
            | Step::Control(_)
            | Step::Clock(_)
            | Step::Disk(_)
            | Step::Note(_) => format!("{} did not come within {waited}", missed.wanted),
        };
        finding.difference = missed
            .nearest
            .as_ref()
            .map(|nearest| self.difference(nearest));
        finding
    }

    /// Findings of `never`, `count` and `finally`.
    pub(super) fn ends(&self) -> Vec<Finding> {
        self.record
            .ends
            .iter()
            .filter(|outcome| !outcome.held)
            .map(|outcome| self.end(outcome))
            .collect()
    }

    /// Findings of behaviours: used too rarely or too often, or unable to do what they should. A run that was stopped
    /// says nothing of what would have been used.
    pub(super) fn behaviors(&self) -> Vec<Finding> {
        let completed = self.record.end == RunEnd::Completed;
        let views = self.record.views.gateway.get("behaviors");
        let views = views.and_then(Value::as_array).into_iter().flatten();
        let views = views.filter_map(|view| serde_json::from_value(view.clone()).ok());
        views
            .flat_map(|view: BehaviorView| self.behavior(&view, completed))
            .collect()
    }

    fn behavior(&self, view: &BehaviorView, completed: bool) -> Vec<Finding> {
        let name = view.name.as_str();
        let at = self.place_of_behavior(name);
        let mut findings = Vec::new();
        if let Some(demanded) = view.demanded.as_ref().filter(|_| completed) {
            let mut finding = self.finding("behaviour", at.as_ref());
            let used = times(usize::try_from(view.applied).unwrap_or(usize::MAX));
            finding.summary = format!("behaviour {name:?} was used {used}; demanded: {demanded}");
            if let Some(near) = &view.near {
                finding.evidence.push(format!("came closest: {near}"));
            }
            if view.applied == 0 {
                let hint = "hint: `optional = true` lets it stay unused";
                finding.evidence.push(hint.to_owned());
            }
            findings.push(finding);
        }
        for problem in &view.problems {
            let mut finding = self.finding("behaviour", at.as_ref());
            finding.summary = format!("behaviour {name:?} could not do its part: {problem}");
            findings.push(finding);
        }
        findings
    }

    fn place_of_behavior(&self, name: &str) -> Option<Range<usize>> {
        let is_named = |own: &Option<String>, fallback: String| {
            own.as_deref().map_or(fallback == name, |own| own == name)
        };
        let gateway = &self.scenario.gateway;
        let on = (gateway.on.iter().enumerate())
            .find(|(index, on)| is_named(&on.name, lower::on_name(*index)))
            .and_then(|(_, on)| on.at.clone());
        let plan = || {
            (gateway.connection.iter().enumerate())
                .find(|(index, plan)| is_named(&plan.name, lower::plan_name(*index)))
                .and_then(|(_, plan)| plan.at.clone())
        };
        let step = || {
            let steps = self.scenario.steps.iter().find(|step| {
                matches!(&step.value, Step::Control(control)
                    if control.on.as_ref().is_some_and(|on| is_named(&on.name, "mounted".to_owned())))
            });
            steps.and_then(|step| step.at.clone())
        };
        on.or_else(plan).or_else(step)
    }

    fn end(&self, outcome: &EndOutcome) -> Finding {
        let scenario = self.scenario;
        let seen = times(outcome.entries.len());
        let (rule, at, summary, because) = match outcome.section {
            EndSection::Never => {
                let never = scenario.never.get(outcome.index);
                let what = never
                    .map(|never| describe(&never.pattern()))
                    .unwrap_or_default();
                let because = never.and_then(|never| never.because.clone());
                (
                    "never",
                    never.and_then(|never| never.at.clone()),
                    format!("{what} was seen {seen} and must not be"),
                    because,
                )
            }
            EndSection::Count => {
                let count = scenario.count.get(outcome.index);
                let what = count
                    .map(|count| describe(&count.pattern()))
                    .unwrap_or_default();
                let limits = count
                    .map(|count| bounds(count.exactly, count.min, count.max))
                    .unwrap_or_default();
                let because = count.and_then(|count| count.because.clone());
                let summary = match count.and_then(|count| count.reports.as_ref()) {
                    Some(reports) => {
                        let got = outcome.nearest.as_ref().and_then(|it| it.got.parse().ok());
                        let actor = count
                            .and_then(|count| count.actor.clone())
                            .unwrap_or_default();
                        let told = times(got.unwrap_or_default());
                        format!("{actor} reported {reports} {told}, wanted {limits}")
                    }
                    None => format!("{what} was seen {seen}, wanted {limits}"),
                };
                (
                    "count",
                    count.and_then(|count| count.at.clone()),
                    summary,
                    because,
                )
            }
            EndSection::Finally => {
                let finally = scenario.finally.get(outcome.index);
                let whose = finally
                    .and_then(|finally| finally.actor.clone())
                    .unwrap_or_else(|| "the gateway".to_owned());
                let because = finally.and_then(|finally| finally.because.clone());
                (
                    "finally",
                    finally.and_then(|finally| finally.at.clone()),
                    format!("at the end the state of {whose} is not as demanded"),
                    because,
                )
            }
        };
        let mut finding = self.finding(rule, at.as_ref());
        finding.summary = match because {
            Some(because) => format!("{summary} ({because})"),
            None => summary,
        };
        finding.evidence = self.evidence(&outcome.entries);
        finding.difference = outcome
            .nearest
            .as_ref()
            .filter(|_| outcome.section != EndSection::Count)
            .map(|nearest| self.difference(nearest));
        finding
    }

    /// Findings of the invariants that the scenario does not allow to be broken.
    pub(super) fn invariants(&self) -> Vec<Finding> {
        let evidence = Evidence::new(self.scenario, self.record, &self.wire);
        let mut findings = Vec::new();
        for row in invariant::REGISTRY {
            // A foreign client is a process, and the companion's own rules do not bind it.
            let foreign = !self.record.programs.is_empty();
            let elsewhere = foreign && row.subject == invariant::Subject::Companion;
            if elsewhere || self.scenario.allow.contains_key(row.name) {
                continue;
            }
            for breach in (row.check)(&evidence) {
                let mut finding = self.finding(&format!("invariant:{}", row.name), None);
                finding.summary = breach.what;
                finding.evidence = self.evidence(&breach.entries);
                finding.reference = Some(row.source.to_owned());
                findings.push(finding);
            }
        }
        findings
    }

    fn finding(&self, rule: &str, at: Option<&Range<usize>>) -> Finding {
        Finding {
            rule: rule.to_owned(),
            place: self.scenario.place(at),
            excerpt: self.excerpt(at),
            last_frames: self.tails(),
            believed: self.believed(),
            repeat: format!(
                "clawproof run {} --world {} --seed {}",
                self.scenario.selected(),
                self.record.world,
                self.record.seed
            ),
            ..Finding::default()
        }
    }

    fn excerpt(&self, at: Option<&Range<usize>>) -> Vec<String> {
        let Some((first, _)) = self.scenario.line_of(at) else {
            return Vec::new();
        };
        let end = at.map(|at| Range {
            start: at.end.saturating_sub(1),
            end: at.end,
        });
        let last = self
            .scenario
            .line_of(end.as_ref())
            .map_or(first, |(line, _)| line);
        // A [[table]] header is all that the parser places: show the lines that follow it, up to the next blank one.
        let lines = self
            .scenario
            .source
            .text
            .lines()
            .enumerate()
            .skip(first - 1);
        lines
            .take_while(|(index, text)| *index < last || !text.trim().is_empty())
            .take(8)
            .map(|(index, text)| format!("{:>4} | {text}", index + 1))
            .collect()
    }

    fn difference(&self, nearest: &Nearest) -> Difference {
        let entry = nearest.entry.and_then(|n| self.entry(n));
        Difference {
            nearest: entry.map_or_else(String::new, |entry| line(entry, &self.wire)),
            pointer: nearest.pointer.clone(),
            expected: nearest.expected.clone(),
            got: nearest.got.clone(),
        }
    }

    fn entry(&self, n: u64) -> Option<&Entry> {
        let entries = &self.record.transcript.entries;
        entries
            .binary_search_by_key(&n, |entry| entry.n)
            .ok()
            .and_then(|index| entries.get(index))
    }

    fn evidence(&self, entries: &[u64]) -> Vec<String> {
        let mut lines: Vec<String> = entries
            .iter()
            .take(EVIDENCE)
            .filter_map(|n| self.entry(*n))
            .map(|entry| line(entry, &self.wire))
            .collect();
        if entries.len() > EVIDENCE {
            lines.push(format!("... and {} more", entries.len() - EVIDENCE));
        }
        lines
    }

    fn tails(&self) -> Vec<ConnectionTail> {
        let mut newest: Vec<u32> = self.wire.connections().map(|(conn, _)| conn).collect();
        let skip = newest.len().saturating_sub(CONNECTIONS);
        newest.drain(..skip);
        let mut frames: BTreeMap<u32, VecDeque<String>> = newest
            .into_iter()
            .map(|conn| (conn, VecDeque::new()))
            .collect();
        for entry in self
            .record
            .transcript
            .entries
            .iter()
            .filter(|entry| said(entry))
        {
            let Some(tail) = entry.conn.and_then(|conn| frames.get_mut(&conn)) else {
                continue;
            };
            let way = match entry.dir {
                Some(Direction::ClientToGateway) => "->",
                Some(Direction::GatewayToClient) => "<-",
                None => "  ",
            };
            if tail.len() == TAIL {
                tail.pop_front();
            }
            let what = summary(entry, &self.wire);
            tail.push_back(format!("{} {way} {what}", super::wire::seconds(entry.t_us)));
        }
        frames
            .into_iter()
            .map(|(conn, frames)| ConnectionTail {
                connection: self.wire.describe(conn),
                frames: frames.into(),
            })
            .collect()
    }

    fn believed(&self) -> Vec<String> {
        let view = &self.record.views.gateway;
        let list = |name: &str| {
            view.get(name)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let text = |value: &Value, name: &str| {
            value
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or("?")
                .chars()
                .take(12)
                .collect::<String>()
        };
        let mut lines = Vec::new();
        for device in list("devices") {
            let roles = device
                .get("roles")
                .map(ToString::to_string)
                .unwrap_or_default();
            lines.push(format!(
                "device {} is paired as {roles}",
                text(&device, "device_id")
            ));
        }
        for request in list("pending_devices") {
            let roles = request
                .get("roles")
                .map(ToString::to_string)
                .unwrap_or_default();
            lines.push(format!(
                "device {} waits for approval as {roles}",
                text(&request, "device_id")
            ));
        }
        for node in list("nodes") {
            lines.push(format!(
                "node {} is {}",
                text(&node, "node_id"),
                text(&node, "approval_state")
            ));
        }
        for request in list("pending_nodes") {
            lines.push(format!(
                "node {} waits for approval",
                text(&request, "node_id")
            ));
        }
        lines
    }
}

/// A lapse without more digits than a person reads.
fn rounded(waited: std::time::Duration) -> Lapse {
    let millis = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
    let step = if millis > 1_000 { 100 } else { 1 };
    Lapse::millis(millis / step * step)
}

fn times(count: usize) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        many => format!("{many} times"),
    }
}

fn bounds(exactly: Option<u32>, min: Option<u32>, max: Option<u32>) -> String {
    match (exactly, min, max) {
        (Some(n), _, _) => format!("exactly {n}"),
        (None, Some(min), Some(max)) => format!("{min} to {max}"),
        (None, Some(min), None) => format!("at least {min}"),
        (None, None, Some(max)) => format!("at most {max}"),
        (None, None, None) => "any number".to_owned(),
    }
}

/// Entries that count as frames in a tail: each message once.
fn said(entry: &Entry) -> bool {
    match entry.kind {
        Kind::Text | Kind::Binary | Kind::Close => entry.stage != Some(Stage::Delivered),
        Kind::Open | Kind::Eof | Kind::Reset | Kind::Fault => true,
        Kind::Ping | Kind::Pong | Kind::Step | Kind::Note => false,
    }
}
