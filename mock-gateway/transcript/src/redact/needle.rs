//! Finds any of many secrets in one pass, in every form: a filter of hashed beginnings, then a chain of signs, then a
//! comparison.
//!
//! A reconnect storm mints thousands of tokens and each has some twenty forms and dozens of pieces. So a secret is told
//! by signs of eight bytes, and a form is made only where its sign stands: adding a secret and passing a byte of text
//! both cost the same however many secrets there are.
//!
//! - [`Needles`]: what to look for. [`Hit`]: what was found.
//! - [`Table`]: the signs, by their bytes.

mod table;

use std::cmp::Reverse;

use super::pairs::Pairs;
use crate::encoding::{self, Encoding, LONGEST_IN_PARTS, MIN_SEARCHED, PREFIX_BYTES};
use table::{Link, Sign, Table};

/// Bytes of a sign. Hex, percent and UTF-16 forms share most of their first four bytes; eight tell them apart.
const LONG: usize = 8;

/// The same for forms that are shorter than [`LONG`].
const SHORT: usize = 4;

/// The forms of so many bytes of a secret begin as the forms of all of it do, for [`LONG`] bytes at least: of four
/// characters in UTF-16, of seven bytes in base64.
const BEGINNING: usize = 12;

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
    /// How short forms begin.
    pairs: Pairs,
    /// No form is shorter.
    shortest: usize,
}

impl Needles {
    pub(crate) fn new() -> Self {
        Self {
            all: Vec::new(),
            long: Table::default(),
            short: Table::default(),
            pairs: Pairs::default(),
            shortest: usize::MAX,
        }
    }

    /// Adds a secret in every form of [`crate::encoding`]. Those that are added earlier win.
    pub(crate) fn add(&mut self, secret: usize, value: &str, pieces: Pieces) {
        let needle = self.all.len();
        let beginning = beginning(value, BEGINNING);
        let mut link = |form: &[u8], sign: Sign| {
            if form.len() < MIN_SEARCHED {
                return;
            }
            if !self.long.add(form, needle, sign) {
                self.short.add(form, needle, sign);
                self.pairs.add(form);
            }
            self.shortest = self.shortest.min(form.len()).min(LONG);
        };
        encoding::each_form(beginning, |encoding, form| {
            let is_raw = encoding == Encoding::Raw;
            link(form, if is_raw { Sign::Whole } else { Sign::Form });
        });
        // What is escaped further on only begins as it is.
        if !value.bytes().all(encoding::is_plain) {
            link(beginning.as_bytes(), Sign::Escaped);
        }
        if pieces == Pieces::All && value.len() <= LONGEST_IN_PARTS {
            let signs = value.as_bytes().windows(LONG).enumerate();
            for (at, sign) in signs.step_by(STRIDE).skip(1) {
                let at = u16::try_from(at).map(Sign::Within);
                at.map(|at| self.long.add(sign, needle, at)).ok();
            }
        }
        self.all.push(Needle {
            value: value.into(),
            secret,
            pieces,
        });
    }

    /// The first hit at or after `from`; of several at one place the longest.
    #[inline]
    pub(crate) fn find(&self, text: &[u8], from: usize) -> Option<Hit> {
        let tail = text.get(from..)?;
        // Most texts are too short.
        (tail.len() >= self.shortest).then(|| self.found(text, from, tail))?
    }

    fn found(&self, text: &[u8], from: usize, tail: &[u8]) -> Option<Hit> {
        let near = |offset: usize| self.near(text, from, from + offset);
        let windows = tail.windows(LONG).enumerate();
        let likely = |window: &[u8]| self.long.may_hold(window) || self.pairs.begin(window);
        let hit = windows
            .filter(|(_, window)| likely(window))
            .find_map(|(offset, _)| near(offset));
        if hit.is_some() || self.shortest == LONG {
            return hit;
        }
        let last = (tail.len() + 1).saturating_sub(LONG)..=tail.len() - self.shortest;
        let likely = |at: &usize| tail.get(*at..).is_some_and(|rest| self.pairs.begin(rest));
        last.filter(likely).find_map(near)
    }

    /// The first hit whose sign stands at `sign`, if there is any.
    fn near(&self, text: &[u8], from: usize, sign: usize) -> Option<Hit> {
        let tail = text.get(sign..)?;
        self.long.at(tail).chain(self.short.at(tail)).next()?;
        let first = (sign + 1).saturating_sub(STRIDE).max(from);
        (first..=sign).find_map(|start| self.longest_at(text, start))
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

/// The first bytes of a secret, that many or a few more.
fn beginning(value: &str, bytes: usize) -> &str {
    let end = (bytes..value.len()).find(|end| value.is_char_boundary(*end));
    end.and_then(|end| value.get(..end)).unwrap_or(value)
}

/// How many bytes agree.
fn agreeing(left: &[u8], right: &[u8]) -> usize {
    let pairs = left.iter().zip(right);
    pairs.take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests;
