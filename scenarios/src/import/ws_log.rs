//! The gateway's own log with `--ws-log full`: one line a message, with names and ids but without content.
//!
//! `← req METHOD ... conn=ID id=ID`, `→ res ✓ METHOD 12ms ...`, `→ event NAME ...`; ids are shortened by the gateway.
//! What it gives is a skeleton: who said what when. It can be merged and looked at, and is not enough to replay.

use serde_json::{Value, json};
use transcript::Direction;

use super::{Moment, Problem, Source, What, unix_us};

/// Whether a line speaks of a message.
pub(super) fn is_line(line: &str) -> bool {
    let plain = without_colours(line);
    arrow(&plain).is_some()
}

/// Reads every line of a message; other lines of the log are passed over.
pub(super) fn parse(name: &str, text: &str) -> Source {
    let mut source = Source::default();
    let mut at: Vec<(Option<i64>, Moment)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let plain = without_colours(line);
        let Some((dir, rest)) = arrow(&plain) else {
            continue;
        };
        match moment(dir, rest) {
            Some(moment) => at.push((stamp(&plain), moment)),
            None => source.problems.push(Problem {
                file: name.to_owned(),
                place: (index + 1).to_string(),
                what: "expected req, res or event after the arrow; the line was left out"
                    .to_owned(),
            }),
        }
    }
    source.began_us = at.iter().find_map(|(us, _)| *us);
    let began = source.began_us.unwrap_or_default();
    let mut last = 0;
    for (us, mut moment) in at {
        last = us.map_or(last, |us| u64::try_from(us - began).unwrap_or(last));
        moment.t_us = last;
        source.moments.push(moment);
    }
    source
}

/// What is left without the sequences that colour a terminal.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(char) = rest.next() {
        if char == '\u{1b}' {
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(char);
        }
    }
    plain
}

fn arrow(plain: &str) -> Option<(Direction, &str)> {
    [
        ("← ", Direction::ClientToGateway),
        ("→ ", Direction::GatewayToClient),
    ]
    .into_iter()
    .find_map(|(arrow, dir)| Some((dir, plain.split_once(arrow)?.1)))
    .filter(|(_, rest)| !rest.is_empty())
}

/// The first word of the line, when it is a time.
fn stamp(plain: &str) -> Option<i64> {
    let word = plain.split_whitespace().next()?;
    unix_us(word.trim_matches(['[', ']']))
}

fn moment(dir: Direction, rest: &str) -> Option<Moment> {
    let mut words = rest.split_whitespace();
    let kind = words.next()?;
    let words: Vec<&str> = words.collect();
    let value = |name: &str| {
        words
            .iter()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    };
    let named = words
        .iter()
        .find(|word| !word.contains('=') && !is_duration(word) && !["✓", "✗"].contains(*word));
    let id = value("id").unwrap_or_default();
    let frame = match kind {
        "req" => json!({ "type": "req", "id": id, "method": named? }),
        "res" => json!({ "type": "res", "id": id, "ok": !words.contains(&"✗"), "method": named }),
        "event" => {
            json!({ "type": "event", "event": named?, "seq": value("seq").and_then(|seq| seq.parse::<u64>().ok()) })
        }
        "open" | "close" => return Some(ended(dir, kind, value("conn"), value("code"))),
        _ => return None,
    };
    Some(Moment {
        t_us: 0,
        conn: value("conn").map(str::to_owned),
        dir: Some(dir),
        what: What::Text(frame.to_string()),
    })
}

fn is_duration(word: &str) -> bool {
    word.strip_suffix("ms")
        .is_some_and(|number| number.parse::<u64>().is_ok())
}

fn ended(dir: Direction, kind: &str, conn: Option<&str>, code: Option<&str>) -> Moment {
    let what = if kind == "open" {
        What::Open(Value::Null)
    } else {
        What::Close(code.and_then(|code| code.parse().ok()), String::new())
    };
    Moment {
        t_us: 0,
        conn: conn.map(str::to_owned),
        dir: (kind == "close").then_some(dir),
        what,
    }
}
