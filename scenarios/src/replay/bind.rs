//! Recorded value against live value.
//!
//! A leaf is bound when its name or its form says that each run has its own; then it stands for the recorded value
//! everywhere. Everything else must be equal.

use gateway_protocol::id::{is_uuid, uuids_side_by_side};
use indexmap::IndexMap;
use serde_json::Value;

/// What a bound value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Of a request, an event, a device, an instance.
    Id,
    /// Of a challenge.
    Nonce,
    /// A token, a password, a setup code: never shown.
    Secret,
    /// Made anew for each challenge, so it is not remembered.
    Signature,
    /// Public key of a device.
    Key,
    /// A time or a counter, not remembered.
    Time,
}

/// What was bound so far.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    known: IndexMap<String, (String, Class)>,
    times: usize,
}

/// How two leaves compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Bound to something else before.
    Contradiction(String),
    /// Not equal.
    Different(String, String),
}

/// A part of a message that does not fit, with its place.
pub type Difference = (String, Compared);

/// What is left of a member in recordings that were shortened.
const CUT: &str = "<cut>";
/// Shorter texts are not replaced inside of others.
const SHORTEST_INSIDE: usize = 16;

impl Bindings {
    /// Binds without asking: what is known before the first message.
    pub fn set(&mut self, recorded: &str, live: &str, class: Class) {
        self.known
            .insert(recorded.to_owned(), (live.to_owned(), class));
    }

    /// The live value of a recorded one.
    pub fn live(&self, recorded: &str) -> Option<&str> {
        self.known.get(recorded).map(|(live, _)| live.as_str())
    }

    /// Each binding in words; secrets by their length.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .known
            .iter()
            .map(|(recorded, (live, class))| match class {
                Class::Secret => {
                    format!("{class:?} {} = {} characters", shown(recorded), live.len())
                }
                Class::Id | Class::Nonce | Class::Signature | Class::Key | Class::Time => {
                    format!("{class:?} {recorded} = {live}")
                }
            })
            .collect();
        if self.times > 0 {
            lines.push(format!(
                "Time {} times and counters, not compared",
                self.times
            ));
        }
        lines
    }

    /// Replaces recorded values by live ones.
    pub fn put(&self, value: &Value) -> Value {
        match value {
            Value::Object(object) => object
                .iter()
                .map(|(name, member)| (self.put_text(name), self.put(member)))
                .collect(),
            Value::Array(items) => items.iter().map(|item| self.put(item)).collect(),
            Value::String(text) => Value::String(self.put_text(text)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// The same in a text.
    pub fn put_text(&self, text: &str) -> String {
        if let Some(live) = self.live(text) {
            return live.to_owned();
        }
        let mut text = text.to_owned();
        for (recorded, (live, _)) in &self.known {
            let distinct = recorded.len() >= SHORTEST_INSIDE || recorded.starts_with('<');
            if distinct && text.contains(recorded.as_str()) {
                text = text.replace(recorded.as_str(), live);
            }
        }
        text
    }

    /// Compares a live message with the recorded one and binds what differs from run to run.
    pub fn compare(&mut self, recorded: &Value, live: &Value) -> Vec<Difference> {
        let mut found = Vec::new();
        self.walk("", "", recorded, live, &mut found);
        found
    }

    fn walk(
        &mut self,
        at: &str,
        name: &str,
        recorded: &Value,
        live: &Value,
        found: &mut Vec<Difference>,
    ) {
        if recorded == CUT {
            return;
        }
        match (recorded, live) {
            (Value::Object(a), Value::Object(b)) => {
                for (member, recorded) in a {
                    let at = format!("{at}/{member}");
                    match b.get(member) {
                        Some(live) => self.walk(&at, member, recorded, live, found),
                        None => found.push((at, different(&recorded.to_string(), "nothing"))),
                    }
                }
                for (member, live) in b.iter().filter(|(member, _)| !a.contains_key(*member)) {
                    found.push((
                        format!("{at}/{member}"),
                        different("nothing", &live.to_string()),
                    ));
                }
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                for (index, (recorded, live)) in a.iter().zip(b).enumerate() {
                    self.walk(&format!("{at}/{index}"), name, recorded, live, found);
                }
            }
            (Value::String(a), Value::String(b)) => {
                if let Some(compared) = self.texts(at, name, a, b) {
                    found.push((at.to_owned(), compared));
                }
            }
            (Value::Number(_), Value::Number(_)) if recorded != live && is_time(name) => {
                self.times += 1;
            }
            _ if recorded == live => {}
            _ => found.push((
                at.to_owned(),
                different(&recorded.to_string(), &live.to_string()),
            )),
        }
    }

    fn texts(&mut self, at: &str, name: &str, recorded: &str, live: &str) -> Option<Compared> {
        if let Some(class) = class_of(at, name, recorded, live) {
            return self.bind(recorded, live, class);
        }
        if recorded == live || self.put_text(recorded) == live {
            return None;
        }
        // A text with ids in it: the ids are bound, the rest must be equal.
        if let Some(pairs) = uuids_side_by_side(recorded, live) {
            let mut pairs = pairs.into_iter();
            return pairs.find_map(|(a, b)| self.bind(a, b, Class::Id));
        }
        Some(different(recorded, live))
    }

    fn bind(&mut self, recorded: &str, live: &str, class: Class) -> Option<Compared> {
        if matches!(class, Class::Signature | Class::Time) {
            self.times += usize::from(class == Class::Time);
            return None;
        }
        match self.known.get(recorded) {
            Some((known, _)) if known == live => None,
            Some((known, Class::Secret)) => Some(Compared::Contradiction(format!(
                "{} stood for a text of {} characters and now stands for another of {}",
                shown(recorded),
                known.len(),
                live.len()
            ))),
            Some((known, _)) => Some(Compared::Contradiction(format!(
                "{recorded} stood for {known} and now stands for {live}"
            ))),
            None => {
                self.set(recorded, live, class);
                self.bind_inside(recorded, live);
                None
            }
        }
    }

    /// The token inside of a setup code is used without the code.
    fn bind_inside(&mut self, recorded: &str, live: &str) {
        let token = |code: &str| {
            gateway_protocol::SetupCode::decode(code)
                .ok()?
                .bootstrap_token
        };
        if let Some((recorded, live)) = token(recorded).zip(token(live)) {
            self.set(recorded.expose(), live.expose(), Class::Secret);
        }
    }
}

fn different(recorded: &str, live: &str) -> Compared {
    Compared::Different(clipped(recorded), clipped(live))
}

/// Long values say nothing more at their end.
fn clipped(text: &str) -> String {
    const MOST: usize = 120;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(MOST).collect();
    cut.push('…');
    cut
}

/// A pseudonym may be shown, a secret may not.
fn shown(recorded: &str) -> &str {
    if recorded.starts_with('<') && recorded.ends_with('>') {
        recorded
    } else {
        "a secret"
    }
}

fn class_of(at: &str, name: &str, recorded: &str, live: &str) -> Option<Class> {
    let folded: String = name.to_ascii_lowercase();
    match folded.as_str() {
        "signature" => return Some(Class::Signature),
        "nonce" => return Some(Class::Nonce),
        "publickey" => return Some(Class::Key),
        "setupcode" | "password" => return Some(Class::Secret),
        _ if folded.ends_with("token") => return Some(Class::Secret),
        _ => {}
    }
    if at == "/id" {
        return Some(Class::Id);
    }
    // `client.id` and `mode` are words of a closed set, a device id is not.
    let both = |test: fn(&str) -> bool| test(recorded) && test(live);
    let names_an_id = folded == "id" || folded.ends_with("id") || folded.ends_with("key");
    if names_an_id && both(looks_minted) || both(is_uuid) {
        return Some(Class::Id);
    }
    (is_time(name) && recorded != live).then_some(Class::Time)
}

/// Names of times, counters and what depends on the machine's speed.
pub(super) fn is_time(name: &str) -> bool {
    let last = ["AtMs", "At", "seq", "uptimeMs", "durationMs", "DurationMs"];
    matches!(name, "ts" | "pid" | "ageMs" | "health" | "presence")
        || last.iter().any(|end| name.ends_with(end))
}

/// Whether a text was drawn by a machine rather than chosen: hex, or long with digits in it.
fn looks_minted(text: &str) -> bool {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_:.".contains(&byte));
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    is_uuid(text) || plain && text.len() >= 16 && digits >= 3
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const A: &str = "f565cfd3-03bc-4c8c-96fb-aa11293590d2";
    const B: &str = "a8131a7b-9388-4a04-86ad-d4233cf08e64";

    #[rstest]
    #[case::request_id(json!({"id": "1"}), json!({"id": "77"}))]
    #[case::nonce(json!({"payload": {"nonce": "x"}}), json!({"payload": {"nonce": "y"}}))]
    #[case::token(json!({"auth": {"token": "<shared-token:1>"}}), json!({"auth": {"token": "real"}}))]
    #[case::time(json!({"ts": 5, "expiresAtMs": 7}), json!({"ts": 6, "expiresAtMs": 9}))]
    #[case::id_in_a_text(json!({"m": format!("see {A}")}), json!({"m": format!("see {B}")}))]
    #[case::shortened(json!({"features": "<cut>"}), json!({"features": [1, 2]}))]
    fn what_each_run_has_of_its_own_is_bound(#[case] recorded: Value, #[case] live: Value) {
        assert_eq!(Bindings::default().compare(&recorded, &live), []);
    }

    #[rstest]
    #[case::role(json!({"role": "node"}), json!({"role": "operator"}))]
    #[case::client_id(json!({"client": {"id": "cli"}}), json!({"client": {"id": "node-host"}}))]
    #[case::number(json!({"tickIntervalMs": 30000}), json!({"tickIntervalMs": 15000}))]
    #[case::member(json!({"a": 1}), json!({}))]
    #[case::text_around_an_id(json!({"m": format!("see {A}")}), json!({"m": format!("saw {B}")}))]
    fn everything_else_is_compared(#[case] recorded: Value, #[case] live: Value) {
        assert_eq!(Bindings::default().compare(&recorded, &live).len(), 1);
    }

    #[test]
    fn a_bound_value_stands_for_the_recorded_one() {
        let mut bound = Bindings::default();
        bound.compare(&json!({"requestId": A}), &json!({"requestId": B}));
        assert_eq!(
            bound.put(&json!({"approve": A, "why": format!("for {A}")})),
            json!({"approve": B, "why": format!("for {B}")})
        );
        let again = bound.compare(&json!({"requestId": A}), &json!({"requestId": A}));
        assert!(
            matches!(again.first(), Some((_, Compared::Contradiction(_)))),
            "{again:?}"
        );
    }

    #[test]
    fn a_secret_is_never_shown() {
        let mut bound = Bindings::default();
        bound.compare(
            &json!({"token": "as-recorded"}),
            &json!({"token": "as-it-came"}),
        );
        let lines = bound.lines().join("\n");
        assert!(
            !lines.contains("as-it-came") && !lines.contains("as-recorded"),
            "{lines}"
        );
    }
}
