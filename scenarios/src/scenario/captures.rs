//! Filling in what was captured: `"$name"` is the captured value, `"${name}"` inside a text is spliced in.
//!
//! `"$same:name"` means the same as `"$name"`. The matcher's own tokens (`"$any"`, `"$absent"`, `"$bind:x"`,
//! and `"$$text"` for a text that begins with a dollar) are left for the matcher.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Captured values by name. The runner binds `gateway.url`, `gateway.token` and `ACTOR.device` itself.
pub type Captured = BTreeMap<String, Value>;

/// Words of the matcher that look like captures.
pub const MATCHER_TOKENS: [&str; 7] = [
    "any", "absent", "string", "number", "bool", "null", "contains",
];

/// A capture that nothing has bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// No step captured it.
    #[error("fill in ${name}: nothing has captured it (captured so far: {known})")]
    Unbound {
        /// Its name.
        name: String,
        /// The names that are bound.
        known: String,
    },
    /// The filled-in value has another shape than the step needs.
    #[error("fill in captures: {0}")]
    Shape(String),
}

/// Fills captures into any part of a scenario.
///
/// ```
/// use scenarios::scenario::captures::{Captured, resolve};
/// let captured = Captured::from([("id".to_owned(), serde_json::json!("r-1"))]);
/// let filled: String = resolve(&"request ${id}".to_owned(), &captured).unwrap();
/// assert_eq!(filled, "request r-1");
/// ```
pub fn resolve<T: Serialize + DeserializeOwned>(
    part: &T,
    captured: &Captured,
) -> Result<T, CaptureError> {
    let mut value =
        serde_json::to_value(part).map_err(|error| CaptureError::Shape(error.to_string()))?;
    fill(&mut value, captured)?;
    serde_json::from_value(value).map_err(|error| CaptureError::Shape(error.to_string()))
}

/// Fills captures into a JSON value.
pub fn fill(value: &mut Value, captured: &Captured) -> Result<(), CaptureError> {
    match value {
        Value::String(text) => {
            if let Some(filled) = fill_text(text, captured)? {
                *value = filled;
            }
        }
        Value::Array(items) => {
            for item in items {
                fill(item, captured)?;
            }
        }
        Value::Object(fields) => {
            for (_, item) in fields.iter_mut() {
                fill(item, captured)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

/// The names that a value asks for.
pub fn names_in(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => references(text),
        Value::Array(items) => items.iter().flat_map(names_in).collect(),
        Value::Object(fields) => fields.values().flat_map(names_in).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

fn fill_text(text: &str, captured: &Captured) -> Result<Option<Value>, CaptureError> {
    if text.starts_with("$$") {
        return Ok(None);
    }
    if let Some(name) = whole(text) {
        return look_up(name, captured).map(|value| Some(value.clone()));
    }
    if !text.contains("${") {
        return Ok(None);
    }
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            filled.push_str("${");
            rest = after;
            continue;
        };
        let value = look_up(name, captured)?;
        match value.as_str() {
            Some(text) => filled.push_str(text),
            None => filled.push_str(&value.to_string()),
        }
        rest = tail;
    }
    filled.push_str(rest);
    Ok(Some(Value::String(filled)))
}

/// The name in a text that is nothing but one capture.
fn whole(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let name = name.strip_prefix("same:").unwrap_or(name);
    let plain = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let ours = plain && !name.is_empty() && !MATCHER_TOKENS.contains(&name);
    ours.then_some(name)
}

fn references(text: &str) -> Vec<String> {
    if text.starts_with("$$") {
        return Vec::new();
    }
    if let Some(name) = whole(text) {
        return vec![name.to_owned()];
    }
    text.split("${")
        .skip(1)
        .filter_map(|after| after.split_once('}').map(|(name, _)| name.to_owned()))
        .collect()
}

fn look_up<'a>(name: &str, captured: &'a Captured) -> Result<&'a Value, CaptureError> {
    captured.get(name).ok_or_else(|| CaptureError::Unbound {
        name: name.to_owned(),
        known: captured.keys().cloned().collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!("$id"), json!(17))]
    #[case(json!("a ${id} b ${name}"), json!("a 17 b x"))]
    #[case(json!({"deep": ["$name"]}), json!({"deep": ["x"]}))]
    #[case(json!("$any"), json!("$any"))]
    #[case(json!("$same:name"), json!("x"))]
    #[case(json!("$bind:name"), json!("$bind:name"))]
    #[case(json!("$$id"), json!("$$id"))]
    #[case(json!("100$"), json!("100$"))]
    #[case(json!("${open"), json!("${open"))]
    fn captures_are_filled_in_and_nothing_else(#[case] before: Value, #[case] after: Value) {
        let captured = Captured::from([
            ("id".to_owned(), json!(17)),
            ("name".to_owned(), json!("x")),
        ]);
        let mut value = before;
        fill(&mut value, &captured).unwrap();
        assert_eq!(value, after);
    }

    #[test]
    fn an_unbound_capture_names_itself_and_the_bound_ones() {
        let captured = Captured::from([("id".to_owned(), json!(1))]);
        let error = resolve(&"$idd".to_owned(), &captured).unwrap_err();
        assert_eq!(
            error.to_string(),
            "fill in $idd: nothing has captured it (captured so far: id)"
        );
    }

    #[test]
    fn names_are_found_wherever_they_stand() {
        let value = json!({"a": "$one", "b": ["x ${two}", "$any"], "c": "$$three"});
        assert_eq!(names_in(&value), ["one", "two"]);
    }
}
