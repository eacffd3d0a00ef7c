//! Waiting for a client to be so.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

use std::time::Duration;

use client_core::Snapshot;
use gateway_client::ClientHandle;
use tokio::time::timeout;

/// The first snapshot that is so; ten minutes are long for all of them, in virtual time too.
pub(crate) async fn until(client: &ClientHandle, is_so: impl FnMut(&Snapshot) -> bool) -> Snapshot {
    let mut snapshot = client.snapshot();
    let seen = timeout(Duration::from_mins(10), snapshot.wait_for(is_so)).await;
    seen.unwrap_or_else(|_| panic!("{:#?}", client.snapshot().borrow()))
        .unwrap()
        .clone()
}
