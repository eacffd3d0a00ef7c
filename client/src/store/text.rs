//! JSON as the companion's own writer spells it, so that a file changes only where a value did. ref: client-behaviour.md
//! §4, §5
//!
//! System.Text.Json with its default encoder: two spaces, no line end at the end, and everything escaped that is not
//! plain ASCII or could mean something to HTML, in upper-case hex.

use serde_json::Value;

/// The bytes of a file.
pub(super) fn pretty(value: &Value) -> Vec<u8> {
    let text = format!("{value:#}");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        match letter {
            // Between tokens there is none of these, so all of them are inside of texts.
            '\\' => match rest.next() {
                Some('"') => out.push_str("\\u0022"),
                Some('u') => {
                    out.push_str("\\u");
                    out.extend(
                        rest.by_ref()
                            .take(4)
                            .map(|digit| digit.to_ascii_uppercase()),
                    );
                }
                other => {
                    out.push('\\');
                    out.extend(other);
                }
            },
            '&' | '\'' | '<' | '>' | '`' | '+' | '\u{7f}'.. => {
                let mut units = [0; 2];
                for unit in letter.encode_utf16(&mut units) {
                    out.push_str("\\u");
                    out.extend([12, 8, 4, 0].map(|shift| hex(*unit >> shift)));
                }
            }
            _ => out.push(letter),
        }
    }
    out.into_bytes()
}

/// The last four bits as a digit.
fn hex(bits: u16) -> char {
    let digit = char::from_digit(u32::from(bits & 0xf), 16);
    digit.unwrap_or_default().to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn written(value: &Value) -> String {
        String::from_utf8(pretty(value)).unwrap()
    }

    #[rstest]
    #[case::base64("a+/=", r#""a\u002B/=""#)]
    #[case::html("<a href='x'>&`", r#""\u003Ca href=\u0027x\u0027\u003E\u0026\u0060""#)]
    #[case::quote("say \"no\" \\", r#""say \u0022no\u0022 \\""#)]
    #[case::latin("Büro", r#""B\u00FCro""#)]
    #[case::beyond_the_first_plane("\u{1f980}", r#""\uD83E\uDD80""#)]
    #[case::control("\u{1f}\t\n\u{7f}", r#""\u001F\t\n\u007F""#)]
    fn texts_are_escaped_as_dot_net_escapes_them(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(written(&json!(text)), expected);
    }

    #[test]
    fn a_file_of_a_companion_is_written_as_it_was() {
        let file = "{\n  \"DeviceId\": \"ab\",\n  \"PublicKeyBase64\": \"a\\u002Bb/c=\",\n  \"CreatedAt\": 5,\n  \"NodeDeviceTokenScopes\": [\n    \"x\"\n  ],\n  \"Empty\": {},\n  \"DeviceToken\": null\n}";
        let value: Value = serde_json::from_str(file).unwrap();
        assert_eq!(written(&value), file);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(texts in prop::collection::vec(any::<String>(), 0..4)) {
            let value = json!({"texts": texts, "key\u{e9}+": 1});
            let written = written(&value);
            prop_assert!(written.is_ascii());
            prop_assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value);
        }
    }
}
