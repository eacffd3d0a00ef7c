//! A WSL whose distros are containers with systemd as their first process.
//!
//! The computer is the pure [`Machine`], as for every back-end: it reads the words, applies faults and decides. What has to
//! be executed goes to a container of an image that `wsl-fixtures/container/build` makes. So `systemctl --user`,
//! `journalctl` and `loginctl` are the real ones; OpenClaw and its installer are this crate's programs.
//!
//! The containers belong to this value: when it is dropped, they are removed.

mod distro;
mod engine;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::Pace;
use crate::argv::{Run, Verb};
use crate::log::{CommandLog, Draft};
use crate::machine::{Answer, Change, Execution, Machine, Network, Printed};
use crate::wsl::{Call, Finished, Wsl, WslError};

use distro::{Distro, Plan};
pub use engine::ContainerError;

/// Distros in containers.
#[derive(Debug)]
pub struct ContainerWsl {
    /// The computer: what is registered on it, and what goes wrong.
    pub machine: Machine,
    runtime: Runtime,
    program: PathBuf,
    distros: BTreeMap<String, Distro>,
    boots: Vec<Duration>,
    began: Instant,
    pace: Pace,
    log: CommandLog,
}

/// Whether distros can be made here: an engine answers and has the image.
///
/// # Errors
/// [`ContainerError`], with what to do.
pub fn look() -> Result<(), ContainerError> {
    runtime()?.block_on(engine::look())
}

fn runtime() -> Result<Runtime, ContainerError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ContainerError::Runtime(error.to_string()))
}

impl ContainerWsl {
    /// A computer whose distros find this program as OpenClaw and its installer.
    ///
    /// # Errors
    /// [`ContainerError`] when no engine answers or it has not the image; each with what to do.
    pub fn new(machine: Machine, program: &Path) -> Result<Self, ContainerError> {
        let runtime = runtime()?;
        runtime.block_on(engine::look())?;
        Ok(Self {
            machine,
            runtime,
            program: program.to_owned(),
            distros: BTreeMap::new(),
            boots: Vec::new(),
            began: Instant::now(),
            pace: Pace::REAL,
            log: CommandLog::default(),
        })
    }

    /// The same with pauses this many times shorter.
    #[must_use]
    pub fn with_pace(mut self, pace: u32) -> Self {
        self.pace = Pace::shorter(pace);
        self
    }

    /// How long each start of a distro took, from nothing until systemd said `running`.
    pub fn boots(&self) -> &[Duration] {
        &self.boots
    }

    /// Takes a distro off its network, or puts it back.
    ///
    /// # Errors
    /// [`ContainerError`] when there is no such distro, it shares the machine's network, or the engine refuses.
    pub fn set_network(&self, distro: &str, connected: bool) -> Result<(), ContainerError> {
        if self.machine.network == Network::Mirrored {
            return Err(ContainerError::SharedNetwork(distro.to_owned()));
        }
        let known = self.distros.get(distro);
        let known = known.ok_or_else(|| ContainerError::NoDistro(distro.to_owned()))?;
        self.runtime
            .block_on(engine::set_network(known.id(), connected))
    }

    /// Runs a command in a distro that runs, past the computer: it is not logged, and no fault strikes it. `None` when
    /// the distro does not run.
    pub fn inside(&mut self, run: &Run) -> Option<Finished> {
        let name = run.distro.clone()?;
        let distro = self.distros.get(&name)?;
        let execution = Execution {
            distro: name,
            user: run.user.clone(),
            cd: run.cd.clone(),
            words: run.command.clone(),
            env: BTreeMap::new(),
            delay: Duration::ZERO,
        };
        let call = Call::verb(&Verb::Run(run.clone()));
        self.runtime.block_on(async {
            let runs = distro.runs().await.unwrap_or_default();
            if runs {
                distro.run(&execution, &call).await.ok()
            } else {
                None
            }
        })
    }

    fn follow(&mut self, change: &Change) -> Result<(), ContainerError> {
        match change {
            // It is made at its first start, as a distro that was installed with --no-launch.
            Change::Made(_) => Ok(()),
            Change::Stopped(name) => match self.distros.get(name) {
                Some(distro) => self.runtime.block_on(distro.stop()),
                None => Ok(()),
            },
            Change::Removed(name) => match self.distros.remove(name) {
                Some(distro) => self.runtime.block_on(distro.remove()),
                None => Ok(()),
            },
            Change::Exported(..) | Change::Imported(..) => Err(ContainerError::NoArchives),
        }
    }

    fn execute(&mut self, execution: &Execution, call: &Call) -> Result<Finished, ContainerError> {
        self.boot(&execution.distro)?;
        let distro = self.distros.get(&execution.distro);
        let distro = distro.ok_or_else(|| ContainerError::NoDistro(execution.distro.clone()))?;
        self.runtime.block_on(distro.run(execution, call))
    }

    /// Starts a distro unless it runs.
    fn boot(&mut self, name: &str) -> Result<(), ContainerError> {
        let begun = Instant::now();
        let has_started = if let Some(distro) = self.distros.get(name) {
            self.runtime.block_on(distro.start())?
        } else {
            let plan = Plan {
                program: &self.program,
                machine: &self.machine,
            };
            let distro = self.runtime.block_on(Distro::make(&plan))?;
            self.distros.insert(name.to_owned(), distro);
            true
        };
        if has_started {
            self.boots.push(begun.elapsed());
        }
        Ok(())
    }

    fn answer(&mut self, call: &Call) -> Finished {
        let now = self.now();
        for name in self.machine.idle(now) {
            drop(self.follow(&Change::Stopped(name)));
        }
        let pid = std::process::id();
        let (answer, changes) = self.machine.call_with_changes(now, call, pid);
        let followed = changes.iter().try_for_each(|change| self.follow(change));
        if let Err(error) = followed {
            return failed(&error);
        }
        match answer {
            Answer::Printed(Printed {
                exit,
                stdout,
                stderr,
                delay,
            }) => {
                self.pause(delay);
                Finished {
                    exit: Some(exit),
                    stdout,
                    stderr,
                    ..Finished::default()
                }
            }
            // Nobody would gain from waiting in full for what never comes.
            Answer::Hangs(stdout) => {
                self.pause(call.limit);
                Finished {
                    stdout,
                    ..Finished::default()
                }
            }
            Answer::Execute(execution) => {
                self.pause(execution.delay);
                let finished = self.execute(&execution, call);
                let now = self.now();
                self.machine.finished(now, &execution.distro);
                finished.unwrap_or_else(|error| failed(&error))
            }
        }
    }

    fn note(&mut self, call: &Call, at: Duration, exit: Option<i32>, took: Duration) {
        self.log.learn(&call.env);
        let user = match Verb::parse(call.words.iter().cloned()) {
            Ok(Verb::Run(run)) => run.user,
            _ => None,
        };
        self.log.record(Draft {
            at,
            argv: call.words.clone(),
            user,
            stdin: call.stdin.clone(),
            env: call.env.crossing().into_keys().collect(),
            exit,
            took,
            ..Draft::default()
        });
    }
}

fn failed(error: &ContainerError) -> Finished {
    Finished {
        exit: Some(-1),
        stderr: format!("{error}\n").into_bytes(),
        ..Finished::default()
    }
}

impl Wsl for ContainerWsl {
    fn call(&mut self, call: &Call) -> Finished {
        let at = self.now();
        let finished = self.answer(call);
        let took = self.now().saturating_sub(at);
        self.note(call, at, finished.exit, took);
        Finished { took, ..finished }
    }

    fn start(&mut self, call: &Call) -> Result<u32, WslError> {
        let mut left = call.clone();
        // The distro's shell leaves it running, and lets go of our streams.
        if let Some(at) = left.words.iter().position(|word| word == "--") {
            let words = left.words.split_off(at + 1);
            let quoted = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
            let words: Vec<String> = words.iter().map(quoted).collect();
            let script = format!("exec {} </dev/null >/dev/null 2>&1", words.join(" "));
            let shell = ["setsid", "--fork", "sh", "-c"].map(ToOwned::to_owned);
            left.words.extend(shell.into_iter().chain([script]));
        }
        let finished = self.call(&left);
        if finished.success() {
            return Ok(std::process::id());
        }
        Err(WslError::Failed {
            verb: call.words.first().cloned().unwrap_or_default(),
            exit: finished.exit.unwrap_or(-1),
            said: finished.text(),
        })
    }

    fn pause(&mut self, time: Duration) {
        self.pace.pause(time);
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn log(&self) -> &CommandLog {
        &self.log
    }
}

impl Drop for ContainerWsl {
    fn drop(&mut self) {
        for (_, distro) in std::mem::take(&mut self.distros) {
            drop(self.runtime.block_on(distro.remove()));
        }
    }
}
