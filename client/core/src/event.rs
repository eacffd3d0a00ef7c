//! What the client tells whoever watches it: the runner, the tray, the log.

use gateway_protocol::Role;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::intent::{ApprovalKind, IntentOutcome};
use crate::state::{NodeState, OperatorState, OverallState};

/// One thing worth telling. In JSON the member `event` names it in snake case.
///
/// ```
/// use client_core::{ClientEvent, DiagnosticCategory};
/// let event = ClientEvent::Diagnostic { category: DiagnosticCategory::State, message: "m".into(), detail: None };
/// assert_eq!(serde_json::to_value(&event).unwrap()["event"], "diagnostic");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ClientEvent {
    /// A wish ended.
    IntentDone {
        /// [`crate::Intent::name`].
        intent: String,
        /// How.
        outcome: IntentOutcome,
        /// Why not.
        error: Option<String>,
        /// The gateway it was about.
        gateway_url: Option<String>,
        /// The new record stays although the wish failed. ref: client-behaviour.md §16
        gateway_committed: bool,
    },
    /// A state differs from the one last told.
    StateChanged {
        /// Overall state.
        overall: OverallState,
        /// Operator state.
        operator: OperatorState,
        /// Node state.
        node: NodeState,
    },
    /// A line of the timeline; never holds a secret. ref: §26
    Diagnostic {
        /// Part of the client.
        category: DiagnosticCategory,
        /// Text that tests may match on.
        message: String,
        /// Free detail.
        detail: Option<String>,
    },
    /// The answer to [`crate::Intent::Request`].
    Response {
        /// Which connection.
        role: Role,
        /// Method that was asked.
        method: String,
        /// The caller's tag.
        tag: Option<String>,
        /// `ok`.
        ok: bool,
        /// The payload, or the error object.
        payload: Value,
    },
    /// An approval or a rejection ended. ref: §20.5
    ApprovalDone {
        /// Which queue.
        kind: ApprovalKind,
        /// `approve` or `reject`.
        action: String,
        /// Request id.
        request_id: String,
        /// The gateway's answer; for a rejection only "sent".
        succeeded: bool,
        /// What the gateway said.
        error: Option<String>,
        /// The client did it by itself.
        automatic: bool,
    },
    /// The approval queues as the gateway last listed them, own requests left out.
    PendingChanged {
        /// Device queue.
        device: Vec<Value>,
        /// Node queue.
        node: Vec<Value>,
    },
    /// This client's own pairing changed.
    Pairing {
        /// Which role.
        role: Role,
        /// New status.
        status: PairingStatus,
        /// Which queue it waits in, if that is known.
        kind: Option<ApprovalKind>,
        /// Safe request id.
        request_id: Option<String>,
    },
    /// A device token was stored.
    TokenStored {
        /// Whose.
        role: Role,
    },
    /// The gateway sent an event to a connected role.
    Gateway {
        /// Which connection.
        role: Role,
        /// Event name.
        name: String,
        /// Payload.
        payload: Payload,
    },
    /// An invoke was answered (or dropped, when its connection was lost).
    InvokeAnswered {
        /// Id on the wire.
        id: String,
        /// Command.
        command: String,
        /// `ok`, or the error text, or `dropped`.
        result: String,
    },
    /// An automatic repair of a managed gateway ended. ref: §25
    Repair {
        /// Whose.
        gateway_id: String,
        /// How.
        outcome: RepairOutcome,
    },
    /// The client has stopped.
    Stopped,
}

/// The payload of an event as it came in its frame: parsed by whoever reads it. A gateway broadcasts much that no client
/// reads, and parsing it was most of what a thousand clients did.
///
/// ```
/// use client_core::Payload;
/// use serde_json::json;
///
/// assert_eq!(Payload::of_frame(r#"{"type":"event","event":"e","payload":[1]}"#.to_owned()).read(), json!([1]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    frame: String,
}

impl Payload {
    /// The payload of this frame.
    pub fn of_frame(frame: String) -> Self {
        Self { frame }
    }

    /// The payload; null when the frame has none, or one that no reader of JSON takes, such as a number out of range.
    pub fn read(&self) -> Value {
        let frame = serde_json::from_str::<Value>(&self.frame).ok();
        let payload = frame.and_then(|mut frame| frame.get_mut("payload").map(Value::take));
        payload.unwrap_or(Value::Null)
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.read().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let payload = Value::deserialize(deserializer)?;
        Ok(Self::of_frame(json!({"payload": payload}).to_string()))
    }
}

/// Pairing status of one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PairingStatus {
    /// Not known yet.
    Unknown,
    /// Somebody must approve.
    Pending,
    /// Approved.
    Paired,
    /// Refused.
    Rejected,
}

/// How a repair ended. ref: client-behaviour.md §25
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairOutcome {
    /// A wish of the user held the lifecycle when the service was to be restarted.
    AlreadyInProgress,
    /// Another gateway became active, or the record was changed.
    AbortedGatewayChanged,
    /// The user wanted something meanwhile.
    AbortedUserIntent,
    /// The gateway answers, and refuses: a restart mends no credential.
    AbortedNonTransportFailure,
    /// It was restarted often enough.
    AttemptsExhausted,
    /// The service was there all the time.
    ReconnectedWithoutRestart,
    /// The service did not come back.
    RestartFailed,
    /// Somebody else has the port; this client ends nobody's process.
    PortConflictBlocked,
    /// Restarted, and not connected in time; the client goes on trying.
    ReconnectPendingVerification,
    /// Restarted and connected.
    Repaired,
}

/// Part of the timeline. ref: §26
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiagnosticCategory {
    /// State changes.
    State,
    /// Credential choice.
    Credential,
    /// Sockets.
    Websocket,
    /// Pairing.
    Pairing,
    /// Node role.
    Node,
    /// Failures.
    Error,
    /// Oddities.
    Warning,
    /// Connect frames.
    Handshake,
    /// Identity file.
    Identity,
    /// SSH tunnel.
    Tunnel,
    /// Setup codes and shared tokens.
    Setup,
}
