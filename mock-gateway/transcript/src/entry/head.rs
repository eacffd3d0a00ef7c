//! The beginning of a line, before the frame.

use super::{Direction, RawEntry, Stage};

/// A line without its frame is seldom longer.
const HEAD: usize = 160;

impl RawEntry {
    /// The line of [`RawEntry::bare`] up to where a frame goes on, with room for one of so many bytes.
    pub(crate) fn head(&self, frame: usize) -> Option<String> {
        let mut line = String::with_capacity(HEAD + frame);
        line.push_str("{\"n\":");
        push_number(&mut line, self.n);
        line.push_str(",\"t_us\":");
        push_number(&mut line, self.t_us);
        if let Some(conn) = self.conn {
            line.push_str(",\"conn\":");
            push_number(&mut line, conn.into());
        }
        if let Some(actor) = self.actor() {
            line.push_str(",\"actor\":");
            line.push_str(&serde_json::to_string(actor).ok()?);
        }
        let words = [
            (",\"dir\":\"", self.dir.map(Direction::as_str)),
            (",\"stage\":\"", self.stage.map(Stage::as_str)),
            (",\"kind\":\"", Some(self.kind.as_str())),
        ];
        for (name, word) in words {
            if let Some(word) = word {
                line.push_str(name);
                line.push_str(word);
                line.push('"');
            }
        }
        line.push_str(",\"frame\":");
        Some(line)
    }
}

/// Appends a number; the formatter of the library takes three times as long.
pub(crate) fn push_number(line: &mut String, number: u64) {
    let digit = |number: u64| char::from(b'0' + u8::try_from(number % 10).unwrap_or_default());
    if number >= 100 {
        push_number(line, number / 100);
    }
    if number >= 10 {
        line.push(digit(number / 10));
    }
    line.push(digit(number));
}

#[cfg(test)]
mod tests {
    use super::super::{Draft, Kind};
    use super::*;

    const KINDS: [Kind; 11] = [
        Kind::Text,
        Kind::Binary,
        Kind::Ping,
        Kind::Pong,
        Kind::Close,
        Kind::Open,
        Kind::Eof,
        Kind::Reset,
        Kind::Fault,
        Kind::Step,
        Kind::Note,
    ];
    const STAGES: [Stage; 4] = [Stage::Sent, Stage::Delivered, Stage::Dropped, Stage::Held];

    /// The head that is printed member by member is the one that `serde_json` prints.
    #[test]
    fn heads_are_printed_as_entries_are() {
        let check = |draft: Draft, n: u64| {
            let raw = RawEntry::new(n, draft);
            let printed = serde_json::to_string(&raw.bare()).unwrap();
            let head = raw.head(9).unwrap();
            assert_eq!(
                head.strip_suffix(",\"frame\":").unwrap().to_owned() + "}",
                printed
            );
        };
        for kind in KINDS {
            check(Draft::new(0, kind), 1);
            for dir in Direction::BOTH {
                check(Draft::new(10, kind).conn(0).dir(dir), 99);
                for stage in STAGES {
                    let draft = Draft::new(100, kind).conn(u32::MAX);
                    check(
                        draft.actor("\"a\"\\\n\u{e9}").passing(dir, stage),
                        1_000_000,
                    );
                }
            }
        }
        check(Draft::new(u64::MAX, Kind::Text).actor(""), u64::MAX);
    }
}
