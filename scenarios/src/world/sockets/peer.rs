//! The gateway's side of a world of streams.

use gateway_core::Control;
use mock_gateway::Running;
use serde_json::Value;

use crate::world::Refusal;

/// The gateway's side of a world of streams.
pub(crate) trait Peer {
    /// Gives the gateway an order.
    async fn control(&mut self, control: Control) -> Result<Value, Refusal>;

    /// The gateway's view, as JSON; as much of it as can be known.
    async fn view(&mut self) -> Value;

    /// Ends it.
    async fn stop(self);
}

impl Peer for Running {
    async fn control(&mut self, control: Control) -> Result<Value, Refusal> {
        Self::control(self, control)
            .await
            .map_err(|error| Refusal::new(error.to_string()))
    }

    async fn view(&mut self) -> Value {
        let view = Self::view(self).await;
        view.and_then(|view| serde_json::to_value(view).ok())
            .unwrap_or_default()
    }

    async fn stop(self) {
        Self::stop(self).await;
    }
}
