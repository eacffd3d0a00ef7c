//! Mounted behaviours: specifications with counters, and what they have captured.

use std::collections::{BTreeMap, BTreeSet};

use gateway_protocol::matcher::matches;
use gateway_protocol::{Captures, Role};
use serde_json::{Value, json};

use crate::behavior::{Behavior, Matcher, Reply, Trigger, glob, mentions_dollar};
use crate::view::BehaviorView;

/// Failures of one behaviour that are kept; a broken reply fails at every match.
const MAX_PROBLEMS: usize = 8;

/// What a matcher looks at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject<'a> {
    pub(crate) on: Trigger,
    pub(crate) conn: u32,
    pub(crate) id: Option<&'a str>,
    pub(crate) method: Option<&'a str>,
    pub(crate) role: Option<Role>,
    pub(crate) client: Option<&'a str>,
    pub(crate) mode: Option<&'a str>,
    pub(crate) device: Option<&'a str>,
    pub(crate) params: Option<&'a Value>,
}

impl Subject<'_> {
    fn describe(&self) -> String {
        let what = self.method.unwrap_or(self.on.as_str());
        format!("{what} on connection #{}", self.conn)
    }
}

#[derive(Clone, Debug)]
struct Mounted {
    behavior: Behavior,
    /// The reply refers to captures.
    is_template: bool,
    matched: u32,
    applied: u32,
    problems: Vec<String>,
    /// The subject that came closest without matching: how many members held, and which did not.
    near: Option<(usize, String)>,
}

/// All mounted behaviours in mounting order, what they captured, and which notes were passed.
#[derive(Clone, Debug, Default)]
pub(crate) struct MountedBehaviors {
    all: Vec<Mounted>,
    captures: Captures,
    notes: BTreeSet<String>,
    change: u64,
}

impl MountedBehaviors {
    /// Mounts one; the error says what is wrong with it.
    pub(crate) fn mount(&mut self, behavior: Behavior) -> Result<(), String> {
        if self.find(&behavior.name).is_some() {
            return Err("is mounted already".to_owned());
        }
        behavior
            .check()
            .map_err(|wrong| format!("makes no sense: {wrong}"))?;
        let reply = serde_json::to_value(&behavior.reply).unwrap_or_default();
        self.change += 1;
        self.all.push(Mounted {
            is_template: mentions_dollar(&reply),
            behavior,
            matched: 0,
            applied: 0,
            problems: Vec::new(),
            near: None,
        });
        Ok(())
    }

    /// Takes one away and gives its counters; none when there is none of that name.
    pub(crate) fn unmount(&mut self, name: &str) -> Option<BehaviorView> {
        let index = self.find(name)?;
        self.change += 1;
        Some(self.all.remove(index).view())
    }

    /// A note was passed: `after` and `before` know it.
    pub(crate) fn note(&mut self, name: &str) {
        self.notes.insert(name.to_owned());
    }

    /// Values that something else captured.
    pub(crate) fn bind(&mut self, values: BTreeMap<String, Value>) {
        self.captures.extend(values);
    }

    pub(crate) fn captures(&self) -> &Captures {
        &self.captures
    }

    /// The reply of the behaviour that takes this subject, with captures filled in; counts. A reply that can't be
    /// filled in is a problem of its behaviour, and the built-in answer runs.
    pub(crate) fn reply_to(&mut self, subject: &Subject<'_>) -> Option<(String, Reply)> {
        if !self.all.is_empty() {
            self.change += 1;
        }
        let index = self.chosen(subject)?;
        let mounted = self.all.get_mut(index)?;
        mounted.applied += 1;
        let name = mounted.behavior.name.clone();
        let frame = if mounted.behavior.capture.is_empty() {
            Value::Null
        } else {
            json!({
                "type": "req", "id": subject.id, "method": subject.method, "params": subject.params,
            })
        };
        let mut problems = Vec::new();
        for (captured, pointer) in &mounted.behavior.capture {
            let found = match pointer.strip_prefix("frame/") {
                Some(rest) => frame.pointer(&format!("/{rest}")),
                None => subject.params.and_then(|params| params.pointer(pointer)),
            };
            match found {
                Some(value) => {
                    self.captures.insert(captured.clone(), value.clone());
                }
                None => problems.push(format!(
                    "capture {captured}: {} has nothing at {pointer}",
                    subject.describe()
                )),
            }
        }
        let reply = if mounted.is_template {
            mounted.behavior.reply.filled(&self.captures)
        } else {
            Ok(mounted.behavior.reply.clone())
        };
        let reply = reply.map_err(|why| problems.push(format!("fill in its reply: {why}")));
        for problem in problems {
            self.failed(&name, problem);
        }
        Some((name, reply.ok()?))
    }

    /// Something that a behaviour was to do could not be done.
    pub(crate) fn failed(&mut self, name: &str, problem: String) {
        let Some(mounted) = self.find(name).and_then(|index| self.all.get_mut(index)) else {
            return;
        };
        self.change += 1;
        if mounted.problems.len() < MAX_PROBLEMS {
            mounted.problems.push(problem);
        }
    }

    /// Rises with each change of what [`views`](Self::views) shows.
    pub(crate) fn change(&self) -> u64 {
        self.change
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn views(&self) -> Vec<BehaviorView> {
        self.all.iter().map(Mounted::view).collect()
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.all
            .iter()
            .position(|mounted| mounted.behavior.name == name)
    }

    /// Of those that match and have uses left the one with the lowest priority, of equal ones the first. Each that
    /// matches counts the match until one is chosen.
    fn chosen(&mut self, subject: &Subject<'_>) -> Option<usize> {
        let mut order: Vec<usize> = (0..self.all.len()).collect();
        order.sort_by_key(|index| {
            self.all
                .get(*index)
                .map(|mounted| mounted.behavior.priority)
        });
        let (captures, notes) = (&self.captures, &self.notes);
        order.into_iter().find(|index| {
            let Some(mounted) = self.all.get_mut(*index) else {
                return false;
            };
            if mounted.behavior.times.is_spent(mounted.applied) {
                return false;
            }
            let passed = |name: &str| notes.contains(name) || captures.contains_key(name);
            if let Err((held, why)) = holds(&mounted.behavior.when, subject, captures, passed) {
                let closer = mounted.near.as_ref().is_none_or(|(best, _)| held >= *best);
                if closer && mounted.behavior.when.on == subject.on {
                    mounted.near = Some((held, format!("{}: {why}", subject.describe())));
                }
                return false;
            }
            mounted.matched += 1;
            let nth = mounted.behavior.when.nth;
            nth.is_none_or(|nth| nth == mounted.matched)
        })
    }
}

impl Mounted {
    fn view(&self) -> BehaviorView {
        let behavior = &self.behavior;
        let verdict = behavior.times.verdict(self.applied, behavior.optional);
        BehaviorView {
            name: behavior.name.clone(),
            matched: self.matched,
            applied: self.applied,
            demanded: verdict.err(),
            problems: self.problems.clone(),
            near: self
                .near
                .as_ref()
                .filter(|_| self.applied == 0)
                .map(|(_, why)| why.clone()),
        }
    }
}

/// Whether every member holds; else how many did, and the first that did not. Values of parameters may be secret and
/// are not said.
fn holds(
    when: &Matcher,
    subject: &Subject<'_>,
    captures: &Captures,
    passed: impl Fn(&str) -> bool,
) -> Result<(), (usize, String)> {
    let said = |name: &str, wanted: &str, got: Option<&str>| {
        let got = got.unwrap_or("nothing");
        format!("{name} is {got}, not {wanted}")
    };
    let text = |name: &'static str, wanted: &Option<String>, got: Option<&str>| {
        wanted.as_deref().map(|wanted| {
            let captured = wanted
                .strip_prefix('$')
                .and_then(|name| captures.get(name)?.as_str());
            let wanted = captured.unwrap_or(wanted);
            let fits = got.is_some_and(|got| glob(wanted, got));
            (fits, said(name, wanted, got))
        })
    };
    let role = subject.role.map(|role| role.to_string());
    let params = when.params.as_ref().map(|wanted| {
        let found = matches(wanted, subject.params.unwrap_or(&Value::Null), captures);
        let why = found.as_ref().err().map(|miss| miss.pointer.clone());
        let why = format!("params do not fit at {}", why.unwrap_or_default());
        (found.is_ok(), why)
    });
    let checks = [
        Some((when.on == subject.on, "it is something else".to_owned())),
        text("method", &when.method, subject.method),
        when.conn
            .as_ref()
            .map(|pick| (pick.takes(subject.conn), "another connection".to_owned())),
        text(
            "role",
            &when.role.map(|role| role.to_string()),
            role.as_deref(),
        ),
        text("client", &when.client, subject.client),
        text("mode", &when.mode, subject.mode),
        text("device", &when.device, subject.device),
        when.after
            .as_deref()
            .map(|note| (passed(note), format!("{note} has not come yet"))),
        when.before
            .as_deref()
            .map(|note| (!passed(note), format!("{note} has come already"))),
        params,
    ];
    let failed = checks
        .into_iter()
        .flatten()
        .enumerate()
        .find(|(_, (fits, _))| !fits);
    match failed {
        Some((held, (_, why))) => Err((held, why)),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "mounted_tests.rs"]
mod tests;
