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

    pub(super) fn of(text: &str) -> Self {
        text.bytes().map(Self::of_byte).fold(Self(0), Self::and)
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

    /// Whether a text may give something away, or hold another text.
    #[inline]
    pub(super) fn may_tell(self) -> bool {
        let alone = !(Self::DASH.0 | Self::CODE_HEAD.0 | Self::CODE_NEXT.0);
        self.0 & alone != 0 || self.has(Self::CODE_HEAD.and(Self::CODE_NEXT))
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
