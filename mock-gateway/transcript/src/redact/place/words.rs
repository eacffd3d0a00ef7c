//! Finds names that stand as words, whatever their case: a tree of their letters, to which a name is added when it is
//! learned.

use std::ops::Range;

/// The names that are looked for, each with a number.
#[derive(Debug)]
pub(super) struct Words {
    /// The first is the root.
    nodes: Vec<Node>,
    /// What each byte is, and whether it begins a name.
    bytes: [Letter; 256],
}

#[derive(Debug, Default)]
struct Node {
    /// By small letter.
    next: Vec<(u8, usize)>,
    /// The name that ends here.
    name: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Letter {
    is_alphanumeric: bool,
    begins: bool,
}

impl Default for Words {
    fn default() -> Self {
        let mut bytes = [Letter::default(); 256];
        for (byte, letter) in (0..=u8::MAX).zip(&mut bytes) {
            letter.is_alphanumeric = byte.is_ascii_alphanumeric();
        }
        Self {
            nodes: vec![Node::default()],
            bytes,
        }
    }
}

impl Words {
    /// Adds a name, which is not empty.
    pub(super) fn add(&mut self, word: &str, name: usize) {
        for byte in word.bytes().take(1) {
            for either in [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()] {
                if let Some(letter) = self.bytes.get_mut(usize::from(either)) {
                    letter.begins = true;
                }
            }
        }
        let mut at = 0;
        for byte in word.bytes() {
            let byte = byte.to_ascii_lowercase();
            at = self.next(at, byte).unwrap_or_else(|| {
                let new = self.nodes.len();
                self.nodes.push(Node::default());
                if let Some(node) = self.nodes.get_mut(at) {
                    node.next.push((byte, new));
                }
                new
            });
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.name.get_or_insert(name);
        }
    }

    fn next(&self, at: usize, byte: u8) -> Option<usize> {
        let mut next = self.nodes.get(at)?.next.iter();
        next.find_map(|(letter, node)| (*letter == byte).then_some(*node))
    }

    /// Every name in a text that has no letter or digit beside it, in order, of those at one place the longest first.
    pub(super) fn find(&self, text: &str) -> Vec<(Range<usize>, usize)> {
        let mut found = Vec::new();
        let mut is_within = false;
        for (at, byte) in text.bytes().enumerate() {
            let letter = self.bytes.get(usize::from(byte)).copied();
            let Letter {
                is_alphanumeric,
                begins,
            } = letter.unwrap_or_default();
            if begins && !is_within {
                self.find_at(text, at, &mut found);
            }
            is_within = is_alphanumeric;
        }
        found
    }

    fn find_at(&self, text: &str, start: usize, found: &mut Vec<(Range<usize>, usize)>) {
        let before = found.len();
        let (mut at, mut end) = (0, start);
        for byte in text.bytes().skip(start) {
            let Some(next) = self.next(at, byte.to_ascii_lowercase()) else {
                break;
            };
            (at, end) = (next, end + 1);
            let name = self.nodes.get(at).and_then(|node| node.name);
            found.extend(
                name.filter(|_| is_whole(text, &(start..end)))
                    .map(|name| (start..end, name)),
            );
        }
        if let Some(here) = found.get_mut(before..) {
            here.reverse();
        }
    }
}

/// Whether no letter or digit stands beside it.
fn is_whole(text: &str, range: &Range<usize>) -> bool {
    let beside = |part: Option<&str>, last: bool| {
        let mut chars = part.unwrap_or_default().chars();
        let char = if last {
            chars.next_back()
        } else {
            chars.next()
        };
        char.is_some_and(char::is_alphanumeric)
    };
    !beside(text.get(..range.start), true) && !beside(text.get(range.end..), false)
}
