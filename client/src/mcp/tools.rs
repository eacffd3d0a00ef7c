//! The tools: what each asks of the client, and what it does with arguments. ref: client-behaviour.md §23

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use client_core::nodes::read_nodes;
use client_core::{ApprovalKind, ClientEvent, Intent, IntentOutcome, OperatorState, Role};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::McpContext;
use super::shapes;
use crate::handle::ClientStopped;

/// Counts in `app.status` are asked of the gateway; a gateway that is slower than this has none.
const COUNTS: Duration = Duration::from_secs(2);

/// Why a tool did not do what was asked; the text is for the caller.
type Failure = String;

type Arguments = Map<String, Value>;

impl From<ClientStopped> for Failure {
    fn from(stopped: ClientStopped) -> Self {
        stopped.to_string()
    }
}

/// The server of the tools; clones share everything.
#[derive(Clone)]
pub(super) struct Tools {
    context: Arc<McpContext>,
}

impl Tools {
    pub(super) fn new(context: McpContext) -> Self {
        Self {
            context: Arc::new(context),
        }
    }

    /// Calls a tool by its name.
    pub(super) async fn call(&self, name: &str, arguments: &Arguments) -> Result<Value, Failure> {
        match name {
            "app.status" => self.status().await,
            "app.nodes" => self.nodes().await,
            "app.dashboard.url" => self.dashboard().await,
            "app.connection.status" => self.connection_status().await,
            "app.connection.gateways" => self.gateways().await,
            "app.connection.pendingApprovals" => self.pending(None).await,
            "app.connection.applySetupCode" => {
                let code = text(arguments, &["setupCode"])?;
                self.connect(Intent::ApplySetupCode { code }).await
            }
            "app.connection.connectSharedToken" => {
                let url = text(arguments, &["gatewayUrl"])?;
                let token = text(arguments, &["token"])?;
                self.connect(Intent::ConnectSharedToken {
                    url,
                    token,
                    ssh_tunnel: None,
                })
                .await
            }
            "app.connection.approveDevicePairing" => {
                self.decide(ApprovalKind::Device, true, arguments).await
            }
            "app.connection.rejectDevicePairing" => {
                self.decide(ApprovalKind::Device, false, arguments).await
            }
            "app.connection.approveNodePairing" => {
                self.decide(ApprovalKind::Node, true, arguments).await
            }
            "app.connection.rejectNodePairing" => {
                self.decide(ApprovalKind::Node, false, arguments).await
            }
            "app.connection.reconnect" => self.reconnect(Intent::Reconnect).await,
            "app.connection.reconnectNode" => self.reconnect(Intent::ReconnectNode).await,
            other => Err(format!("Unknown tool: {other}")),
        }
    }

    async fn status(&self) -> Result<Value, Failure> {
        let snapshot = self.context.control.snapshot();
        let (mut sessions, mut nodes) = (None, None);
        if snapshot.operator.state == OperatorState::Connected {
            let counts = async { tokio::join!(self.ask("sessions.list"), self.ask("node.list")) };
            if let Ok((found, listed)) = timeout(COUNTS, counts).await {
                sessions = found.ok().map(|list| shapes::count_of(&list, "sessions"));
                nodes = listed.ok().map(|list| read_nodes(&list).len());
            }
        }
        Ok(shapes::status(&snapshot, sessions, nodes))
    }

    async fn nodes(&self) -> Result<Value, Failure> {
        let nodes = read_nodes(&self.ask("node.list").await?);
        serde_json::to_value(nodes).map_err(|error| error.to_string())
    }

    async fn dashboard(&self) -> Result<Value, Failure> {
        let dashboard = self
            .context
            .control
            .look(client_core::Client::dashboard)
            .await?;
        let dashboard = dashboard.ok_or_else(|| "no active gateway".to_owned())?;
        serde_json::to_value(dashboard).map_err(|error| error.to_string())
    }

    async fn connection_status(&self) -> Result<Value, Failure> {
        let record = self
            .context
            .control
            .look(|client| client.durable().registry.active().cloned())
            .await?;
        let timeline = self.context.timeline.lock();
        let diagnostics = timeline.unwrap_or_else(PoisonError::into_inner).summary();
        let snapshot = self.context.control.snapshot();
        Ok(shapes::connection_status(
            &self.context,
            &snapshot,
            record.as_ref(),
            &diagnostics,
        ))
    }

    async fn gateways(&self) -> Result<Value, Failure> {
        let gateways = self.context.control.look(|client| {
            let registry = &client.durable().registry;
            let shape = |record| shapes::gateway(record, registry.active_id.as_deref());
            registry.gateways.iter().map(shape).collect::<Vec<_>>()
        });
        Ok(json!({ "gateways": gateways.await? }))
    }

    async fn pending(&self, decision: Option<Value>) -> Result<Value, Failure> {
        let snapshot = self.context.control.snapshot();
        if snapshot.operator.state != OperatorState::Connected {
            return Ok(shapes::pending(
                &snapshot,
                Err("operator is not connected".to_owned()),
                decision,
            ));
        }
        let devices = self.ask("device.pair.list").await;
        let nodes = self.ask("node.pair.list").await;
        let lists = devices.and_then(|devices| nodes.map(|nodes| (devices, nodes)));
        Ok(shapes::pending(&snapshot, lists, decision))
    }

    async fn decide(
        &self,
        kind: ApprovalKind,
        approve: bool,
        arguments: &Arguments,
    ) -> Result<Value, Failure> {
        let request_id = text(arguments, &["requestId", "id"])?.trim().to_owned();
        let id = request_id.clone();
        let wish = if approve {
            Intent::Approve { kind, request_id }
        } else {
            Intent::Reject { kind, request_id }
        };
        let ended = self.context.control.fulfil(wish).await?;
        let ClientEvent::ApprovalDone {
            succeeded, error, ..
        } = ended
        else {
            return Err(ClientStopped.into());
        };
        let action = if approve { "approve" } else { "reject" };
        let decision = json!({"kind": kind.as_str(), "action": action, "requestId": id,
            "succeeded": succeeded, "error": error});
        self.pending(Some(decision)).await
    }

    async fn connect(&self, wish: Intent) -> Result<Value, Failure> {
        let ended = self.context.control.fulfil(wish).await?;
        let ClientEvent::IntentDone {
            outcome,
            error,
            gateway_url,
            gateway_committed,
            ..
        } = ended
        else {
            return Err(ClientStopped.into());
        };
        let connected = self.context.control.snapshot().operator.state == OperatorState::Connected;
        Ok(
            json!({"outcome": outcome, "error": error, "gatewayUrl": gateway_url,
            "connected": connected, "gatewayCommitted": gateway_committed}),
        )
    }

    async fn reconnect(&self, wish: Intent) -> Result<Value, Failure> {
        let ended = self.context.control.fulfil(wish).await?;
        let ClientEvent::IntentDone { outcome, error, .. } = ended else {
            return Err(ClientStopped.into());
        };
        let reconnected = outcome == IntentOutcome::Success;
        Ok(match error {
            Some(error) => json!({"reconnected": reconnected, "error": error}),
            None => json!({ "reconnected": reconnected }),
        })
    }

    /// A list of the gateway's.
    async fn ask(&self, method: &str) -> Result<Value, Failure> {
        let answer = self
            .context
            .control
            .request(Role::Operator, method, json!({}));
        answer.await?.map_err(|error| {
            let message = error.get("message").and_then(Value::as_str);
            message.unwrap_or("the gateway refused").to_owned()
        })
    }
}

/// The first of these arguments that is there and not blank.
fn text(arguments: &Arguments, names: &[&str]) -> Result<String, Failure> {
    let found = names.iter().find_map(|name| arguments.get(*name)?.as_str());
    let name = names.first().copied().unwrap_or_default();
    match found {
        Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
        Some(_) | None => Err(format!("Missing required arg: {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_argument_is_named() {
        let mut arguments = Arguments::new();
        let missing = text(&arguments, &["requestId", "id"]).err();
        assert_eq!(missing.as_deref(), Some("Missing required arg: requestId"));
        arguments.insert("id".to_owned(), json!("r-1"));
        assert_eq!(
            text(&arguments, &["requestId", "id"]).ok().as_deref(),
            Some("r-1")
        );
        arguments.insert("token".to_owned(), json!(" "));
        assert!(text(&arguments, &["token"]).is_err(), "blank is missing");
    }
}
