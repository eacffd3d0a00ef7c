//! What wsl.exe does to variables in its arguments before any shell in the distro sees them, and which
//! variables cross into the distro.
//!
//! ```
//! use wsl_fixtures::expand::{WindowsEnv, expand};
//!
//! let env = WindowsEnv::from_iter([("Path", r"C:\Windows")]);
//! assert_eq!(expand("echo '$PATH' $gone \\$PATH $(id)", &env, 42), r"echo 'C:\Windows'  $PATH $(id)");
//! ```
//!
//! ref: setup-and-wsl.md §2.2, §2.3

use std::collections::BTreeMap;

/// Variables of a Windows process: names compare without case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowsEnv(BTreeMap<String, (String, String)>);

impl WindowsEnv {
    /// The value of a variable.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0
            .get(&name.to_ascii_uppercase())
            .map(|(_, value)| value.as_str())
    }

    /// Sets a variable; the latest spelling of its name stays.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(
            name.to_ascii_uppercase(),
            (name.to_owned(), value.to_owned()),
        );
    }

    /// Names in alphabetical order, as they were spelled.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|(name, _)| name.as_str())
    }

    /// The variables that cross into a distro: those listed in `WSLENV` as `NAME[/flags]:NAME...`. Values
    /// are handed on as they are; the path flags are not applied.
    pub fn crossing(&self) -> BTreeMap<String, String> {
        let listed = self.value("WSLENV").unwrap_or_default().split(':');
        listed
            .map(|entry| entry.split('/').next().unwrap_or_default())
            .filter_map(|name| Some((name.to_owned(), self.value(name)?.to_owned())))
            .collect()
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for WindowsEnv {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut env = Self::default();
        pairs
            .into_iter()
            .for_each(|(name, value)| env.set(name.as_ref(), value.as_ref()));
        env
    }
}

/// Rewrites one argument as wsl.exe does.
///
/// | in the argument | becomes |
/// |---|---|
/// | `$NAME`, `${NAME}` | the Windows value, or nothing |
/// | `$$` | the process id of wsl.exe |
/// | `\$NAME`, `\${NAME}` | `$NAME`, `${NAME}` |
/// | `$(`, `$1`, `${NAME:-x}` and any other `$` | stays |
///
/// Quotes and parentheses protect nothing: variables inside `$( )` are rewritten like all others.
pub fn expand(argument: &str, env: &WindowsEnv, pid: u32) -> String {
    let mut out = String::with_capacity(argument.len());
    let mut rest = argument;
    while let Some(at) = rest.find(['$', '\\']) {
        let (before, token) = rest.split_at(at);
        out.push_str(before);
        let taken = take(token, env, pid, &mut out);
        rest = token.get(taken..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Writes what the token at the start of `text` becomes and returns its length in bytes. The token starts
/// with an ASCII character, so the length falls on a boundary.
fn take(text: &str, env: &WindowsEnv, pid: u32, out: &mut String) -> usize {
    if let Some(escaped) = text.strip_prefix('\\') {
        let Some((_, length)) = variable(escaped) else {
            out.push('\\');
            return 1;
        };
        out.push_str(escaped.get(..length).unwrap_or_default());
        return length + 1;
    }
    if text.starts_with("$$") {
        out.push_str(&pid.to_string());
        return 2;
    }
    let Some((name, length)) = variable(text) else {
        out.push('$');
        return 1;
    };
    out.push_str(env.value(name).unwrap_or_default());
    length
}

/// The `$NAME` or `${NAME}` at the start of the text: its name and its length in bytes.
fn variable(text: &str) -> Option<(&str, usize)> {
    let after = text.strip_prefix('$')?;
    if let Some(braced) = after.strip_prefix('{') {
        let (name, _) = braced.split_once('}')?;
        return (name_length(name) == name.len() && !name.is_empty())
            .then_some((name, name.len() + 3));
    }
    let length = name_length(after);
    (length > 0).then(|| (after.get(..length).unwrap_or_default(), length + 1))
}

fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn env() -> WindowsEnv {
        WindowsEnv::from_iter([
            ("Path", r"C:\W"),
            ("TOKEN", "t0k"),
            ("WSLENV", "TOKEN:Path/p:ABSENT"),
        ])
    }

    #[rstest]
    #[case::defined("a $TOKEN b", "a t0k b")]
    #[case::braces("${TOKEN}x", "t0kx")]
    #[case::case_does_not_count("$PATH", r"C:\W")]
    #[case::undefined("[$HOME][${HOME}]", "[][]")]
    #[case::single_quotes_protect_nothing("'$TOKEN'", "'t0k'")]
    #[case::double_quotes_protect_nothing("\"$TOKEN\"", "\"t0k\"")]
    #[case::nor_does_a_subshell("(echo $TOKEN)", "(echo t0k)")]
    #[case::nor_does_a_prefix_assignment("X=1 echo $X", "X=1 echo ")]
    #[case::own_pid("$$", "7")]
    #[case::backslash(r"\$TOKEN \${TOKEN}", "$TOKEN ${TOKEN}")]
    #[case::command_substitution("$(id -u)", "$(id -u)")]
    #[case::positional("$1 $? $@", "$1 $? $@")]
    #[case::default_value("${X:-y}", "${X:-y}")]
    #[case::a_lone_dollar("5$", "5$")]
    #[case::a_lone_backslash(r"a\b\", r"a\b\")]
    #[case::open_brace("${TOKEN", "${TOKEN")]
    #[case::not_ascii("é$TOKENé", "ét0ké")]
    fn variables_are_rewritten(#[case] argument: &str, #[case] expected: &str) {
        assert_eq!(expand(argument, &env(), 7), expected);
    }

    #[test]
    fn only_listed_variables_cross() {
        let expected = BTreeMap::from([
            ("TOKEN".to_owned(), "t0k".to_owned()),
            ("Path".to_owned(), r"C:\W".to_owned()),
        ]);
        assert_eq!(env().crossing(), expected);
        assert_eq!(
            WindowsEnv::from_iter([("TOKEN", "t0k")]).crossing(),
            BTreeMap::new()
        );
    }

    proptest! {
        #[test]
        fn text_without_dollar_stays(text in "[^$\\\\]{0,40}") {
            prop_assert_eq!(expand(&text, &env(), 7), text);
        }

        #[test]
        fn no_text_breaks_it(text in "[$\\\\{}A-Zé(]{0,20}") {
            drop(expand(&text, &env(), 7));
        }
    }
}
