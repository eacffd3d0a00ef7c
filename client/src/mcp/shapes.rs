//! What the tools answer: the companion's shapes, no token in any of them. ref: client-behaviour.md §23

use client_core::url::GatewayUrl;
use client_core::{
    CredentialSnapshot, GatewayRecord, NodeState, OperatorState, PairingStatus, Snapshot,
};
use serde_json::{Value, json};

use super::McpContext;
use crate::invoke::browser_proxy;

pub(super) fn status(snapshot: &Snapshot, sessions: Option<usize>, nodes: Option<usize>) -> Value {
    let node = &snapshot.node;
    json!({
        "connectionStatus": snapshot.connection_status,
        "overallState": snapshot.overall_state,
        "operatorState": snapshot.operator.state,
        "nodeState": node.state,
        "nodeConnected": node.connected,
        "nodePaired": node.pairing_status == PairingStatus::Paired,
        "nodePendingApproval": node.pairing_status == PairingStatus::Pending,
        "nodeError": node.error,
        "gatewayVersion": snapshot.operator.gateway_version,
        "sessionCount": sessions,
        "nodeCount": nodes,
        "operatorScopes": snapshot.operator.scopes,
        "operatorDeviceId": snapshot.operator.device_id,
    })
}

/// How many entries a list has, under its name or bare.
pub(super) fn count_of(payload: &Value, name: &str) -> usize {
    let list = payload.get(name).and_then(Value::as_array);
    list.or_else(|| payload.as_array()).map_or(0, Vec::len)
}

pub(super) fn gateway(record: &GatewayRecord, active: Option<&str>) -> Value {
    let url = GatewayUrl::parse(&record.url).map(|url| url.display());
    json!({
        "id": record.id,
        "name": record.friendly_name,
        "url": url,
        "isActive": active == Some(record.id.as_str()),
        "isLocal": record.is_local,
        "lastConnected": record.last_connected,
        "requiresV2Signature": record.requires_v2_signature,
        "hasSharedGatewayToken": record.usable_shared_token().is_some(),
        "hasBootstrapToken": record.usable_bootstrap_token().is_some(),
        "browserControlPort": record.browser_control_port,
        "sshTunnel": record.ssh_tunnel,
    })
}

pub(super) fn connection_status(
    context: &McpContext,
    snapshot: &Snapshot,
    record: Option<&GatewayRecord>,
    diagnostics: &Value,
) -> Value {
    let (operator, node) = (&snapshot.operator, &snapshot.node);
    let mode = if context.node_mode {
        "GatewayNodeAndLocalMcp"
    } else {
        "LocalMcpOnly"
    };
    let caveat = caveat(context, record);
    json!({
        "schemaVersion": 1,
        "connectionState": snapshot.overall_state,
        "effectiveMode": mode,
        "legacyConnectionStatus": snapshot.connection_status,
        "gateway": record.map(|record| {
            let mut shape = gateway(record, Some(&record.id));
            if let Some(shape) = shape.as_object_mut() {
                shape.insert("browserProxyCaveat".to_owned(), json!(caveat));
            }
            shape
        }),
        "operator": {
            "state": operator.state,
            "connected": operator.state == OperatorState::Connected,
            "error": operator.error,
            "errorKind": operator.error_kind,
            "pairingRequired": operator.state == OperatorState::PairingRequired,
            "pairingRequestId": operator.pairing_request_id,
            "credential": credential(operator.credential),
            "deviceId": operator.device_id,
        },
        "node": {
            "intended": node.intended,
            "state": node.state,
            "connected": node.state == NodeState::Connected,
            "paired": node.pairing_status == PairingStatus::Paired,
            "pendingApproval": node.pairing_status == PairingStatus::Pending,
            "pairingStatus": node.pairing_status,
            "pairingApprovalKind": node.approval_kind,
            "pairingRequestId": node.pairing_request_id,
            "approvalCommand": node.approval_command,
            "error": node.error,
            "credential": credential(node.credential),
            "deviceId": node.node_id,
        },
        "mcp": {"enabled": true, "running": true, "error": null},
        "browserProxy": {
            "enabled": context.browser_proxy,
            "activeGatewayHasSharedToken": record.is_some_and(|it| it.usable_shared_token().is_some()),
            "browserControlPort": record.and_then(|it| it.browser_control_port),
            "sshBrowserProxyForward": record
                .and_then(|it| it.ssh_tunnel.as_ref())
                .is_some_and(|it| it.include_browser_proxy_forward),
            "caveat": caveat,
        },
        "pendingActions": pending_actions(snapshot),
        "retry": retry(snapshot),
        "diagnostics": diagnostics,
    })
}

fn caveat(context: &McpContext, record: Option<&GatewayRecord>) -> Option<String> {
    let record = record?;
    let block = browser_proxy(record, context.browser_proxy, context.node_mode).err()?;
    Some(block.to_string())
}

fn credential(credential: CredentialSnapshot) -> Value {
    json!({
        "source": credential.source,
        "status": credential.status,
        "fallbackUsed": credential.fallback_used,
        "bootstrapRequired": credential.bootstrap_required,
        "detail": null,
    })
}

/// What a person has to do so that the roles can connect.
fn pending_actions(snapshot: &Snapshot) -> Vec<Value> {
    let mut actions = Vec::new();
    let (operator, node) = (&snapshot.operator, &snapshot.node);
    if operator.state == OperatorState::PairingRequired {
        let id = operator.pairing_request_id.as_deref();
        let device = operator
            .device_id
            .as_deref()
            .map(|id| id.chars().take(12).collect());
        let wanted = id.map(str::to_owned).or(device).unwrap_or_default();
        actions.push(json!({
            "kind": "operatorDevicePairing", "state": "pending", "requestId": id,
            "command": format!("openclaw devices approve {wanted}"),
            "summary": "This device waits for an approval at the gateway.",
        }));
    }
    if node.pairing_status == PairingStatus::Pending {
        actions.push(json!({
            "kind": "nodePairing", "state": "pending", "requestId": node.pairing_request_id,
            "command": node.approval_command,
            "summary": "This computer's node waits for an approval at the gateway.",
        }));
    }
    actions
}

fn retry(snapshot: &Snapshot) -> Value {
    let operator = &snapshot.operator;
    let next = operator.next_attempt_ms.is_some() || snapshot.node.next_attempt_ms.is_some();
    json!({
        "hasRecentRetrySignal": next || operator.attempts > 0,
        "lastRetryAt": null,
        "lastRetryMessage": operator.last_close.as_ref().map(|(code, reason)| match code {
            Some(code) => format!("closed with {code} {reason}"),
            None => format!("closed: {reason}"),
        }),
        "nextRetryAt": null,
        "pausedReason": null,
        "detail": format!("{} attempts since the last success", operator.attempts),
    })
}

type Lists = (Value, Value);

pub(super) fn pending(
    snapshot: &Snapshot,
    lists: Result<Lists, String>,
    decision: Option<Value>,
) -> Value {
    let connected = snapshot.operator.state == OperatorState::Connected;
    let own: Vec<&str> = [
        snapshot.operator.device_id.as_deref(),
        snapshot.node.node_id.as_deref(),
        snapshot
            .gateway
            .as_ref()
            .and_then(|it| it.device_id.as_deref()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let (error, devices, nodes) = match lists {
        Ok((devices, nodes)) => (
            None,
            items(&devices, &own, DEVICE),
            items(&nodes, &own, NODE),
        ),
        Err(error) => (Some(error), Vec::new(), Vec::new()),
    };
    let mut answer = json!({
        "connected": connected,
        "error": error,
        "totalPending": devices.len() + nodes.len(),
        "devicePending": devices,
        "nodePending": nodes,
    });
    if let (Some(answer), Some(decision)) = (answer.as_object_mut(), decision) {
        answer.insert("decision".to_owned(), decision);
    }
    answer
}

const DEVICE: &[&str] = &[
    "requestId",
    "deviceId",
    "displayName",
    "platform",
    "clientId",
    "clientMode",
    "role",
    "scopes",
    "remoteIp",
    "isRepair",
];
const NODE: &[&str] = &[
    "requestId",
    "nodeId",
    "displayName",
    "platform",
    "version",
    "remoteIp",
    "isRepair",
];

/// The entries of others that can be decided: each needs an id. ref: §20.5
fn items(payload: &Value, own: &[&str], members: &[&str]) -> Vec<Value> {
    let pending = payload.get("pending").and_then(Value::as_array);
    let id = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let foreign = |entry: &&Value| {
        let ids = ["deviceId", "nodeId", "instanceId"].map(|key| id(entry, key));
        !ids.iter().flatten().any(|id| own.contains(&id.as_str()))
    };
    let decidable = |entry: &&Value| id(entry, "requestId").is_some_and(|id| !id.trim().is_empty());
    let shape = |entry: &Value| {
        let pick = |key: &&str| {
            (
                (*key).to_owned(),
                entry.get(*key).cloned().unwrap_or_default(),
            )
        };
        Value::Object(members.iter().map(pick).collect())
    };
    pending
        .into_iter()
        .flatten()
        .filter(foreign)
        .filter(decidable)
        .map(shape)
        .collect()
}
