//! The companion's local tools in the words of scenarios: which tool carries out which intent, what its answer reports,
//! and what its status shows of a snapshot. ref: client-behaviour.md §23

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Tells how both connections are.
pub(crate) const STATUS: &str = "app.connection.status";

/// Tells where the dashboard is.
pub(crate) const DASHBOARD: &str = "app.dashboard.url";

/// Names of arguments: the tool's, and the intent's.
type Names = &'static [(&'static str, &'static str)];

type Row = (&'static str, &'static str, Names);

/// The tools that act: intent, tool, and the tool's arguments by the names that intents use.
const TOOLS: &[Row] = &[
    ("reconnect", "app.connection.reconnect", &[]),
    ("reconnect_node", "app.connection.reconnectNode", &[]),
    (
        "apply_setup_code",
        "app.connection.applySetupCode",
        &[("setupCode", "setup_code")],
    ),
    (
        "connect_shared_token",
        "app.connection.connectSharedToken",
        &[("gatewayUrl", "url"), ("token", "token")],
    ),
];

/// Where the members of a snapshot stand in the status.
const MEMBERS: &[(&str, &str)] = &[
    ("/overallState", "/connectionState"),
    ("/connectionStatus", "/legacyConnectionStatus"),
    ("/operator/state", "/operator/state"),
    ("/operator/error", "/operator/error"),
    ("/operator/pairingRequestId", "/operator/pairingRequestId"),
    ("/operator/deviceId", "/operator/deviceId"),
    ("/operator/credential/source", "/operator/credential/source"),
    ("/operator/credential/status", "/operator/credential/status"),
    (
        "/operator/credential/fallbackUsed",
        "/operator/credential/fallbackUsed",
    ),
    (
        "/operator/credential/bootstrapRequired",
        "/operator/credential/bootstrapRequired",
    ),
    ("/node/state", "/node/state"),
    ("/node/intended", "/node/intended"),
    ("/node/connected", "/node/connected"),
    ("/node/pairingStatus", "/node/pairingStatus"),
    ("/node/approvalKind", "/node/pairingApprovalKind"),
    ("/node/pairingRequestId", "/node/pairingRequestId"),
    ("/node/approvalCommand", "/node/approvalCommand"),
    ("/node/error", "/node/error"),
    ("/node/credential/source", "/node/credential/source"),
    ("/node/credential/status", "/node/credential/status"),
    ("/gateway/url", "/gateway/url"),
    ("/gateway/name", "/gateway/name"),
    ("/gateway/isLocal", "/gateway/isLocal"),
    (
        "/gateway/requiresV2Signature",
        "/gateway/requiresV2Signature",
    ),
    (
        "/gateway/hasSharedGatewayToken",
        "/gateway/hasSharedGatewayToken",
    ),
    ("/gateway/hasBootstrapToken", "/gateway/hasBootstrapToken"),
];

/// The intents that a tool carries out.
pub(crate) fn intents() -> impl Iterator<Item = &'static str> {
    let decisions = ["approve", "reject"];
    TOOLS.iter().map(|(intent, ..)| *intent).chain(decisions)
}

/// The tool for an intent, and its arguments.
pub(crate) fn tool(
    intent: &str,
    own: &BTreeMap<&'static str, String>,
) -> Option<(&'static str, Value)> {
    let text = |name: &str| own.get(name).cloned().unwrap_or_default();
    let decision = match (intent, text("kind").as_str()) {
        ("approve", "node") => Some("app.connection.approveNodePairing"),
        ("approve", _) => Some("app.connection.approveDevicePairing"),
        ("reject", "node") => Some("app.connection.rejectNodePairing"),
        ("reject", _) => Some("app.connection.rejectDevicePairing"),
        _ => None,
    };
    if let Some(tool) = decision {
        return Some((tool, json!({"requestId": text("request_id")})));
    }
    let (_, tool, names) = TOOLS.iter().find(|(known, ..)| *known == intent)?;
    let arguments = names.iter();
    let arguments = arguments.map(|(theirs, ours)| ((*theirs).to_owned(), json!(text(ours))));
    Some((tool, Value::Object(arguments.collect())))
}

/// What an answer says, in the form of the client's own reports.
pub(crate) fn report(intent: &str, answer: &Value) -> Value {
    let member = |pointer: &str| answer.pointer(pointer).cloned().unwrap_or_default();
    if matches!(intent, "approve" | "reject") {
        return json!({
            "event": "approval_done", "kind": member("/decision/kind"), "action": intent,
            "request_id": member("/decision/requestId"),
            "succeeded": member("/decision/succeeded"),
            "error": member("/decision/error"), "automatic": false,
        });
    }
    let outcome = match answer.get("reconnected").and_then(Value::as_bool) {
        Some(true) => json!("Success"),
        Some(false) => json!("ConnectionFailed"),
        None => member("/outcome"),
    };
    json!({
        "event": "intent_done", "intent": intent, "outcome": outcome, "error": member("/error"),
        "gateway_url": member("/gatewayUrl"), "gateway_committed": member("/gatewayCommitted"),
    })
}

/// The reports that tools give.
pub(crate) const REPORTS: [&str; 2] = ["intent_done", "approval_done"];

/// A status as a snapshot; what it does not show is left out.
pub(crate) fn snapshot(status: &Value) -> Value {
    let mut snapshot = Value::Object(Map::new());
    for (ours, theirs) in MEMBERS {
        if let Some(value) = status.pointer(theirs) {
            put(&mut snapshot, ours, value.clone());
        }
    }
    snapshot
}

fn put(root: &mut Value, pointer: &str, value: Value) {
    let mut place = root;
    for name in pointer.split('/').skip(1) {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Some(members) = place.as_object_mut() else {
            return;
        };
        place = members.entry(name).or_insert(Value::Null);
    }
    *place = value;
}

/// Whether a status shows everything that a pattern of a snapshot speaks of.
pub(crate) fn shows(pattern: &Value) -> bool {
    fn leaves(at: &str, value: &Value, all: &mut Vec<String>) {
        let inner = value.as_object().filter(|members| {
            let word = members
                .keys()
                .next()
                .is_some_and(|name| name.starts_with('$'));
            !members.is_empty() && !word
        });
        match inner {
            Some(members) => {
                for (name, value) in members {
                    leaves(&format!("{at}/{name}"), value, all);
                }
            }
            None => all.push(at.to_owned()),
        }
    }
    let mut all = Vec::new();
    leaves("", pattern, &mut all);
    let known = |leaf: &String| MEMBERS.iter().any(|(ours, _)| ours == leaf);
    all.iter().all(|leaf| leaf.is_empty() || known(leaf))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::inside(json!({"operator": {"state": "Connected"}, "overallState": "Ready"}), true)]
    #[case::count(json!({"operator": {"attempts": 2}}), false)]
    #[case::missing(json!({"operator": {"error": {"$missing": true}}}), true)]
    #[case::nothing(json!({}), true)]
    fn a_status_shows_a_part_of_a_snapshot(#[case] pattern: Value, #[case] expected: bool) {
        assert_eq!(shows(&pattern), expected);
    }

    #[test]
    fn a_status_is_read_as_a_snapshot() {
        let status = json!({
            "connectionState": "Ready", "operator": {"state": "Connected", "credential": {"source": "x"}},
            "retry": {"nextRetryAt": null},
        });
        assert_eq!(
            snapshot(&status),
            json!({"overallState": "Ready", "operator": {"state": "Connected", "credential": {"source": "x"}}})
        );
    }

    #[test]
    fn every_intent_that_is_claimed_has_its_tool_in_the_companion() {
        for intent in intents() {
            for kind in ["device", "node"] {
                let own = BTreeMap::from([("kind", kind.to_owned())]);
                let (name, _) = tool(intent, &own).unwrap();
                assert!(gateway_client::mcp::TOOL_NAMES.contains(&name), "{name}");
            }
        }
        assert!(gateway_client::mcp::TOOL_NAMES.contains(&STATUS));
        assert_eq!(tool("disconnect", &BTreeMap::new()), None);
    }
}
