//! Looking into small JSON objects.

use serde_json::{Map, Value};

/// Objects with more members than this are asked by hash.
const FEW: usize = 12;

/// The member of this name, as [`Value::get`] gives it. Frames are objects of a handful of members: to compare their names one
/// after the other costs a fraction of hashing the one that is asked for, and a judge asks some thousand times a run.
pub fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    member_of(value.as_object()?, name)
}

/// The same of what is known to be an object.
pub(crate) fn member_of<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if object.len() > FEW {
        return object.get(name);
    }
    let mut members = object.iter();
    members
        .find(|(key, _)| key.as_str() == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn small_and_large_objects_give_what_they_have() {
        let large: Map<String, Value> = (0..40).map(|n| (n.to_string(), Value::from(n))).collect();
        let (small, large) = (json!({"a": 1, "b": null}), Value::Object(large));
        for (value, names) in [(&small, ["a", "b", "c"]), (&large, ["0", "39", "40"])] {
            for name in names {
                assert_eq!(member(value, name), value.get(name), "{name}");
            }
        }
        assert_eq!(member(&json!(["a"]), "a"), None);
    }
}
