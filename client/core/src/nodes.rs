//! `node.list` as a client reads it: effective fields only, whatever else the gateway declares.
//! ref: client-behaviour.md §22, §32
//!
//! ```
//! use client_core::nodes::read_nodes;
//! use serde_json::json;
//! let list = json!({"nodes": [{"nodeId": "n", "caps": ["system"], "pendingDeclaredCaps": ["camera"]}]});
//! let nodes = read_nodes(&list);
//! assert_eq!((nodes[0].node_id.as_str(), nodes[0].capabilities.as_slice()), ("n", &["system".to_owned()][..]));
//! ```

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// One node, as `app.nodes` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeEntry {
    /// Name for people; the id when there is none.
    pub display_name: String,
    /// Its id.
    pub node_id: String,
    /// Connected at the moment.
    pub is_online: bool,
    /// Its platform.
    pub platform: Option<String>,
    /// How many capabilities count.
    pub capability_count: usize,
    /// How many commands count.
    pub command_count: usize,
    /// Capabilities that count.
    pub capabilities: Vec<String>,
    /// Commands that count.
    pub commands: Vec<String>,
    /// Commands that were switched off.
    pub disabled_commands: Vec<String>,
    /// Permissions on its host.
    pub permissions: BTreeMap<String, bool>,
    /// When it was last heard of, in Unix milliseconds.
    #[serde(skip)]
    pub last_seen_ms: i64,
}

/// The nodes of an answer to `node.list`: online ones first, then the last seen, then by name. An entry without any id
/// is left out.
pub fn read_nodes(payload: &Value) -> Vec<NodeEntry> {
    let list = ["nodes", "items"]
        .iter()
        .find_map(|key| payload.get(key)?.as_array())
        .or_else(|| payload.as_array());
    let mut nodes: Vec<NodeEntry> = list.into_iter().flatten().filter_map(read_node).collect();
    nodes.sort_by_key(|node| {
        (
            !node.is_online,
            Reverse(node.last_seen_ms),
            node.display_name.to_lowercase(),
        )
    });
    nodes
}

fn read_node(entry: &Value) -> Option<NodeEntry> {
    let text = |key: &str| {
        let text = entry.get(key).and_then(Value::as_str)?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let node_id = ["nodeId", "deviceId", "id", "clientId"]
        .iter()
        .find_map(|key| text(key))?;
    // An empty authoritative list is an answer; only a missing one leaves the floor to the older field.
    let capabilities = strings(entry, "caps").or_else(|| strings(entry, "capabilities"));
    let capabilities = capabilities.unwrap_or_default();
    let commands = strings(entry, "commands").unwrap_or_default();
    Some(NodeEntry {
        display_name: text("displayName").unwrap_or_else(|| node_id.clone()),
        node_id,
        is_online: is_online(entry),
        platform: text("platform"),
        capability_count: capabilities.len(),
        command_count: commands.len(),
        capabilities,
        commands,
        disabled_commands: strings(entry, "disabledCommands").unwrap_or_default(),
        permissions: permissions(entry),
        last_seen_ms: number(entry, "lastSeenAtMs")
            .or_else(|| number(entry, "connectedAtMs"))
            .unwrap_or_default(),
    })
}

fn is_online(entry: &Value) -> bool {
    let flag = |key: &str| entry.get(key).and_then(Value::as_bool);
    let by_status = || {
        let status = entry.get("status").and_then(Value::as_str)?;
        let status = status.to_ascii_lowercase();
        Some(["ok", "online", "connected", "ready", "active"].contains(&status.as_str()))
    };
    flag("online")
        .or_else(|| flag("connected"))
        .or_else(by_status)
        .unwrap_or(false)
}

fn strings(entry: &Value, key: &str) -> Option<Vec<String>> {
    let list = entry.get(key)?.as_array()?;
    let texts = list.iter().filter_map(Value::as_str);
    Some(texts.map(str::to_owned).collect())
}

fn permissions(entry: &Value) -> BTreeMap<String, bool> {
    let map = entry.get("permissions").and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_bool()?)))
        .collect()
}

fn number(entry: &Value, key: &str) -> Option<i64> {
    entry.get(key).and_then(Value::as_i64)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::nodes(json!({"nodes": [{"nodeId": "a"}]}))]
    #[case::items(json!({"items": [{"deviceId": "a"}]}))]
    #[case::bare(json!([{"id": "a"}, {"displayName": "no id"}, 7]))]
    #[case::client_id(json!([{"nodeId": " ", "clientId": "a"}]))]
    fn every_shape_of_the_list_is_read(#[case] payload: Value) {
        let ids: Vec<String> = read_nodes(&payload)
            .into_iter()
            .map(|it| it.node_id)
            .collect();
        assert_eq!(ids, ["a"]);
    }

    #[rstest]
    #[case(json!({}), false)]
    #[case(json!({"online": false, "connected": true}), false)]
    #[case(json!({"connected": true, "status": "offline"}), true)]
    #[case(json!({"status": "Ready"}), true)]
    #[case(json!({"status": "pairing"}), false)]
    fn online_is_the_first_thing_said_about_it(#[case] mut entry: Value, #[case] online: bool) {
        entry["nodeId"] = json!("n");
        assert_eq!(read_nodes(&json!([entry]))[0].is_online, online);
    }

    #[rstest]
    #[case::effective(json!({"caps": ["a"], "capabilities": ["b"]}), &["a"])]
    #[case::older(json!({"capabilities": ["b"]}), &["b"])]
    #[case::empty_is_an_answer(json!({"caps": [], "capabilities": ["b"], "pendingDeclaredCaps": ["c"]}), &[])]
    fn only_effective_capabilities_count(#[case] mut entry: Value, #[case] expected: &[&str]) {
        entry["nodeId"] = json!("n");
        assert_eq!(read_nodes(&json!([entry]))[0].capabilities, expected);
    }

    #[test]
    fn nodes_come_in_the_order_of_interest() {
        let list = json!([
            {"nodeId": "old", "lastSeenAtMs": 1}, {"nodeId": "new", "lastSeenAtMs": 2},
            {"nodeId": "b", "online": true}, {"nodeId": "a", "online": true}
        ]);
        let ids: Vec<String> = read_nodes(&list).into_iter().map(|it| it.node_id).collect();
        assert_eq!(ids, ["a", "b", "new", "old"]);
    }
}
