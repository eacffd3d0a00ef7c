//! What the process says on stdout: one JSON object a line.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use client_core::{ClientEvent, IntentOutcome, Snapshot};
use gateway_client::{Clock, Timeline};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::Exit;
use super::signals::Signals;

/// Who else hears of events.
pub(super) struct Told {
    pub(super) clock: Clock,
    pub(super) timeline: Arc<Mutex<Timeline>>,
}

impl Told {
    fn hear(&self, event: &ClientEvent) {
        let mut timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        timeline.hear(self.clock.now().wall, event);
    }
}

/// Tells what happens until a signal, a refusal of the first wish, or the client's own end.
pub(super) async fn report(
    signals: &mut Signals,
    events: &mut mpsc::Receiver<ClientEvent>,
    snapshot: &mut watch::Receiver<Snapshot>,
    told_to: &Told,
) -> Exit {
    let mut told = say_state(&snapshot.borrow_and_update());
    let mut is_first_wish = true;
    loop {
        if told.is_err() {
            tracing::info!("nobody reads stdout any more");
            return Exit::Stopped;
        }
        told = tokio::select! {
            biased;
            name = signals.next() => {
                tracing::info!(signal = name, "stopping");
                return Exit::Stopped;
            }
            event = events.recv() => {
                let Some(event) = event else { return Exit::Broken };
                told_to.hear(&event);
                let told = say_event(&event);
                if let ClientEvent::IntentDone { outcome, .. } = &event
                    && std::mem::take(&mut is_first_wish)
                    && is_bad_input(*outcome)
                {
                    return Exit::BadInput;
                }
                told
            }
            changed = snapshot.changed() => match changed {
                Ok(()) => say_state(&snapshot.borrow_and_update()),
                Err(_) => return Exit::Broken,
            },
        };
    }
}

fn is_bad_input(outcome: IntentOutcome) -> bool {
    matches!(
        outcome,
        IntentOutcome::InvalidCode | IntentOutcome::InvalidUrl
    )
}

pub(super) fn say_state(snapshot: &Snapshot) -> std::io::Result<()> {
    say(&json!({"type": "state", "snapshot": snapshot}))
}

/// What a gateway sends or answers may hold tokens, so only the kind of such an event is told.
fn say_event(event: &ClientEvent) -> std::io::Result<()> {
    let mut line = json!({"type": "event"});
    let (Some(line), Ok(Value::Object(members))) =
        (line.as_object_mut(), serde_json::to_value(event))
    else {
        return Ok(());
    };
    line.extend(members.into_iter().filter(|(name, _)| name != "payload"));
    say(&Value::Object(std::mem::take(line)))
}

pub(super) fn say(line: &Value) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
