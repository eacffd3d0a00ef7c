//! The command log: every call of wsl.exe with user, input, environment, exit and time, secrets redacted.
//!
//! Only the digest of the input is kept, never the input. A secret is learned by value
//! ([`CommandLog::redact`]) or known by its place: after `Bearer `, and as the value of an option or variable
//! whose name speaks of a token, secret or password.
//!
//! ```
//! use wsl_fixtures::log::{CommandLog, Draft};
//!
//! let mut log = CommandLog::default();
//! log.redact("shared-token", "t0k3n");
//! log.record(Draft { argv: vec!["echo".into(), "t0k3n".into()], ..Draft::default() });
//! assert_eq!(log.entries()[0].argv, ["echo", "<shared-token:1>"]);
//! ```
//!
//! ref: setup-and-wsl.md §10 (12)

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::argv::Verb;
use crate::expand::WindowsEnv;

/// One call, as it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// Time since the log began.
    pub at: Duration,
    /// Words after `wsl.exe`.
    pub argv: Vec<String>,
    /// The words that the program in the distro got, when wsl.exe rewrote them.
    pub received: Option<Vec<String>>,
    /// Linux user, when one was named.
    pub user: Option<String>,
    /// Everything that went to its input.
    pub stdin: Vec<u8>,
    /// Names of the variables that cross into the distro.
    pub env: Vec<String>,
    /// Exit code; `None` when its time was up.
    pub exit: Option<i32>,
    /// How long it took.
    pub took: Duration,
}

/// One call, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counted from 1.
    pub n: u64,
    /// Milliseconds since the log began.
    pub at_ms: u64,
    /// Words after `wsl.exe`, redacted.
    pub argv: Vec<String>,
    /// The words that the program in the distro got, when wsl.exe rewrote them; redacted too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Vec<String>>,
    /// Linux user.
    pub user: Option<String>,
    /// SHA-256 of the input in hex; `None` when there was none.
    pub stdin_sha256: Option<String>,
    /// Names of the variables that cross, never their values.
    pub env: Vec<String>,
    /// Exit code; `None` when its time was up.
    pub exit: Option<i32>,
    /// Why the words are no command line of wsl.exe, when they are none; redacted too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Milliseconds it took.
    pub took_ms: u64,
}

/// All calls of one fixture, in order.
#[derive(Clone, Debug, Default)]
pub struct CommandLog {
    entries: Vec<Entry>,
    secrets: Vec<(String, String)>,
}

impl CommandLog {
    /// Learns a secret: from here on its value reads as `<kind:n>`, n counted per kind. A blank value is no
    /// secret.
    pub fn redact(&mut self, kind: &str, value: &str) {
        let is_known = self.secrets.iter().any(|(known, _)| known == value);
        if value.trim().is_empty() || is_known {
            return;
        }
        let prefix = format!("<{kind}:");
        let n = self
            .secrets
            .iter()
            .filter(|(_, name)| name.starts_with(&prefix))
            .count()
            + 1;
        self.secrets
            .push((value.to_owned(), format!("{prefix}{n}>")));
        // The longest goes first, or a secret inside another would leave the rest of it readable.
        self.secrets
            .sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    }

    /// Learns the values that cross into a distro under the name of a secret.
    pub fn learn(&mut self, env: &WindowsEnv) {
        for (name, value) in env.crossing() {
            if names_a_secret(&name) {
                self.redact(&name, &value);
            }
        }
    }

    /// Keeps a call.
    pub fn record(&mut self, draft: Draft) {
        let argv = self.clean_words(&draft.argv);
        let entry = Entry {
            // Read from the words as they are kept: what is redacted in them stays so in the reason.
            refused: Verb::parse(argv.iter().cloned())
                .err()
                .map(|error| error.to_string()),
            argv,
            received: draft
                .received
                .as_deref()
                .map(|words| self.clean_words(words)),
            n: u64::try_from(self.entries.len())
                .unwrap_or(u64::MAX)
                .saturating_add(1),
            at_ms: millis(draft.at),
            user: draft.user,
            stdin_sha256: (!draft.stdin.is_empty()).then(|| sha256_hex(&draft.stdin)),
            env: draft.env,
            exit: draft.exit,
            took_ms: millis(draft.took),
        };
        self.entries.push(entry);
    }

    /// Every call so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn clean_words(&self, words: &[String]) -> Vec<String> {
        let mut after_secret_option = false;
        let words = words.iter().map(|word| {
            let word = if std::mem::take(&mut after_secret_option) {
                REDACTED.to_owned()
            } else {
                self.clean(word)
            };
            after_secret_option =
                word.starts_with('-') && !word.contains('=') && names_a_secret(&word);
            word
        });
        words.collect()
    }

    fn clean(&self, text: &str) -> String {
        let known = self
            .secrets
            .iter()
            .fold(text.to_owned(), |text, (value, name)| {
                text.replace(value, name)
            });
        let bearer = replace_after(&known, "Bearer ");
        redact_assignments(&bearer)
    }
}

const REDACTED: &str = "<redacted>";

/// Whether the name of a variable or option says that its value is a secret.
pub fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["token", "secret", "password", "auth-key", "authkey"]
        .iter()
        .any(|word| name.contains(word))
}

fn is_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | ';' | ',' | '&' | '|' | ')')
}

/// Replaces the word after each marker, unless it is a pseudonym already.
fn replace_after(text: &str, marker: &str) -> String {
    let mut pieces = text.split(marker);
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |out, piece| out + marker + &redact_head(piece))
}

fn redact_head(text: &str) -> String {
    let (value, rest) = text.split_at(text.find(is_end).unwrap_or(text.len()));
    let keeps = value.is_empty() || value.starts_with('<') || value.starts_with('$');
    if keeps {
        text.to_owned()
    } else {
        format!("{REDACTED}{rest}")
    }
}

/// `NAME=value` and `--name=value` where the name speaks of a secret.
fn redact_assignments(text: &str) -> String {
    let mut pieces = text.split('=');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let name = out
            .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
            .next()
            .unwrap_or_default();
        let piece = if names_a_secret(name) {
            redact_quoted(piece)
        } else {
            piece.to_owned()
        };
        out = out + "=" + &piece;
    }
    out
}

fn redact_quoted(text: &str) -> String {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            format!("{quote}{}", redact_head(text.get(1..).unwrap_or_default()))
        }
        _ => redact_head(text),
    }
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn logged(log: &mut CommandLog, argv: &[&str]) -> Vec<String> {
        log.record(Draft {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            ..Draft::default()
        });
        log.entries().last().unwrap().argv.clone()
    }

    #[rstest]
    #[case(&["--token", "abc"], &["--token", "<redacted>"])]
    #[case(&["--token=abc", "x"], &["--token=<redacted>", "x"])]
    #[case(&["OPENCLAW_GATEWAY_TOKEN=abc run"], &["OPENCLAW_GATEWAY_TOKEN=<redacted> run"])]
    #[case(&["export T_SECRET='abc'; go"], &["export T_SECRET='<redacted>'; go"])]
    #[case(&["curl -H 'Authorization: Bearer abc' u"], &["curl -H 'Authorization: Bearer <redacted>' u"])]
    #[case(&["TOKEN=$OPENCLAW_GATEWAY_TOKEN"], &["TOKEN=$OPENCLAW_GATEWAY_TOKEN"])]
    #[case(&["PATH=/bin", "a=b"], &["PATH=/bin", "a=b"])]
    fn a_secret_is_known_by_its_place(#[case] argv: &[&str], #[case] expected: &[&str]) {
        assert_eq!(logged(&mut CommandLog::default(), argv), expected);
    }

    #[test]
    fn a_learned_secret_is_found_anywhere_and_always_has_the_same_name() {
        let mut log = CommandLog::default();
        log.redact("device-token", "aaa");
        log.redact("device-token", "aaabbb");
        log.redact("device-token", "aaa");
        log.redact("shared-token", "ccc");
        log.redact("shared-token", " ");
        let argv = logged(&mut log, &["xaaay", "aaabbb ccc", "--password", "aaa"]);
        assert_eq!(
            argv,
            [
                "x<device-token:1>y",
                "<device-token:2> <shared-token:1>",
                "--password",
                "<redacted>"
            ]
        );
    }

    /// A command line that wsl.exe does not know is marked as such, whatever was answered.
    #[test]
    fn what_is_no_command_line_is_said_to_be_none() {
        let mut log = CommandLog::default();
        for words in [vec!["--frobnicate"], vec!["--status"]] {
            logged(&mut log, &words);
        }
        let refused: Vec<_> = log
            .entries()
            .iter()
            .map(|entry| entry.refused.as_deref())
            .collect();
        assert!(
            refused[0].is_some_and(|why| why.contains("--frobnicate")),
            "{refused:?}"
        );
        assert_eq!(refused[1], None);
    }

    #[test]
    fn input_is_kept_as_a_digest() {
        let mut log = CommandLog::default();
        log.record(Draft {
            stdin: b"abc".to_vec(),
            ..Draft::default()
        });
        log.record(Draft::default());
        let digests: Vec<_> = log
            .entries()
            .iter()
            .map(|entry| entry.stdin_sha256.as_deref())
            .collect();
        assert_eq!(
            digests,
            [
                Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
                None
            ]
        );
        assert_eq!(
            log.entries()
                .iter()
                .map(|entry| entry.n)
                .collect::<Vec<_>>(),
            [1, 2]
        );
    }
}
