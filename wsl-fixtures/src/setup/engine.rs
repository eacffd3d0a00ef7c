//! Runs the steps: retries, rollback, resumption after a kill.

use std::time::Duration;

use super::context::Context;
use super::journal::{Journal, Line};
use super::mutation::Mutation;
use super::steps::STEPS;

/// How often a step is tried, and how long it is waited between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all.
    pub attempts: u32,
    /// The first wait; it doubles up to thirty seconds.
    pub delay: Duration,
}

impl Retry {
    /// Once.
    pub const ONCE: Self = Self::times(1, 0);

    /// So many attempts, this many seconds apart at first.
    pub const fn times(attempts: u32, seconds: u64) -> Self {
        Self {
            attempts,
            delay: Duration::from_secs(seconds),
        }
    }
}

/// The default: three attempts, two seconds.
impl Default for Retry {
    fn default() -> Self {
        Self::times(3, 2)
    }
}

const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// Why a step fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepError {
    /// Another attempt may help.
    Again(String),
    /// No attempt can help.
    Terminal(String),
    /// The user said stop.
    Cancelled,
}

impl StepError {
    /// Another attempt may help.
    pub(super) fn again(said: impl Into<String>) -> Self {
        Self::Again(said.into())
    }

    /// No attempt can help.
    pub(super) fn terminal(said: impl Into<String>) -> Self {
        Self::Terminal(said.into())
    }
}

/// What undoes a step.
pub type Undo = fn(&mut Context<'_>) -> Result<(), String>;

/// One step.
#[derive(Clone, Copy)]
pub struct Step {
    /// Its name in the journal.
    pub id: &'static str,
    /// How often it is tried.
    pub retry: Retry,
    /// Why it is left out, if it is.
    pub skip: fn(&Context<'_>) -> Option<&'static str>,
    /// What it does.
    pub run: fn(&mut Context<'_>) -> Result<(), StepError>,
    /// What undoes it; it may find nothing to undo.
    pub undo: Option<Undo>,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// How a set-up ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything stands.
    Done,
    /// A step failed.
    Failed {
        /// Which.
        step: String,
        /// Why.
        message: String,
    },
    /// The user said stop.
    Cancelled,
    /// The journal could not be written: nothing more was done, not even undone.
    Killed,
}

impl Outcome {
    /// The exit code of a program: 0 done, 1 failed or killed, 3 cancelled.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed { .. } | Self::Killed => 1,
            Self::Cancelled => 3,
        }
    }
}

/// The journal is full: stop where we stand.
struct Killed;

impl From<std::io::Error> for Killed {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

/// Runs the whole set-up. A run before that did not come to its end is undone first.
pub fn run(context: &mut Context<'_>, journal: &mut dyn Journal) -> Outcome {
    set_up(context, journal).unwrap_or(Outcome::Killed)
}

/// Runs one step again on a set-up that stands, without undoing anything when it fails.
///
/// `None` when no step is called `id`.
pub fn repeat(context: &mut Context<'_>, journal: &mut dyn Journal, id: &str) -> Option<Outcome> {
    let step = STEPS.iter().find(|step| step.id == id)?;
    Some(match one(context, journal, step) {
        Ok(None) => Outcome::Done,
        Ok(Some(error)) => ended_by(step, error),
        Err(Killed) => Outcome::Killed,
    })
}

fn ended_by(step: &Step, error: StepError) -> Outcome {
    match error {
        StepError::Cancelled => Outcome::Cancelled,
        StepError::Again(message) | StepError::Terminal(message) => Outcome::Failed {
            step: step.id.to_owned(),
            message,
        },
    }
}

/// Undoes everything, in reverse, past failures; what the set-up did not make stays.
pub fn uninstall(context: &mut Context<'_>, journal: &mut dyn Journal) -> Outcome {
    let mut work = || -> Result<Outcome, Killed> {
        journal.add(Line::new(context.now(), "uninstall_started", None))?;
        let failed = undo(context, journal, STEPS.iter().rev())?;
        let outcome = match failed {
            None => Outcome::Done,
            Some((step, message)) => Outcome::Failed { step, message },
        };
        finish(context, journal, "uninstall", &outcome)?;
        Ok(outcome)
    };
    work().unwrap_or(Outcome::Killed)
}

fn set_up(context: &mut Context<'_>, journal: &mut dyn Journal) -> Result<Outcome, Killed> {
    let left = unfinished(journal.lines());
    journal.add(Line::new(context.now(), "pipeline_started", None))?;
    if !left.is_empty() {
        let steps = STEPS
            .iter()
            .rev()
            .filter(|step| left.iter().any(|id| id == step.id));
        undo(context, journal, steps)?;
    }
    let mut outcome = Outcome::Done;
    for (at, step) in STEPS.iter().enumerate() {
        match one(context, journal, step)? {
            None => {}
            Some(error) => {
                outcome = ended_by(step, error);
                let is_left =
                    outcome == Outcome::Cancelled && context.errs(Mutation::CancelLeavesAll);
                if context.config.rollback_on_failure && !is_left {
                    let keeps = context.config.keep_healthy_gateway
                        && context.is_healthy
                        && !context.errs(Mutation::TakesAHealthyGateway);
                    let done = STEPS.iter().take(at + 1).rev();
                    undo(
                        context,
                        journal,
                        done.take_while(|step| !(keeps && step.id == "start-gateway")),
                    )?;
                }
                break;
            }
        }
    }
    finish(context, journal, "pipeline", &outcome)?;
    Ok(outcome)
}

fn finish(
    context: &Context<'_>,
    journal: &mut dyn Journal,
    what: &str,
    outcome: &Outcome,
) -> Result<(), Killed> {
    let (end, detail) = match outcome {
        Outcome::Done => ("completed", None),
        Outcome::Failed { step, message } => ("failed", Some(format!("{step}: {message}"))),
        Outcome::Cancelled => ("cancelled", None),
        Outcome::Killed => return Ok(()),
    };
    journal.add(Line {
        detail,
        ..Line::new(context.now(), &format!("{what}_{end}"), None)
    })?;
    Ok(())
}

/// Steps of the last run that began, when the run has no end.
fn unfinished(lines: &[Line]) -> Vec<String> {
    let is_end = |line: &Line| {
        ["pipeline_", "uninstall_"].iter().any(|what| {
            line.event
                .strip_prefix(what)
                .is_some_and(|end| matches!(end, "completed" | "failed" | "cancelled"))
        })
    };
    let begun = lines.iter().rposition(is_end).map_or(0, |at| at + 1);
    let since = lines
        .iter()
        .skip(begun)
        .filter(|line| line.event == "step_started");
    since.filter_map(|line| line.step_id.clone()).collect()
}

fn one(
    context: &mut Context<'_>,
    journal: &mut dyn Journal,
    step: &Step,
) -> Result<Option<StepError>, Killed> {
    if let Some(why) = (step.skip)(context) {
        let line = Line::new(context.now(), "step_completed", Some(step.id));
        journal.add(Line {
            outcome: Some("skipped".to_owned()),
            detail: Some(why.to_owned()),
            ..line
        })?;
        return Ok(None);
    }
    journal.add(Line::new(context.now(), "step_started", Some(step.id)))?;
    let begun = context.now();
    let mut delay = step.retry.delay;
    let mut left = step.retry.attempts;
    let result = loop {
        left = left.saturating_sub(1);
        if context.peer.is_cancelled() {
            break Some(StepError::Cancelled);
        }
        match (step.run)(context) {
            Ok(()) => break None,
            Err(StepError::Again(_)) if left > 0 => {
                context.wsl.pause(delay);
                delay = (delay * 2).min(LONGEST_DELAY);
            }
            Err(error) => break Some(error),
        }
    };
    let (outcome, detail) = match &result {
        None => ("success", remarks(context)),
        Some(StepError::Cancelled) => ("cancelled", None),
        Some(StepError::Again(said) | StepError::Terminal(said)) => {
            ("failed", Some(context.clean(said)))
        }
    };
    let elapsed = context.now().saturating_sub(begun).as_millis();
    journal.add(Line {
        outcome: Some(outcome.to_owned()),
        elapsed: u64::try_from(elapsed).unwrap_or(u64::MAX),
        detail,
        ..Line::new(context.now(), "step_completed", Some(step.id))
    })?;
    Ok(result)
}

/// What a step has to say although it did not fail.
fn remarks(context: &mut Context<'_>) -> Option<String> {
    let said = std::mem::take(&mut context.remarks).join("; ");
    (!said.is_empty()).then(|| context.clean(&said))
}

/// Undoes steps in the order given, past failures; gives the first failure.
fn undo<'s>(
    context: &mut Context<'_>,
    journal: &mut dyn Journal,
    steps: impl Iterator<Item = &'s Step>,
) -> Result<Option<(String, String)>, Killed> {
    let mut first = None;
    for step in steps {
        let Some(undo) = step.undo else {
            continue;
        };
        let result = undo(context);
        let outcome = if result.is_ok() { "success" } else { "failed" };
        let detail = result.err().map(|said| context.clean(&said));
        let line = Line::new(context.now(), "rollback", Some(step.id));
        journal.add(Line {
            outcome: Some(outcome.to_owned()),
            detail: detail.clone(),
            ..line
        })?;
        if let (None, Some(detail)) = (&first, detail) {
            first = Some((step.id.to_owned(), detail));
        }
    }
    Ok(first)
}
