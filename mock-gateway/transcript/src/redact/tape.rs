//! A frame's text taken apart without copying it: where its names, strings and objects stand.
//!
//! Only a text that `serde_json` would print again as it is gets a tape, so that whatever stays can be copied. White
//! space between values, names that come twice, numbers in another spelling and the like have none.
//!
//! - [`Tape`]: makes it. [`Frame`]: a text with its tape.

mod read;
mod scan;

use std::borrow::Cow;

use super::hints::Hints;
use super::marks::Marks;
use super::structure::{Class, Member, Siblings, classify};

pub(super) use read::Tape;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    Text,
    /// A number, `true`, `false` or `null`.
    Other,
}

/// One value on the tape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Of a text.
    pub(super) marks: Marks,
    /// Of its name; of an object those of all names in it.
    pub(super) hints: Hints,
    name: Name,
    /// The object or array around it.
    parent: u32,
    /// What stands between the quotation marks, of a text.
    start: u32,
    end: u32,
    /// Of an object or array: where the tape goes on after it.
    next: u32,
}

impl Token {
    /// Where a text begins, past the quotation mark.
    #[inline]
    pub(super) fn start(&self) -> usize {
        self.start as usize
    }

    #[inline]
    pub(super) fn end(&self) -> usize {
        self.end as usize
    }

    /// Whether a text may give something away by its characters.
    #[inline]
    pub(super) fn may_tell(&self, with_places: bool) -> bool {
        self.marks.may_tell_secrets() || with_places && self.marks.may_tell_places()
    }
}

/// Where the name of a member stands; the default is no name.
#[derive(Clone, Copy, Debug, Default)]
struct Name {
    start: u32,
    end: u32,
}

/// A frame with its tape.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: &'a [Token],
}

impl<'a> Frame<'a> {
    /// The name of a value that is a member.
    #[inline]
    pub(super) fn name(&self, token: &Token) -> Option<&'a str> {
        let Name { start, end } = token.name;
        self.text
            .get(start as usize..end as usize)
            .filter(|_| end > 0)
    }

    /// What stands between the quotation marks of a text.
    #[inline]
    pub(super) fn raw(&self, token: &Token) -> &'a str {
        self.text
            .get(token.start()..token.end())
            .unwrap_or_default()
    }

    /// What a text says, with its marks.
    pub(super) fn said(&self, token: &Token) -> (Cow<'a, str>, Marks) {
        if !token.marks.has(Marks::ESCAPED) {
            return (Cow::Borrowed(self.raw(token)), token.marks);
        }
        let quoted = self.text.get(token.start() - 1..=token.end());
        let said = quoted.and_then(|quoted| serde_json::from_str::<String>(quoted).ok());
        let said = said.unwrap_or_default();
        let marks = Marks::of(&said);
        (Cow::Owned(said), marks)
    }

    /// The value in whose text or name, or in the marks before it, the byte at `at` stands, and its place on the tape.
    pub(super) fn at(&self, at: usize) -> Option<(usize, &'a Token)> {
        let place = self.tokens.partition_point(|token| token.end() <= at);
        Some((place, self.tokens.get(place)?))
    }

    /// The values in the object at `at`.
    fn values(&self, at: usize) -> impl Iterator<Item = &'a Token> + Clone + use<'a> {
        let tokens = self.tokens;
        let end = tokens.get(at).map_or(0, |object| object.next as usize);
        let first = Some(at + 1).filter(|first| *first < end);
        let places = std::iter::successors(first, move |at| {
            let value = tokens.get(*at)?;
            let next = match value.kind {
                Kind::Object | Kind::Array => value.next as usize,
                Kind::Text | Kind::Other => at + 1,
            };
            Some(next).filter(|next| *next < end)
        });
        places.filter_map(move |at| tokens.get(at))
    }

    /// The members of the object at `at`.
    pub(super) fn members(&self, at: usize) -> impl Iterator<Item = Member<'a>> + Clone + use<'a> {
        let frame = *self;
        self.values(at).filter_map(move |value| frame.member(value))
    }

    /// Those of which the name has a hint.
    pub(super) fn hinted(
        &self,
        at: usize,
        hint: Hints,
    ) -> impl Iterator<Item = Member<'a>> + Clone + use<'a> {
        let frame = *self;
        let hinted = self.values(at).filter(move |value| value.hints.has(hint));
        hinted.filter_map(move |value| frame.member(value))
    }

    fn member(&self, value: &Token) -> Option<Member<'a>> {
        let text = (value.kind == Kind::Text).then(|| self.said(value).0);
        Some((self.name(value)?, text))
    }

    /// What a value is, from its name and what stands beside it.
    #[inline]
    pub(super) fn class(&self, value: &Token) -> Option<Class> {
        if !value.hints.has(Hints::SECRET) {
            return None;
        }
        let siblings = || Siblings::of(self.members(value.parent as usize));
        Siblings::class(self.name(value)?, siblings)
    }

    /// The second item of the array at `at` and what it is, when it is a pair of a name and a value.
    #[inline]
    pub(super) fn pair(&self, at: usize) -> Option<(&'a Token, Class)> {
        match self.tokens.get(at..at + 3)? {
            [array, name, value]
                if array.next as usize == at + 3
                    && (name.kind, value.kind) == (Kind::Text, Kind::Text) =>
            {
                Some((value, classify(&self.said(name).0)?))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
