//! Secrets that free text gives away by their surroundings: headers, URLs, options, keys, setup codes.

use std::ops::Range;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::marks::Marks;
use super::structure::classify;

/// A secret in a text: where it stands and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) range: Range<usize>,
    pub(crate) kind: &'static str,
    pub(crate) is_guess: bool,
    /// The secret itself, decoded where the place encodes it.
    pub(crate) value: String,
}

/// A shorter run of base64 is no setup code: the smallest one holds a URL or a token.
const MIN_CODE: usize = 16;
const PEM_BEGIN: &str = "-----BEGIN ";
const PEM_END: &str = "-----END ";

/// Every span, in order and without overlap, of a text with these marks.
pub(super) fn spans(text: &str, marks: Marks) -> Vec<Span> {
    let mut found = Vec::new();
    if marks.has(Marks::SPACE) {
        if marks.has(Marks::DASH) {
            pem_blocks(text, &mut found);
        }
        credentials(text, &mut found);
    }
    if marks.has(Marks::EQUALS) || marks.has(Marks::SPACE.and(Marks::DASH)) {
        assignments(text, &mut found);
    }
    if marks.has(Marks::AT.and(Marks::COLON).and(Marks::SLASH)) {
        user_info(text, &mut found);
    }
    if text.len() >= MIN_CODE && marks.has(Marks::CODE_HEAD.and(Marks::CODE_NEXT)) {
        codes(text, &mut found);
    }
    if found.len() > 1 {
        found.sort_by_key(|span| (span.range.start, std::cmp::Reverse(span.range.end)));
    }
    let mut end = 0;
    found.retain(|span| {
        let keep = span.range.start >= end && !span.range.is_empty();
        if keep {
            end = span.range.end;
        }
        keep
    });
    found
}

fn span(text: &str, range: Range<usize>, kind: &'static str, is_guess: bool) -> Option<Span> {
    let value = percent_decoded(text.get(range.clone())?);
    (!is_pseudonym(&value)).then_some(Span {
        range,
        kind,
        is_guess,
        value,
    })
}

/// Whether a value is already the name of a secret, such as `<device-token:1>`.
pub(crate) fn is_pseudonym(value: &str) -> bool {
    value
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .is_some_and(|inner| {
            let mut parts = inner.split(':');
            let kind = parts.next().unwrap_or_default();
            let number = parts.next().unwrap_or_default();
            !kind.is_empty()
                && kind
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

fn pem_blocks(text: &str, found: &mut Vec<Span>) {
    let mut from = 0;
    for start in memchr::memchr_iter(b'-', text.as_bytes()) {
        let begins = text
            .get(start..)
            .is_some_and(|rest| rest.starts_with(PEM_BEGIN));
        if start < from || !begins {
            continue;
        }
        let end = find_from(text, PEM_END, start)
            .map_or(text.len(), |end| line_end(text, end + PEM_END.len()));
        let label = text.get(start..).and_then(|rest| rest.lines().next());
        if label.is_some_and(|label| label.contains("PRIVATE KEY")) {
            found.extend(span(text, start..end, "private-key", false));
        }
        from = end;
    }
}

/// The end of a PEM block: past the five dashes that close its last line.
fn line_end(text: &str, from: usize) -> usize {
    find_from(text, "-----", from).map_or(text.len(), |dashes| dashes + 5)
}

/// `Bearer x` and `Basic x`, in headers and wherever else they are written.
fn credentials(text: &str, found: &mut Vec<Span>) {
    for space in memchr::memchr_iter(b' ', text.as_bytes()) {
        let before = text.as_bytes().get(..space).unwrap_or_default();
        let (scheme, is_basic) = match before {
            [.., b'B' | b'b', b'e', b'a', b'r', b'e', b'r'] => ("earer", false),
            [.., b'B' | b'b', b'a', b's', b'i', b'c'] => ("asic", true),
            _ => continue,
        };
        let start = space + 1;
        let end = run_end(text, start, is_credential_byte);
        let length = end - start;
        if is_basic {
            if let Some(password) = basic_password(text.get(start..end).unwrap_or_default()) {
                found.extend(span(text, start..end, "basic-credential", true));
                if let Some(last) = found.last_mut() {
                    last.value = password;
                }
            }
        } else if length >= 8 || has_authorization_before(text, space - scheme.len()) {
            found.extend(span(text, start..end, "bearer-token", true));
        }
    }
}

fn has_authorization_before(text: &str, at: usize) -> bool {
    text.get(..at).is_some_and(|before| {
        let tail: String = before.chars().rev().take(18).collect();
        tail.to_ascii_lowercase().contains("noitaz")
    })
}

/// The password of `user:password` in base64, or the whole credential when it does not decode.
fn basic_password(encoded: &str) -> Option<String> {
    if encoded.len() < 4 {
        return None;
    }
    let decoded = decode_base64(encoded)?;
    let text = String::from_utf8(decoded).ok()?;
    let (_, password) = text.split_once(':')?;
    Some(password.to_owned())
}

/// `token=x` in queries, fragments and logs, and `--token x` on command lines.
fn assignments(text: &str, found: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    for at in memchr::memchr2_iter(b'=', b' ', bytes) {
        let is_option_gap = bytes.get(at) == Some(&b' ');
        let start = name_start(bytes, at);
        let Some(name) = text.get(start..at).filter(|name| !name.is_empty()) else {
            continue;
        };
        if is_option_gap && !name.starts_with("--") {
            continue;
        }
        let Some(class) = classify(name) else {
            continue;
        };
        let end = run_end(text, at + 1, is_value_byte);
        found.extend(span(text, at + 1..end, class.kind, class.is_guess));
    }
}

fn name_start(bytes: &[u8], end: usize) -> usize {
    let length = bytes
        .get(..end)
        .unwrap_or_default()
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
        .count();
    end - length
}

/// The password in `scheme://user:password@host`.
fn user_info(text: &str, found: &mut Vec<Span>) {
    let mut from = 0;
    while let Some(at) = find_from(text, "://", from) {
        let start = at + 3;
        from = start;
        let end = run_end(text, start, |byte| {
            !byte.is_ascii_whitespace() && !b"/?#\"'<>".contains(&byte)
        });
        let authority = text.get(start..end).unwrap_or_default();
        let Some((user, _)) = authority.rsplit_once('@') else {
            continue;
        };
        if let Some((name, password)) = user.split_once(':') {
            let begin = start + name.len() + 1;
            found.extend(span(text, begin..begin + password.len(), "password", false));
        }
    }
}

/// Setup codes: runs of base64 that hold a JSON object with a bootstrap token.
fn codes(text: &str, found: &mut Vec<Span>) {
    let mut end = 0;
    for at in memchr::memchr_iter(b'e', text.as_bytes()) {
        // `{` and a quotation mark or white space.
        let next = text.as_bytes().get(at + 1);
        if at < end || !next.is_some_and(|next| b"yw".contains(next)) {
            continue;
        }
        let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
        if before.is_some_and(|byte| is_base64_byte(*byte)) {
            continue;
        }
        end = run_end(text, at, is_base64_byte);
        if end - at >= MIN_CODE && text.get(at..end).and_then(inner_token).is_some() {
            found.extend(span(text, at..end, "setup-code", false));
        }
    }
}

/// The bootstrap token inside a setup code.
pub(crate) fn inner_token(code: &str) -> Option<String> {
    // A JSON object begins with `{`, which is `e` and one of these in base64.
    let trimmed = code.trim();
    if !trimmed.starts_with('e') {
        return None;
    }
    let value: Value = serde_json::from_slice(&decode_base64(trimmed)?).ok()?;
    let token = value.get("bootstrapToken")?.as_str()?;
    (!token.is_empty() && !is_pseudonym(token)).then(|| token.to_owned())
}

/// Whether a text is a setup code whose token was replaced: one that was encoded again.
pub(super) fn is_redacted_code(code: &str) -> bool {
    let content = || serde_json::from_slice::<Value>(&decode_base64(code)?).ok();
    let token = || Some(content()?.get("bootstrapToken")?.as_str()?.to_owned());
    code.starts_with("ey") && token().is_some_and(|token| is_pseudonym(&token))
}

/// Decodes either alphabet, padded or not.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let alphabet = if text.contains(['-', '_']) {
        &alphabet::URL_SAFE
    } else {
        &alphabet::STANDARD
    };
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}

fn percent_decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let decoded = (first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = decoded {
            bytes.push(byte);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn find_from(text: &str, pattern: &str, from: usize) -> Option<usize> {
    text.get(from..)?.find(pattern).map(|at| from + at)
}

fn run_end(text: &str, start: usize, belongs: impl Fn(u8) -> bool) -> usize {
    let length = text
        .as_bytes()
        .get(start..)
        .unwrap_or_default()
        .iter()
        .take_while(|&&byte| belongs(byte))
        .count();
    start + length
}

fn is_base64_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte)
}

fn is_credential_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_=.~:!$*%@".contains(&byte)
}

fn is_value_byte(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !b"&#\"'`,;()<>[]{}\\|".contains(&byte)
}
