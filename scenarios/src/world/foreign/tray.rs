//! A client that is told what to do through the companion's tools, and says through them how it is.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client_core::{DurableState, StoreOp};
use gateway_client::{FileStore, Store as _};
use serde_json::{Value, json};
use tokio::task::{AbortHandle, JoinSet};

use super::super::Refusal;
use super::super::bell::Bell;
use super::Told;
use crate::adapter::{Endpoint, McpError, tools};

/// The status is asked for this often: no tool tells of changes.
const GLANCE: Duration = Duration::from_millis(50);

/// The way to the tools of one running client.
pub(super) struct Tray {
    endpoint: Arc<Endpoint>,
    url: String,
    seen: Arc<Mutex<Option<Value>>>,
    told: Told,
    bell: Bell,
    watch: AbortHandle,
}

impl Tray {
    /// Begins to watch the status.
    pub(super) fn open(
        tasks: &mut JoinSet<()>,
        endpoint: Endpoint,
        url: String,
        told: Told,
        bell: Bell,
    ) -> Self {
        let (endpoint, seen) = (Arc::new(endpoint), Arc::default());
        let watch = tasks.spawn(watch(
            Arc::clone(&endpoint),
            Arc::clone(&seen),
            bell.clone(),
        ));
        Self {
            endpoint,
            url,
            seen,
            told,
            bell,
            watch,
        }
    }

    /// Has an intent carried out; the answer becomes a report when it comes.
    pub(super) fn ask(
        &self,
        tasks: &mut JoinSet<()>,
        intent: &str,
        own: &BTreeMap<&'static str, String>,
    ) -> Result<(), Refusal> {
        let mut own = own.clone();
        if own.get("url").is_none_or(String::is_empty) {
            own.insert("url", self.url.clone());
        }
        let Some((tool, arguments)) = tools::tool(intent, &own) else {
            return Err(Refusal::new(format!("no tool carries out {intent}")));
        };
        let (endpoint, told, bell) = (
            Arc::clone(&self.endpoint),
            self.told.clone(),
            self.bell.clone(),
        );
        let intent = intent.to_owned();
        tasks.spawn(async move {
            match endpoint.call(tool, &arguments).await {
                Ok(answer) => told.push(tools::report(&intent, &answer)),
                Err(error) => told.push(json!({
                    "event": "tool_failed", "intent": intent, "error": error.to_string(),
                })),
            }
            bell.ring();
        });
        Ok(())
    }

    /// The last status, as a snapshot.
    pub(super) fn snapshot(&self) -> Option<Value> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.as_ref().map(tools::snapshot)
    }

    /// What it says of its dashboard's address.
    pub(super) async fn dashboard(&self) -> Option<Value> {
        let answer = self.endpoint.call(tools::DASHBOARD, &json!({})).await;
        answer.ok()
    }
}

impl Drop for Tray {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

async fn watch(endpoint: Arc<Endpoint>, seen: Arc<Mutex<Option<Value>>>, bell: Bell) {
    loop {
        // One that does not answer now may do so at the next glance; what it last said stands.
        if let Ok(status) = endpoint.call(tools::STATUS, &json!({})).await {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let shown = |status: &Value| tools::snapshot(status);
            let news = seen.as_ref().map(shown) != Some(shown(&status));
            *seen = Some(status);
            if news {
                bell.ring();
            }
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// The place of the tools in a report of a printed line, if it is the line that says so.
pub(super) fn ready(report: &Value) -> Option<Result<Endpoint, McpError>> {
    let line: Value = serde_json::from_str(report.get("line")?.as_str()?).ok()?;
    let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str);
    let (url, token_file) = (text("/mcp/url")?, text("/mcp/tokenFile")?);
    (text("/type") == Some("ready")).then(|| Endpoint::new(url, Path::new(token_file)))
}

/// Puts credentials into a data directory, as the client itself would have left them.
pub(super) fn furnish(folder: &Path, state: &DurableState) -> io::Result<()> {
    let mut store = FileStore::open(folder).map_err(io::Error::other)?;
    let registry = StoreOp::SaveRegistry {
        registry: state.registry.clone(),
    };
    let identities = state.identities.iter();
    let identities = identities.map(|(gateway_id, identity)| StoreOp::CreateIdentity {
        gateway_id: gateway_id.clone(),
        identity: identity.clone(),
    });
    for op in std::iter::once(registry).chain(identities) {
        store.apply(&op).map_err(io::Error::other)?;
    }
    Ok(())
}

/// What is in a data directory now; none while it can't be read.
pub(super) fn look(folder: &Path) -> Option<DurableState> {
    FileStore::look(folder).ok()
}
