//! Places at which a shortcut of copying might overlook something.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use transcript::{Draft, Header, Kind, Payload, RawEntry, Recorder, Redactor};

use super::{check, check_much};

/// Of every length at which another way of searching begins, and one that is escaped.
const SECRETS: [&str; 9] = [
    "wrong0",
    "wrong10",
    "12345678",
    "oracle-pass",
    "oracle-token",
    "0123456789abc",
    "yV3-Issued_Token-0123456789abcdefghijklmnopq",
    "a\"b\\c d&e/f g",
    "geheim\u{20ac}\u{fc}n\u{fc}",
];

/// A frame that tells all of them.
fn told() -> String {
    let all: Vec<Value> = SECRETS
        .iter()
        .map(|secret| json!({"token": secret}))
        .collect();
    json!({"type": "told", "all": all}).to_string()
}

/// Every secret in every form, at each alignment in the frame, in a text and in the name of a member.
#[test]
fn secrets_at_every_alignment() {
    for secret in SECRETS {
        let mut texts = vec![told()];
        for (_, form) in transcript::encoding::forms(secret) {
            let form = String::from_utf8_lossy(&form).into_owned();
            for shift in 0..8 {
                let pad = "p".repeat(shift);
                texts.push(json!({"pad": pad, "text": form, "behind": 1}).to_string());
                texts.push(json!({"pad": pad, form.as_str(): {"x": "y"}}).to_string());
            }
            texts.push(
                json!({"x": [{format!("p{form}p"): 1}, format!("p {form} {form}")]}).to_string(),
            );
        }
        check_much(&texts).unwrap();
    }
}

/// Pieces of a secret, from each of its bytes on.
#[test]
fn pieces_at_every_alignment() {
    let secret = "yV3-Issued_Token-0123456789abcdefghijklmnopq";
    let mut texts = vec![told()];
    for begin in 0..secret.len() - 10 {
        for length in [11, 12, 13, 20] {
            let piece: String = secret.chars().skip(begin).take(length).collect();
            texts.push(json!({"pad": "p".repeat(begin % 9), "text": piece}).to_string());
        }
    }
    check_much(&texts).unwrap();
}

/// What would be a secret if it were not two strings, and secrets that hold what stands between two.
#[rstest]
#[case::over_the_marks(r#"{"token":"x\",\"y-and-more"}"#, r#"{"a":"x","y-and-more":1}"#)]
#[case::of_a_name(
    r#"{"token":"name\":\"value"}"#,
    r#"{"name":"value","is":"name\":\"value"}"#
)]
#[case::split(
    r#"{"token":"abcdefghijkl"}"#,
    r#"{"a":"abcdef","b":"ghijkl","abcdef":"ghijkl","c":["abcdef","ghijkl"]}"#
)]
#[case::beside_marks(
    r#"{"token":"abcdef"}"#,
    r#"["abcdef",["abcdef"],{"abcdef":"abcdef"},"xabcdefx"]"#
)]
#[case::at_the_end(r#"["token","abcdef"]"#, r#"["abcdef"]"#)]
#[case::escaped(
    r#"{"token":"abcdefgh"}"#,
    r#"["\"abcdefgh\"","\nabcdefgh","abcd\nefgh","\\abcdefgh"]"#
)]
#[case::twice_in_one(
    r#"{"token":"abcdef","secret":"ghijkl"}"#,
    r#"{"x":"abcdef ghijkl abcdef"}"#
)]
#[case::in_a_number(r#"{"token":"123456"}"#, r#"{"n":1234567,"m":[123456],"t":"123456"}"#)]
#[case::short_pair(
    r#"["token","abc"]"#,
    r#"[["cookie","ab"],["x","ab"],{"user":"b","host":"c"}]"#
)]
#[case::in_their_order(
    r#"{"a":"say oracle-token","token":"another-one"}"#,
    r#"["another-one","oracle-token"]"#
)]
#[case::device(
    r#"{"device":{"id":"x","publicKey":"6Kiwh_aGJvOYml_KVJeYoIb5X6vU481cmxfKxjK1ENM"}}"#,
    r#"[{"remoteDeviceId":"fc5ec1e287ad9b0942841ad9733a002c81f3d9fdb3d39d6179a3ea90d58f40e9"},"6Kiwh_aGJvOYml_KVJeYoIb5X6vU481cmxfKxjK1ENM"]"#
)]
#[case::pair_that_tells(
    r#"["token","abcdefgh"]"#,
    r#"[["x","abcdefgh"],["cookie","abcdefgh"],["cookie","{}"],["a=b","c"]]"#
)]
fn marks_and_secrets(#[case] told: &str, #[case] text: &str) {
    check(&[told.to_owned(), text.to_owned()]).unwrap();
    check(&[format!("[{told},{text}]")]).unwrap();
}

/// A password of digits in a text in a text is learned while the frame is written: what stands behind it shows it no more.
#[test]
fn what_is_learned_while_a_frame_is_written_is_hidden_behind_it() {
    let nested = json!({"password": 7_654_321}).to_string();
    let frame =
        json!({"a": "7654321 before", "b": nested, "c": "7654321 behind", "d": ["x7654321"]})
            .to_string();
    check(std::slice::from_ref(&frame)).unwrap();
    let around = json!({"x7654321": 1, "k7654321": {"7654321b": nested}, "z7654321": "7654321"});
    check(&[around.to_string()]).unwrap();
    let [raw] = entries(&frame);
    let line = Redactor::new().line(&raw);
    assert!(
        line.contains("<password:1> behind") && line.contains("x<password:1>"),
        "{line}"
    );
}

fn entries(text: &str) -> [RawEntry; 1] {
    let recorder = Recorder::in_memory(Header::new(1, "core", "mock profile 2026.6.34"));
    recorder.record(Draft::new(1, Kind::Text).payload(Payload::text(text)));
    recorder.raw_since(0).try_into().unwrap()
}

/// What is left of a home folder without a secret is another name: it is hidden in the texts behind it, too.
#[rstest]
#[case::short("bob")]
#[case::long("bobby-miller")]
fn a_name_that_a_secret_leaves_is_hidden_behind_it(#[case] name: &str) {
    let home = format!("/home/{name} abcdefgh/x");
    let said = json!([{"token": "abcdefgh"}, format!("{name} before"), home, format!("{name} behind"), {name: name}]);
    check(&[said.to_string()]).unwrap();
    let [raw] = entries(&said.to_string());
    let line = Redactor::new().hiding_places().line(&raw);
    assert!(
        line.contains("> behind") && line.contains(&format!("{name} before")),
        "{line}"
    );
}

/// Names of machines and people of every length, in both cases, at each alignment, and beside letters.
#[rstest]
#[case::shortest("bo")]
#[case::short("berta")]
#[case::six("bertha")]
#[case::eleven("berta-mill7")]
#[case::twelve("berta-miller")]
#[case::long("probe 37-check of berta miller")]
#[case::unicode("b\u{e9}rta-\u{f6}sterreich")]
#[case::odd("\u{e9}-berta")]
fn names_at_every_alignment(#[case] name: &str) {
    let mut texts = vec![json!({"user": name}).to_string()];
    for shift in 0..9 {
        let pad = "p".repeat(shift);
        for word in [name.to_owned(), name.to_ascii_uppercase()] {
            texts.push(json!({"pad": pad, "text": word}).to_string());
            texts.push(json!({"text": format!("{pad} {word}, {word}")}).to_string());
            texts.push(json!({"text": format!("{pad}{word} {word}{pad}")}).to_string());
            texts.push(
                json!({"text": format!("{pad}\u{e9}{word}-{word}\u{e9}"), word.as_str(): 1})
                    .to_string(),
            );
        }
    }
    check_much(&texts).unwrap();
}

/// Names are looked for by those who were told of people later, too.
#[test]
fn who_hides_people_later_looks_for_their_names() {
    let mut redactor = Redactor::new().hiding_places();
    redactor.register_name("user", "somebody-else");
    let [raw] = entries(r#"{"x":"somebody-else"}"#);
    assert!(redactor.line(&raw).contains("<user:1>"));
    let mut redactor = redactor.hiding_people();
    redactor.register_name("user", "berta-miller");
    let [raw] = entries(r#"{"x":"by berta-miller"}"#);
    assert!(redactor.line(&raw).contains("by <user:1>"));
}

/// More secrets than the first tables have room for, each said again later.
#[test]
fn many_secrets() {
    let secret = |at: u32| {
        format!(
            "tok{:x}-{at}",
            u64::from(at + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        )
    };
    let mut texts = Vec::new();
    for at in 0..400 {
        texts.push(
            json!({"deviceToken": secret(at), "text": format!("as {}", secret(at / 2))})
                .to_string(),
        );
    }
    check_much(&texts).unwrap();
}

/// Texts that give something away by few characters, at each length.
#[test]
fn texts_that_tell() {
    let mut texts = Vec::new();
    for length in 0..20 {
        let pad = "p".repeat(length);
        for text in [
            "10.1.2.3",
            "fe80::1c2:3",
            "a.b.c.d",
            "::",
            "/home/x",
            "\\Users\\bo",
            "a@b.c",
            "ws://anna-box/",
            "1:2:3",
            "operator.read",
            "token=abcdefgh",
            "Bearer abcdefgh",
            "--token abcdefgh",
            "{\"token\":\"abcdefgh\"}",
            "u:pw@x",
            "ss://u:pazzvord@x/",
            "ws://u:abcdefgh@x/",
            "eyJib290c3RyYXBUb2tlbiI6ImFiY2RlZmdoIn0",
        ] {
            texts.push(
                json!({"a": format!("{pad}{text}"), "b": format!("{text}{pad}")}).to_string(),
            );
            texts.push(json!([format!("{pad} {text}"), text]).to_string());
        }
    }
    for texts in texts.chunks(40) {
        check_much(texts).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Secrets and names of any length anywhere between others.
    #[test]
    fn anything_anywhere(
        secrets in prop::collection::vec("[a-cX-Z0-1_-]{4,30}", 1..5),
        names in prop::collection::vec("[a-c]{2,4}[a-c -]{0,14}[a-c]", 0..3),
        picks in prop::collection::vec((any::<prop::sample::Index>(), "[a-c ,\"\\\\\u{e9}]{0,9}", any::<bool>()), 1..12),
    ) {
        let told: Vec<_> = secrets.iter().map(|secret| json!({"token": secret})).collect();
        let named: Vec<_> = names.iter().map(|name| json!({"user": name})).collect();
        let all: Vec<String> = secrets.iter().chain(&names).cloned().collect();
        let said: Vec<Value> = picks.iter().map(|(which, pad, is_name)| {
            let word = which.get(&all);
            if *is_name { json!({format!("{pad}{word}"): pad}) } else { json!(format!("{pad}{word}{pad}")) }
        }).collect();
        check_much(&[json!([told, named]).to_string(), json!({"said": said}).to_string(), json!([said, told]).to_string()])?;
    }
}
