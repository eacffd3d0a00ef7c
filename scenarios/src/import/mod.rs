//! What others wrote down of a conversation, as a transcript: redacted, on one time axis.
//!
//! | module | reads |
//! |---|---|
//! | [`har`] | HAR files whose entries have `_webSocketMessages`, as browsers save them |
//! | [`timeline`] | the companion's diagnostics, one JSON object a line |
//! | [`ws_log`] | the log of `openclaw gateway --ws-log full`: what was said, not its content |
//! | [`recording`] | recordings of the real gateways: `{"t_ms","conn","dir","frame"}` lines |
//! | [`mod@merge`] | several of them on one clock |
//!
//! A file that is broken somewhere is read as far as it can be: a [`Problem`] names the place, and the rest counts.

pub mod har;
pub mod merge;
pub mod recording;
#[cfg(test)]
mod tests;
pub mod timeline;
pub mod ws_log;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use gateway_protocol::device::decode_base64_any;
use serde_json::Value;
use thiserror::Error;
use transcript::{Direction, Kind, ReadError, Reading, Stage, Transcript};

pub use merge::{merge, transcript};

/// What happened at one moment.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A connection opened; what is known of it.
    Open(Value),
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A close frame.
    Close(Option<u16>, String),
    /// The end of the stream.
    End,
    /// What an endpoint says of itself.
    Note(String, Value),
}

/// One moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// Microseconds since the source began.
    pub t_us: u64,
    /// Connection, by the source's own name for it.
    pub conn: Option<String>,
    /// Which way it went.
    pub dir: Option<Direction>,
    /// What.
    pub what: What,
}

/// A place that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// Line, from 1, or another name of the place.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.place, self.what)
    }
}

/// One file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// Its name, without folders.
    pub name: String,
    /// In the order of time.
    pub moments: Vec<Moment>,
    /// Unix microseconds of the source's beginning, when it says.
    pub began_us: Option<i64>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Why nothing of a file could be used.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file is not there, or no text.
    #[error("read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// It is none of the known kinds.
    #[error("{0}: {1}")]
    Unknown(String, String),
    /// It is of a known kind, and holds nothing.
    #[error("{0}: {1}; nothing was read")]
    Nothing(String, String),
}

/// Reads a file of whichever kind.
///
/// # Errors
/// When nothing of it could be used.
pub fn read(path: &Path) -> Result<Source, ImportError> {
    let name = path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    let bytes = std::fs::read(path).map_err(|error| ImportError::Read(path.to_owned(), error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        ImportError::Unknown(name.clone(), format!("byte {at} is no text"))
    })?;
    parse(&name, &text)
}

/// The same from its text.
///
/// # Errors
/// As [`read`].
pub fn parse(name: &str, text: &str) -> Result<Source, ImportError> {
    let text = text.trim_start_matches('\u{feff}');
    let first = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let head: Option<Value> = serde_json::from_str(first).ok();
    let has = |member: &str| head.as_ref().is_some_and(|head| head.get(member).is_some());
    let mut source = if has("format") {
        of_transcript(name, text)?
    } else if has("t_ms") {
        recording::parse(name, text)
    } else if has("Timestamp") || has("timestamp") {
        timeline::parse(name, text)
    } else if text.trim_start().starts_with('{') {
        har::parse(name, text)?
    } else if text.lines().any(ws_log::is_line) {
        ws_log::parse(name, text)
    } else {
        let known = "expected a HAR file, diagnostics JSONL, a gateway log with --ws-log full, a recording or a transcript";
        return Err(ImportError::Unknown(name.to_owned(), known.to_owned()));
    };
    name.clone_into(&mut source.name);
    source.moments.sort_by_key(|moment| moment.t_us);
    if source.moments.is_empty() {
        let why = source.problems.first().map_or_else(
            || "there is no message in it".to_owned(),
            |problem| format!("{}: {}", problem.place, problem.what),
        );
        return Err(ImportError::Nothing(name.to_owned(), why));
    }
    Ok(source)
}

fn of_transcript(name: &str, text: &str) -> Result<Source, ImportError> {
    let mut source = Source::default();
    let reading = Reading::parse(text).or_else(|error| {
        let (ReadError::Entry { line, .. } | ReadError::Order { line, .. }) = &error else {
            return Err(ImportError::Nothing(name.to_owned(), error.to_string()));
        };
        // Up to the line that is wrong, it is whole.
        source.problems.push(Problem {
            file: name.to_owned(),
            place: line.to_string(),
            what: format!("{error}; the lines before it were read"),
        });
        let before: String = text.split_inclusive('\n').take(line - 1).collect();
        Reading::parse(&before)
            .map_err(|error| ImportError::Nothing(name.to_owned(), error.to_string()))
    })?;
    if let Some(line) = reading.torn_line {
        source.problems.push(Problem {
            file: name.to_owned(),
            place: line.to_string(),
            what: "the writer was cut off in this line; the lines before it were read".to_owned(),
        });
    }
    source.moments = moments(&reading.transcript);
    Ok(source)
}

fn moments(transcript: &Transcript) -> Vec<Moment> {
    let arrived = transcript
        .entries
        .iter()
        .filter(|entry| entry.stage.is_none_or(|stage| stage == Stage::Delivered));
    arrived
        .filter_map(|entry| {
            let what = match entry.kind {
                Kind::Open => What::Open(entry.data.clone().unwrap_or_default()),
                Kind::Text | Kind::Binary => match (&entry.frame, &entry.raw) {
                    (Some(frame), _) => What::Text(frame.to_string()),
                    (None, Some(raw)) => What::Binary(decode_base64_any(raw)?),
                    (None, None) => return None,
                },
                Kind::Close => {
                    let close = entry.close.clone().unwrap_or_default();
                    What::Close(close.code, close.reason)
                }
                Kind::Eof | Kind::Reset => What::End,
                Kind::Fault | Kind::Step | Kind::Note => What::Note(
                    entry.text.clone().unwrap_or_default(),
                    entry.data.clone().unwrap_or_default(),
                ),
                Kind::Ping | Kind::Pong => return None,
            };
            Some(Moment {
                t_us: entry.t_us,
                conn: entry.conn.map(|conn| conn.to_string()),
                dir: entry.dir,
                what,
            })
        })
        .collect()
}

/// Unix microseconds of a time in a file.
fn unix_us(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_microsecond)
}
