//! The verbs of wsl.exe as a typed API over one call.
//!
//! A back-end implements [`Wsl::call`]; the verbs are the same for all of them, and read what the real program
//! prints: UTF-16LE, any language.

use std::time::Duration;

use crate::argv::{Install, List, Run, Verb};
use crate::expand::WindowsEnv;
use crate::log::CommandLog;
use crate::output::{ListRow, decode, parse_list, parse_names, parse_version};

/// The limit of a call that nobody limits.
const LIMIT: Duration = Duration::from_secs(30);

/// One call of wsl.exe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The words after `wsl.exe`.
    pub words: Vec<String>,
    /// The environment of the caller. What crosses into the distro is listed in its `WSLENV`.
    pub env: WindowsEnv,
    /// Everything that goes to its input.
    pub stdin: Vec<u8>,
    /// When it is killed, with everything it started.
    pub limit: Duration,
}

impl Call {
    /// A call with these words, without input, environment or special limit.
    pub fn new<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        Self {
            words: words.into_iter().map(Into::into).collect(),
            env: WindowsEnv::default(),
            stdin: Vec::new(),
            limit: LIMIT,
        }
    }

    /// A call of this verb.
    pub fn verb(verb: &Verb) -> Self {
        Self::new(verb.to_words())
    }

    /// The same with this input.
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<Vec<u8>>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// The same with another limit.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The same with a variable that crosses into the distro.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        let listed = self
            .env
            .value("WSLENV")
            .map(|names| format!("{names}:{name}"));
        self.env.set("WSLENV", listed.as_deref().unwrap_or(name));
        self.env.set(name, value);
        self
    }
}

/// How a call ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Exit code; `None` when its time was up and it was killed.
    pub exit: Option<i32>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// How long it took.
    pub took: Duration,
}

impl Finished {
    /// Exit code 0.
    pub fn success(&self) -> bool {
        self.exit == Some(0)
    }

    /// Both streams as text, whatever their encoding, without NUL.
    pub fn text(&self) -> String {
        format!("{}{}", decode(&self.stdout), decode(&self.stderr)).replace('\0', "")
    }
}

/// Why a verb of wsl.exe failed. Failures of commands *inside* a distro are no errors: see [`Finished`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WslError {
    /// No distro of this name. The real wsl.exe says `WSL_E_DISTRO_NOT_FOUND`.
    #[error("no distro is named {0}")]
    DistroNotFound(String),
    /// It said no.
    #[error("wsl {verb} failed with exit code {exit}: {said}")]
    Failed {
        /// The first word.
        verb: String,
        /// Its exit code.
        exit: i32,
        /// What it printed, in one line.
        said: String,
    },
    /// Its time was up.
    #[error("wsl {verb} did not answer within {limit:?}")]
    TimedOut {
        /// The first word.
        verb: String,
        /// The limit.
        limit: Duration,
    },
    /// What it printed can't be read.
    #[error("wsl {verb}: expected {expected}, got '{got}'")]
    Unreadable {
        /// The first word.
        verb: String,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        got: String,
    },
}

/// A WSL: real, or a stand-in. Scripts go by stdin as a rule: wsl.exe rewrites variables in arguments
/// ([`crate::expand`]).
pub trait Wsl {
    /// Calls wsl.exe and waits for its end, or for its limit.
    fn call(&mut self, call: &Call) -> Finished;

    /// Starts wsl.exe, leaves it running and gives its process id.
    ///
    /// # Errors
    /// [`WslError::Failed`] when it could not be started.
    fn start(&mut self, call: &Call) -> Result<u32, WslError>;

    /// Lets this much time pass.
    fn pause(&mut self, time: Duration);

    /// Time since some moment in the past; never goes back.
    fn now(&self) -> Duration;

    /// Every call so far.
    fn log(&self) -> &CommandLog;

    /// Calls a verb and reads what it says.
    ///
    /// # Errors
    /// [`WslError`] when it fails or does not answer.
    fn ask(&mut self, verb: &Verb, limit: Duration) -> Result<String, WslError> {
        let call = Call::verb(verb).limit(limit);
        let name = call.words.first().cloned().unwrap_or_default();
        let finished = self.call(&call);
        let said = finished.text();
        match finished.exit {
            None => Err(WslError::TimedOut { verb: name, limit }),
            Some(0) => Ok(decode(&finished.stdout).replace('\0', "")),
            Some(_) if said.contains("WSL_E_DISTRO_NOT_FOUND") => Err(WslError::DistroNotFound(
                call.words.get(1).cloned().unwrap_or_default(),
            )),
            Some(exit) => Err(WslError::Failed {
                verb: name,
                exit,
                said: said.split_whitespace().collect::<Vec<_>>().join(" "),
            }),
        }
    }

    /// The version of WSL itself.
    ///
    /// # Errors
    /// [`WslError`] when WSL does not answer.
    fn version(&mut self) -> Result<Vec<u32>, WslError> {
        let said = self.ask(&Verb::Version, LIMIT)?;
        parse_version(&said).ok_or_else(|| WslError::Unreadable {
            verb: "--version".to_owned(),
            expected: "a line with the word WSL and a dotted version",
            got: said,
        })
    }

    /// Every distro, as `--list --verbose` shows it; none when WSL says that there is none.
    ///
    /// # Errors
    /// [`WslError`] when WSL does not answer: unknown is not absent.
    fn list(&mut self) -> Result<Vec<ListRow>, WslError> {
        let verb = Verb::List(List {
            verbose: true,
            ..List::default()
        });
        let said = match self.ask(&verb, LIMIT) {
            Err(error) if says_none_installed(&error) => return Ok(Vec::new()),
            said => said?,
        };
        parse_list(&said).map_err(|error| WslError::Unreadable {
            verb: "--list".to_owned(),
            expected: "three columns",
            got: error.to_string(),
        })
    }

    /// Every distro's name.
    ///
    /// # Errors
    /// See [`Wsl::list`].
    fn names(&mut self) -> Result<Vec<String>, WslError> {
        let verb = Verb::List(List {
            quiet: true,
            ..List::default()
        });
        match self.ask(&verb, Duration::from_secs(15)) {
            Err(error) if says_none_installed(&error) => Ok(Vec::new()),
            said => Ok(parse_names(&said?)),
        }
    }

    /// Installs a distro.
    ///
    /// # Errors
    /// [`WslError`] when WSL refuses.
    fn install(&mut self, install: &Install) -> Result<(), WslError> {
        self.ask(&Verb::Install(install.clone()), Duration::from_mins(15))
            .map(drop)
    }

    /// Kills everything in a distro and stops it.
    ///
    /// # Errors
    /// [`WslError::DistroNotFound`], or another when WSL does not answer.
    fn terminate(&mut self, distro: &str) -> Result<(), WslError> {
        self.ask(&Verb::Terminate(distro.to_owned()), LIMIT)
            .map(drop)
    }

    /// Removes a distro with all its files.
    ///
    /// # Errors
    /// [`WslError::DistroNotFound`], or another when WSL does not answer.
    fn unregister(&mut self, distro: &str) -> Result<(), WslError> {
        self.ask(&Verb::Unregister(distro.to_owned()), Duration::from_mins(1))
            .map(drop)
    }

    /// Runs a command in a distro, which starts when it must.
    fn run(&mut self, run: &Run, stdin: &[u8]) -> Finished {
        self.call(&Call::verb(&Verb::Run(run.clone())).stdin(stdin))
    }
}

fn says_none_installed(error: &WslError) -> bool {
    matches!(error, WslError::Failed { said, .. } if said.contains("WSL_E_DEFAULT_DISTRO_NOT_FOUND"))
}
