//! Made-up answers of methods outside the connection and pairing surface.
//!
//! Nothing here was recorded; the payloads are just rich enough for the real command line, the node host and the
//! Windows companion to go on. ref: real-clients.md §1, §2; client-behaviour.md §32

use serde_json::{Value, json};

/// The answer of a method that this mock does not imitate; `{}` when nothing is known to be needed.
pub(crate) fn payload(method: &str) -> Value {
    match method {
        "sessions.list" => json!({"path": "", "count": 0, "defaults": {}, "sessions": []}),
        "sessions.subscribe" | "sessions.unsubscribe" => {
            json!({"subscribed": method == "sessions.subscribe"})
        }
        "usage.status" => json!({"updatedAt": 0, "providers": []}),
        "usage.cost" => json!({"updatedAt": 0, "days": 0, "daily": [], "totals": {"totalCost": 0}}),
        "agents.list" => json!({
            "defaultId": "main",
            "mainKey": "main",
            "scope": "per-sender",
            "agents": [{"id": "main", "name": "main"}],
        }),
        "logs.tail" => {
            json!({"file": "", "cursor": 0, "size": 0, "lines": [], "truncated": false, "reset": false})
        }
        "skills.bins" => json!({"bins": ["git", "node", "python3"]}),
        "models.list" => json!({"models": []}),
        "channels.status" => {
            json!({"ts": 0, "channelOrder": [], "channelLabels": {}, "channels": {}, "channelAccounts": {}})
        }
        "cron.list" => json!({"jobs": []}),
        "cron.status" => json!({"enabled": false, "jobs": 0}),
        "chat.history" => json!({"sessionKey": "main", "messages": []}),
        "exec.approval.list" | "plugin.approval.list" | "question.list" => json!([]),
        "update.status" => json!({"available": false}),
        _ => json!({}),
    }
}
