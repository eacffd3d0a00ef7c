//! What the steps work with.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config::Config;
use super::engine::StepError;
use super::mutation::Mutation;
use super::peer::Peer;
use crate::argv::{Run, Verb};
use crate::wsl::{Call, Finished, Wsl};

/// What a connection shows the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The gateway's shared token.
    Shared(String),
    /// A bootstrap token.
    Bootstrap(String),
    /// The stored token of the device.
    Device,
}

/// What a pairing has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pairing {
    /// The gateway is in the registry.
    pub remembered: bool,
}

/// What the steps share.
pub struct Context<'a> {
    /// What is set up.
    pub config: Config,
    /// WSL.
    pub wsl: &'a mut dyn Wsl,
    /// The Windows side.
    pub peer: &'a mut dyn Peer,
    /// The app's folder.
    pub data: PathBuf,
    /// The shared token of this run; empty before it is made.
    pub token: String,
    /// The bootstrap token; empty before it is minted.
    pub bootstrap: String,
    /// How far pairing has come.
    pub pairing: Pairing,
    /// Whether the gateway has answered.
    pub is_healthy: bool,
    /// Whether somebody else's distro has the name.
    pub is_foreign: bool,
    /// What the step that runs wants to have written down although it did not fail.
    pub remarks: Vec<String>,
    /// A deliberate mistake.
    pub mutation: Option<Mutation>,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("config", &self.config)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// The variable with the shared token.
pub(super) const TOKEN: &str = "OPENCLAW_GATEWAY_TOKEN";
/// The variable with the request to approve.
pub(super) const REQUEST: &str = "OPENCLAW_APPROVAL_REQUEST_ID";

impl<'a> Context<'a> {
    /// Nothing is done yet.
    pub fn new(
        config: Config,
        wsl: &'a mut dyn Wsl,
        peer: &'a mut dyn Peer,
        data: PathBuf,
    ) -> Self {
        Self {
            config,
            wsl,
            peer,
            data,
            token: String::new(),
            bootstrap: String::new(),
            pairing: Pairing::default(),
            is_healthy: false,
            is_foreign: false,
            remarks: Vec::new(),
            mutation: None,
        }
    }

    /// Whether it makes this mistake.
    pub(super) fn errs(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    pub(super) fn now(&self) -> Duration {
        self.wsl.now()
    }

    /// Text without the tokens of this run.
    pub(super) fn clean(&self, text: &str) -> String {
        let secrets = [
            (&self.token, "<shared-token>"),
            (&self.bootstrap, "<bootstrap-token>"),
        ];
        let known = secrets.into_iter().filter(|(value, _)| !value.is_empty());
        known.fold(text.to_owned(), |text, (value, name)| {
            text.replace(value.as_str(), name)
        })
    }

    /// The folder of the distro's disk.
    pub(super) fn location(&self) -> PathBuf {
        let base = self
            .config
            .local_data_dir
            .clone()
            .unwrap_or_else(|| self.data.clone());
        base.join("wsl").join(&self.config.distro_name)
    }

    pub(super) fn seconds(&mut self, seconds: u64) {
        self.wsl.pause(Duration::from_secs(seconds));
    }

    fn call_run(&mut self, run: Run, stdin: &str, limit: u64) -> Finished {
        let call = Call::verb(&Verb::Run(run))
            .stdin(stdin)
            .limit(Duration::from_secs(limit));
        self.wsl.call(&call)
    }

    /// A script in the arguments: wsl.exe rewrites its variables. `user` is the default user when absent.
    pub(super) fn script(&mut self, user: Option<&str>, script: &str, limit: u64) -> Finished {
        let run = Run::command(&self.config.distro_name, &["bash", "-c", script]);
        self.call_run(
            Run {
                user: user.map(ToOwned::to_owned),
                ..run
            },
            "",
            limit,
        )
    }

    /// A script on the input, where nothing is rewritten.
    pub(super) fn stdin_script(&mut self, script: &str, limit: u64) -> Finished {
        self.call_run(Run::bash_stdin(&self.config.distro_name), script, limit)
    }

    /// A command of `openclaw`, with the token in its environment.
    pub(super) fn cli(&mut self, command: &str, request: Option<&str>, limit: u64) -> Finished {
        let script = super::scripts::with_path(&self.config.user, command);
        let run = Run::command(&self.config.distro_name, &["bash", "-c", &script]);
        let mut call = Call::verb(&Verb::Run(run)).limit(Duration::from_secs(limit));
        if !self.token.is_empty() {
            call = call.env(TOKEN, &self.token);
        }
        if let Some(request) = request {
            call = call.env(REQUEST, request);
        }
        self.wsl.call(&call)
    }

    /// What a failed command said, in one line, without secrets.
    pub(super) fn said(&self, what: &str, finished: &Finished) -> String {
        let text = finished.text();
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let how = finished.exit.map_or_else(
            || "ran into its time limit".to_owned(),
            |exit| format!("ended with {exit}"),
        );
        self.clean(&format!("{what} {how}: {line}"))
    }

    /// A failure that another attempt may mend.
    pub(super) fn again(&self, what: &str, finished: &Finished) -> StepError {
        StepError::Again(self.said(what, finished))
    }

    /// Writes a file of the app as a whole.
    pub(super) fn save(&self, name: &str, text: &str) -> io::Result<()> {
        std::fs::create_dir_all(&self.data)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.data)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(self.data.join(name))?;
        Ok(())
    }

    /// Removes a file of the app; one that is not there is fine.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        remove_file(&self.data.join(name))
    }
}

/// Removes a file; one that is not there is fine.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
