//! The checks a gateway makes on parameters before it looks at them, with the error texts it answers.
//!
//! Small on purpose: objects, arrays, text, integers and choices are all that the connection and pairing surface
//! uses. The order of problems is the gateway's: first missing property, unexpected properties, then members.
//!
//! ref: gateway-behaviour.md §1.6, recordings 11, 15, 98
//!
//! ```
//! use gateway_protocol::shape::{Field, Shape};
//! const PARAMS: Shape = Shape::Object(&[Field::required("requestId", Shape::TEXT)]);
//! assert_eq!(PARAMS.check(&serde_json::json!({})), Err("must have required property 'requestId'".to_owned()));
//! ```

use serde_json::Value;

use crate::member::member_of;

/// What a value must look like.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Anything.
    Any,
    /// `true` or `false`.
    Bool,
    /// Text of at least `min` and at most `max` characters.
    Text {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
    },
    /// Exactly this text.
    Const(&'static str),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A whole number within bounds.
    Integer {
        /// Smallest value.
        min: Option<i64>,
        /// Largest value.
        max: Option<i64>,
    },
    /// A list.
    Array {
        /// Every item.
        item: &'static Self,
        /// Fewest items.
        min: usize,
    },
    /// An object with free names and equal values.
    Map(&'static Self),
    /// An object with known members and no others.
    Object(&'static [Field]),
    /// An object with known members, and others that are not looked at.
    Open(&'static [Field]),
}

/// A member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Member name.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it must look like when it is.
    pub shape: Shape,
}

impl Field {
    /// A member that must be there.
    pub const fn required(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            required: true,
            shape,
        }
    }

    /// A member that may be left out.
    pub const fn optional(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            required: false,
            shape,
        }
    }
}

impl Shape {
    /// Text with at least one character.
    pub const TEXT: Self = Self::Text {
        min: 1,
        max: usize::MAX,
    };
    /// Text, possibly empty.
    pub const ANY_TEXT: Self = Self::Text {
        min: 0,
        max: usize::MAX,
    };
    /// A list of non-empty texts.
    pub const TEXTS: Self = Self::Array {
        item: &Self::TEXT,
        min: 0,
    };
    /// An integer from 0.
    pub const COUNT: Self = Self::Integer {
        min: Some(0),
        max: None,
    };

    /// Checks a value; the error is the text the gateway puts behind `invalid … params: `.
    ///
    /// # Errors
    /// All problems, joined with `; `, in the gateway's order.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let mut problems = Vec::new();
        self.collect(value, Place::Root, &mut problems);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.join("; "))
        }
    }

    fn collect(&self, value: &Value, at: Place<'_>, problems: &mut Vec<String>) {
        match self {
            Self::Any => {}
            Self::Bool => expect(value.is_boolean(), at, "must be boolean", problems),
            Self::Const(text) => expect(
                value.as_str() == Some(text),
                at,
                "must be equal to constant",
                problems,
            ),
            Self::OneOf(texts) => expect(
                value.as_str().is_some_and(|text| texts.contains(&text)),
                at,
                "must be equal to one of the allowed values",
                problems,
            ),
            Self::Text { min, max } => collect_text(value, *min, *max, at, problems),
            Self::Integer { min, max } => collect_integer(value, *min, *max, at, problems),
            Self::Array { item, min } => collect_array(value, item, *min, at, problems),
            Self::Map(member) => match value.as_object() {
                None => problem(at, "must be object", problems),
                Some(object) => {
                    for (name, member_value) in object {
                        member.collect(member_value, Place::Member(&at, name), problems);
                    }
                }
            },
            Self::Object(fields) => collect_object(value, fields, false, at, problems),
            Self::Open(fields) => collect_object(value, fields, true, at, problems),
        }
    }
}

/// Where a value stands. Printed only for a problem: most values have none.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Member(&'a Self, &'a str),
    Item(&'a Self, usize),
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(parent, name) => write!(f, "{parent}/{name}"),
            Self::Item(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

fn problem(at: Place<'_>, text: &str, problems: &mut Vec<String>) {
    problems.push(match at {
        Place::Root => text.to_owned(),
        Place::Member(..) | Place::Item(..) => format!("at {at}: {text}"),
    });
}

fn expect(holds: bool, at: Place<'_>, text: &str, problems: &mut Vec<String>) {
    if !holds {
        problem(at, text, problems);
    }
}

fn collect_text(value: &Value, min: usize, max: usize, at: Place<'_>, problems: &mut Vec<String>) {
    match value.as_str().map(|text| text.chars().count()) {
        None => problem(at, "must be string", problems),
        Some(length) if length < min => problem(
            at,
            &format!("must not have fewer than {min} characters"),
            problems,
        ),
        Some(length) if length > max => problem(
            at,
            &format!("must not have more than {max} characters"),
            problems,
        ),
        Some(_) => {}
    }
}

fn collect_integer(
    value: &Value,
    min: Option<i64>,
    max: Option<i64>,
    at: Place<'_>,
    problems: &mut Vec<String>,
) {
    // 4.0 counts as an integer in JSON Schema.
    let whole = value.as_i64().or_else(|| {
        let float = value.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "only whole floats in i64's exact range pass"
        )]
        (float.fract() == 0.0 && float.abs() < 9.0e15).then_some(float as i64)
    });
    match whole {
        None => problem(at, "must be integer", problems),
        Some(number) if min.is_some_and(|min| number < min) => {
            problem(
                at,
                &format!("must be >= {}", min.unwrap_or_default()),
                problems,
            );
        }
        Some(number) if max.is_some_and(|max| number > max) => {
            problem(
                at,
                &format!("must be <= {}", max.unwrap_or_default()),
                problems,
            );
        }
        Some(_) => {}
    }
}

fn collect_array(
    value: &Value,
    item: &Shape,
    min: usize,
    at: Place<'_>,
    problems: &mut Vec<String>,
) {
    let Some(items) = value.as_array() else {
        problem(at, "must be array", problems);
        return;
    };
    if items.len() < min {
        problem(
            at,
            &format!("must not have fewer than {min} items"),
            problems,
        );
    }
    for (index, entry) in items.iter().enumerate() {
        item.collect(entry, Place::Item(&at, index), problems);
    }
}

fn collect_object(
    value: &Value,
    fields: &[Field],
    open: bool,
    at: Place<'_>,
    problems: &mut Vec<String>,
) {
    let Some(object) = value.as_object() else {
        problem(at, "must be object", problems);
        return;
    };
    if let Some(missing) = fields
        .iter()
        .find(|field| field.required && member_of(object, field.name).is_none())
    {
        problem(
            at,
            &format!("must have required property '{}'", missing.name),
            problems,
        );
    }
    if !open {
        for name in object
            .keys()
            .filter(|name| !fields.iter().any(|field| field.name == name.as_str()))
        {
            problems.push(match at {
                Place::Root => format!("at root: unexpected property '{name}'"),
                Place::Member(..) | Place::Item(..) => {
                    format!("at {at}: unexpected property '{name}'")
                }
            });
        }
    }
    for field in fields {
        if let Some(member) = member_of(object, field.name) {
            field
                .shape
                .collect(member, Place::Member(&at, field.name), problems);
        }
    }
}

/// A request frame of 2026.6.34. ref: gateway-behaviour.md §1.2
pub const REQUEST_FRAME_6: Shape = Shape::Object(&[
    Field::required("type", Shape::Const("req")),
    Field::required("id", Shape::TEXT),
    Field::required("method", Shape::TEXT),
    Field::optional("params", Shape::Any),
]);

/// A request frame as the newest known release takes it; [`crate::Frame::parse`] uses it.
pub const REQUEST_FRAME: Shape = Shape::Object(&[
    Field::required("type", Shape::Const("req")),
    Field::required("id", Shape::TEXT),
    Field::required("method", Shape::TEXT),
    Field::optional("params", Shape::Any),
    Field::optional("traceparent", Shape::ANY_TEXT),
    Field::optional("expectedProfileId", Shape::ANY_TEXT),
]);

/// `client.id` values of 2026.6.34. ref: gateway-behaviour.md §2.2
pub const CLIENT_IDS_6: &[&str] = &[
    "webchat-ui",
    "openclaw-control-ui",
    "openclaw-tui",
    "webchat",
    "cli",
    "gateway-client",
    "openclaw-macos",
    "openclaw-ios",
    "openclaw-android",
    "node-host",
    "test",
    "fingerprint",
    "openclaw-probe",
];

/// `client.id` values of 2026.9.6. ref: gateway-behaviour.md §2.2
pub const CLIENT_IDS_9: &[&str] = &[
    "webchat-ui",
    "openclaw-control-ui",
    "openclaw-tui",
    "webchat",
    "cli",
    "gateway-client",
    "openclaw-macos",
    "openclaw-ios",
    "openclaw-android",
    "node-host",
    "test",
    "fingerprint",
    "openclaw-probe",
    "openclaw-browser-copilot",
    "openclaw-linux",
    "openclaw-watchos",
    "openclaw-worker",
];

/// `client.mode` values of 2026.6.34.
pub const CLIENT_MODES_6: &[&str] = &["webchat", "cli", "ui", "backend", "node", "probe", "test"];

/// `client.mode` values of 2026.9.6.
pub const CLIENT_MODES_9: &[&str] = &[
    "webchat", "cli", "ui", "backend", "node", "probe", "test", "worker",
];

const PROTOCOL_NUMBER: Shape = Shape::Integer {
    min: Some(1),
    max: None,
};

const DEVICE: Shape = Shape::Object(&[
    Field::required("id", Shape::TEXT),
    Field::required("publicKey", Shape::TEXT),
    Field::required("signature", Shape::TEXT),
    Field::required("signedAt", Shape::COUNT),
    Field::required("nonce", Shape::TEXT),
]);

/// The releases differ only in what they add to the client, the credentials and the whole.
macro_rules! connect_params {
    ($ids:expr, $modes:expr, client: [$($client:expr),*], auth: [$($auth:expr),*], more: [$($more:expr),*]) => {
        Shape::Object(&[
            Field::required("minProtocol", PROTOCOL_NUMBER),
            Field::required("maxProtocol", PROTOCOL_NUMBER),
            Field::required(
                "client",
                Shape::Object(&[
                    Field::required("id", Shape::OneOf($ids)),
                    Field::optional("displayName", Shape::TEXT),
                    Field::required("version", Shape::TEXT),
                    Field::required("platform", Shape::TEXT),
                    Field::optional("deviceFamily", Shape::TEXT),
                    Field::optional("modelIdentifier", Shape::TEXT),
                    Field::required("mode", Shape::OneOf($modes)),
                    Field::optional("instanceId", Shape::TEXT),
                    $($client),*
                ]),
            ),
            Field::optional("caps", Shape::TEXTS),
            Field::optional("commands", Shape::Array { item: &Shape::ANY_TEXT, min: 0 }),
            Field::optional("permissions", Shape::Map(&Shape::Bool)),
            Field::optional("pathEnv", Shape::ANY_TEXT),
            Field::optional("role", Shape::TEXT),
            Field::optional("scopes", Shape::TEXTS),
            Field::optional("device", DEVICE),
            Field::optional(
                "auth",
                Shape::Object(&[
                    Field::optional("token", Shape::ANY_TEXT),
                    Field::optional("bootstrapToken", Shape::ANY_TEXT),
                    Field::optional("deviceToken", Shape::ANY_TEXT),
                    Field::optional("password", Shape::ANY_TEXT),
                    Field::optional("approvalRuntimeToken", Shape::ANY_TEXT),
                    $($auth),*
                ]),
            ),
            Field::optional("locale", Shape::ANY_TEXT),
            Field::optional("userAgent", Shape::ANY_TEXT),
            $($more),*
        ])
    };
}

/// `connect` parameters of 2026.6.34. ref: gateway-behaviour.md §2.2
pub const CONNECT_PARAMS_6: Shape =
    connect_params!(CLIENT_IDS_6, CLIENT_MODES_6, client: [], auth: [], more: []);

/// `connect` parameters of 2026.9.6. ref: gateway-behaviour.md §2.2
pub const CONNECT_PARAMS_9: Shape = connect_params!(
    CLIENT_IDS_9,
    CLIENT_MODES_9,
    client: [
        Field::optional("buildId", Shape::Text { min: 1, max: 96 }),
        Field::optional("timeZone", Shape::Text { min: 1, max: 64 })
    ],
    auth: [Field::optional("agentRuntimeIdentityToken", Shape::ANY_TEXT)],
    more: [
        Field::optional("computerUse", Shape::Any),
        Field::optional("workerRuns", Shape::Any),
        Field::optional("modelCatalog", Shape::Any)
    ]
);

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({"type":"res","ok":true,"id":"x"}), "must have required property 'method'; at root: unexpected property 'ok'; at /type: must be equal to constant")]
    #[case(json!({"type":"req","id":"","method":"m"}), "at /id: must not have fewer than 1 characters")]
    #[case(json!(3), "must be object")]
    fn request_frames(#[case] value: Value, #[case] expected: &str) {
        assert_eq!(REQUEST_FRAME.check(&value), Err(expected.to_owned()));
    }

    fn params() -> Value {
        json!({"minProtocol":4,"maxProtocol":4,"client":{"id":"cli","version":"1","platform":"linux","mode":"cli"}})
    }

    // The texts are those of recording 11.
    #[rstest]
    #[case("/minProtocol", json!(3.5), "at /minProtocol: must be integer")]
    #[case("/minProtocol", json!(0), "at /minProtocol: must be >= 1")]
    #[case("/client/id", json!("CLI"), "at /client/id: must be equal to one of the allowed values")]
    #[case("/client/version", json!(""), "at /client/version: must not have fewer than 1 characters")]
    #[case("/client", json!({"id":"cli"}), "at /client: must have required property 'version'")]
    #[case("/client", json!("cli"), "at /client: must be object")]
    fn connect_params(#[case] pointer: &str, #[case] value: Value, #[case] expected: &str) {
        let mut params = params();
        *params.pointer_mut(pointer).unwrap() = value;
        assert_eq!(CONNECT_PARAMS_6.check(&params), Err(expected.to_owned()));
    }

    #[rstest]
    #[case("caps", json!([""]), "at /caps/0: must not have fewer than 1 characters")]
    #[case("commands", json!([1]), "at /commands/0: must be string")]
    #[case("permissions", json!({"a":"yes"}), "at /permissions/a: must be boolean")]
    #[case("foo", json!(1), "at root: unexpected property 'foo'")]
    #[case("device", json!({}), "at /device: must have required property 'id'")]
    fn optional_connect_params(#[case] name: &str, #[case] value: Value, #[case] expected: &str) {
        let mut params = params();
        params[name] = value;
        assert_eq!(CONNECT_PARAMS_6.check(&params), Err(expected.to_owned()));
        assert_eq!(CONNECT_PARAMS_9.check(&params), Err(expected.to_owned()));
    }

    #[test]
    fn only_the_newer_release_knows_build_ids() {
        let mut params = params();
        params["client"]["buildId"] = json!("b1");
        assert_eq!(
            CONNECT_PARAMS_6.check(&params),
            Err("at /client: unexpected property 'buildId'".to_owned())
        );
        assert_eq!(CONNECT_PARAMS_9.check(&params), Ok(()));
    }
}
