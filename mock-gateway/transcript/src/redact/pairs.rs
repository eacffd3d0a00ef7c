//! How words begin that are looked for: almost no place in a text begins like one of a few.

/// The first two bytes of words.
#[derive(Debug, Default)]
pub(super) struct Pairs(Option<Box<[u64; 1 << 10]>>);

impl Pairs {
    /// Adds the beginning of a word; a shorter one begins nothing.
    pub(super) fn add(&mut self, word: &[u8]) {
        let [first, second, ..] = word else { return };
        let pair = u16::from_le_bytes([*first, *second]);
        let words = self.0.get_or_insert_with(|| Box::new([0; 1 << 10]));
        if let Some(word) = words.get_mut(usize::from(pair >> 6)) {
            *word |= 1 << (pair & 63);
        }
    }

    /// Whether a text begins with one.
    #[inline]
    pub(super) fn begin(&self, text: &[u8]) -> bool {
        let (Some(words), [first, second, ..]) = (&self.0, text) else {
            return false;
        };
        let pair = u16::from_le_bytes([*first, *second]);
        let word = words.get(usize::from(pair >> 6));
        word.is_some_and(|word| word >> (pair & 63) & 1 != 0)
    }
}
