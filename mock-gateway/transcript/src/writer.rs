//! JSON Lines out: the header first, whole lines flushed as they come, so that a crash leaves a readable prefix.

use std::io::Write;

use crate::entry::Entry;
use crate::header::Header;

/// Why a transcript could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The writer refused a line.
    #[error("write line {line} of the transcript: {source}")]
    Io {
        /// Line number, from 1; the header is line 1.
        line: u64,
        /// What the writer said.
        #[source]
        source: std::io::Error,
    },
    /// A line could not be turned into JSON.
    #[error("turn line {line} of the transcript into JSON: {source}")]
    Json {
        /// Line number, from 1; the header is line 1.
        line: u64,
        /// What the serialiser said.
        #[source]
        source: serde_json::Error,
    },
}

/// Writes one transcript. After an error it writes nothing more, so a torn line stays the last one.
pub(crate) struct LineWriter {
    out: Box<dyn Write + Send>,
    line: u64,
    failure: Option<WriteError>,
}

impl LineWriter {
    /// Writes the header at once.
    pub(crate) fn new(header: &Header, out: Box<dyn Write + Send>) -> Self {
        let mut writer = Self {
            out,
            line: 0,
            failure: None,
        };
        writer.line(header);
        writer.flush();
        writer
    }

    /// Writes an entry; nobody else need see it before [`LineWriter::flush`].
    pub(crate) fn entry(&mut self, entry: &Entry) {
        self.line(entry);
    }

    /// Writes a line that ends with its line feed.
    pub(crate) fn text(&mut self, line: &str) {
        self.put(Ok(line));
    }

    pub(crate) fn flush(&mut self) {
        if self.failure.is_none() {
            let line = self.line;
            let flushed = self.out.flush();
            self.failure = flushed
                .map_err(|source| WriteError::Io { line, source })
                .err();
        }
    }

    /// The first error, which is also forgotten.
    pub(crate) fn take_failure(&mut self) -> Option<WriteError> {
        self.failure.take()
    }

    fn line<T: serde::Serialize>(&mut self, value: &T) {
        self.put(to_line(value));
    }

    fn put(&mut self, text: Result<impl AsRef<str>, serde_json::Error>) {
        if self.failure.is_some() {
            return;
        }
        self.line += 1;
        let line = self.line;
        let written = text
            .map_err(|source| WriteError::Json { line, source })
            .and_then(|text| {
                self.out
                    .write_all(text.as_ref().as_bytes())
                    .map_err(|source| WriteError::Io { line, source })
            });
        self.failure = written.err();
    }
}

/// One value as a line, with its line feed.
pub(crate) fn to_line<T: serde::Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string(value)?;
    text.push('\n');
    Ok(text)
}
