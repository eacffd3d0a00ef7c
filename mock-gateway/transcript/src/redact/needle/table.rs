//! The signs of secrets, by a hash of their bytes.

use crate::redact::filter::mixed;

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
    /// Where the chain of a hash begins: place in `links` plus one, zero for none.
    slots: Vec<u32>,
    slot_shift: u32,
    links: Vec<Link>,
}

/// One sign in the chain of its hash.
#[derive(Clone, Copy)]
pub(super) struct Link {
    /// Of the hash: the others tell apart what a slot holds.
    hash: u32,
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
            slots: Vec::new(),
            slot_shift: 31,
            links: Vec::new(),
        }
    }
}

impl<const WIDTH: usize> Table<WIDTH> {
    /// Takes the sign at the beginning of `bytes`; false when they are too few.
    pub(super) fn add(&mut self, bytes: &[u8], needle: usize, sign: Sign) -> bool {
        let (Some(hash), Ok(needle)) = (hash_of::<WIDTH>(bytes), u32::try_from(needle)) else {
            return false;
        };
        if self.links.len() == self.slots.len() {
            self.grow();
        }
        self.links.push(Link {
            hash,
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
        self.slot_shift = 32 - slots.ilog2();
        for at in 0..self.links.len() {
            self.chain(at);
        }
    }

    /// Puts a link at the front of its chain.
    fn chain(&mut self, at: usize) {
        let Some(link) = self.links.get_mut(at) else {
            return;
        };
        let slot = place(link.hash, self.slot_shift);
        if let Some(slot) = self.slots.get_mut(slot) {
            link.next = *slot;
            *slot = u32::try_from(at + 1).unwrap_or_default();
        }
    }

    /// The signs at the beginning of `text`, and seldom others.
    pub(super) fn at(&self, text: &[u8]) -> impl Iterator<Item = &Link> {
        let hash = hash_of::<WIDTH>(text);
        let first = hash.and_then(|hash| self.slots.get(place(hash, self.slot_shift)));
        let link = |place: u32| self.links.get((place as usize).checked_sub(1)?);
        std::iter::successors(first.and_then(|place| link(*place)), move |before| {
            link(before.next)
        })
        .filter(move |link| Some(link.hash) == hash)
    }
}

/// What tells the first `WIDTH` bytes from most others.
#[inline]
fn hash_of<const WIDTH: usize>(bytes: &[u8]) -> Option<u32> {
    let head: [u8; WIDTH] = *bytes.first_chunk()?;
    let mut wide = [0; 8];
    wide.get_mut(..WIDTH)?.copy_from_slice(&head);
    // The high half depends on all of it.
    u32::try_from(mixed(u64::from_le_bytes(wide)) >> 32).ok()
}

/// The slot of a hash: the high bits that are left.
#[inline]
fn place(hash: u32, shift: u32) -> usize {
    usize::try_from(hash >> shift).unwrap_or_default()
}
