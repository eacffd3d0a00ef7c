//! What a flow calls things: `$name` in a step becomes a value, and a value in a record becomes a name again.

use std::collections::BTreeMap;

use gateway_protocol::Keypair;
use serde_json::Value;

use super::ground::Ground;

/// Markers of a patch; they stay as they are.
const MARKERS: [&str; 2] = ["$absent", "$null"];

/// The names of one performance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    values: BTreeMap<String, String>,
    /// Text to label, longest text first.
    labels: Vec<(String, String)>,
    /// Devices of this flow: what lists and events of others are told apart by.
    pub(crate) devices: Vec<String>,
}

impl Words {
    /// What every flow knows. `index` gives the flow addresses of its own.
    pub(crate) fn new(ground: &impl Ground, index: usize) -> Self {
        let mut words = Self::default();
        let host = index % 250 + 1;
        let addresses = [
            ("ip", format!("203.0.113.{host}")),
            ("ip2", format!("198.51.100.{host}")),
        ];
        for (name, address) in addresses {
            words.learn(name, &address);
            words.label(&address, &format!("<{name}>"));
        }
        words.learn("shared", &ground.secret());
        words.label(&ground.secret(), "<secret>");
        words.learn("authority", &ground.authority());
        words.label(&ground.authority(), "<authority>");
        if let Some((_, port)) = ground.authority().rsplit_once(':') {
            words.label(&format!(":{port}/"), ":<port>/");
        }
        words
    }

    /// Gives a name a value; a later one takes its place.
    pub(crate) fn learn(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn learn_device(&mut self, name: &str, key: &Keypair) {
        let id = key.device_id().to_string();
        if self.devices.contains(&id) {
            return;
        }
        let public = key.public().to_base64url();
        self.learn(&format!("device:{name}"), &id);
        self.learn(&format!("key:{name}"), &public);
        self.label(&id, &format!("<device:{name}>"));
        self.label(&public, &format!("<key:{name}>"));
        self.devices.push(id);
    }

    /// Whether an event is about a device or node that is not of this flow.
    pub(crate) fn is_foreign(&self, entry: &Value) -> bool {
        let known = |id: &str| {
            self.devices.iter().any(|own| own == id) || self.values.values().any(|own| own == id)
        };
        entry["type"] == "event"
            && ["deviceId", "nodeId"]
                .iter()
                .filter_map(|name| entry["payload"][*name].as_str())
                .any(|id| !known(id))
    }

    fn label(&mut self, text: &str, label: &str) {
        self.labels.push((text.to_owned(), label.to_owned()));
        self.labels
            .sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    pub(crate) fn known(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    /// A record's text with the flow's own names in it.
    pub(crate) fn labelled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (value, label) in &self.labels {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), label);
            }
        }
        text
    }

    /// A step's text with every `$name` resolved.
    ///
    /// # Errors
    /// When a name is unknown.
    pub(crate) fn text(&self, text: &str) -> Result<String, String> {
        if MARKERS.contains(&text) {
            return Ok(text.to_owned());
        }
        let mut parts = text.split('$');
        let mut resolved = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part
                .find(|letter: char| !(letter.is_ascii_alphanumeric() || "_:#-".contains(letter)))
                .unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            let value = self.values.get(name).ok_or_else(|| {
                let known: Vec<&str> = self.values.keys().map(String::as_str).collect();
                format!("${name} is not known here; known: {}", known.join(", "))
            })?;
            resolved.push_str(value);
            resolved.push_str(rest);
        }
        Ok(resolved)
    }

    /// A gateway's configuration, or a change of it, with its texts resolved.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub(crate) fn file(&self, value: &Value) -> Result<Value, String> {
        self.value(value).map(without_markers)
    }

    /// Any JSON with its texts resolved.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub(crate) fn value(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => Value::String(self.text(text)?),
            Value::Array(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.value(item)).collect();
                Value::Array(items?)
            }
            Value::Object(members) => {
                let mut object = serde_json::Map::new();
                for (name, member) in members {
                    object.insert(self.text(name)?, self.value(member)?);
                }
                Value::Object(object)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }
}

/// A key that is taken away is `$null` in a file of flows, which has no null.
fn without_markers(value: Value) -> Value {
    match value {
        Value::String(text) if text == "$null" => Value::Null,
        Value::Object(members) => members
            .into_iter()
            .map(|(name, member)| (name, without_markers(member)))
            .collect(),
        other => other,
    }
}
