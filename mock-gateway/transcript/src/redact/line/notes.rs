//! Which texts of a frame may change.
//!
//! All of the frame is searched in one pass, the names of members and the marks between them included. What is found there
//! is looked for again in the text that it stands in, so it may be too much, but not too little: the bytes of a string stand
//! side by side in the frame, unless it is escaped, and then it is noted anyway.

use crate::encoding::MIN_SEARCHED;
use crate::redact::Redactor;
use crate::redact::filter::FARTHEST;
use crate::redact::place::Places;
use crate::redact::structure::Class;
use crate::redact::tape::{Frame, Kind, Token};

/// A text that may change.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) token: usize,
    /// What it is, from its place.
    pub(super) class: Option<Class>,
}

/// All texts of a frame that may change, in their order.
#[derive(Debug, Default)]
pub(in crate::redact) struct Notes {
    all: Vec<Note>,
    /// So many are in order; those behind them are in an order of their own.
    ordered: usize,
}

impl Notes {
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.ordered = 0;
    }

    pub(super) fn get(&self, place: usize) -> Option<&Note> {
        self.all.get(place)
    }

    /// The place of the first one that stands behind a token.
    pub(super) fn behind(&self, token: usize) -> usize {
        self.all.partition_point(|note| note.token <= token)
    }

    /// Adds one.
    pub(super) fn add(&mut self, note: Note) {
        self.all.push(note);
    }

    /// Whether it is noted; of those that are not in order only the last one counts.
    fn has(&self, token: usize) -> bool {
        let ordered = self.all.get(..self.ordered).unwrap_or_default();
        let found = ordered.binary_search_by_key(&token, |note| note.token);
        found.is_ok() || self.all.last().is_some_and(|last| last.token == token)
    }

    /// Puts all in their order: each run of them is sorted already.
    fn order(&mut self) {
        self.all.sort_by_key(|note| note.token);
        self.ordered = self.all.len();
    }
}

impl Redactor {
    /// Notes in which texts something known may stand, from a place on; none where it stands in the name of a member.
    pub(super) fn note_hits(
        &mut self,
        frame: Frame<'_>,
        mut from: usize,
        notes: &mut Notes,
    ) -> Option<()> {
        self.look_for_names();
        notes.order();
        let begin = from;
        let text = frame.text.as_bytes();
        while let Some(at) = self.needles.next_place(text, from) {
            from = at + 1;
            let Some((token, value)) = frame.at(at) else {
                continue;
            };
            if at < value.start() {
                if self.needles.may_stand(text, at) && self.is_in_name(frame, value) {
                    return None;
                }
            } else if notes.has(token) {
                from = value.end();
            } else if self.needles.may_stand(text, at) || self.names_stand(frame.text, at) {
                notes.add(Note { token, class: None });
                from = value.end();
            }
        }
        notes.order();
        if let Some(places) = self.places.as_ref().filter(|places| places.has_short()) {
            for (token, value) in frame.tokens.iter().enumerate() {
                let is_text = value.kind == Kind::Text && value.start() >= begin;
                if is_text && !notes.has(token) && places.holds_word(frame.raw(value)) {
                    notes.add(Note { token, class: None });
                }
            }
            notes.order();
        }
        Some(())
    }

    /// Tells the search for secrets of the names that became known.
    fn look_for_names(&mut self) {
        let places = self.places.as_mut();
        for name in places.map(Places::take_new_words).unwrap_or_default() {
            self.needles.add_name(name);
        }
    }

    /// Whether a secret stands in the name of a member.
    fn is_in_name(&self, frame: Frame<'_>, member: &Token) -> bool {
        let name = frame.name(member).filter(|name| name.len() >= MIN_SEARCHED);
        name.is_some_and(|name| self.needles.find(name.as_bytes(), 0).is_some())
    }

    /// Whether a name of somebody stands as a word where it has such a place within.
    fn names_stand(&self, text: &str, at: usize) -> bool {
        let places = self.places.as_ref();
        let mut starts = at.saturating_sub(FARTHEST)..=at;
        places.is_some_and(|places| starts.any(|start| places.word_begins(text, start)))
    }
}
