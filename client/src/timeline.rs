//! The last 500 things that happened, for `app.connection.status` and for bundles. ref: client-behaviour.md §26

use std::collections::VecDeque;

use client_core::{ClientEvent, DiagnosticCategory};
use gateway_protocol::UnixMillis;
use serde::Serialize;
use serde_json::{Value, json};

use crate::sanitize::sanitize_log;

/// How many are kept.
const CAPACITY: usize = 500;
/// How many a status shows.
const RECENT: usize = 12;

/// One line; its texts are sanitised before they are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TimelineEntry {
    /// UTC, RFC 3339.
    pub timestamp: String,
    /// Part of the client.
    pub category: DiagnosticCategory,
    /// Text that tests may match on.
    pub message: String,
    /// Free detail.
    pub detail: Option<String>,
}

/// A ring of diagnostics.
#[derive(Debug, Default)]
pub struct Timeline {
    entries: VecDeque<TimelineEntry>,
    /// All that ever came, kept or not.
    count: u64,
}

impl Timeline {
    /// Keeps a diagnostic; other events are none of the timeline's business.
    pub fn hear(&mut self, at: UnixMillis, event: &ClientEvent) {
        let ClientEvent::Diagnostic {
            category,
            message,
            detail,
        } = event
        else {
            return;
        };
        if self.entries.len() == CAPACITY {
            self.entries.pop_front();
        }
        self.count += 1;
        self.entries.push_back(TimelineEntry {
            timestamp: rfc3339(at),
            category: *category,
            message: sanitize_log(message),
            detail: detail.as_deref().map(sanitize_log),
        });
    }

    /// What is kept, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &TimelineEntry> {
        self.entries.iter()
    }

    fn last(&self, category: DiagnosticCategory) -> Option<&TimelineEntry> {
        self.entries.iter().rev().find(|it| it.category == category)
    }

    /// The member `diagnostics` of `app.connection.status`.
    pub fn summary(&self) -> Value {
        let recent: Vec<&TimelineEntry> = self
            .entries
            .iter()
            .skip(self.entries.len().saturating_sub(RECENT))
            .collect();
        let state = self.last(DiagnosticCategory::State);
        let error = self.last(DiagnosticCategory::Error);
        json!({
            "eventCount": self.count,
            "lastEventAt": self.entries.back().map(|it| &it.timestamp),
            "lastStateChangeAt": state.map(|it| &it.timestamp),
            "lastStateChange": state.map(|it| &it.message),
            "lastErrorAt": error.map(|it| &it.timestamp),
            "lastError": error.map(|it| &it.message),
            "recentEvents": recent,
        })
    }
}

fn rfc3339(at: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| String::new(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(category: DiagnosticCategory, message: &str) -> ClientEvent {
        ClientEvent::Diagnostic {
            category,
            message: message.to_owned(),
            detail: Some("token=abc".to_owned()),
        }
    }

    #[test]
    fn the_ring_keeps_the_last_500_and_counts_all() {
        let mut timeline = Timeline::default();
        for n in 0..501 {
            timeline.hear(
                UnixMillis(n),
                &line(DiagnosticCategory::State, &format!("n{n}")),
            );
        }
        assert_eq!(timeline.entries().count(), 500);
        assert_eq!(timeline.entries().next().unwrap().message, "n1");
        let summary = timeline.summary();
        assert_eq!(summary["eventCount"], 501);
        assert_eq!(summary["recentEvents"].as_array().unwrap().len(), 12);
        assert_eq!(summary["lastStateChange"], "n500");
        assert_eq!(summary["lastError"], Value::Null);
    }

    #[test]
    fn texts_are_sanitised_before_they_are_kept() {
        let mut timeline = Timeline::default();
        timeline.hear(
            UnixMillis(0),
            &line(DiagnosticCategory::Error, "ada@example.org"),
        );
        timeline.hear(UnixMillis(0), &ClientEvent::Stopped);
        let kept: Vec<_> = timeline.entries().collect();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].message, "<email>");
        assert_eq!(kept[0].detail.as_deref(), Some("token=[REDACTED]"));
    }
}
