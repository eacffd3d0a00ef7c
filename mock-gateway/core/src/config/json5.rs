//! `openclaw.json` as people write it: comments, bare names, single quotes, commas at the end of a list. The real gateway reads
//! JSON5, from the disk and over the wire.

use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{ParseOptions, ParseStringErrorKind, parse_to_serde_value};
use serde_json::Value;

/// What JSON5 allows; commas between members stay compulsory.
pub fn options() -> ParseOptions {
    ParseOptions {
        allow_missing_commas: false,
        ..ParseOptions::default()
    }
}

/// The value of `text`; `None` when there is none in it.
///
/// # Errors
///
/// Where the text is no JSON5, and why.
pub fn parse(text: &str) -> Result<Option<Value>, ParseError> {
    parse_to_serde_value::<Option<Value>>(text, &options())
}

/// The same in the words in which the gateway refuses a text over the wire. Recorded from both releases; flow config/json5.
///
/// # Errors
///
/// `SyntaxError: JSON5: invalid character 'x' at 1:2`, or `invalid end of input` where the text breaks off.
pub(crate) fn parse_as_told(text: &str) -> Result<Value, String> {
    match parse(text) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(told(text, text.len())),
        Err(error) => Err(told(text, place(text, &error))),
    }
}

/// The byte at which the real gateway's reader gives up.
fn place(text: &str, error: &ParseError) -> usize {
    let breaks_off = matches!(
        error.kind(),
        ParseErrorKind::UnterminatedArray
            | ParseErrorKind::UnterminatedObject
            | ParseErrorKind::UnterminatedCommentBlock
            | ParseErrorKind::String(ParseStringErrorKind::UnterminatedStringLiteral)
    );
    if breaks_off {
        return text.len();
    }
    let at = error.range().start;
    if matches!(error.kind(), ParseErrorKind::ExpectedComma) {
        // Ours says where the comma would stand, the real one what stands there instead.
        let rest = text.get(at..).unwrap_or_default();
        return text.len() - rest.trim_start().len();
    }
    at
}

fn told(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    match text.get(at..).and_then(|rest| rest.chars().next()) {
        Some(found) => {
            format!("SyntaxError: JSON5: invalid character '{found}' at {line}:{column}")
        }
        None => format!("SyntaxError: JSON5: invalid end of input at {line}:{column}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// As both releases say it; flow config/json5.
    #[rstest]
    #[case("[1 2]", "character '2' at 1:4")]
    #[case("{gateway: {mode: 'local'}\n logging: {}}", "character 'l' at 2:2")]
    #[case("{gateway: 'local", "end of input at 1:17")]
    #[case("{gateway: {}} {}", "character '{' at 1:15")]
    #[case("{gateway: local}", "character 'l' at 1:11")]
    #[case("{/* without an end", "end of input at 1:19")]
    #[case("{gateway: {port: 1.2.3}}", "character '.' at 1:21")]
    #[case("{gateway:: {}}", "character ':' at 1:10")]
    #[case(r#"{"gateway""#, "end of input at 1:11")]
    fn a_mistake_is_told_with_its_place(#[case] text: &str, #[case] told: &str) {
        let error = parse_as_told(text).unwrap_err();
        assert_eq!(error, format!("SyntaxError: JSON5: invalid {told}"));
    }
}
