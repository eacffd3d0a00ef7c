//! The signs of secrets, by a hash of their bytes.

/// Bits of the filter per slot of the chain table. A sign sets two of one word, so that a window that is none passes by
/// chance once in a hundred.
const FILTER_PER_SLOT: usize = 16;

/// The smallest table has two to this many slots.
const FIRST_SLOTS: u32 = 8;

/// What stands where a sign was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// The secret as it is begins.
    Whole,
    /// Another form of it begins.
    Form,
    /// A form begins in which it is escaped further on only.
    Escaped,
    /// It goes on after so many bytes.
    Within(u16),
}

/// Signs of `WIDTH` bytes.
pub(super) struct Table<const WIDTH: usize> {
    /// Small enough to stay in the processor's cache, and the end for almost every window.
    filter: Vec<u64>,
    /// Bits of a hash that choose no word of the filter.
    filter_shift: u32,
    /// Where the chain of a hash begins: place in `links` plus one, zero for none.
    slots: Vec<u32>,
    slot_shift: u32,
    links: Vec<Link>,
}

/// One sign in the chain of its hash.
#[derive(Clone, Copy)]
pub(super) struct Link {
    head: u64,
    needle: u32,
    sign: Sign,
    /// As in `slots`.
    next: u32,
}

impl Link {
    pub(super) fn needle(&self) -> usize {
        self.needle as usize
    }

    pub(super) fn sign(&self) -> Sign {
        self.sign
    }
}

impl<const WIDTH: usize> Default for Table<WIDTH> {
    fn default() -> Self {
        Self {
            filter: vec![0],
            filter_shift: 63,
            slots: Vec::new(),
            slot_shift: 63,
            links: Vec::new(),
        }
    }
}

impl<const WIDTH: usize> Table<WIDTH> {
    /// Takes the sign at the beginning of `bytes`; false when they are too few.
    pub(super) fn add(&mut self, bytes: &[u8], needle: usize, sign: Sign) -> bool {
        let (Some(head), Ok(needle)) = (head::<WIDTH>(bytes), u32::try_from(needle)) else {
            return false;
        };
        let mut own = self
            .links
            .iter()
            .rev()
            .take_while(|link| link.needle == needle);
        if sign == Sign::Form && own.any(|link| (link.head, link.sign) == (head, sign)) {
            return true;
        }
        if self.links.len() == self.slots.len() {
            self.grow();
        }
        self.links.push(Link {
            head,
            needle,
            sign,
            next: 0,
        });
        self.chain(self.links.len() - 1);
        true
    }

    /// Makes the table larger and chains every sign anew, so that chains stay short.
    fn grow(&mut self) {
        let slots = (self.slots.len() * 4).max(1 << FIRST_SLOTS);
        self.slots = vec![0; slots];
        self.slot_shift = 64 - slots.ilog2();
        let words = slots * FILTER_PER_SLOT / 64;
        self.filter = vec![0; words];
        self.filter_shift = 64 - words.ilog2();
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
        let slot = place(hash, self.slot_shift);
        if let Some(slot) = self.slots.get_mut(slot) {
            link.next = *slot;
            *slot = u32::try_from(at + 1).unwrap_or_default();
        }
        if let Some(word) = self.filter.get_mut(place(hash, self.filter_shift)) {
            *word |= bits(hash);
        }
    }

    /// Whether a window may be a sign; seldom wrong, and never when it says no.
    #[inline]
    pub(super) fn may_hold(&self, window: &[u8]) -> bool {
        let Some(head) = head::<WIDTH>(window) else {
            return false;
        };
        let hash = hash(head);
        let word = self.filter.get(place(hash, self.filter_shift));
        word.is_some_and(|word| word & bits(hash) == bits(hash))
    }

    /// The signs at the beginning of `text`.
    pub(super) fn at(&self, text: &[u8]) -> impl Iterator<Item = &Link> {
        let head = head::<WIDTH>(text);
        let first = head.and_then(|head| self.slots.get(place(hash(head), self.slot_shift)));
        let link = |place: u32| self.links.get((place as usize).checked_sub(1)?);
        std::iter::successors(first.and_then(|place| link(*place)), move |before| {
            link(before.next)
        })
        .filter(move |link| Some(link.head) == head)
    }
}

/// The first `WIDTH` bytes as a number.
#[inline]
fn head<const WIDTH: usize>(bytes: &[u8]) -> Option<u64> {
    let head: [u8; WIDTH] = *bytes.first_chunk()?;
    let mut wide = [0; 8];
    wide.get_mut(..WIDTH)?.copy_from_slice(&head);
    Some(u64::from_le_bytes(wide))
}

/// The high bits depend on all of `head`.
#[inline]
fn hash(head: u64) -> u64 {
    head.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The high bits that are left.
#[inline]
fn place(hash: u64, shift: u32) -> usize {
    usize::try_from(hash >> shift).unwrap_or_default()
}

/// Two bits of a word, by bits of the hash that seldom choose the word.
#[inline]
fn bits(hash: u64) -> u64 {
    let [.., choice, _, _] = (hash << 2).to_le_bytes();
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
