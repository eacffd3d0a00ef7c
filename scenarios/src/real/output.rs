//! What the gateway prints: kept, and as lines that can be waited for.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Lines kept; a gateway that runs for hours must not fill the memory.
const KEPT: usize = 4_000;

/// Everything that was printed so far, both streams, in the order in which it was read.
#[derive(Clone, Debug)]
pub(super) struct Output {
    lines: Arc<watch::Sender<Lines>>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: Vec<String>,
    /// Streams that are still open.
    open: usize,
}

impl Output {
    pub(super) fn new() -> Self {
        Self {
            lines: Arc::new(watch::Sender::new(Lines::default())),
        }
    }

    /// Reads a stream to its end, on a task.
    pub(super) fn read(
        &self,
        stream: impl AsyncRead + Unpin + Send + 'static,
        tasks: &mut JoinSet<()>,
    ) {
        let lines = Arc::clone(&self.lines);
        lines.send_modify(|lines| lines.open += 1);
        tasks.spawn(async move {
            let mut reader = BufReader::new(stream).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                lines.send_modify(|lines| {
                    lines.kept.push(line);
                    if lines.kept.len() > KEPT {
                        lines.kept.drain(..KEPT / 2);
                    }
                });
            }
            lines.send_modify(|lines| lines.open -= 1);
        });
    }

    /// Everything that is kept, as text.
    pub(super) fn text(&self) -> String {
        self.lines.borrow().kept.join("\n")
    }

    /// The last lines, for a message.
    pub(super) fn tail(&self, count: usize) -> String {
        let lines = self.lines.borrow();
        let from = lines.kept.len().saturating_sub(count);
        lines.kept.get(from..).unwrap_or_default().join("\n")
    }

    /// How many lines contain `part`.
    pub(super) fn count(&self, part: &str) -> usize {
        let lines = self.lines.borrow();
        lines.kept.iter().filter(|line| line.contains(part)).count()
    }

    /// Waits until more than `seen` lines contain `part`; false when everything was closed before.
    pub(super) async fn more_than(&self, seen: usize, part: &str) -> bool {
        let mut lines = self.lines.subscribe();
        let came = lines.wait_for(|lines| {
            lines.open == 0 || lines.kept.iter().filter(|line| line.contains(part)).count() > seen
        });
        came.await.is_ok() && self.count(part) > seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_is_waited_for_and_an_end_is_told() {
        let output = Output::new();
        let mut tasks = JoinSet::new();
        output.read(&b"one\ntwo two\nthree\n"[..], &mut tasks);
        assert!(output.more_than(0, "two").await);
        assert!(!output.more_than(1, "two").await, "it ended");
        assert_eq!(output.tail(1), "three");
        assert_eq!(output.count("e"), 2);
    }
}
