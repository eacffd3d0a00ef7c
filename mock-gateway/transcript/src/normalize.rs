//! Renames what two equal runs may differ in (ids, nonces, times, tokens), each value in the order of its first
//! appearance, so that what is left must be equal. Used by the parity test between worlds.
//!
//! ```
//! use serde_json::json;
//! use transcript::normalize::Normalizer;
//! let mut names = Normalizer::new();
//! let frame = json!({"type": "event", "event": "tick", "payload": {"ts": 1767225600123_i64}});
//! assert_eq!(names.value(&frame)["payload"]["ts"], "<time>");
//! ```

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use gateway_protocol::id::is_uuid;
use serde_json::{Map, Value};

use crate::entry::Entry;
use crate::reader::Transcript;

/// A transcript with every run-dependent value renamed and all times set to 0. The world in the header goes too.
#[must_use]
pub fn normalize(transcript: &Transcript) -> Transcript {
    let mut names = Normalizer::new();
    let mut header = transcript.header.clone();
    "any".clone_into(&mut header.world);
    Transcript {
        header,
        entries: transcript
            .entries
            .iter()
            .map(|entry| names.entry(entry))
            .collect(),
    }
}

/// The entries of each connection on their own (0 for those without), renumbered from 1. Two worlds may interleave
/// connections differently; within one the order must agree.
pub fn per_connection(transcript: &Transcript) -> BTreeMap<u32, Vec<Entry>> {
    let mut groups: BTreeMap<u32, Vec<Entry>> = BTreeMap::new();
    for entry in &transcript.entries {
        let group = groups.entry(entry.conn.unwrap_or(0)).or_default();
        let mut entry = entry.clone();
        entry.n = group.len() as u64 + 1;
        group.push(entry);
    }
    groups
}

/// Gives each value of a kind the next number of that kind.
#[derive(Clone, Debug, Default)]
pub struct Normalizer {
    names: BTreeMap<(&'static str, String), u32>,
    counts: BTreeMap<&'static str, u32>,
}

impl Normalizer {
    /// Has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One entry, renamed.
    pub fn entry(&mut self, entry: &Entry) -> Entry {
        Entry {
            n: entry.n,
            t_us: 0,
            conn: entry.conn,
            actor: entry.actor.clone(),
            dir: entry.dir,
            stage: entry.stage,
            kind: entry.kind,
            frame: entry.frame.as_ref().map(|frame| self.frame(frame).into()),
            raw: entry.raw.clone(),
            close: entry.close.clone().map(|mut close| {
                close.reason = self.text(&close.reason);
                close
            }),
            text: entry.text.as_ref().map(|text| self.text(text)),
            data: entry.data.as_ref().map(|data| self.value(data)),
        }
    }

    /// A JSON value, renamed.
    pub fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(object) => Value::Object(
                object
                    .iter()
                    .map(|(name, member)| (self.text(name), self.member(name, member)))
                    .collect(),
            ),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.value(item)).collect())
            }
            Value::String(text) => Value::String(self.text(text)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// The `id` of a request or response is its own kind: clients choose any text for it.
    fn frame(&mut self, frame: &Value) -> Value {
        let renamed = self.value(frame);
        let is_rpc = frame
            .get("type")
            .is_some_and(|kind| kind == "req" || kind == "res");
        match (renamed, frame.get("id")) {
            (Value::Object(object), Some(Value::String(id))) if is_rpc => {
                let name = self.name("request", id);
                let replace = |(key, member): (String, Value)| {
                    let member = if key == "id" { name.clone() } else { member };
                    (key, member)
                };
                Value::Object(object.into_iter().map(replace).collect::<Map<_, _>>())
            }
            (renamed, _) => renamed,
        }
    }

    fn member(&mut self, name: &str, member: &Value) -> Value {
        match member {
            Value::Number(_) if is_time(name) => Value::from("<time>"),
            Value::String(text) if is_time(name) && looks_like_date(text) => Value::from("<time>"),
            Value::String(text) => match kind_of_member(name) {
                Some(kind) if !text.is_empty() => self.name(kind, text),
                _ => Value::String(self.text(text)),
            },
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => self.value(member),
        }
    }

    fn name(&mut self, kind: &'static str, value: &str) -> Value {
        Value::String(self.numbered(kind, value))
    }

    fn numbered(&mut self, kind: &'static str, value: &str) -> String {
        let key = (kind, value.to_owned());
        let number = if let Some(known) = self.names.get(&key) {
            *known
        } else {
            let count = self.counts.entry(kind).or_insert(0);
            *count += 1;
            self.names.insert(key, *count);
            *count
        };
        format!("<{kind}:{number}>")
    }

    /// Renames UUIDs, device ids and the ports behind addresses wherever they stand in a text.
    fn text(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let run = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            if run == 0 {
                out.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
                continue;
            }
            let (word, tail) = rest.split_at(run);
            let is_port = ends_with_a_host(&out);
            match kind_of_word(word) {
                Some(kind) => out.push_str(&self.numbered(kind, word)),
                None if is_port => out.push_str("<port>"),
                None => out.push_str(word),
            }
            rest = tail;
        }
        out
    }
}

/// `localhost:` or `192.0.2.1:`, behind which a port comes.
fn ends_with_a_host(text: &str) -> bool {
    text.strip_suffix(':').is_some_and(|host| {
        let address = host
            .rsplit(|c: char| !c.is_ascii_digit() && c != '.')
            .next();
        host.ends_with("localhost") || address.is_some_and(|text| text.parse::<Ipv4Addr>().is_ok())
    })
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn kind_of_member(name: &str) -> Option<&'static str> {
    match name {
        "nonce" => Some("nonce"),
        "publicKey" => Some("public-key"),
        "connId" => Some("conn-id"),
        "instanceId" => Some("instance"),
        "requestId" => Some("request-id"),
        "invokeId" => Some("invoke"),
        "bootId" => Some("boot"),
        _ => None,
    }
}

fn is_time(name: &str) -> bool {
    name == "ts"
        || name == "uptimeMs"
        || name.ends_with("AtMs")
        || name.ends_with("At")
        || name == "timestamp"
        || name == "durationMs"
        || name.ends_with("Timestamp")
}

fn looks_like_date(text: &str) -> bool {
    text.len() >= 10 && text.as_bytes().get(4) == Some(&b'-') && text.contains(':')
}

fn kind_of_word(word: &str) -> Option<&'static str> {
    if is_uuid(word) {
        return Some("uuid");
    }
    let is_hex = word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then_some("device")
}
