//! One frame against the published schema.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use gateway_protocol::schema::Catalog;
use jsonschema::Validator;
use serde_json::{Map, Value};

use super::differences::Differences;

/// More problems of one frame than this are not told.
const MOST_TOLD: usize = 3;

/// Checks frames. Validators are compiled at their first use and kept.
pub struct Referee {
    catalog: Arc<Catalog>,
    version: String,
    validators: Mutex<BTreeMap<String, Option<Arc<Validator>>>>,
    differences: Differences,
}

/// A frame that the schema does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What it is: `request chat.send`, `response status`, `error connect`, `event agent`.
    pub frame: String,
    /// JSON pointer of the part that is wrong, from the frame's root.
    pub at: String,
    /// What is wrong there.
    pub says: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.at.is_empty() { "/" } else { &self.at };
        write!(f, "{} at {at}: {}", self.frame, self.says)
    }
}

/// Only names: a validator has nothing to show.
impl fmt::Debug for Referee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Referee")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Referee {
    /// A referee with these definitions, of this version of the schema.
    pub fn new(catalog: Arc<Catalog>, version: String) -> Self {
        Self {
            catalog,
            version,
            validators: Mutex::new(BTreeMap::new()),
            differences: Differences::known(),
        }
    }

    /// The definitions.
    pub const fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Version of the schema.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The differences that are known, and which of them were met.
    pub const fn differences(&self) -> &Differences {
        &self.differences
    }

    /// What is wrong with a frame. `answers` is the method of the request that a response answers; `profile` is the
    /// release whose known differences do not count.
    pub fn check(&self, frame: &Value, answers: Option<&str>, profile: &str) -> Vec<Violation> {
        let mut found = Vec::new();
        for (name, definition, pointer) in self.parts(frame, answers) {
            let Some(validator) = self.validator(&definition) else {
                continue;
            };
            let Some(part) = frame.pointer(&pointer) else {
                continue;
            };
            for error in validator.iter_errors(part) {
                if is_redacted(error.instance()) {
                    continue;
                }
                found.push(Violation {
                    frame: name.clone(),
                    at: format!("{pointer}{}", error.instance_path()),
                    says: short(&error.to_string()),
                });
            }
        }
        found.retain(|violation| !self.differences.excuse(violation, profile));
        found.truncate(MOST_TOLD);
        found
    }

    /// The parts of a frame that have a definition: how the frame is called, the definition, where the part is.
    fn parts(&self, frame: &Value, answers: Option<&str>) -> Vec<(String, String, String)> {
        let text = |name: &str| frame.get(name).and_then(Value::as_str);
        let mut parts = Vec::new();
        let mut part = |name: &str, definition: Option<String>, pointer: &str| {
            if let Some(definition) = definition {
                parts.push((name.to_owned(), definition, pointer.to_owned()));
            }
        };
        match text("type") {
            Some("req") => {
                let method = text("method").unwrap_or_default();
                let name = format!("request {method}");
                part(&name, Some("RequestFrame".to_owned()), "");
                part(&name, self.catalog.params(method), "/params");
            }
            Some("res") => {
                let method = answers.unwrap_or("?");
                let ok = frame.get("ok") == Some(&Value::Bool(true));
                let name = format!("{} {method}", if ok { "response" } else { "error" });
                part(&name, Some("ResponseFrame".to_owned()), "");
                if ok {
                    part(&name, self.catalog.result(method), "/payload");
                } else if details_code(frame) == Some("MISSING_SCOPE") {
                    let details = Some("MissingScopeErrorDetails".to_owned());
                    part(&name, details, "/error/details");
                }
            }
            Some("event") => {
                let event = text("event").unwrap_or_default();
                let name = format!("event {event}");
                part(&name, Some("EventFrame".to_owned()), "");
                part(&name, self.catalog.event(event), "/payload");
                // The list of a presence event has no definition of its own, only its entries have.
                let entries = frame.pointer("/payload/presence").and_then(Value::as_array);
                if event == "presence" {
                    for index in 0..entries.map_or(0, Vec::len) {
                        let entry = format!("/payload/presence/{index}");
                        part(&name, Some("PresenceEntry".to_owned()), &entry);
                    }
                }
            }
            Some(_) | None => part("a frame of no kind", Some("GatewayFrame".to_owned()), ""),
        }
        parts
    }

    /// `None` for a name that the schema does not have.
    fn validator(&self, definition: &str) -> Option<Arc<Validator>> {
        let mut validators = self
            .validators
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = validators.get(definition) {
            return known.clone();
        }
        let schema = self.catalog.definition(definition)?;
        let built = jsonschema::draft7::new(&buildable(&schema));
        if let Err(error) = &built {
            tracing::error!(%error, "the definition {definition} can't be used");
        }
        let validator = built.ok().map(Arc::new);
        validators.insert(definition.to_owned(), validator.clone());
        validator
    }
}

fn details_code(frame: &Value) -> Option<&str> {
    frame.pointer("/error/details/code")?.as_str()
}

/// The schema without patterns about halves of UTF-16 pairs: no Rust text has such halves, and no Rust pattern.
fn buildable(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, value)| {
                *name != "pattern" || !value.as_str().is_some_and(|it| it.contains("\\uD8"))
            });
            let kept = kept.map(|(name, value)| (name.clone(), buildable(value)));
            Value::Object(kept.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(buildable).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

/// Whether a text is a secret's stand-in: what the secret looked like can't be said any more.
fn is_redacted(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.starts_with('<') && text.ends_with('>') && text.contains(':'))
}

/// The first 200 characters: some messages quote whole frames.
fn short(text: &str) -> String {
    let mut short: String = text.chars().take(200).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn referee() -> Referee {
        let schema = json!({
            "methods": {"x.get": {"scope": "operator.read"}},
            "definitions": {
                "RequestFrame": {"type": "object", "required": ["type", "id", "method"]},
                "ResponseFrame": {"type": "object", "required": ["type", "id", "ok"]},
                "EventFrame": {"type": "object", "required": ["type", "event"]},
                "XGetParams": {"type": "object", "additionalProperties": false, "properties": {
                    "key": {"type": "string", "pattern": "^[a-f0-9]{64}$"},
                    "wide": {"type": "string", "pattern": "^[^\\uD800-\\uDFFF]+$"},
                }},
                "XGetResult": {"type": "object", "required": ["n"]},
                "TickEvent": {"type": "object", "required": ["ts"]},
                "PresenceEntry": {"type": "object", "required": ["ts"]},
            },
        });
        let catalog = Catalog::of_lines(Catalog::lines(&schema.to_string()).unwrap()).unwrap();
        Referee::new(Arc::new(catalog), "test".to_owned())
    }

    #[rstest]
    #[case(json!({"type": "req", "id": "1", "method": "x.get", "params": {"odd": 1}}), None, Some("request x.get at /params: Additional properties are not allowed ('odd' was unexpected)"))]
    #[case(json!({"type": "req", "id": "1", "method": "x.get", "params": {"key": "<device-token:1>", "wide": "a"}}), None, None)]
    #[case(json!({"type": "req", "id": "1", "method": "unknown"}), None, None)]
    #[case(json!({"type": "res", "id": "1", "ok": true, "payload": {}}), Some("x.get"), Some("response x.get at /payload: \"n\" is a required property"))]
    #[case(json!({"type": "res", "id": "1", "ok": false}), Some("x.get"), None)]
    #[case(json!({"type": "res", "ok": true}), None, Some("response ? at /: \"id\" is a required property"))]
    #[case(json!({"type": "event", "event": "tick", "payload": {}}), None, Some("event tick at /payload: \"ts\" is a required property"))]
    #[case(json!({"type": "event", "event": "presence", "payload": {"presence": [{"ts": 1}, {}]}}), None, Some("event presence at /payload/presence/1: \"ts\" is a required property"))]
    fn frames(#[case] frame: Value, #[case] answers: Option<&str>, #[case] expected: Option<&str>) {
        let found = referee().check(&frame, answers, "2026.6.34");
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(told.first().map(String::as_str), expected, "{told:?}");
    }
}
