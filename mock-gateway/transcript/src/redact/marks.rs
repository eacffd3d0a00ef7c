//! Which characters a text has: most texts have none that could give anything away and are not looked at again.

/// The characters of a text, each kind as one bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(u16);

impl Marks {
    pub(super) const SPACE: Self = Self(1);
    pub(super) const EQUALS: Self = Self(1 << 1);
    pub(super) const AT: Self = Self(1 << 2);
    pub(super) const DASH: Self = Self(1 << 3);
    /// How a setup code begins: `e`, and `y` or `w` after it.
    pub(super) const CODE_HEAD: Self = Self(1 << 4);
    pub(super) const CODE_NEXT: Self = Self(1 << 5);
    pub(super) const DOT: Self = Self(1 << 6);
    pub(super) const COLON: Self = Self(1 << 7);
    /// Either one.
    pub(super) const SLASH: Self = Self(1 << 8);
    /// What a JSON text begins with.
    pub(super) const BRACKET: Self = Self(1 << 9);
    /// What a JSON string holds in no other way than escaped.
    pub(super) const ESCAPED: Self = Self(1 << 10);
    pub(super) const DIGIT: Self = Self(1 << 11);

    pub(super) fn of(text: &str) -> Self {
        Self::of_bytes(text.as_bytes())
    }

    /// Several bytes at once, of which the last ones may be among them twice.
    #[inline]
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        let all = |bytes: &[u8]| {
            bytes
                .iter()
                .copied()
                .map(Self::of_byte)
                .fold(Self(0), Self::and)
        };
        if let Some(last) = bytes.last_chunk::<8>() {
            let (eights, _) = bytes.as_chunks::<8>();
            return eights
                .iter()
                .fold(all(last), |marks, eight| marks.and(all(eight)));
        }
        match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
            (Some(first), Some(last)) => all(first).and(all(last)),
            (_, _) => all(bytes),
        }
    }

    #[inline]
    pub(super) fn of_byte(byte: u8) -> Self {
        MARKS.get(usize::from(byte)).copied().unwrap_or_default()
    }

    #[must_use]
    #[inline]
    pub(super) const fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    #[inline]
    pub(super) fn has(self, mark: Self) -> bool {
        self.0 & mark.0 == mark.0
    }

    /// Whether a text may give a secret away, or hold another text.
    #[inline]
    pub(super) fn may_tell_secrets(self) -> bool {
        let alone = Self::SPACE.0 | Self::EQUALS.0 | Self::BRACKET.0 | Self::ESCAPED.0;
        self.0 & alone != 0
            || self.has(Self::CODE_HEAD.and(Self::CODE_NEXT))
            || self.has(Self::AT.and(Self::COLON).and(Self::SLASH))
    }

    /// Whether a text may give away a machine or a person.
    #[inline]
    pub(super) fn may_tell_places(self) -> bool {
        self.0 & (Self::AT.0 | Self::SLASH.0) != 0 || self.may_tell_addresses()
    }

    /// Each has a digit.
    #[inline]
    pub(super) fn may_tell_addresses(self) -> bool {
        self.has(Self::DIGIT) && self.0 & (Self::DOT.0 | Self::COLON.0) != 0
    }
}

const MARKS: [Marks; 256] = {
    let mut marks = [Marks(0); 256];
    let (mut rest, mut byte) = (marks.as_mut_slice(), 0_u8);
    while let Some((first, more)) = rest.split_first_mut() {
        *first = match byte {
            b' ' => Marks::SPACE,
            b'=' => Marks::EQUALS,
            b'@' => Marks::AT,
            b'-' => Marks::DASH,
            b'e' => Marks::CODE_HEAD,
            b'y' | b'w' => Marks::CODE_NEXT,
            b'.' => Marks::DOT,
            b'0'..=b'9' => Marks::DIGIT,
            b':' => Marks::COLON,
            b'/' => Marks::SLASH,
            b'\\' => Marks(Marks::SLASH.0 | Marks::ESCAPED.0),
            b'{' | b'[' => Marks::BRACKET,
            0..=0x1f | b'"' => Marks::ESCAPED,
            _ => Marks(0),
        };
        rest = more;
        byte = byte.wrapping_add(1);
    }
    marks
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// However many bytes are looked at together.
        #[test]
        fn a_text_has_the_marks_of_its_bytes(text in "[a-z \\\\=@.:/{\"0-9\u{e9}-]{0,40}") {
            let each = text.bytes().map(Marks::of_byte).fold(Marks::default(), Marks::and);
            prop_assert_eq!(Marks::of(&text), each);
        }
    }

    /// Each byte alone, at each place.
    #[test]
    fn no_byte_is_left_out() {
        for length in 1..30 {
            for place in 0..length {
                let mut bytes = vec![b'a'; length];
                bytes[place] = b'=';
                assert_eq!(
                    Marks::of_bytes(&bytes),
                    Marks::EQUALS,
                    "{place} of {length}"
                );
            }
        }
    }
}
