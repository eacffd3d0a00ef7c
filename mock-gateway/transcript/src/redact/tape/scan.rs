//! Looks at the bytes of names, strings and numbers.

use serde_json::Value;

use crate::redact::marks::Marks;

/// The length of the number at the beginning, if it is printed as it is written.
#[cold]
pub(super) fn same_number(rest: &[u8]) -> Option<usize> {
    let belongs = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(*byte);
    let length = rest.iter().take_while(belongs).count();
    let number = std::str::from_utf8(rest.get(..length)?).ok()?;
    let read = serde_json::from_str::<Value>(number).ok()?;
    (number == read.to_string().as_str()).then_some(length)
}

/// Where, at `at` or behind it, a string ends or something stands that is escaped.
#[inline]
pub(super) fn plain_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    while let Some(eight) = bytes.get(at..)?.first_chunk() {
        let stops = stops(u64::from_le_bytes(*eight));
        if stops != 0 {
            return Some(at + stops.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    let plain = |byte: &&u8| !Marks::of_byte(**byte).has(Marks::ESCAPED);
    Some(at + rest.iter().take_while(plain).count())
}

/// The highest bit of the first of eight bytes that ends a string or is escaped in it, and maybe bits of those behind it:
/// what is subtracted from a byte is borrowed from the next one only when the byte is such a one.
#[inline]
fn stops(eight: u64) -> u64 {
    const fn each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    let below = |bytes: u64, least: u8| bytes.wrapping_sub(each(least)) & !bytes;
    let quoted = below(eight ^ each(b'"'), 1);
    let escaping = below(eight ^ each(b'\\'), 1);
    (quoted | escaping | below(eight, b' ')) & each(0x80)
}

/// The length of the escape at the beginning.
pub(super) fn escape(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\\', b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        [b'\\', b'u', b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f', ..] => Some(6),
        // Backspace, tab, line feed, form feed and carriage return have letters of their own.
        [
            b'\\',
            b'u',
            b'0',
            b'0',
            b'0',
            b'0'..=b'7' | b'b' | b'e' | b'f',
            ..,
        ] => Some(6),
        _ => None,
    }
}

/// How a name, with which the text goes on, begins and ends; the same twice for a short one, behind zeros.
#[inline]
pub(super) fn ends(text: &[u8], name: &[u8]) -> Option<(u32, u32)> {
    // Behind the shortest name stand its mark, the colon, a value and a bracket.
    let begin = u32::from_le_bytes(*text.first_chunk()?);
    if let Some(tail) = name.last_chunk() {
        return Some((begin, u32::from_le_bytes(*tail)));
    }
    let short = match name.len() {
        0 => 0,
        1 => begin << 24,
        2 => begin << 16,
        _ => begin << 8,
    };
    Some((short, short))
}

/// One of 64 for a name that begins and ends so: other names seldom have the same.
#[inline]
pub(super) fn bit_of(begin: u32, tail: u32, length: usize) -> u32 {
    let both = u64::from(begin) << 32 | u64::from(tail);
    let mixed = (both ^ length as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 58) as u32
}

#[cfg(test)]
mod tests;
