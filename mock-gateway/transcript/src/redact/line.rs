//! The line of an entry, as it stands in a file.

use super::Redactor;
use crate::entry::RawEntry;
use crate::writer::to_line;

impl Redactor {
    /// The redacted form of one entry as a line of a transcript.
    pub fn line(&mut self, raw: &RawEntry) -> String {
        // Strings, numbers and JSON values: printing them can't fail.
        to_line(&self.entry(raw)).unwrap_or_default()
    }
}
