//! What of the protocol the suite touches: counted on the transcripts of a run, not on what files say.
//!
//! A method counts once it was answered to a role that may call it, a refusal for its scope counts apart. Codes, close
//! codes and events count once the gateway sent them; states count once a client of ours ended in them.
//!
//! ```
//! use scenarios::coverage::Coverage;
//! let nothing = Coverage::default();
//! let parts = nothing.parts();
//! assert!(parts.iter().all(|part| part.touched == 0));
//! assert_eq!(parts.len(), 8);
//! ```

mod reasons;

use std::collections::BTreeSet;

use client_core::OverallState;
use gateway_protocol::close::CLOSE_CODES;
use gateway_protocol::event::events;
use gateway_protocol::method::{Authority, method_row, methods};
use gateway_protocol::role::scope;
use gateway_protocol::{DetailCode, ErrorCode};
use serde_json::Value;
use transcript::{Direction, Kind, Stage};

use crate::judge::record::RunRecord;
use crate::judge::wire::Wire;

pub use reasons::{Reasons, ReasonsError};

/// Every state that a client can end in.
const STATES: [OverallState; 7] = [
    OverallState::Idle,
    OverallState::Connecting,
    OverallState::Connected,
    OverallState::Ready,
    OverallState::Degraded,
    OverallState::PairingRequired,
    OverallState::Error,
];

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    methods: BTreeSet<String>,
    /// `method as role`, answered with ok.
    answered: BTreeSet<String>,
    /// Scopes that a connect asked for and was given.
    scopes: BTreeSet<String>,
    errors: BTreeSet<String>,
    details: BTreeSet<String>,
    closes: BTreeSet<u16>,
    events: BTreeSet<String>,
    states: BTreeSet<String>,
}

/// One table of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What is counted.
    pub name: &'static str,
    /// Rows that were touched.
    pub touched: usize,
    /// All rows.
    pub all: usize,
    /// Rows that were not.
    pub holes: Vec<String>,
}

impl Coverage {
    /// Adds a run.
    pub fn add(&mut self, record: &RunRecord) {
        let wire = Wire::of(&record.transcript.entries);
        let entries = record.transcript.entries.iter();
        for entry in entries.filter(|entry| entry.stage == Some(Stage::Delivered)) {
            let role = entry
                .conn
                .and_then(|conn| wire.connection(conn)?.role.clone());
            let from_gateway = entry.dir == Some(Direction::GatewayToClient);
            if let (Kind::Close, Some(close)) = (entry.kind, &entry.close) {
                self.closes.extend(close.code);
            }
            let Some(frame) = &entry.frame else { continue };
            let text = |pointer: &str| frame.pointer(pointer).and_then(Value::as_str);
            match (text("/type"), from_gateway) {
                (Some("req"), false) => self.methods.extend(text("/method").map(str::to_owned)),
                (Some("event"), true) => self.events.extend(text("/event").map(str::to_owned)),
                (Some("res"), true) => {
                    self.response(frame, wire.answers(entry.n), role.as_deref());
                }
                _ => {}
            }
        }
        let snapshots = record.views.snapshots.values();
        let states = snapshots.filter_map(|it| it.get("overallState")?.as_str());
        self.states.extend(states.map(str::to_owned));
    }

    fn response(&mut self, frame: &Value, method: Option<&str>, role: Option<&str>) {
        let text = |pointer: &str| frame.pointer(pointer).and_then(Value::as_str);
        self.errors.extend(text("/error/code").map(str::to_owned));
        self.details
            .extend(text("/error/details/code").map(str::to_owned));
        if frame.get("ok").and_then(Value::as_bool) != Some(true) {
            return;
        }
        if let (Some(method), Some(role)) = (method, role) {
            self.answered.insert(format!("{method} as {role}"));
        }
        let scopes = frame
            .pointer("/payload/auth/scopes")
            .and_then(Value::as_array);
        let scopes = scopes.into_iter().flatten().filter_map(Value::as_str);
        self.scopes.extend(scopes.map(str::to_owned));
    }

    /// The tables, each with its holes.
    pub fn parts(&self) -> Vec<Part> {
        let part = |name, rows: Vec<String>, seen: &dyn Fn(&str) -> bool| {
            let holes: Vec<String> = rows.iter().filter(|row| !seen(row)).cloned().collect();
            Part {
                name,
                touched: rows.len() - holes.len(),
                all: rows.len(),
                holes,
            }
        };
        let names = |rows: Vec<&str>| rows.into_iter().map(str::to_owned).collect::<Vec<_>>();
        vec![
            part(
                "methods asked for",
                names(methods().iter().map(|row| row.name).collect()),
                &|row| self.methods.contains(row),
            ),
            part("methods answered, by role", callers(), &|row| {
                self.answered.contains(row)
            }),
            part("scopes granted", names(scope::ALL.to_vec()), &|row| {
                self.scopes.contains(row)
            }),
            part(
                "error codes",
                names(ErrorCode::ALL.iter().map(|code| code.as_str()).collect()),
                &|row| self.errors.contains(row),
            ),
            part(
                "detail codes",
                names(DetailCode::ALL.iter().map(|code| code.as_str()).collect()),
                &|row| self.details.contains(row),
            ),
            part(
                "close codes",
                CLOSE_CODES.iter().map(|row| row.code.to_string()).collect(),
                &|row| row.parse().is_ok_and(|code| self.closes.contains(&code)),
            ),
            part(
                "events",
                names(events().iter().map(|row| row.name).collect()),
                &|row| self.events.contains(row),
            ),
            part(
                "states of a client",
                STATES.iter().map(|state| format!("{state:?}")).collect(),
                &|row| self.states.contains(row),
            ),
        ]
    }

    /// Methods that were asked for and are in no registry.
    pub fn unlisted(&self) -> Vec<&str> {
        let unknown = |name: &&String| method_row(name).is_none();
        self.methods
            .iter()
            .filter(unknown)
            .map(String::as_str)
            .collect()
    }
}

/// `method as role` for each role that may call it.
fn callers() -> Vec<String> {
    let mut callers = Vec::new();
    for row in methods() {
        let roles: &[&str] = match row.authority {
            Authority::Anyone => &["operator", "node"],
            Authority::Node => &["node"],
            Authority::Scope(_) => &["operator"],
        };
        callers.extend(roles.iter().map(|role| format!("{} as {role}", row.name)));
    }
    callers
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::run::{Job, Source, run_job};
    use crate::scenario::{WorldName, parse};

    #[test]
    fn what_a_run_said_is_touched_and_nothing_else() {
        let id = "setup-connect/wire-wrong-token";
        let files = Source::Embedded.files().unwrap();
        let file = files.iter().find(|file| file.id == id).unwrap();
        let job = Job {
            scenario: Arc::new(parse(id, &file.text).unwrap()),
            world: WorldName::Core,
            missing: None,
            ground: None,
            client: None,
        };
        let mut coverage = Coverage::default();
        coverage.add(&run_job(&job, 7, None).record);
        let parts = coverage.parts();
        let is_hole = |part: usize, row: &str| parts[part].holes.iter().any(|hole| hole == row);
        assert!(!is_hole(0, "connect"));
        assert!(is_hole(0, "node.invoke"));
        assert!(!is_hole(4, "AUTH_TOKEN_MISMATCH"));
        assert!(is_hole(4, "DEVICE_AUTH_NONCE_MISMATCH"));
        assert!(!is_hole(5, "1008"));
        assert!(is_hole(5, "1012"));
    }
}
