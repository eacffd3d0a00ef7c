//! Says which of several frames came nearest to what was expected, and how they differ, for a person.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use gateway_protocol::matcher::{Captures, Mismatch, mismatches};

/// The candidate that came nearest.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    /// Its place among the candidates.
    pub index: usize,
    /// Places that agree.
    pub agreeing: usize,
    /// Places that were compared.
    pub compared: usize,
    /// Places that differ.
    pub mismatches: Vec<Mismatch>,
}

/// The candidate with the highest share of agreeing places; of equals the first. None when there is no candidate or
/// nothing agrees at all, in which case naming one would mislead.
///
/// ```
/// use serde_json::json;
/// use transcript::{Captures, diff::nearest};
/// let expected = json!({"type": "req", "method": "connect"});
/// let candidates = [json!({"type": "event", "event": "tick"}), json!({"type": "req", "method": "health"})];
/// let found = nearest(&expected, &candidates, &Captures::new()).unwrap();
/// assert_eq!(found.index, 1);
/// assert_eq!(found.mismatches[0].to_string(), "/method: expected \"connect\", got \"health\"");
/// ```
pub fn nearest<'a>(
    expected: &Value,
    candidates: impl IntoIterator<Item = &'a Value>,
    captures: &Captures,
) -> Option<Nearest> {
    let mut best: Option<Nearest> = None;
    for (index, candidate) in candidates.into_iter().enumerate() {
        let (mismatches, compared) = mismatches(expected, candidate, captures);
        let agreeing = compared.saturating_sub(mismatches.len());
        let is_better = best
            .as_ref()
            // agreeing/compared against the best so far, without division.
            .is_none_or(|best| agreeing * best.compared > best.agreeing * compared);
        if agreeing > 0 && is_better {
            best = Some(Nearest {
                index,
                agreeing,
                compared,
                mismatches,
            });
        }
    }
    best
}

/// The mismatches as an indented list, one a line.
pub fn explain(mismatches: &[Mismatch]) -> String {
    let lines: Vec<String> = mismatches
        .iter()
        .map(|mismatch| format!("  {mismatch}"))
        .collect();
    lines.join("\n")
}

/// A line diff of two values in pretty JSON: `-` what was expected, `+` what came.
pub fn lines(expected: &Value, actual: &Value) -> String {
    let old = format!("{expected:#}\n");
    let new = format!("{actual:#}\n");
    let diff = TextDiff::from_lines(&old, &new);
    let mut text = String::new();
    for change in diff.iter_all_changes() {
        text.push_str(match change.tag() {
            ChangeTag::Delete => "- ",
            ChangeTag::Insert => "+ ",
            ChangeTag::Equal => "  ",
        });
        text.push_str(change.value());
    }
    text
}
