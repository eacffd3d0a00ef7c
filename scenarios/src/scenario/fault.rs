//! Named disturbances of the wire, as a scenario asks for them.

use std::fmt;

use link::{FAULTS, FaultSpec};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use transcript::Direction;

use super::lapse::Lapse;
use super::pattern::RoleName;

pub use link::FaultName;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From the client to the gateway.
    ToGateway,
    /// From the gateway to the client.
    ToClient,
}

/// A fault to install (`fault = { ... }`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which fault.
    #[schemars(schema_with = "fault_names")]
    pub name: FaultName,
    /// Only connections of this actor that are open now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Only connections of this role that are open now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Only the next n connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u32>,
    /// Only these connections, by the gateway's accept order from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<u32>,
    /// Only this way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// Let this many messages pass first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_messages: Option<u32>,
    /// Only messages of this shape; they alone are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching: Option<Value>,
    /// How long it lasts on each connection, from the moment it meets it; until `heal` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Lapse>,
    /// How much later (`delay`, `coalesce`, `late_fin`), or how often a helping passes (`slow_read`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Lapse>,
    /// How many messages (`drop_message`, `duplicate`, `reorder`, `mutate`: one when absent; `delay`, `coalesce`: all).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Operations of RFC 6902 on the frame (`mutate`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Value>,
    /// The largest piece, in bytes (`byte_split`, `slow_read`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// Close code (`close_then_reset`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Close reason (`close_then_reset`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Fault {
    /// The fault with nothing but its name.
    pub const fn named(name: FaultName) -> Self {
        Self {
            name,
            actor: None,
            role: None,
            next: None,
            connections: Vec::new(),
            way: None,
            after_messages: None,
            matching: None,
            lasts: None,
            delay: None,
            times: None,
            patch: None,
            bytes: None,
            code: None,
            reason: None,
        }
    }

    /// What the link is asked for, on the fault's usual connections.
    pub fn spec(&self) -> FaultSpec {
        let mut spec = FaultSpec::new(self.name);
        spec.dir = self.way.map(|way| match way {
            Way::ToGateway => Direction::ClientToGateway,
            Way::ToClient => Direction::GatewayToClient,
        });
        spec.after = self.after_messages.map_or(0, u64::from);
        spec.matching.clone_from(&self.matching);
        spec.lasts_ms = self.lasts.map(millis);
        spec.delay_ms = self.delay.map(millis);
        spec.count = self.times.map(u64::from);
        spec.patch.clone_from(&self.patch);
        spec.chunk_bytes = self.bytes;
        spec.code = self.code;
        spec.reason.clone_from(&self.reason);
        spec
    }

    /// Whether it says itself which connections it takes.
    pub const fn selects(&self) -> bool {
        self.actor.is_some()
            || self.role.is_some()
            || self.next.is_some()
            || !self.connections.is_empty()
    }
}

fn millis(lapse: Lapse) -> u64 {
    u64::try_from(lapse.0.as_millis()).unwrap_or(u64::MAX)
}

/// The names as the registry of the link has them.
fn fault_names(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<Value> = FAULTS
        .iter()
        .map(|row| serde_json::json!({"const": row.name.as_str(), "description": row.doc, "type": "string"}))
        .collect();
    json_schema!({"description": "Which fault.", "oneOf": names})
}

/// A name alone, or a table.
pub(super) fn name_or_table(generator: &mut SchemaGenerator) -> Schema {
    let (name, table) = (fault_names(generator), generator.subschema_for::<Fault>());
    json_schema!({
        "description": "The fault that they meet: its name, or a table as in a `fault` step, without connections.",
        "anyOf": [name, table, {"type": "null"}],
    })
}

/// Reads a name alone, or a table.
pub(super) fn read_name_or_table<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Fault>, D::Error> {
    struct Form;

    impl<'de> Visitor<'de> for Form {
        type Value = Option<Fault>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the name of a fault, or a table with a `name`")
        }

        fn visit_str<E: de::Error>(self, name: &str) -> Result<Option<Fault>, E> {
            let known = FAULTS.iter().map(|row| row.name.as_str());
            match FaultName::named(name) {
                Some(name) => Ok(Some(Fault::named(name))),
                None => Err(E::custom(format!(
                    "unknown fault `{name}`, expected one of {}",
                    known
                        .map(|name| format!("`{name}`"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ))),
            }
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<Fault>, A::Error> {
            Fault::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }

        fn visit_unit<E: de::Error>(self) -> Result<Option<Fault>, E> {
            Ok(None)
        }
    }

    deserializer.deserialize_any(Form)
}
