//! A value against a definition of the published schema, in the gateway's words. ref: gateway-behaviour.md §1.6
//!
//! The order is the gateway's: first missing member, unexpected members, then members one by one. What this check
//! leaves out (patterns, formats, conditions) the judge's own validator has; a mock that accepts too much there is
//! told by the referee.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// What is wrong with a value; empty when nothing is.
///
/// ```
/// use gateway_protocol::schema::problems;
/// use serde_json::json;
///
/// let schema = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "additionalProperties": false});
/// assert_eq!(problems(&schema, &json!({"n": 0, "m": 1})), ["at root: unexpected property 'm'", "at /n: must be >= 1"]);
/// ```
pub fn problems(schema: &Value, value: &Value) -> Vec<String> {
    let mut check = Check::default();
    check.value(schema, value, "");
    let mut seen = BTreeSet::new();
    check
        .problems
        .retain(|problem| seen.insert(problem.clone()));
    check.problems
}

#[derive(Default)]
struct Check {
    problems: Vec<String>,
}

impl Check {
    fn say(&mut self, at: &str, text: &str) {
        self.problems.push(if at.is_empty() {
            text.to_owned()
        } else {
            format!("at {at}: {text}")
        });
    }

    fn value(&mut self, schema: &Value, value: &Value, at: &str) {
        let Some(schema) = schema.as_object() else {
            return;
        };
        if let Some(kind) = schema.get("type").and_then(Value::as_str)
            && !is_a(kind, value)
        {
            let text = format!("must be {kind}");
            self.say(at, &text);
            return;
        }
        if schema.get("const").is_some_and(|wanted| wanted != value) {
            self.say(at, "must be equal to constant");
        }
        let choices = schema.get("enum").and_then(Value::as_array);
        if choices.is_some_and(|choices| !choices.contains(value)) {
            self.say(at, "must be equal to one of the allowed values");
        }
        match value {
            Value::String(text) => self.text(schema, text, at),
            Value::Number(number) => self.number(schema, number.as_f64().unwrap_or_default(), at),
            Value::Array(items) => self.items(schema, items, at),
            Value::Object(members) => self.members(schema, members, at),
            Value::Null | Value::Bool(_) => {}
        }
        self.combinations(schema, value, at);
    }

    fn text(&mut self, schema: &Map<String, Value>, text: &str, at: &str) {
        let length = text.chars().count();
        let limit = |name: &str| size(schema, name);
        if let Some(min) = limit("minLength").filter(|min| length < *min) {
            self.say(at, &format!("must not have fewer than {min} characters"));
        }
        if let Some(max) = limit("maxLength").filter(|max| length > *max) {
            self.say(at, &format!("must not have more than {max} characters"));
        }
    }

    fn number(&mut self, schema: &Map<String, Value>, number: f64, at: &str) {
        let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
        if let Some(min) = limit("minimum").filter(|min| number < *min) {
            self.say(at, &format!("must be >= {min}"));
        }
        if let Some(max) = limit("maximum").filter(|max| number > *max) {
            self.say(at, &format!("must be <= {max}"));
        }
    }

    fn items(&mut self, schema: &Map<String, Value>, items: &[Value], at: &str) {
        if let Some(min) = size(schema, "minItems").filter(|min| items.len() < *min) {
            self.say(at, &format!("must not have fewer than {min} items"));
        }
        if let Some(max) = size(schema, "maxItems").filter(|max| items.len() > *max) {
            self.say(at, &format!("must not have more than {max} items"));
        }
        let unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        let texts: BTreeSet<String> = items.iter().map(Value::to_string).collect();
        if unique && texts.len() < items.len() {
            self.say(at, "must not have duplicate items");
        }
        for (index, item) in items.iter().enumerate() {
            let its = match schema.get("items") {
                Some(Value::Array(each)) => each.get(index),
                other => other,
            };
            if let Some(its) = its {
                self.value(its, item, &format!("{at}/{index}"));
            }
        }
    }

    fn members(&mut self, schema: &Map<String, Value>, members: &Map<String, Value>, at: &str) {
        let required = schema.get("required").and_then(Value::as_array);
        let missing = required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .find(|name| !members.contains_key(*name));
        if let Some(missing) = missing {
            self.say(at, &format!("must have required property '{missing}'"));
        }
        let known = schema.get("properties").and_then(Value::as_object);
        // Patterns of member names are `^.*$` in all but one place.
        let free = schema
            .get("patternProperties")
            .and_then(Value::as_object)
            .and_then(|patterns| patterns.values().next())
            .or_else(|| {
                schema
                    .get("additionalProperties")
                    .filter(|more| more.is_object())
            });
        let closed =
            schema.get("additionalProperties") == Some(&Value::Bool(false)) && free.is_none();
        let unknown = |name: &str| !known.is_some_and(|known| known.contains_key(name));
        if closed {
            let place = if at.is_empty() { "root" } else { at };
            for name in members.keys().filter(|name| unknown(name)) {
                self.problems
                    .push(format!("at {place}: unexpected property '{name}'"));
            }
        }
        for (name, its) in known.into_iter().flatten() {
            if let Some(member) = members.get(name) {
                self.value(its, member, &format!("{at}/{name}"));
            }
        }
        if let Some(free) = free {
            for (name, member) in members.iter().filter(|(name, _)| unknown(name)) {
                self.value(free, member, &format!("{at}/{name}"));
            }
        }
        if let Some(max) = size(schema, "maxProperties").filter(|max| members.len() > *max) {
            self.say(at, &format!("must not have more than {max} properties"));
        }
        if let Some(min) = size(schema, "minProperties").filter(|min| members.len() < *min) {
            self.say(at, &format!("must not have fewer than {min} properties"));
        }
    }

    fn combinations(&mut self, schema: &Map<String, Value>, value: &Value, at: &str) {
        let branches = |name: &str| schema.get(name).and_then(Value::as_array);
        for branch in branches("allOf").into_iter().flatten() {
            self.value(branch, value, at);
        }
        for (name, text) in [
            ("anyOf", "must match a schema in anyOf"),
            ("oneOf", "must match exactly one schema in oneOf"),
        ] {
            let Some(branches) = branches(name) else {
                continue;
            };
            let tried: Vec<Vec<String>> = branches
                .iter()
                .map(|branch| {
                    let mut inner = Self::default();
                    inner.value(branch, value, at);
                    inner.problems
                })
                .collect();
            if !tried.iter().any(Vec::is_empty) {
                self.problems.extend(tried.into_iter().flatten());
                self.say(at, text);
            }
        }
    }
}

fn size(schema: &Map<String, Value>, name: &str) -> Option<usize> {
    usize::try_from(schema.get(name)?.as_u64()?).ok()
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        // 4.0 counts as an integer in JSON Schema.
        "integer" => {
            value.is_i64()
                || value.is_u64()
                || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    // The first four texts are those of recordings 11, 15 and 98.
    #[rstest]
    #[case(json!({"type": "object", "required": ["a", "b"]}), json!({}), &["must have required property 'a'"])]
    #[case(json!({"type": "object"}), json!(null), &["must be object"])]
    #[case(json!({"properties": {"t": {"type": "string", "const": "req"}}}), json!({"t": "res"}), &["at /t: must be equal to constant"])]
    #[case(json!({"properties": {"t": {"type": "string", "minLength": 1}}}), json!({"t": ""}), &["at /t: must not have fewer than 1 characters"])]
    #[case(json!({"items": {"type": "integer"}, "maxItems": 1}), json!([1, 2.5]), &["must not have more than 1 items", "at /1: must be integer"])]
    #[case(json!({"type": "integer"}), json!(4.0), &[])]
    #[case(json!({"anyOf": [{"type": "null"}, {"type": "string"}]}), json!(1), &["must be null", "must be string", "must match a schema in anyOf"])]
    #[case(json!({"anyOf": [{"type": "null"}, {"type": "string"}]}), json!(null), &[])]
    #[case(json!({"type": "object", "patternProperties": {"^.*$": {"type": "boolean"}}, "additionalProperties": false}), json!({"x": 1}), &["at /x: must be boolean"])]
    #[case(json!({"uniqueItems": true}), json!([1, 1]), &["must not have duplicate items"])]
    fn values(#[case] schema: Value, #[case] value: Value, #[case] expected: &[&str]) {
        assert_eq!(problems(&schema, &value), expected);
    }
}
