//! Finds any of many secrets in one pass, in every form: a filter of hashed windows at one place in four, then a chain of
//! signs, then a comparison.
//!
//! A reconnect storm mints thousands of tokens and each has some twenty forms and dozens of pieces. So a secret is told
//! by signs of eight bytes, and a form is made only where its sign stands: adding a secret and passing a byte of text
//! both cost the same however many secrets there are.
//!
//! - [`Needles`]: what to look for. [`Hit`]: what was found.
//! - [`Table`]: the signs, by their bytes. [`super::filter`]: the places that are worth looking for them.

mod begin;
mod table;

use std::cmp::Reverse;

use super::filter::{FARTHEST, Filter};
use crate::encoding::{self, Encoding, PREFIX_BYTES};
use begin::{beginning, each_beginning, within};
use table::{Link, Sign, Table};

/// Bytes of a sign. Hex, percent and UTF-16 forms share most of their first four bytes; eight tell them apart.
const LONG: usize = 8;

/// Bytes of a sign of forms that are shorter than [`LONG`].
const SHORT: usize = 4;

/// So many bytes of a secret tell whether it is worth making all of a form.
const LIKELY: usize = 48;

/// Signs stand this far apart within a secret, so that whatever twelve bytes of it are said hold one.
const STRIDE: usize = PREFIX_BYTES + 1 - LONG;

/// A cut-off secret lacks as much at least.
const MIN_REST: usize = 4;

/// What is looked for besides the forms of the whole secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pieces {
    /// Nothing: others begin alike.
    None,
    /// Its beginning, as truncation leaves it.
    Beginning,
    /// That, and whatever else of it can only be its own.
    All,
}

/// A secret that is looked for.
struct Needle {
    value: Box<str>,
    secret: usize,
    pieces: Pieces,
}

/// A secret found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) secret: usize,
    pub(crate) encoding: Encoding,
}

/// What may be a hit: one way in which a needle was written, and how far the text agrees.
#[derive(Clone, Copy)]
struct Found {
    length: usize,
    encoding: Encoding,
    needle: usize,
    /// Place among the ways of writing it.
    order: usize,
}

impl Found {
    /// A whole secret wins over the beginning of another of the same length, then the one known for longer.
    fn rank(&self) -> impl Ord + use<> {
        let is_whole = !matches!(self.encoding, Encoding::Prefix | Encoding::Part);
        let age = Reverse((self.needle, self.order));
        (self.length, is_whole, age)
    }
}

/// What to look for.
pub(crate) struct Needles {
    all: Vec<Needle>,
    long: Table<LONG>,
    short: Table<SHORT>,
    filter: Filter,
    /// Names that have a place in the filter too.
    names: Vec<Box<str>>,
    /// No form is shorter.
    shortest: usize,
}

impl Needles {
    pub(crate) fn new() -> Self {
        Self {
            all: Vec::new(),
            long: Table::default(),
            short: Table::default(),
            filter: Filter::default(),
            names: Vec::new(),
            shortest: usize::MAX,
        }
    }

    /// Adds a secret in every form of [`crate::encoding`]. Those that are added earlier win.
    pub(crate) fn add(&mut self, secret: usize, value: &str, pieces: Pieces) {
        let needle = self.all.len();
        each_beginning(value, |form, sign| {
            if !self.long.add(form, needle, sign) {
                self.short.add(form, needle, sign);
            }
            self.filter.add(form);
            self.shortest = self.shortest.min(form.len()).min(LONG);
        });
        if let Some(within) = within(value, pieces) {
            let signs = within.windows(LONG).zip(1..).skip(STRIDE - 1);
            for (sign, at) in signs.step_by(STRIDE) {
                self.long.add(sign, needle, Sign::Within(at));
            }
            self.filter.add_pieces(within);
        }
        self.all.push(Needle {
            value: value.into(),
            secret,
            pieces,
        });
        self.make_room();
    }

    /// Tells [`Needles::next_place`] of a name, in whatever case, of at least [`MIN_SEARCHED`] bytes.
    pub(crate) fn add_name(&mut self, name: Box<str>) {
        self.filter.add(name.as_bytes());
        self.names.push(name);
        self.make_room();
    }

    /// Makes the filter larger when it is full.
    fn make_room(&mut self) {
        let Some(larger) = self.filter.larger() else {
            return;
        };
        self.filter = larger;
        for needle in &self.all {
            each_beginning(&needle.value, |form, _| self.filter.add(form));
            let within = within(&needle.value, needle.pieces);
            self.filter.add_pieces(within.unwrap_or_default());
        }
        for name in &self.names {
            self.filter.add(name.as_bytes());
        }
    }

    /// The first hit at or after `from`; of several at one place the longest.
    #[inline]
    pub(crate) fn find(&self, text: &[u8], from: usize) -> Option<Hit> {
        // Most texts are too short.
        let is_likely = text.len().saturating_sub(from) >= self.shortest;
        is_likely.then(|| self.found(text, from))?
    }

    fn found(&self, text: &[u8], from: usize) -> Option<Hit> {
        let mut next = from;
        loop {
            let at = self.filter.next(text, next)?;
            let mut first = at.saturating_sub(FARTHEST).max(from)..=at;
            let is_likely = self.may_stand(text, at);
            let hit = is_likely.then(|| first.find_map(|start| self.longest_at(text, start)));
            if let Some(hit) = hit.flatten() {
                return Some(hit);
            }
            next = at + 1;
        }
    }

    /// The first place at or after `from` where something may stand: each hit in any part of the text that begins there or
    /// later, and each name, has such a place at most [`FARTHEST`] bytes behind its beginning.
    pub(crate) fn next_place(&self, text: &[u8], from: usize) -> Option<usize> {
        self.filter.next(text, from)
    }

    /// Whether a hit may have such a place.
    pub(crate) fn may_stand(&self, text: &[u8], at: usize) -> bool {
        (at.saturating_sub(FARTHEST)..at + STRIDE).any(|start| {
            let tail = text.get(start..).unwrap_or_default();
            self.long
                .at(tail)
                .chain(self.short.at(tail))
                .next()
                .is_some()
        })
    }

    fn longest_at(&self, text: &[u8], start: usize) -> Option<Hit> {
        let tail = text.get(start..)?;
        let begun = self.long.at(tail).chain(self.short.at(tail));
        let begun = begun.filter_map(|link| self.begun(link, tail));
        let within = (0..STRIDE).flat_map(|skipped| {
            let links = self.long.at(tail.get(skipped..).unwrap_or_default());
            links.filter_map(move |link| self.within(link, skipped, tail))
        });
        let found = begun.chain(within).max_by_key(Found::rank)?;
        Some(Hit {
            start,
            end: start + found.length,
            secret: self.all.get(found.needle)?.secret,
            encoding: found.encoding,
        })
    }

    /// What begins with a sign at the beginning of `tail`.
    fn begun(&self, link: &Link, tail: &[u8]) -> Option<Found> {
        let needle = self.all.get(link.needle())?;
        let found = |length, encoding, order| Found {
            length,
            encoding,
            needle: link.needle(),
            order,
        };
        let value = needle.value.as_bytes();
        match link.sign() {
            Sign::Whole => {
                let length = agreeing(value, tail);
                let is_whole = length == value.len();
                let is_cut = needle.pieces != Pieces::None
                    && value.len() >= PREFIX_BYTES + MIN_REST
                    && length >= PREFIX_BYTES;
                let cut = is_cut.then(|| found(length, Encoding::Prefix, usize::MAX));
                let whole = is_whole.then(|| found(length, Encoding::Raw, 0));
                whole.or(cut)
            }
            Sign::Escaped => {
                let plain = value.iter().take_while(|byte| encoding::is_plain(**byte));
                let is_likely = agreeing(value, tail) >= plain.count();
                is_likely.then(|| written(&needle.value, tail, found))?
            }
            Sign::Form => written(&needle.value, tail, found),
            Sign::Within(_) => None,
        }
    }

    /// The piece that begins with `tail` and holds a sign after `skipped` bytes.
    fn within(&self, link: &Link, skipped: usize, tail: &[u8]) -> Option<Found> {
        let Sign::Within(at) = link.sign() else {
            return None;
        };
        let first = usize::from(at)
            .checked_sub(skipped)
            .filter(|first| *first > 0)?;
        let piece = self.all.get(link.needle())?.value.as_bytes().get(first..)?;
        let length = agreeing(piece, tail);
        let is_own = || {
            piece
                .get(..PREFIX_BYTES)
                .is_some_and(encoding::looks_random)
        };
        (length >= PREFIX_BYTES && is_own()).then_some(Found {
            length,
            encoding: Encoding::Part,
            needle: link.needle(),
            order: usize::MAX,
        })
    }
}

/// The form of a secret that begins with a sign at the beginning of `tail`.
fn written(
    value: &str,
    tail: &[u8],
    found: impl Fn(usize, Encoding, usize) -> Found,
) -> Option<Found> {
    // All forms of keys and codes begin alike, and take long to make: part of them tells most of them apart.
    let mut is_likely = false;
    encoding::each_form(beginning(value, LIKELY), |_, form| {
        is_likely |= tail.starts_with(form);
    });
    let forms = is_likely
        .then(|| encoding::forms(value))
        .into_iter()
        .flatten()
        .enumerate();
    let here = forms.filter(|(_, (_, form))| tail.starts_with(form));
    let here = here.map(|(order, (encoding, form))| found(form.len(), encoding, order));
    here.max_by_key(Found::rank)
}

/// How many bytes agree.
fn agreeing(left: &[u8], right: &[u8]) -> usize {
    let pairs = left.iter().zip(right);
    pairs.take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests;
