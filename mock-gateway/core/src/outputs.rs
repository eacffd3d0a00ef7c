//! Outputs on their way out. The copies of a broadcast share their payload until they are taken: a `health` event for
//! thousands of connections is one value in memory, not thousands.

use std::collections::VecDeque;
use std::sync::Arc;

use gateway_protocol::{Event, Frame, StateVersion};
use serde_json::Value;

use crate::io::Output;

/// What every copy of a broadcast has in common.
#[derive(Clone, Debug)]
pub(crate) struct Broadcast {
    pub(crate) event: String,
    pub(crate) payload: Value,
    pub(crate) state_version: Option<StateVersion>,
}

#[derive(Debug)]
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
#[derive(Debug, Default)]
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
            } => {
                // The last copy takes the payload itself.
                let broadcast =
                    Arc::try_unwrap(broadcast).unwrap_or_else(|shared| (*shared).clone());
                let event = Event {
                    event: broadcast.event,
                    payload: broadcast.payload,
                    seq: Some(seq),
                    state_version: broadcast.state_version,
                    recipient_profile_id: recipient.map(str::to_owned),
                };
                Output::Send {
                    conn,
                    message: Frame::Event(event).into(),
                }
            }
        })
    }
}
