//! Takes a text apart, in one pass.

use std::ops::Range;

use serde_json::Value;

use super::{Frame, Kind, Name, Token};
use crate::redact::marks::Marks;
use crate::redact::structure::Hints;

/// Deeper texts have no tape; `serde_json` reads a few levels more.
const MAX_DEPTH: usize = 100;
/// Objects with more members have no tape: each of their names is compared with those before it.
const MAX_MEMBERS: usize = 64;
/// So many digits fit any integer type of `serde_json`.
const MAX_DIGITS: usize = 18;

/// Keeps its memory from one frame to the next.
#[derive(Debug, Default)]
pub(in crate::redact) struct Tape {
    tokens: Vec<Token>,
    open: Vec<Open>,
    /// The name of which the value comes next.
    name: Name,
    hints: Hints,
}

/// An object or array that has not ended.
#[derive(Debug)]
struct Open {
    token: u32,
    members: usize,
    /// A bit for each name, which another may share.
    seen: u64,
}

impl Tape {
    /// Takes a text apart; none when it is no object or array, or is written unlike `serde_json` writes.
    pub(in crate::redact) fn read<'a>(&'a mut self, text: &'a str) -> Option<Frame<'a>> {
        self.tokens.clear();
        self.open.clear();
        (self.name, self.hints) = (Name::default(), Hints::default());
        let bytes = text.as_bytes();
        bytes.first().filter(|first| b"{[".contains(first))?;
        // Places are kept in 32 bits.
        u32::try_from(bytes.len()).ok()?;
        let mut at = 0;
        loop {
            at = self.value(text, at)?;
            while let Some(innermost) = self.open.last() {
                let kind = self.tokens.get(innermost.token as usize)?.kind;
                match (kind, bytes.get(at)?) {
                    (Kind::Object, b',') => {
                        at = self.name(text, at + 1)?;
                        break;
                    }
                    (Kind::Array, b',') => {
                        at += 1;
                        break;
                    }
                    (Kind::Object, b'}') | (Kind::Array, b']') => {
                        at += 1;
                        self.close();
                    }
                    (_, _) => return None,
                }
            }
            if self.open.is_empty() {
                break;
            }
        }
        (at == bytes.len()).then_some(Frame {
            text,
            tokens: &self.tokens,
        })
    }

    /// Reads a value, or the beginning of one up to its first part.
    fn value(&mut self, text: &str, mut at: usize) -> Option<usize> {
        let bytes = text.as_bytes();
        loop {
            match bytes.get(at)? {
                b'{' => {
                    self.open(Kind::Object, at)?;
                    if bytes.get(at + 1) == Some(&b'}') {
                        self.close();
                        return Some(at + 2);
                    }
                    at = self.name(text, at + 1)?;
                }
                b'[' => {
                    self.open(Kind::Array, at)?;
                    if bytes.get(at + 1) == Some(&b']') {
                        self.close();
                        return Some(at + 2);
                    }
                    at += 1;
                }
                b'"' => {
                    let (end, marks) = string(bytes, at + 1)?;
                    self.push(Kind::Text, marks, at + 1..end);
                    return Some(end + 1);
                }
                b't' => return self.literal(text, at, "true"),
                b'f' => return self.literal(text, at, "false"),
                b'n' => return self.literal(text, at, "null"),
                _ => return self.number(text, at),
            }
        }
    }

    #[inline]
    fn push(&mut self, kind: Kind, marks: Marks, range: Range<usize>) {
        self.tokens.push(Token {
            kind,
            marks,
            hints: std::mem::take(&mut self.hints),
            name: std::mem::take(&mut self.name),
            parent: self.open.last().map_or(u32::MAX, |open| open.token),
            start: narrow(range.start),
            end: narrow(range.end),
            next: 0,
        });
    }

    fn open(&mut self, kind: Kind, at: usize) -> Option<()> {
        if self.open.len() == MAX_DEPTH {
            return None;
        }
        let token = narrow(self.tokens.len());
        self.hints = Hints::default();
        self.push(kind, Marks::default(), at..at);
        self.open.push(Open {
            token,
            members: 0,
            seen: 0,
        });
        Some(())
    }

    fn close(&mut self) {
        let next = narrow(self.tokens.len());
        let open = self.open.pop();
        if let Some(token) = open.and_then(|open| self.tokens.get_mut(open.token as usize)) {
            token.next = next;
        }
    }

    /// Reads the name of a member and the colon after it.
    #[inline]
    fn name(&mut self, text: &str, at: usize) -> Option<usize> {
        let bytes = text.as_bytes();
        let start = at + 1;
        let (end, marks) = match bytes.get(at)? {
            b'"' => string(bytes, start)?,
            _ => return None,
        };
        let name = text.get(start..end)?;
        // `serde_json` has names of its own that begin with a dollar sign.
        if marks.has(Marks::ESCAPED) || name.starts_with('$') || bytes.get(end + 1)? != &b':' {
            return None;
        }
        let open = self.open.last_mut()?;
        let bit = 1 << bit_of(name.as_bytes());
        let may_be_there = open.seen & bit != 0;
        open.seen |= bit;
        open.members += 1;
        let (object, members) = (open.token, open.members);
        if members > MAX_MEMBERS || may_be_there && self.is_there(text, object, name) {
            return None;
        }
        self.hints = Hints::of(name);
        let object = self.tokens.get_mut(object as usize)?;
        object.hints = object.hints.and(self.hints);
        self.name = Name {
            start: narrow(start),
            end: narrow(end),
        };
        Some(end + 2)
    }

    fn is_there(&self, text: &str, object: u32, name: &str) -> bool {
        let frame = Frame {
            text,
            tokens: &self.tokens,
        };
        let before = self.tokens.iter().skip(object as usize + 1);
        let mut own = before.filter(|token| token.parent == object);
        own.any(|token| frame.name(token) == Some(name))
    }

    fn literal(&mut self, text: &str, at: usize, word: &str) -> Option<usize> {
        text.get(at..)?.strip_prefix(word)?;
        let end = at + word.len();
        self.push(Kind::Other, Marks::default(), at..end);
        Some(end)
    }

    fn number(&mut self, text: &str, at: usize) -> Option<usize> {
        let rest = text.get(at..)?;
        let belongs = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let end = at + rest.bytes().take_while(belongs).count();
        let number = text.get(at..end)?;
        let digits = number.strip_prefix('-').unwrap_or(number).as_bytes();
        let is_plain = matches!(digits, [b'1'..=b'9', more @ ..] if more.iter().all(u8::is_ascii_digit))
            && digits.len() <= MAX_DIGITS;
        let is_same = || {
            let read = serde_json::from_str::<Value>(number);
            read.is_ok_and(|read| number == read.to_string().as_str())
        };
        if !is_plain && number != "0" && !is_same() {
            return None;
        }
        self.push(Kind::Other, Marks::default(), at..end);
        Some(end)
    }
}

/// No text is longer than fits, and no tape.
#[inline]
fn narrow(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The end of a string that begins at `at`, and what it holds; none when it is escaped unlike `serde_json` escapes.
#[inline]
fn string(bytes: &[u8], mut at: usize) -> Option<(usize, Marks)> {
    let mut marks = Marks::default();
    loop {
        for byte in bytes.get(at..)? {
            let mark = Marks::of_byte(*byte);
            if mark.has(Marks::ESCAPED) {
                break;
            }
            marks = marks.and(mark);
            at += 1;
        }
        if bytes.get(at)? == &b'"' {
            return Some((at, marks));
        }
        marks = marks.and(Marks::ESCAPED);
        at += escape(bytes.get(at..)?)?;
    }
}

/// The length of the escape at the beginning.
fn escape(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\\', b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        [b'\\', b'u', b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f', ..] => Some(6),
        // Backspace, tab, line feed, form feed and carriage return have letters of their own.
        [
            b'\\',
            b'u',
            b'0',
            b'0',
            b'0',
            b'0'..=b'7' | b'b' | b'e' | b'f',
            ..,
        ] => Some(6),
        _ => None,
    }
}

/// One of 64 for a name: other names seldom have the same.
#[inline]
fn bit_of(name: &[u8]) -> u32 {
    let (first, last) = (name.first(), name.last());
    let middle = name.get(name.len() / 2);
    let byte = |byte: Option<&u8>| u32::from(byte.copied().unwrap_or_default());
    let length = u32::try_from(name.len()).unwrap_or_default();
    let mixed = byte(first) | byte(middle) << 8 | byte(last) << 16 | length << 24;
    mixed.wrapping_mul(0x9E37_79B1) >> 26
}
