//! The run as it happens: transcript entries and the state, as server-sent events.
//!
//! `entries` carries an array of entries and the number of the last one as the event's id, so that whoever comes back
//! with `Last-Event-ID` (or `?since=N`) misses nothing. `state` carries the state whenever it has changed.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Response};
use axum::response::IntoResponse as _;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::ControlSite;
use super::orders::{since, view};

/// Entries in one event.
const BATCH: usize = 500;

/// Changes are told together that come within this time: a person cannot follow more.
const PACE: Duration = Duration::from_millis(100);

/// The state also changes without a frame: requests expire, faults are installed.
const IDLE: Duration = Duration::from_secs(1);

/// Who follows, and how far it is.
struct Follower {
    site: ControlSite,
    newest: watch::Receiver<u64>,
    seen: u64,
    state: Value,
    greeted: bool,
}

pub(super) async fn events(
    State(site): State<ControlSite>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let asked = match since(query.as_deref()) {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    let seen = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok())
        .unwrap_or(asked);
    let follower = Follower {
        newest: site.feed.newest(),
        site,
        seen,
        state: Value::Null,
        greeted: false,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}

impl Follower {
    /// The next event; none once the gateway ends.
    async fn next(&mut self) -> Option<Event> {
        if !self.greeted {
            self.greeted = true;
            let header = self.site.recorder.header();
            let hello = json!({
                "gateway": format!("ws://{}", self.site.gateway),
                "world": header.world,
                "gatewayVersion": header.gateway,
            });
            return Some(Event::default().event("hello").data(hello.to_string()));
        }
        loop {
            self.newest.mark_unchanged();
            let batch = self.site.feed.since(self.seen, BATCH);
            if let Some((last, _)) = batch.last() {
                self.seen = *last;
                let entries: Vec<&Value> = batch.iter().map(|(_, entry)| &**entry).collect();
                let data = serde_json::to_string(&entries).ok()?;
                return Some(
                    Event::default()
                        .event("entries")
                        .id(self.seen.to_string())
                        .data(data),
                );
            }
            let state = view(&self.site).await.ok()?;
            if state != self.state {
                self.state = state;
                return Some(Event::default().event("state").data(self.state.to_string()));
            }
            let site = self.site.clone();
            tokio::select! {
                biased;
                () = site.cancel.cancelled() => return None,
                changed = self.newest.changed() => changed.ok()?,
                () = sleep(IDLE) => {}
            }
            sleep(PACE).await;
        }
    }
}
