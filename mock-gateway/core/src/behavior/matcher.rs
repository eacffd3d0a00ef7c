//! When a behaviour applies.

use std::fmt;

use gateway_protocol::Role;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// When a behaviour applies. Every given member must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Matcher {
    /// What is matched.
    pub on: Trigger,
    /// Method name; `*` stands for any text.
    pub method: Option<String>,
    /// Role of the connection, or of the `connect` request.
    pub role: Option<Role>,
    /// `client.id` of the connection, or of the `connect` request; `*` stands for any text.
    pub client: Option<String>,
    /// `client.mode` of the connection, or of the `connect` request.
    pub mode: Option<String>,
    /// Device id of the connection, or of the `connect` request.
    pub device: Option<String>,
    /// Number of the connection, in the order in which the gateway accepted them.
    pub conn: Option<ConnPick>,
    /// Only the n-th match of the other members, from 1.
    pub nth: Option<u32>,
    /// Shape of the request's parameters; see [`gateway_protocol::matcher`] for the tokens.
    pub params: Option<Value>,
    /// Only once this note was passed, or this name captured.
    pub after: Option<String>,
    /// Only until this note is passed, or this name captured.
    pub before: Option<String>,
}

/// What is matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A request.
    #[default]
    Request,
    /// The opening of a connection, where the challenge is sent.
    Open,
    /// The HTTP request that asks for the upgrade to a WebSocket.
    Upgrade,
}

impl Trigger {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Open => "open",
            Self::Upgrade => "upgrade",
        }
    }
}

/// Which connections. `2`, `[1, 3]` or `{ from = 2, to = 4 }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnPick {
    /// Those with these numbers.
    Numbers(Vec<u32>),
    /// Those from one number to another, both included; without `to` all later ones.
    Range {
        /// The first.
        from: u32,
        /// The last.
        to: Option<u32>,
    },
}

impl ConnPick {
    /// Whether it takes this connection.
    pub fn takes(&self, conn: u32) -> bool {
        match self {
            Self::Numbers(numbers) => numbers.contains(&conn),
            Self::Range { from, to } => *from <= conn && to.is_none_or(|to| conn <= to),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Numbers(numbers) => numbers
                .iter()
                .map(|number| format!("#{number}"))
                .collect::<Vec<_>>()
                .join(", "),
            Self::Range { from, to: Some(to) } => format!("#{from} to #{to}"),
            Self::Range { from, to: None } => format!("#{from} and later"),
        }
    }
}

impl From<u32> for ConnPick {
    fn from(number: u32) -> Self {
        Self::Numbers(vec![number])
    }
}

const EXPECTED: &str =
    "a connection number from 1, a list of them, or a table { from = <number>, to = <number> }";

impl<'de> Deserialize<'de> for ConnPick {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;

        impl<'de> Visitor<'de> for Form {
            type Value = ConnPick;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<ConnPick, E> {
                u32::try_from(number)
                    .map(ConnPick::from)
                    .map_err(|_too_large| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<ConnPick, E> {
                u64::try_from(number)
                    .map_err(|_negative| E::invalid_value(de::Unexpected::Signed(number), &self))
                    .and_then(|number| self.visit_u64(number))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ConnPick, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = items.next_element::<u32>()? {
                    numbers.push(number);
                }
                Ok(ConnPick::Numbers(numbers))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ConnPick, A::Error> {
                const FIELDS: &[&str] = &["from", "to"];
                let (mut from, mut to) = (1, None);
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "from" => from = map.next_value()?,
                        "to" => to = map.next_value()?,
                        _ => return Err(de::Error::unknown_field(&name, FIELDS)),
                    }
                }
                Ok(ConnPick::Range { from, to })
            }
        }

        deserializer.deserialize_any(Form)
    }
}

impl Serialize for ConnPick {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Numbers(numbers) => match numbers.as_slice() {
                [only] => serializer.serialize_u32(*only),
                numbers => numbers.serialize(serializer),
            },
            Self::Range { from, to } => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("from", from)?;
                if let Some(to) = to {
                    map.serialize_entry("to", to)?;
                }
                map.end()
            }
        }
    }
}

/// Requests with this method; `*` stands for any text.
pub fn method(method: &str) -> Matcher {
    Matcher {
        method: Some(method.to_owned()),
        ..Matcher::default()
    }
}

/// Every request.
pub fn any_request() -> Matcher {
    Matcher::default()
}

/// New connections, before the challenge is sent.
pub fn opening() -> Matcher {
    Matcher {
        on: Trigger::Open,
        ..Matcher::default()
    }
}

/// HTTP requests that ask for a WebSocket.
pub fn upgrade() -> Matcher {
    Matcher {
        on: Trigger::Upgrade,
        ..Matcher::default()
    }
}

impl Matcher {
    /// Only of this role.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// Only of clients with this id; `*` stands for any text.
    #[must_use]
    pub fn client(mut self, id: &str) -> Self {
        self.client = Some(id.to_owned());
        self
    }

    /// Only of clients in this mode.
    #[must_use]
    pub fn mode(mut self, mode: &str) -> Self {
        self.mode = Some(mode.to_owned());
        self
    }

    /// Only of this device.
    #[must_use]
    pub fn device(mut self, id: &str) -> Self {
        self.device = Some(id.to_owned());
        self
    }

    /// Only on these connections.
    #[must_use]
    pub fn conn(mut self, conn: impl Into<ConnPick>) -> Self {
        self.conn = Some(conn.into());
        self
    }

    /// Only with parameters of this shape.
    #[must_use]
    pub fn params(mut self, shape: Value) -> Self {
        self.params = Some(shape);
        self
    }

    /// Only the n-th match, from 1.
    #[must_use]
    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = Some(nth);
        self
    }

    /// In words, for names and reports.
    pub fn describe(&self) -> String {
        let mut words = match (&self.method, self.on) {
            (Some(method), _) => method.clone(),
            (None, Trigger::Request) => "any request".to_owned(),
            (None, on) => on.as_str().to_owned(),
        };
        let parts = [
            ("of role", self.role.map(|role| role.to_string())),
            ("of client", self.client.clone()),
            ("in mode", self.mode.clone()),
            ("of device", self.device.clone()),
            ("on connection", self.conn.as_ref().map(ConnPick::describe)),
            (
                "with params",
                self.params.as_ref().map(gateway_protocol::matcher::brief),
            ),
            ("only number", self.nth.map(|nth| nth.to_string())),
            ("after", self.after.clone()),
            ("before", self.before.clone()),
        ];
        for (name, value) in parts {
            if let Some(value) = value {
                words.push(' ');
                words.push_str(name);
                words.push(' ');
                words.push_str(&value);
            }
        }
        words
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let on = self.on.as_str();
        let spoken = [
            ("method", self.method.is_some()),
            ("role", self.role.is_some()),
            ("client", self.client.is_some()),
            ("mode", self.mode.is_some()),
            ("device", self.device.is_some()),
            ("params", self.params.is_some()),
        ];
        if self.on != Trigger::Request
            && let Some((field, _)) = spoken.iter().find(|(_, given)| *given)
        {
            return Err(format!(
                "`{field}`: nothing is known of a client when `{on}` is matched; allowed: conn, nth, after, before"
            ));
        }
        let none = matches!(&self.conn, Some(ConnPick::Numbers(numbers)) if numbers.is_empty() || numbers.contains(&0));
        let empty = matches!(&self.conn, Some(ConnPick::Range { from, to }) if *from == 0 || to.is_some_and(|to| to < *from));
        if none || empty {
            return Err(format!("`conn`: expected {EXPECTED}"));
        }
        if self.nth == Some(0) {
            return Err("`nth`: matches are counted from 1".to_owned());
        }
        Ok(())
    }
}

/// Whether `text` has the form of `pattern`, in which `*` stands for any text.
pub fn glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut left) = text.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = left.split_once(part) else {
            return false;
        };
        left = after;
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("node.*", "node.event", true)]
    #[case("node.*", "health", false)]
    #[case("*.list", "node.pair.list", true)]
    #[case("device.*.list", "device.pair.list", true)]
    #[case("device.*.list", "device.list", false)]
    #[case("*", "", true)]
    #[case("health", "healthy", false)]
    #[case("a*b*b", "ab", false)]
    fn a_star_stands_for_any_text(#[case] pattern: &str, #[case] text: &str, #[case] fits: bool) {
        assert_eq!(glob(pattern, text), fits);
    }

    #[rstest]
    #[case(json!(2), &[2])]
    #[case(json!([1, 3]), &[1, 3])]
    #[case(json!({"from": 2, "to": 3}), &[2, 3])]
    #[case(json!({"from": 3}), &[3, 4])]
    #[case(json!({"to": 1}), &[1])]
    fn connections_are_picked_in_three_forms(#[case] form: Value, #[case] taken: &[u32]) {
        let pick: ConnPick = serde_json::from_value(form).unwrap();
        let takes: Vec<u32> = (1..=4).filter(|conn| pick.takes(*conn)).collect();
        assert_eq!(takes, taken);
        let again: ConnPick = serde_json::from_value(serde_json::to_value(&pick).unwrap()).unwrap();
        assert_eq!(again, pick);
    }

    #[rstest]
    #[case(opening().role(Role::Node), "`role`")]
    #[case(upgrade().params(json!({})), "`params`")]
    #[case(method("health").nth(0), "`nth`")]
    #[case(method("health").conn(0), "`conn`")]
    fn what_can_never_match_names_its_field(#[case] matcher: Matcher, #[case] field: &str) {
        let wrong = matcher.check().unwrap_err();
        assert!(wrong.starts_with(field), "{wrong}");
    }
}
