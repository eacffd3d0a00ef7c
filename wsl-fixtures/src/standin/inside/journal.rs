//! `journalctl --user-unit UNIT [-n N]`: what a unit's process wrote.

use super::unit::Place;
use super::{Failed, Said};

pub(super) fn run(words: &[String]) -> Said {
    let mut unit = None;
    let mut lines = usize::MAX;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--user-unit" | "-u" | "--unit" => unit = words.next().cloned(),
            "-n" | "--lines" => lines = words.next().and_then(|n| n.parse().ok()).unwrap_or(10),
            option if option.starts_with("--user-unit=") => {
                unit = Some(option.trim_start_matches("--user-unit=").to_owned());
            }
            _ => {}
        }
    }
    let Some(unit) = unit else {
        return Err(Failed(
            1,
            "this stand-in has journals of user units only\nhint: journalctl --user-unit UNIT"
                .to_owned(),
        ));
    };
    let text = std::fs::read_to_string(Place::of(&unit)?.journal()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let shown = all.iter().skip(all.len().saturating_sub(lines));
    Ok(shown.flat_map(|line| [*line, "\n"]).collect())
}
