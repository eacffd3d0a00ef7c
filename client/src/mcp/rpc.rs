//! The Model Context Protocol as far as a server of tools needs it: JSON-RPC by POST, one request and one answer, no
//! stream and no state. ref: client-behaviour.md §23
//!
//! Why not the official SDK: `docs/decisions/0008-local-tools-without-an-sdk.md`. That a client written with the SDK gets on
//! with this server is shown by `ci/mcp-client`.

use serde_json::{Value, json};

use super::tools::Tools;

/// Versions whose tools work as these do; the first is answered to whoever asks for another.
const VERSIONS: [&str; 3] = ["2024-11-05", "2025-03-26", "2025-06-18"];

/// What becomes of a message.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    /// A notification: taken, nothing to say.
    Accepted,
    /// The answer.
    Answer(Value),
}

/// Codes of JSON-RPC.
const PARSE: i64 = -32_700;
const INVALID: i64 = -32_600;
const NO_METHOD: i64 = -32_601;

pub(super) async fn answer(tools: &Tools, body: &[u8]) -> Reply {
    let Ok(message) = serde_json::from_slice::<Value>(body) else {
        return failed(&Value::Null, PARSE, "expected JSON");
    };
    let Some(method) = message.get("method").and_then(Value::as_str) else {
        let text = "expected one JSON-RPC request; batches are not taken";
        return failed(&Value::Null, INVALID, text);
    };
    let id = match message.get("id") {
        None => return Reply::Accepted,
        Some(id @ (Value::String(_) | Value::Number(_))) => id,
        Some(_) => return failed(&Value::Null, INVALID, "expected an id of text or number"),
    };
    let params = message.get("params").unwrap_or(&Value::Null);
    match method {
        "initialize" => succeeded(id, &initialize(params)),
        "ping" => succeeded(id, &json!({})),
        "tools/list" => succeeded(id, &json!({ "tools": Tools::list() })),
        "tools/call" => match params.get("name").and_then(Value::as_str) {
            Some(name) => succeeded(id, &call(tools, name, params).await),
            None => failed(id, INVALID, "expected the name of a tool"),
        },
        other => failed(id, NO_METHOD, &format!("Method not found: {other}")),
    }
}

fn initialize(params: &Value) -> Value {
    let wanted = params.get("protocolVersion").and_then(Value::as_str);
    let version = VERSIONS.iter().find(|version| Some(**version) == wanted);
    json!({
        "protocolVersion": version.unwrap_or(&VERSIONS[0]),
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "clawproof-companion", "version": env!("CARGO_PKG_VERSION")},
    })
}

/// A failure of a tool is a result, so that whoever asked can read it.
async fn call(tools: &Tools, name: &str, params: &Value) -> Value {
    let none = serde_json::Map::new();
    let arguments = params.get("arguments").and_then(Value::as_object);
    let (text, is_error) = match tools.call(name, arguments.unwrap_or(&none)).await {
        Ok(value) => (value.to_string(), false),
        Err(failure) => (failure, true),
    };
    json!({"content": [{"type": "text", "text": text}], "isError": is_error})
}

fn succeeded(id: &Value, result: &Value) -> Reply {
    Reply::Answer(json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

fn failed(id: &Value, code: i64, message: &str) -> Reply {
    let error = json!({"code": code, "message": message});
    Reply::Answer(json!({"jsonrpc": "2.0", "id": id, "error": error}))
}
