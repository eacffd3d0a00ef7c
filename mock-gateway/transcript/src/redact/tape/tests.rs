use std::path::Path;

use proptest::prelude::*;
use proptest::sample::select;
use rstest::rstest;
use serde_json::Value;

use super::*;

#[rstest]
#[case::all(r#"{"a":[1,-2,0,true,false,null,"x",{}],"b":{"c":[]}}"#)]
#[case::escaped(r#"["\"\\\b\f\n\r\t\u0000\u001f/"]"#)]
#[case::other_letters("[\"é\u{7f}\u{2028}😀\"]")]
#[case::names(r#"{"":1,"a":2,"aa":3,"aaa":4,"aaaa":5,"aaaaa":6,"b":{"":1,"a":{"a":1}},"minProtocol":1,"maxProtocol":2}"#)]
#[case::items_without_a_name(r#"[[1,{"":2}],3]"#)]
#[case::numbers("[0.5,1e+20,18446744073709551615,-9223372036854775808]")]
fn a_text_as_it_is_printed_has_a_tape(#[case] text: &str) {
    let printed = serde_json::from_str::<Value>(text).unwrap().to_string();
    assert_eq!(printed, text);
    assert!(Tape::default().read(text).is_some());
}

#[rstest]
#[case::space("[ 1]")]
#[case::space_behind("[] ")]
#[case::no_object("1")]
#[case::twice(r#"{"a":1,"b":2,"a":3}"#)]
#[case::twice_at_the_end(r#"{"ab":1,"a":2,"abcdefghi":3,"a":4}"#)]
#[case::empty_twice(r#"{"":1,"":2}"#)]
#[case::long_twice(r#"{"minProtocol":1,"maxProtocol":2,"minProtocol":3}"#)]
#[case::twice_behind_an_object(r#"{"xyz":{"xyz":1},"xyz":2}"#)]
#[case::minus_zero("[-0]")]
#[case::leading_zero("[01]")]
#[case::float("[1e5]")]
#[case::big("[123456789012345678901234567890]")]
#[case::capital_hex(r#"["\u001F"]"#)]
#[case::letter_as_code(r#"["\u0061"]"#)]
#[case::tab_as_code(r#"["\u0009"]"#)]
#[case::slash(r#"["\/"]"#)]
#[case::control("[\"\n\"]")]
#[case::escaped_name(r#"{"a\n":1}"#)]
#[case::name_of_serde(r#"{"$serde_json::private::RawValue":"1"}"#)]
#[case::cut("[1")]
#[case::comma("[1,]")]
#[case::colon(r#"{"a":1:2}"#)]
#[case::crossed("[{]}")]
#[case::closed_otherwise("{]")]
#[case::ended_early(r#"{"a""#)]
#[case::two("{}{}")]
#[case::item_in_an_object(r#"{"a":1,2}"#)]
#[case::member_in_an_array(r#"["a":1]"#)]
fn another_text_has_none(#[case] text: &str) {
    assert!(Tape::default().read(text).is_none(), "{text}");
}

/// What is said in the field is copied: a reason to take the slow way would slow down all of it.
#[test]
fn almost_every_recorded_frame_has_a_tape() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/recordings");
    let (mut all, mut with_tape) = (0, 0);
    for release in ["2026.6.34", "2026.9.6"] {
        for file in std::fs::read_dir(root.join(release)).unwrap() {
            for line in std::fs::read_to_string(file.unwrap().path())
                .unwrap()
                .lines()
            {
                let line: Value = serde_json::from_str(line).unwrap();
                all += 1;
                let frame = line["frame"].to_string();
                with_tape += usize::from(Tape::default().read(&frame).is_some());
            }
        }
    }
    assert!(with_tape * 1000 >= all * 999, "{with_tape} of {all}");
}

#[test]
fn values_know_their_names_and_what_stands_beside_them() {
    let mut tape = Tape::default();
    let text = r#"{"a":{"role":1,"token":"t"},"token":"s","b":[["Cookie","c"],"d"]}"#;
    let frame = tape.read(text).unwrap();
    let known: Vec<_> = frame
        .tokens
        .iter()
        .filter_map(|token| Some((frame.raw(token), frame.class(token)?.kind)))
        .collect();
    assert_eq!(known, [("t", "device-token"), ("s", "shared-token")]);
    let pairs = (0..frame.tokens.len()).filter_map(|at| frame.pair(at));
    let pairs: Vec<_> = pairs
        .map(|(value, class)| (frame.raw(value), class.kind))
        .collect();
    assert_eq!(pairs, [("c", "cookie")]);
    let names: Vec<_> = frame.members(0).map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "token", "b"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// What stays is copied: so no text may have a tape that is printed otherwise.
    #[test]
    fn what_has_a_tape_is_printed_as_it_is(
        parts in prop::collection::vec(
            select(&[
                "{", "}", "[", "]", ",", ":", "\"a\":", "\"b\":", ",\"a\":", "\"c\"", "\"\\u001f\"", "\"\\u0061\"",
                "\"\\n\"", "1", "0", "-0", "0.5", "1e5", "true", "null", " ", "{}", "[]", "\"", "\\", "9", "-",
            ][..]),
            0..9,
        ),
        is_object in any::<bool>(),
    ) {
        let inner = parts.concat();
        let text = if is_object { format!("{{\"a\":{inner}}}") } else { format!("[{inner}]") };
        if Tape::default().read(&text).is_some() {
            let printed = serde_json::from_str::<Value>(&text).unwrap().to_string();
            prop_assert_eq!(printed, text);
        }
    }
}
