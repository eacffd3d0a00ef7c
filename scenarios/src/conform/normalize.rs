//! Makes two records comparable: what no client can rely on gets a name, equal values get equal names.
//!
//! - UUIDs, tokens and capability keys are *bound*: the first in a record is `<uuid:1>`, and wherever it comes again it is
//!   `<uuid:1>`. So a record says which ids are the same, without saying what they are.
//! - Times lose their value, except when a token was issued: that one is bound, too.
//! - What a shared gateway says about other flows is left out: lists and events that name a device of somebody else.
//! - `seq` becomes `<next>` where it is one more than the one before it, counted over everything that was heard.

use std::collections::BTreeMap;

use gateway_protocol::id::first_uuid;
use serde_json::{Map, Value, json};

use super::flow::{Flow, Step};
use super::player::Played;
use super::words::Words;

/// Events that come when they like. ref: gateway-behaviour.md G
const NOISE: [&str; 12] = [
    "tick",
    "health",
    "presence",
    "cron",
    "update.available",
    "sessions.changed",
    "config.changed",
    "chat.metadata.changed",
    "heartbeat",
    // Says nothing about whom, so on a shared gateway it may be about another flow's device.
    "device.pair.changed",
    // Two events in either order, depending on which file is read first.
    "voicewake.changed",
    "voicewake.routing.changed",
];

/// Members that come and go with the network and the way in which a gateway was installed.
const UNSTEADY: [&str; 2] = ["updateAvailable", "updateSchedule"];

/// One line of a record.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Name of the connection.
    pub on: String,
    /// What was heard on it.
    pub got: Value,
}

/// The record of a performance.
pub(crate) fn record(flow: &Flow, played: &Played) -> Vec<Entry> {
    let mut namer = Namer {
        lists: flow.show.iter().any(|shown| shown == "features"),
        words: &played.words,
        names: BTreeMap::new(),
        counts: BTreeMap::new(),
    };
    let mut entries = Vec::new();
    for (conn, heard) in &played.heard {
        let mut of_conn = Vec::new();
        let mut last_seq = 0;
        for entry in heard {
            let mut entry = entry.clone();
            check_seq(&mut entry, &mut last_seq);
            if is_noise(flow, &entry) || played.words.is_foreign(&entry) {
                continue;
            }
            drop_parts(played, conn, &mut entry);
            if is_shape(played, conn, &entry) {
                entry["payload"] = shape(&entry["payload"]);
            }
            of_conn.push(namer.value("", "", &entry));
        }
        of_conn.extend(lost(flow, conn, &of_conn));
        if flow.unordered {
            of_conn.sort_by_cached_key(Value::to_string);
        }
        if played.open.contains(conn) {
            of_conn.push(json!({"end": "none"}));
        }
        entries.extend(of_conn.into_iter().map(|got| Entry {
            on: conn.clone(),
            got,
        }));
    }
    entries
}

/// In place of answers that may be lost and were.
fn lost(flow: &Flow, conn: &str, heard: &[Value]) -> Vec<Value> {
    let requests = flow.steps.iter().filter_map(|step| match step {
        Step::Request(request) if request.may_be_lost && request.conn == conn => {
            request.id.as_deref()
        }
        _ => None,
    });
    let unanswered = requests.filter(|id| {
        !heard
            .iter()
            .any(|entry| entry["type"] == "res" && entry["id"] == **id)
    });
    unanswered
        .map(|id| json!({"type": "res", "id": id, "lost": true}))
        .collect()
}

fn check_seq(entry: &mut Value, last: &mut u64) {
    let Some(seq) = entry.get("seq").and_then(Value::as_u64) else {
        return;
    };
    if seq == *last + 1 {
        entry["seq"] = "<next>".into();
    }
    *last = seq;
}

fn is_noise(flow: &Flow, entry: &Value) -> bool {
    let shown = |name: &str| flow.show.iter().any(|shown| shown == name);
    if let Some(event) = entry["event"].as_str() {
        return NOISE.contains(&event) && !shown(event);
    }
    entry.get("ping").is_some() && !shown("ping")
}

fn is_shape(played: &Played, conn: &str, entry: &Value) -> bool {
    let id = entry["id"].as_str().unwrap_or_default();
    entry["ok"] == true && played.shapes.contains(&(conn.to_owned(), id.to_owned()))
}

/// Takes out of an answer what its flow says does not count.
fn drop_parts(played: &Played, conn: &str, entry: &mut Value) {
    let id = entry["id"].as_str().unwrap_or_default().to_owned();
    let parts = played.without.get(&(conn.to_owned(), id));
    for part in parts.into_iter().flatten() {
        if let Some((parent, name)) = part.rsplit_once('/')
            && let Some(Value::Object(members)) = entry.pointer_mut(parent)
        {
            members.shift_remove(name);
        }
    }
}

/// Names and kinds instead of values.
pub(crate) fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            Value::Object(
                sorted
                    .into_iter()
                    .map(|(name, member)| match name.as_str() {
                        "eventLoop" => (name.clone(), "<load>".into()),
                        _ => (name.clone(), shape(member)),
                    })
                    .collect(),
            )
        }
        Value::Array(items) => match items.first() {
            Some(first) => json!([shape(first)]),
            None => json!([]),
        },
        Value::String(_) => "<text>".into(),
        Value::Number(_) => "<number>".into(),
        Value::Bool(_) => "<bool>".into(),
        Value::Null => Value::Null,
    }
}

struct Namer<'a> {
    lists: bool,
    words: &'a Words,
    names: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Namer<'_> {
    fn value(&mut self, parent: &str, name: &str, value: &Value) -> Value {
        if let Some(replaced) = self.by_name(parent, name, value) {
            return replaced;
        }
        match value {
            Value::Object(members) => {
                let members = members
                    .iter()
                    .filter(|(member, _)| !UNSTEADY.contains(&member.as_str()))
                    .map(|(member, value)| {
                        (self.words.labelled(member), self.value(name, member, value))
                    });
                Value::Object(members.collect::<Map<_, _>>())
            }
            Value::Array(items) => {
                let items = items.iter().filter(|item| self.is_ours(item));
                let items: Vec<&Value> = items.collect();
                Value::Array(
                    items
                        .into_iter()
                        .map(|item| self.value(parent, name, item))
                        .collect(),
                )
            }
            Value::String(text) => Value::String(self.text(text)),
            other => other.clone(),
        }
    }

    /// Members whose name says how they are treated.
    fn by_name(&mut self, parent: &str, name: &str, value: &Value) -> Option<Value> {
        match (name, value) {
            ("issuedAtMs", Value::Number(at)) => Some(self.bound("issued", &at.to_string()).into()),
            (
                "ts" | "uptimeMs" | "durationMs" | "expiresAtMs" | "onlineSince",
                Value::Number(_),
            ) => Some("<ms>".into()),
            ("retryAfterMs", Value::Number(left)) if left.as_i64() != Some(500) => {
                Some("<ms>".into())
            }
            ("timeoutMs", Value::Number(left)) => Some(rounded(left)),
            (_, Value::Number(_)) if name.ends_with("AtMs") => Some("<ms>".into()),
            // How busy the machine was.
            ("eventLoop", Value::Object(_)) => Some("<load>".into()),
            ("stateVersion", Value::Object(_)) => Some("<versions>".into()),
            // Plugins that load late add methods, so a flow says when it is about this list.
            ("features", Value::Object(features)) if self.lists => Some(summary(features)),
            ("features", Value::Object(_)) => Some("<features>".into()),
            // Plugins that load late are missing at first.
            ("controlUiWidgetKinds" | "controlUiLinkReaders", _) => Some("<names>".into()),
            ("health", Value::Object(_)) if parent == "snapshot" => Some("<health>".into()),
            ("health", Value::Object(_)) => None,
            ("configPath" | "stateDir" | "path", Value::String(_))
                if parent == "snapshot" || parent == "sessions" =>
            {
                Some("<path>".into())
            }
            // Where the file of a gateway lies on its machine.
            ("path", Value::String(path))
                if parent == "payload" && path.contains("/openclaw.json") =>
            {
                Some("<path>".into())
            }
            ("appliedConfigHash" | "hash", Value::String(_)) => Some("<hash>".into()),
            ("avatarUrl", Value::String(_)) => Some("<avatar>".into()),
            ("recoveryScope", Value::String(text)) => Some(self.bound("recovery", text).into()),
            ("text", Value::String(_)) if parent == "presence" => Some("<text>".into()),
            ("setupCode", Value::String(code)) => Some(self.setup_code(code)),
            ("qrDataUrl", Value::String(_)) => Some("<qr>".into()),
            _ => None,
        }
    }

    /// What is inside of a setup code.
    fn setup_code(&mut self, code: &str) -> Value {
        let decoded = gateway_protocol::device::decode_base64_any(code)
            .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        match decoded {
            Some(value) => self.value("setupCode", "decoded", &value),
            None => "<no setup code>".into(),
        }
    }

    /// Lists of a shared gateway hold what other flows left behind.
    fn is_ours(&self, item: &Value) -> bool {
        let named = ["deviceId", "nodeId"]
            .iter()
            .find_map(|name| item[*name].as_str());
        match named {
            Some(id) => self.words.devices.iter().any(|own| own == id),
            // A presence entry without a device could be anybody's.
            None => !(item.get("mode").is_some() && item.get("reason").is_some()),
        }
    }

    fn text(&mut self, text: &str) -> String {
        let text = self.words.labelled(text);
        let text = self.canvas(&text);
        let text = self.uuids(&text);
        if is_token(&text) {
            return self.bound("token", &text);
        }
        if text.starts_with("hmac-sha256:") {
            return "<hash>".to_owned();
        }
        text
    }

    fn canvas(&mut self, text: &str) -> String {
        const BEFORE: &str = "/__openclaw__/cap/";
        match text.split_once(BEFORE) {
            Some((before, key)) => {
                let key = self.bound("cap", key);
                format!("{before}{BEFORE}{key}")
            }
            None => text.to_owned(),
        }
    }

    /// Every UUID in a text; one that was cut off at the end is recognised by its beginning.
    fn uuids(&mut self, text: &str) -> String {
        let mut named = String::new();
        let mut rest = text;
        while let Some((before, uuid, after)) = first_uuid(rest) {
            named.push_str(before);
            named.push_str(&self.bound("uuid", uuid));
            rest = after;
        }
        if let Some((before, cut)) = rest.rsplit_once("(requestId: ")
            && cut.len() < 36
            && let Some(name) = self
                .names
                .iter()
                .find(|(whole, _)| whole.starts_with(cut) && cut.len() > 3)
        {
            return format!("{named}{before}(requestId: {} cut at {}", name.1, cut.len());
        }
        named.push_str(rest);
        named
    }

    fn bound(&mut self, kind: &'static str, value: &str) -> String {
        if let Some(name) = self.names.get(value) {
            return name.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let name = format!("<{kind}:{count}>");
        self.names.insert(value.to_owned(), name.clone());
        name
    }
}

/// Time that is left of a limit: a real gateway needs a few milliseconds to pass it on.
fn rounded(left: &serde_json::Number) -> Value {
    match left.as_u64() {
        Some(left) if left % 1000 > 500 => json!((left / 1000 + 1) * 1000),
        _ => Value::Number(left.clone()),
    }
}

/// Lists of hundreds of names are compared by their digest.
fn summary(features: &Map<String, Value>) -> Value {
    Value::Object(
        features
            .iter()
            .map(|(name, list)| (name.clone(), digest_of(list)))
            .collect(),
    )
}

fn digest_of(list: &Value) -> Value {
    let count = list.as_array().map_or(0, Vec::len);
    let digest = super::digest(&list.to_string());
    format!("{count} names, {}", digest.get(..12).unwrap_or_default()).into()
}

/// 32 bytes in unpadded base64url.
fn is_token(text: &str) -> bool {
    text.len() == 43
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_found_inside_of_a_text() {
        let text = "x (requestId: 123e4567-e89b-42d3-a456-426614174000)";
        assert_eq!(
            first_uuid(text).unwrap().1,
            "123e4567-e89b-42d3-a456-426614174000"
        );
        assert!(first_uuid("no id here").is_none());
    }

    #[test]
    fn a_time_limit_is_rounded_up_to_its_second() {
        assert_eq!(rounded(&29_998.into()), json!(30_000));
        assert_eq!(rounded(&250.into()), json!(250));
    }
}
