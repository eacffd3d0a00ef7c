//! How the forms of an ordinary secret begin, without making more of them.

use super::{LOWER, UPPER, digits_of};

/// So many bytes of each form.
pub(crate) const BEGINNING: usize = 12;

/// The first bytes of a secret, or of a form of one.
pub(crate) type Beginning = [u8; BEGINNING];

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The beginning of each form that a secret has besides the plain one, when all of it is [`super::is_plain`] and this is
/// how it begins.
pub(crate) fn each_plain_beginning(secret: &Beginning, mut add: impl FnMut(&Beginning)) {
    let forms = [UPPER, LOWER].map(|digits| (percent(secret, digits), hex(secret, digits)));
    let [upper, lower] = &forms;
    add(&upper.0);
    add(&upper.1);
    if upper.0 != lower.0 {
        add(&lower.0);
    }
    if upper.1 != lower.1 {
        add(&lower.1);
    }
    let wide = wide(secret);
    add(&wide);
    // What is left of the first byte behind none, one or two bytes of something else.
    for skipped_bits in [0, 4, 2] {
        add(&base64(&wide, skipped_bits));
        let form = base64(secret, skipped_bits);
        add(&form);
        if form.iter().any(|byte| b"+/".contains(byte)) {
            add(&form.map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                _ => byte,
            }));
        }
    }
}

fn percent(secret: &Beginning, digits: &[u8; 16]) -> Beginning {
    let mut form = [b'%'; BEGINNING];
    let (places, _) = form.as_chunks_mut();
    for ([_, high, low], byte) in places.iter_mut().zip(secret) {
        [*high, *low] = digits_of(*byte, digits);
    }
    form
}

fn hex(secret: &Beginning, digits: &[u8; 16]) -> Beginning {
    let mut form = [0; BEGINNING];
    let (places, _) = form.as_chunks_mut();
    for (place, byte) in places.iter_mut().zip(secret) {
        *place = digits_of(*byte, digits);
    }
    form
}

/// In UTF-16, little endian, of which the second byte of each letter is zero.
fn wide(secret: &Beginning) -> Beginning {
    let mut form = [0; BEGINNING];
    for (place, byte) in form.iter_mut().step_by(2).zip(secret) {
        *place = *byte;
    }
    form
}

/// In base64, from one of the first bits on.
fn base64(bytes: &Beginning, skipped_bits: u32) -> Beginning {
    // Eight letters are 48 bits.
    let [first, second] = [bytes.first_chunk(), bytes.last_chunk()];
    let [first, second] =
        [first, second].map(|eight| u64::from_be_bytes(eight.copied().unwrap_or_default()));
    let mut rest = first << skipped_bits;
    let mut form = [0; BEGINNING];
    for (at, place) in form.iter_mut().enumerate() {
        if at == 8 {
            rest = second << (16 + skipped_bits);
        }
        rest = rest.rotate_left(6);
        let [.., six] = rest.to_be_bytes();
        let letter = ALPHABET.get(usize::from(six & 63));
        *place = letter.copied().unwrap_or_default();
    }
    form
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::forms;
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// Each form has its beginning, and each beginning its form.
        #[test]
        fn beginnings_are_those_of_the_forms(secret in "[a-zA-Z0-9._~-]{12,50}") {
            let mut begun = vec![*secret.as_bytes().first_chunk().unwrap()];
            each_plain_beginning(&begun[0].clone(), |form| begun.push(*form));
            let forms = forms(&secret);
            let mut known: Vec<Beginning> = forms.iter().map(|(_, form)| *form.first_chunk().unwrap()).collect();
            prop_assert!(forms.iter().all(|(_, form)| form.len() >= BEGINNING));
            begun.sort_unstable();
            known.sort_unstable();
            known.dedup();
            prop_assert_eq!(begun, known);
        }
    }
}
