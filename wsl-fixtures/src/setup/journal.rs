//! The journal of a set-up: one line for every beginning and end.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One line, as the set-up of the companion writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Line {
    /// When, in ISO 8601.
    pub timestamp: String,
    /// Which step; `None` for the pipeline itself.
    pub step_id: Option<String>,
    /// `pipeline_started`, `step_started`, `step_completed`, `rollback`, `pipeline_completed` and so on.
    pub event: String,
    /// `success`, `failed`, `skipped`, `cancelled`.
    pub outcome: Option<String>,
    /// Milliseconds it took.
    pub elapsed: u64,
    /// One sentence, without secrets.
    pub detail: Option<String>,
}

impl Line {
    /// A line about this moment.
    pub(super) fn new(now: Duration, event: &str, step: Option<&str>) -> Self {
        let millis = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let timestamp = jiff::Timestamp::from_millisecond(millis).map(|time| time.to_string());
        Self {
            timestamp: timestamp.unwrap_or_default(),
            step_id: step.map(ToOwned::to_owned),
            event: event.to_owned(),
            ..Self::default()
        }
    }
}

/// Where lines go. A line that can't be written ends the set-up at once, as if it had been killed.
pub trait Journal {
    /// Adds a line for good.
    ///
    /// # Errors
    /// When it can't be written.
    fn add(&mut self, line: Line) -> io::Result<()>;

    /// Every line so far; damaged ones are left out.
    fn lines(&self) -> &[Line];
}

/// A journal in memory. It can be told to break.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal {
    lines: Vec<Line>,
    /// How many more lines fit; `None` is no limit.
    pub room: Option<usize>,
}

impl MemoryJournal {
    /// A journal that breaks after this many lines.
    pub fn with_room(lines: usize) -> Self {
        Self {
            lines: Vec::new(),
            room: Some(lines),
        }
    }
}

impl Journal for MemoryJournal {
    fn add(&mut self, line: Line) -> io::Result<()> {
        if let Some(room) = &mut self.room {
            *room = room
                .checked_sub(1)
                .ok_or_else(|| io::Error::other("killed"))?;
        }
        self.lines.push(line);
        Ok(())
    }

    fn lines(&self) -> &[Line] {
        &self.lines
    }
}

/// A journal in a file, JSON Lines.
#[derive(Debug)]
pub struct FileJournal {
    file: File,
    lines: Vec<Line>,
}

impl FileJournal {
    /// Opens it. What was written before is read; lines that a crash damaged are skipped.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let mut file = File::options().create(true).append(true).open(path)?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n")?;
        }
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        Ok(Self { file, lines })
    }
}

impl Journal for FileJournal {
    fn add(&mut self, line: Line) -> io::Result<()> {
        let text = serde_json::to_string(&line)? + "\n";
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()?;
        self.lines.push(line);
        Ok(())
    }

    fn lines(&self) -> &[Line] {
        &self.lines
    }
}
