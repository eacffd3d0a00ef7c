//! Every mutant of the museum is caught by its scenario, and the file tells what is wrong with it.

use std::sync::Arc;

use rstest::rstest;

use super::*;
use crate::run::Source;
use crate::scenario::{Scenario, parse};

fn suite() -> Vec<Arc<Scenario>> {
    let files = Source::Embedded.files().unwrap();
    let read = files
        .iter()
        .map(|file| Arc::new(parse(&file.id, &file.text).unwrap()));
    read.collect()
}

/// One bug that is shown, and one that is not.
const TWO: &str = r#"
[reasons]
moon = "needs the moon"
[bug]
001 = { fault = "client", title = "One", mutant = "reconnect_storm", scenario = "x/y" }
002 = { fault = "setup", title = "Two", out = "moon" }
"#;

#[test]
fn every_mutant_fails_its_scenario_and_the_good_client_passes_it() {
    let (museum, suite) = (Museum::embedded().unwrap(), suite());
    let not_caught: Vec<String> = museum
        .exhibits()
        .iter()
        .filter_map(|exhibit| Some((exhibit, Museum::show(exhibit, &suite, 7)?)))
        .filter(|(_, shown)| !shown.is_caught())
        .map(|(exhibit, shown)| format!("{:03}: {shown:?}", exhibit.number))
        .collect();
    assert_eq!(not_caught, [] as [String; 0]);
}

#[test]
fn a_mutant_that_changes_nothing_survives() {
    let text = TWO.replace("x/y", "setup-connect/no-credential-opens-no-socket");
    let museum = Museum::parse(&text).unwrap();
    let shown = Museum::show(&museum.exhibits()[0], &suite(), 7);
    assert_eq!(shown, Some(Shown::Survived));
}

#[test]
fn a_scenario_that_is_not_there_shows_nothing() {
    let museum = Museum::parse(TWO).unwrap();
    let show = |index: usize| Museum::show(&museum.exhibits()[index], &suite(), 7);
    assert_eq!((show(0), show(1)), (Some(Shown::NoScenario), None));
}

#[rstest]
#[case::hole("002 = ", "003 = ", "expected bug 002, got '003'")]
#[case::mutant("reconnect_storm", "bad_hair", "names the mutant 'bad_hair'")]
#[case::reason("out = \"moon\"", "out = \"sun\"", "no bug is out because of 'moon'")]
#[case::half(", scenario = \"x/y\"", "", "bug 001 needs")]
#[case::field("title = \"One\"", "name = \"One\"", "unknown field")]
fn a_file_that_contradicts_itself_is_refused(
    #[case] from: &str,
    #[case] to: &str,
    #[case] why: &str,
) {
    let error = Museum::parse(&TWO.replace(from, to)).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
}
