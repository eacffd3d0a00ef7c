//! A way to use a running client from other tasks: give a wish and wait for its end, ask the gateway, look inside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use client_core::{Client, ClientEvent, Intent, Role, Snapshot};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use crate::driver::Order;
use crate::handle::ClientStopped;

/// A handle of a handle; clones are cheap. It does not keep the client alive.
#[derive(Clone, Debug)]
pub struct Control {
    orders: mpsc::Sender<Order>,
    snapshot: watch::Receiver<Snapshot>,
    last_tag: Arc<AtomicU64>,
}

impl Control {
    pub(crate) fn new(orders: mpsc::Sender<Order>, snapshot: watch::Receiver<Snapshot>) -> Self {
        Self {
            orders,
            snapshot,
            last_tag: Arc::default(),
        }
    }

    /// The client as it stands.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }

    /// Gives a wish and waits for the event that ends it: [`ClientEvent::IntentDone`], or
    /// [`ClientEvent::ApprovalDone`] for approvals and rejections.
    ///
    /// # Errors
    /// [`ClientStopped`], and also for a wish that has no end of its own.
    pub async fn fulfil(&self, intent: Intent) -> Result<ClientEvent, ClientStopped> {
        let (caller, answer) = oneshot::channel();
        self.order(Order::Intent(Box::new(intent), Some(caller)))
            .await?;
        answer.await.map_err(|_| ClientStopped)
    }

    /// Asks the gateway on a role's connection; the inner error is the gateway's, or says that nothing is connected.
    ///
    /// # Errors
    /// [`ClientStopped`].
    pub async fn request(
        &self,
        role: Role,
        method: &str,
        params: Value,
    ) -> Result<Result<Value, Value>, ClientStopped> {
        self.request_within(role, method, params, None).await
    }

    /// The same with another time for the answer.
    ///
    /// # Errors
    /// [`ClientStopped`].
    pub async fn request_within(
        &self,
        role: Role,
        method: &str,
        params: Value,
        limit: Option<Duration>,
    ) -> Result<Result<Value, Value>, ClientStopped> {
        let number = self.last_tag.fetch_add(1, Ordering::Relaxed);
        let ask = Intent::Request {
            role,
            method: method.to_owned(),
            params: Some(params),
            tag: Some(format!("control-{number}")),
            limit_ms: limit.and_then(|limit| u64::try_from(limit.as_millis()).ok()),
        };
        let ClientEvent::Response { ok, payload, .. } = self.fulfil(ask).await? else {
            return Err(ClientStopped);
        };
        Ok(if ok { Ok(payload) } else { Err(payload) })
    }

    /// Reads something of the core between two inputs.
    ///
    /// # Errors
    /// [`ClientStopped`].
    pub async fn look<T: Send + 'static>(
        &self,
        at: impl FnOnce(&Client) -> T + Send + 'static,
    ) -> Result<T, ClientStopped> {
        let (caller, answer) = oneshot::channel();
        let look = move |client: &Client| {
            // A caller that has gone away no longer wants to know.
            drop(caller.send(at(client)));
        };
        self.order(Order::Look(Box::new(look))).await?;
        answer.await.map_err(|_| ClientStopped)
    }

    async fn order(&self, order: Order) -> Result<(), ClientStopped> {
        self.orders.send(order).await.map_err(|_| ClientStopped)
    }
}
