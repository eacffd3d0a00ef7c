//! Finds any of many byte strings in one pass: a table of hashed four-byte beginnings, then a comparison.

use crate::encoding::Encoding;

const HEAD: usize = 4;
const HASH_BITS: u32 = 12;
const WORDS: usize = (1 << HASH_BITS) / 64;

/// One form of one secret.
struct Needle {
    head: u32,
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
pub(crate) struct Needles {
    needles: Vec<Needle>,
    heads: [u64; WORDS],
}

impl Needles {
    pub(crate) fn new() -> Self {
        Self {
            needles: Vec::new(),
            heads: [0; WORDS],
        }
    }

    /// Adds one form; forms shorter than four bytes are ignored.
    pub(crate) fn add(&mut self, secret: usize, encoding: Encoding, bytes: Vec<u8>, rest: &[u8]) {
        let Some(head) = head_at(&bytes, 0) else {
            return;
        };
        let (word, bit) = slot(head);
        if let Some(word) = self.heads.get_mut(word) {
            *word |= bit;
        }
        let at = self.needles.partition_point(|needle| needle.head < head);
        self.needles.insert(
            at,
            Needle {
                head,
                bytes,
                rest: rest.to_vec(),
                secret,
                encoding,
            },
        );
    }

    /// The first hit at or after `from`; of several at one place the longest.
    pub(crate) fn find(&self, text: &[u8], from: usize) -> Option<Hit> {
        if self.needles.is_empty() {
            return None;
        }
        let windows = text.get(from..)?.windows(HEAD);
        for (offset, window) in windows.enumerate() {
            let head = head_at(window, 0)?;
            let (word, bit) = slot(head);
            if self.heads.get(word).is_some_and(|word| word & bit != 0)
                && let Some(hit) = self.longest_at(text, from + offset, head)
            {
                return Some(hit);
            }
        }
        None
    }

    fn longest_at(&self, text: &[u8], start: usize, head: u32) -> Option<Hit> {
        let tail = text.get(start..)?;
        let first = self.needles.partition_point(|needle| needle.head < head);
        self.needles
            .iter()
            .skip(first)
            .take_while(|needle| needle.head == head)
            .filter(|needle| tail.starts_with(&needle.bytes))
            .map(|needle| {
                let length = needle.bytes.len();
                let more = tail
                    .iter()
                    .skip(length)
                    .zip(&needle.rest)
                    .take_while(|(left, right)| left == right)
                    .count();
                Hit {
                    start,
                    end: start + length + more,
                    secret: needle.secret,
                    encoding: needle.encoding,
                }
            })
            // A whole secret wins over the beginning of another of the same length.
            .max_by_key(|hit| (hit.end, hit.encoding != Encoding::Prefix))
    }
}

fn head_at(bytes: &[u8], at: usize) -> Option<u32> {
    let head = bytes.get(at..at + HEAD)?;
    Some(u32::from_le_bytes(head.try_into().ok()?))
}

fn slot(head: u32) -> (usize, u64) {
    let hash = head.wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS);
    ((hash / 64) as usize, 1 << (hash % 64))
}

#[cfg(test)]
mod tests {
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
}
