//! Which places of a text are worth a closer look. Not every byte is looked at: what is searched for is long enough to have
//! a window of bytes at one place in a few, wherever it stands, if each of its windows is known.
//!
//! What has twelve bytes or more is told by five of them at one place in eight, what is shorter by three at one in four.

use crate::encoding::{MIN_SEARCHED, PREFIX_BYTES};

/// No place is farther behind the beginning of what is searched for.
pub(super) const FARTHEST: usize = STEP - 1;

/// Bytes of a window.
const LONG: usize = 5;
/// One of so many places is looked at: so many windows begin in a piece.
const STEP: usize = PREFIX_BYTES + 1 - LONG;

/// The same for forms that are shorter than a piece.
const FEW: usize = 3;
const FEW_STEP: usize = MIN_SEARCHED + 1 - FEW;

/// Bits for a window, at least. Each sets two of one word, so that another passes by chance once in thirty.
const BITS: usize = 8;

/// Words of the smallest filter, and how many times as many the next larger one has.
const LEAST_WORDS: usize = 1 << 8;
const GROWTH: usize = 8;

/// Words of that of short forms.
const FEW_WORDS: usize = 1 << 8;

/// Windows of bytes, whatever their case; small enough to stay in the processor's cache.
pub(super) struct Filter {
    /// As many words as a power of two.
    long: Vec<u64>,
    /// How many windows it has.
    count: usize,
    few: Option<Box<Few>>,
}

impl Default for Filter {
    fn default() -> Self {
        Self::of_words(LEAST_WORDS)
    }
}

impl Filter {
    /// An empty one that is larger, when it has more windows than it has room for.
    pub(super) fn larger(&self) -> Option<Self> {
        let is_full = self.count * BITS > self.long.len() * 64;
        is_full.then(|| Self::of_words(self.long.len() * GROWTH))
    }

    fn of_words(words: usize) -> Self {
        Self {
            long: vec![0; words],
            count: 0,
            few: None,
        }
    }

    /// Adds a form of at least [`MIN_SEARCHED`] bytes, of which this is the beginning or all.
    pub(super) fn add(&mut self, form: &[u8]) {
        match form.first_chunk::<PREFIX_BYTES>() {
            Some(begin) => {
                // With room behind it eight bytes are read at once.
                let mut padded = [0; PREFIX_BYTES + 8];
                for (place, byte) in padded.iter_mut().zip(begin) {
                    *place = *byte;
                }
                for at in 0..STEP {
                    self.add_window(eight(&padded, at));
                }
            }
            None => self.few.get_or_insert_default().add(form),
        }
    }

    /// Adds every piece of at least [`PREFIX_BYTES`].
    pub(super) fn add_pieces(&mut self, bytes: &[u8]) {
        for at in 0..(bytes.len() + 1).saturating_sub(LONG) {
            self.add_window(eight(bytes, at));
        }
    }

    #[inline]
    fn add_window(&mut self, eight: u64) {
        let hash = hash(eight, LONG);
        let place = word_of(hash, self.long.len());
        if let Some(word) = self.long.get_mut(place) {
            *word |= bits(hash);
        }
        self.count += 1;
    }

    /// The first place at or after `from` where something may stand: whatever is searched for and begins there or later
    /// has such a place at most [`FARTHEST`] bytes behind its beginning.
    #[inline]
    pub(super) fn next(&self, text: &[u8], mut from: usize) -> Option<usize> {
        let long = self.long.as_slice();
        loop {
            let tail = text.get(from..)?;
            let steps = match &self.few {
                Some(few) => steps_to(tail, |eight| has(long, eight) | few.has_either(eight)),
                None => steps_to(tail, |eight| has(long, eight)),
            };
            let place = from + steps? * STEP;
            let mut places = [place, place + FEW_STEP].into_iter();
            if let Some(place) = places.find(|place| self.goes_on(text, *place)) {
                return Some(place);
            }
            from = place + STEP;
        }
    }

    /// Whether as many windows beside the one at `place`, and with it, are known as what is searched for has at least.
    fn goes_on(&self, text: &[u8], place: usize) -> bool {
        let goes_on = |count: usize, has: &dyn Fn(u64) -> bool| {
            let right = |offset: &usize| has(eight(text, place + offset));
            let left = |offset: &usize| {
                let at = place.checked_sub(*offset);
                at.is_some_and(|at| has(eight(text, at)))
            };
            let right = (0..count).take_while(right).count();
            right > 0 && (1..=count - right).all(|offset| left(&offset))
        };
        let few = self.few.as_ref();
        goes_on(STEP, &|eight| has(&self.long, eight))
            || few.is_some_and(|few| goes_on(FEW_STEP, &|eight| few.has(eight)))
    }
}

/// How many steps there are to where `is_likely` says so of the eight bytes there, with zeros past the end.
#[inline]
fn steps_to(tail: &[u8], is_likely: impl Fn(u64) -> bool) -> Option<usize> {
    let (steps, rest) = tail.as_chunks::<STEP>();
    let place = steps
        .iter()
        .position(|step| is_likely(u64::from_le_bytes(*step)));
    place.or_else(|| is_likely(eight(rest, 0)).then_some(steps.len()))
}

/// What short forms have: a bit for each hash of a window.
struct Few([u64; FEW_WORDS]);

impl Default for Few {
    fn default() -> Self {
        Self([0; FEW_WORDS])
    }
}

impl Few {
    fn add(&mut self, form: &[u8]) {
        for window in form.windows(FEW).take(FEW_STEP) {
            let (word, bit) = place_of_few(eight(window, 0));
            if let Some(word) = self.0.get_mut(word) {
                *word |= bit;
            }
        }
    }

    /// Whether a window may stand at one of two places in eight bytes.
    #[inline]
    fn has_either(&self, eight: u64) -> bool {
        self.has(eight) | self.has(eight >> (8 * FEW_STEP))
    }

    #[inline]
    fn has(&self, eight: u64) -> bool {
        let (word, bit) = place_of_few(eight);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }
}

/// What letters of both cases have, and most other characters.
const ANY_CASE: u64 = u64::from_le_bytes([0x20; 8]);

/// The word and the bit of a short window.
#[inline]
fn place_of_few(eight: u64) -> (usize, u64) {
    let hash = hash(eight, FEW);
    (word_of(hash, FEW_WORDS), 1 << (hash >> 40 & 63))
}

#[inline]
fn has(long: &[u64], eight: u64) -> bool {
    let hash = hash(eight, LONG);
    let word = long.get(word_of(hash, long.len()));
    !word.copied().unwrap_or_default() & bits(hash) == 0
}

/// Eight bytes as a number, with zeros past the end.
#[inline]
fn eight(text: &[u8], at: usize) -> u64 {
    let tail = text.get(at..).unwrap_or_default();
    if let Some(eight) = tail.first_chunk() {
        return u64::from_le_bytes(*eight);
    }
    let bytes = tail.iter().rev();
    bytes.fold(0, |eight, byte| eight << 8 | u64::from(*byte))
}

/// Of the first `length` of eight bytes, in any case. The high bits depend on all of them.
#[inline]
fn hash(eight: u64, length: usize) -> u64 {
    mixed((eight | ANY_CASE) << (64 - 8 * length))
}

/// Other high bits for each number.
#[inline]
pub(super) fn mixed(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// One of so many words, by high bits of a hash.
#[inline]
fn word_of(hash: u64, words: usize) -> usize {
    usize::try_from(hash.rotate_left(14)).unwrap_or_default() & (words - 1)
}

/// Two bits of a word, by bits of the hash that do not choose the word.
#[inline]
fn bits(hash: u64) -> u64 {
    let [.., choice, _, _] = hash.to_le_bytes();
    TWO_BITS
        .get(usize::from(choice))
        .copied()
        .unwrap_or_default()
}

/// Made in advance, as shifting twice takes longer.
const TWO_BITS: [u64; 256] = {
    let mut all = [0; 256];
    let (mut rest, mut at) = (all.as_mut_slice(), 0_u32);
    while let Some((first, more)) = rest.split_first_mut() {
        *first = 1 << (at % 64) | 1 << ((at * 21 + at / 64 + 7) % 64);
        rest = more;
        at += 1;
    }
    all
};

#[cfg(test)]
mod tests;
