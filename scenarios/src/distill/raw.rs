//! The conversation of a client that is not ours: bare connections say what it said, with credentials of the mock.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};
use transcript::Direction;

use super::seen::Seen;
use super::{inline, quoted, step};
use crate::replay::script::{Said, Script};

/// Values that the gateway gives and the client says later, by name.
type Captures = BTreeMap<String, String>;

/// One bare connection each; those of one device have its identity.
fn actors(file: &mut String, all: &[Seen]) {
    for seen in all {
        let twin = all.iter().find(|other| {
            other.conn < seen.conn && other.device().is_some() && other.device() == seen.device()
        });
        let _fine = write!(file, "\n[actor.c{}]\nkind = \"raw\"\n", seen.conn);
        if let Some(twin) = twin {
            let _fine = writeln!(file, "identity_of = \"c{}\"", twin.conn);
        }
        if let Some(origin) = &seen.origin {
            let _fine = writeln!(file, "origin = {}", quoted(origin));
        }
    }
}

/// Everything after the head of the file.
pub(super) fn file(script: &Script, all: &[Seen]) -> String {
    let mut file = String::from("worlds = [\"core\", \"memory\"]\n");
    actors(&mut file, all);
    let said_later = said_later(script);
    let mut captures = Captures::new();
    let mut methods: BTreeMap<(u32, String), String> = BTreeMap::new();
    let mut left = Vec::new();
    for line in &script.lines {
        let actor = quoted(&format!("c{}", line.conn));
        match (&line.said, line.dir) {
            (Said::Open(_), _) => step(&mut file, &format!("start = {actor}")),
            (Said::Frame(frame), Some(Direction::ClientToGateway)) => {
                let text = |name: &str| frame.get(name).and_then(Value::as_str).unwrap_or_default();
                methods.insert(
                    (line.conn, text("id").to_owned()),
                    text("method").to_owned(),
                );
                step(&mut file, &send(&actor, frame, &captures));
            }
            (Said::Frame(frame), _) => {
                let id = frame.get("id").and_then(Value::as_str).unwrap_or_default();
                let method = methods.get(&(line.conn, id.to_owned()));
                let found = captured(frame, &said_later, &mut captures);
                match heard(&actor, frame, method.map(String::as_str), &found) {
                    Some(expect) => step(&mut file, &expect),
                    None => left.push(format!(
                        "entry {}: {}",
                        line.n,
                        frame.get("event").unwrap_or(&Value::Null)
                    )),
                }
            }
            (Said::Close(close), Some(Direction::GatewayToClient)) => {
                let code = close
                    .code
                    .map_or_else(String::new, |code| format!("code = {code}"));
                step(
                    &mut file,
                    &format!("expect = {{ to = {actor}, close = {{ {code} }} }}"),
                );
            }
            (Said::Close(_) | Said::End, _) => step(
                &mut file,
                &format!("close = {{ actor = {actor}, by = \"actor\", how = \"close\" }}"),
            ),
            (Said::Raw(bytes), Some(Direction::ClientToGateway)) => {
                let text = String::from_utf8_lossy(bytes);
                step(
                    &mut file,
                    &format!("send = {{ from = {actor}, text = {} }}", quoted(&text)),
                );
            }
            (Said::Raw(_), _) => left.push(format!("entry {}: no frame", line.n)),
        }
    }
    if !left.is_empty() {
        let _fine = write!(
            file,
            "\n# Not demanded, because nothing that was said later depends on it:\n# {}\n",
            left.join("\n# ")
        );
    }
    file
}

/// Texts that only a machine makes, in what clients say.
fn said_later(script: &Script) -> Vec<String> {
    let mut found = Vec::new();
    for line in &script.lines {
        if let (Said::Frame(frame), Some(Direction::ClientToGateway)) = (&line.said, line.dir)
            && frame
                .get("method")
                .is_some_and(|method| method != "connect")
        {
            texts(
                frame.get("params").unwrap_or(&Value::Null),
                "",
                &mut |_, text| {
                    if text.len() >= 8 {
                        found.push(text.to_owned());
                    }
                },
            );
        }
    }
    found
}

fn texts(value: &Value, at: &str, visit: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => visit(at, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                texts(item, &format!("{at}/{index}"), visit);
            }
        }
        Value::Object(object) => {
            for (name, member) in object {
                texts(member, &format!("{at}/{name}"), visit);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The places of a gateway's message that hold what a client says later, by a new name each.
fn captured(
    frame: &Value,
    said_later: &[String],
    captures: &mut Captures,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let minted = |name: &str| {
        name.ends_with("Id") || name == "id" || name.ends_with("oken") || name.ends_with("Code")
    };
    texts(
        frame.get("payload").unwrap_or(&Value::Null),
        "",
        &mut |at, text| {
            let name = at.rsplit('/').next().unwrap_or_default();
            if minted(name)
                && said_later.iter().any(|said| said == text)
                && !captures.contains_key(text)
            {
                let number = captures.len() + 1;
                captures.insert(text.to_owned(), format!("v{number}"));
                found.push((format!("v{number}"), at.to_owned()));
            }
        },
    );
    found
}

fn heard(
    actor: &str,
    frame: &Value,
    method: Option<&str>,
    captured: &[(String, String)],
) -> Option<String> {
    let captures: Vec<String> = captured
        .iter()
        .map(|(name, at)| format!("{name} = {}", quoted(at)))
        .collect();
    let capture = if captures.is_empty() {
        String::new()
    } else {
        format!(", capture = {{ {} }}", captures.join(", "))
    };
    if let Some(method) = method {
        let ok = frame.get("ok").and_then(Value::as_bool).unwrap_or_default();
        let code = frame.pointer("/error/code").and_then(Value::as_str);
        let error = code.map_or_else(String::new, |code| {
            format!(", error = {{ code = {} }}", quoted(code))
        });
        return Some(format!(
            "expect = {{ to = {actor}, response = {}, ok = {ok}{error}{capture} }}",
            quoted(method)
        ));
    }
    let event = frame.get("event").and_then(Value::as_str)?;
    (!captures.is_empty()).then(|| {
        format!(
            "expect = {{ to = {actor}, event = {}{capture} }}",
            quoted(event)
        )
    })
}

fn send(actor: &str, frame: &Value, captures: &Captures) -> String {
    let method = frame.get("method").and_then(Value::as_str);
    let params = frame.get("params").cloned().unwrap_or_default();
    match method {
        Some("connect") => format!(
            "send = {{ from = {actor}, connect = {} }}",
            inline(&plan(&params))
        ),
        Some(method) => {
            let params = if params.is_null() {
                String::new()
            } else {
                format!(", params = {}", inline(&with_captures(&params, captures)))
            };
            format!(
                "send = {{ from = {actor}, request = {}{params} }}",
                quoted(method)
            )
        }
        None => format!("send = {{ from = {actor}, frame = {} }}", inline(frame)),
    }
}

fn with_captures(value: &Value, captures: &Captures) -> Value {
    match value {
        Value::String(text) => captures
            .get(text)
            .map_or_else(|| value.clone(), |name| Value::from(format!("${name}"))),
        Value::Array(items) => items
            .iter()
            .map(|item| with_captures(item, captures))
            .collect(),
        Value::Object(object) => object
            .iter()
            .map(|(name, member)| (name.clone(), with_captures(member, captures)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// The plan of a connect like the recorded one. Credentials are the mock's own, whatever they were.
fn plan(params: &Value) -> Value {
    let mut plan = Map::new();
    for (from, to) in [
        ("/role", "role"),
        ("/scopes", "scopes"),
        ("/caps", "caps"),
        ("/commands", "commands"),
        ("/client/id", "client_id"),
        ("/client/mode", "client_mode"),
        ("/client/platform", "platform"),
        ("/client/deviceFamily", "device_family"),
    ] {
        if let Some(value) = params.pointer(from) {
            plan.insert(to.to_owned(), value.clone());
        }
    }
    if let (Some(low), Some(high)) = (params.get("minProtocol"), params.get("maxProtocol")) {
        plan.insert(
            "protocol".to_owned(),
            Value::from(vec![low.clone(), high.clone()]),
        );
    }
    if params.get("device").is_none() {
        plan.insert("device".to_owned(), Value::from("none"));
    }
    let mut auth = Map::new();
    for (name, to, value) in [
        ("token", "token", "$gateway.token"),
        ("password", "password", "$gateway.password"),
    ] {
        if params.pointer(&format!("/auth/{name}")).is_some() {
            auth.insert(to.to_owned(), Value::from(value));
        }
    }
    if !auth.is_empty() {
        plan.insert("auth".to_owned(), Value::Object(auth));
    }
    Value::Object(plan)
}
