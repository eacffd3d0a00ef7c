//! What our gateway said against what the real one said: ids and tokens are learned where both name the same thing.

use gateway_protocol::DeviceToken;
use gateway_protocol::id::uuids_side_by_side;
use serde_json::Value;

use super::Replay;

impl Replay {
    pub(super) fn translate(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (recorded, ours) in &self.ids {
            text = text.replace(recorded, ours);
            // A cut reason holds the first part of an id.
            for length in (8..36).rev() {
                let (cut, replacement) = (&recorded[..length], &ours[..length]);
                if text.ends_with(cut) {
                    text = format!("{}{replacement}", &text[..text.len() - length]);
                }
            }
        }
        text
    }

    pub(super) fn compare(&mut self, name: &str, at: &str, recorded: &Value, ours: &Value) {
        match (recorded, ours) {
            (Value::Object(a), Value::Object(b)) => {
                let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
                for member in names {
                    let at = format!("{at}/{member}");
                    match (a.get(member), b.get(member)) {
                        (Some(Value::String(cut)), _) if cut == "<cut>" => {}
                        // Timing dependent, written late, or outside of what is imitated.
                        _ if ["seq", "pluginSurfaceUrls", "recipientProfileId"]
                            .contains(&member.as_str()) => {}
                        (Some(a), Some(b)) if is_time(member) && a.is_number() && b.is_number() => {
                        }
                        (Some(a), Some(b)) => self.compare(name, &at, a, b),
                        (a, b) => self
                            .problems
                            .push(format!("{name}{at}: recorded {a:?}, ours {b:?}")),
                    }
                }
            }
            (Value::Array(a), Value::Array(b)) if is_list(at) => self.compare_lists(name, at, a, b),
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                for (index, (a, b)) in a.iter().zip(b).enumerate() {
                    self.compare(name, &format!("{at}/{index}"), a, b);
                }
            }
            (Value::String(a), Value::String(b)) => self.compare_texts(name, at, a, b),
            (Value::Number(a), Value::Number(b))
                if ["/timeoutMs", "/retryAfterMs"]
                    .iter()
                    .any(|time| at.ends_with(time)) =>
            {
                let difference = a.as_i64().unwrap() - b.as_i64().unwrap();
                if difference.abs() > 100 {
                    self.problems
                        .push(format!("{name}{at}: recorded {a}, ours {b}"));
                }
            }
            (a, b) if a == b => {}
            (a, b) => self
                .problems
                .push(format!("{name}{at}: recorded {a}, ours {b}")),
        }
    }

    /// Lists of the real gateway also hold what other recordings left behind.
    fn compare_lists(&mut self, name: &str, at: &str, recorded: &[Value], ours: &[Value]) {
        let key = |value: &Value| {
            ["deviceId", "nodeId"]
                .iter()
                .find_map(|member| value[*member].as_str().map(str::to_owned))
        };
        for entry in ours {
            match recorded.iter().find(|other| key(other) == key(entry)) {
                Some(other) => self.compare(name, &format!("{at}/*"), other, entry),
                None => self
                    .problems
                    .push(format!("{name}{at}: not in the recorded list: {entry}")),
            }
        }
    }

    fn compare_texts(&mut self, name: &str, at: &str, recorded: &str, ours: &str) {
        if recorded == ours || self.translate(recorded) == ours {
            return;
        }
        if let Some(pairs) = uuids_side_by_side(recorded, ours) {
            for (recorded, ours) in pairs {
                if let Some(known) = self
                    .ids
                    .insert(recorded.to_owned(), ours.to_owned())
                    .filter(|known| *known != ours)
                {
                    self.problems
                        .push(format!("{name}{at}: {recorded} was {known}, now {ours}"));
                }
            }
            return;
        }
        if recorded.len() == 43 && ours.len() == 43 {
            self.adopt_token(recorded, ours);
            return;
        }
        self.problems
            .push(format!("{name}{at}: recorded {recorded:?}, ours {ours:?}"));
    }

    /// Puts a recorded token where our gateway has its own.
    fn adopt_token(&mut self, recorded: &str, ours: &str) {
        let ids: Vec<_> = self
            .gateway
            .devices
            .oldest_first()
            .map(|device| device.id.clone())
            .collect();
        for id in ids {
            for token in self
                .gateway
                .devices
                .find_mut(&id)
                .unwrap()
                .tokens
                .values_mut()
            {
                if token.value.expose() == ours {
                    token.value = DeviceToken::new(recorded);
                }
            }
        }
        for record in self.gateway.nodes.records.values_mut() {
            if record.token.as_deref() == Some(ours) {
                record.token = Some(recorded.to_owned());
            }
        }
    }
}

fn is_time(member: &str) -> bool {
    member.ends_with("AtMs") || member == "ts"
}

fn is_list(at: &str) -> bool {
    ["/payload/pending", "/payload/paired", "/payload/nodes"].contains(&at)
}
