//! Scripted behaviours: what the mock does instead of, before or after its built-in answer.
//!
//! A [`Behavior`] is a specification; once mounted it counts (see `mounted.rs`). The first mounted behaviour that
//! matches and has uses left wins. It is asked before every built-in check of a well-formed request, `connect` too.
//!
//! ```
//! use gateway_core::{Behavior, Reply};
//!
//! let behavior: Behavior = serde_json::from_str(r#"{
//!     "name": "busy once",
//!     "when": { "method": "connect", "role": "node" },
//!     "reply": { "close": { "code": 1013, "reason": "gateway starting" } },
//!     "times": 1
//! }"#)?;
//! assert!(matches!(behavior.reply, Reply::Close(_)));
//! # Ok::<(), serde_json::Error>(())
//! ```

use gateway_protocol::{CloseFrame, ErrorShape, Role};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the mock does when something matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behavior {
    /// Unique name, shown in reports.
    pub name: String,
    /// What must match.
    #[serde(default)]
    pub when: Matcher,
    /// What to do.
    pub reply: Reply,
    /// How often at most; without it always.
    #[serde(default)]
    pub times: Option<u32>,
}

/// When a behaviour applies. Every given member must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Matcher {
    /// At the opening of a connection instead of at a request.
    pub on: Trigger,
    /// Method name; `*` at the end stands for any rest.
    pub method: Option<String>,
    /// Role of the connection, or of the `connect` request.
    pub role: Option<Role>,
    /// Number of the connection.
    pub conn: Option<u32>,
    /// Only the n-th match of the other members, from 1.
    pub nth: Option<u32>,
    /// Subset of the request's parameters: objects match member by member, everything else by equality.
    pub params: Option<Value>,
}

/// What is matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A request.
    #[default]
    Request,
    /// The opening of a connection, where the challenge is sent.
    Open,
}

/// What to do on a match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// Answer `ok:true` with this payload. On `connect` the connection then counts as past hello.
    Respond(Value),
    /// Answer `ok:false`; the connection stays.
    Error(ErrorReply),
    /// Let the built-in answer run and merge this into its payload (RFC 7396).
    Patch(Value),
    /// Send these events on the same connection, then let the built-in answer run.
    Events(Vec<EventReply>),
    /// Close the connection without an answer.
    Close(CloseFrame),
    /// End the connection without a close frame.
    Abort,
    /// Never answer.
    Ignore,
    /// Send this text, JSON or not. `$id` in it stands for the request's id as JSON.
    Raw(String),
    /// Let the built-in answer run.
    Pass,
    /// Do the inner thing this much later.
    Delay(DelayReply),
    /// Several things in order; at most one of them lets the built-in answer run.
    Sequence(Vec<Self>),
    /// Only with [`Trigger::Open`]: change the challenge.
    Challenge(ChallengeReply),
}

/// An error answer in a scenario's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorReply {
    /// Top-level code.
    pub code: String,
    /// Text.
    pub message: String,
    /// Details.
    #[serde(default)]
    pub details: Option<Value>,
    /// `error.retryable`.
    #[serde(default)]
    pub retryable: Option<bool>,
    /// `error.retryAfterMs`.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
    /// Close frame behind the answer, as a real gateway sends after a refused `connect`.
    #[serde(default)]
    pub close: Option<CloseFrame>,
}

impl ErrorReply {
    pub(crate) fn shape(&self) -> ErrorShape {
        ErrorShape {
            code: self.code.clone(),
            message: self.message.clone(),
            details: self.details.clone(),
            retryable: self.retryable,
            retry_after_ms: self.retry_after_ms,
        }
    }
}

/// One event to send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventReply {
    /// Event name.
    pub event: String,
    /// Payload.
    #[serde(default)]
    pub payload: Value,
    /// Counted with `seq` like a broadcast.
    #[serde(default)]
    pub counted: bool,
}

/// A thing done later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelayReply {
    /// How much later.
    pub ms: u64,
    /// What.
    pub then: Box<Reply>,
}

/// How a challenge differs from the usual one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChallengeReply {
    /// Send none at all.
    pub skip: bool,
    /// Send it this much later.
    pub delay_ms: Option<u64>,
    /// Move `ts` by this much.
    pub ts_offset_ms: Option<i64>,
    /// Use this nonce.
    pub nonce: Option<String>,
    /// Send this instead of the payload; the nonce that counts stays the gateway's own (or `nonce`).
    pub payload: Option<Value>,
}
