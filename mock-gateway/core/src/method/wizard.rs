//! `wizard.start`, `wizard.next`, `wizard.cancel`, `wizard.status`. Recorded from both releases; flow setup/wizard.

use gateway_protocol::shape::{Field, Shape};
use gateway_protocol::{ErrorCode, ErrorShape, Now};
use serde_json::{Map, Value, json};

use crate::gateway::Gateway;
use crate::lifecycle::Down;
use crate::method::{Answer, Call, invalid};
use crate::wizard::Taken;

/// One of two constants: see [`mode`].
const MODE: Field = Field::optional("mode", Shape::Any);
const WORKSPACE: Field = Field::optional("workspace", Shape::ANY_TEXT);
const START_6: Shape = Shape::Object(&[MODE, WORKSPACE]);
const START_9: Shape = Shape::Object(&[
    MODE,
    WORKSPACE,
    Field::optional("installDaemon", Shape::Bool),
    Field::optional("flow", Shape::OneOf(&["setup", "channels"])),
    Field::optional("channel", Shape::TEXT),
]);
const ANSWER: Shape = Shape::Object(&[
    Field::required("stepId", Shape::TEXT),
    Field::optional("value", Shape::Any),
]);
/// Parameters of `wizard.next`.
pub(crate) const NEXT: Shape = Shape::Object(&[
    Field::required("sessionId", Shape::TEXT),
    Field::optional("answer", ANSWER),
]);
/// Parameters of `wizard.cancel` and `wizard.status`.
pub(crate) const TALK: Shape = Shape::Object(&[Field::required("sessionId", Shape::TEXT)]);

/// The releases have a union of constants there, and say so.
fn mode(params: &Value) -> Result<(), String> {
    match params.get("mode").map(Value::as_str) {
        None | Some(Some("local" | "remote")) => Ok(()),
        Some(_) => Err(
            "at /mode: must be equal to constant; at /mode: must match a schema in anyOf"
                .to_owned(),
        ),
    }
}

impl Gateway {
    /// `None` for another family.
    pub(crate) fn call_wizard(&mut self, now: Now, call: &Call) -> Option<Answer> {
        let talk = call.text("sessionId");
        let method = call.method.as_str();
        if method == "wizard.start" {
            return Some(self.start_wizard(call).into());
        }
        if !["wizard.next", "wizard.cancel", "wizard.status"].contains(&method) {
            return None;
        }
        let cancelled = || Answer::Now(Ok(json!({ "status": "cancelled", "error": "cancelled" })));
        if method == "wizard.status" && self.wizards.forget(talk) {
            return Some(cancelled());
        }
        if !self.wizards.has(talk) {
            return Some(Answer::Now(Err(self.no_wizard())));
        }
        Some(match method {
            "wizard.next" => self.next_of_wizard(now, call),
            "wizard.cancel" => {
                self.wizards.end(talk);
                if self.profile.rules.rich_hello {
                    self.wizards.remember(talk);
                }
                cancelled()
            }
            _ => Answer::Now(Ok(json!({ "status": "running" }))),
        })
    }

    fn no_wizard(&self) -> ErrorShape {
        let mut error = invalid("wizard not found");
        if self.profile.rules.rich_hello {
            error.details = Some(json!({ "code": "WIZARD_NOT_FOUND" }));
        }
        error
    }

    /// There is one at a time.
    fn start_wizard(&mut self, call: &Call) -> Result<Value, ErrorShape> {
        let is_newer = self.profile.rules.rich_hello;
        let shape = if is_newer { START_9 } else { START_6 };
        let checked = shape.check(&call.params).and_then(|()| mode(&call.params));
        checked.map_err(|detail| invalid(&format!("invalid wizard.start params: {detail}")))?;
        if self.wizards.is_running() {
            return Err(if is_newer {
                ErrorShape {
                    details: Some(json!({ "code": "SETUP_ADMISSION_BUSY" })),
                    retryable: Some(true),
                    ..ErrorShape::new(
                        ErrorCode::Unavailable,
                        "OpenClaw setup is already in progress; try again when it finishes.",
                    )
                }
            } else {
                ErrorShape::new(ErrorCode::Unavailable, "wizard already running")
            });
        }
        let (talk, step) = (self.entropy.uuid(), self.entropy.uuid());
        self.wizards.begin(talk.clone(), step);
        let mut shown = self.shown_of_wizard(&talk);
        if let Some(members) = shown.as_object_mut() {
            let rest = std::mem::take(members);
            members.insert("sessionId".to_owned(), json!(talk));
            members.extend(rest);
        }
        Ok(shown)
    }

    fn next_of_wizard(&mut self, now: Now, call: &Call) -> Answer {
        let talk = call.text("sessionId");
        if let Some(answer) = call.params.get("answer").and_then(Value::as_object) {
            let step = answer.get("stepId").and_then(Value::as_str);
            let fresh = self.entropy.uuid();
            let script = self.config.wizard.clone();
            let taken = self
                .wizards
                .answer(talk, step.unwrap_or_default(), fresh, &script);
            match taken {
                None => return Answer::error("Error: wizard: no pending step"),
                Some(Taken::Next) => {}
                Some(Taken::Restart) => {
                    let down = Down::Restart {
                        down_for: self.profile.restart_down,
                        reason: "gateway restarting".to_owned(),
                    };
                    self.go_down(now, &down);
                    return Answer::Later;
                }
            }
        }
        Answer::Now(Ok(self.shown_of_wizard(talk)))
    }

    /// The step or the end of a talk; with its end it is gone.
    fn shown_of_wizard(&mut self, talk: &str) -> Value {
        let script = &self.config.wizard;
        let steps: &[Map<String, Value>] = match &script.steps {
            Some(steps) => steps,
            None => self.profile.wizard(),
        };
        let (shown, is_end) = self.wizards.shown(talk, steps, script.error.as_deref());
        if is_end {
            self.wizards.end(talk);
        }
        shown
    }
}
