//! What a behaviour does.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway_protocol::{CloseFrame, ErrorShape};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::matcher::Trigger;

/// What to do on a match. Values may hold `"$name"` for what was captured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// Answer `ok:true` with this payload. On `connect` the connection then counts as past hello.
    Respond(Value),
    /// Answer `ok:false`; the connection stays.
    Error(ErrorReply),
    /// Let the built-in answer run and merge this into its payload (RFC 7396).
    Patch(Value),
    /// Let the built-in answer run and apply these operations to its payload (RFC 6902).
    JsonPatch(Value),
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
    /// Send these bytes, in base64, as one binary message.
    Bytes(String),
    /// Let the built-in answer run.
    Pass,
    /// Do the inner thing this much later.
    Delay(DelayReply),
    /// Several things in order; at most one of them lets the built-in answer run.
    Sequence(Vec<Self>),
    /// Only with [`Trigger::Open`]: change the challenge.
    Challenge(ChallengeReply),
    /// Only with [`Trigger::Upgrade`]: answer the HTTP request with this instead of an upgrade.
    Http(HttpReply),
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
    /// Apply these operations to the payload (RFC 6902).
    pub json_patch: Option<Value>,
}

/// An HTTP answer in place of an upgrade; the connection ends with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpReply {
    /// Status, from 200 to 599.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u64>,
    /// `Location`.
    pub location: Option<String>,
    /// Body, as plain text.
    pub body: String,
}

impl Reply {
    /// `ok:true` with this payload.
    pub fn ok(payload: Value) -> Self {
        Self::Respond(payload)
    }

    /// `ok:false` with this code and message.
    pub fn error(code: &str, message: &str) -> Self {
        Self::Error(ErrorReply {
            code: code.to_owned(),
            message: message.to_owned(),
            details: None,
            retryable: None,
            retry_after_ms: None,
            close: None,
        })
    }

    /// A close frame and no answer.
    pub fn close(code: u16, reason: &str) -> Self {
        Self::Close(CloseFrame::new(code, reason))
    }

    /// An event before the built-in answer.
    pub fn event(event: &str, payload: Value) -> Self {
        Self::Events(vec![EventReply {
            event: event.to_owned(),
            payload,
            counted: false,
        }])
    }

    /// An HTTP status in place of an upgrade.
    pub fn http(status: u16, body: &str) -> Self {
        Self::Http(HttpReply {
            status,
            body: body.to_owned(),
            ..HttpReply::default()
        })
    }

    /// The same, this much later.
    #[must_use]
    pub fn after(self, delay: std::time::Duration) -> Self {
        Self::Delay(DelayReply {
            ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            then: Box::new(self),
        })
    }

    /// Whether it makes sense where it is asked for.
    pub(super) fn check(&self, on: Trigger) -> Result<(), String> {
        if on == Trigger::Upgrade && !matches!(self, Self::Http(_) | Self::Pass) {
            return Err(
                "an upgrade can only be answered with `http`, or left alone with `pass`".to_owned(),
            );
        }
        match self {
            Self::Challenge(challenge) => {
                if on != Trigger::Open {
                    return Err("`challenge`: there is one when a connection opens only; allowed with on = open".to_owned());
                }
                match &challenge.json_patch {
                    Some(patch) => check_json_patch(patch),
                    None => Ok(()),
                }
            }
            Self::Http(http) => {
                if on != Trigger::Upgrade {
                    return Err("`http`: an HTTP answer is given to an upgrade only; allowed with on = upgrade".to_owned());
                }
                if !(200..=599).contains(&http.status) {
                    return Err(format!(
                        "`status`: {} is no final HTTP status; allowed: 200 to 599",
                        http.status
                    ));
                }
                Ok(())
            }
            Self::Pass => Ok(()),
            Self::JsonPatch(patch) => check_json_patch(patch),
            Self::Bytes(text) => decode(text).map(drop),
            Self::Delay(delay) if on == Trigger::Open && delay.then.lets_default_run() => Err(
                "`delay`: a challenge is made late with `challenge` and its `delay_ms`".to_owned(),
            ),
            Self::Delay(delay) => delay.then.check(on),
            Self::Sequence(replies) => {
                let passing = replies.iter().filter(|reply| reply.lets_default_run());
                if passing.count() > 1 {
                    return Err("the built-in answer can run once only; keep one of patch, json_patch, events and pass, or merge them".to_owned());
                }
                replies.iter().try_for_each(|reply| reply.check(on))
            }
            Self::Respond(_)
            | Self::Error(_)
            | Self::Patch(_)
            | Self::Events(_)
            | Self::Close(_)
            | Self::Abort
            | Self::Ignore
            | Self::Raw(_) => Ok(()),
        }
    }

    fn lets_default_run(&self) -> bool {
        matches!(self, Self::Patch(_) | Self::JsonPatch(_) | Self::Pass)
    }

    /// Fills in what was captured.
    pub(crate) fn filled(&self, captures: &gateway_protocol::Captures) -> Result<Self, String> {
        let value = serde_json::to_value(self).map_err(|error| error.to_string())?;
        let keep_id = json!("$id");
        let mut known = captures.clone();
        // The id of the request is put in where a raw text is sent.
        known.entry("id".to_owned()).or_insert(keep_id);
        let filled = gateway_protocol::matcher::substitute(&value, &known)
            .map_err(|mismatch| mismatch.to_string())?;
        serde_json::from_value(filled).map_err(|error| error.to_string())
    }
}

/// Whether a value may refer to something captured.
pub(crate) fn mentions_dollar(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with('$'),
        Value::Array(items) => items.iter().any(mentions_dollar),
        Value::Object(members) => members.values().any(mentions_dollar),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

pub(crate) fn decode(text: &str) -> Result<Vec<u8>, String> {
    BASE64_STANDARD
        .decode(text)
        .map_err(|error| format!("`bytes`: expected base64, {error}"))
}

/// Whether a value is a list of RFC 6902 operations.
///
/// # Errors
/// What is wrong with it.
pub fn check_json_patch(patch: &Value) -> Result<(), String> {
    serde_json::from_value::<json_patch::Patch>(patch.clone())
        .map(drop)
        .map_err(|error| format!("`json_patch`: expected a list of operations like {{ op = \"replace\", path = \"/a\", value = 1 }}, {error}"))
}

/// Applies RFC 6902 operations; nothing is changed when one does not fit.
pub(crate) fn apply_json_patch(target: &mut Value, patch: &Value) -> Result<(), String> {
    let patch: json_patch::Patch =
        serde_json::from_value(patch.clone()).map_err(|error| error.to_string())?;
    json_patch::patch(target, &patch).map_err(|error| format!("json_patch: {error}"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        Reply::Challenge(ChallengeReply::default()),
        Trigger::Request,
        "`challenge`"
    )]
    #[case(Reply::http(503, ""), Trigger::Open, "`http`")]
    #[case(Reply::http(101, ""), Trigger::Upgrade, "`status`")]
    #[case(Reply::Ignore, Trigger::Upgrade, "an upgrade")]
    #[case(Reply::Bytes("?".to_owned()), Trigger::Request, "`bytes`")]
    #[case(Reply::JsonPatch(json!([{"op": "shuffle"}])), Trigger::Request, "`json_patch`")]
    #[case(Reply::Sequence(vec![Reply::Pass, Reply::Pass]), Trigger::Request, "the built-in answer")]
    fn a_reply_that_makes_no_sense_says_why(
        #[case] reply: Reply,
        #[case] on: Trigger,
        #[case] start: &str,
    ) {
        let wrong = reply.check(on).unwrap_err();
        assert!(wrong.starts_with(start), "{wrong}");
    }

    #[test]
    fn captures_are_filled_into_values_and_the_id_is_left() {
        let captures = [("a".to_owned(), json!(7))].into();
        let reply = Reply::Respond(json!({"x": "$a", "y": "$$b"}));
        assert_eq!(
            reply.filled(&captures).unwrap(),
            Reply::Respond(json!({"x": 7, "y": "$b"}))
        );
        let unknown = Reply::Respond(json!("$nobody")).filled(&captures);
        assert!(unknown.unwrap_err().contains("$nobody"));
        assert_eq!(
            Reply::Raw("$id".to_owned()).filled(&captures).unwrap(),
            Reply::Raw("$id".to_owned())
        );
    }
}
