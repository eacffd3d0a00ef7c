//! A finished transcript, in memory, and how it is read from and printed as JSON Lines.

use crate::entry::Entry;
use crate::header::{FORMAT, Header};
use crate::writer::to_line;

/// What is left of a run: everything else is computed from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Transcript {
    /// What was run, where, against what.
    pub header: Header,
    /// Redacted entries, in the order in which they were recorded.
    pub entries: Vec<Entry>,
}

/// A transcript as read, and whether its writer was cut off.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Everything up to the last whole line.
    pub transcript: Transcript,
    /// Line number of a last line that stops in the middle, as a crash leaves it.
    pub torn_line: Option<usize>,
}

/// Why a transcript could not be read. Lines are numbered from 1.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is not even a header.
    #[error("line 1: expected a transcript header, got an empty file")]
    Empty,
    /// The first line is no header.
    #[error("line 1: expected a transcript header, got {source}")]
    Header {
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// The file is of a later version than this reader.
    #[error("line 1: expected transcript format {expected} or lower, got {got}")]
    Format {
        /// Highest version that can be read.
        expected: u32,
        /// Version of the file.
        got: u32,
    },
    /// A line in the middle is no entry.
    #[error("line {line}: expected a transcript entry, got {source}")]
    Entry {
        /// Line number.
        line: usize,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// Entries are missing or out of order.
    #[error("line {line}: expected entry {expected}, got entry {got}")]
    Order {
        /// Line number.
        line: usize,
        /// The number that should be there.
        expected: u64,
        /// The number that is there.
        got: u64,
    },
    /// The last line stops in the middle.
    #[error("line {line}: the last line stops in the middle, so the writer was cut off")]
    Torn {
        /// Line number.
        line: usize,
    },
}

impl Transcript {
    /// The transcript as JSON Lines, header first.
    pub fn to_jsonl(&self) -> String {
        // Both types hold only strings, numbers and JSON values, so printing them cannot fail.
        let mut text = to_line(&self.header).unwrap_or_default();
        for entry in &self.entries {
            text.push_str(&to_line(entry).unwrap_or_default());
        }
        text
    }

    /// Reads a whole transcript; a torn last line is an error. See [`Reading::parse`] for the tolerant form.
    ///
    /// ```
    /// use transcript::{Header, Transcript};
    /// let empty = Transcript { header: Header::new(1, "core", "mock profile 2026.6.34"), entries: vec![] };
    /// assert_eq!(Transcript::parse(&empty.to_jsonl()).unwrap(), empty);
    /// ```
    pub fn parse(text: &str) -> Result<Self, ReadError> {
        let reading = Reading::parse(text)?;
        match reading.torn_line {
            Some(line) => Err(ReadError::Torn { line }),
            None => Ok(reading.transcript),
        }
    }
}

impl Reading {
    /// Reads a transcript whose writer may have been cut off: everything up to the last whole line, and the number
    /// of the torn line if there is one.
    pub fn parse(text: &str) -> Result<Self, ReadError> {
        let mut lines = text.lines().enumerate();
        let header = header(lines.next().map_or("", |(_, line)| line))?;
        let whole = text.ends_with('\n');
        let last = text.lines().count();
        let mut entries: Vec<Entry> = Vec::new();
        for (index, line) in lines {
            let line_number = index + 1;
            match serde_json::from_str::<Entry>(line) {
                Ok(entry) => {
                    in_order(&entries, &entry, line_number)?;
                    entries.push(entry);
                }
                Err(_) if line_number == last && !whole => {
                    return Ok(Self {
                        transcript: Transcript { header, entries },
                        torn_line: Some(line_number),
                    });
                }
                Err(source) => {
                    return Err(ReadError::Entry {
                        line: line_number,
                        source,
                    });
                }
            }
        }
        Ok(Self {
            transcript: Transcript { header, entries },
            torn_line: None,
        })
    }
}

fn header(line: &str) -> Result<Header, ReadError> {
    if line.trim().is_empty() {
        return Err(ReadError::Empty);
    }
    let header: Header =
        serde_json::from_str(line).map_err(|source| ReadError::Header { source })?;
    if header.format > FORMAT {
        return Err(ReadError::Format {
            expected: FORMAT,
            got: header.format,
        });
    }
    Ok(header)
}

fn in_order(entries: &[Entry], entry: &Entry, line: usize) -> Result<(), ReadError> {
    let Some(before) = entries.last() else {
        return Ok(());
    };
    let expected = before.n + 1;
    if entry.n == expected {
        return Ok(());
    }
    Err(ReadError::Order {
        line,
        expected,
        got: entry.n,
    })
}
