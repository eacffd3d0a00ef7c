//! Rust source with its strings and comments blanked, so that a rule about code sees only code.
//!
//! Newlines stay where they are, so line numbers hold. Not a parser: it knows line and (nested) block
//! comments, plain, byte and raw strings, and tells a character literal from a lifetime.

/// What a piece of source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Text,
}

/// Only the code; strings and comments become spaces.
pub(crate) fn code_of(source: &str) -> String {
    keep(source, Part::Code)
}

/// Only the comments.
pub(crate) fn comments_of(source: &str) -> String {
    keep(source, Part::Comment)
}

/// Code and comments; strings are cut out, their newlines stay.
pub(crate) fn without_text(source: &str) -> String {
    let mut kept = String::with_capacity(source.len());
    each(source, |part, character| {
        if part != Part::Text || character == '\n' {
            kept.push(character);
        }
    });
    kept
}

fn keep(source: &str, wanted: Part) -> String {
    let mut kept = String::with_capacity(source.len());
    each(source, |part, character| {
        let stays = part == wanted || character == '\n';
        kept.push(if stays { character } else { ' ' });
    });
    kept
}

fn each(source: &str, mut visit: impl FnMut(Part, char)) {
    let mut rest = source;
    let mut previous = ' ';
    while !rest.is_empty() {
        let (part, length) = next_part(rest, previous);
        let (head, tail) = rest.split_at(length);
        for character in head.chars() {
            visit(part, character);
            previous = character;
        }
        rest = tail;
    }
}

/// What the text starts with, and how many bytes of it belong together.
fn next_part(rest: &str, previous: char) -> (Part, usize) {
    if rest.starts_with("//") {
        return (Part::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Part::Comment, block_comment(rest));
    }
    let in_word = previous.is_alphanumeric() || previous == '_';
    if !in_word && let Some(length) = raw_string(rest) {
        return (Part::Text, length);
    }
    if rest.starts_with('"') {
        return (Part::Text, quoted(rest, '"'));
    }
    if let Some(length) = character_literal(rest) {
        return (Part::Text, length);
    }
    (
        Part::Code,
        rest.chars().next().map_or(rest.len(), char::len_utf8),
    )
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `r"..."`, `r#"..."#`, `br#"..."#`.
fn raw_string(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let inside = body.trim_start_matches('#').strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - inside.len();
    Some(
        inside
            .find(&end)
            .map_or(rest.len(), |at| start + at + end.len()),
    )
}

/// The length of a literal that starts and ends with `quote`.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return at + character.len_utf8();
        }
    }
    rest.len()
}

/// `'x'` or `'\n'`, but not the lifetime `'a`.
fn character_literal(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    let closes = inside.get(first.len_utf8()..)?.starts_with('\'');
    (first == '\\' || closes).then(|| quoted(rest, '\''))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a // b\nc", "a     \nc", "  // b\n ")]
    #[case(
        "a /* b /* c */ d */ e",
        "a                   e",
        "  /* b /* c */ d */  "
    )]
    #[case("f(\"//x\\\"\") y", "f(       ) y", "            ")]
    #[case("r#\"a\"b\"# c", "         c", "          ")]
    #[case("&'a str '\"' 'x'", "&'a str        ", "               ")]
    fn strings_and_comments_are_told_from_code(
        #[case] source: &str,
        #[case] code: &str,
        #[case] comments: &str,
    ) {
        assert_eq!(code_of(source), code);
        assert_eq!(comments_of(source), comments);
    }
}
