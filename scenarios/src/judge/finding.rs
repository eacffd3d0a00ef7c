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

impl Finding {
    /// Passes every text that quotes something through `change`.
    #[must_use]
    pub(super) fn with_text(mut self, change: &mut impl FnMut(&str) -> String) -> Self {
        self.summary = change(&self.summary);
        let tails = self
            .last_frames
            .iter_mut()
            .flat_map(|tail| tail.frames.iter_mut());
        let lines = self
            .excerpt
            .iter_mut()
            .chain(&mut self.evidence)
            .chain(&mut self.believed);
        for line in lines.chain(tails) {
            *line = change(line);
        }
        if let Some(difference) = &mut self.difference {
            difference.nearest = change(&difference.nearest);
            difference.expected = change(&difference.expected);
            difference.got = change(&difference.got);
        }
        self
    }
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
