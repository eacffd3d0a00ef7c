//! The subset matcher accepts what it should, and says where and why not.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use transcript::diff::{explain, lines, nearest};
use transcript::matcher::{capture, mismatches, references, substitute};
use transcript::{Captures, matches};

fn captures() -> Captures {
    Captures::from([
        ("device".to_owned(), json!("d-1")),
        ("device-token".to_owned(), json!("tok")),
    ])
}

#[rstest]
#[case(json!({}), json!({"a": 1}))]
#[case(json!({"a": {"b": 1}}), json!({"a": {"b": 1, "c": 2}, "d": 3}))]
#[case(json!({"a": 1}), json!({"a": 1.0}))]
#[case(json!({"a": "$any"}), json!({"a": null}))]
#[case(json!({"a": "$absent"}), json!({}))]
#[case(json!({"a": "$null"}), json!({"a": null}))]
#[case(json!({"a": "$bool", "b": "$number", "c": "$string"}), json!({"a": true, "b": 1.5, "c": ""}))]
#[case(json!({"a": "$device"}), json!({"a": "d-1"}))]
#[case(json!({"a": "$same:device-token"}), json!({"a": "tok"}))]
#[case(json!({"a": "$$any"}), json!({"a": "$any"}))]
#[case(json!({"a": "$"}), json!({"a": "$"}))]
#[case(json!({"a": ["$any", 2]}), json!({"a": [1, 2]}))]
#[case(json!({"a": ["$contains", "y", {"k": 1}]}), json!({"a": [{"k": 1, "l": 2}, "x", "y"]}))]
#[case(json!({"a": "$bind:x", "b": "$same:x"}), json!({"a": 5, "b": 5}))]
fn accepts(#[case] expected: Value, #[case] actual: Value) {
    assert_eq!(matches(&expected, &actual, &captures()).err(), None);
}

#[rstest]
#[case(json!({"a": 1}), json!({}), "/a: expected 1, got nothing")]
#[case(json!({"a": {"b/c": 1}}), json!({"a": {"b/c": 2}}), "/a/b~1c: expected 1, got 2")]
#[case(json!({"a": "$any"}), json!({}), "/a: expected any value, got nothing")]
#[case(json!({"a": "$absent"}), json!({"a": null}), "/a: expected no such member, got null")]
#[case(json!({"a": "$string"}), json!({"a": 1}), "/a: expected a string, got 1")]
#[case(json!({"a": "$number"}), json!({"a": "1"}), "/a: expected a number, got \"1\"")]
#[case(json!({"a": null}), json!({"a": 0}), "/a: expected null, got 0")]
#[case(json!({"a": "$device"}), json!({"a": "d-2"}), "/a: expected \"d-1\" (captured as $device), got \"d-2\"")]
#[case(json!({"a": "$other"}), json!({"a": 1}), "/a: expected the value captured as $other, got nothing captured under that name")]
#[case(json!({"a": []}), json!({"a": [1]}), "/a: expected 0 items: [], got 1 items: [1]")]
#[case(json!({"a": [1, 2]}), json!({"a": [1, 3]}), "/a/1: expected 2, got 3")]
#[case(json!({"a": ["$contains", 3]}), json!({"a": [1, 2]}), "/a: expected an item 3, got [1,2]")]
#[case(json!({"a": "$bind:x", "b": "$bind:x"}), json!({"a": 5, "b": 6}), "/b: expected 5 (bound as $x), got 6")]
#[case(json!([]), json!({}), "/: expected [], got {}")]
fn refuses_with_place_and_reason(
    #[case] expected: Value,
    #[case] actual: Value,
    #[case] why: &str,
) {
    let mismatch = matches(&expected, &actual, &captures()).unwrap_err();
    assert_eq!(mismatch.to_string(), why);
}

#[test]
fn captures_are_read_named_and_sent() {
    let table = [("id".to_owned(), "/params/device/id".to_owned())].into();
    let bound = capture(&table, &json!({"params": {"device": {"id": "d-9"}}})).unwrap();
    assert_eq!(bound["id"], "d-9");
    let error = capture(&table, &json!({})).unwrap_err().to_string();
    assert_eq!(
        error,
        "/params/device/id: expected a value to capture as $id, got nothing"
    );

    let pattern = json!({"a": "$id", "b": ["$same:x", "$any", "$$id"]});
    assert_eq!(
        references(&pattern).into_iter().collect::<Vec<_>>(),
        ["id", "x"]
    );
    assert_eq!(
        substitute(&json!({"a": "$id", "b": "$null"}), &bound).unwrap(),
        json!({"a": "d-9", "b": null})
    );
    assert!(substitute(&pattern, &bound).is_err());
}

#[test]
fn the_nearest_frame_is_explained() {
    let expected = json!({"type": "req", "method": "connect", "params": {"role": "node"}});
    let candidates = [
        json!({"type": "res", "id": "1", "ok": true}),
        json!({"type": "req", "method": "connect", "params": {"role": "operator"}}),
        json!({"type": "req", "method": "health"}),
    ];
    let found = nearest(&expected, &candidates, &Captures::new()).unwrap();
    assert_eq!((found.index, found.agreeing, found.compared), (1, 2, 3));
    assert_eq!(
        explain(&found.mismatches),
        "  /params/role: expected \"node\", got \"operator\""
    );
    assert_eq!(nearest(&expected, &[json!(1)], &Captures::new()), None);
    let text = lines(&json!({"a": 1}), &json!({"a": 2}));
    assert!(text.contains("-   \"a\": 1\n+   \"a\": 2\n"), "{text}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z$/~]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z/~]{1,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Doubles the `$` of every string, so that the value means itself.
fn literal(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with('$') => json!(format!("${text}")),
        Value::Array(items) => items.iter().map(literal).collect(),
        Value::Object(object) => Value::Object(
            object
                .iter()
                .map(|(k, v)| (k.clone(), literal(v)))
                .collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

proptest! {
    #[test]
    fn every_value_matches_itself(value in any_json()) {
        prop_assert_eq!(matches(&literal(&value), &value, &Captures::new()).err(), None);
    }

    #[test]
    fn no_pattern_panics_and_both_forms_agree(pattern in any_json(), value in any_json()) {
        let one = matches(&pattern, &value, &Captures::new());
        let (all, compared) = mismatches(&pattern, &value, &Captures::new());
        prop_assert_eq!(one.err(), all.first().cloned());
        prop_assert!(all.len() <= compared || !all.is_empty());
    }

    #[test]
    fn redaction_keeps_shape_and_is_idempotent(value in any_json(), secret in "[a-zA-Z0-9_-]{20,43}") {
        let mut redactor = transcript::Redactor::new();
        redactor.register("device-token", &secret);
        let frame = json!({"echo": [secret.as_str(), value.to_string(), format!("x{secret}y")], "value": value});
        let once = redactor.redact(&frame);
        prop_assert!(!once.to_string().contains(&secret));
        prop_assert_eq!(redactor.redact(&once), once);
    }
}
