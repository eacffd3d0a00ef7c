//! Finds any of many byte strings in one pass: a filter of hashed beginnings, then a chain of needles, then a
//! comparison.
//!
//! A reconnect storm mints thousands of tokens and each has some twenty forms, so adding a needle and passing a byte
//! of text both cost the same however many needles there are.
//!
//! - [`Needles`]: what to look for. [`Hit`]: what was found.
//! - [`Table`]: the needles of at least so many bytes, by their beginning.

use crate::encoding::Encoding;

/// Bytes by which a needle is looked up. Hex, percent and UTF-16 forms share most of their first four bytes; eight
/// tell them apart.
const LONG: usize = 8;

/// The same for needles that are shorter than [`LONG`]; shorter ones than this are not looked for.
const SHORT: usize = 4;

/// Bits of the filter per slot of the chain table. A window that begins no needle passes by chance once in as many.
const FILTER_PER_SLOT: u32 = 16;

/// The smallest table has two to this many slots.
const FIRST_SLOTS: u32 = 8;

/// One form of one secret.
struct Needle {
    bytes: Vec<u8>,
    /// A cut-off secret: a hit goes on for as long as it agrees with these bytes.
    rest: Vec<u8>,
    secret: usize,
    encoding: Encoding,
}

/// A secret found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) secret: usize,
    pub(crate) encoding: Encoding,
}

/// What to look for.
#[derive(Default)]
pub(crate) struct Needles {
    all: Vec<Needle>,
    long: Table<LONG>,
    short: Table<SHORT>,
}

impl Needles {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds one form; forms shorter than four bytes are ignored.
    pub(crate) fn add(&mut self, secret: usize, encoding: Encoding, bytes: Vec<u8>, rest: &[u8]) {
        let number = self.all.len();
        if !self.long.add(&bytes, number) && !self.short.add(&bytes, number) {
            return;
        }
        self.all.push(Needle {
            bytes,
            rest: rest.to_vec(),
            secret,
            encoding,
        });
    }

    /// The first hit at or after `from`; of several at one place the longest.
    pub(crate) fn find(&self, text: &[u8], from: usize) -> Option<Hit> {
        let tail = text.get(from..)?;
        let hit = |offset: usize| self.longest_at(text, from + offset);
        if self.all.is_empty() {
            None
        } else if self.short.is_empty() {
            let windows = tail.windows(LONG).enumerate();
            let mut likely = windows.filter(|(_, window)| self.long.may_begin(window));
            likely.find_map(|(offset, _)| hit(offset))
        } else {
            let windows = tail.windows(SHORT).enumerate();
            let mut likely = windows.filter(|(offset, window)| {
                self.short.may_begin(window)
                    || tail
                        .get(*offset..offset + LONG)
                        .is_some_and(|window| self.long.may_begin(window))
            });
            likely.find_map(|(offset, _)| hit(offset))
        }
    }

    fn longest_at(&self, text: &[u8], start: usize) -> Option<Hit> {
        let tail = text.get(start..)?;
        let numbers = self.long.beginning(tail).chain(self.short.beginning(tail));
        numbers
            .filter_map(|number| Some((number, self.all.get(number)?)))
            .filter(|(_, needle)| tail.starts_with(&needle.bytes))
            .map(|(number, needle)| {
                let length = needle.bytes.len();
                let more = tail
                    .iter()
                    .skip(length)
                    .zip(&needle.rest)
                    .take_while(|(left, right)| left == right)
                    .count();
                let hit = Hit {
                    start,
                    end: start + length + more,
                    secret: needle.secret,
                    encoding: needle.encoding,
                };
                (number, hit)
            })
            // A whole secret wins over the beginning of another of the same length, then the one known for longer.
            .max_by_key(|(number, hit)| {
                let is_whole = !matches!(hit.encoding, Encoding::Prefix | Encoding::Part);
                (hit.end, is_whole, std::cmp::Reverse(*number))
            })
            .map(|(_, hit)| hit)
    }
}

/// Needles by a hash of their first `WIDTH` bytes.
#[derive(Default)]
struct Table<const WIDTH: usize> {
    /// One bit per hash; small enough to stay in the processor's cache, and the end for almost every window.
    filter: Vec<u64>,
    /// Where the chain of a hash begins: place in `links` plus one, zero for none.
    slots: Vec<u32>,
    links: Vec<Link>,
}

/// One needle in the chain of its hash.
#[derive(Clone, Copy)]
struct Link {
    head: u64,
    needle: u32,
    /// As in `slots`.
    next: u32,
}

impl<const WIDTH: usize> Table<WIDTH> {
    fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Takes a needle that is long enough; false when it is not.
    fn add(&mut self, bytes: &[u8], needle: usize) -> bool {
        let (Some(head), Ok(needle)) = (head::<WIDTH>(bytes), u32::try_from(needle)) else {
            return false;
        };
        if self.links.len() == self.slots.len() {
            self.grow();
        }
        self.links.push(Link {
            head,
            needle,
            next: 0,
        });
        self.chain(self.links.len() - 1);
        true
    }

    /// Doubles the table and chains every needle anew, so that chains stay short.
    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(1 << FIRST_SLOTS);
        self.slots = vec![0; slots];
        self.filter = vec![0; slots * FILTER_PER_SLOT as usize / 64];
        for at in 0..self.links.len() {
            self.chain(at);
        }
    }

    /// Puts a link at the front of its chain.
    fn chain(&mut self, at: usize) {
        let Some(link) = self.links.get_mut(at) else {
            return;
        };
        let hash = hash(link.head);
        let place = top_bits(hash, self.slots.len());
        if let Some(slot) = self.slots.get_mut(place) {
            link.next = *slot;
            *slot = u32::try_from(at + 1).unwrap_or_default();
        }
        let bit = top_bits(hash, self.filter.len() * 64);
        if let Some(word) = self.filter.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    /// Whether a window may begin a needle; seldom wrong, and never when it says no.
    fn may_begin(&self, window: &[u8]) -> bool {
        let Some(head) = head::<WIDTH>(window) else {
            return false;
        };
        let bit = top_bits(hash(head), self.filter.len() * 64);
        self.filter
            .get(bit / 64)
            .is_some_and(|word| word >> (bit % 64) & 1 != 0)
    }

    /// The needles whose first bytes are the first of `text`.
    fn beginning(&self, text: &[u8]) -> impl Iterator<Item = usize> {
        let head = head::<WIDTH>(text).filter(|_| !self.is_empty());
        let first = head.and_then(|head| self.slots.get(top_bits(hash(head), self.slots.len())));
        let link = |place: u32| self.links.get((place as usize).checked_sub(1)?);
        std::iter::successors(first.and_then(|place| link(*place)), move |before| {
            link(before.next)
        })
        .filter(move |link| Some(link.head) == head)
        .map(|link| link.needle as usize)
    }
}

/// The first `WIDTH` bytes as a number.
fn head<const WIDTH: usize>(bytes: &[u8]) -> Option<u64> {
    let head: [u8; WIDTH] = *bytes.first_chunk()?;
    let mut wide = [0; LONG];
    wide.get_mut(..WIDTH)?.copy_from_slice(&head);
    Some(u64::from_le_bytes(wide))
}

/// The high bits depend on all of `head`.
fn hash(head: u64) -> u64 {
    head.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// As many of the high bits as count to `size`, a power of two; zero for an empty table.
fn top_bits(hash: u64, size: usize) -> usize {
    let bits = size.checked_ilog2().unwrap_or_default();
    usize::try_from(hash.checked_shr(64 - bits).unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_needle_at_the_first_place_wins() {
        let mut needles = Needles::new();
        needles.add(0, Encoding::Raw, b"secret".to_vec(), b"");
        needles.add(1, Encoding::Raw, b"secret-two".to_vec(), b"");
        needles.add(2, Encoding::Prefix, b"cut-o".to_vec(), b"ff-token");
        let hit = needles.find(b"a secret-two", 0).unwrap();
        assert_eq!((hit.start, hit.end, hit.secret), (2, 12, 1));
        let hit = needles.find(b"x cut-off!", 0).unwrap();
        assert_eq!((hit.start, hit.end), (2, 9));
        assert_eq!(needles.find(b"secre", 0), None);
    }

    #[test]
    fn of_two_equal_needles_the_whole_and_then_the_older_one_wins() {
        let mut needles = Needles::new();
        needles.add(0, Encoding::Prefix, b"same-beginning".to_vec(), b"");
        needles.add(1, Encoding::Raw, b"same-beginning".to_vec(), b"");
        needles.add(2, Encoding::Raw, b"same-beginning".to_vec(), b"");
        assert_eq!(needles.find(b"same-beginning", 0).unwrap().secret, 1);
    }

    /// What [`Needles::find`] means, said without any table.
    fn naive(words: &[Vec<u8>], text: &[u8], from: usize) -> Option<(usize, usize)> {
        (from..text.len()).find_map(|start| {
            let here = words.iter().filter(|word| text[start..].starts_with(word));
            let longest = here.map(Vec::len).max()?;
            Some((start, start + longest))
        })
    }

    proptest! {
        /// Whatever the needles, whole chains and grown tables find what a plain search finds.
        #[test]
        fn it_finds_what_a_plain_search_finds(
            words in prop::collection::vec(prop::collection::vec(b'a'..=b'c', 4..12), 0..600),
            text in prop::collection::vec(b'a'..=b'c', 0..200),
            from in 0_usize..50,
        ) {
            let mut needles = Needles::new();
            for (number, word) in words.iter().enumerate() {
                needles.add(number, Encoding::Raw, word.clone(), b"");
            }
            let found = needles.find(&text, from).map(|hit| (hit.start, hit.end));
            prop_assert_eq!(found, naive(&words, &text, from));
        }
    }
}
