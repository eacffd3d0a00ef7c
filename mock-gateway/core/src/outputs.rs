//! Outputs on their way out. The copies of a broadcast share their payload until they are taken: a `health` event for
//! thousands of connections is one value in memory, not thousands.

use std::collections::VecDeque;
use std::sync::Arc;

use gateway_protocol::{Event, Frame, Outgoing, StateVersion};
use serde_json::Value;

use crate::io::Output;
use crate::json::Printed;

/// Room for what surrounds a payload.
const EVENT_BYTES: usize = 256;

/// What every copy of a broadcast has in common.
#[derive(Clone, Debug)]
pub(crate) struct Broadcast {
    pub(crate) event: String,
    pub(crate) payload: Payload,
    pub(crate) state_version: Option<StateVersion>,
}

/// What a broadcast says.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Value(Value),
    /// JSON already: the list of presence can be 70 KB, and would be printed anew for every connection.
    Printed(String),
}

impl From<&Value> for Payload {
    fn from(value: &Value) -> Self {
        Self::Value(value.clone())
    }
}

#[derive(Clone, Debug)]
enum Queued {
    Output(Output),
    Copy {
        conn: u32,
        seq: u64,
        recipient: Option<&'static str>,
        broadcast: Arc<Broadcast>,
    },
}

/// A queue of outputs, first in, first out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outputs(VecDeque<Queued>);

impl Outputs {
    pub(crate) fn push_back(&mut self, output: Output) {
        self.0.push_back(Queued::Output(output));
    }

    /// Queues one connection's copy of a broadcast, counted `seq` on it, for a person if it is somebody's.
    pub(crate) fn push_copy(
        &mut self,
        conn: u32,
        seq: u64,
        recipient: Option<&'static str>,
        broadcast: &Arc<Broadcast>,
    ) {
        self.0.push_back(Queued::Copy {
            conn,
            seq,
            recipient,
            broadcast: Arc::clone(broadcast),
        });
    }

    pub(crate) fn pop_front(&mut self) -> Option<Output> {
        Some(match self.0.pop_front()? {
            Queued::Output(output) => output,
            Queued::Copy {
                conn,
                seq,
                recipient,
                broadcast,
            } => Output::Send {
                conn,
                message: copy(seq, recipient, broadcast),
            },
        })
    }
}

/// One connection's copy.
fn copy(seq: u64, recipient: Option<&'static str>, broadcast: Arc<Broadcast>) -> Outgoing {
    // The last copy takes the payload itself.
    let broadcast = Arc::try_unwrap(broadcast).unwrap_or_else(|shared| (*shared).clone());
    match broadcast.payload {
        Payload::Value(payload) => Frame::Event(Event {
            event: broadcast.event,
            payload,
            seq: Some(seq),
            state_version: broadcast.state_version,
            recipient_profile_id: recipient.map(str::to_owned),
        })
        .into(),
        Payload::Printed(payload) => {
            let event = Printed::new(payload.len() + EVENT_BYTES)
                .with("type", "event")
                .with("event", &broadcast.event)
                .text("payload", &[&payload])
                .with("seq", &seq)
                .maybe("stateVersion", broadcast.state_version.as_ref())
                .maybe("recipientProfileId", recipient);
            Outgoing::Text(event.build())
        }
    }
}
