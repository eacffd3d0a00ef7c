//! The `companion` as a process of a test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

pub(crate) fn command(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = bare_command();
    command.arg("--data-dir").arg(data_dir).args(arguments);
    command
}

/// Without any argument.
pub(crate) fn bare_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_companion"));
    command
        .env("RUST_LOG", "trace")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub(crate) struct Companion {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
}

impl Companion {
    pub(crate) fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        Self::spawn(command(data_dir, arguments))
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// The next line that fits; a minute is long for all of them.
    pub(crate) async fn line(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let found = timeout(Duration::from_mins(1), async {
            loop {
                let Some(text) = self.lines.next_line().await.unwrap() else {
                    panic!("{:?}", self.said)
                };
                let line: Value = serde_json::from_str(&text).unwrap();
                self.said.push(text);
                if fits(&line) {
                    return line;
                }
            }
        });
        let found = found.await;
        found.unwrap_or_else(|_| panic!("{:?}", self.said))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Waits for the end; gives back the exit code and everything that was said on both streams.
    pub(crate) async fn end(mut self) -> (Option<i32>, String) {
        let mut everything = self.said.concat();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            everything.push_str(&line);
        }
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut everything)
            .await
            .unwrap();
        (self.child.wait().await.unwrap().code(), everything)
    }
}

pub(crate) fn is_state(overall: &'static str) -> impl Fn(&Value) -> bool {
    move |line| line["snapshot"]["overallState"] == overall
}
