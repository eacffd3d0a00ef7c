//! One line that stands for a whole transcript.

use sha2::{Digest as _, Sha256};

use crate::encoding::hex_lower;
use crate::normalize::normalize;
use crate::reader::Transcript;

/// SHA-256, in hex, of the transcript as it would be written: equal for two runs with equal seeds in one world.
pub fn exact(transcript: &Transcript) -> String {
    of_text(&transcript.to_jsonl())
}

/// SHA-256, in hex, of the normalised transcript: equal for equal runs in different worlds.
pub fn normalized(transcript: &Transcript) -> String {
    of_text(&normalize(transcript).to_jsonl())
}

/// SHA-256 of a text, in hex.
///
/// ```
/// assert!(transcript::digest::of_text("").starts_with("e3b0c442"));
/// ```
pub fn of_text(text: &str) -> String {
    hex_lower(&Sha256::digest(text.as_bytes()))
}
