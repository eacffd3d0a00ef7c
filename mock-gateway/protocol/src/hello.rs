//! hello-ok, the payload of a successful `connect`. The snapshot and feature lists stay JSON: cores do not branch on them.
//!
//! ref: gateway-behaviour.md §3

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::limits;

/// `payload.type` of a successful connect.
pub const HELLO_OK: &str = "hello-ok";

/// The payload. Every part but the type may be missing: `{"type":"hello-ok"}` is enough for real clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelloOk {
    /// Always `hello-ok`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Chosen protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u64>,
    /// Version and connection id.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub server: Value,
    /// Methods and events; the same for every role and scope.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub features: Value,
    /// Presence, health, defaults.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub snapshot: Value,
    /// Where plugin surfaces are served.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub plugin_surface_urls: Value,
    /// What was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<HelloAuth>,
    /// Limits of this connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
}

impl HelloOk {
    /// Reads a connect payload; `None` when it is not a hello-ok.
    pub fn from_value(value: &Value) -> Option<Self> {
        (value.get("type").and_then(Value::as_str) == Some(HELLO_OK))
            .then(|| Self::deserialize(value).ok())?
    }
}

/// A frame that may be a hello-ok, without the two members that no client reads: hundreds of method names and what the
/// gateway looks like. Anything that is not of that shape is read as a whole.
///
/// # Errors
/// The text is no JSON.
pub fn read_without_lists(text: &str) -> serde_json::Result<Value> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let frame = Without { in_payload: false }.deserialize(&mut reader);
    match frame.and_then(|frame| reader.end().map(|()| frame)) {
        Ok(frame) => Ok(frame),
        Err(_) => serde_json::from_str(text),
    }
}

/// An object without what is not read.
struct Without {
    in_payload: bool,
}

impl<'de> DeserializeSeed<'de> for Without {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Without {
    type Value = Value;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = match (self.in_payload, name.as_str()) {
                (true, "features" | "snapshot") => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
                (false, "payload") => members.next_value_seed(Self { in_payload: true })?,
                (_, _) => members.next_value()?,
            };
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// `auth`: role, scopes, and tokens issued.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelloAuth {
    /// Role of this connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Granted scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Token of this device and role; only with a device record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_token: Option<String>,
    /// When that token was made or rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at_ms: Option<i64>,
    /// Tokens of further roles; only in the setup-code handoff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_tokens: Option<Vec<IssuedToken>>,
}

/// One entry of `auth.deviceTokens`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuedToken {
    /// The token.
    pub device_token: String,
    /// Its role; case differs in the field.
    pub role: String,
    /// Its scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at_ms: Option<i64>,
}

/// `policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Largest message in bytes.
    pub max_payload: u64,
    /// Slow receivers are closed above this.
    pub max_buffered_bytes: u64,
    /// Interval of `tick` in milliseconds.
    pub tick_interval_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_payload: limits::MESSAGE_BYTES as u64,
            max_buffered_bytes: limits::BUFFERED_BYTES as u64,
            tick_interval_ms: 30_000,
        }
    }
}
