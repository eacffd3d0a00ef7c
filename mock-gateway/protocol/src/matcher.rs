//! Subset matching over JSON that explains itself.
//!
//! An expected object matches any object that has at least its members; an expected array matches an array of the
//! same length, item by item; numbers compare by value. A string that begins with `$` is a token:
//!
//! | token | matches |
//! |---|---|
//! | `$any` | any value that is there, `null` too |
//! | `$absent` | a member that is not there |
//! | `$null` `$bool` `$number` `$string` | `null`, or a value of that type |
//! | `$name`, `$same:name` | the value captured under `name` |
//! | `$bind:name` | any value, and captures it; a second `$bind` of the name must match it |
//! | `$$text` | the string `$text` |
//!
//! `["$contains", a, b]` matches an array that has an item for each of `a` and `b`, in any order.
//!
//! ```
//! use serde_json::json;
//! use gateway_protocol::{Captures, matches};
//!
//! let actual = json!({"type": "req", "method": "connect", "params": {"role": "node", "scopes": []}});
//! assert!(matches(&json!({"params": {"role": "node"}}), &actual, &Captures::new()).is_ok());
//! let wrong = matches(&json!({"params": {"role": "operator"}}), &actual, &Captures::new()).unwrap_err();
//! assert_eq!(wrong.to_string(), "/params/role: expected \"operator\", got \"node\"");
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Values captured so far, by name.
pub type Captures = BTreeMap<String, Value>;

/// What one match captured.
pub type Bindings = BTreeMap<String, Value>;

/// The first place at which a value is not what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: expected {expected}, got {got}", shown(.pointer))]
pub struct Mismatch {
    /// JSON pointer into the actual value; empty for the whole.
    pub pointer: String,
    /// What was expected there, as a person would write it.
    pub expected: String,
    /// What is there, cut to a readable length.
    pub got: String,
}

fn shown(pointer: &str) -> &str {
    if pointer.is_empty() { "/" } else { pointer }
}

/// Matches `actual` against `expected` and returns what `$bind:` tokens captured.
pub fn matches(
    expected: &Value,
    actual: &Value,
    captures: &Captures,
) -> Result<Bindings, Mismatch> {
    let mut walk = Walk::new(captures, true);
    walk.value(expected, Some(actual), &mut String::new());
    match walk.mismatches.into_iter().next() {
        Some(first) => Err(first),
        None => Ok(walk.bindings),
    }
}

/// Every mismatch, in the order of `expected`, and the number of places that were compared.
pub fn mismatches(expected: &Value, actual: &Value, captures: &Captures) -> (Vec<Mismatch>, usize) {
    let mut walk = Walk::new(captures, false);
    walk.value(expected, Some(actual), &mut String::new());
    (walk.mismatches, walk.compared)
}

/// Reads the values that a `capture` table (name to JSON pointer) names out of a frame.
///
/// ```
/// use std::collections::BTreeMap;
/// use serde_json::json;
/// let table = BTreeMap::from([("device".to_owned(), "/device/id".to_owned())]);
/// let bound = gateway_protocol::matcher::capture(&table, &json!({"device": {"id": "d1"}})).unwrap();
/// assert_eq!(bound["device"], "d1");
/// ```
pub fn capture(table: &BTreeMap<String, String>, actual: &Value) -> Result<Bindings, Mismatch> {
    table
        .iter()
        .map(|(name, pointer)| match actual.pointer(pointer) {
            Some(value) => Ok((name.clone(), value.clone())),
            None => Err(Mismatch {
                pointer: pointer.clone(),
                expected: format!("a value to capture as ${name}"),
                got: "nothing".to_owned(),
            }),
        })
        .collect()
}

/// The names that `expected` reads from the captures: each must have been captured by an earlier step.
pub fn references(expected: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    collect_references(expected, &mut names);
    names
}

fn collect_references(expected: &Value, names: &mut BTreeSet<String>) {
    match expected {
        Value::Object(object) => object
            .values()
            .for_each(|member| collect_references(member, names)),
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_references(item, names)),
        Value::String(text) => {
            if let Token::Same(name) = Token::of(text) {
                names.insert(name.to_owned());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces `$name` and `$same:name` in a value that is to be sent; an unknown name is the error.
pub fn substitute(value: &Value, captures: &Captures) -> Result<Value, Mismatch> {
    match value {
        Value::Object(object) => object
            .iter()
            .map(|(name, member)| Ok((name.clone(), substitute(member, captures)?)))
            .collect::<Result<Map<_, _>, _>>()
            .map(Value::Object),
        Value::Array(items) => items
            .iter()
            .map(|item| substitute(item, captures))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        Value::String(text) => match Token::of(text) {
            Token::Same(name) => captures.get(name).cloned().ok_or_else(|| unbound(name, "")),
            Token::Null => Ok(Value::Null),
            Token::Literal(text) => Ok(Value::from(text)),
            Token::Any
            | Token::Absent
            | Token::Text
            | Token::Number
            | Token::Bool
            | Token::Contains
            | Token::Bind(_) => Ok(value.clone()),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
    }
}

fn unbound(name: &str, pointer: &str) -> Mismatch {
    Mismatch {
        pointer: pointer.to_owned(),
        expected: format!("the value captured as ${name}"),
        got: "nothing captured under that name".to_owned(),
    }
}

enum Token<'a> {
    Any,
    Absent,
    Text,
    Number,
    Null,
    Bool,
    Contains,
    Same(&'a str),
    Bind(&'a str),
    Literal(&'a str),
}

impl<'a> Token<'a> {
    fn of(text: &'a str) -> Self {
        let Some(name) = text.strip_prefix('$') else {
            return Self::Literal(text);
        };
        match name {
            "" => Self::Literal(text),
            "any" => Self::Any,
            "absent" => Self::Absent,
            "string" => Self::Text,
            "number" => Self::Number,
            "null" => Self::Null,
            "bool" => Self::Bool,
            "contains" => Self::Contains,
            _ if name.starts_with('$') => Self::Literal(name),
            _ => {
                if let Some(name) = name.strip_prefix("bind:") {
                    Self::Bind(name)
                } else {
                    Self::Same(name.strip_prefix("same:").unwrap_or(name))
                }
            }
        }
    }
}

struct Walk<'a> {
    captures: &'a Captures,
    bindings: Bindings,
    mismatches: Vec<Mismatch>,
    compared: usize,
    stop_at_first: bool,
}

impl<'a> Walk<'a> {
    fn new(captures: &'a Captures, stop_at_first: bool) -> Self {
        Self {
            captures,
            bindings: Bindings::new(),
            mismatches: Vec::new(),
            compared: 0,
            stop_at_first,
        }
    }

    fn value(&mut self, expected: &Value, actual: Option<&Value>, pointer: &mut String) {
        if self.stop_at_first && !self.mismatches.is_empty() {
            return;
        }
        match expected {
            Value::Object(members) => self.object(members, expected, actual, pointer),
            Value::Array(items) => self.array(items, expected, actual, pointer),
            Value::String(text) => self.token(text, actual, pointer),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                self.check(
                    actual.is_some_and(|actual| same(expected, actual)),
                    expected,
                    actual,
                    pointer,
                );
            }
        }
    }

    fn object(
        &mut self,
        members: &Map<String, Value>,
        expected: &Value,
        actual: Option<&Value>,
        pointer: &mut String,
    ) {
        let Some(Value::Object(actual)) = actual else {
            self.check(false, expected, actual, pointer);
            return;
        };
        for (name, member) in members {
            let length = pointer.len();
            push_token(pointer, name);
            self.value(member, actual.get(name), pointer);
            pointer.truncate(length);
        }
    }

    fn array(
        &mut self,
        items: &[Value],
        expected: &Value,
        actual: Option<&Value>,
        pointer: &mut String,
    ) {
        let Some(Value::Array(found)) = actual else {
            self.check(false, expected, actual, pointer);
            return;
        };
        if let Some((Value::String(first), wanted)) = items.split_first()
            && matches!(Token::of(first), Token::Contains)
        {
            self.contains(wanted, found, pointer);
            return;
        }
        if items.len() != found.len() {
            self.compared += 1;
            self.mismatch(
                pointer,
                format!("{} items: {}", items.len(), brief(expected)),
                format!(
                    "{} items: {}",
                    found.len(),
                    actual.map(brief).unwrap_or_default()
                ),
            );
            return;
        }
        for (at, (item, found)) in items.iter().zip(found).enumerate() {
            let length = pointer.len();
            push_token(pointer, &at.to_string());
            self.value(item, Some(found), pointer);
            pointer.truncate(length);
        }
    }

    fn contains(&mut self, wanted: &[Value], found: &[Value], pointer: &str) {
        for item in wanted {
            self.compared += 1;
            let hit = found
                .iter()
                .find_map(|candidate| matches(item, candidate, self.captures).ok());
            match hit {
                Some(bindings) => self.bindings.extend(bindings),
                None => self.mismatch(
                    pointer,
                    format!("an item {}", brief(item)),
                    brief(&Value::Array(found.to_vec())),
                ),
            }
        }
    }

    fn token(&mut self, text: &str, actual: Option<&Value>, pointer: &str) {
        self.compared += 1;
        let (fits, expected) = match Token::of(text) {
            Token::Any => (actual.is_some(), "any value".to_owned()),
            Token::Absent => (actual.is_none(), "no such member".to_owned()),
            Token::Text => (actual.is_some_and(Value::is_string), "a string".to_owned()),
            Token::Number => (actual.is_some_and(Value::is_number), "a number".to_owned()),
            Token::Null => (actual.is_some_and(Value::is_null), "null".to_owned()),
            Token::Bool => (
                actual.is_some_and(Value::is_boolean),
                "a boolean".to_owned(),
            ),
            Token::Contains => (false, "$contains as the first item of an array".to_owned()),
            Token::Literal(literal) => (
                actual.and_then(Value::as_str) == Some(literal),
                brief(&Value::from(literal)),
            ),
            Token::Same(name) => {
                let Some(known) = self.bindings.get(name).or_else(|| self.captures.get(name))
                else {
                    self.mismatches.push(unbound(name, pointer));
                    return;
                };
                (
                    actual.is_some_and(|actual| same(known, actual)),
                    format!("{} (captured as ${name})", brief(known)),
                )
            }
            Token::Bind(name) => match (self.bindings.get(name), actual) {
                (Some(known), _) => (
                    actual.is_some_and(|actual| same(known, actual)),
                    format!("{} (bound as ${name})", brief(known)),
                ),
                (None, Some(actual)) => {
                    self.bindings.insert(name.to_owned(), actual.clone());
                    return;
                }
                (None, None) => (false, format!("a value to bind as ${name}")),
            },
        };
        if !fits {
            self.mismatch(pointer, expected, found(actual));
        }
    }

    fn check(&mut self, fits: bool, expected: &Value, actual: Option<&Value>, pointer: &str) {
        self.compared += 1;
        if !fits {
            self.mismatch(pointer, brief(expected), found(actual));
        }
    }

    fn mismatch(&mut self, pointer: &str, expected: String, got: String) {
        self.mismatches.push(Mismatch {
            pointer: pointer.to_owned(),
            expected,
            got,
        });
    }
}

fn found(actual: Option<&Value>) -> String {
    actual.map_or_else(|| "nothing".to_owned(), brief)
}

/// Equal by value: `1` and `1.0` are the same number.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, member)| right.get(name).is_some_and(|other| same(member, other)))
        }
        _ => left == right,
    }
}

/// Longest JSON shown in an explanation.
const BRIEF: usize = 160;

/// A value as compact JSON, cut to a readable length.
pub fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(BRIEF) {
        Some((cut, _)) => format!("{}...", text.get(..cut).unwrap_or_default()),
        None => text,
    }
}

/// Appends one reference token to a JSON pointer (RFC 6901).
pub fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    for character in token.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            _ => pointer.push(character),
        }
    }
}
