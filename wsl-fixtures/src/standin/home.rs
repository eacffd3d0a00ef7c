//! The folder of a stand-in's computer.
//!
//! ```text
//! <home>/machine.json          the computer, read and replaced as a whole
//! <home>/lock                  held while it is
//! <home>/log.jsonl             every call
//! <home>/distros/<name>/root   the files of a distro
//! ```

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::log::{CommandLog, Draft, Entry};
use crate::machine::Machine;

/// A computer on disk.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

impl Home {
    /// The computer in this folder, which is made when it is not there.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        std::fs::create_dir_all(folder.join("distros"))?;
        Ok(Self(std::path::absolute(folder)?))
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of a distro, which need not exist.
    pub fn distro(&self, name: &str) -> PathBuf {
        self.0.join("distros").join(name)
    }

    /// Reads the computer, changes it and writes it back; nobody else does meanwhile.
    ///
    /// # Errors
    /// When a file can't be read or written, or is no computer: the message names line and column.
    pub fn change<T>(&self, change: impl FnOnce(&mut Machine) -> T) -> io::Result<T> {
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.0.join("lock"))?;
        lock.lock()?;
        let mut machine = self.machine()?;
        let before = machine.clone();
        let result = change(&mut machine);
        if machine != before {
            self.save(&machine)?;
        }
        Ok(result)
    }

    /// The computer as it is.
    ///
    /// # Errors
    /// See [`Home::change`].
    pub fn machine(&self) -> io::Result<Machine> {
        let path = self.0.join("machine.json");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Machine::default()),
            Err(error) => return Err(error),
        };
        serde_json::from_str(&text).map_err(|error| {
            let said = format!(
                "{}: {error}\nhint: remove the file to begin with a computer without distros",
                path.display()
            );
            io::Error::new(io::ErrorKind::InvalidData, said)
        })
    }

    fn save(&self, machine: &Machine) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
        serde_json::to_writer_pretty(&mut file, machine)?;
        file.write_all(b"\n")?;
        file.persist(self.0.join("machine.json"))?;
        Ok(())
    }

    /// Adds a call to the log.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn record(&self, env: &crate::expand::WindowsEnv, draft: Draft) -> io::Result<()> {
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.0.join("lock"))?;
        lock.lock()?;
        let mut log = CommandLog::default();
        log.learn(env);
        log.record(draft);
        let n = u64::try_from(self.log()?.len()).unwrap_or(u64::MAX) + 1;
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.0.join("log.jsonl"))?;
        for entry in log.entries() {
            let line = serde_json::to_string(&Entry { n, ..entry.clone() })?;
            file.write_all(format!("{line}\n").as_bytes())?;
        }
        Ok(())
    }

    /// Every call so far. A line that a crash left half is left out.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn log(&self) -> io::Result<Vec<Entry>> {
        let text = match std::fs::read_to_string(self.0.join("log.jsonl")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text?,
        };
        Ok(text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }
}
