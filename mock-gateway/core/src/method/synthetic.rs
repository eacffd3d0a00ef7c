//! Made-up answers of methods outside of what the mock imitates, marked as such in the transcript.
//!
//! A few payloads are just rich enough for the real command line, the node host and the Windows companion to go on;
//! all others are the smallest that the published schema allows. ref: real-clients.md §1, §2; client-behaviour.md §32

use std::sync::Arc;

use gateway_protocol::schema::Catalog;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::io::Output;
use crate::method::{Answer, Call};

impl Gateway {
    /// Gives the gateway the published schema: methods that it does not imitate check their parameters against it and
    /// answer the smallest result that it allows. Without it they take anything and answer `{}`.
    pub fn use_catalog(&mut self, catalog: Arc<Catalog>) {
        self.catalog = Some(catalog);
    }

    /// Answers a method that this mock does not imitate.
    pub(crate) fn made_up(&mut self, call: &Call) -> Answer {
        self.outputs.push_back(Output::Synthetic {
            conn: call.conn,
            method: call.method.clone(),
            id: call.id.clone(),
        });
        let payload = known(&call.method).or_else(|| {
            let catalog = self.catalog.as_ref()?;
            let definition = catalog.definition(&catalog.result(&call.method)?)?;
            Some(gateway_protocol::schema::smallest(&definition))
        });
        Answer::Now(Ok(payload.unwrap_or_else(|| json!({}))))
    }
}

/// What clients are known to need.
fn known(method: &str) -> Option<Value> {
    Some(match method {
        "usage.status" => json!({"updatedAt": 0, "providers": []}),
        "usage.cost" => json!({"updatedAt": 0, "days": 0, "daily": [], "totals": {"totalCost": 0}}),
        "logs.tail" => {
            json!({"file": "openclaw.log", "cursor": 0, "size": 0, "lines": [], "truncated": false, "reset": false})
        }
        "skills.bins" => json!({"bins": ["git", "node", "python3"]}),
        "channels.status" => {
            json!({"ts": 0, "channelOrder": [], "channelLabels": {}, "channels": {}, "channelAccounts": {}, "channelDefaultAccountId": {}})
        }
        "cron.list" => json!({"jobs": []}),
        "cron.status" => json!({"enabled": false, "jobs": 0}),
        "exec.approval.list" | "plugin.approval.list" => json!([]),
        "question.list" => json!({"questions": []}),
        "models.authStatus" => json!({"ts": 0, "providers": []}),
        "plugins.controlUi.list" => json!({"revision": "", "plugins": [], "diagnostics": []}),
        "progressCard.get" => json!({"card": null}),
        "controlUi.sessionPullRequests.subscribe" => json!({"subscribed": true}),
        "update.status" => json!({"sentinel": null, "updateAvailable": null}),
        _ => return None,
    })
}
