//! Every malformed setup code has its own error; the first failing check wins. ref: client-behaviour.md §3

use base64::Engine as _;
use gateway_protocol::{BootstrapToken, SetupCode, SetupCodeError};
use proptest::prelude::*;
use rstest::rstest;

fn code(json: &str) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json)
}

#[rstest]
#[case::empty(String::new(), SetupCodeError::Empty)]
#[case::too_long("a".repeat(2049), SetupCodeError::TooLong(2049))]
#[case::not_json(code("nope"), SetupCodeError::Json("expected ident at line 1 column 2".to_owned()))]
#[case::array(code("[]"), SetupCodeError::NotAnObject)]
#[case::url_number(code(r#"{"url":1}"#), SetupCodeError::Url)]
#[case::url_scheme(code(r#"{"url":"ftp://h"}"#), SetupCodeError::Url)]
#[case::url_relative(code(r#"{"url":"/x"}"#), SetupCodeError::Url)]
#[case::token_number(code(r#"{"bootstrapToken":1}"#), SetupCodeError::Token)]
#[case::token_long(code(&format!(r#"{{"bootstrapToken":"{}"}}"#, "t".repeat(513))), SetupCodeError::TokenTooLong(513))]
#[case::nothing(code(r#"{"url":"","bootstrapToken":""}"#), SetupCodeError::Nothing)]
fn malformed(#[case] input: String, #[case] expected: SetupCodeError) {
    assert_eq!(SetupCode::decode(&input), Err(expected));
}

/// A code of 4n+1 characters is padded with three `=` and fails as base64, as in the companion.
#[test]
fn four_n_plus_one_is_base64_trouble() {
    assert!(matches!(
        SetupCode::decode("abcde"),
        Err(SetupCodeError::Base64(_))
    ));
}

#[test]
fn the_size_limit_is_inclusive_and_counts_blanks() {
    let token = r#"{"bootstrapToken":"t"}"#;
    let text = code(token);
    assert!(SetupCode::decode(&format!("{text}{}", " ".repeat(2048 - text.len()))).is_ok());
    assert_eq!(
        SetupCode::decode(&format!("{text}{}", " ".repeat(2049 - text.len()))),
        Err(SetupCodeError::TooLong(2049))
    );
}

#[rstest]
#[case(r#"{"url":"ws://h:1"}"#, true, false)]
#[case(r#"{"bootstrapToken":"t"}"#, false, true)]
#[case(r#"{"url":"","bootstrapToken":"t","other":1}"#, false, true)]
fn partial_codes_are_read(#[case] json: &str, #[case] url: bool, #[case] token: bool) {
    let read = SetupCode::decode(&code(json)).unwrap();
    assert_eq!(
        (read.url.is_some(), read.bootstrap_token.is_some()),
        (url, token)
    );
}

proptest! {
    #[test]
    fn what_is_encoded_decodes(token in "[A-Za-z0-9_-]{1,64}", port in 1u16.., expires in proptest::option::of(0i64..)) {
        let code = SetupCode {
            url: Some(format!("ws://127.0.0.1:{port}")),
            bootstrap_token: Some(BootstrapToken::new(token)),
            expires_at_ms: expires,
        };
        prop_assert_eq!(SetupCode::decode(&code.encode()), Ok(code));
    }

    #[test]
    fn no_input_panics(input in "\\PC{0,200}") {
        let _outcome = SetupCode::decode(&input);
    }
}
