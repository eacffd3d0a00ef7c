//! An adapter whose programs are found on this machine: ready to be started.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinSet;

use super::file::{ActionRow, VersionRow};
use super::library::Adapter;
use super::mcp::{Endpoint, McpError};
use super::needs::{BLACK_BOX, KEEPER, TOOLED, needs_of};
use super::packages;
use super::placeholder::fill;
use super::process::{Process, Spawn};
use super::tools;
use crate::scenario::{Located, Peer, Scenario};

/// A program that says no more than its version has this long.
const VERSION_PATIENCE: Duration = Duration::from_mins(1);

/// Where programs are looked for besides `{node}`.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A client that can be started.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its adapter.
    pub adapter: Adapter,
    /// What it says its version is; the adapter's word until it was asked.
    pub version: Option<String>,
    node: Option<PathBuf>,
    npm: Option<PathBuf>,
    tools: Option<PathBuf>,
    endpoint: Option<Endpoint>,
}

/// A client that can't be started here.
#[derive(Debug, Error)]
pub enum ClientError {
    /// A part of it is not on this machine.
    #[error("{client} is not here: {missing}")]
    Missing {
        /// The client.
        client: String,
        /// What is missing, and how to get it.
        missing: String,
    },
    /// It was started, and did not do what it should.
    #[error("{client} did not start: {why}")]
    DidNotStart {
        /// The client.
        client: String,
        /// What happened.
        why: String,
        /// The last lines it wrote.
        output: Vec<String>,
    },
}

/// Where a run takes place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// Port of the gateway on 127.0.0.1.
    pub(crate) port: u16,
    /// The token that the client holds.
    pub(crate) token: Option<String>,
    /// The client's home folder, which is its own.
    pub(crate) home: PathBuf,
    /// Names the run in the environment of its processes.
    pub(crate) mark: String,
    /// Whether it has the node role.
    pub(crate) node: bool,
    /// Which client behaviour it follows.
    pub(crate) policy: &'static str,
}

impl Client {
    /// Finds the programs of an adapter.
    ///
    /// # Errors
    /// When one of them is not here.
    pub fn find(adapter: Adapter) -> Result<Self, ClientError> {
        let missing = |missing: String| ClientError::Missing {
            client: adapter.name.clone(),
            missing,
        };
        let row = adapter.version.clone().unwrap_or_default();
        let folder = |component: Option<&String>| {
            component
                .map(|component| packages::folder(component))
                .transpose()
                .map_err(missing)
        };
        let npm = folder(row.packages.as_ref())?;
        let tools = folder(row.tools.as_ref())?;
        let node = if npm.is_some() || tools.is_some() {
            Some(packages::node().map_err(missing)?)
        } else {
            None
        };
        let version = adapter.version.as_ref().map(|row| row.name.clone());
        Ok(Self {
            adapter,
            version,
            node,
            npm,
            tools,
            endpoint: None,
        })
    }

    /// A companion that runs somewhere on this machine and serves its tools.
    ///
    /// # Errors
    /// When nobody answers at the address, or not to this token.
    pub fn at(url: &str, token_file: &Path) -> Result<Self, ClientError> {
        let refused = |error: McpError| ClientError::Missing {
            client: url.to_owned(),
            missing: error.to_string(),
        };
        let endpoint = Endpoint::new(url, token_file).map_err(refused)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ClientError::Missing {
                client: url.to_owned(),
                missing: error.to_string(),
            })?;
        let asked = runtime.block_on(async {
            let name = endpoint.hello().await?;
            let status = endpoint.call(tools::STATUS, &serde_json::json!({})).await?;
            Ok((name, status))
        });
        let (name, status) = asked.map_err(refused)?;
        let mode = status.get("effectiveMode").and_then(|mode| mode.as_str());
        let has_node = mode.is_some_and(|mode| mode.contains("Node"));
        let mut adapter = Adapter::of_tray().map_err(|problems| ClientError::Missing {
            client: url.to_owned(),
            missing: problems.to_string(),
        })?;
        if has_node {
            adapter.file.capabilities.push("role:node".to_owned());
        }
        Ok(Self {
            adapter,
            version: Some(name),
            node: None,
            npm: None,
            tools: None,
            endpoint: Some(endpoint),
        })
    }

    /// Where it serves its tools, for one that is not ours to start.
    pub(crate) const fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// `openclaw-node-host 2026.6.34`.
    pub fn label(&self) -> String {
        match &self.version {
            Some(version) => format!("{} {version}", self.adapter.name),
            None => self.adapter.name.clone(),
        }
    }

    /// `NAME@VERSION`, as on the command line.
    pub fn selector(&self) -> String {
        match &self.adapter.version {
            Some(row) => format!("{}@{}", self.adapter.name, row.name),
            None => self.adapter.name.clone(),
        }
    }

    /// Everything it can do, in the words of scenarios.
    pub fn capabilities(&self) -> BTreeSet<String> {
        let mut all: BTreeSet<String> = self.adapter.file.capabilities.iter().cloned().collect();
        for lacking in self.adapter.version.iter().flat_map(|row| &row.lacks) {
            all.remove(lacking);
        }
        all.insert(BLACK_BOX.to_owned());
        if self.endpoint.is_none() {
            all.insert("process".to_owned());
        }
        if self.adapter.file.mcp {
            all.extend(TOOLED.map(str::to_owned));
            all.extend(tools::intents().map(|intent| format!("do:{intent}")));
        }
        if self.adapter.file.keeps_state {
            all.extend(KEEPER.map(str::to_owned));
        }
        all.extend(
            self.adapter
                .file
                .action
                .keys()
                .map(|name| format!("do:{name}")),
        );
        all
    }

    /// What the scenario needs and the client has not.
    pub fn lacks(&self, scenario: &Scenario) -> Option<String> {
        let elsewhere = scenario.actor.values().any(|actor| {
            actor
                .client()
                .is_some_and(|client| client.peer == Peer::Remote)
        });
        if elsewhere && self.adapter.file.mcp {
            // Its own rules about plain addresses of other machines would not be met by a loopback address.
            return Some("an address of another machine".to_owned());
        }
        let has = self.capabilities();
        let need = needs_of(scenario)
            .into_iter()
            .find(|need| !has.contains(need))?;
        Some(format!("the capability {need}"))
    }

    /// The gateway profile that it is tested against.
    pub fn profile(&self) -> Option<&str> {
        let row: &VersionRow = self.adapter.version.as_ref()?;
        row.profile.as_deref()
    }

    /// Asks for its version, and takes the first line that it prints.
    ///
    /// # Errors
    /// When the command can't be started or fails.
    pub fn ask_version(&mut self) -> Result<(), ClientError> {
        if self.adapter.file.version_command.is_empty() {
            return Ok(());
        }
        let refused = |why: String, output: Vec<String>| ClientError::DidNotStart {
            client: self.adapter.name.clone(),
            why,
            output,
        };
        let home = tempfile::tempdir().map_err(|error| refused(error.to_string(), Vec::new()))?;
        let place = Place {
            home: home.path().to_path_buf(),
            mark: format!("version-{}", std::process::id()),
            ..Place::default()
        };
        let spawn = self.spawn(
            &self.adapter.file.version_command,
            &[],
            &place,
            &BTreeMap::new(),
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| refused(error.to_string(), Vec::new()))?;
        let (ended, output) = runtime
            .block_on(async {
                let mut tasks = JoinSet::new();
                let mut process = Process::start(&mut tasks, &spawn, Arc::new(|_, _| {}))?;
                let ended = process.wait(VERSION_PATIENCE).await;
                Ok::<_, super::process::ProcessError>((ended, process.output()))
            })
            .map_err(|error| refused(error.to_string(), Vec::new()))?;
        if ended.and_then(|ended| ended.code) != Some(0) {
            let why = format!("{} did not end with 0", spawn.command.join(" "));
            return Err(refused(why, output));
        }
        if let Some(first) = output.first() {
            self.version = Some(first.trim().to_owned());
        }
        Ok(())
    }

    /// What is started when a scenario starts the client.
    pub(crate) fn start(&self, place: &Place) -> Spawn {
        let start = &self.adapter.file.start;
        let mut spawn = self.spawn(&start.command, &start.with_token, place, &BTreeMap::new());
        if place.node {
            let values = self.values(place);
            let words = start.with_node.iter();
            let words = words.flat_map(|word| expand(&word.value, &values));
            spawn.command.extend(words);
        }
        spawn
    }

    /// The program of an action, if it has one.
    pub(crate) fn action(
        &self,
        row: &ActionRow,
        place: &Place,
        own: &BTreeMap<&str, String>,
    ) -> Option<Spawn> {
        (!row.command.is_empty()).then(|| self.spawn(&row.command, &row.with_token, place, own))
    }

    /// What an action writes to the running client.
    pub(crate) fn words(&self, text: &str, place: &Place, own: &BTreeMap<&str, String>) -> String {
        let mut values = self.values(place);
        values.extend(own.iter().map(|(name, value)| (*name, value.clone())));
        fill(text, &values)
    }

    /// The files that are there before it starts: path and content.
    pub(crate) fn files(&self, place: &Place) -> Vec<(PathBuf, String)> {
        let values = self.values(place);
        let files = self.adapter.file.files.iter();
        files
            .map(|(path, text)| (place.home.join(path), fill(&text.value, &values)))
            .collect()
    }

    fn spawn(
        &self,
        command: &[Located<String>],
        with_token: &[Located<String>],
        place: &Place,
        own: &BTreeMap<&str, String>,
    ) -> Spawn {
        let mut values = self.values(place);
        values.extend(own.iter().map(|(name, value)| (*name, value.clone())));
        let more = if place.token.is_some() {
            with_token
        } else {
            &[]
        };
        let words = command.iter().chain(more);
        Spawn {
            command: words
                .flat_map(|word| expand(&word.value, &values))
                .collect(),
            environment: self.environment(place, &values),
            folder: place.home.clone(),
            mark: place.mark.clone(),
        }
    }

    fn environment(
        &self,
        place: &Place,
        values: &BTreeMap<&str, String>,
    ) -> BTreeMap<String, OsString> {
        let mut all: BTreeMap<String, OsString> = BTreeMap::from([
            ("HOME".to_owned(), place.home.clone().into_os_string()),
            ("PATH".to_owned(), PATH.into()),
            ("LANG".to_owned(), "C.UTF-8".into()),
            ("TERM".to_owned(), "dumb".into()),
            ("NO_COLOR".to_owned(), "1".into()),
        ]);
        for (name, text) in &self.adapter.file.environment {
            // A variable about a token that is not held is not set at all.
            if place.token.is_none() && text.value.contains("{token}") {
                continue;
            }
            all.insert(name.clone(), fill(&text.value, values).into());
        }
        all
    }

    fn values(&self, place: &Place) -> BTreeMap<&'static str, String> {
        let path = |path: &Option<PathBuf>| path.as_deref().map(text_of).unwrap_or_default();
        BTreeMap::from([
            ("url", format!("ws://127.0.0.1:{}", place.port)),
            ("http_url", format!("http://127.0.0.1:{}", place.port)),
            ("host", "127.0.0.1".to_owned()),
            ("port", place.port.to_string()),
            ("token", place.token.clone().unwrap_or_default()),
            ("home", text_of(&place.home)),
            ("state", text_of(&place.home.join("state"))),
            ("adapter", text_of(&self.adapter.folder)),
            ("node", path(&self.node)),
            ("npm", path(&self.npm)),
            ("tools", path(&self.tools)),
            (
                "cache",
                packages::scratch()
                    .as_deref()
                    .map(text_of)
                    .unwrap_or_default(),
            ),
            ("bin", own_folder()),
            ("version", self.version.clone().unwrap_or_default()),
            ("policy", place.policy.to_owned()),
        ])
    }
}

/// One argument, except that a lone `{words}` becomes as many as a shell would make of them.
fn expand(word: &str, values: &BTreeMap<&str, String>) -> Vec<String> {
    match values.get("words") {
        Some(words) if word == "{words}" => split(words),
        Some(_) | None => vec![fill(word, values)],
    }
}

/// Words between blanks; single quotes keep blanks inside.
fn split(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut quoted, mut inside) = (false, false);
    for c in text.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                if !inside {
                    words.push(String::new());
                    inside = true;
                }
            }
            ' ' if !quoted => inside = false,
            c => {
                if !inside {
                    words.push(String::new());
                    inside = true;
                }
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    words
}

/// Where this program and its like are installed.
fn own_folder() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().map(Path::to_path_buf).unwrap_or_default();
    // The tests of cargo lie one folder deeper than the programs.
    let folder = if folder.ends_with("deps") {
        folder.parent().map(Path::to_path_buf).unwrap_or_default()
    } else {
        folder
    };
    text_of(&folder)
}

fn text_of(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        let words = r#"gateway call health --params '{"a": 1}' ''"#;
        assert_eq!(
            split(words),
            ["gateway", "call", "health", "--params", r#"{"a": 1}"#, ""]
        );
    }
}
