//! Requests, responses and events: parse strictly, print what was meant.
//!
//! ref: gateway-behaviour.md §1.2

use serde_json::{Map, Value};

use crate::error::ErrorShape;
use crate::id::RequestId;
use crate::member::member;
use crate::shape;

/// One JSON object on the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// `{"type":"req","id","method","params"?}`
    Request(Request),
    /// `{"type":"res","id","ok","payload"|"error"}`
    Response(Response),
    /// `{"type":"event","event","payload","seq"?,"stateVersion"?,"recipientProfileId"?}`
    Event(Event),
}

/// A request: either side may ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Echoed in the response.
    pub id: RequestId,
    /// Method name, e.g. `connect`.
    pub method: String,
    /// Parameters; absent and null are different on the wire and equal in meaning.
    pub params: Option<Value>,
}

impl Request {
    /// A request with the given parameters.
    pub fn new(id: impl Into<RequestId>, method: impl Into<String>, params: Option<Value>) -> Self {
        Self {
            id: id.into(),
            method: method.into(),
            params,
        }
    }
}

/// An answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The id of the request.
    pub id: RequestId,
    /// `ok:true` with its payload (may be null), or `ok:false` with the error.
    pub outcome: Result<Value, ErrorShape>,
}

impl Response {
    /// `ok:true`.
    pub fn ok(id: impl Into<RequestId>, payload: Value) -> Self {
        Self {
            id: id.into(),
            outcome: Ok(payload),
        }
    }

    /// `ok:false`.
    pub fn error(id: impl Into<RequestId>, error: ErrorShape) -> Self {
        Self {
            id: id.into(),
            outcome: Err(error),
        }
    }
}

/// Something the gateway tells without being asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Event name, e.g. `connect.challenge`.
    pub event: String,
    /// Payload; null when absent.
    pub payload: Value,
    /// Per-connection counter from 1, only on broadcasts.
    pub seq: Option<u64>,
    /// Only on `health` and `presence` broadcasts.
    pub state_version: Option<StateVersion>,
    /// 2026.9.6: the profile of the person whom this copy of a broadcast is for.
    pub recipient_profile_id: Option<String>,
}

impl Event {
    /// An event sent to one connection: no seq.
    pub fn targeted(event: impl Into<String>, payload: Value) -> Self {
        Self {
            event: event.into(),
            payload,
            seq: None,
            state_version: None,
            recipient_profile_id: None,
        }
    }
}

/// Versions of the two snapshots that broadcasts carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StateVersion {
    /// Presence snapshot.
    pub presence: u64,
    /// Health snapshot.
    pub health: u64,
}

/// What a side puts on the wire. Types make received data sound, but a test double has to send nonsense.
#[derive(Clone, Debug, PartialEq)]
pub enum Outgoing {
    /// A well-formed frame.
    Frame(Frame),
    /// A text message that need not be JSON.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

impl From<Frame> for Outgoing {
    fn from(frame: Frame) -> Self {
        Self::Frame(frame)
    }
}

/// Why a text is not a frame.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FrameError {
    /// Not JSON at all.
    #[error("expected a JSON object, got text that is not JSON: {0}")]
    NotJson(String),
    /// JSON, but not a frame of this protocol.
    #[error("invalid frame: {detail}")]
    NotAFrame {
        /// The `id` member as it was, for the answer; `None` when there is none.
        id: Option<Value>,
        /// What is wrong, in the words of the gateway's schema check.
        detail: String,
    },
}

impl Frame {
    /// Reads one frame.
    ///
    /// # Errors
    /// [`FrameError`] when the text is not JSON or not a request, response or event.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| FrameError::NotJson(error.to_string()))?;
        Self::from_value(value)
    }

    /// Reads one frame from parsed JSON.
    pub fn from_value(value: Value) -> Result<Self, FrameError> {
        match value.get("type").and_then(Value::as_str) {
            Some("res") => parse_response(value).map(Self::Response),
            Some("event") => parse_event(value).map(Self::Event),
            _ => parse_request(value).map(Self::Request),
        }
    }

    /// Whether parsed JSON is a frame, without taking it apart.
    ///
    /// # Errors
    /// What [`Frame::from_value`] says.
    pub fn check(value: &Value) -> Result<(), FrameError> {
        match member(value, "type").and_then(Value::as_str) {
            Some("res") => check_response(value).map(drop),
            Some("event") => check_event(value).map(drop),
            _ => check_request(value),
        }
    }

    /// The frame as JSON, members in the gateway's order.
    pub fn to_value(&self) -> Value {
        self.clone().into_value()
    }

    /// The same of a frame that nobody needs any more: what it carries is not copied.
    pub fn into_value(self) -> Value {
        let mut object = Map::new();
        let mut with = |name: &str, value: Value| {
            object.insert(name.to_owned(), value);
        };
        match self {
            Self::Request(request) => {
                with("type", Value::from("req"));
                with("id", Value::from(request.id.as_str()));
                with("method", Value::from(request.method));
                if let Some(params) = request.params {
                    with("params", params);
                }
            }
            Self::Response(response) => {
                with("type", Value::from("res"));
                with("id", Value::from(response.id.as_str()));
                with("ok", Value::from(response.outcome.is_ok()));
                match response.outcome {
                    Ok(payload) => with("payload", payload),
                    Err(error) => with("error", error.to_value()),
                }
            }
            Self::Event(event) => {
                with("type", Value::from("event"));
                with("event", Value::from(event.event));
                with("payload", event.payload);
                if let Some(seq) = event.seq {
                    with("seq", Value::from(seq));
                }
                if let Some(StateVersion { presence, health }) = event.state_version {
                    let version = serde_json::json!({"presence": presence, "health": health});
                    with("stateVersion", version);
                }
                if let Some(profile) = event.recipient_profile_id {
                    with("recipientProfileId", Value::from(profile));
                }
            }
        }
        Value::Object(object)
    }

    /// The frame as it goes on the wire.
    pub fn to_text(&self) -> String {
        // Every part of a frame has a string for a key, so it always serialises.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Prints without copying the payload first: a hello-ok is some 250 values. Same members and order as
/// [`Frame::to_value`].
impl serde::Serialize for Frame {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Request(request) => {
                map.serialize_entry("type", "req")?;
                map.serialize_entry("id", request.id.as_str())?;
                map.serialize_entry("method", request.method.as_str())?;
                if let Some(params) = &request.params {
                    map.serialize_entry("params", params)?;
                }
            }
            Self::Response(response) => {
                map.serialize_entry("type", "res")?;
                map.serialize_entry("id", response.id.as_str())?;
                map.serialize_entry("ok", &response.outcome.is_ok())?;
                match &response.outcome {
                    Ok(payload) => map.serialize_entry("payload", payload)?,
                    Err(error) => map.serialize_entry("error", &error.to_value())?,
                }
            }
            Self::Event(event) => {
                map.serialize_entry("type", "event")?;
                map.serialize_entry("event", event.event.as_str())?;
                map.serialize_entry("payload", &event.payload)?;
                if let Some(seq) = event.seq {
                    map.serialize_entry("seq", &seq)?;
                }
                if let Some(version) = &event.state_version {
                    map.serialize_entry("stateVersion", version)?;
                }
                if let Some(profile) = &event.recipient_profile_id {
                    map.serialize_entry("recipientProfileId", profile)?;
                }
            }
        }
        map.end()
    }
}

fn not_a_frame(value: &Value, detail: impl Into<String>) -> FrameError {
    FrameError::NotAFrame {
        id: value.get("id").cloned(),
        detail: detail.into(),
    }
}

fn parse_request(mut value: Value) -> Result<Request, FrameError> {
    check_request(&value)?;
    let id = value
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let method = value
        .get("method")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let params = value.get_mut("params").map(Value::take);
    Ok(Request {
        id: RequestId::new(id),
        method,
        params,
    })
}

fn check_request(value: &Value) -> Result<(), FrameError> {
    let wrong = shape::REQUEST_FRAME.check(value).err();
    wrong.map_or(Ok(()), |detail| Err(not_a_frame(value, detail)))
}

/// Clients ignore a response that fails these checks. ref: real-clients.md §1
fn parse_response(mut value: Value) -> Result<Response, FrameError> {
    let (id, ok) = check_response(&value)?;
    let id = RequestId::from(id);
    let outcome = if ok {
        Ok(value.get_mut("payload").map_or(Value::Null, Value::take))
    } else {
        Err(ErrorShape::from_value(
            value.get("error").unwrap_or(&Value::Null),
        ))
    };
    Ok(Response { id, outcome })
}

/// The id, and whether it is ok.
fn check_response(value: &Value) -> Result<(&str, bool), FrameError> {
    let id = member(value, "id").and_then(Value::as_str);
    let Some(id) = id.filter(|id| !id.is_empty()) else {
        return Err(not_a_frame(value, "response needs a non-empty string id"));
    };
    let ok = member(value, "ok").and_then(Value::as_bool);
    let ok = ok.ok_or_else(|| not_a_frame(value, "response needs a boolean ok"))?;
    Ok((id, ok))
}

fn parse_event(mut value: Value) -> Result<Event, FrameError> {
    let (event, seq) = check_event(&value)?;
    let event = event.to_owned();
    let state_version = value.get("stateVersion").and_then(|version| {
        Some(StateVersion {
            presence: version.get("presence")?.as_u64()?,
            health: version.get("health")?.as_u64()?,
        })
    });
    let recipient_profile_id = value
        .get("recipientProfileId")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let payload = value.get_mut("payload").map_or(Value::Null, Value::take);
    Ok(Event {
        event,
        payload,
        seq,
        state_version,
        recipient_profile_id,
    })
}

/// The name, and the counter.
fn check_event(value: &Value) -> Result<(&str, Option<u64>), FrameError> {
    let event = member(value, "event").and_then(Value::as_str);
    let Some(event) = event.filter(|name| !name.is_empty()) else {
        return Err(not_a_frame(value, "event needs a non-empty name"));
    };
    let seq = member(value, "seq").map(Value::as_u64);
    match seq {
        Some(None) => Err(not_a_frame(value, "event seq must be an integer from 0")),
        Some(Some(seq)) => Ok((event, Some(seq))),
        None => Ok((event, None)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::request(json!({"type":"req","id":"1","method":"connect","params":{"a":1}}))]
    #[case::request_without_params(json!({"type":"req","id":"1","method":"health"}))]
    #[case::ok(json!({"type":"res","id":"1","ok":true,"payload":null}))]
    #[case::ok_with_payload(json!({"type":"res","id":"1","ok":true,"payload":{"a":[1,2.5,"x"]}}))]
    #[case::error(json!({"type":"res","id":"1","ok":false,"error":{"code":"UNAVAILABLE","message":"m","details":{"reason":"startup-sidecars"},"retryable":true,"retryAfterMs":500}}))]
    #[case::event(json!({"type":"event","event":"health","payload":{},"seq":1,"stateVersion":{"presence":2,"health":3}}))]
    #[case::event_for_somebody(json!({"type":"event","event":"tick","payload":{},"seq":1,"recipientProfileId":"gateway-owner"}))]
    fn a_frame_reads_back_as_it_was_written(#[case] value: Value) {
        let text = value.to_string();
        let frame = Frame::parse(&text).unwrap();
        assert_eq!((frame.to_text(), frame.to_value()), (text, value));
    }

    #[rstest]
    #[case(json!({"type":"req","id":1,"method":"m"}), Some(json!(1)))]
    #[case(json!([]), None)]
    #[case(json!({"type":"res","id":"1"}), Some(json!("1")))]
    #[case(json!({"type":"event","event":"x","seq":-1}), None)]
    fn what_is_no_frame_keeps_its_id(#[case] value: Value, #[case] expected: Option<Value>) {
        let Err(FrameError::NotAFrame { id, .. }) = Frame::from_value(value) else {
            panic!("parsed")
        };
        assert_eq!(id, expected);
    }
}
