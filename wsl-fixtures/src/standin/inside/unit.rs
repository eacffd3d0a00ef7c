//! A user unit: the lines of its file that count here, and what is remembered about its process.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Failed;

/// What a unit file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UnitFile {
    pub(super) exec: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) folder: Option<String>,
    pub(super) restarts: bool,
}

impl UnitFile {
    /// Reads it. Lines that have no meaning here are left alone.
    pub(super) fn parse(text: &str, home: &str) -> Self {
        let mut file = Self::default();
        for line in text.replace("\\\n", " ").lines() {
            let Some((key, value)) = line.trim().split_once('=') else {
                continue;
            };
            let value = value.trim().replace("%h", home).replace("%%", "%");
            match key.trim() {
                "ExecStart" => file.exec = words(&value),
                "Environment" => file.env.extend(words(&value).iter().filter_map(|pair| {
                    let (name, value) = pair.split_once('=')?;
                    Some((name.to_owned(), value.to_owned()))
                })),
                "EnvironmentFile" => {
                    let path = value.trim_start_matches('-');
                    let text = std::fs::read_to_string(path).unwrap_or_default();
                    file.env.extend(text.lines().filter_map(|line| {
                        let (name, value) = line.split_once('=')?;
                        Some((
                            name.trim().to_owned(),
                            value.trim().trim_matches('"').to_owned(),
                        ))
                    }));
                }
                "WorkingDirectory" => file.folder = Some(value),
                "Restart" => file.restarts = value == "always" || value == "on-failure",
                _ => {}
            }
        }
        file
    }
}

/// Words as systemd splits them: quotes hold spaces together, a backslash takes the next character.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => word.extend(chars.next()),
            (c, Some(q)) if c == q => quote = None,
            ('"' | '\'', None) => (quote, begun) = (Some(c), true),
            (c, None) if c.is_whitespace() => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (c, _) => word.push(c),
        }
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    words
}

/// What is remembered about a unit between two calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct UnitState {
    pub(super) enabled: bool,
    /// Starts and stops, counted and judged.
    pub(super) service: crate::service::Service,
    /// Process that starts the unit again.
    pub(super) supervisor: Option<i32>,
}

/// The folder in which units of this user are remembered, and a unit's places in it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) home: String,
    name: String,
}

impl Place {
    /// The unit of this name, with or without `.service`.
    pub(super) fn of(unit: &str) -> Result<Self, Failed> {
        let home = std::env::var("HOME").map_err(|_| Failed(1, "HOME is not set".to_owned()))?;
        let name = unit.strip_suffix(".service").unwrap_or(unit);
        if name.is_empty() || name.contains('/') {
            return Err(Failed(1, format!("Invalid unit name: {unit}")));
        }
        Ok(Self {
            home,
            name: name.to_owned(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn file(&self) -> PathBuf {
        Path::new(&self.home)
            .join(".config/systemd/user")
            .join(format!("{}.service", self.name))
    }

    fn folder(&self) -> PathBuf {
        Path::new(&self.home).join(".local/state/clawproof-units")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.folder().join(format!("{}.log", self.name))
    }

    /// Reads what is remembered, changes it and writes it back; nobody else does meanwhile.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut UnitState) -> T) -> io::Result<T> {
        let folder = self.folder();
        std::fs::create_dir_all(&folder)?;
        let lock = std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("lock"))?;
        lock.lock()?;
        let path = folder.join(format!("{}.json", self.name));
        let mut state = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => UnitState::default(),
            Err(error) => return Err(error),
        };
        let result = change(&mut state);
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        file.write_all(&serde_json::to_vec(&state)?)?;
        file.persist(path)?;
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_file_is_read_as_systemd_reads_it() {
        let text = "[Service]\nExecStart=/bin/node \"a b\" \\\n  c\\ d --x=%h\nEnvironment=\"A=1 2\" B=3\nRestart=always\n[Install]\nWantedBy=default.target\n";
        let file = UnitFile::parse(text, "/home/u");
        assert_eq!(file.exec, ["/bin/node", "a b", "c d", "--x=/home/u"]);
        assert_eq!(
            file.env.into_iter().collect::<Vec<_>>(),
            [("A".into(), "1 2".into()), ("B".into(), "3".to_owned())]
        );
        assert!(file.restarts);
    }
}
