//! The companion's diagnostics: `{"Timestamp","Category","Message","Detail"}`, one object a line, already sanitised by it.
//! ref: client-behaviour.md §26

use serde_json::{Value, json};

use super::{Moment, Problem, Source, What, unix_us};

/// Reads every line that can be read. What a client says of itself is a note: nothing is asserted from it.
pub(super) fn parse(name: &str, text: &str) -> Source {
    let mut source = Source::default();
    let mut at = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match event(line) {
            Ok((us, what)) => at.push((us, what)),
            Err(what) => source.problems.push(Problem {
                file: name.to_owned(),
                place: (index + 1).to_string(),
                what: format!("{what}; the line was left out"),
            }),
        }
    }
    source.began_us = at.iter().map(|(us, _)| *us).min();
    let began = source.began_us.unwrap_or_default();
    source.moments = at
        .into_iter()
        .map(|(us, what)| Moment {
            t_us: u64::try_from(us - began).unwrap_or_default(),
            conn: None,
            dir: None,
            what,
        })
        .collect();
    source
}

fn event(line: &str) -> Result<(i64, What), String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("no JSON: {error}"))?;
    let text = |name: &str| {
        let lower: String = name.to_ascii_lowercase();
        value
            .get(name)
            .or_else(|| value.get(&lower))
            .and_then(Value::as_str)
    };
    let stamp = text("Timestamp").ok_or("expected a text in Timestamp")?;
    let us = unix_us(stamp).ok_or_else(|| format!("Timestamp {stamp:?} is no time in UTC"))?;
    let category = text("Category").unwrap_or("?");
    let message = text("Message").ok_or("expected a text in Message")?;
    let detail = text("Detail").unwrap_or_default();
    Ok((
        us,
        What::Note(
            format!("{category}: {message}"),
            json!({ "detail": detail }),
        ),
    ))
}
