//! Parameter shapes of the connection and pairing surface. ref: gateway-behaviour.md §5, §6.3, §6.6, §7

use gateway_protocol::shape::{Field, Shape};

const NOTHING: Shape = Shape::Object(&[]);
const REQUEST_ID: Shape = Shape::Object(&[Field::required("requestId", Shape::TEXT)]);
const DEVICE_ID: Shape = Shape::Object(&[Field::required("deviceId", Shape::TEXT)]);
const NODE_ID: Shape = Shape::Object(&[Field::required("nodeId", Shape::TEXT)]);
const SETUP_ID: Shape = Shape::Object(&[Field::required("setupId", Shape::TEXT)]);
const DEVICE_LABEL: Shape = Shape::Object(&[
    Field::required("deviceId", Shape::TEXT),
    Field::required("label", Shape::TEXT),
]);
const ROTATE: Shape = Shape::Object(&[
    Field::required("deviceId", Shape::TEXT),
    Field::required("role", Shape::TEXT),
    Field::optional("scopes", Shape::TEXTS),
]);
const REVOKE: Shape = Shape::Object(&[
    Field::required("deviceId", Shape::TEXT),
    Field::required("role", Shape::TEXT),
]);
const SETUP_CODE: Shape = Shape::Object(&[
    Field::optional("publicUrl", Shape::TEXT),
    Field::optional("includeQr", Shape::Bool),
    Field::optional("preferRemoteUrl", Shape::Bool),
    Field::optional(
        "bootstrapProfile",
        Shape::OneOf(&["limited", "node", "voice-node"]),
    ),
    Field::optional("joinUrl", Shape::Bool),
]);
const SCOPES: Shape = Shape::Object(&[Field::required(
    "scopes",
    Shape::Array {
        item: &Shape::TEXT,
        min: 1,
    },
)]);
const RENAME: Shape = Shape::Object(&[
    Field::required("nodeId", Shape::TEXT),
    Field::required("displayName", Shape::TEXT),
]);
const VERIFY: Shape = Shape::Object(&[
    Field::required("nodeId", Shape::TEXT),
    Field::required("token", Shape::TEXT),
]);
const NODE_REQUEST: Shape = Shape::Open(&[Field::required("nodeId", Shape::TEXT)]);
const INVOKE: Shape = Shape::Object(&[
    Field::required("nodeId", Shape::TEXT),
    Field::required("command", Shape::TEXT),
    Field::optional("params", Shape::Any),
    Field::optional("timeoutMs", Shape::COUNT),
    Field::required("idempotencyKey", Shape::TEXT),
]);
const NODE_ERROR: Shape = Shape::Object(&[
    Field::optional("code", Shape::ANY_TEXT),
    Field::optional("message", Shape::ANY_TEXT),
]);
const INVOKE_RESULT: Shape = Shape::Object(&[
    Field::required("id", Shape::TEXT),
    Field::required("nodeId", Shape::TEXT),
    Field::required("ok", Shape::Bool),
    Field::optional("payload", Shape::Any),
    Field::optional("payloadJSON", Shape::ANY_TEXT),
    Field::optional("error", NODE_ERROR),
]);
const NODE_EVENT: Shape = Shape::Object(&[
    Field::required("event", Shape::TEXT),
    Field::optional("payload", Shape::Any),
    Field::optional("payloadJSON", Shape::ANY_TEXT),
]);
const ENQUEUE: Shape = Shape::Object(&[
    Field::required("nodeId", Shape::TEXT),
    Field::required(
        "type",
        Shape::OneOf(&["status.request", "location.request"]),
    ),
    Field::optional("priority", Shape::OneOf(&["normal", "high"])),
    Field::optional(
        "expiresInMs",
        Shape::Integer {
            min: Some(1_000),
            max: None,
        },
    ),
    Field::optional("wake", Shape::Bool),
]);
const DRAIN: Shape = Shape::Object(&[Field::optional(
    "maxItems",
    Shape::Integer {
        min: Some(1),
        max: Some(10),
    },
)]);
const ACK: Shape = Shape::Object(&[Field::required(
    "ids",
    Shape::Array {
        item: &Shape::TEXT,
        min: 1,
    },
)]);

const CONFIG_WRITE: Shape = Shape::Open(&[Field::required("raw", Shape::TEXT)]);
const CHAT_SEND: Shape = Shape::Open(&[
    Field::required("sessionKey", Shape::TEXT),
    Field::required("message", Shape::ANY_TEXT),
    Field::required("idempotencyKey", Shape::TEXT),
]);
const CHAT_INJECT: Shape = Shape::Open(&[
    Field::required("sessionKey", Shape::TEXT),
    Field::required("message", Shape::TEXT),
]);
const SESSION_KEY: Shape = Shape::Open(&[Field::required("sessionKey", Shape::TEXT)]);
const AGENT: Shape = Shape::Open(&[
    Field::required("message", Shape::TEXT),
    Field::required("idempotencyKey", Shape::TEXT),
]);
const RUN_ID: Shape = Shape::Open(&[Field::required("runId", Shape::TEXT)]);
const KEY: Shape = Shape::Open(&[Field::required("key", Shape::TEXT)]);
const KEYS: Shape = Shape::Open(&[Field::required(
    "keys",
    Shape::Array {
        item: &Shape::TEXT,
        min: 1,
    },
)]);
const SESSION_SEND: Shape = Shape::Open(&[
    Field::required("key", Shape::TEXT),
    Field::required("message", Shape::ANY_TEXT),
]);

/// Whether the shape is only the part of the params that the mock reads; the rest is the published schema's word.
pub(crate) fn is_loose(method: &str) -> bool {
    matches!(params_shape(method), Some(Shape::Open(_)))
}

/// What the parameters of a method must look like; `None` for methods that take anything.
pub(crate) fn params_shape(method: &str) -> Option<Shape> {
    Some(match method {
        "device.pair.list" | "node.pair.list" | "node.list" | "node.pending.pull"
        | "config.get" => NOTHING,
        "config.set" | "config.patch" | "config.apply" => CONFIG_WRITE,
        "device.pair.approve"
        | "device.pair.reject"
        | "node.pair.approve"
        | "node.pair.reject"
        | "device.scopes.waitUpgrade" => REQUEST_ID,
        "device.pair.remove" => DEVICE_ID,
        "node.pair.remove" | "node.describe" => NODE_ID,
        "device.pair.rename" => DEVICE_LABEL,
        "device.token.rotate" => ROTATE,
        "device.token.revoke" => REVOKE,
        "device.pair.setupCode" => SETUP_CODE,
        "device.pair.setupStatus" => SETUP_ID,
        "device.scopes.requestUpgrade" => SCOPES,
        "node.rename" => RENAME,
        "node.pair.verify" => VERIFY,
        "node.pair.request" => NODE_REQUEST,
        "node.invoke" => INVOKE,
        "node.invoke.result" => INVOKE_RESULT,
        "node.event" => NODE_EVENT,
        "node.pending.enqueue" => ENQUEUE,
        "node.pending.drain" => DRAIN,
        "node.pending.ack" => ACK,
        "chat.send" => CHAT_SEND,
        "chat.inject" => CHAT_INJECT,
        "chat.history" | "chat.startup" | "chat.abort" => SESSION_KEY,
        "agent" => AGENT,
        "agent.wait" => RUN_ID,
        "sessions.patch"
        | "sessions.reset"
        | "sessions.delete"
        | "sessions.describe"
        | "sessions.compact"
        | "sessions.messages.subscribe"
        | "sessions.messages.unsubscribe" => KEY,
        "sessions.preview" => KEYS,
        "wizard.next" => super::wizard::NEXT,
        "wizard.cancel" | "wizard.status" => super::wizard::TALK,
        "sessions.send" | "sessions.steer" => SESSION_SEND,
        _ => return None,
    })
}
