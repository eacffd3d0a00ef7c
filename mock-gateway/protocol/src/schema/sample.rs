//! The smallest value that a definition allows: what a mock answers when it has nothing to say.
//!
//! Pure and the same every time: only required members, first of several branches, smallest numbers, shortest texts.

use serde_json::{Map, Value};

/// A text for places where any text will do.
const TEXT: &str = "synthetic";

/// A digest of nothing in particular.
const HEX_64: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Texts for the patterns of the published schema that [`TEXT`] does not match.
const PATTERNS: &[(&str, &str)] = &[
    ("[a-f0-9]{64}", HEX_64),
    ("[a-fA-F0-9]{64}", HEX_64),
    (
        "[a-fA-F0-9]{40}",
        "0000000000000000000000000000000000000000",
    ),
    ("[a-f0-9]{32}", "00000000000000000000000000000000"),
    ("[a-f0-9-]{36}", "00000000-0000-4000-8000-000000000000"),
    ("[a-f0-9]{16}", "0000000000000000"),
    ("[a-f0-9]+", "0"),
    ("[A-Z0-9]{4}-[A-Z0-9]{4}", "AAAA-AAAA"),
    ("[A-Z][A-Z0-9_]", "SYNTHETIC"),
    ("\\d{4}-\\d{2}-\\d{2}", "2026-01-01"),
    ("UTC[+-]", "UTC+0"),
    ("[a-z]{2}$", "en"),
    ("64}:[a-z0-9]", "synthetic:synthetic"),
    ("63}:[a-z0-9]", "synthetic:synthetic"),
];

/// What stands before a hole in a pattern: `^https://` starts with `https://`.
const STARTS: [&str; 9] = [
    "https://",
    "agent:",
    "session:",
    "conv_",
    "github-device-",
    "github-setup-",
    "provider-auto:",
    "hmac-sha256:v1:",
    "data:image/png;base64,",
];

/// The smallest value that `schema` allows.
///
/// ```
/// use gateway_protocol::schema::smallest;
/// use serde_json::json;
///
/// let schema = json!({"type": "object", "required": ["ok", "n"], "properties": {
///     "ok": {"type": "boolean", "const": true}, "n": {"type": "integer", "minimum": 1}, "more": {"type": "string"},
/// }});
/// assert_eq!(smallest(&schema), json!({"ok": true, "n": 1}));
/// ```
pub fn smallest(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else {
        return Value::Null;
    };
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    let list = |name: &str| schema.get(name).and_then(Value::as_array);
    if let Some(first) = list("enum").and_then(|choices| choices.first()) {
        return first.clone();
    }
    let alternatives = list("anyOf").or_else(|| list("oneOf"));
    if let Some(first) = alternatives.and_then(|branches| branches.first()) {
        return match first.as_object() {
            Some(branch) if schema.contains_key("properties") => own(&joined(schema, branch)),
            Some(_) | None => merged(smallest(first), own(schema)),
        };
    }
    if let Some(all) = list("allOf") {
        let parts = all.iter().map(smallest);
        return parts.fold(own(schema), merged);
    }
    own(schema)
}

/// An object of which a branch says only what else is required.
fn joined(schema: &Map<String, Value>, branch: &Map<String, Value>) -> Map<String, Value> {
    let both = || [schema, branch].into_iter();
    let required = both().filter_map(|part| part.get("required")?.as_array());
    let required: Vec<Value> = required.flatten().cloned().collect();
    let properties = both().filter_map(|part| part.get("properties")?.as_object());
    let properties = properties.flatten();
    let properties: Map<String, Value> = properties
        .map(|(name, property)| (name.clone(), property.clone()))
        .collect();
    let mut joined = schema.clone();
    joined.insert("required".to_owned(), required.into());
    joined.insert("properties".to_owned(), properties.into());
    joined
}

/// What a schema says itself, beside its branches.
fn own(schema: &Map<String, Value>) -> Value {
    let limit = |name: &str| schema.get(name).and_then(Value::as_u64).unwrap_or_default();
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => members(schema),
        Some("array") => {
            let each = schema.get("contains").or_else(|| schema.get("items"));
            let each =
                each.and_then(|each| each.as_array().map_or(Some(each), |items| items.first()));
            let item = each.map_or(Value::Null, smallest);
            let count = usize::try_from(limit("minItems")).unwrap_or_default();
            Value::Array(vec![item; count])
        }
        Some("string") => Value::String(text(schema)),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| 0.into()),
        Some("boolean") => Value::Bool(false),
        _ => Value::Null,
    }
}

fn members(schema: &Map<String, Value>) -> Value {
    let required = schema.get("required").and_then(Value::as_array);
    let known = schema.get("properties").and_then(Value::as_object);
    let names = required.into_iter().flatten().filter_map(Value::as_str);
    names
        .map(|name| {
            let its = known.and_then(|known| known.get(name));
            (name.to_owned(), its.map_or(Value::Null, smallest))
        })
        .collect::<Map<_, _>>()
        .into()
}

fn text(schema: &Map<String, Value>) -> String {
    if schema.get("format").and_then(Value::as_str) == Some("uuid") {
        return "00000000-0000-4000-8000-000000000000".to_owned();
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        return matching(pattern);
    }
    let limit = |name: &str| {
        let limit = schema.get(name).and_then(Value::as_u64)?;
        usize::try_from(limit).ok()
    };
    let shortest = limit("minLength").unwrap_or_default();
    if shortest == 0 {
        return String::new();
    }
    let longest = limit("maxLength").unwrap_or(usize::MAX);
    let text: String = TEXT.chars().take(longest).collect();
    let missing = shortest.saturating_sub(text.chars().count());
    text + &"x".repeat(missing)
}

fn matching(pattern: &str) -> String {
    let start = STARTS
        .iter()
        .find(|start| pattern.starts_with(&format!("^{start}")));
    let rest = PATTERNS
        .iter()
        .filter(|(part, _)| pattern.contains(part))
        .map(|(_, text)| *text);
    if let Some(start) = start {
        let parts: Vec<&str> = if pattern.contains("{32}:[a-f0-9]{64}") {
            vec!["00000000000000000000000000000000", ":", HEX_64]
        } else {
            rest.take(1).collect()
        };
        let tail = if parts.is_empty() {
            TEXT.to_owned()
        } else {
            parts.concat()
        };
        return format!("{start}{tail}");
    }
    if pattern == "^/" {
        return "/".to_owned();
    }
    if pattern.starts_with('~') {
        return "~".to_owned();
    }
    rest.take(1).next().unwrap_or(TEXT).to_owned()
}

/// Members of both; the second counts where both have one.
fn merged(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::Object(mut first), Value::Object(second)) => {
            first.extend(second);
            Value::Object(first)
        }
        (first, Value::Null) => first,
        (_, second) => second,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::super::problems;
    use super::*;

    #[rstest]
    #[case(json!({}), json!(null))]
    #[case(json!({"type": "string"}), json!(""))]
    #[case(json!({"type": "string", "minLength": 12, "maxLength": 12}), json!("syntheticxxx"))]
    #[case(json!({"type": "string", "minLength": 1, "maxLength": 2}), json!("sy"))]
    #[case(json!({"type": "string", "pattern": "^conv_[a-f0-9]{32}$"}), json!("conv_00000000000000000000000000000000"))]
    #[case(json!({"type": "array", "items": {"type": "boolean"}, "minItems": 2}), json!([false, false]))]
    #[case(json!({"anyOf": [{"type": "null"}, {"type": "string"}]}), json!(null))]
    #[case(json!({"enum": ["b", "a"], "type": "string"}), json!("b"))]
    #[case(json!({"type": "object", "required": ["a"], "allOf": [{"type": "object", "required": ["b"]}]}), json!({"a": null, "b": null}))]
    #[case(json!({"type": "object", "properties": {"a": {"const": 1}}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}), json!({"a": 1}))]
    #[case(json!({"type": "array", "items": {"type": "string"}, "contains": {"const": "deny"}, "minItems": 1}), json!(["deny"]))]
    fn smallest_values(#[case] schema: Value, #[case] expected: Value) {
        let value = smallest(&schema);
        assert_eq!(value, expected);
        assert_eq!(problems(&schema, &value), [""; 0]);
    }
}
