//! The rows of a page as small as they can be read fast: what repeats stands once, frames are text until they are shown.
//!
//! A page of ten thousand messages opens at once because only short arrays are parsed; a frame is parsed when somebody
//! picks its row.

use indexmap::IndexSet;
use serde_json::{Value, json};

/// The words of kinds and of what was lost, by number.
#[derive(Debug, Default)]
pub(super) struct Pool {
    words: IndexSet<String>,
    /// One frame a line; an empty line for a row without one.
    frames: String,
    lines: usize,
}

impl Pool {
    /// The rows of one scenario and the line of its first frame. Numbers and times are differences to the row before.
    pub(super) fn take(&mut self, rows: &[Value]) -> Value {
        let first = self.lines;
        let (mut n, mut us) = (0, 0);
        let mut compact = Vec::with_capacity(rows.len());
        for row in rows {
            let at = |index: usize| row.get(index).unwrap_or(&Value::Null);
            let number = |index: usize| at(index).as_u64().unwrap_or_default();
            let mut word = |index: usize| self.word(at(index).as_str().unwrap_or_default());
            let (kind, said, lost) = (word(5), word(6), word(7));
            compact.push(json!([
                number(0) - n,
                number(1).saturating_sub(us),
                number(2),
                at(3),
                at(4),
                kind,
                said,
                lost
            ]));
            (n, us) = (number(0), number(1).max(us));
            self.frame(at(8));
        }
        json!({ "first": first, "rows": compact })
    }

    /// Everything that stands once.
    pub(super) fn words(&self) -> Value {
        json!(self.words.iter().collect::<Vec<_>>())
    }

    /// The frames, a line each.
    pub(super) fn frames(&self) -> &str {
        &self.frames
    }

    fn word(&mut self, word: &str) -> usize {
        match self.words.get_index_of(word) {
            Some(index) => index,
            None => self.words.insert_full(word.to_owned()).0,
        }
    }

    /// JSON has no raw line feed, so a frame is one line.
    fn frame(&mut self, frame: &Value) {
        if !frame.is_null() {
            self.frames.push_str(&frame.to_string());
        }
        self.frames.push('\n');
        self.lines += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_stands_once_and_frames_are_lines() {
        let row = |n: u64, us: u64| json!([n, us, 1, 0, 1, "req", "request health", "", {"id": n}]);
        let mut pool = Pool::default();
        pool.take(&[row(4, 10)]);
        let taken = pool.take(&[
            row(1, 10),
            row(3, 25),
            json!([4, 25, null, -1, -1, "other", "x", "", null]),
        ]);
        assert_eq!(
            taken,
            json!({ "first": 1, "rows": [[1, 10, 1, 0, 1, 0, 1, 2], [2, 15, 1, 0, 1, 0, 1, 2], [1, 0, 0, -1, -1, 3, 4, 2]] })
        );
        assert_eq!(
            pool.words(),
            json!(["req", "request health", "", "other", "x"])
        );
        assert_eq!(pool.frames(), "{\"id\":4}\n{\"id\":1}\n{\"id\":3}\n\n");
    }
}
