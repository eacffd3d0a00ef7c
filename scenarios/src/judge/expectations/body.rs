//! Bodies of messages, states, and captures from them.

use std::collections::BTreeMap;

use serde_json::Value;
use transcript::Captures;

use super::super::record::Nearest;
use super::super::wire::Recorded;
use super::Check;
use crate::scenario::captures::Captured;
use crate::scenario::{ClosePattern, Pattern};

/// The part of a frame that captures and bodies speak of: params, payload or error.
pub fn body_of(frame: &Value) -> Option<&Value> {
    match frame.get("type").and_then(Value::as_str)? {
        "req" => frame.get("params"),
        "event" => frame.get("payload"),
        "res" => frame.get("payload").or_else(|| frame.get("error")),
        _ => None,
    }
}

pub(super) fn fits<R: Recorded>(
    pattern: &Pattern,
    entry: &R,
    check: &mut Check,
) -> Result<(), Nearest> {
    if let Some(close) = &pattern.close {
        close_fits(close, entry, check)?;
    }
    let frame = entry.frame();
    let parts = [
        (
            &pattern.params,
            frame.and_then(|f| f.get("params")),
            "/params",
        ),
        (
            &pattern.payload,
            frame.and_then(|f| f.get("payload")),
            "/payload",
        ),
        (&pattern.error, frame.and_then(|f| f.get("error")), "/error"),
        (&pattern.frame, frame, ""),
    ];
    for (wanted, got, prefix) in parts {
        let Some(wanted) = wanted else { continue };
        let got = got.unwrap_or(&Value::Null);
        match subset(wanted, got) {
            Ok(()) => check.agreed += 2,
            Err(mut near) => {
                // The right message with the wrong content is nearer than any other message.
                check.agreed += 1;
                near.pointer = format!("{prefix}{}", near.pointer);
                return Err(check.miss(&near.pointer, near.expected, near.got));
            }
        }
    }
    Ok(())
}

fn close_fits<R: Recorded>(
    close: &ClosePattern,
    entry: &R,
    check: &mut Check,
) -> Result<(), Nearest> {
    let got = entry.close().cloned().unwrap_or_default();
    if let Some(code) = close.code {
        let shown = got
            .code
            .map_or_else(|| "no code".to_owned(), |code| code.to_string());
        check.that(got.code == Some(code), || ("code", code.to_string(), shown))?;
    }
    if let Some(reason) = &close.reason {
        check.that(got.reason == *reason, || {
            ("reason", format!("{reason:?}"), format!("{:?}", got.reason))
        })?;
    }
    if let Some(part) = &close.reason_contains {
        check.that(got.reason.contains(part), || {
            (
                "reason",
                format!("...{part}..."),
                format!("{:?}", got.reason),
            )
        })?;
    }
    Ok(())
}

fn subset(wanted: &Value, got: &Value) -> Result<(), Nearest> {
    match transcript::matches(wanted, got, &Captures::default()) {
        Ok(_bindings) => Ok(()),
        Err(mismatch) => Err(Nearest {
            entry: None,
            pointer: mismatch.pointer,
            expected: mismatch.expected,
            got: mismatch.got,
            agreed: 0,
        }),
    }
}

/// Whether a state (snapshot, durable state, gateway view, report) has what is wanted.
pub fn state_matches(wanted: &Value, got: &Value) -> Result<(), Nearest> {
    subset(wanted, got)
}

/// Fills captures from a message: pointers into its body, or with `frame/` into the frame.
pub fn capture<R: Recorded>(
    pointers: &BTreeMap<String, String>,
    entry: &R,
    captured: &mut Captured,
) {
    let Some(frame) = entry.frame() else { return };
    for (name, pointer) in pointers {
        let value = match pointer.strip_prefix("frame/") {
            Some(rest) => frame.pointer(&format!("/{rest}")),
            None => body_of(frame).and_then(|body| body.pointer(pointer)),
        };
        if let Some(value) = value {
            captured.insert(name.clone(), value.clone());
        }
    }
}
