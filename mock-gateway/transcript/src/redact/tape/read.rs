//! Takes a text apart, in one pass.

use super::scan::{bit_of, ends, escape, plain_end, same_number};
use super::{Frame, Kind, Name, Token};
use crate::redact::hints::Hints;
use crate::redact::marks::Marks;

/// Deeper texts have no tape; `serde_json` reads a few levels more.
const MAX_DEPTH: usize = 100;
/// Objects with more members have no tape: each of their names is compared with those before it.
const MAX_MEMBERS: u32 = 64;
/// So many digits fit any integer type of `serde_json`.
const MAX_DIGITS: usize = 18;

/// Keeps its memory from one frame to the next.
#[derive(Debug, Default)]
pub(in crate::redact) struct Tape {
    tokens: Vec<Token>,
    around: Vec<Open>,
}

impl Tape {
    /// Takes a text apart; none when it is no object or array, or is written unlike `serde_json` writes.
    pub(in crate::redact) fn read<'a>(&'a mut self, text: &'a str) -> Option<Frame<'a>> {
        self.tokens.clear();
        self.around.clear();
        let bytes = text.as_bytes();
        bytes.first().filter(|first| b"{[".contains(first))?;
        // Places are kept in 32 bits.
        u32::try_from(bytes.len()).ok()?;
        let reader = Reader {
            bytes,
            tokens: &mut self.tokens,
            around: &mut self.around,
            inner: Open::NOTHING,
            name: Name::default(),
            hints: Hints::default(),
        };
        reader.read()?;
        Some(Frame {
            text,
            tokens: &self.tokens,
        })
    }
}

/// An object or array that has not ended.
#[derive(Clone, Copy, Debug)]
struct Open {
    kind: Kind,
    token: u32,
    members: u32,
    /// A bit for each name, which another may share.
    seen: u64,
    /// Those of all names.
    hints: Hints,
}

impl Open {
    /// What is around the outermost one.
    const NOTHING: Self = Self {
        kind: Kind::Other,
        token: u32::MAX,
        members: 0,
        seen: 0,
        hints: Hints::NONE,
    };
}

/// What comes next in a text.
enum Next {
    Member,
    Item,
    Nothing,
}

/// What was read of a text so far.
struct Reader<'a> {
    bytes: &'a [u8],
    tokens: &'a mut Vec<Token>,
    /// Objects and arrays around the innermost one.
    around: &'a mut Vec<Open>,
    inner: Open,
    /// The name of which the value comes next.
    name: Name,
    hints: Hints,
}

impl Reader<'_> {
    /// Reads all of the text.
    fn read(mut self) -> Option<()> {
        let (mut at, mut next) = (0, Next::Item);
        loop {
            match next {
                Next::Member => at = self.member(at)?,
                Next::Item => {}
                Next::Nothing => return Some(()),
            }
            let first = *self.bytes.get(at)?;
            (at, next) = match first {
                b'"' => self.text(at + 1)?,
                b'{' => self.open(Kind::Object, at)?,
                b'[' => self.open(Kind::Array, at)?,
                b't' => self.literal(at, b"true")?,
                b'f' => self.literal(at, b"false")?,
                b'n' => self.literal(at, b"null")?,
                _ => self.number(at)?,
            };
        }
    }

    /// Reads what stands behind a value, up to the next one.
    #[inline]
    fn end(&mut self, mut at: usize) -> Option<(usize, Next)> {
        loop {
            let byte = self.bytes.get(at);
            at += 1;
            match (self.inner.kind, byte) {
                (Kind::Object, Some(b',')) => return Some((at, Next::Member)),
                (Kind::Array, Some(b',')) => return Some((at, Next::Item)),
                (Kind::Object, Some(b'}')) | (Kind::Array, Some(b']')) => self.close(),
                (Kind::Other, None) => return Some((at, Next::Nothing)),
                (_, _) => return None,
            }
        }
    }

    #[inline]
    fn push(&mut self, kind: Kind, marks: Marks, start: usize, end: usize) {
        self.tokens.push(Token {
            kind,
            marks,
            hints: std::mem::take(&mut self.hints),
            name: std::mem::take(&mut self.name),
            parent: self.inner.token,
            start: narrow(start),
            end: narrow(end),
            next: 0,
        });
    }

    fn open(&mut self, kind: Kind, at: usize) -> Option<(usize, Next)> {
        if self.around.len() == MAX_DEPTH {
            return None;
        }
        let token = narrow(self.tokens.len());
        self.hints = Hints::NONE;
        self.push(kind, Marks::default(), at, at);
        self.around.push(self.inner);
        self.inner = Open {
            kind,
            token,
            ..Open::NOTHING
        };
        let at = at + 1;
        match (kind, self.bytes.get(at)) {
            (Kind::Object, Some(b'}')) | (Kind::Array, Some(b']')) => self.end(at),
            (Kind::Object, _) => Some((at, Next::Member)),
            (_, _) => Some((at, Next::Item)),
        }
    }

    fn close(&mut self) {
        let next = narrow(self.tokens.len());
        if let Some(token) = self.tokens.get_mut(self.inner.token as usize) {
            token.next = next;
            token.hints = self.inner.hints;
        }
        self.inner = self.around.pop().unwrap_or(Open::NOTHING);
    }

    /// Reads the name of a member and the colon after it.
    #[inline]
    fn member(&mut self, at: usize) -> Option<usize> {
        let start = at + 1;
        let end = plain_end(self.bytes, start)?;
        let name = self.bytes.get(start..end)?;
        // An escaped name ends before the backslash. `serde_json` has names of its own that begin with a dollar sign.
        let is_quoted = (self.bytes.get(at), self.bytes.get(end)) == (Some(&b'"'), Some(&b'"'));
        if !is_quoted || name.first() == Some(&b'$') || self.bytes.get(end + 1)? != &b':' {
            return None;
        }
        let (begin, tail) = ends(self.bytes.get(start..)?, name)?;
        let bit = 1 << bit_of(begin, tail, name.len());
        let may_be_there = self.inner.seen & bit != 0;
        self.inner.seen |= bit;
        self.inner.members += 1;
        if self.inner.members > MAX_MEMBERS || may_be_there && self.is_there(name) {
            return None;
        }
        self.hints = Hints::of_tail(tail.to_le_bytes());
        self.inner.hints = self.inner.hints.and(self.hints);
        self.name = Name {
            start: narrow(start),
            end: narrow(end),
        };
        Some(end + 2)
    }

    #[cold]
    fn is_there(&self, name: &[u8]) -> bool {
        let object = self.inner.token;
        let before = self.tokens.iter().skip(object as usize + 1);
        let mut own = before.filter(|token| token.parent == object);
        own.any(|token| {
            let Name { start, end } = token.name;
            self.bytes.get(start as usize..end as usize) == Some(name)
        })
    }

    /// Reads a string of which this is the first byte behind the quotation mark.
    #[inline]
    fn text(&mut self, start: usize) -> Option<(usize, Next)> {
        let mut end = plain_end(self.bytes, start)?;
        let mut escaped = Marks::default();
        while self.bytes.get(end)? != &b'"' {
            escaped = Marks::ESCAPED;
            end += escape(self.bytes.get(end..)?)?;
            end = plain_end(self.bytes, end)?;
        }
        let marks = Marks::of_bytes(self.bytes.get(start..end)?);
        self.push(Kind::Text, marks.and(escaped), start, end);
        self.end(end + 1)
    }

    fn literal(&mut self, at: usize, word: &[u8]) -> Option<(usize, Next)> {
        self.bytes.get(at..)?.strip_prefix(word)?;
        let end = at + word.len();
        self.push(Kind::Other, Marks::default(), at, end);
        self.end(end)
    }

    #[inline]
    fn number(&mut self, at: usize) -> Option<(usize, Next)> {
        let rest = self.bytes.get(at..)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let is_more = rest.get(digits).is_some_and(|byte| b"+-.eE".contains(byte));
        let has_zero = digits > 1 && rest.first() == Some(&b'0');
        let end = if digits == 0 || digits > MAX_DIGITS || has_zero || is_more {
            at + same_number(rest)?
        } else {
            at + digits
        };
        self.push(Kind::Other, Marks::default(), at, end);
        self.end(end)
    }
}

/// No text is longer than fits, and no tape.
#[inline]
fn narrow(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
