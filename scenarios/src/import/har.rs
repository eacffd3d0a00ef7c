//! HAR files with `_webSocketMessages`, as the network panel of a browser saves them.

use gateway_protocol::device::decode_base64_any;
use serde_json::{Value, json};
use transcript::Direction;

use super::{ImportError, Moment, Problem, Source, What, unix_us};

/// Reads every socket of the file.
pub(super) fn parse(name: &str, text: &str) -> Result<Source, ImportError> {
    let har: Value = serde_json::from_str(text).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        ImportError::Nothing(name.to_owned(), format!("{place}: no whole JSON: {error}"))
    })?;
    let entries = har
        .pointer("/log/entries")
        .and_then(Value::as_array)
        .ok_or_else(|| {
            ImportError::Unknown(
                name.to_owned(),
                "expected log.entries of a HAR file".to_owned(),
            )
        })?;
    let mut source = Source::default();
    let mut at = Vec::new();
    let mut sockets = 0;
    for (index, entry) in entries.iter().enumerate() {
        let Some(messages) = entry.get("_webSocketMessages") else {
            continue;
        };
        let place = format!("log.entries[{index}]");
        sockets += 1;
        socket(
            name,
            &place,
            &sockets.to_string(),
            entry,
            messages,
            &mut at,
            &mut source.problems,
        );
    }
    if at.is_empty() && source.problems.is_empty() {
        let why = format!(
            "none of its {} entries has _webSocketMessages: save it with content, from a browser that keeps them",
            entries.len()
        );
        return Err(ImportError::Nothing(name.to_owned(), why));
    }
    let began = at.iter().map(|(us, _)| *us).min();
    for (us, mut moment) in at {
        moment.t_us = u64::try_from(us - began.unwrap_or(us)).unwrap_or_default();
        source.moments.push(moment);
    }
    source.began_us = began;
    Ok(source)
}

fn socket(
    name: &str,
    place: &str,
    conn: &str,
    entry: &Value,
    messages: &Value,
    at: &mut Vec<(i64, Moment)>,
    problems: &mut Vec<Problem>,
) {
    let mut problem = |place: String, what: &str| {
        problems.push(Problem {
            file: name.to_owned(),
            place,
            what: what.to_owned(),
        });
    };
    let Some(messages) = messages.as_array() else {
        problem(format!("{place}._webSocketMessages"), "expected a list");
        return;
    };
    let moment = |dir, what| Moment {
        t_us: 0,
        conn: Some(conn.to_owned()),
        dir,
        what,
    };
    let mut first = None;
    for (index, message) in messages.iter().enumerate() {
        let place = format!("{place}._webSocketMessages[{index}]");
        let dir = match message.get("type").and_then(Value::as_str) {
            Some("send") => Direction::ClientToGateway,
            Some("receive") => Direction::GatewayToClient,
            _ => {
                problem(place, "expected send or receive in type; it was left out");
                continue;
            }
        };
        let seconds = message.get("time").and_then(Value::as_f64);
        let data = message.get("data").and_then(Value::as_str);
        let (Some(seconds), Some(data)) = (seconds, data) else {
            problem(
                place,
                "expected a number in time and a text in data; it was left out",
            );
            continue;
        };
        let us = micros(seconds);
        first.get_or_insert(us);
        let what = match message.get("opcode").and_then(Value::as_u64) {
            Some(2) => {
                let Some(bytes) = decode_base64_any(data) else {
                    problem(place, "a binary message that is no base64; it was left out");
                    continue;
                };
                What::Binary(bytes)
            }
            _ => What::Text(data.to_owned()),
        };
        at.push((us, moment(Some(dir), what)));
    }
    let started = entry.get("startedDateTime").and_then(Value::as_str);
    if let Some(opened) = started.and_then(unix_us).or(first) {
        let opened = first.map_or(opened, |first| first.min(opened));
        let url = entry.pointer("/request/url").cloned().unwrap_or_default();
        at.push((opened, moment(None, What::Open(json!({ "url": url })))));
        // The opening comes before what is said at the same microsecond.
        at.sort_by_key(|(us, moment)| (*us, !matches!(moment.what, What::Open(_))));
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "seconds of this century have room in 64 bits as microseconds"
)]
fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}
