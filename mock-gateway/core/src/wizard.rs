//! The gateway's wizard: its questions, and talks that are at one of them.
//!
//! The questions are those that a real gateway asks whoever leaves everything as it is, recorded in `data/`; the texts of
//! notes are cut to their first line. A [`WizardScript`] puts others in their place. Answers are taken and change nothing.
//!
//! ```
//! use gateway_core::WizardScript;
//!
//! let script: WizardScript = serde_json::from_str(r#"{
//!     "steps": [{ "type": "note", "title": "Done" }],
//!     "error": "Error: TUI exited from signal SIGTERM"
//! }"#)?;
//! assert_eq!(script.steps.map(|steps| steps.len()), Some(1));
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What the wizard asks, and how it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WizardScript {
    /// The steps in order, as the protocol has them but for their ids; those of the release when absent.
    pub steps: Option<Vec<Map<String, Value>>>,
    /// What it ends with instead of success.
    pub error: Option<String>,
    /// The gateway restarts instead of answering this step (counted from 1) ...
    pub restarts_at: Option<usize>,
    /// ... so many times; always when absent.
    pub restarts: Option<u32>,
}

/// Talks of this run of the gateway.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wizards {
    talks: BTreeMap<String, Talk>,
    /// How often a step has restarted the gateway; outlives a restart.
    restarted: u32,
    /// A talk that was cancelled and that nobody has asked about since, where the release remembers it so long.
    cancelled: Option<String>,
}

/// One talk: the step it is at, under the id that it was shown with.
#[derive(Clone, Debug)]
struct Talk {
    at: usize,
    step_id: String,
}

/// What becomes of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The next step is there, or the end.
    Next,
    /// The gateway restarts.
    Restart,
}

impl Wizards {
    /// What lives in memory only is gone.
    pub(crate) fn restart(&mut self) {
        self.talks.clear();
        self.cancelled = None;
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.talks.is_empty()
    }

    pub(crate) fn has(&self, talk: &str) -> bool {
        self.talks.contains_key(talk)
    }

    pub(crate) fn begin(&mut self, talk: String, step_id: String) {
        self.talks.insert(talk, Talk { at: 0, step_id });
    }

    pub(crate) fn end(&mut self, talk: &str) {
        self.talks.remove(talk);
    }

    /// Remembers a talk that was cancelled until its status is asked for.
    pub(crate) fn remember(&mut self, talk: &str) {
        self.cancelled = Some(talk.to_owned());
    }

    /// Whether it is the one that is remembered; it is forgotten then.
    pub(crate) fn forget(&mut self, talk: &str) -> bool {
        self.cancelled.take_if(|known| known == talk).is_some()
    }

    /// Takes an answer; `fresh` is the id of the step after it. `None` when it answers no step that waits.
    pub(crate) fn answer(
        &mut self,
        talk: &str,
        step_id: &str,
        fresh: String,
        script: &WizardScript,
    ) -> Option<Taken> {
        let known = self.talks.get_mut(talk)?;
        if known.step_id != step_id {
            return None;
        }
        let is_due = script.restarts.is_none_or(|times| self.restarted < times);
        if script.restarts_at == Some(known.at + 1) && is_due {
            self.restarted += 1;
            return Some(Taken::Restart);
        }
        known.at += 1;
        known.step_id = fresh;
        Some(Taken::Next)
    }

    /// The step that a talk is at, or its end, and whether it is the end.
    pub(crate) fn shown(
        &self,
        talk: &str,
        steps: &[Map<String, Value>],
        error: Option<&str>,
    ) -> (Value, bool) {
        let known = self.talks.get(talk);
        let step = known.and_then(|known| Some((steps.get(known.at)?, &known.step_id)));
        if let Some((step, id)) = step {
            let mut step = step.clone();
            step.insert("id".to_owned(), json!(id));
            let shown = json!({ "done": false, "step": step, "status": "running" });
            return (shown, false);
        }
        let end = match error {
            None => json!({ "done": true, "status": "done" }),
            Some(error) => json!({ "done": true, "status": "error", "error": error }),
        };
        (end, true)
    }
}
