//! What is looked for on the wire: one set of fields shared by `expect`, `quiet`, `never` and `count`.
//!
//! A field that is absent says nothing. Bodies (`params`, `payload`, `error`, `frame`) are subsets:
//! fields that are not named are not looked at. See `transcript::matcher` for the tokens (`"$any"`,
//! `"$absent"`, `"$null"`, `"$same:x"`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lapse::Lapse;

/// Which role the connection asked for in its `connect`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    /// `operator`.
    Operator,
    /// `node`.
    Node,
}

impl RoleName {
    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Node => "node",
        }
    }
}

/// At which point of its way a message counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// It left the wire at the other end: the peer got it.
    #[default]
    Delivered,
    /// It entered the wire: the sender said it, whether or not it arrived.
    Sent,
    /// A fault lost it.
    Dropped,
    /// A fault keeps it back.
    Held,
}

/// Which connection of an actor is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// One that was opened after the last action of the script.
    Next,
    /// The one that was open (the newest of its kind) when the last action began.
    Current,
}

/// How a close is recognised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClosePattern {
    /// The close code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The whole reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A part of the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_contains: Option<String>,
}

/// How a connection ended, as its peer saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// In any way.
    Anyhow,
    /// With a close frame.
    Close,
    /// The stream ended without a close frame.
    Eof,
    /// The stream was reset.
    Reset,
}

/// Declares a struct that has the wire fields and some of its own, flat, as people write it.
///
/// (`serde(flatten)` would switch `deny_unknown_fields` off.)
macro_rules! with_pattern {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$own_meta:meta])* pub $own:ident: $own_type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// The actor that says it.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub from: Option<String>,
            /// The actor that the gateway says it to.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub to: Option<String>,
            /// Role that the connection asked for.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub role: Option<RoleName>,
            /// Which connection of the actor.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub connection: Option<Which>,
            /// The actor's n-th connection, from 1.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub nth_connection: Option<u32>,
            /// A request with this method.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub method: Option<String>,
            /// A response to a request with this method.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub response: Option<String>,
            /// An event with this name.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub event: Option<String>,
            /// Whether the response is an `ok` one.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub ok: Option<bool>,
            /// Subset of a request's params.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub params: Option<Value>,
            /// Subset of an event's or an ok response's payload.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub payload: Option<Value>,
            /// Subset of a response's error.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub error: Option<Value>,
            /// Subset of the whole frame.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub frame: Option<Value>,
            /// A close frame.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub close: Option<ClosePattern>,
            /// The end of a connection.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub ends: Option<Ended>,
            /// A new connection.
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            pub opens: bool,
            /// A WebSocket ping.
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            pub ping: bool,
            /// A WebSocket pong.
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            pub pong: bool,
            /// Which entry of the transcript counts; `delivered` when absent.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub at: Option<At>,
            /// The method or event is not in the registries on purpose.
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            pub unlisted: bool,
            $($(#[$own_meta])* pub $own: $own_type,)*
        }

        impl $name {
            /// The wire fields alone.
            #[must_use]
            pub fn pattern(&self) -> Pattern {
                Pattern {
                    from: self.from.clone(),
                    to: self.to.clone(),
                    role: self.role,
                    connection: self.connection,
                    nth_connection: self.nth_connection,
                    method: self.method.clone(),
                    response: self.response.clone(),
                    event: self.event.clone(),
                    ok: self.ok,
                    params: self.params.clone(),
                    payload: self.payload.clone(),
                    error: self.error.clone(),
                    frame: self.frame.clone(),
                    close: self.close.clone(),
                    ends: self.ends,
                    opens: self.opens,
                    ping: self.ping,
                    pong: self.pong,
                    at: self.at,
                    unlisted: self.unlisted,
                }
            }
        }
    };
}

with_pattern! {
    /// The wire fields alone: what `expect`, `quiet`, `never` and `count` have in common.
    pub struct Pattern {}
}

with_pattern! {
    /// Waits until something is seen: a message on the wire, a client's snapshot or event, or the gateway's state.
    ///
    /// A wire expectation takes the first message that matches, that came after the last action of the
    /// script, and that no earlier expectation has taken.
    pub struct Expect {
        /// The client whose snapshot or event is meant.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub actor: Option<String>,
        /// Subset of the client's snapshot (needs `actor`).
        #[serde(skip_serializing_if = "Option::is_none")]
        pub snapshot: Option<Value>,
        /// Subset of the client's durable state, as booleans (needs `actor`).
        #[serde(skip_serializing_if = "Option::is_none")]
        pub durable: Option<Value>,
        /// Subset of what the client says of its dashboard's address: `url` without its fragment, `credentialSource`,
        /// `usesSharedGatewayToken`, `tokenInFragment`, `tokenInQuery` (needs `actor`).
        #[serde(skip_serializing_if = "Option::is_none")]
        pub dashboard: Option<Value>,
        /// Subset of an event that the client reports (needs `actor`).
        #[serde(skip_serializing_if = "Option::is_none")]
        pub reports: Option<Value>,
        /// Subset of the gateway's view of devices, nodes, requests and connections.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub gateway: Option<Value>,
        /// How long to wait; 30 s when absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub within: Option<Lapse>,
        /// Not sooner than this after the last action.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub not_before: Option<Lapse>,
        /// Names for parts of the message: JSON pointers into its body (`/device/id`) or, with `frame/`, into the frame.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        pub capture: BTreeMap<String, String>,
    }
}

with_pattern! {
    /// Lets time pass and demands that nothing of this kind is seen meanwhile.
    pub struct Quiet {
        /// How long.
        pub lasting: Lapse,
    }
}

with_pattern! {
    /// A message that must not be seen, from a point on or in the whole run.
    pub struct Never {
        /// Only after this `note`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub after: Option<String>,
        /// Only before this `note`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub before: Option<String>,
        /// Why it must not be seen.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub because: Option<String>,
    }
}

with_pattern! {
    /// How many messages of a kind there are, from a point on or in the whole run.
    pub struct Count {
        /// The client whose reports are meant.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub actor: Option<String>,
        /// Subset of an event that the client reports (needs `actor`), over the whole run.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub reports: Option<Value>,
        /// Exactly this many.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub exactly: Option<u32>,
        /// At least this many.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub min: Option<u32>,
        /// At most this many.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub max: Option<u32>,
        /// Only after this `note`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub after: Option<String>,
        /// Only before this `note`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub before: Option<String>,
        /// Why it is this many.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub because: Option<String>,
    }
}

impl Expect {
    /// How long it waits.
    pub fn patience(&self) -> std::time::Duration {
        self.within.unwrap_or(DEFAULT_WITHIN).0
    }
}

/// How long an expectation waits when it does not say.
pub const DEFAULT_WITHIN: Lapse = Lapse::seconds(30);
