//! A scenario back to TOML: for scenarios that were found by a search or made in Rust.

use serde_json::Value;

use super::Scenario;

/// A scenario that cannot be written as TOML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write scenario {id} as TOML: {why}")]
pub struct PrintError {
    /// The scenario.
    pub id: String,
    /// What stood in the way.
    pub why: String,
}

/// Prints a scenario as a TOML file that reads back as an equal value.
pub fn to_toml(scenario: &Scenario) -> Result<String, PrintError> {
    let fail = |why: String| PrintError {
        id: scenario.id.clone(),
        why,
    };
    let mut value = serde_json::to_value(scenario).map_err(|error| fail(error.to_string()))?;
    name_nulls(&mut value);
    toml::to_string(&value).map_err(|error| fail(error.to_string()))
}

/// TOML has no null; the matcher's word for it is `"$null"`.
fn name_nulls(value: &mut Value) {
    match value {
        Value::Null => *value = Value::String("$null".to_owned()),
        Value::Array(items) => items.iter_mut().for_each(name_nulls),
        Value::Object(fields) => fields.values_mut().for_each(name_nulls),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
