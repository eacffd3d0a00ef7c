use proptest::prelude::*;

use super::*;

/// Every byte, at each of the places that are looked at together and behind them.
#[test]
fn a_string_ends_where_a_byte_is_written_otherwise() {
    for byte in 0..=u8::MAX {
        let ends = byte < b' ' || [b'"', b'\\'].contains(&byte);
        for length in [1, 7, 8, 9, 16, 23] {
            for place in 0..length {
                for other in [b'a', 0x7f, 0x80, 0xff, b'!', b'#', b'['] {
                    let mut bytes = vec![other; length];
                    bytes[place] = byte;
                    let expected = if ends { place } else { length };
                    assert_eq!(
                        plain_end(&bytes, 0),
                        Some(expected),
                        "{byte} at {place} of {length}"
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_first_one_is_found(
        bytes in prop::collection::vec(prop_oneof![4 => any::<u8>(), 1 => Just(b'"'), 1 => Just(0x1f), 1 => Just(b' ')], 0..40),
        from in 0_usize..40,
    ) {
        let from = from.min(bytes.len());
        let ends = |byte: &u8| *byte < b' ' || [b'"', b'\\'].contains(byte);
        let expected = bytes[from..].iter().position(ends).map_or(bytes.len(), |at| from + at);
        prop_assert_eq!(plain_end(&bytes, from), Some(expected));
    }

    /// The same name has the same bit whatever stands around it.
    #[test]
    fn a_name_has_one_bit(name in "[a-z_\u{e9}-]{0,12}", before in "[ -~]{0,5}", behind in "[ -~]{4,9}") {
        let bit = |text: &str, start: usize| {
            let text = &text.as_bytes()[start..];
            let (begin, tail) = ends(text, &text[..name.len()]).unwrap();
            (bit_of(begin, tail, name.len()), tail)
        };
        let one = bit(&format!("{{\"{name}\":1}}"), 2);
        let other = bit(&format!("{before}\"{name}{behind}"), before.len() + 1);
        prop_assert_eq!(one, other);
        let mut tail = [0; 4];
        let known = name.len().min(4);
        tail[4 - known..].copy_from_slice(&name.as_bytes()[name.len() - known..]);
        prop_assert_eq!(one.1.to_le_bytes(), tail);
    }
}
