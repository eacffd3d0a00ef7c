//! TOML to value, with errors that point into the file.

use std::ops::Range;

use super::check;
use super::diagnostic::{Problem, Problems};
use super::{Scenario, Source};

/// Reads a scenario and checks it. Warnings do not stop it; ask [`check::check`] for them.
///
/// `id` is the path below `suite/` without `.toml`.
pub fn parse(id: &str, text: &str) -> Result<Scenario, Problems> {
    let scenario = parse_unchecked(id, text)?;
    let problems = check::check(&scenario);
    if problems.has_errors() {
        Err(problems)
    } else {
        Ok(scenario)
    }
}

/// Reads a scenario without asking whether it makes sense.
pub fn parse_unchecked(id: &str, text: &str) -> Result<Scenario, Problems> {
    let file = format!("suite/{id}.toml");
    let mut scenario: Scenario = match toml::from_str(text) {
        Ok(scenario) => scenario,
        Err(error) => {
            let list = vec![explain(&error, text)];
            return Err(Problems {
                file,
                text: text.to_owned(),
                list,
            });
        }
    };
    id.clone_into(&mut scenario.id);
    scenario.source = Source {
        file,
        text: text.to_owned(),
    };
    Ok(scenario)
}

/// Turns serde's sentence into a code, a place and a remedy.
pub(crate) fn explain(error: &toml::de::Error, text: &str) -> Problem {
    let message = error.message().to_owned();
    let at = error.span();
    if let Some((name, expected)) = unknown(&message, "unknown field") {
        let place = narrow(text, at, &name);
        return Problem::error("scenario::unknown_field", format!("unknown field `{name}`"))
            .at(place)
            .help(suggest(&name, &expected, "fields"));
    }
    if let Some((name, expected)) = unknown(&message, "unknown variant") {
        let place = narrow(text, at, &name);
        return Problem::error("scenario::unknown_word", format!("unknown word `{name}`"))
            .at(place)
            .help(suggest(&name, &expected, "words"));
    }
    if let Some(field) = message
        .strip_prefix("missing field `")
        .and_then(|m| m.split('`').next())
    {
        return Problem::error(
            "scenario::missing_field",
            format!("missing field `{field}`"),
        )
        .at(at)
        .help(format!("add `{field} = ...` here"));
    }
    if message.contains("wanted exactly 1 element") {
        return Problem::error(
            "scenario::one_verb_per_step",
            "a step has more than one verb".to_owned(),
        )
        .at(at)
        .help("split it: each [[step]] is exactly one verb");
    }
    let code = if message.contains("invalid type") || message.contains("invalid value") {
        "scenario::wrong_type"
    } else if message.contains("length of time") {
        "scenario::not_a_time"
    } else {
        "scenario::not_toml"
    };
    let place = match message.split('"').nth(1) {
        Some(quoted) if !quoted.is_empty() => narrow(text, at, quoted),
        _ => at,
    };
    Problem::error(code, first_line(&message)).at(place)
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or(message).to_owned()
}

/// Reads "unknown field `x`, expected one of `a`, `b`".
fn unknown(message: &str, kind: &str) -> Option<(String, Vec<String>)> {
    let rest = message.strip_prefix(kind)?;
    let mut quoted = rest.split('`').skip(1).step_by(2).map(str::to_owned);
    let name = quoted.next()?;
    Some((name, quoted.collect()))
}

/// An error of a tagged table is placed on the whole table: finds the word inside it.
fn narrow(text: &str, at: Option<Range<usize>>, name: &str) -> Option<Range<usize>> {
    let at = at.unwrap_or(0..text.len());
    let inside = text.get(at.clone())?;
    if inside.len() <= name.len() + 2 {
        return Some(at);
    }
    let start = word_in(inside, name).or_else(|| {
        // A `[table]` header is the whole place of its table: its fields come after it.
        let rest = text.get(at.end..)?;
        word_in(rest, name).map(|offset| offset + at.end - at.start)
    });
    match start {
        Some(offset) => {
            let start = at.start + offset;
            Some(start..start + name.len())
        }
        None => Some(at),
    }
}

fn word_in(text: &str, word: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.match_indices(word).map(|(at, _)| at).find(|&at| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|t| t.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// "did you mean", or the whole list when nothing is near.
fn suggest(name: &str, expected: &[String], what: &str) -> String {
    match nearest(name, expected.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the {what} here are {}", expected.join(", ")),
    }
}

/// The candidate that differs least from a word, if it is near enough to be meant.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let length = word.chars().count();
    let limit = if length < 4 { 1 } else { (length / 3).max(2) };
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = row.get(j).copied().unwrap_or(usize::MAX - 1) + usize::from(x != *y);
            let inserted = next.last().copied().unwrap_or(usize::MAX - 1) + 1;
            let removed = row.get(j + 1).copied().unwrap_or(usize::MAX - 1) + 1;
            next.push(replaced.min(inserted).min(removed));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
#[path = "parsing_tests.rs"]
mod tests;
