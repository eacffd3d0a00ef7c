//! The catalogue reads, stays true to the suite, and tells what is wrong with it.

use std::path::Path;

use rstest::rstest;

use super::*;
use crate::run::Source;
use crate::scenario::parse;

/// Two rows, the second of them out of reach.
const TWO: &str = r#"
[reasons]
moon = "needs the moon"
[row]
001 = { shard = "setup-connect", policy = "both", title = "One" }
002 = { shard = "all", policy = "pr741", title = "Two", out = "moon" }
"#;

fn mention(id: &str, about: &str) -> Mention {
    Mention {
        id: id.to_owned(),
        about: about.to_owned(),
        worlds: Vec::new(),
        pr741: true,
        hardened: true,
    }
}

#[test]
fn a_row_stands_as_its_scenarios_and_its_reason_say() {
    let catalogue = Catalogue::parse(TWO).unwrap();
    let words = |mentions: &[Mention]| -> Vec<&'static str> {
        let lines = catalogue.lines(mentions);
        lines.iter().map(|line| line.state.word()).collect()
    };
    assert_eq!(words(&[]), ["open", "out"]);
    assert_eq!(
        words(&[mention("a", "scenario-catalogue 001")]),
        ["covered", "out"]
    );
}

#[rstest]
#[case(
    "scenario-catalogue 003",
    "a names row 003; the catalogue has 001 to 002"
)]
#[case(
    "scenario-catalogue 002",
    "row 002 says `out`, but a shows it; take `out` away"
)]
fn unknown_rows_and_stale_reasons_are_named(#[case] about: &str, #[case] expected: &str) {
    let catalogue = Catalogue::parse(TWO).unwrap();
    let mistakes = catalogue.mistakes(&[mention("a", about)]);
    let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(told, [expected]);
}

#[test]
fn a_row_about_both_companions_is_shown_with_both_or_says_why() {
    let told = |text: &str, one: &Mention| -> Vec<String> {
        let catalogue = Catalogue::parse(text).unwrap();
        let mistakes = catalogue.mistakes(std::slice::from_ref(one));
        mistakes.iter().map(ToString::to_string).collect()
    };
    let both = mention("a", "scenario-catalogue 001");
    let today = Mention {
        pr741: false,
        ..both.clone()
    };
    let why = TWO.replace("[row]", "[one_companion]\n001 = \"because\"\n[row]");
    assert_eq!(told(TWO, &both), [] as [&str; 0]);
    assert_eq!(told(&why, &today), [] as [&str; 0]);
    let [missing] = &told(TWO, &today)[..] else {
        panic!("one mistake")
    };
    assert!(
        missing.contains("row 001") && missing.contains("pr741"),
        "{missing}"
    );
    let [stale] = &told(&why, &both)[..] else {
        panic!("one mistake")
    };
    assert!(stale.contains("take it out"), "{stale}");
}

#[rstest]
#[case::hole("002 = ", "003 = ", "expected row 002, got 003")]
#[case::name("002 = ", "two = ", "expected three digits")]
#[case::reason("out = \"moon\"", "out = \"sun\"", "'sun', which is not in [reasons]")]
#[case::both("out = ", "test = \"x\", out = ", "both `test` and `out`")]
#[case::unused(", out = \"moon\"", "", "no row is out because of 'moon'")]
#[case::field("title = \"One\"", "name = \"One\"", "unknown field")]
fn a_file_that_contradicts_itself_is_refused(
    #[case] from: &str,
    #[case] to: &str,
    #[case] why: &str,
) {
    let error = Catalogue::parse(&TWO.replace(from, to)).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
}

#[test]
fn the_suite_and_the_catalogue_agree() {
    let catalogue = Catalogue::embedded().unwrap();
    assert_eq!(catalogue.rows().len(), 246);
    let files = Source::Embedded.files().unwrap();
    let mentions: Vec<Mention> = files
        .iter()
        .map(|file| Mention::from(&parse(&file.id, &file.text).unwrap()))
        .collect();
    assert_eq!(catalogue.mistakes(&mentions), []);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for row in catalogue.rows() {
        let gone = row.test.as_ref().filter(|test| !root.join(test).is_file());
        assert_eq!(
            gone, None,
            "row {:03} names a file that is not there",
            row.number
        );
    }
}
