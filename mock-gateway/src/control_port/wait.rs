//! Waiting for something to happen on the wire: one request that is answered when it has.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use transcript::{Captures, matches};

use super::orders::{bad, parse};
use super::{ControlSite, error};
use crate::http::json_body;

/// Longest wait; a client asks again after it.
const LONGEST: Duration = Duration::from_mins(5);

/// Entries looked at before others get a turn.
const BATCH: usize = 512;

/// What is waited for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitFor {
    /// Subset that the entry must have; the words of `transcript::matcher`.
    #[serde(rename = "match")]
    expected: Value,
    /// Only entries after this number; 0 looks at everything that was recorded.
    #[serde(default)]
    since: u64,
    /// How long; 30 s when absent.
    #[serde(default = "half_a_minute")]
    timeout_ms: u64,
}

const fn half_a_minute() -> u64 {
    30_000
}

pub(super) async fn wait(State(site): State<ControlSite>, body: Bytes) -> Response<Body> {
    let wanted: WaitFor = match parse(&body) {
        Ok(wanted) => wanted,
        Err(response) => return *response,
    };
    let patience = Duration::from_millis(wanted.timeout_ms);
    if !wanted.expected.is_object() {
        return bad("match: expected an object, the members that the entry must have");
    }
    if patience > LONGEST {
        return bad(&format!(
            "timeout_ms: expected at most {}, found {}",
            LONGEST.as_millis(),
            wanted.timeout_ms
        ));
    }
    let search = async {
        tokio::select! {
            biased;
            () = site.cancel.cancelled() => None,
            entry = first_match(&site, &wanted) => Some(entry),
        }
    };
    match timeout_at(Instant::now() + patience, search).await {
        Ok(Some(entry)) => json_body(StatusCode::OK, &json!({"entry": &*entry})),
        Ok(None) => error(StatusCode::SERVICE_UNAVAILABLE, "gone", "the gateway ends"),
        Err(_) => error(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            &format!(
                "nothing matched within {} ms; {} entries were recorded",
                wanted.timeout_ms,
                site.recorder.len()
            ),
        ),
    }
}

async fn first_match(site: &ControlSite, wanted: &WaitFor) -> std::sync::Arc<Value> {
    let mut newest = site.feed.newest();
    let mut seen = wanted.since;
    let captures = Captures::new();
    loop {
        newest.mark_unchanged();
        loop {
            let batch = site.feed.since(seen, BATCH);
            if batch.is_empty() {
                break;
            }
            for (n, entry) in batch {
                seen = n;
                if matches(&wanted.expected, &entry, &captures).is_ok() {
                    return entry;
                }
            }
            tokio::task::yield_now().await;
        }
        if newest.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
