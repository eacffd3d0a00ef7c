//! A WSL in memory: the [`Machine`] with a clock that is moved by hand and commands that do what [`Inside`] says.
//!
//! It runs no program. Time passes only when a call takes it or somebody pauses, so ninety seconds of waiting
//! cost nothing.

use std::time::Duration;

use crate::argv::Verb;
use crate::distro::State;
use crate::log::{CommandLog, Draft};
use crate::machine::{Answer, Change, Execution, Machine};
use crate::wsl::{Call, Finished, Wsl, WslError};

/// The process id that `$$` becomes.
const PID: u32 = 4711;

/// What is in a distro.
pub trait Inside {
    /// Runs a command.
    fn run(&mut self, execution: &Execution, stdin: &[u8]) -> Finished;

    /// A distro was made, stopped or removed.
    fn follow(&mut self, change: &Change) {
        drop(change.clone());
    }
}

impl<F: FnMut(&Execution, &[u8]) -> Finished> Inside for F {
    fn run(&mut self, execution: &Execution, stdin: &[u8]) -> Finished {
        self(execution, stdin)
    }
}

/// The model of a computer with WSL.
pub struct ModelWsl {
    /// The computer.
    pub machine: Machine,
    now: Duration,
    inside: Box<dyn Inside>,
    detached: Vec<String>,
    received: Option<Vec<String>>,
    log: CommandLog,
}

impl std::fmt::Debug for ModelWsl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelWsl")
            .field("now", &self.now)
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

impl Default for ModelWsl {
    fn default() -> Self {
        Self::new(Machine::default())
    }
}

impl ModelWsl {
    /// Every command in a distro succeeds in silence.
    pub fn new(machine: Machine) -> Self {
        Self {
            machine,
            now: Duration::ZERO,
            inside: Box::new(|_: &Execution, _: &[u8]| Finished {
                exit: Some(0),
                ..Finished::default()
            }),
            detached: Vec::new(),
            received: None,
            log: CommandLog::default(),
        }
    }

    /// What is in the distros.
    #[must_use]
    pub fn with_inside(mut self, inside: Box<dyn Inside>) -> Self {
        self.inside = inside;
        self
    }

    /// Learns a secret, so that the log does not hold it.
    pub fn redact(&mut self, kind: &str, value: &str) {
        self.log.redact(kind, value);
    }

    /// Commands that were started and left running, one line each.
    pub fn detached(&self) -> &[String] {
        &self.detached
    }

    /// The state of a distro, `None` when there is none of this name.
    pub fn state(&self, distro: &str) -> Option<State> {
        Some(self.machine.distro(distro)?.distro.state(self.now))
    }

    /// What runs in a distro ends with it, also when it was WSL that stopped it.
    fn stop_idle(&mut self) {
        for distro in self.machine.idle(self.now) {
            self.inside.follow(&Change::Stopped(distro));
        }
    }

    fn finish(&mut self, answer: Answer, call: &Call) -> Finished {
        let finished = match answer {
            Answer::Printed(printed) => Finished {
                exit: Some(printed.exit),
                stdout: printed.stdout,
                stderr: printed.stderr,
                took: printed.delay,
            },
            Answer::Hangs(stdout) => Finished {
                stdout,
                took: call.limit,
                ..Finished::default()
            },
            Answer::Execute(execution) => {
                self.received = execution.rewritten(call);
                let mut finished = self.inside.run(&execution, &call.stdin);
                finished.took += execution.delay;
                self.machine
                    .finished(self.now + finished.took, &execution.distro);
                finished
            }
        };
        if finished.took > call.limit {
            return Finished {
                exit: None,
                took: call.limit,
                ..finished
            };
        }
        finished
    }

    fn note(&mut self, call: &Call, exit: Option<i32>, took: Duration) {
        self.log.learn(&call.env);
        let user = match Verb::parse(call.words.iter().cloned()) {
            Ok(Verb::Run(run)) => run.user,
            _ => None,
        };
        self.log.record(Draft {
            at: self.now,
            argv: call.words.clone(),
            received: self.received.take(),
            user,
            stdin: call.stdin.clone(),
            env: call.env.crossing().into_keys().collect(),
            exit,
            took,
        });
    }
}

impl Wsl for ModelWsl {
    fn call(&mut self, call: &Call) -> Finished {
        self.stop_idle();
        let (answer, changes) = self.machine.call_with_changes(self.now, call, PID);
        for change in &changes {
            self.inside.follow(change);
        }
        let finished = self.finish(answer, call);
        self.note(call, finished.exit, finished.took);
        self.now += finished.took;
        finished
    }

    fn start(&mut self, call: &Call) -> Result<u32, WslError> {
        match self.machine.call(self.now, call, PID) {
            // It goes on running: the machine is never told that it finished.
            Answer::Execute(execution) => {
                self.received = execution.rewritten(call);
                self.detached.push(execution.words.join(" "));
            }
            Answer::Hangs(_) => self.detached.push(call.words.join(" ")),
            Answer::Printed(printed) => {
                self.note(call, Some(printed.exit), Duration::ZERO);
                return Err(WslError::Failed {
                    verb: call.words.first().cloned().unwrap_or_default(),
                    exit: printed.exit,
                    said: String::new(),
                });
            }
        }
        self.note(call, None, Duration::ZERO);
        Ok(PID)
    }

    fn pause(&mut self, time: Duration) {
        self.now += time;
        self.stop_idle();
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn log(&self) -> &CommandLog {
        &self.log
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argv::{Install, Run};
    use crate::distro::ColdStart;
    use crate::output::ListRow;

    fn installed(machine: Machine) -> ModelWsl {
        let mut wsl = ModelWsl::new(machine);
        wsl.install(&Install::named("Ubuntu-24.04", "D")).unwrap();
        wsl
    }

    #[test]
    fn a_distro_lives_from_install_to_unregister() {
        let mut wsl = installed(Machine::default());
        assert!(
            wsl.install(&Install::named("x", "D"))
                .unwrap_err()
                .to_string()
                .contains("ERROR_ALREADY_EXISTS")
        );
        assert!(wsl.run(&Run::bash_stdin("D"), b"true").success());
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
        assert_eq!(wsl.names(), Ok(Vec::new()));
        let exits: Vec<_> = wsl
            .log()
            .entries()
            .iter()
            .map(|entry| entry.exit.unwrap())
            .collect();
        assert_eq!(exits, [0, -1, 0, 0, 0, 0, -1, -1]);
    }

    #[test]
    fn the_first_commands_after_a_terminate_fail() {
        let cold_start = ColdStart {
            failing_commands: 1,
            delay: Duration::from_secs(2),
            hangs: true,
        };
        let mut wsl = installed(Machine {
            cold_start,
            ..Machine::default()
        });
        let read = Run::command("D", &["cat", "/etc/wsl.conf"]);
        for _ in 0..2 {
            assert_eq!(wsl.run(&read, b"").exit, None);
            assert!(wsl.run(&read, b"").success());
            wsl.terminate("D").unwrap();
        }
    }

    /// A distro without commands is stopped after its time; one with a keepalive is not.
    #[test]
    fn an_idle_distro_stops_unless_something_runs_in_it() {
        let machine = Machine {
            idle_stop_ms: Some(8_000),
            ..Machine::default()
        };
        let mut wsl = installed(machine);
        let run = Run::command("D", &["true"]);
        assert!(wsl.run(&run, b"").success());
        wsl.pause(Duration::from_millis(7_999));
        assert_eq!(wsl.state("D"), Some(State::Running));
        wsl.pause(Duration::from_millis(1));
        assert_eq!(wsl.state("D"), Some(State::Stopped));
        let keepalive = Run::command("D", &["sleep", "infinity"]);
        wsl.start(&Call::verb(&Verb::Run(keepalive))).unwrap();
        wsl.pause(Duration::from_hours(1));
        assert_eq!(wsl.state("D"), Some(State::Running));
    }

    /// What bash receives is what wsl.exe made of it, unless that is switched off.
    #[test]
    fn arguments_are_rewritten_as_wsl_exe_does() {
        for (expands_argv, expected) in [(true, "x=abc; echo "), (false, "x=abc; echo $x")] {
            let echo = |execution: &Execution, _: &[u8]| Finished {
                exit: Some(0),
                stdout: execution.words[2].clone().into_bytes(),
                ..Finished::default()
            };
            let mut wsl = installed(Machine {
                expands_argv,
                ..Machine::default()
            })
            .with_inside(Box::new(echo));
            let run = Run::command("D", &["bash", "-c", "x=abc; echo $x"]);
            assert_eq!(wsl.run(&run, b"").text(), expected);
        }
    }
}
