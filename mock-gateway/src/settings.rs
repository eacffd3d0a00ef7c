//! The gateway's configuration from a file and the command line, in the real gateway's own keys.
//!
//! The file is an `openclaw.json`: JSON with comments, trailing commas and unquoted names, as the real gateway reads
//! it. `KEY=VALUE` pairs are laid over it; a value that is not JSON is a text.
//!
//! ```
//! let profile = gateway_core::profile("2026.6.34").ok_or("no such profile")?;
//! let loaded = mock_gateway::settings::load(profile, None, &["gateway.auth.mode=none".to_owned()])?;
//! assert_eq!(loaded.config.auth.mode.as_str(), "none");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::path::{Path, PathBuf};

use gateway_core::config::{ConfigError, ConfigProblem, Ignored, from_openclaw_json, json5};
use gateway_core::{Config, Profile};
use jsonc_parser::ast;
use jsonc_parser::{CollectOptions, parse_to_ast};
use serde_json::{Map, Value};

/// A configuration, and what of it has no effect.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the gateway is told.
    pub config: Config,
    /// Keys that the real gateway knows and the mock has no use for.
    pub ignored: Vec<Ignored>,
}

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file could not be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is no JSON, even with comments.
    #[error("{}:{line}:{column}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// A pair is not `KEY=VALUE`.
    #[error("{given:?} is no setting: {problem}")]
    Pair {
        /// What was given.
        given: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The gateway does not know the key or its value.
    #[error("{place}: {error}")]
    Key {
        /// `FILE:LINE`, or the pair.
        place: String,
        /// What the gateway says.
        #[source]
        error: ConfigError,
    },
}

impl SettingsError {
    /// What to do about it, as a sentence without a full stop.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "give --config the path of a file like the real gateway's openclaw.json".to_owned(),
            Self::Syntax { .. } => "the file is JSON; comments, trailing commas and names without quotes may stand in it".to_owned(),
            Self::Pair { .. } => "write --set KEY=VALUE, e.g. --set gateway.auth.mode=password".to_owned(),
            Self::Key { error, .. } => match &error.problem {
                ConfigProblem::UnknownKey { known_to: Some(profile), .. } => {
                    format!("leave {} out, or serve --profile {profile}", error.path)
                }
                ConfigProblem::UnknownKey { .. } => {
                    format!("leave {} out; the real gateway would not start with it either", error.path)
                }
                ConfigProblem::Value { expected, .. } => {
                    format!("give {} {expected}; on the command line a text that looks like a number needs quotes: KEY='\"1\"'", error.path)
                }
            },
        }
    }
}

/// Reads the configuration: the file, if any, then each `KEY=VALUE` in order.
///
/// # Errors
/// [`SettingsError`] with the place of the first mistake.
pub fn load(
    profile: &Profile,
    file: Option<&Path>,
    pairs: &[String],
) -> Result<Loaded, SettingsError> {
    let text = match file {
        Some(path) => Some((path, read(path)?)),
        None => None,
    };
    let mut whole = match &text {
        Some((path, text)) => parse(path, text)?,
        None => Value::Object(Map::new()),
    };
    let pairs: Vec<Pair<'_>> = pairs
        .iter()
        .map(|pair| Pair::of(pair))
        .collect::<Result<_, _>>()?;
    for pair in &pairs {
        pair.lay_over(&mut whole);
    }
    from_openclaw_json(profile, &whole)
        .map(|(config, ignored)| Loaded { config, ignored })
        .map_err(|error| SettingsError::Key {
            place: place(&error.path, text.as_ref(), &pairs),
            error,
        })
}

fn read(path: &Path) -> Result<String, SettingsError> {
    std::fs::read_to_string(path).map_err(|source| SettingsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn parse(path: &Path, text: &str) -> Result<Value, SettingsError> {
    json5::parse(text)
        .map(|value| value.unwrap_or_else(|| Value::Object(Map::new())))
        .map_err(|error| SettingsError::Syntax {
            path: path.to_owned(),
            line: error.line_display(),
            column: error.column_display(),
            problem: error.kind().to_string(),
        })
}

/// One `KEY=VALUE`.
struct Pair<'a> {
    given: &'a str,
    key: &'a str,
    value: Value,
}

impl<'a> Pair<'a> {
    fn of(given: &'a str) -> Result<Self, SettingsError> {
        let wrong = |problem| SettingsError::Pair {
            given: given.to_owned(),
            problem,
        };
        let (key, value) = given.split_once('=').ok_or_else(|| wrong("it has no ="))?;
        if key.split('.').any(str::is_empty) {
            return Err(wrong("its key has an empty member"));
        }
        // Whatever is no JSON is a text, so that nobody has to quote twice for a shell.
        let value = json5::parse(value)
            .ok()
            .flatten()
            .unwrap_or_else(|| Value::String(value.to_owned()));
        Ok(Self { given, key, value })
    }

    fn lay_over(&self, whole: &mut Value) {
        let mut at = whole;
        for name in self.key.split('.') {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            let Value::Object(members) = at else { return };
            at = members.entry(name).or_insert(Value::Null);
        }
        *at = self.value.clone();
    }
}

/// The pair that set the key, else its line in the file.
fn place(path: &str, file: Option<&(&Path, String)>, pairs: &[Pair<'_>]) -> String {
    let sets = |pair: &&Pair<'_>| {
        pair.key == path
            || path
                .strip_prefix(pair.key)
                .is_some_and(|rest| rest.starts_with('.'))
            || pair
                .key
                .strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('.'))
    };
    if let Some(pair) = pairs.iter().rev().find(sets) {
        // Not the value: it may be a secret.
        return format!("--set {}", pair.given.split('=').next().unwrap_or_default());
    }
    match file {
        Some((file, text)) => format!("{}:{}", file.display(), line_of(text, path)),
        None => "the configuration".to_owned(),
    }
}

/// The line, from 1, on which a key stands; that of the innermost member of it that is there.
fn line_of(text: &str, path: &str) -> usize {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &json5::options());
    let Some(mut value) = parsed.ok().and_then(|parsed| parsed.value) else {
        return 1;
    };
    let mut start = 0;
    for name in path.split('.') {
        let ast::Value::Object(object) = value else {
            break;
        };
        let Some(member) = object
            .properties
            .into_iter()
            .find(|member| member.name.as_str() == name)
        else {
            break;
        };
        start = member.range.start;
        value = member.value;
    }
    1 + text
        .as_bytes()
        .iter()
        .take(start)
        .filter(|byte| **byte == b'\n')
        .count()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const FILE: &str = "// of the real gateway\n{\n  gateway: {\n    auth: {\n      mode: 'password',\n      password: \"p\",\n    },\n  },\n}\n";

    #[expect(clippy::disallowed_methods, reason = "the file is gone after the test")]
    fn saved(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn load_text(text: &str, pairs: &[&str]) -> Result<Loaded, SettingsError> {
        let file = saved(text);
        let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        load(
            gateway_core::profile("2026.6.34").unwrap(),
            Some(file.path()),
            &pairs,
        )
    }

    #[test]
    fn comments_trailing_commas_and_bare_names_are_read() {
        let loaded = load_text(FILE, &[]).unwrap();
        assert!(loaded.config.auth.password.unwrap().matches("p"));
    }

    #[test]
    fn pairs_win_over_the_file_and_need_no_quotes() {
        let loaded = load_text(
            FILE,
            &[
                "gateway.auth.password=q=r",
                "gateway.auth.rateLimit.maxAttempts=3",
                "gateway.trustedProxies=[\"10.0.0.1\"]",
            ],
        )
        .unwrap();
        assert!(loaded.config.auth.password.unwrap().matches("q=r"));
        assert_eq!(loaded.config.auth.rate_limit.max_attempts, 3);
        assert_eq!(loaded.config.trusted_proxies, ["10.0.0.1"]);
    }

    #[rstest]
    #[case::key("{\n\"gateway\": {\n\"auth\": {\n\"mod\": \"none\"}}}", &[], ":4: gateway.auth.mod: 2026.6.34 does not know this key")]
    #[case::value("{\n\"gateway\": {\n\n\"trustedProxies\": 1}}", &[], ":4: gateway.trustedProxies: expected a list of texts, found 1")]
    #[case::syntax("{\n\"gateway\": [}", &[], ":2:13: ")]
    #[case::set("{}", &["gateway.auth.mode=tokn"], "--set gateway.auth.mode: gateway.auth.mode: expected token")]
    #[case::secret("{}", &["gateway.auth.token=12345"], "--set gateway.auth.token: gateway.auth.token: expected a text that is not empty (the mock resolves no secret references), found 12345")]
    #[case::no_equals("{}", &["gateway.auth.mode"], "\"gateway.auth.mode\" is no setting: it has no =")]
    #[case::empty_member("{}", &["gateway..mode=1"], "is no setting: its key has an empty member")]
    fn a_mistake_has_its_place(#[case] text: &str, #[case] pairs: &[&str], #[case] expected: &str) {
        let error = load_text(text, pairs).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.hint().is_empty());
    }

    #[test]
    fn a_missing_file_is_named() {
        let profile = gateway_core::profile("2026.6.34").unwrap();
        let error = load(profile, Some(Path::new("/nope/openclaw.json")), &[]).unwrap_err();
        assert!(error.to_string().starts_with("read /nope/openclaw.json: "));
    }
}
