//! A frame's text taken apart without copying it: where its names, strings and objects stand.
//!
//! Only a text that `serde_json` would print again as it is gets a tape, so that whatever stays can be copied. White
//! space between values, names that come twice, numbers in another spelling and the like have none.

use std::borrow::Cow;

use serde_json::Value;

use super::marks::Marks;
use super::structure::{Hints, Member, Siblings};

/// Deeper texts have no tape; `serde_json` reads a few levels more.
const MAX_DEPTH: usize = 100;
/// Objects with more members have no tape: each of their names is compared with those before it.
const MAX_MEMBERS: usize = 64;
/// So many digits fit any integer type of `serde_json`.
const MAX_DIGITS: usize = 18;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    Name,
    Text,
    /// A number, `true`, `false` or `null`.
    Other,
}

/// One thing on the tape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Of a text.
    pub(super) marks: Marks,
    /// Of a name, and of all names of an object.
    pub(super) hints: Hints,
    /// Of a name or text: what stands between the quotation marks.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Of an object or array: where the tape goes on after it. Of a name: its object.
    link: usize,
}

/// Keeps its memory from one frame to the next.
#[derive(Debug, Default)]
pub(super) struct Tape {
    tokens: Vec<Token>,
    open: Vec<Open>,
}

/// An object or array that has not ended.
#[derive(Debug)]
struct Open {
    token: usize,
    members: usize,
    /// A bit for each name, which another may share.
    seen: u64,
}

/// A frame with its tape.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: &'a [Token],
}

impl Tape {
    /// Takes a text apart; none when it is no object or array, or is written unlike `serde_json` writes.
    pub(super) fn read<'a>(&'a mut self, text: &'a str) -> Option<Frame<'a>> {
        self.tokens.clear();
        self.open.clear();
        let bytes = text.as_bytes();
        bytes.first().filter(|first| b"{[".contains(first))?;
        let mut at = 0;
        loop {
            at = self.value(text, at)?;
            while let Some(innermost) = self.open.last() {
                let container = self.tokens.get_mut(innermost.token)?;
                match (container.kind, bytes.get(at)?) {
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
                    self.push(Kind::Text, marks, Hints::default(), at + 1..end);
                    return Some(end + 1);
                }
                b't' => return self.literal(text, at, "true"),
                b'f' => return self.literal(text, at, "false"),
                b'n' => return self.literal(text, at, "null"),
                _ => return self.number(text, at),
            }
        }
    }

    fn push(&mut self, kind: Kind, marks: Marks, hints: Hints, range: std::ops::Range<usize>) {
        self.tokens.push(Token {
            kind,
            marks,
            hints,
            start: range.start,
            end: range.end,
            link: 0,
        });
    }

    fn open(&mut self, kind: Kind, at: usize) -> Option<()> {
        if self.open.len() == MAX_DEPTH {
            return None;
        }
        self.open.push(Open {
            token: self.tokens.len(),
            members: 0,
            seen: 0,
        });
        self.push(kind, Marks::default(), Hints::default(), at..at);
        Some(())
    }

    fn close(&mut self) {
        let next = self.tokens.len();
        let open = self.open.pop();
        if let Some(token) = open.and_then(|open| self.tokens.get_mut(open.token)) {
            token.link = next;
        }
    }

    /// Reads the name of a member and the colon after it.
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
        let hints = Hints::of(name);
        let container = self.tokens.get_mut(object)?;
        container.hints = container.hints.and(hints);
        self.push(Kind::Name, marks, hints, start..end);
        self.tokens.last_mut()?.link = object;
        Some(end + 2)
    }

    fn is_there(&self, text: &str, object: usize, name: &str) -> bool {
        let before = self.tokens.iter().skip(object + 1);
        let mut own = before.filter(|token| token.kind == Kind::Name && token.link == object);
        own.any(|token| text.get(token.start..token.end) == Some(name))
    }

    fn literal(&mut self, text: &str, at: usize, word: &str) -> Option<usize> {
        text.get(at..)?.strip_prefix(word)?;
        let end = at + word.len();
        self.push(Kind::Other, Marks::default(), Hints::default(), at..end);
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
        self.push(Kind::Other, Marks::default(), Hints::default(), at..end);
        Some(end)
    }
}

/// The end of a string that begins at `at`, and what it holds; none when it is escaped unlike `serde_json` escapes.
fn string(bytes: &[u8], mut at: usize) -> Option<(usize, Marks)> {
    let mut marks = Marks::default();
    loop {
        let byte = *bytes.get(at)?;
        let mark = Marks::of_byte(byte);
        if mark.has(Marks::ESCAPED) {
            if byte == b'"' {
                return Some((at, marks));
            }
            at += escape(bytes.get(at..)?)?;
        } else {
            at += 1;
        }
        marks = marks.and(mark);
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
fn bit_of(name: &[u8]) -> u32 {
    let (first, last) = (name.first(), name.last());
    let middle = name.get(name.len() / 2);
    let byte = |byte: Option<&u8>| u32::from(byte.copied().unwrap_or_default());
    let length = u32::try_from(name.len()).unwrap_or_default();
    let mixed = byte(first) | byte(middle) << 8 | byte(last) << 16 | length << 24;
    mixed.wrapping_mul(0x9E37_79B1) >> 26
}

impl<'a> Frame<'a> {
    pub(super) fn token(&self, at: usize) -> Option<&'a Token> {
        self.tokens.get(at)
    }

    /// What stands between the quotation marks of a token.
    pub(super) fn raw(&self, token: &Token) -> &'a str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    /// What a string says, with its marks.
    pub(super) fn said(&self, token: &Token) -> (Cow<'a, str>, Marks) {
        if !token.marks.has(Marks::ESCAPED) {
            return (Cow::Borrowed(self.raw(token)), token.marks);
        }
        let quoted = self.text.get(token.start - 1..=token.end);
        let said = quoted.and_then(|quoted| serde_json::from_str::<String>(quoted).ok());
        let said = said.unwrap_or_default();
        let marks = Marks::of(&said);
        (Cow::Owned(said), marks)
    }

    /// The members of the object at `at`.
    pub(super) fn members(&self, at: usize) -> impl Iterator<Item = Member<'a>> + Clone + use<'a> {
        let frame = *self;
        let end = self.token(at).map_or(0, |object| object.link);
        let first = Some(at + 1).filter(|first| *first < end);
        let places = std::iter::successors(first, move |name| {
            let value = frame.token(name + 1)?;
            let next = match value.kind {
                Kind::Object | Kind::Array => value.link,
                Kind::Name | Kind::Text | Kind::Other => name + 2,
            };
            Some(next).filter(|next| *next < end)
        });
        places.filter_map(move |name| {
            let value = frame.token(name + 1)?;
            let text = (value.kind == Kind::Text).then(|| frame.said(value).0);
            Some((frame.raw(frame.token(name)?), text))
        })
    }

    /// The name of the member whose value stands at `at`.
    pub(super) fn name_of(&self, at: usize) -> Option<&'a Token> {
        let before = self.token(at.checked_sub(1)?)?;
        (before.kind == Kind::Name).then_some(before)
    }

    /// What the members of the object that a name stands in say about one another.
    pub(super) fn siblings(&self, name: &Token) -> Siblings {
        Siblings::of(self.members(name.link))
    }

    /// Whether the array at `at` is a name and a value; then they stand behind it on the tape.
    pub(super) fn is_pair(&self, at: usize) -> bool {
        let is_text = |at| self.token(at).is_some_and(|item| item.kind == Kind::Text);
        let end = self.token(at).map(|array| array.link);
        end == Some(at + 3) && is_text(at + 1) && is_text(at + 2)
    }
}
