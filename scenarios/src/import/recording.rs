//! Recordings of the real gateways, as their own probes wrote them.

use serde_json::Value;
use transcript::Direction;

use super::{Moment, Problem, Source, What};

/// Reads every line that can be read.
pub(super) fn parse(name: &str, text: &str) -> Source {
    let mut source = Source::default();
    for (index, line) in text.lines().enumerate() {
        let problem = |what: String| Problem {
            file: name.to_owned(),
            place: (index + 1).to_string(),
            what,
        };
        match serde_json::from_str::<Value>(line) {
            Ok(value) => match moment(&value) {
                Ok(Some(moment)) => source.moments.push(moment),
                Ok(None) => {}
                Err(what) => source.problems.push(problem(what)),
            },
            Err(error) => source.problems.push(problem(format!("no JSON: {error}"))),
        }
    }
    source
}

/// HTTP exchanges and what was typed elsewhere are no messages.
fn moment(value: &Value) -> Result<Option<Moment>, String> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let t_ms = value
        .get("t_ms")
        .and_then(Value::as_u64)
        .ok_or("expected a number in t_ms")?;
    let conn = text("conn").ok_or("expected a text in conn")?;
    let frame = value.get("frame").cloned().unwrap_or_default();
    let (dir, what) = match text("dir") {
        Some("open") if is_upgrade(&frame) => (None, Some(What::Open(frame))),
        Some("open" | "note") => (None, None),
        Some("close") => (Some(Direction::GatewayToClient), Some(close(&frame))),
        Some("c2g") => (Some(Direction::ClientToGateway), said(&frame)),
        Some("g2c") => (Some(Direction::GatewayToClient), said(&frame)),
        other => {
            return Err(format!(
                "expected open, note, close, c2g or g2c in dir, got {other:?}"
            ));
        }
    };
    Ok(what.map(|what| Moment {
        t_us: t_ms * 1_000,
        conn: Some(conn.to_owned()),
        dir,
        what,
    }))
}

/// One probe wrote the status, the other the line of it.
fn is_upgrade(frame: &Value) -> bool {
    let line = frame.get("http").and_then(Value::as_str);
    frame.get("status").is_some_and(|status| status == 101)
        || line.is_some_and(|line| line.starts_with("HTTP/1.1 101"))
}

fn close(frame: &Value) -> What {
    let code = frame.get("code").and_then(Value::as_u64);
    let reason = frame
        .get("reason")
        .and_then(Value::as_str)
        .unwrap_or_default();
    What::Close(
        code.and_then(|code| u16::try_from(code).ok()),
        reason.to_owned(),
    )
}

fn said(frame: &Value) -> Option<What> {
    match frame.get("ws").and_then(Value::as_str) {
        Some("close") => Some(close(frame)),
        Some("tcp-abort") => Some(What::End),
        Some("binary") => Some(What::Binary(
            frame
                .get("json")
                .map(ToString::to_string)
                .unwrap_or_default()
                .into_bytes(),
        )),
        Some(_) => frame
            .get("text")
            .and_then(Value::as_str)
            .map(|text| What::Text(text.to_owned())),
        // What a command line printed stands among the frames.
        None if frame.get("type").is_none() => None,
        None => Some(What::Text(frame.to_string())),
    }
}
