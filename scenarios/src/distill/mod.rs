//! Distill: a recording becomes a scenario file that a person can edit.
//!
//! What happened to the client is kept: closes, refusals that are not its own doing, answers out of the ordinary. What
//! it did is demanded, as a client does it that is in order: where the recorded one was refused for a proof that did
//! not fit, the file demands one that does. So the file of a bug is red for the client that has it.
//!
//! | module | content |
//! |---|---|
//! | [`mod@seen`] | the connections of a script, with how each began and ended |
//! | [`client`] | a companion's conversation: our client plays it |
//! | [`state`] | a user's `gateways.json` and identity: what the actor holds |
//! | [`raw`] | anybody else's: bare connections say what was said |

pub mod client;
pub mod raw;
pub mod seen;
pub mod state;

use std::fmt::Write as _;

use serde_json::Value;
use transcript::Direction;

use crate::replay::Script;
use seen::{Seen, seen};

/// The scenario file of a script; `name` says where it comes from, `held` what the first companion has on its disk.
///
/// ```
/// let toml = scenarios::distill::distill(&scenarios::replay::Script::default(), "an empty recording", None);
/// assert!(toml.is_none(), "nobody connects in it");
/// ```
pub fn distill(script: &Script, name: &str, held: Option<&str>) -> Option<String> {
    let all = seen(script);
    let first = all.iter().find(|seen| seen.connect.is_some())?;
    let about = format!("distilled from {name}");
    let mut file = String::new();
    let title = title(&all, first);
    // Writing to a string does not fail.
    let _fine = writeln!(
        file,
        "title = {}\nabout = {}\nshard = \"network-recovery\"",
        quoted(&title),
        quoted(&about)
    );
    file.push_str(&if all.iter().all(Seen::is_companion) {
        client::file(&all, held, !approves(script))
    } else {
        raw::file(script, &all)
    });
    Some(file)
}

/// Whether somebody in the recording approves: then the approval is part of the conversation.
fn approves(script: &Script) -> bool {
    script.lines.iter().any(|line| {
        line.dir == Some(Direction::ClientToGateway)
            && line.said.frame().is_some_and(|frame| {
                let method = frame.get("method").and_then(Value::as_str);
                method.is_some_and(|method| method.ends_with(".pair.approve"))
            })
    })
}

fn title(all: &[Seen], first: &Seen) -> String {
    let who = first.client_id().unwrap_or("a client").to_owned();
    let refused = all.iter().filter(|seen| seen.ok == Some(false)).count();
    let connections = if all.len() == 1 {
        "one connection".to_owned()
    } else {
        format!("{} connections", all.len())
    };
    match refused {
        0 => format!("{who}: {connections}, none refused"),
        _ => format!("{who}: {connections}, {refused} refused"),
    }
}

/// A text in TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A JSON value as an inline TOML value; null has no form there and is left out.
fn inline(value: &Value) -> String {
    match value {
        Value::Null => "\"$null\"".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(object) => {
            let members: Vec<String> = object
                .iter()
                .map(|(name, member)| format!("{} = {}", key(name), inline(member)))
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
    }
}

fn key(name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if bare { name.to_owned() } else { quoted(name) }
}

fn step(file: &mut String, line: &str) {
    let _fine = write!(file, "\n[[step]]\n{line}\n");
}

/// A time as a scenario has it: no finer than a millisecond.
fn lapse(us: u64) -> String {
    let ms = us.div_ceil(1_000).max(1);
    if ms.is_multiple_of(1_000) {
        format!("{}s", ms / 1_000)
    } else {
        format!("{ms}ms")
    }
}
