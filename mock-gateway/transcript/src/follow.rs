//! Writes down what a recorder takes from a thread of its own, so that whoever records does not wait for redaction.
//!
//! ```
//! use transcript::{Draft, Follower, Header, Kind, Recorder};
//! let recorder = Recorder::in_memory(Header::new(1, "recorded", "whoever answers"));
//! let follower = Follower::start(&recorder, Box::new(std::io::sink()), |_| {});
//! recorder.record(Draft::new(1, Kind::Note).text("begun"));
//! assert!(follower.finish().is_ok());
//! ```

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::entry::RawEntry;
use crate::recorder::Recorder;
use crate::writer::{LineWriter, WriteError};

/// Entries that are redacted before they are written together, when so many wait.
const BATCH: usize = 256;

enum Turn {
    Entry(RawEntry),
    End,
}

/// A thread behind a recorder.
#[derive(Debug)]
pub struct Follower {
    turns: Sender<Turn>,
    thread: Option<JoinHandle<Result<(), WriteError>>>,
}

impl Follower {
    /// Writes the header, and from here on every entry of `recorder`: redacted before its first byte is written, and flushed
    /// when no other waits. `told` sees each line as it is written. Secrets that are registered later are not known here.
    pub fn start(
        recorder: &Recorder,
        out: Box<dyn Write + Send>,
        told: impl Fn(&str) + Send + 'static,
    ) -> Self {
        let (turns, incoming) = channel();
        let taken = turns.clone();
        recorder.on_raw(Box::new(move |entry| {
            // Nobody follows any more: what comes after the end is in the recorder.
            taken.send(Turn::Entry(entry.clone())).ok();
        }));
        let mut redactor = recorder.redactor();
        let mut writer = LineWriter::new(recorder.header(), out);
        let mut queue = Queue {
            incoming,
            has_ended: false,
        };
        let thread = std::thread::spawn(move || {
            let mut batch = Vec::new();
            while queue.take(&mut batch) {
                for raw in batch.drain(..) {
                    let line = redactor.line(&raw);
                    writer.text(&line);
                    told(&line);
                }
                writer.flush();
            }
            writer.take_failure().map_or(Ok(()), Err)
        });
        Self {
            turns,
            thread: Some(thread),
        }
    }

    /// Waits until everything that was recorded before is written.
    ///
    /// # Errors
    /// The first error of the writer; nothing was written after it.
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.turns.send(Turn::End).ok();
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(written)) => written,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

/// What waits to be written.
struct Queue {
    incoming: Receiver<Turn>,
    has_ended: bool,
}

impl Queue {
    /// Waits for an entry and takes what came with it; false at the end.
    fn take(&mut self, batch: &mut Vec<RawEntry>) -> bool {
        if !self.has_ended {
            let next = self.incoming.recv().unwrap_or(Turn::End);
            self.put(next, batch);
        }
        while batch.len() < BATCH && !self.has_ended {
            let Ok(next) = self.incoming.try_recv() else {
                break;
            };
            self.put(next, batch);
        }
        !batch.is_empty()
    }

    fn put(&mut self, turn: Turn, batch: &mut Vec<RawEntry>) {
        match turn {
            Turn::Entry(entry) => batch.push(entry),
            Turn::End => self.has_ended = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::entry::{Draft, Kind};
    use crate::header::Header;
    use crate::reader::Transcript;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Whatever came before the end is written, in order and redacted; what comes after it is not waited for.
    #[test]
    fn all_of_it_is_written_and_none_of_the_secrets() {
        let recorder = Recorder::in_memory(Header::new(1, "recorded", "whoever answers"));
        recorder.register_secret("given", "known-before-it-began");
        let kept = Kept::default();
        let follower = Follower::start(&recorder, Box::new(kept.clone()), |_| {});
        for at in 0..1000 {
            recorder.record(Draft::new(at, Kind::Note).text("said: known-before-it-began"));
        }
        follower.finish().unwrap();
        recorder.record(Draft::new(1000, Kind::Note).text("late"));
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let written = Transcript::parse(&text).unwrap();
        assert_eq!(written.entries.len(), 1000);
        assert!(!text.contains("known-before") && text.contains("said: <given:1>"));
    }

    /// A disk that is full is told at the end.
    #[test]
    fn a_writer_that_fails_is_told() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _bytes: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let recorder = Recorder::in_memory(Header::new(1, "recorded", "whoever answers"));
        let follower = Follower::start(&recorder, Box::new(Full), |_| {});
        recorder.record(Draft::new(1, Kind::Note).text("said"));
        assert!(matches!(
            follower.finish(),
            Err(WriteError::Io { line: 1, .. })
        ));
    }
}
