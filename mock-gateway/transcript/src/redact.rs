//! Replaces secrets by pseudonyms: `<device-token:1>`, the same one for the same value wherever it stands.
//!
//! A value is learned from its place (a JSON member such as `deviceToken`, a header, a URL, a setup code, a nested
//! JSON text) or by [`Redactor::register`], and is from then on replaced in every string, in each of the forms of
//! [`crate::encoding`]. A pseudonym of an encoded hit says so: `<device-token:1:base64>`. Ids, nonces, booleans and
//! codes are left alone. Numbers are given per kind in the order in which values are first replaced, so two equal
//! runs name their secrets equally.
//!
//! ```
//! use serde_json::json;
//! use transcript::Redactor;
//!
//! let mut redactor = Redactor::new();
//! redactor.register("device-token", "5c1f-issued-earlier");
//! let hidden = redactor.redact(&json!({"note": "kept 5c1f-issued-earlier", "id": "r-1"}));
//! assert_eq!(hidden, json!({"note": "kept <device-token:1>", "id": "r-1"}));
//! ```

mod filter;
mod hints;
mod identity;
mod line;
mod marks;
pub(crate) mod needle;
mod pairs;
mod place;
mod replace;
mod structure;
mod tape;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use indexmap::IndexMap;
use serde_json::Value;

use crate::encoding::{Encoding, MIN_SEARCHED};
use crate::entry::{CloseInfo, Entry, RawEntry, push_number};
use crate::payload::Payload;
use crate::resign::Identities;

use line::Notes;
use marks::Marks;
use needle::{Hit, Needles, Pieces};
use place::Places;
use structure::{Class, Member, Siblings};
use tape::Tape;
pub(crate) use text::is_pseudonym;

/// JSON texts inside JSON strings are opened this deep; what lies deeper is replaced whole.
const MAX_NESTING: usize = 8;
const TOO_DEEP: &str = "<unreadable:1>";
/// What makes a short credential recognisable in a text.
const HEADER: &str = "Authorization: ";

struct Secret {
    kind: String,
    is_guess: bool,
    number: Option<u32>,
    /// What is shown instead of a pseudonym: an identity of the same form, or a setup code that still decodes.
    stand_in: Option<String>,
}

/// Learns secrets and replaces them.
pub struct Redactor {
    secrets: IndexMap<String, Secret>,
    counters: BTreeMap<String, u32>,
    needles: Needles,
    /// The message of the last entry: its next entry, delivered after sent, shows it too.
    last: Option<(Payload, Message)>,
    /// Synthetic devices, when real ones are replaced.
    identities: Option<Identities>,
    /// Names of machines and people, where the record may hold any.
    places: Option<Places>,
    /// Memory for taking a frame apart, and for what in it may change.
    tape: Tape,
    notes: Notes,
    /// Whether a password of digits was seen, which is learned where it is replaced.
    is_learned_late: bool,
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new()
    }
}

impl Redactor {
    /// Knows no value yet, only places.
    pub fn new() -> Self {
        Self {
            secrets: IndexMap::new(),
            counters: BTreeMap::new(),
            needles: Needles::new(),
            last: None,
            identities: None,
            places: None,
            tape: Tape::default(),
            notes: Notes::default(),
            is_learned_late: false,
        }
    }

    /// Knows these (kind, value) pairs.
    pub fn with_secrets(secrets: &[(String, String)]) -> Self {
        Self::new().knowing(secrets)
    }

    fn knowing(mut self, secrets: &[(String, String)]) -> Self {
        for (kind, value) in secrets {
            self.register(kind, value);
        }
        self
    }

    /// Hides what names a machine or a person too: addresses, hosts, e-mail addresses, home folders, user names.
    #[must_use]
    pub fn hiding_places(mut self) -> Self {
        self.places.get_or_insert_default();
        self
    }

    /// The same, and what people called their devices.
    #[must_use]
    pub fn hiding_people(mut self) -> Self {
        self.places = Some(Places::of_people());
        self
    }

    /// Tells it the name of a machine (`host`) or of a person (`user`), to be hidden wherever it stands as a word. Only
    /// after [`Redactor::hiding_places`].
    pub fn register_name(&mut self, kind: &'static str, name: &str) {
        self.learn_names(|places| places.learn(kind, name));
    }

    /// The kinds of the names of machines and people that were learned so far.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.places.iter().flat_map(Places::kinds)
    }

    /// Tells it a secret. The kind given here wins over one guessed from a place.
    pub fn register(&mut self, kind: &str, value: &str) {
        self.learn_value(kind, false, value);
    }

    /// Every value known so far, as (kind, value). What is shown as it is, because it is synthetic already, is none.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.secrets
            .iter()
            .filter(|(value, secret)| secret.stand_in.as_ref() != Some(*value))
            .map(|(value, secret)| (secret.kind.as_str(), value.as_str()))
    }

    /// Learns the secrets of a JSON value and replaces all known ones in it.
    pub fn redact(&mut self, value: &Value) -> Value {
        self.learn(value);
        self.replaced_frame(value)
    }

    /// Learns the secrets of a text and replaces all known ones in it.
    pub fn redact_text(&mut self, text: &str) -> String {
        self.learn_text(text, 0);
        self.replaced_text(text, 0)
    }

    /// Replaces all known secrets in a text and learns nothing from it: a file of ours speaks of tokens without holding any.
    pub fn redact_known(&mut self, text: &str) -> String {
        let shown = self.without_needles_text(text);
        shown.unwrap_or_else(|| text.to_owned())
    }

    /// Replaces all known secrets in bytes that may be text, UTF-16 or neither.
    pub fn redact_bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.redact_text(text).into_bytes(),
            Err(_) => self.without_needles(bytes),
        }
    }

    /// The redacted form of one entry.
    pub fn entry(&mut self, raw: &RawEntry) -> Entry {
        self.learn_entry(raw);
        self.known_entry(raw)
    }

    /// The redacted form of a whole run, with every secret learned before the first entry is made.
    pub fn entries(&mut self, raw: &[RawEntry]) -> Vec<Entry> {
        let mut before: Option<&Payload> = None;
        for entry in raw {
            // A message has an entry for each stage of its way; it teaches something once.
            let again = before
                .zip(entry.payload())
                .is_some_and(|(before, payload)| before.is(payload));
            if !again {
                self.learn_entry(entry);
            }
            before = entry.payload();
        }
        raw.iter().map(|entry| self.known_entry(entry)).collect()
    }

    fn known_entry(&mut self, raw: &RawEntry) -> Entry {
        let message = raw.payload().map(|payload| match &self.last {
            Some((known, message)) if known.is(payload) => message.clone(),
            Some(_) | None => {
                let message = self.message(payload);
                self.last = Some((payload.clone(), message.clone()));
                message
            }
        });
        self.assemble(raw, message)
    }

    /// Learns the secrets of an entry without replacing anything.
    pub fn learn_entry(&mut self, raw: &RawEntry) {
        let is_known = |payload: &Payload| {
            let last = self.last.as_ref();
            last.is_some_and(|(known, _)| known.is(payload))
        };
        if let Some(payload) = raw.payload().filter(|payload| !is_known(payload)) {
            match payload.frame() {
                Some(frame) => self.learn(frame),
                None => {
                    if let Ok(text) = std::str::from_utf8(payload.as_bytes()) {
                        self.learn_text(text, 0);
                    }
                }
            }
        }
        if let Some(text) = raw.text() {
            self.learn_text(text, 0);
        }
        if let Some(data) = raw.data() {
            self.learn(data);
        }
        if let Some(close) = raw.close() {
            self.learn_text(&close.reason, 0);
        }
    }

    /// Learns the secrets of a JSON value from their places.
    pub fn learn(&mut self, value: &Value) {
        self.learn_nested(value, 0);
    }

    fn assemble(&mut self, raw: &RawEntry, message: Option<Message>) -> Entry {
        let (frame, bytes) = match message {
            Some(Message::Frame(frame)) => (Some(frame), None),
            // It was made from a frame.
            Some(Message::Text(frame)) => (serde_json::from_str(&frame).ok().map(Arc::new), None),
            Some(Message::Raw(text)) => (None, Some(text)),
            None => (None, None),
        };
        Entry {
            frame,
            raw: bytes,
            close: raw.close().map(|close| CloseInfo {
                code: close.code,
                reason: self.replaced_text(&close.reason, 0),
            }),
            text: raw.text().map(|text| self.replaced_text(text, 0)),
            data: raw.data().map(|data| self.replaced(data, 0)),
            ..raw.bare()
        }
    }

    fn message(&mut self, payload: &Payload) -> Message {
        match payload.frame() {
            Some(frame) => {
                let changed = self.changed_frame(frame).map(Arc::new);
                Message::Frame(
                    changed
                        .or_else(|| payload.shared_frame())
                        .unwrap_or_default(),
                )
            }
            None => Message::Raw(BASE64_STANDARD.encode(self.redact_bytes(payload.as_bytes()))),
        }
    }

    // Learning.

    fn learn_nested(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Object(object) => {
                let members = structure::members(object);
                self.learn_object(members.clone());
                let siblings = Siblings::of(members);
                for (name, member) in object {
                    self.learn_member(Siblings::class(name, || siblings), member, depth);
                }
            }
            Value::Array(items) => {
                if let [Value::String(name), Value::String(_)] = items.as_slice()
                    && let Some(class) = structure::classify(name)
                {
                    self.learn_member(Some(class), items.get(1).unwrap_or(value), depth);
                }
                for item in items {
                    self.learn_nested(item, depth);
                }
            }
            Value::String(text) => self.learn_text(text, depth),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Learns the members of an object that name a device, a machine or a person.
    fn learn_object<'a>(&mut self, members: impl Iterator<Item = Member<'a>> + Clone) {
        self.learn_identities(members.clone());
        self.learn_names(|places| places.learn_object(members));
    }

    /// A name that is new makes what was shown before it stale, as a new secret does.
    fn learn_names<T>(&mut self, learn: impl FnOnce(&mut Places) -> T) -> Option<T> {
        let places = self.places.as_mut()?;
        let known = places.count();
        let told = learn(places);
        if places.count() != known {
            self.last = None;
        }
        Some(told)
    }

    fn learn_member(&mut self, class: Option<Class>, member: &Value, depth: usize) {
        match (class, member) {
            (Some(class), Value::String(text)) => self.learn_secret(class, text, depth),
            (Some(class), Value::Number(_)) if class.kind == "password" => {
                self.is_learned_late = true;
            }
            _ => self.learn_nested(member, depth),
        }
    }

    /// Learns the text in a place of which the class is known.
    fn learn_secret(&mut self, class: Class, text: &str, depth: usize) {
        if class.kind == "private-key" && self.learn_private_key(text) {
            return;
        }
        if has_own_form(class, text) {
            self.learn_text(&format!("{HEADER}{text}"), depth);
        } else {
            self.learn_value(class.kind, class.is_guess, text);
        }
    }

    fn learn_text(&mut self, text: &str, depth: usize) {
        self.learn_marked(text, Marks::of(text), depth);
    }

    /// Learns the secrets and names that a text with these marks gives away; false when it gives away none.
    fn learn_marked(&mut self, text: &str, marks: Marks, depth: usize) -> bool {
        if let Some(nested) = nested_json(text, marks) {
            if depth < MAX_NESTING {
                self.learn_nested(&nested, depth + 1);
            }
            return true;
        }
        let is_place = self.learn_names(|places| places.learn_text(text, marks));
        let spans = text::spans(text, marks);
        for span in &spans {
            self.learn_value(span.kind, span.is_guess, &span.value);
        }
        is_place == Some(true) || !spans.is_empty()
    }

    fn learn_value(&mut self, kind: &str, is_guess: bool, value: &str) {
        let value = value.trim();
        if value.is_empty() || is_pseudonym(value) || text::is_redacted_code(value) {
            return;
        }
        if let Some(known) = self.secrets.get_mut(value) {
            if known.is_guess && known.number.is_none() {
                known.is_guess = is_guess;
                kind.clone_into(&mut known.kind);
            }
            return;
        }
        let (index, _) = self.secrets.insert_full(
            value.to_owned(),
            Secret {
                kind: kind.to_owned(),
                is_guess,
                number: None,
                stand_in: None,
            },
        );
        self.add_needles(index, kind, value);
        self.last = None;
        if let Some(token) = text::inner_token(value) {
            self.learn_value("bootstrap-token", false, &token);
        }
    }

    fn add_needles(&mut self, index: usize, kind: &str, value: &str) {
        if value.len() < MIN_SEARCHED {
            return;
        }
        // All setup codes and PEM blocks begin alike. What stands in an id or a code may stand elsewhere too.
        let pieces = if kind == "setup-code" || value.starts_with("-----") {
            Pieces::None
        } else if ["device-id", "public-key"].contains(&kind) {
            Pieces::Beginning
        } else {
            Pieces::All
        };
        self.needles.add(index, value, pieces);
    }

    /// The pseudonym of a known value, or none when the value is empty or a pseudonym itself.
    fn pseudonym(&mut self, value: &str) -> Option<String> {
        let index = self.secrets.get_index_of(value.trim())?;
        self.stand_in(index).or_else(|| self.number(index))
    }

    fn number(&mut self, index: usize) -> Option<String> {
        let (_, secret) = self.secrets.get_index_mut(index)?;
        let number = if let Some(number) = secret.number {
            number
        } else {
            let counter = self.counters.entry(secret.kind.clone()).or_insert(0);
            *counter += 1;
            secret.number = Some(*counter);
            *counter
        };
        Some(pseudonym(&secret.kind, number))
    }
}

fn pseudonym(kind: &str, number: u32) -> String {
    let mut shown = String::with_capacity(kind.len() + 8);
    shown.push('<');
    shown.push_str(kind);
    shown.push(':');
    push_number(&mut shown, number.into());
    shown.push('>');
    shown
}

#[derive(Clone)]
enum Message {
    Frame(Arc<Value>),
    /// A frame as it is written.
    Text(String),
    Raw(String),
}

/// `Authorization: Bearer x` keeps its scheme: it is read as text.
fn has_own_form(class: Class, value: &str) -> bool {
    class.kind == "authorization" && value.trim().contains(' ')
}

fn nested_json(text: &str, marks: Marks) -> Option<Value> {
    if !marks.has(Marks::BRACKET) {
        return None;
    }
    let trimmed = text.trim_start();
    if !trimmed.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str(trimmed)
        .ok()
        .filter(|value: &Value| value.is_object() || value.is_array())
}

fn encoded(name: &str, encoding: Encoding) -> String {
    match encoding {
        Encoding::Raw | Encoding::JsonEscaped => name.to_owned(),
        Encoding::Prefix
        | Encoding::Part
        | Encoding::Percent
        | Encoding::Hex
        | Encoding::Base64
        | Encoding::Base64Url
        | Encoding::Utf16Le
        | Encoding::Utf16LeBase64 => {
            format!("{}:{encoding}>", name.trim_end_matches('>'))
        }
    }
}

/// In base64 the characters beside a hit hold bits of the secret.
fn widened(hit: Hit, bytes: &[u8], from: usize) -> Hit {
    if !hit.encoding.is_base64() {
        return hit;
    }
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let before = hit.start.checked_sub(1).filter(|&at| at >= from);
    Hit {
        start: before
            .filter(|&at| bytes.get(at).is_some_and(belongs))
            .unwrap_or(hit.start),
        end: hit.end + usize::from(bytes.get(hit.end).is_some_and(belongs)),
        ..hit
    }
}
