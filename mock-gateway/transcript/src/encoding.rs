//! The forms in which one secret can hide in a file or string.

mod beginning;

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};
use serde::Serialize;

pub(crate) use beginning::{BEGINNING, each_plain_beginning};

/// How a secret was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// As it is.
    Raw,
    /// Its beginning only, as truncation leaves it.
    Prefix,
    /// A piece of it, as a secret that is split over two messages leaves it.
    Part,
    /// Inside a JSON string, once or twice escaped.
    JsonEscaped,
    /// URL percent-encoding, of all bytes or of the reserved ones.
    Percent,
    /// Hexadecimal, either case.
    Hex,
    /// Base64 with the standard alphabet, at any of the three alignments.
    Base64,
    /// Base64 with the URL alphabet, at any of the three alignments.
    Base64Url,
    /// UTF-16, little endian, as Windows tools print it.
    Utf16Le,
    /// Base64 of UTF-16, as PowerShell's encoded commands carry it.
    Utf16LeBase64,
}

impl Encoding {
    /// The name shown in findings and in the pseudonym of an encoded secret.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Prefix => "prefix",
            Self::Part => "part",
            Self::JsonEscaped => "json-escaped",
            Self::Percent => "percent",
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::Utf16Le => "utf16le",
            Self::Utf16LeBase64 => "utf16le-base64",
        }
    }

    /// Whether a hit stands inside a longer run of encoded bytes, of which the edges hold a few bits of the secret.
    pub(crate) fn is_base64(self) -> bool {
        match self {
            Self::Base64 | Self::Base64Url | Self::Utf16LeBase64 => true,
            Self::Raw
            | Self::Prefix
            | Self::Part
            | Self::JsonEscaped
            | Self::Percent
            | Self::Hex
            | Self::Utf16Le => false,
        }
    }
}

impl std::fmt::Display for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Values shorter than this are only replaced where their place says that they are secret: searching for them in
/// free text would hit ordinary words.
pub const MIN_SEARCHED: usize = 6;

/// A cut-off secret is recognised by this many leading bytes.
pub const PREFIX_BYTES: usize = 12;

/// Longer secrets are keys and certificates, which nobody splits.
pub(crate) const LONGEST_IN_PARTS: usize = 256;

/// The beginnings of pieces of `value` that can only be its own: twelve characters that nobody would write.
///
/// ```
/// use transcript::encoding::parts;
/// assert_eq!(parts("a-word-and-another").count(), 0);
/// assert!(parts("yV3-Issued0Token-4711xQ").count() > 3);
/// ```
pub fn parts(value: &str) -> impl Iterator<Item = (usize, &[u8])> {
    let windows = value.as_bytes().windows(PREFIX_BYTES).enumerate();
    windows.skip(1).filter(|(_, window)| looks_random(window))
}

/// Whether these characters can only be a secret's own.
pub(crate) fn looks_random(window: &[u8]) -> bool {
    let has = |test: fn(&u8) -> bool| window.iter().filter(|byte| test(byte)).count();
    let (digits, lower, upper) = (
        has(u8::is_ascii_digit),
        has(u8::is_ascii_lowercase),
        has(u8::is_ascii_uppercase),
    );
    let is_change = |pair: &&[u8]| matches!(pair, [one, other] if one.is_ascii_uppercase() != other.is_ascii_uppercase());
    let changes = window.windows(2).filter(is_change).count();
    let mixed = lower >= 1 && upper >= 1 && (digits >= 1 || changes >= 3);
    let hex = has(u8::is_ascii_hexdigit) == window.len() && digits >= 3 && lower + upper >= 3;
    mixed || hex
}

/// Every form of `value`, each once, the plain one first. Forms shorter than [`MIN_SEARCHED`] bytes are left out.
///
/// ```
/// use transcript::encoding::{forms, Encoding};
/// let forms = forms("top-secret");
/// assert!(forms.contains(&(Encoding::Hex, b"746f702d736563726574".to_vec())));
/// assert!(forms.contains(&(Encoding::Base64, b"dG9wLXNlY3Jld".to_vec())));
/// ```
pub fn forms(value: &str) -> Vec<(Encoding, Vec<u8>)> {
    let mut found: Vec<(Encoding, Vec<u8>)> = Vec::new();
    each_form(value, |encoding, form| {
        if form.len() >= MIN_SEARCHED && !found.iter().any(|(_, known)| known == form) {
            found.push((encoding, form.to_vec()));
        }
    });
    found
}

/// Every form of `value`, the plain one first, however short; of those that are all the same only the plain one.
pub(crate) fn each_form(value: &str, mut add: impl FnMut(Encoding, &[u8])) {
    let bytes = value.as_bytes();
    let mut wide = Vec::with_capacity(bytes.len() * 2);
    for unit in value.encode_utf16() {
        wide.extend(unit.to_le_bytes());
    }
    let mut text = Vec::with_capacity(bytes.len() * 6);
    add(Encoding::Raw, bytes);
    let is_plain = bytes.iter().copied().all(is_plain);
    if !is_plain {
        let escaped = json_escaped(value);
        add(Encoding::JsonEscaped, escaped.as_bytes());
        add(Encoding::JsonEscaped, json_escaped(&escaped).as_bytes());
    }
    for digits in [UPPER, LOWER] {
        add(Encoding::Percent, percent(bytes, true, digits, &mut text));
        if !is_plain {
            add(Encoding::Percent, percent(bytes, false, digits, &mut text));
        }
        add(Encoding::Hex, hex(bytes, digits, &mut text));
    }
    let mut padded = Vec::with_capacity(wide.len() + 2);
    for skip in 0..3 {
        padded.clear();
        padded.resize(skip, 0);
        padded.extend(bytes);
        let form = base64_core(&padded, skip, &mut text);
        add(Encoding::Base64, form);
        let other = |byte: &u8| b"+/".contains(byte);
        if form.iter().any(other) {
            let url = |byte: &u8| match byte {
                b'+' => b'-',
                b'/' => b'_',
                _ => *byte,
            };
            add(
                Encoding::Base64Url,
                &form.iter().map(url).collect::<Vec<_>>(),
            );
        }
        padded.truncate(skip);
        padded.extend(&wide);
        let form = base64_core(&padded, skip, &mut text);
        add(Encoding::Utf16LeBase64, form);
    }
    add(Encoding::Utf16Le, &wide);
}

/// What stands for itself in URLs and in JSON.
pub(crate) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn json_escaped(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(&quoted)
        .to_owned()
}

const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const LOWER: &[u8; 16] = b"0123456789abcdef";

fn digits_of(byte: u8, digits: &[u8; 16]) -> [u8; 2] {
    let digit = |value: u8| digits.get(usize::from(value)).copied().unwrap_or_default();
    [digit(byte >> 4), digit(byte & 15)]
}

fn percent<'a>(bytes: &[u8], all: bool, digits: &[u8; 16], text: &'a mut Vec<u8>) -> &'a [u8] {
    text.clear();
    for &byte in bytes {
        if is_plain(byte) && !all {
            text.push(byte);
        } else {
            text.push(b'%');
            text.extend(digits_of(byte, digits));
        }
    }
    text
}

fn hex<'a>(bytes: &[u8], digits: &[u8; 16], text: &'a mut Vec<u8>) -> &'a [u8] {
    text.clear();
    text.extend(bytes.iter().flat_map(|byte| digits_of(*byte, digits)));
    text
}

/// Lower-case hex of `bytes`.
pub(crate) fn hex_lower(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    let hex = hex(bytes, LOWER, &mut text);
    hex.iter().copied().map(char::from).collect()
}

/// The characters of a base64 text that depend on what stands behind the first `skip` bytes alone.
fn base64_core<'a>(padded: &[u8], skip: usize, text: &'a mut Vec<u8>) -> &'a [u8] {
    text.resize(padded.len().div_ceil(3) * 4, 0);
    // There is room for all of it.
    let length = BASE64_STANDARD_NO_PAD.encode_slice(padded, text);
    let length = length.unwrap_or_default();
    let first = (skip * 8).div_ceil(6);
    let last = (padded.len() * 8 / 6).min(length);
    text.get(first..last).unwrap_or_default()
}
