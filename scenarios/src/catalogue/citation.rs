//! The numbers that an `about` names after the word for a list.
//!
//! ```
//! use scenarios::catalogue::citation::numbers;
//! let about = "scenario-catalogue 010, 107-109 (as in WSL); field-bugs 20";
//! assert_eq!(numbers(about, "scenario-catalogue"), [10, 107, 108, 109]);
//! assert_eq!(numbers(about, "field-bugs"), [20]);
//! ```

/// Every number after each `word` of the text: single ones and ranges, between commas, up to anything else.
pub fn numbers(about: &str, word: &str) -> Vec<u16> {
    let mut found = Vec::new();
    for rest in about.split(word).skip(1) {
        for part in rest.split(',') {
            let part = part.trim_start();
            let Some((first, rest)) = leading(part) else {
                break;
            };
            let last = rest
                .strip_prefix('-')
                .and_then(leading)
                .map_or(first, |(last, _)| last);
            found.extend(first..=last);
            // Whatever follows the number ends the list, were it only a remark in brackets.
            if part
                .chars()
                .any(|letter| !letter.is_ascii_digit() && letter != '-')
            {
                break;
            }
        }
    }
    found
}

/// The number that a text begins with, and the rest.
fn leading(text: &str) -> Option<(u16, &str)> {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("list 1", &[1])]
    #[case("list 1, 2; list 3", &[1, 2, 3])]
    #[case("list 1, 2 (as 3, 4), 5", &[1, 2])]
    #[case("list 12-14, 20.", &[12, 13, 14, 20])]
    #[case("list J (coalesced)", &[])]
    #[case("another 1", &[])]
    #[case("list K8, 209", &[])]
    fn only_numbers_right_after_the_word_count(#[case] about: &str, #[case] expected: &[u16]) {
        assert_eq!(numbers(about, "list"), expected);
    }
}
