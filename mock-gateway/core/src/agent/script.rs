//! What the scripted agent says in a chat session.
//!
//! The first turn that matches a message and has uses left answers it; without one the agent echoes.
//!
//! ```
//! use gateway_core::{AgentScript, Turn};
//!
//! let script: AgentScript = serde_json::from_str(r#"{
//!     "turns": [{ "contains": "weather", "text": "Sunny, all day.", "pieces": 2, "every_ms": 50 }]
//! }"#)?;
//! assert_eq!(script.turns[0].deltas_for("the weather?"), ["Sunny, all ", "day."]);
//! assert_eq!(Turn::echo().deltas_for("hello").concat(), "You said: hello");
//! # Ok::<(), serde_json::Error>(())
//! ```

use serde::{Deserialize, Serialize};

/// Stands for the message in a text.
const MESSAGE: &str = "$message";

/// What the agent says, to what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentScript {
    /// Tried in order.
    pub turns: Vec<Turn>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// Answers messages that contain this text, whatever the case; any message when absent.
    pub contains: Option<String>,
    /// Answers in this session only.
    pub session: Option<String>,
    /// How often at most.
    pub times: Option<u32>,
    /// What it says; `$message` stands for the message.
    pub text: Option<String>,
    /// What it says, piece by piece, instead of `text`.
    pub deltas: Vec<String>,
    /// Into how many pieces `text` is cut, at the spaces.
    pub pieces: usize,
    /// From the start of the turn to the first piece, in milliseconds.
    pub after_ms: u64,
    /// From piece to piece, and from the last one to the end, in milliseconds.
    pub every_ms: u64,
    /// How the turn ends.
    pub ends: Ending,
    /// What went wrong, for a turn that ends with an error.
    pub error: Option<String>,
}

/// How a turn ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With its whole text.
    #[default]
    Final,
    /// With an error.
    Error,
    /// Not at all, until it is aborted.
    Never,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            contains: None,
            session: None,
            times: None,
            text: None,
            deltas: Vec::new(),
            pieces: 3,
            after_ms: 50,
            // The real gateway lets at least 150 ms pass between two deltas of one run.
            every_ms: 150,
            ends: Ending::Final,
            error: None,
        }
    }
}

impl Turn {
    /// What the agent does without a script.
    #[must_use]
    pub fn echo() -> Self {
        Self {
            text: Some(format!("You said: {MESSAGE}")),
            ..Self::default()
        }
    }

    /// Whether it answers `message` in `session`.
    pub(crate) fn fits(&self, session: &str, message: &str) -> bool {
        let here = self
            .session
            .as_deref()
            .is_none_or(|wanted| wanted == session || super::canonical_key(wanted) == session);
        here && self
            .contains
            .as_deref()
            .is_none_or(|wanted| message.to_lowercase().contains(&wanted.to_lowercase()))
    }

    /// The pieces in which `message` is answered.
    #[must_use]
    pub fn deltas_for(&self, message: &str) -> Vec<String> {
        if !self.deltas.is_empty() {
            let filled = self.deltas.iter();
            return filled
                .map(|delta| delta.replace(MESSAGE, message))
                .collect();
        }
        let text = self.text.as_deref().unwrap_or_default();
        cut(&text.replace(MESSAGE, message), self.pieces.max(1))
    }
}

/// Cuts a text at its spaces into at most `pieces` pieces of about the same number of words.
fn cut(text: &str, pieces: usize) -> Vec<String> {
    let words: Vec<&str> = text.split_inclusive(' ').collect();
    let size = words.len().div_ceil(pieces).max(1);
    words.chunks(size).map(<[&str]>::concat).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", 3, &[])]
    #[case("one", 3, &["one"])]
    #[case("one two three four", 3, &["one two ", "three four"])]
    #[case("one two three four", 9, &["one ", "two ", "three ", "four"])]
    #[case("a  b", 2, &["a  ", "b"])]
    fn texts_are_cut_at_spaces(
        #[case] text: &str,
        #[case] pieces: usize,
        #[case] expected: &[&str],
    ) {
        let cut = cut(text, pieces);
        assert_eq!(cut.concat(), text, "nothing is lost");
        assert!(cut.len() <= pieces);
        if expected.len() == cut.len() {
            assert_eq!(cut, expected);
        }
    }

    #[rstest]
    #[case(Some("WEATHER"), None, true)]
    #[case(Some("money"), None, false)]
    #[case(None, Some("main"), true)]
    #[case(None, Some("agent:main:main"), true)]
    #[case(None, Some("other"), false)]
    fn a_turn_fits(
        #[case] contains: Option<&str>,
        #[case] session: Option<&str>,
        #[case] expected: bool,
    ) {
        let turn = Turn {
            contains: contains.map(str::to_owned),
            session: session.map(str::to_owned),
            ..Turn::default()
        };
        assert_eq!(
            turn.fits("agent:main:main", "The weather, please"),
            expected
        );
    }
}
