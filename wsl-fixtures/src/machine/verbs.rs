//! What each verb of wsl.exe does to the computer.

use std::time::Duration;

use super::{Answer, Change, Execution, Machine, Printed, Registered, Said};
use crate::argv::{Install, List, Run, Verb};
use crate::distro::{Distro, Fate, State};
use crate::expand::expand;
use crate::output::{ListRow, print_list, print_names};
use crate::text;
use crate::wsl::Call;

impl Machine {
    /// A verb that wsl.exe answers by itself.
    pub(super) fn own(&mut self, now: Duration, verb: &Verb, changes: &mut Vec<Change>) -> Said {
        match verb {
            Verb::Version => Ok(self.locale.version(&self.version)),
            Verb::Status => Ok(self.locale.status(self.default_distro.as_deref())),
            Verb::List(list) => self.list(now, *list),
            Verb::Install(install) => self.install(now, install, changes),
            Verb::Terminate(name) => {
                self.entry(name)?.distro.terminate();
                changes.push(Change::Stopped(name.clone()));
                Ok(text::DONE.to_owned())
            }
            Verb::Unregister(name) => {
                self.remove(name)?;
                changes.push(Change::Removed(name.clone()));
                Ok(format!("Unregistering.\r\n{}", text::DONE))
            }
            Verb::SetDefault(name) => {
                self.entry(name)?;
                self.default_distro = Some(name.clone());
                Ok(text::DONE.to_owned())
            }
            Verb::Export(name, file) => {
                self.entry(name)?.distro.terminate();
                changes.push(Change::Stopped(name.clone()));
                changes.push(Change::Exported(name.clone(), file.clone()));
                Ok(text::DONE.to_owned())
            }
            Verb::Import(name, folder, file) => {
                self.register(now, name, "import", Some(folder))?;
                changes.push(Change::Imported(name.clone(), file.clone()));
                Ok(text::DONE.to_owned())
            }
            // Stopping every distro of the machine is nothing a stand-in does: the log has the call.
            Verb::Shutdown => Err("This stand-in refuses --shutdown: it would stop every distribution of the machine.\r\nError code: Wsl/E_ACCESSDENIED\r\n".to_owned()),
            Verb::Run(_) => Ok(String::new()),
        }
    }

    fn list(&self, now: Duration, list: List) -> Said {
        if list.online {
            return Ok(text::ONLINE.to_owned());
        }
        let shown = || {
            self.distros
                .values()
                .filter(|entry| !list.running || entry.distro.state(now) == State::Running)
        };
        if shown().next().is_none() {
            return Err(text::NONE_INSTALLED.to_owned());
        }
        let is_default =
            |entry: &Registered| self.default_distro.as_deref() == Some(entry.distro.name());
        // The starred one stands first, then the alphabet.
        let shown = || {
            shown()
                .filter(|entry| is_default(entry))
                .chain(shown().filter(|entry| !is_default(entry)))
        };
        if list.quiet {
            return Ok(print_names(shown().map(|entry| entry.distro.name())));
        }
        if !list.verbose {
            let line = |entry: &Registered| {
                let mark = if is_default(entry) { " (Default)" } else { "" };
                format!("{}{mark}\r\n", entry.distro.name())
            };
            let names: String = shown().map(line).collect();
            return Ok(format!(
                "Windows Subsystem for Linux Distributions:\r\n{names}"
            ));
        }
        let row = |entry: &Registered| ListRow {
            is_default: is_default(entry),
            ..ListRow::new(entry.distro.name(), entry.distro.state(now).label(), 2)
        };
        let rows: Vec<ListRow> = shown().map(row).collect();
        Ok(print_list(&rows, &self.locale.labels()))
    }

    fn install(&mut self, now: Duration, install: &Install, changes: &mut Vec<Change>) -> Said {
        if install.no_distribution {
            return Ok(text::DONE.to_owned());
        }
        let base = install.distribution.as_deref().unwrap_or("Ubuntu");
        let name = install.name.as_deref().unwrap_or(base);
        self.register(now, name, base, install.location.as_deref())?;
        changes.push(Change::Made(name.to_owned()));
        Ok(format!(
            "Downloading: {base}\r\nInstalling: {base}\r\nDistribution successfully installed. It can be launched via 'wsl.exe -d {name}'\r\n"
        ))
    }

    pub(super) fn register(
        &mut self,
        now: Duration,
        name: &str,
        base: &str,
        location: Option<&str>,
    ) -> Result<(), String> {
        if self.distros.contains_key(name) {
            return Err(text::EXISTS.to_owned());
        }
        let until = now + Duration::from_millis(self.install_ms);
        let entry = Registered {
            distro: Distro::installing(name, self.cold_start, until),
            base: base.to_owned(),
            location: location.map(ToOwned::to_owned),
            running: 0,
            idle_since: now,
        };
        self.distros.insert(name.to_owned(), entry);
        self.default_distro.get_or_insert_with(|| name.to_owned());
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), String> {
        self.entry(name)?;
        self.distros.remove(name);
        if self.default_distro.as_deref() == Some(name) {
            self.default_distro = self.distros.keys().next().cloned();
        }
        Ok(())
    }

    fn entry(&mut self, name: &str) -> Result<&mut Registered, String> {
        self.distros
            .get_mut(name)
            .ok_or_else(|| text::NOT_FOUND.to_owned())
    }

    pub(super) fn run(&mut self, now: Duration, run: &Run, call: &Call, pid: u32) -> Answer {
        let Some(name) = run.distro.clone().or_else(|| self.default_distro.clone()) else {
            return self.print(Err(text::NONE_INSTALLED.to_owned()));
        };
        let fate = match self.entry(&name) {
            Ok(entry) => entry.distro.command(now),
            Err(said) => return self.print(Err(said)),
        };
        let delay = match fate {
            Fate::Runs { delay } => delay,
            Fate::Hangs => return Answer::Hangs(Vec::new()),
            Fate::StillInstalling => return self.print(Err(text::INSTALLING.to_owned())),
            Fate::ColdStartFailure => {
                let stderr = b"the distro has only just started\n".to_vec();
                return Answer::Printed(Printed {
                    exit: 1,
                    stderr,
                    ..Printed::default()
                });
            }
        };
        if let Ok(entry) = self.entry(&name) {
            entry.running += 1;
        }
        let rewrite = |word: &String| {
            if self.expands_argv {
                expand(word, &call.env, pid)
            } else {
                word.clone()
            }
        };
        Answer::Execute(Execution {
            words: run.command.iter().map(rewrite).collect(),
            distro: name,
            user: run.user.clone(),
            cd: run.cd.clone(),
            env: call.env.crossing(),
            delay,
        })
    }
}
