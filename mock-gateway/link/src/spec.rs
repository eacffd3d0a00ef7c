//! How a scenario asks for a fault.

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use transcript::Direction;

use crate::fault::{FaultName, operations};

/// Which connections a fault takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ConnSelector {
    /// Those that the fault's row in the registry names. The default.
    #[default]
    Usual,
    /// Those that live now and all later ones. `"all"`
    All,
    /// Those with these numbers. `3` or `[1, 3]`
    Numbers(Vec<u32>),
    /// Those with numbers from one to another, both included; without `to` all later ones. `{ from = 2, to = 4 }`
    Range {
        /// The first.
        from: u32,
        /// The last.
        to: Option<u32>,
    },
    /// The next so many to arrive. `{ next = 2 }`, or `"next"` for one
    Next(u32),
    /// Those that live now. `"current"`
    Current,
}

const EXPECTED: &str = "\"all\", \"current\", \"next\", a connection number, a list of them, { from = <number>, to = <number> }, or { next = <count> }";

impl<'de> Deserialize<'de> for ConnSelector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Selector;

        impl<'de> Visitor<'de> for Selector {
            type Value = ConnSelector;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ConnSelector, E> {
                match text {
                    "all" => Ok(ConnSelector::All),
                    "current" => Ok(ConnSelector::Current),
                    "next" => Ok(ConnSelector::Next(1)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<ConnSelector, E> {
                match u32::try_from(number) {
                    Ok(number) if number > 0 => Ok(ConnSelector::Numbers(vec![number])),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(number), &self)),
                }
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<ConnSelector, E> {
                match u64::try_from(number) {
                    Ok(number) => self.visit_u64(number),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ConnSelector, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = items.next_element::<u32>()? {
                    numbers.push(number);
                }
                Ok(ConnSelector::Numbers(numbers))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ConnSelector, A::Error> {
                const FIELDS: &[&str] = &["next", "from", "to"];
                let (mut next, mut from, mut to) = (None, None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "next" => next = Some(map.next_value()?),
                        "from" => from = Some(map.next_value()?),
                        "to" => to = Some(map.next_value()?),
                        _ => return Err(de::Error::unknown_field(&key, FIELDS)),
                    }
                }
                match (next, from, to) {
                    (Some(count), None, None) => Ok(ConnSelector::Next(count)),
                    (None, None, None) => Err(de::Error::missing_field("next")),
                    (None, from, to) => Ok(ConnSelector::Range {
                        from: from.unwrap_or(1),
                        to,
                    }),
                    (Some(_), _, _) => Err(de::Error::custom("either `next`, or `from` and `to`")),
                }
            }
        }

        deserializer.deserialize_any(Selector)
    }
}

impl Serialize for ConnSelector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Usual | Self::All => serializer.serialize_str("all"),
            Self::Current => serializer.serialize_str("current"),
            Self::Numbers(numbers) => numbers.serialize(serializer),
            Self::Range { from, to } => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("from", from)?;
                if let Some(to) = to {
                    map.serialize_entry("to", to)?;
                }
                map.end()
            }
            Self::Next(count) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("next", count)?;
                map.end()
            }
        }
    }
}

impl ConnSelector {
    fn is_usual(&self) -> bool {
        *self == Self::Usual
    }
}

/// A fault to install: the `fault = { .. }` step of a scenario.
///
/// ```
/// use link::{ConnSelector, FaultSpec};
/// let spec: FaultSpec = serde_json::from_value(serde_json::json!({
///     "name": "drop_message", "connections": {"next": 2}, "dir": "g2c", "matching": {"type": "res"},
/// })).unwrap();
/// assert_eq!(spec.connections, ConnSelector::Next(2));
/// assert!(spec.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// Which fault.
    pub name: FaultName,
    /// Which connections it takes.
    #[serde(default, skip_serializing_if = "ConnSelector::is_usual")]
    pub connections: ConnSelector,
    /// Which direction it is about; both when absent, unless the fault says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<Direction>,
    /// How many messages (text or binary, of that direction and shape) pass before it begins, counted per connection
    /// from the moment it is installed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub after: u64,
    /// How many messages it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The shape of the messages that it counts and takes: a subset pattern, see `transcript::matcher`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching: Option<Value>,
    /// `mutate`: the operations (RFC 6902).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Value>,
    /// How long it lasts on each connection, from the moment it meets it, in milliseconds; until it is healed when
    /// absent. Every fault but `refuse` and those that end a connection takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts_ms: Option<u64>,
    /// `delay`, `coalesce`, `late_fin`, `slow_read`: how much later, or how often, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// `byte_split`, `slow_read`: the largest piece, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_bytes: Option<usize>,
    /// `close_then_reset`: the close code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// `close_then_reset`: the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A specification that asks for something the fault does not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The field means nothing to the fault.
    #[error("fault `{name}` takes no `{field}`, expected {}", listed(.expected))]
    Field {
        /// The fault.
        name: FaultName,
        /// The field.
        field: &'static str,
        /// The fields it takes.
        expected: &'static [&'static str],
    },
    /// The fault does nothing without the field.
    #[error("fault `{name}` needs `{field}`")]
    Missing {
        /// The fault.
        name: FaultName,
        /// The field.
        field: &'static str,
    },
    /// The patch is none.
    #[error(
        "fault `{name}`: `patch` must be a list of RFC 6902 operations, like {{ op = \"replace\", path = \"/type\", value = \"x\" }}"
    )]
    Patch {
        /// The fault.
        name: FaultName,
    },
}

fn listed(fields: &[&str]) -> String {
    if fields.is_empty() {
        return "`connections` or nothing".to_owned();
    }
    let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
    format!("`connections`, {}", fields.join(", "))
}

impl FaultSpec {
    /// The fault with nothing but its name.
    pub fn new(name: FaultName) -> Self {
        Self {
            name,
            connections: ConnSelector::Usual,
            dir: None,
            after: 0,
            count: None,
            matching: None,
            patch: None,
            lasts_ms: None,
            delay_ms: None,
            chunk_bytes: None,
            code: None,
            reason: None,
        }
    }

    /// Sets the connections.
    #[must_use]
    pub fn connections(mut self, connections: ConnSelector) -> Self {
        self.connections = connections;
        self
    }

    /// Sets the direction.
    #[must_use]
    pub fn dir(mut self, dir: Direction) -> Self {
        self.dir = Some(dir);
        self
    }

    /// Sets how many messages pass first.
    #[must_use]
    pub fn after(mut self, after: u64) -> Self {
        self.after = after;
        self
    }

    /// Sets how many messages it takes.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Sets the shape of the messages.
    #[must_use]
    pub fn matching(mut self, pattern: Value) -> Self {
        self.matching = Some(pattern);
        self
    }

    /// Sets the delay.
    #[must_use]
    pub fn delay_ms(mut self, delay_ms: u64) -> Self {
        self.delay_ms = Some(delay_ms);
        self
    }

    /// Sets the operations of `mutate`.
    #[must_use]
    pub fn patch(mut self, patch: Value) -> Self {
        self.patch = Some(patch);
        self
    }

    /// Sets how long it lasts on each connection.
    #[must_use]
    pub fn lasts_ms(mut self, lasts_ms: u64) -> Self {
        self.lasts_ms = Some(lasts_ms);
        self
    }

    /// Sets the largest piece.
    #[must_use]
    pub fn chunk_bytes(mut self, chunk_bytes: usize) -> Self {
        self.chunk_bytes = Some(chunk_bytes);
        self
    }

    /// Whether the fault understands every field that is set.
    pub fn check(&self) -> Result<(), SpecError> {
        let name = self.name;
        let expected = name.row().params;
        let set = [
            ("dir", self.dir.is_some()),
            ("after", self.after > 0),
            ("count", self.count.is_some()),
            ("matching", self.matching.is_some()),
            ("patch", self.patch.is_some()),
            (
                "lasts_ms",
                self.lasts_ms.is_some() && !self.name.row().may_last(),
            ),
            ("delay_ms", self.delay_ms.is_some()),
            ("chunk_bytes", self.chunk_bytes.is_some()),
            ("code", self.code.is_some()),
            ("reason", self.reason.is_some()),
        ];
        for (field, is_set) in set {
            if is_set && !expected.contains(&field) {
                return Err(SpecError::Field {
                    name,
                    field,
                    expected,
                });
            }
        }
        let needed = [
            (FaultName::Delay, "delay_ms", self.delay_ms.is_none()),
            (FaultName::Mutate, "patch", self.patch.is_none()),
        ];
        if let Some((_, field, _)) = needed.iter().find(|(of, _, lacks)| *of == name && *lacks) {
            return Err(SpecError::Missing { name, field });
        }
        match &self.patch {
            Some(patch) if operations(patch).is_none() => Err(SpecError::Patch { name }),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether it begins at once, not at a message.
    pub(crate) fn is_immediate(&self) -> bool {
        self.after == 0 && self.matching.is_none()
    }

    /// The connections, with the usual ones of the fault in place of `Usual`.
    pub(crate) fn selected(&self) -> &ConnSelector {
        match &self.connections {
            ConnSelector::Usual => &self.name.row().connections,
            ConnSelector::All
            | ConnSelector::Numbers(_)
            | ConnSelector::Range { .. }
            | ConnSelector::Next(_)
            | ConnSelector::Current => &self.connections,
        }
    }
}
