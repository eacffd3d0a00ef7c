//! A WSL made of the pure parts alone. Its clock is moved by hand, and a command does what a [`Script`] says.
//!
//! It runs no program: what a command prints is what the test wrote down.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::argv::{Install, Run, Verb};
use crate::distro::{ColdStart, Distro, Fate, State};
use crate::expand::{WindowsEnv, expand};
use crate::log::{CommandLog, Draft};
use crate::output::ListRow;
use crate::wsl::{Finished, Wsl, WslError};

/// How long an installation takes.
const INSTALL: Duration = Duration::from_mins(1);
/// When a command that hangs is killed.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// The process id that `$$` becomes.
const PID: u32 = 4711;

/// What commands answer: told the words as the shell in the distro would get them, and the input.
pub type Script = Box<dyn FnMut(&[String], &[u8]) -> Finished>;

/// The model of a computer with WSL.
pub struct ModelWsl {
    now: Duration,
    distros: BTreeMap<String, Distro>,
    default: Option<String>,
    cold_start: ColdStart,
    env: WindowsEnv,
    expands_argv: bool,
    script: Script,
    log: CommandLog,
}

impl std::fmt::Debug for ModelWsl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelWsl")
            .field("now", &self.now)
            .field("distros", &self.distros)
            .finish_non_exhaustive()
    }
}

impl Default for ModelWsl {
    fn default() -> Self {
        Self::new()
    }
}

impl ModelWsl {
    /// No distro, no cold start, every command succeeds in silence, arguments are expanded as wsl.exe does.
    pub fn new() -> Self {
        Self {
            now: Duration::ZERO,
            distros: BTreeMap::new(),
            default: None,
            cold_start: ColdStart::default(),
            env: WindowsEnv::default(),
            expands_argv: true,
            script: Box::new(|_, _| Finished {
                exit: Some(0),
                ..Finished::default()
            }),
            log: CommandLog::default(),
        }
    }

    /// What starts cost, for distros installed from here on.
    #[must_use]
    pub fn with_cold_start(mut self, cold_start: ColdStart) -> Self {
        self.cold_start = cold_start;
        self
    }

    /// The Windows environment of the caller.
    #[must_use]
    pub fn with_env(mut self, env: WindowsEnv) -> Self {
        self.env = env;
        self
    }

    /// What commands answer.
    #[must_use]
    pub fn with_script(mut self, script: Script) -> Self {
        self.script = script;
        self
    }

    /// Leaves arguments as they are, as the real wsl.exe does not.
    #[must_use]
    pub fn without_argv_expansion(mut self) -> Self {
        self.expands_argv = false;
        self
    }

    /// Learns a secret, so that the log does not hold it.
    pub fn redact(&mut self, kind: &str, value: &str) {
        self.log.redact(kind, value);
    }

    /// Moves the clock.
    pub fn elapse(&mut self, by: Duration) {
        self.now += by;
    }

    fn note(
        &mut self,
        verb: &Verb,
        user: Option<&String>,
        stdin: &[u8],
        exit: Option<i32>,
        took: Duration,
    ) {
        self.log.record(Draft {
            at: self.now,
            argv: verb.to_words(),
            user: user.cloned(),
            stdin: stdin.to_vec(),
            env: self.env.crossing().into_keys().collect(),
            exit,
            took,
        });
    }

    /// Notes a verb that takes no time.
    fn noted<T>(&mut self, verb: &Verb, result: Result<T, WslError>) -> Result<T, WslError> {
        let exit = if result.is_ok() { 0 } else { -1 };
        self.note(verb, None, &[], Some(exit), Duration::ZERO);
        result
    }

    fn find(&mut self, name: &str) -> Result<&mut Distro, WslError> {
        self.distros
            .get_mut(name)
            .ok_or_else(|| WslError::DistroNotFound(name.to_owned()))
    }

    fn begin(&mut self, install: &Install) -> Result<(), WslError> {
        let name = install
            .name
            .as_ref()
            .or(install.distribution.as_ref())
            .ok_or_else(|| WslError::Usage {
                expected: "a distro to install",
                got: "none".to_owned(),
            })?;
        if self.distros.contains_key(name) {
            return Err(WslError::DistroExists(name.clone()));
        }
        let distro = Distro::installing(name, self.cold_start, self.now + INSTALL);
        self.distros.insert(name.clone(), distro);
        self.default.get_or_insert_with(|| name.clone());
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), WslError> {
        self.find(name)?;
        self.distros.remove(name);
        if self.default.as_deref() == Some(name) {
            self.default = self.distros.keys().next().cloned();
        }
        Ok(())
    }

    fn execute(&mut self, run: &Run, stdin: &[u8]) -> Result<Finished, WslError> {
        let name = run.distro.clone().or_else(|| self.default.clone());
        let name = name.ok_or_else(|| WslError::DistroNotFound("(default)".to_owned()))?;
        let now = self.now;
        match self.find(&name)?.command(now) {
            Fate::StillInstalling => Err(WslError::StillInstalling(name)),
            Fate::ColdStartFailure => Ok(Finished {
                exit: Some(1),
                stderr: b"the distro has only just started\n".to_vec(),
                ..Finished::default()
            }),
            Fate::Hangs => Ok(Finished {
                exit: None,
                took: COMMAND_TIMEOUT,
                ..Finished::default()
            }),
            Fate::Runs { delay } => {
                let words: Vec<String> = if self.expands_argv {
                    run.command
                        .iter()
                        .map(|word| expand(word, &self.env, PID))
                        .collect()
                } else {
                    run.command.clone()
                };
                let mut finished = (self.script)(&words, stdin);
                finished.took += delay;
                Ok(finished)
            }
        }
    }
}

impl Wsl for ModelWsl {
    fn version(&mut self) -> Result<Vec<u32>, WslError> {
        self.noted(&Verb::Version, Ok(vec![2, 4, 13, 0]))
    }

    fn list(&mut self) -> Result<Vec<ListRow>, WslError> {
        let row = |distro: &Distro| ListRow {
            is_default: self.default.as_deref() == Some(distro.name()),
            ..ListRow::new(distro.name(), distro.state(self.now).label(), 2)
        };
        let rows = self.distros.values().map(row).collect();
        let verb = Verb::List(crate::argv::List {
            verbose: true,
            ..crate::argv::List::default()
        });
        self.noted(&verb, Ok(rows))
    }

    fn install(&mut self, install: &Install) -> Result<(), WslError> {
        let result = self.begin(install);
        self.noted(&Verb::Install(install.clone()), result)
    }

    fn terminate(&mut self, distro: &str) -> Result<(), WslError> {
        let result = self.find(distro).map(Distro::terminate);
        self.noted(&Verb::Terminate(distro.to_owned()), result)
    }

    fn unregister(&mut self, distro: &str) -> Result<(), WslError> {
        let result = self.remove(distro);
        self.noted(&Verb::Unregister(distro.to_owned()), result)
    }

    fn run(&mut self, run: &Run, stdin: &[u8]) -> Result<Finished, WslError> {
        let result = self.execute(run, stdin);
        let (exit, took) = match &result {
            Ok(finished) => (finished.exit, finished.took),
            Err(_) => (Some(-1), Duration::ZERO),
        };
        self.note(
            &Verb::Run(run.clone()),
            run.user.as_ref(),
            stdin,
            exit,
            took,
        );
        self.now += took;
        result
    }

    fn log(&self) -> &CommandLog {
        &self.log
    }
}

impl ModelWsl {
    /// The state of a distro, `None` when there is none of this name.
    pub fn state(&self, distro: &str) -> Option<State> {
        self.distros
            .get(distro)
            .map(|distro| distro.state(self.now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(wsl: ModelWsl) -> ModelWsl {
        let mut wsl = wsl;
        wsl.install(&Install::named("Ubuntu-24.04", "D")).unwrap();
        assert_eq!(
            wsl.run(&Run::bash_stdin("D"), b""),
            Err(WslError::StillInstalling("D".to_owned()))
        );
        wsl.elapse(INSTALL);
        wsl
    }

    #[test]
    fn a_distro_lives_from_install_to_unregister() {
        let mut wsl = installed(ModelWsl::new());
        assert_eq!(
            wsl.install(&Install::named("x", "D")),
            Err(WslError::DistroExists("D".to_owned()))
        );
        assert!(wsl.run(&Run::bash_stdin("D"), b"true").unwrap().success());
        assert_eq!(wsl.state("D"), Some(State::Running));
        wsl.terminate("D").unwrap();
        assert_eq!(
            wsl.list().unwrap(),
            [ListRow::new("D", "Stopped", 2).as_default()]
        );
        wsl.unregister("D").unwrap();
        assert_eq!(
            wsl.terminate("D"),
            Err(WslError::DistroNotFound("D".to_owned()))
        );
        let exits: Vec<_> = wsl
            .log()
            .entries()
            .iter()
            .map(|entry| entry.exit.unwrap())
            .collect();
        assert_eq!(exits, [0, -1, -1, 0, 0, 0, 0, -1]);
    }

    #[test]
    fn the_first_commands_after_a_terminate_fail() {
        let cold = ColdStart {
            failing_commands: 1,
            delay: Duration::from_secs(2),
            hangs: true,
        };
        let mut wsl = installed(ModelWsl::new().with_cold_start(cold));
        let read = Run::command("D", &["cat", "/etc/wsl.conf"]);
        assert_eq!(wsl.run(&read, b"").unwrap().exit, None);
        assert!(wsl.run(&read, b"").unwrap().success());
        wsl.terminate("D").unwrap();
        assert_eq!(wsl.run(&read, b"").unwrap().exit, None);
    }

    #[test]
    fn arguments_are_expanded_and_input_is_not() {
        let env = WindowsEnv::from_iter([
            ("OPENCLAW_GATEWAY_TOKEN", "t0k"),
            ("WSLENV", "OPENCLAW_GATEWAY_TOKEN"),
        ]);
        let echo: Script = Box::new(|words, stdin| Finished {
            exit: Some(0),
            stdout: [words.join(" ").as_bytes(), stdin].concat(),
            ..Finished::default()
        });
        let mut wsl = installed(ModelWsl::new().with_env(env).with_script(echo));
        wsl.redact("shared-token", "t0k");
        let finished = wsl
            .run(
                &Run::command("D", &["use", "$OPENCLAW_GATEWAY_TOKEN"]),
                b" $OPENCLAW_GATEWAY_TOKEN",
            )
            .unwrap();
        assert_eq!(
            String::from_utf8(finished.stdout).unwrap(),
            "use t0k $OPENCLAW_GATEWAY_TOKEN"
        );
        let entry = wsl.log().entries().last().unwrap();
        assert_eq!(entry.env, ["OPENCLAW_GATEWAY_TOKEN"]);
        assert!(
            !serde_json::to_string(wsl.log().entries())
                .unwrap()
                .contains("t0k")
        );
    }
}
