//! What a running client tells, as it comes.

use client_core::ClientEvent;

use crate::world::bell::Bell;
use crate::world::witness::Reports;

/// Keeps what a client reports, shows it to `heard`, and rings.
pub(super) async fn listen(
    mut events: tokio::sync::mpsc::Receiver<ClientEvent>,
    reports: Reports,
    heard: impl Fn(&ClientEvent) + Send,
    bell: Bell,
) {
    while let Some(event) = events.recv().await {
        heard(&event);
        reports.push(event);
        bell.ring();
    }
}

/// Rings when a client's snapshot changes.
pub(super) async fn watch(
    mut snapshot: tokio::sync::watch::Receiver<client_core::Snapshot>,
    bell: Bell,
) {
    while snapshot.changed().await.is_ok() {
        bell.ring();
    }
}
