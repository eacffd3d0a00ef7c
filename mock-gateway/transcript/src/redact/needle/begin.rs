//! The beginnings of secrets and of their forms, by which they are found.

use super::Pieces;
use super::table::Sign;
use crate::encoding::{self, BEGINNING, Encoding, LONGEST_IN_PARTS, MIN_SEARCHED};

/// How each form of a secret that is searched for begins, with the sign that it gives.
pub(super) fn each_beginning(value: &str, mut add: impl FnMut(&[u8], Sign)) {
    let is_plain = value.bytes().all(encoding::is_plain);
    if let Some(begin) = value.as_bytes().first_chunk().filter(|_| is_plain) {
        add(begin, Sign::Whole);
        encoding::each_plain_beginning(begin, |form| add(form, Sign::Form));
        return;
    }
    // The forms of so many bytes begin as those of all of it do.
    let beginning = beginning(value, BEGINNING);
    let mut link = |form: &[u8], sign| {
        if form.len() >= MIN_SEARCHED {
            add(form, sign);
        }
    };
    encoding::each_form(beginning, |encoding, form| {
        let is_raw = encoding == Encoding::Raw;
        link(form, if is_raw { Sign::Whole } else { Sign::Form });
    });
    // What is escaped further on only begins as it is.
    if !is_plain {
        link(beginning.as_bytes(), Sign::Escaped);
    }
}

/// What of a secret may be said without its beginning.
pub(super) fn within(value: &str, pieces: Pieces) -> Option<&[u8]> {
    let is_searched = pieces == Pieces::All && value.len() <= LONGEST_IN_PARTS;
    value.as_bytes().get(1..).filter(|_| is_searched)
}

/// The first bytes of a secret, that many or a few more.
pub(super) fn beginning(value: &str, bytes: usize) -> &str {
    let end = (bytes..value.len()).find(|end| value.is_char_boundary(*end));
    end.and_then(|end| value.get(..end)).unwrap_or(value)
}
