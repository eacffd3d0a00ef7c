//! Two records of one flow: the same, or the first place where they differ.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::normalize::Entry;

/// The first difference of two records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// On which connection.
    pub on: String,
    /// Which of the things heard on it, from 1.
    pub nth: usize,
    /// JSON pointer of the first part that differs; empty for the whole.
    pub at: String,
    /// What the gateway that is right said; nothing when it said nothing more.
    pub expected: Option<Value>,
    /// What the gateway in question said.
    pub got: Option<Value>,
}

/// The first difference, in the order of the connections of `expected`.
pub(crate) fn first_difference(expected: &[Entry], got: &[Entry]) -> Option<Difference> {
    let mut times = BTreeMap::new();
    for conn in connections(expected, got) {
        let of = |record: &[Entry]| -> Vec<Value> {
            let own = record.iter().filter(|entry| entry.on == conn);
            own.map(|entry| people_sorted(&entry.got)).collect()
        };
        let (expected, got) = (of(expected), of(got));
        for index in 0..expected.len().max(got.len()) {
            let (right, ours) = (expected.get(index), got.get(index));
            let at = match (right, ours) {
                (Some(right), Some(ours)) => differs(right, ours, "", &mut times),
                _ => Some(String::new()),
            };
            if let Some(at) = at {
                return Some(Difference {
                    on: conn,
                    nth: index + 1,
                    at,
                    expected: right.cloned(),
                    got: ours.cloned(),
                });
            }
        }
    }
    None
}

/// Presence with the entries of people in an order of their own.
///
/// 2026.9.6 writes all entries of one person anew whenever one of their connections comes, one after another, and lists
/// the latest millisecond first: which of them share a millisecond is chance.
fn people_sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let sorted = members.iter().map(|(name, member)| {
                let mut member = people_sorted(member);
                if let Some(entries) = member.as_array_mut().filter(|_| name == "presence") {
                    entries
                        .sort_by_cached_key(|entry| (entry.get("user").is_none(), person(entry)));
                }
                (name.clone(), member)
            });
            Value::Object(sorted.collect())
        }
        Value::Array(items) => items.iter().map(people_sorted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// What tells entries of people apart, whatever the order of their members; nothing for everybody else, whose order
/// counts.
fn person(entry: &Value) -> Option<String> {
    let members = entry
        .as_object()
        .filter(|members| members.contains_key("user"))?;
    let mut members: Vec<String> = members
        .iter()
        .map(|(name, member)| format!("{name}={member}"))
        .collect();
    members.sort();
    Some(members.join(" "))
}

fn connections(expected: &[Entry], got: &[Entry]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for entry in expected.iter().chain(got) {
        if !names.contains(&entry.on) {
            names.push(entry.on.clone());
        }
    }
    names
}

/// Pointer of the first part that differs. The order of an object's members does not count.
fn differs(
    right: &Value,
    ours: &Value,
    at: &str,
    times: &mut BTreeMap<String, String>,
) -> Option<String> {
    match (right, ours) {
        // It may be lost at either gateway, so whether it was says nothing.
        (a, b) if is_lost(a, b) || is_lost(b, a) => None,
        (Value::Object(a), Value::Object(b)) => {
            let missing = a.keys().find(|name| !b.contains_key(*name));
            let extra = b.keys().find(|name| !a.contains_key(*name));
            if let Some(name) = missing.or(extra) {
                return Some(format!("{at}/{name}"));
            }
            a.iter().find_map(|(name, value)| {
                differs(value, b.get(name)?, &format!("{at}/{name}"), times)
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(index, (a, b))| differs(a, b, &format!("{at}/{index}"), times)),
        // Two tokens may be issued in the same millisecond: equal there must be equal here, not the other way round.
        (Value::String(a), Value::String(b)) if is_time(a) && is_time(b) => {
            let known = times.entry(a.clone()).or_insert_with(|| b.clone());
            (known != b).then(|| at.to_owned())
        }
        (a, b) if a == b => None,
        _ => Some(at.to_owned()),
    }
}

/// Whether `one` says that the answer `other` was lost.
fn is_lost(one: &Value, other: &Value) -> bool {
    one["lost"] == true && other["type"] == "res" && one["id"] == other["id"]
}

fn is_time(text: &str) -> bool {
    text.starts_with("<issued:")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(lines: &[(&str, Value)]) -> Vec<Entry> {
        let entry = |(on, got): &(&str, Value)| Entry {
            on: (*on).to_owned(),
            got: got.clone(),
        };
        lines.iter().map(entry).collect()
    }

    #[test]
    fn connections_do_not_wait_for_one_another() {
        let one = record(&[("a", json!(1)), ("b", json!(2)), ("a", json!(3))]);
        let other = record(&[("a", json!(1)), ("a", json!(3)), ("b", json!(2))]);
        assert_eq!(first_difference(&one, &other), None);
    }

    #[test]
    fn the_first_part_that_differs_is_named() {
        let one = record(&[("a", json!({"x": {"y": 1, "z": [1, 2]}}))]);
        let other = record(&[("a", json!({"x": {"z": [1, 3], "y": 1}}))]);
        assert_eq!(first_difference(&one, &other).unwrap().at, "/x/z/1");
    }

    /// Only who is there counts for people; everybody else's order counts, too.
    #[test]
    fn people_may_be_listed_in_any_order() {
        let (one, two) = (
            json!({"user": 1, "host": "a"}),
            json!({"user": 1, "host": "b"}),
        );
        let (node, other) = (json!({"host": "n"}), json!({"host": "m"}));
        let list = |entries: &[&Value]| record(&[("a", json!({"presence": entries}))]);
        let first = list(&[&one, &two, &node, &other]);
        assert_eq!(
            first_difference(&first, &list(&[&two, &one, &node, &other])),
            None
        );
        assert!(first_difference(&first, &list(&[&one, &two, &other, &node])).is_some());
        assert!(first_difference(&first, &list(&[&one, &one, &node, &other])).is_some());
    }

    #[test]
    fn a_missing_frame_is_a_difference() {
        let one = record(&[("a", json!(1)), ("a", json!(2))]);
        let found = first_difference(&one, &one[..1]).unwrap();
        assert_eq!((found.nth, found.got), (2, None));
    }

    /// And no other answer, nor anything else in its place.
    #[test]
    fn an_answer_that_was_lost_is_no_difference() {
        let lost = json!({"type": "res", "id": "last", "lost": true});
        let answer = json!({"type": "res", "id": "last", "ok": true});
        let differ = |one: &Value, other: &Value| {
            let (one, other) = (
                record(&[("a", one.clone())]),
                record(&[("a", other.clone())]),
            );
            first_difference(&one, &other).is_some()
        };
        assert!(!differ(&lost, &answer) && !differ(&answer, &lost) && !differ(&lost, &lost));
        assert!(differ(
            &lost,
            &json!({"type": "res", "id": "1", "ok": true})
        ));
        assert!(differ(&lost, &json!({"type": "event", "id": "last"})));
    }

    #[test]
    fn tokens_issued_together_may_be_issued_apart() {
        let apart = record(&[("a", json!(["<issued:1>", "<issued:2>"]))]);
        let together = record(&[("a", json!(["<issued:1>", "<issued:1>"]))]);
        assert_eq!(first_difference(&apart, &together), None);
        assert!(first_difference(&together, &apart).is_some());
    }
}
