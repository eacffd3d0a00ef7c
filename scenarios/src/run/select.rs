//! Which scenarios are meant: globs over ids, and equal parts of a plan.

use thiserror::Error;

/// Whether `id` matches `pattern`: `*` stands for any text inside one folder, `**` for any text,
/// `?` for one character. A pattern without a wildcard also names a folder and everything in it.
///
/// ```
/// use scenarios::run::glob_matches;
/// assert!(glob_matches("setup-connect/*/token", "setup-connect/auth/token"));
/// assert!(!glob_matches("setup-connect/*", "setup-connect/auth/token"));
/// assert!(glob_matches("setup-connect/**", "setup-connect/auth/token"));
/// assert!(glob_matches("setup-connect", "setup-connect/auth/token"));
/// ```
pub fn glob_matches(pattern: &str, id: &str) -> bool {
    let pattern = pattern.trim_end_matches('/');
    let pattern = pattern.strip_suffix(".toml").unwrap_or(pattern);
    if !pattern.contains(['*', '?']) {
        return id
            .strip_prefix(pattern)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    }
    wildcard(pattern.as_bytes(), id.as_bytes())
}

fn wildcard(pattern: &[u8], id: &[u8]) -> bool {
    match pattern {
        [] => id.is_empty(),
        [b'*', b'*', b'/', rest @ ..] if wildcard(rest, id) => true,
        [b'*', b'*', rest @ ..] => {
            (0..=id.len()).any(|skip| wildcard(rest, id.get(skip..).unwrap_or_default()))
        }
        [b'*', rest @ ..] => {
            let folder = id.iter().position(|&byte| byte == b'/').unwrap_or(id.len());
            (0..=folder).any(|skip| wildcard(rest, id.get(skip..).unwrap_or_default()))
        }
        [b'?', rest @ ..] => {
            matches!(id, [first, tail @ ..] if *first != b'/' && wildcard(rest, tail))
        }
        [byte, rest @ ..] => {
            matches!(id, [first, tail @ ..] if first == byte && wildcard(rest, tail))
        }
    }
}

/// One part of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slice {
    /// Everything whose id starts with this folder.
    Named(String),
    /// The `part`-th (from 1) of `of` equal parts.
    Part {
        /// From 1.
        part: usize,
        /// How many parts there are.
        of: usize,
    },
}

/// A shard that can't be understood.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("expected K/N with 1 <= K <= N, or a shard's name, got '{got}'")]
pub struct SliceError {
    /// What was given.
    pub got: String,
}

impl Slice {
    /// Reads `2/4` or a name.
    ///
    /// # Errors
    /// When there is a `/` but no part of a whole.
    pub fn parse(text: &str) -> Result<Self, SliceError> {
        let wrong = || SliceError {
            got: text.to_owned(),
        };
        let Some((part, of)) = text.split_once('/') else {
            return if text.is_empty() {
                Err(wrong())
            } else {
                Ok(Self::Named(text.to_owned()))
            };
        };
        let part: usize = part.parse().map_err(|_| wrong())?;
        let of: usize = of.parse().map_err(|_| wrong())?;
        if part == 0 || part > of {
            return Err(wrong());
        }
        Ok(Self::Part { part, of })
    }

    /// Whether the item at `position` of the sorted plan, with this id, belongs to the shard.
    /// Parts are dealt like cards, so that neighbours (often equally slow) are spread.
    pub fn takes(&self, position: usize, id: &str) -> bool {
        match self {
            Self::Named(name) => glob_matches(name, id),
            Self::Part { part, of } => position % of == part - 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a/b", "a/b", true)]
    #[case("a/b.toml", "a/b", true)]
    #[case("a/b/", "a/b/c", true)]
    #[case("a/b", "a/bc", false)]
    #[case("a/**/d", "a/d", true)]
    #[case("a/**/d", "a/b/c/d", true)]
    #[case("**/d", "d", true)]
    #[case("a/?", "a/b", true)]
    #[case("a?b", "a/b", false)]
    #[case("*", "a/b", false)]
    #[case("a/*-token*", "a/device-token-first", true)]
    fn globs(#[case] pattern: &str, #[case] id: &str, #[case] expected: bool) {
        assert_eq!(glob_matches(pattern, id), expected);
    }

    #[rstest]
    #[case("0/4")]
    #[case("5/4")]
    #[case("1/0")]
    #[case("a/b")]
    #[case("")]
    fn wrong_shards_are_told(#[case] text: &str) {
        assert_eq!(
            Slice::parse(text),
            Err(SliceError {
                got: text.to_owned()
            })
        );
    }

    proptest! {
        #[test]
        fn the_parts_are_the_whole_and_do_not_overlap(of in 1_usize..9, count in 0_usize..50) {
            for position in 0..count {
                let owners = (1..=of).filter(|&part| Slice::Part { part, of }.takes(position, "x")).count();
                prop_assert_eq!(owners, 1);
            }
        }
    }
}
