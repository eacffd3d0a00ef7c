//! Asks a distribution by a program called like `wsl.exe`: the script goes to its standard input, where nothing rewrites
//! it. ref: client-behaviour.md §18.1; setup-and-wsl.md §2.2

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use client_core::guest::{GuestPort, SCRIPT};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

use super::{GuestFuture, GuestProbe};

/// How long a distribution may take. ref: §18.1
const LIMIT: Duration = Duration::from_secs(5);
/// What is read of its answer: a table of sockets is small.
const ANSWER: u64 = 256 * 1024;

/// A distribution behind `wsl.exe`, or behind what stands in for it.
#[derive(Clone, Debug)]
pub struct WslGuest {
    program: PathBuf,
    env: Vec<(OsString, OsString)>,
}

impl WslGuest {
    /// Distributions of this program.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            env: Vec::new(),
        }
    }

    /// A variable of the program's environment, besides what it inherits.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }
}

impl GuestProbe for WslGuest {
    fn ask(&self, distro: String, port: u16) -> GuestFuture {
        let guest = self.clone();
        Box::pin(async move {
            let said = timeout(LIMIT, guest.run(&distro)).await;
            let said = said.map_err(|_| format!("no answer within {} s", LIMIT.as_secs()))??;
            Ok(GuestPort::read(&said, port))
        })
    }
}

impl WslGuest {
    async fn run(&self, distro: &str) -> Result<String, String> {
        let is_name = !distro.starts_with('-') && !distro.chars().any(char::is_control);
        if !is_name {
            return Err(format!("{distro:?} is no name of a distribution"));
        }
        let name = self.program.display();
        let failed = |error: std::io::Error| format!("run {name}: {error}");
        let mut child = Command::new(&self.program)
            .args(["-d", distro, "--", "bash", "-s"])
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let mut said = Vec::new();
        if let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) {
            // A program that ends without reading says more by its exit code.
            drop(stdin.write_all(SCRIPT.as_bytes()).await);
            drop(stdin);
            let read = stdout.take(ANSWER).read_to_end(&mut said).await;
            read.map_err(failed)?;
        }
        let status = child.wait().await.map_err(failed)?;
        if status.success() {
            Ok(String::from_utf8_lossy(&said).into_owned())
        } else {
            Err(format!("{name} -d {distro} ended with {status}"))
        }
    }
}
