//! JSON objects whose members stand in the gateway's order and are left out when there is nothing to say.

use serde::Serialize;
use serde_json::{Map, Value};

/// An object under construction.
#[derive(Debug, Default)]
pub(crate) struct Object {
    members: Map<String, Value>,
}

impl Object {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a member.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a member if there is one.
    pub(crate) fn maybe(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a member when a condition holds.
    pub(crate) fn when(self, holds: bool, name: &str, value: impl Into<Value>) -> Self {
        if holds { self.with(name, value) } else { self }
    }

    pub(crate) fn build(self) -> Value {
        Value::Object(self.members)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        object.build()
    }
}

/// An object that is printed as it is made, for an answer of which most is the same every time: what was printed
/// before goes in as it is, and nothing is copied, kept or freed value by value.
#[derive(Debug)]
pub(crate) struct Printed {
    /// What is printed of it so far: whole pieces of text, so always UTF-8.
    text: Vec<u8>,
}

impl Printed {
    /// An object without members; `room` is how many bytes it will have, roughly.
    pub(crate) fn new(room: usize) -> Self {
        let mut text = Vec::with_capacity(room);
        text.push(b'{');
        Self { text }
    }

    /// Adds a member.
    pub(crate) fn with(mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Self {
        self.name(name);
        // Every part of an answer has text for keys, and memory takes whatever is written, so it always prints.
        serde_json::to_writer(&mut self.text, value).unwrap_or_default();
        self
    }

    /// Adds a member when a condition holds.
    pub(crate) fn when(self, holds: bool, name: &str, value: &(impl Serialize + ?Sized)) -> Self {
        if holds { self.with(name, value) } else { self }
    }

    /// Adds a member whose value is JSON already, in parts.
    pub(crate) fn text(mut self, name: &str, json: &[&str]) -> Self {
        self.name(name);
        for part in json {
            self.text.extend_from_slice(part.as_bytes());
        }
        self
    }

    /// [`Printed::text`] when a condition holds.
    pub(crate) fn text_when(self, holds: bool, name: &str, json: &str) -> Self {
        if holds {
            self.text(name, &[json])
        } else {
            self
        }
    }

    /// Adds a member if there is one.
    pub(crate) fn maybe(self, name: &str, value: Option<&(impl Serialize + ?Sized)>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(crate) fn build(mut self) -> String {
        self.text.push(b'}');
        String::from_utf8(self.text).unwrap_or_default()
    }

    /// Member names are words of the protocol: nothing in them needs an escape.
    fn name(&mut self, name: &str) {
        if self.text.len() > 1 {
            self.text.push(b',');
        }
        self.text.push(b'"');
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
    }
}

/// Merges a patch into a value (RFC 7396): null removes, objects merge, everything else replaces.
pub(crate) fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(object) = target else {
        return;
    };
    for (name, member) in members {
        if member.is_null() {
            object.remove(name);
        } else {
            merge_patch(object.entry(name.as_str()).or_insert(Value::Null), member);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_removes_merges_and_replaces() {
        let mut value = json!({"a":{"b":1,"c":2},"d":[1]});
        merge_patch(&mut value, &json!({"a":{"b":null,"e":3},"d":2}));
        assert_eq!(value, json!({"a":{"c":2,"e":3},"d":2}));
    }

    #[test]
    fn what_is_printed_reads_as_what_was_built() {
        let printed = Printed::new(0)
            .with("a", "quoted \"text\"")
            .when(false, "c", &1)
            .text("d", &["{\"e\":", "1", "}"])
            .build();
        let built = Object::new()
            .with("a", "quoted \"text\"")
            .with("d", json!({"e": 1}))
            .build();
        assert_eq!(printed, built.to_string());
        assert_eq!(Printed::new(0).build(), "{}");
    }
}
