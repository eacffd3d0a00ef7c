//! The argument grammar of wsl.exe: which words mean what, in both directions.
//!
//! [`Verb::parse`] reads the words after `wsl.exe`, [`Verb::to_words`] writes them in one canonical
//! spelling, and reading what was written gives the same verb.
//!
//! ```
//! use wsl_fixtures::argv::Verb;
//!
//! let verb = Verb::parse(["-d", "Ubuntu", "-u", "root", "--", "bash", "-c", "id -u"]).unwrap();
//! let Verb::Run(run) = &verb else { unreachable!() };
//! assert_eq!((run.user.as_deref(), run.command.len()), (Some("root"), 3));
//! assert_eq!(verb.to_words()[0], "--distribution");
//! ```
//!
//! ref: setup-and-wsl.md §2.2, §4, §10

use std::collections::VecDeque;

/// One call of wsl.exe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `--version`
    Version,
    /// `--status`
    Status,
    /// `--list`
    List(List),
    /// `--install`
    Install(Install),
    /// `--terminate <distro>`
    Terminate(String),
    /// `--unregister <distro>`
    Unregister(String),
    /// `--set-default <distro>`
    SetDefault(String),
    /// `--export <distro> <file>`
    Export(String, String),
    /// `--import <distro> <folder> <file>`
    Import(String, String, String),
    /// `--shutdown`: stops every distro of the machine. No setup may use it.
    Shutdown,
    /// Anything that runs inside a distro, or opens its shell when no command is given.
    Run(Run),
}

/// What `--list` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one flag of the command line"
)]
pub struct List {
    /// `--quiet`: names only.
    pub quiet: bool,
    /// `--verbose`: state and version too.
    pub verbose: bool,
    /// `--running`
    pub running: bool,
    /// `--all`
    pub all: bool,
    /// `--online`: what can be installed.
    pub online: bool,
}

/// What `--install` makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Install {
    /// `--distribution <base>`, or the bare word; `None` installs WSL's default.
    pub distribution: Option<String>,
    /// `--name <name>`; the base's name when absent.
    pub name: Option<String>,
    /// `--location <folder>`
    pub location: Option<String>,
    /// `--no-launch`
    pub no_launch: bool,
    /// `--web-download`
    pub web_download: bool,
    /// `--no-distribution`: WSL itself only.
    pub no_distribution: bool,
}

impl Install {
    /// A distro of its own name, not launched, downloaded from the web: what a setup asks for.
    pub fn named(base: &str, name: &str) -> Self {
        Self {
            distribution: Some(base.to_owned()),
            name: Some(name.to_owned()),
            no_launch: true,
            web_download: true,
            ..Self::default()
        }
    }
}

/// A command inside a distro.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// `--distribution <name>`; the default distro when absent.
    pub distro: Option<String>,
    /// `--user <name>`; the distro's default user when absent.
    pub user: Option<String>,
    /// `--cd <folder>`, Linux or Windows spelling; `~` is the home folder.
    pub cd: Option<String>,
    /// `--exec`: without a shell in between.
    pub exec: bool,
    /// The words of the command; empty opens a shell.
    pub command: Vec<String>,
}

impl Run {
    /// `bash -s`: the script goes by stdin, where wsl.exe rewrites nothing.
    pub fn bash_stdin(distro: &str) -> Self {
        Self::command(distro, &["bash", "-s"])
    }

    /// A command with its words.
    pub fn command(distro: &str, words: &[&str]) -> Self {
        Self {
            distro: Some(distro.to_owned()),
            command: words.iter().map(|&word| word.to_owned()).collect(),
            ..Self::default()
        }
    }

    /// The same as another user.
    #[must_use]
    pub fn as_user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }
}

/// Why words are no call of wsl.exe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgvError {
    /// An option nobody knows here.
    #[error("unknown option: {0}")]
    UnknownOption(String),
    /// An option that wants a value stands last.
    #[error("{option}: expected {expected}, got nothing")]
    MissingValue {
        /// The option.
        option: String,
        /// What should follow.
        expected: &'static str,
    },
    /// Words after a verb that takes no more.
    #[error("{verb}: expected no more words, got '{word}'")]
    ExtraWord {
        /// The verb.
        verb: &'static str,
        /// The first word too many.
        word: String,
    },
}

type Words = VecDeque<String>;

impl Verb {
    /// Reads the words after `wsl.exe`.
    ///
    /// # Errors
    /// [`ArgvError`] with the word that does not fit.
    pub fn parse<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Result<Self, ArgvError> {
        let mut words: Words = words.into_iter().map(Into::into).collect();
        let first = words.front().cloned().unwrap_or_default();
        let verb = match first.as_str() {
            "--version" | "-v" => "--version",
            "--status" => "--status",
            "--shutdown" => "--shutdown",
            "--list" | "-l" => "--list",
            "--install" => "--install",
            "--terminate" | "-t" => "--terminate",
            "--unregister" => "--unregister",
            "--set-default" | "-s" => "--set-default",
            "--export" => "--export",
            "--import" => "--import",
            _ => return parse_run(words).map(Self::Run),
        };
        words.pop_front();
        let parsed = match verb {
            "--version" => Self::Version,
            "--status" => Self::Status,
            "--shutdown" => Self::Shutdown,
            "--list" => Self::List(parse_list(&mut words)?),
            "--install" => Self::Install(parse_install(&mut words)?),
            "--terminate" => Self::Terminate(value(&mut words, verb, "a distro name")?),
            "--unregister" => Self::Unregister(value(&mut words, verb, "a distro name")?),
            "--export" => Self::Export(
                value(&mut words, verb, "a distro name")?,
                value(&mut words, verb, "a file")?,
            ),
            "--import" => Self::Import(
                value(&mut words, verb, "a distro name")?,
                value(&mut words, verb, "a folder")?,
                value(&mut words, verb, "a file")?,
            ),
            _ => Self::SetDefault(value(&mut words, verb, "a distro name")?),
        };
        match words.pop_front() {
            None => Ok(parsed),
            Some(word) => Err(ArgvError::ExtraWord { verb, word }),
        }
    }

    /// The words after `wsl.exe`, long options, in a fixed order.
    pub fn to_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut say = |word: &str| words.push(word.to_owned());
        match self {
            Self::Version => say("--version"),
            Self::Status => say("--status"),
            Self::Shutdown => say("--shutdown"),
            Self::List(list) => {
                say("--list");
                flags(&mut say, list_flags(*list));
            }
            Self::Install(install) => {
                say("--install");
                options(
                    &mut say,
                    [
                        ("--distribution", &install.distribution),
                        ("--name", &install.name),
                        ("--location", &install.location),
                    ],
                );
                flags(
                    &mut say,
                    [
                        ("--no-launch", install.no_launch),
                        ("--web-download", install.web_download),
                        ("--no-distribution", install.no_distribution),
                    ],
                );
            }
            Self::Terminate(distro) => pair(&mut say, "--terminate", distro),
            Self::Unregister(distro) => pair(&mut say, "--unregister", distro),
            Self::SetDefault(distro) => pair(&mut say, "--set-default", distro),
            Self::Export(distro, file) => {
                ["--export", distro, file].into_iter().for_each(say);
            }
            Self::Import(distro, folder, file) => {
                ["--import", distro, folder, file].into_iter().for_each(say);
            }
            Self::Run(run) => {
                options(
                    &mut say,
                    [
                        ("--distribution", &run.distro),
                        ("--user", &run.user),
                        ("--cd", &run.cd),
                    ],
                );
                if run.exec {
                    say("--exec");
                } else if !run.command.is_empty() {
                    say("--");
                }
                run.command.iter().for_each(|word| say(word));
            }
        }
        words
    }
}

fn list_flags(list: List) -> [(&'static str, bool); 5] {
    [
        ("--quiet", list.quiet),
        ("--verbose", list.verbose),
        ("--running", list.running),
        ("--all", list.all),
        ("--online", list.online),
    ]
}

fn pair(say: &mut impl FnMut(&str), option: &str, value: &str) {
    say(option);
    say(value);
}

fn flags<const N: usize>(say: &mut impl FnMut(&str), flags: [(&str, bool); N]) {
    flags
        .into_iter()
        .filter(|(_, is_set)| *is_set)
        .for_each(|(name, _)| say(name));
}

fn options<const N: usize>(say: &mut impl FnMut(&str), options: [(&str, &Option<String>); N]) {
    for (name, value) in options {
        if let Some(value) = value {
            pair(say, name, value);
        }
    }
}

fn value(words: &mut Words, option: &str, expected: &'static str) -> Result<String, ArgvError> {
    words.pop_front().ok_or_else(|| ArgvError::MissingValue {
        option: option.to_owned(),
        expected,
    })
}

fn parse_list(words: &mut Words) -> Result<List, ArgvError> {
    let mut list = List::default();
    while let Some(word) = words.pop_front() {
        match word.as_str() {
            "--quiet" | "-q" => list.quiet = true,
            "--verbose" | "-v" => list.verbose = true,
            "--running" => list.running = true,
            "--all" => list.all = true,
            "--online" | "-o" => list.online = true,
            _ => return Err(ArgvError::UnknownOption(word)),
        }
    }
    Ok(list)
}

fn parse_install(words: &mut Words) -> Result<Install, ArgvError> {
    let mut install = Install::default();
    while let Some(word) = words.pop_front() {
        match word.as_str() {
            "--distribution" | "-d" => {
                install.distribution = Some(value(words, &word, "a distro name")?);
            }
            "--name" => install.name = Some(value(words, &word, "a distro name")?),
            "--location" => install.location = Some(value(words, &word, "a folder")?),
            "--no-launch" | "-n" => install.no_launch = true,
            "--web-download" => install.web_download = true,
            "--no-distribution" => install.no_distribution = true,
            option if option.starts_with('-') => return Err(ArgvError::UnknownOption(word)),
            _ if install.distribution.is_none() => install.distribution = Some(word),
            _ => {
                return Err(ArgvError::ExtraWord {
                    verb: "--install",
                    word,
                });
            }
        }
    }
    Ok(install)
}

/// Options until `--`, `--exec` or the first word that is none; the rest is the command, untouched.
fn parse_run(mut words: Words) -> Result<Run, ArgvError> {
    let mut run = Run::default();
    while let Some(word) = words.pop_front() {
        match word.as_str() {
            "--distribution" | "-d" => {
                run.distro = Some(value(&mut words, &word, "a distro name")?);
            }
            "--user" | "-u" => run.user = Some(value(&mut words, &word, "a user name")?),
            "--cd" => run.cd = Some(value(&mut words, &word, "a folder")?),
            "~" if run.cd.is_none() => run.cd = Some(word),
            "--" => break,
            "--exec" | "-e" => {
                run.exec = true;
                if words.is_empty() {
                    return Err(ArgvError::MissingValue {
                        option: word,
                        expected: "a command",
                    });
                }
                break;
            }
            option if option.starts_with('-') => return Err(ArgvError::UnknownOption(word)),
            _ => {
                words.push_front(word);
                break;
            }
        }
    }
    run.command = words.into();
    Ok(run)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn run(distro: &str, command: &[&str]) -> Verb {
        Verb::Run(Run::command(distro, command))
    }

    #[rstest]
    #[case("--version", Verb::Version)]
    #[case("--status", Verb::Status)]
    #[case("-l -v", Verb::List(List { verbose: true, ..List::default() }))]
    #[case("--list --quiet", Verb::List(List { quiet: true, ..List::default() }))]
    #[case("-t D", Verb::Terminate("D".into()))]
    #[case("--unregister D", Verb::Unregister("D".into()))]
    #[case("-d D -- sleep infinity", run("D", &["sleep", "infinity"]))]
    #[case("-d D ls -la", run("D", &["ls", "-la"]))]
    #[case("-d D -- bash -c -- x", run("D", &["bash", "-c", "--", "x"]))]
    #[case(
        "--install --distribution Ubuntu-24.04 --name D --no-launch --web-download",
        Verb::Install(Install::named("Ubuntu-24.04", "D"))
    )]
    #[case("--install --no-distribution", Verb::Install(Install { no_distribution: true, ..Install::default() }))]
    #[case("", Verb::Run(Run::default()))]
    fn words_are_read(#[case] words: &str, #[case] expected: Verb) {
        assert_eq!(Verb::parse(words.split_whitespace()), Ok(expected));
    }

    #[rstest]
    #[case("--frobnicate", "unknown option: --frobnicate")]
    #[case("--list --loud", "unknown option: --loud")]
    #[case("--terminate", "--terminate: expected a distro name, got nothing")]
    #[case("-d", "-d: expected a distro name, got nothing")]
    #[case("--status now", "--status: expected no more words, got 'now'")]
    #[case("-d D --exec", "--exec: expected a command, got nothing")]
    fn what_does_not_fit_is_named(#[case] words: &str, #[case] error: &str) {
        assert_eq!(
            Verb::parse(words.split_whitespace())
                .unwrap_err()
                .to_string(),
            error
        );
    }

    fn a_verb() -> impl Strategy<Value = Verb> {
        let name = || "[A-Za-z][A-Za-z0-9._-]{0,8}";
        let run = (
            proptest::option::of(name()),
            proptest::option::of(name()),
            proptest::option::of("[~/a-z]{1,5}"),
            any::<bool>(),
            proptest::collection::vec("[ -~]{0,6}", 0..4),
        );
        let run = run.prop_map(|(distro, user, cd, exec, command)| {
            Verb::Run(Run {
                distro,
                user,
                cd,
                exec: exec && !command.is_empty(),
                command,
            })
        });
        let install = (
            proptest::option::of(name()),
            proptest::option::of(name()),
            proptest::option::of("[a-z:/]{1,9}"),
            any::<[bool; 3]>(),
        );
        let install = install.prop_map(
            |(distribution, name, location, [no_launch, web_download, no_distribution])| {
                Verb::Install(Install {
                    distribution,
                    name,
                    location,
                    no_launch,
                    web_download,
                    no_distribution,
                })
            },
        );
        let list = any::<[bool; 5]>().prop_map(|[quiet, verbose, running, all, online]| {
            Verb::List(List {
                quiet,
                verbose,
                running,
                all,
                online,
            })
        });
        prop_oneof![
            run,
            install,
            list,
            name().prop_map(Verb::Terminate),
            name().prop_map(Verb::Unregister)
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(verb in a_verb()) {
            prop_assert_eq!(Verb::parse(verb.to_words()), Ok(verb));
        }

        #[test]
        fn no_words_break_the_reader(words in proptest::collection::vec("[ -~]{0,6}", 0..6)) {
            drop(Verb::parse(words));
        }
    }
}
