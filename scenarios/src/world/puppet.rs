//! What the node of a test does when it is invoked: the same on every machine, at once or after a while.
//!
//! An argument `sleepMs` delays the answer, `fail` makes it an error that names the text; otherwise the command
//! and its other arguments come back, and the chat session that it was called from, if there is one.

use std::time::Duration;

use client_core::InvokeOutcome;
use gateway_client::{Invocation, InvokeError, InvokeFuture, InvokeHandler};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// When and how a command is answered.
pub(crate) fn answer(
    command: &str,
    args: &Value,
    session_key: Option<&str>,
) -> (Duration, Result<Value, InvokeError>) {
    let delay = args
        .get("sleepMs")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    let result = match args.get("fail").and_then(Value::as_str) {
        Some(text) => Err(InvokeError::NotSupported(text.to_owned())),
        None => Ok(match session_key {
            Some(key) => json!({ "command": command, "args": args, "sessionKey": key }),
            None => json!({ "command": command, "args": args }),
        }),
    };
    (Duration::from_millis(delay), result)
}

/// The answer as the core takes it.
pub(crate) fn outcome(result: Result<Value, InvokeError>) -> InvokeOutcome {
    match result {
        Ok(payload) => InvokeOutcome::Ok(payload),
        Err(error) => InvokeOutcome::Failed(error.to_string()),
    }
}

/// The handler of clients in worlds with a runtime.
pub(crate) struct Puppet;

impl InvokeHandler for Puppet {
    fn invoke(&self, call: Invocation, cancel: CancellationToken) -> InvokeFuture {
        Box::pin(async move {
            let (delay, result) = answer(&call.command, &call.args, call.session_key.as_deref());
            tokio::select! {
                biased;
                () = cancel.cancelled() => Err(InvokeError::Cancelled),
                () = tokio::time::sleep(delay) => result,
            }
        })
    }
}
