//! The table of the tools: name, purpose and arguments of each. ref: client-behaviour.md §23

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

/// One row of the table.
struct Spec {
    name: &'static str,
    about: &'static str,
    /// Names of required arguments, each with what it is.
    arguments: &'static [(&'static str, &'static str)],
    reads_only: bool,
}

const fn reads(name: &'static str, about: &'static str) -> Spec {
    Spec {
        name,
        about,
        arguments: &[],
        reads_only: true,
    }
}

const fn acts(
    name: &'static str,
    about: &'static str,
    arguments: &'static [(&'static str, &'static str)],
) -> Spec {
    Spec {
        name,
        about,
        arguments,
        reads_only: false,
    }
}

const REQUEST_ID: &[(&str, &str)] = &[(
    "requestId",
    "Id of the pending request; `id` is understood too.",
)];

const TABLE: &[Spec] = &[
    reads(
        "app.status",
        "States of both roles in short, with what the gateway granted.",
    ),
    reads("app.nodes", "The gateway's nodes and what they offer."),
    reads(
        "app.dashboard.url",
        "Address of the dashboard; holds the shared token where there is one.",
    ),
    reads(
        "app.connection.status",
        "Everything about the connections: credentials by name, errors, what waits for whom.",
    ),
    reads(
        "app.connection.gateways",
        "Every known gateway; tokens as yes or no.",
    ),
    reads(
        "app.connection.pendingApprovals",
        "Requests of other devices and nodes that wait for an approval.",
    ),
    acts(
        "app.connection.applySetupCode",
        "Redeem a setup code and connect with it.",
        &[("setupCode", "The code as the gateway printed it.")],
    ),
    acts(
        "app.connection.connectSharedToken",
        "Connect with a gateway's shared token; tried first where a pairing could be lost.",
        &[
            ("gatewayUrl", "ws, wss, http or https URL."),
            ("token", "The gateway's shared token."),
        ],
    ),
    acts(
        "app.connection.approveDevicePairing",
        "Approve a device.",
        REQUEST_ID,
    ),
    acts(
        "app.connection.rejectDevicePairing",
        "Reject a device.",
        REQUEST_ID,
    ),
    acts(
        "app.connection.approveNodePairing",
        "Approve a node's commands.",
        REQUEST_ID,
    ),
    acts(
        "app.connection.rejectNodePairing",
        "Reject a node's commands.",
        REQUEST_ID,
    ),
    acts(
        "app.connection.reconnect",
        "Disconnect and connect to the active gateway.",
        &[],
    ),
    acts(
        "app.connection.reconnectNode",
        "Replace the node's connection, keep the operator's.",
        &[],
    ),
];

/// The name of every tool, in the order of `tools/list`.
pub const TOOL_NAMES: [&str; TABLE.len()] = {
    let mut names = [""; TABLE.len()];
    let mut at = 0;
    while at < TABLE.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            names[at] = TABLE[at].name;
        }
        at += 1;
    }
    names
};

/// What `tools/list` says.
pub(super) fn list() -> Vec<Tool> {
    TABLE.iter().map(describe).collect()
}

fn describe(spec: &Spec) -> Tool {
    let property = |(name, about): &(&str, &str)| {
        let property = json!({"type": "string", "description": about});
        ((*name).to_owned(), property)
    };
    let properties: JsonObject = spec.arguments.iter().map(property).collect();
    let required: Vec<Value> = spec.arguments.iter().map(|(name, _)| json!(name)).collect();
    let schema = JsonObject::from_iter([
        ("type".to_owned(), json!("object")),
        ("properties".to_owned(), Value::Object(properties)),
        ("required".to_owned(), Value::Array(required)),
    ]);
    let hints = ToolAnnotations::new().read_only(spec.reads_only);
    Tool::new(spec.name, spec.about, schema).with_annotations(hints)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builtins;

    #[test]
    fn no_tool_is_a_node_command() {
        let commands = Builtins::commands();
        for name in TOOL_NAMES {
            assert!(name.starts_with("app."), "{name}");
            assert!(!commands.iter().any(|command| command == name), "{name}");
        }
    }
}
