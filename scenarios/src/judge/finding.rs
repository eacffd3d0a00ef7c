//! One broken thing, told so that someone who never saw the harness understands it.

use serde::Serialize;

/// One broken thing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Finding {
    /// Stable name: `expectation`, `quiet`, `never`, `count`, `finally`, `step`, or `invariant:NAME`.
    pub rule: String,
    /// What is wrong, as one sentence.
    pub summary: String,
    /// `suite/x/y.toml:12`, or the scenario's id.
    pub place: String,
    /// The lines of the scenario that say so.
    pub excerpt: Vec<String>,
    /// What was wanted and what arrived instead.
    pub difference: Option<Difference>,
    /// Transcript entries that prove it, in short lines.
    pub evidence: Vec<String>,
    /// The last frames of each connection, in short lines, by connection.
    pub last_frames: Vec<ConnectionTail>,
    /// What the mock believed: devices, pending requests, connections.
    pub believed: Vec<String>,
    /// Page of the reference that is violated.
    pub reference: Option<String>,
    /// The shortest command that repeats it.
    pub repeat: String,
}

/// A path at which two things differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// The frame or state that came closest, in a short line.
    pub nearest: String,
    /// JSON pointer.
    pub pointer: String,
    /// What was wanted there.
    pub expected: String,
    /// What was there.
    pub got: String,
}

/// The end of a connection's conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ConnectionTail {
    /// Headline: connection, actor, role.
    pub connection: String,
    /// Short lines, oldest first.
    pub frames: Vec<String>,
}
