//! The signs of secrets, by a hash of their bytes.

/// Bits of the filter per slot of the chain table. A window that holds no sign passes by chance once in as many.
const FILTER_PER_SLOT: u32 = 16;

/// The smallest table has two to this many slots.
const FIRST_SLOTS: u32 = 8;

/// What stands where a sign was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// The secret as it is begins.
    Whole,
    /// Another form of it begins.
    Form,
    /// It goes on after so many bytes.
    Within(usize),
}

/// Signs of `WIDTH` bytes.
#[derive(Default)]
pub(super) struct Table<const WIDTH: usize> {
    /// One bit per hash; small enough to stay in the processor's cache, and the end for almost every window.
    filter: Vec<u64>,
    /// Where the chain of a hash begins: place in `links` plus one, zero for none.
    slots: Vec<u32>,
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

impl<const WIDTH: usize> Table<WIDTH> {
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

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

    /// Doubles the table and chains every sign anew, so that chains stay short.
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

    /// Whether a window may be a sign; seldom wrong, and never when it says no.
    pub(super) fn may_hold(&self, window: &[u8]) -> bool {
        let Some(head) = head::<WIDTH>(window) else {
            return false;
        };
        let bit = top_bits(hash(head), self.filter.len() * 64);
        self.filter
            .get(bit / 64)
            .is_some_and(|word| word >> (bit % 64) & 1 != 0)
    }

    /// The signs at the beginning of `text`.
    pub(super) fn at(&self, text: &[u8]) -> impl Iterator<Item = &Link> {
        let head = head::<WIDTH>(text).filter(|_| !self.is_empty());
        let first = head.and_then(|head| self.slots.get(top_bits(hash(head), self.slots.len())));
        let link = |place: u32| self.links.get((place as usize).checked_sub(1)?);
        std::iter::successors(first.and_then(|place| link(*place)), move |before| {
            link(before.next)
        })
        .filter(move |link| Some(link.head) == head)
    }
}

/// The first `WIDTH` bytes as a number.
fn head<const WIDTH: usize>(bytes: &[u8]) -> Option<u64> {
    let head: [u8; WIDTH] = *bytes.first_chunk()?;
    let mut wide = [0; 8];
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
