//! Finds names that stand as words, whatever their case: a tree of their letters, to which a name is added when it is
//! learned.

use std::ops::Range;

use crate::encoding::MIN_SEARCHED;
use crate::redact::pairs::Pairs;

/// The names that are looked for, each with a number.
#[derive(Debug)]
pub(super) struct Words {
    /// The first is the root, of no letter yet.
    nodes: Vec<Node>,
    /// How names begin, in every case.
    pairs: Pairs,
    /// Those of at least [`MIN_SEARCHED`] bytes that were not taken.
    new: Vec<Box<str>>,
    has_short: bool,
}

#[derive(Debug, Default)]
struct Node {
    /// A small one.
    letter: u8,
    /// The name that ends here.
    name: Option<usize>,
    /// A letter that comes after this one; the root for none.
    first: usize,
    /// Another that comes after what this one comes after; the root for none.
    other: usize,
}

const ROOT: usize = 0;

impl Default for Words {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            pairs: Pairs::default(),
            new: Vec::new(),
            has_short: false,
        }
    }
}

impl Words {
    /// Adds a name of two letters or more.
    pub(super) fn add(&mut self, word: &str, name: usize) {
        if let [first, second, ..] = word.as_bytes() {
            let cases = |byte: &u8| [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()];
            for first in cases(first) {
                for second in cases(second) {
                    self.pairs.add(&[first, second]);
                }
            }
        }
        if word.len() < MIN_SEARCHED {
            self.has_short = true;
        } else {
            self.new.push(word.into());
        }
        let mut at = ROOT;
        for byte in word.bytes() {
            let letter = byte.to_ascii_lowercase();
            let next = self.next(at, letter);
            at = next.unwrap_or_else(|| self.begin(at, letter));
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.name.get_or_insert(name);
        }
    }

    /// The node of a letter that did not come after `at` before.
    fn begin(&mut self, at: usize, letter: u8) -> usize {
        let new = self.nodes.len();
        let first = self.nodes.get_mut(at).map(|node| &mut node.first);
        let other = first.map_or(ROOT, |first| std::mem::replace(first, new));
        self.nodes.push(Node {
            letter,
            other,
            ..Node::default()
        });
        new
    }

    fn next(&self, at: usize, letter: u8) -> Option<usize> {
        let mut next = self.nodes.get(at)?.first;
        while next != ROOT {
            let node = self.nodes.get(next)?;
            if node.letter == letter {
                return Some(next);
            }
            next = node.other;
        }
        None
    }

    /// Every name in a text that has no letter or digit beside it, in order, of those at one place the longest first.
    pub(super) fn find(&self, text: &str) -> Vec<(Range<usize>, usize)> {
        let mut found = Vec::new();
        for (at, pair) in text.as_bytes().windows(2).enumerate() {
            if self.pairs.begin(pair) && is_beginning(text, at) {
                self.find_at(text, at, &mut found);
            }
        }
        found
    }

    /// Whether one of those begins there.
    pub(super) fn begins(&self, text: &str, at: usize) -> bool {
        let mut found = Vec::new();
        let pair = text.as_bytes().get(at..).unwrap_or_default();
        if self.pairs.begin(pair) && is_beginning(text, at) {
            self.find_at(text, at, &mut found);
        }
        !found.is_empty()
    }

    /// The names of at least [`MIN_SEARCHED`] bytes that were added since this was asked last.
    pub(super) fn take_new(&mut self) -> Vec<Box<str>> {
        std::mem::take(&mut self.new)
    }

    pub(super) fn has_short(&self) -> bool {
        self.has_short
    }

    fn find_at(&self, text: &str, start: usize, found: &mut Vec<(Range<usize>, usize)>) {
        let before = found.len();
        let mut at = ROOT;
        for (end, byte) in text.bytes().enumerate().skip(start) {
            let Some(next) = self.next(at, byte.to_ascii_lowercase()) else {
                break;
            };
            at = next;
            let range = start..end + 1;
            let name = self.nodes.get(at).and_then(|node| node.name);
            if let Some(name) = name.filter(|_| is_whole(text, &range)) {
                found.push((range, name));
            }
        }
        if let Some(here) = found.get_mut(before..) {
            here.reverse();
        }
    }
}

/// Whether no ASCII letter or digit stands before it.
fn is_beginning(text: &str, at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
    !before.is_some_and(u8::is_ascii_alphanumeric)
}

/// Whether no letter or digit stands beside it.
fn is_whole(text: &str, range: &Range<usize>) -> bool {
    let before = text
        .get(..range.start)
        .and_then(|text| text.chars().next_back());
    let after = text.get(range.end..).and_then(|text| text.chars().next());
    !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
}
