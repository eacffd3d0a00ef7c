//! The client itself.
use std::collections::VecDeque;
use std::time::Duration;

use gateway_protocol::Now;

use crate::event::PairingStatus;
use crate::input::Input;
use crate::options::ClientOptions;
use crate::output::Output;
use crate::snapshot::{NodeSnapshot, OperatorSnapshot, Snapshot};
use crate::state::{NodeState, OverallState};
use crate::store::DurableState;

/// The whole client: operator and node lifecycles over one identity per gateway. Pure.
#[derive(Debug)]
pub struct Client {
    options: ClientOptions,
    outputs: VecDeque<Output>,
    state: DurableState,
}

impl Client {
    /// A client that knows what was on disk and does nothing yet.
    pub fn new(options: ClientOptions, state: DurableState, _now: Now) -> Self {
        Self {
            options,
            outputs: VecDeque::new(),
            state,
        }
    }

    /// Takes one input. Drain [`Self::poll`] afterwards.
    pub fn handle(&mut self, _now: Now, _input: Input) {}

    /// The next order to the shell.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to hand in [`Input::Woke`], since the start of the run.
    pub fn wake_at(&self) -> Option<Duration> {
        None
    }

    /// The client at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let _ = &self.state;
        Snapshot {
            policy: self.options.policy,
            overall_state: OverallState::Idle,
            connection_status: OverallState::Idle,
            operator: OperatorSnapshot::default(),
            node: NodeSnapshot {
                state: NodeState::Idle,
                intended: false,
                connected: false,
                pairing_status: PairingStatus::Unknown,
                approval_kind: None,
                pairing_request_id: None,
                approval_command: None,
                error: None,
                error_kind: None,
                credential: crate::snapshot::CredentialSnapshot::default(),
                node_id: None,
                next_attempt_ms: None,
                running_invokes: 0,
            },
            gateway: None,
            generation: 0,
            user_disconnected: false,
            busy: false,
        }
    }
}
