//! One flow from its text to its outcome; many flows at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use gateway_core::Profile;
use serde::Serialize;
use tokio::task::JoinSet;

use super::compare::{Difference, first_difference};
use super::flow::Flow;
use super::ground::Ground;
use super::library::Library;
use super::mock::{self, Twist};
use super::normalize::{Entry, record};
use super::plan::{Case, Plan, Report, Target};
use super::player;
use super::remote::Remote;

/// How a flow ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Both gateways said the same.
    Same,
    /// They did not.
    Different(Box<Difference>),
    /// They did not, and `differences.toml` says why.
    Known {
        /// The reason.
        reason: String,
        /// The difference.
        difference: Box<Difference>,
    },
    /// `differences.toml` has a row, and there is no difference.
    Stale {
        /// The reason that has gone.
        reason: String,
    },
    /// Could not be asked; what is missing.
    Skipped {
        /// What.
        missing: String,
    },
    /// The flow or its record is wrong in itself.
    Broken {
        /// What is wrong.
        problem: String,
    },
}

/// Plays a flow against the mock and compares it with what the real gateway said when it was recorded.
pub fn against_golden(library: &Library, flow: &Flow, version: &str, twist: Twist) -> Outcome {
    match try_against_golden(library, flow, version, twist) {
        Ok(outcome) => outcome,
        Err(problem) => Outcome::Broken { problem },
    }
}

fn try_against_golden(
    library: &Library,
    flow: &Flow,
    version: &str,
    twist: Twist,
) -> Result<Outcome, String> {
    let Some(golden) = library.golden(version, flow)? else {
        return Ok(Outcome::Skipped {
            missing: format!("a golden record of {version}"),
        });
    };
    let ours = perform(library, flow, version, twist)?;
    Ok(judge(library, flow, version, &golden.entries, &ours))
}

/// The record of the mock.
///
/// # Errors
/// When the flow is wrong in itself.
pub(crate) fn perform(
    library: &Library,
    flow: &Flow,
    version: &str,
    twist: Twist,
) -> Result<Vec<Entry>, String> {
    mock::perform(
        flow,
        known_profile(version)?,
        library.settings(flow)?,
        twist,
    )
}

/// The profile of a version.
///
/// # Errors
/// Names the versions that there are.
pub(crate) fn known_profile(version: &str) -> Result<&'static Profile, String> {
    gateway_core::profile(version).ok_or_else(|| {
        format!(
            "there is no profile {version}; known: {}",
            gateway_core::PROFILES.join(", ")
        )
    })
}

/// Compares, and looks the difference up.
pub(crate) fn judge(
    library: &Library,
    flow: &Flow,
    version: &str,
    expected: &[Entry],
    got: &[Entry],
) -> Outcome {
    let known = library
        .known
        .iter()
        .find(|row| row.flow == flow.id && row.version == version);
    match (first_difference(expected, got), known) {
        (None, None) => Outcome::Same,
        (None, Some(row)) => Outcome::Stale {
            reason: row.reason.clone(),
        },
        (Some(difference), Some(row)) => Outcome::Known {
            reason: row.reason.clone(),
            difference: Box::new(difference),
        },
        (Some(difference), None) => Outcome::Different(Box::new(difference)),
    }
}

/// Plays a plan.
///
/// # Errors
/// When the gateway that is asked for can't be had.
pub fn compare(library: &Library, plan: &Plan<'_>, target: &Target) -> Result<Report, String> {
    match target {
        Target::Mock => Ok(mocks(library, plan)),
        Target::Real => real(library, plan),
        Target::At {
            addr,
            secret,
            config,
            mint,
        } => {
            let remote = Remote {
                addr: *addr,
                secret: secret.clone(),
                mint: mint.clone(),
            };
            at(library, plan, remote, config)
        }
    }
}

/// Every flow against its golden record, on every processor.
fn mocks(library: &Library, plan: &Plan<'_>) -> Report {
    let jobs: Vec<(&'static str, &Flow)> = plan
        .versions
        .iter()
        .flat_map(|version| plan.flows.iter().map(|flow| (*version, *flow)))
        .filter(|(version, flow)| flow.runs_on(version))
        .collect();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((version, flow)) = jobs.get(number) else {
                        return;
                    };
                    let case = mock_case(library, flow, version);
                    done.lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .insert(number, case);
                }
            });
        }
    });
    let done = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    Report {
        cases: done.into_values().collect(),
    }
}

fn mock_case(library: &Library, flow: &Flow, version: &'static str) -> Case {
    let mut case = Case {
        flow: flow.id.clone(),
        title: flow.title.clone(),
        digest: flow.digest.clone(),
        version,
        outcome: Outcome::Same,
        entries: Vec::new(),
        real: false,
    };
    match perform(library, flow, version, None) {
        Ok(entries) => {
            case.outcome = match library.golden(version, flow) {
                Ok(Some(golden)) => judge(library, flow, version, &golden.entries, &entries),
                Ok(None) => Outcome::Skipped {
                    missing: format!("a golden record of {version}"),
                },
                Err(problem) => Outcome::Broken { problem },
            };
            case.entries = entries;
        }
        Err(problem) => case.outcome = Outcome::Broken { problem },
    }
    case
}

/// Flows that a gateway plays at the same time. More would only wait for its one thread.
const AT_ONCE: usize = 6;

/// Every flow of one configuration against a gateway that runs, and against the mock.
fn at(library: &Library, plan: &Plan<'_>, remote: Remote, config: &str) -> Result<Report, String> {
    let version = *plan.versions.first().ok_or("a version is needed")?;
    let mut flows = playable(library, plan, version);
    flows.retain(|(_, flow)| flow.config == config);
    let heard = runtime()?.block_on(play_all(&Arc::new(remote), flows));
    Ok(beside(library, plan, version, heard))
}

/// Every flow against real gateways that are started for it, and against the mock.
fn real(library: &Library, plan: &Plan<'_>) -> Result<Report, String> {
    let mut report = Report::default();
    for version in &plan.versions {
        let flows = playable(library, plan, version);
        let heard = runtime()?.block_on(async {
            tokio::select! {
                biased;
                // What was started ends with the future that it belongs to.
                _pressed = crate::interrupt::interrupted() => Err("ended by Ctrl-C".to_owned()),
                heard = super::real::play_version(library, version, flows, plan.tell) => heard,
            }
        })?;
        report
            .cases
            .extend(beside(library, plan, version, heard).cases);
    }
    Ok(report)
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
}

/// The flows of a plan that a real gateway of this version can be asked, each with its place among all flows.
fn playable(library: &Library, plan: &Plan<'_>, version: &str) -> Vec<(usize, Flow)> {
    library
        .flows
        .iter()
        .enumerate()
        .filter(|(_, flow)| plan.flows.iter().any(|wanted| wanted.id == flow.id))
        .filter(|(_, flow)| flow.runs_on(version) && (plan.slow || !flow.slow))
        .map(|(index, flow)| (index, flow.clone()))
        .collect()
}

/// Plays flows on one gateway, a few at a time; those that want it to themselves one by one. Slow ones mostly wait, so the
/// others are played meanwhile; what restarts or ends the gateway comes last.
pub(crate) async fn play_all<G: Ground + Send + 'static>(
    ground: &Arc<G>,
    flows: Vec<(usize, Flow)>,
) -> BTreeMap<String, Result<Vec<Entry>, String>> {
    let salt = u64::try_from(ground.now_ms()).unwrap_or_default();
    let (last, flows): (Vec<_>, Vec<_>) = flows
        .into_iter()
        .partition(|(_, flow)| flow.disturbs_the_gateway());
    let (slow, flows): (Vec<_>, Vec<_>) = flows.into_iter().partition(|(_, flow)| flow.slow);
    let (alone, together): (Vec<_>, Vec<_>) = flows.into_iter().partition(|(_, flow)| flow.alone);
    let mut heard = BTreeMap::new();
    let mut waiting = JoinSet::new();
    for (index, flow) in slow {
        let ground = Arc::clone(ground);
        waiting.spawn(async move { play_one(&*ground, flow, index, salt).await });
    }
    play_together(ground, together, salt, &mut heard).await;
    for (index, flow) in alone {
        heard.extend([play_one(&**ground, flow, index, salt).await]);
    }
    heard.extend(waiting.join_all().await);
    for (index, flow) in last {
        heard.extend([play_one(&**ground, flow, index, salt).await]);
    }
    heard
}

/// Plays flows that don't mind one another.
async fn play_together<G: Ground + Send + 'static>(
    ground: &Arc<G>,
    mut flows: Vec<(usize, Flow)>,
    salt: u64,
    heard: &mut BTreeMap<String, Result<Vec<Entry>, String>>,
) {
    flows.reverse();
    let mut tasks = JoinSet::new();
    loop {
        while tasks.len() < AT_ONCE
            && let Some((index, flow)) = flows.pop()
        {
            let ground = Arc::clone(ground);
            tasks.spawn(async move { play_one(&*ground, flow, index, salt).await });
        }
        match tasks.join_next().await {
            Some(Ok((flow, entries))) => heard.insert(flow, entries),
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            None => return,
        };
    }
}

async fn play_one<G: Ground>(
    ground: &G,
    flow: Flow,
    index: usize,
    salt: u64,
) -> (String, Result<Vec<Entry>, String>) {
    let played = player::play(ground, &flow, index, salt).await;
    (flow.id.clone(), played.map(|played| record(&flow, &played)))
}

fn beside(
    library: &Library,
    plan: &Plan<'_>,
    version: &'static str,
    mut heard: BTreeMap<String, Result<Vec<Entry>, String>>,
) -> Report {
    let cases = plan.flows.iter().filter_map(|flow| {
        let theirs = heard.remove(&flow.id)?;
        Some(side_by_side(library, flow, version, theirs))
    });
    Report {
        cases: cases.collect(),
    }
}

/// What a real gateway said beside what the mock says.
fn side_by_side(
    library: &Library,
    flow: &Flow,
    version: &'static str,
    theirs: Result<Vec<Entry>, String>,
) -> Case {
    let mut case = Case {
        flow: flow.id.clone(),
        title: flow.title.clone(),
        digest: flow.digest.clone(),
        version,
        outcome: Outcome::Same,
        entries: Vec::new(),
        real: true,
    };
    let theirs = match theirs {
        Ok(theirs) => theirs,
        Err(missing) => {
            case.outcome = Outcome::Skipped { missing };
            return case;
        }
    };
    case.outcome = match perform(library, flow, version, None) {
        Ok(ours) => judge(library, flow, version, &theirs, &ours),
        Err(problem) => Outcome::Broken { problem },
    };
    case.entries = theirs;
    case
}
