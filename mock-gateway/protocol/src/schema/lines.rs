//! The published schema as lines: one definition is read after the other, so that the whole of it is never in memory.

use std::fmt::{self, Write as _};
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The lines of a schema's methods, then those of its definitions.
pub(super) fn of_published(schema: &str) -> serde_json::Result<String> {
    let Published {
        methods,
        definitions,
    } = serde_json::from_str(schema)?;
    Ok(methods.text + &definitions.text)
}

#[derive(Deserialize)]
struct Published {
    #[serde(default)]
    methods: Lines<Method>,
    #[serde(default)]
    definitions: Lines<Definition>,
}

/// A member of an object, as a line.
trait Line: DeserializeOwned {
    fn write(&self, name: &str, text: &mut String) -> fmt::Result;
}

#[derive(Deserialize)]
struct Method {
    scope: Option<String>,
}

impl Line for Method {
    fn write(&self, name: &str, text: &mut String) -> fmt::Result {
        let scope = self.scope.as_deref().unwrap_or("-");
        writeln!(text, "method\t{name}\t{scope}")
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Definition(Value);

impl Line for Definition {
    fn write(&self, name: &str, text: &mut String) -> fmt::Result {
        writeln!(text, "definition\t{name}\t{}", without_prose(&self.0))
    }
}

struct Lines<L> {
    text: String,
    of: PhantomData<L>,
}

impl<L> Default for Lines<L> {
    fn default() -> Self {
        Self {
            text: String::new(),
            of: PhantomData,
        }
    }
}

impl<'de, L: Line> Deserialize<'de> for Lines<L> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self::default())
    }
}

impl<'de, L: Line> Visitor<'de> for Lines<L> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of methods or definitions")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Self, A::Error> {
        while let Some((name, member)) = members.next_entry::<String, L>()? {
            let written = member.write(&name, &mut self.text);
            written.map_err(serde::de::Error::custom)?;
        }
        Ok(self)
    }
}

/// A schema without its descriptions. Members of `properties` are names, whatever they are called.
fn without_prose(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let kept = members
                .iter()
                .filter(|(name, member)| *name != "description" || !member.is_string())
                .map(|(name, member)| (name.clone(), bare_member(name, member)));
            Value::Object(kept.collect())
        }
        Value::Array(items) => items.iter().map(without_prose).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

fn bare_member(name: &str, member: &Value) -> Value {
    match (name, member) {
        ("const" | "enum" | "default" | "required", _) => member.clone(),
        ("properties" | "patternProperties", Value::Object(properties)) => {
            let bare = properties
                .iter()
                .map(|(name, property)| (name.clone(), without_prose(property)));
            Value::Object(bare.collect::<Map<_, _>>())
        }
        _ => without_prose(member),
    }
}
