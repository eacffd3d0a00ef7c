//! The owner of a mock gateway, who lets a client in.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use client_core::{Intent, NodeState, OperatorState, Snapshot};
use gateway_client::ClientHandle;
use mock_gateway::{Control, Running};

use super::watch::until;

/// Approves whatever waits, until both roles are in. The companion sends an `Origin`, so even a local one is not let in
/// silently. ref: gateway-behaviour.md §6.2
pub(crate) async fn let_in(gateway: &Running, client: &ClientHandle) -> Snapshot {
    let operator_waits = |now: &Snapshot| now.operator.state == OperatorState::PairingRequired;
    let node_waits = |now: &Snapshot| now.node.state == NodeState::PairingRequired;
    loop {
        let seen = until(client, |now| {
            now.is_fully_connected() || operator_waits(now) || node_waits(now)
        });
        let seen = seen.await;
        if seen.is_fully_connected() {
            return seen;
        }
        let request_id = "latest".to_owned();
        // The client's own operator may have been faster, where it is allowed to approve its node.
        drop(gateway.control(Control::Approve { request_id }).await);
        if node_waits(&seen) {
            client.intent(Intent::ReconnectNode).await.unwrap();
        }
        until(client, |now| *now != seen).await;
    }
}
