//! One program of a client: its process group, what it prints, how it ends.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Lines of output that are kept; a program that prints more loses the oldest.
const KEPT_LINES: usize = 2_000;

/// A line is cut after this many characters.
const KEPT_WIDTH: usize = 4_000;

/// After its end, what a program has written is waited for this long: a child of its own may keep the pipe.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Names the run that a process belongs to, in its environment, so that its children are found again.
const MARK: &str = "CLAWPROOF_CLIENT_RUN";

/// What is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spawn {
    /// Program and arguments.
    pub(crate) command: Vec<String>,
    /// The whole environment.
    pub(crate) environment: BTreeMap<String, OsString>,
    /// Working folder.
    pub(crate) folder: PathBuf,
    /// The run that it belongs to.
    pub(crate) mark: String,
}

/// A program that did not start.
#[derive(Debug, Error)]
#[error("start {program}: {source}")]
pub(crate) struct ProcessError {
    /// The program.
    program: String,
    /// What the system said.
    source: io::Error,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its exit code, or nothing when a signal ended it.
    pub(crate) code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
}

/// Called with each line that a program prints, and once with `None` and its end.
pub(crate) type Listener = Arc<dyn Fn(Option<&str>, Option<Ended>) + Send + Sync>;

/// A running program. Dropping it kills its process group.
#[derive(Debug)]
pub(crate) struct Process {
    group: Option<i32>,
    stdin: Option<ChildStdin>,
    ended: watch::Receiver<Option<Ended>>,
    output: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts a program in a process group of its own.
    ///
    /// # Errors
    /// When the system can't start it.
    pub(crate) fn start(
        tasks: &mut JoinSet<()>,
        spawn: &Spawn,
        listener: Listener,
    ) -> Result<Self, ProcessError> {
        let (program, arguments) = spawn
            .command
            .split_first()
            .map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(&spawn.environment)
            .env(MARK, &spawn.mark)
            .current_dir(&spawn.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(|source| ProcessError {
            program: program.to_owned(),
            source,
        })?;
        let output: Arc<Mutex<Vec<String>>> = Arc::default();
        let (sender, ended) = watch::channel(None);
        let process = Self {
            group: child.id().and_then(|id| i32::try_from(id).ok()),
            stdin: child.stdin.take(),
            ended,
            output: Arc::clone(&output),
        };
        let lines = Lines { output, listener };
        tasks.spawn(attend(child, lines, sender));
        Ok(process)
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<Ended> {
        *self.ended.borrow()
    }

    /// What it has printed, both streams, in the order of arrival.
    pub(crate) fn output(&self) -> Vec<String> {
        self.output
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Writes to its standard input; false when nobody reads.
    pub(crate) async fn write(&mut self, text: &str) -> bool {
        let Some(stdin) = &mut self.stdin else {
            return false;
        };
        let written = async {
            stdin.write_all(text.as_bytes()).await?;
            stdin.flush().await
        };
        written.await.is_ok()
    }

    /// Waits for its end, at most this long.
    pub(crate) async fn wait(&mut self, patience: Duration) -> Option<Ended> {
        let ended = self.ended.wait_for(Option::is_some);
        // Time is up, or the attendant is gone: either way what is known is known.
        drop(tokio::time::timeout(patience, ended).await);
        self.ended()
    }

    /// Sends it a signal by its short name (`TERM`).
    pub(crate) fn signal(&self, name: &str) {
        if self.ended().is_none()
            && let Some(group) = self.group
        {
            groups::signal_leader(group, name);
        }
    }

    /// Asks it to end, waits, and kills what is left of its group.
    pub(crate) async fn stop(
        &mut self,
        signal: &str,
        farewell: Option<&str>,
        patience: Duration,
    ) -> Option<Ended> {
        if let Some(farewell) = farewell {
            // A client that reads no more is told by the signal.
            let _told = self.write(farewell).await;
        }
        self.stdin = None;
        self.signal(signal);
        let ended = self.wait(patience).await;
        self.kill();
        match ended {
            Some(ended) => Some(ended),
            None => self.wait(patience).await,
        }
    }

    /// Kills its whole group.
    fn kill(&self) {
        if let Some(group) = self.group {
            groups::kill(group);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Lines {
    output: Arc<Mutex<Vec<String>>>,
    listener: Listener,
}

/// Reads what a program prints until it has ended.
async fn attend(mut child: Child, lines: Lines, ended: watch::Sender<Option<Ended>>) {
    let out = child.stdout.take();
    let err = child.stderr.take();
    let reading = async { tokio::join!(read(out, &lines), read(err, &lines)) };
    tokio::pin!(reading);
    let status = tokio::select! {
        biased;
        _ = &mut reading => child.wait().await,
        status = child.wait() => {
            // The rest of the output, unless a child of the program keeps the pipe open.
            drop(tokio::time::timeout(LAST_WORDS, &mut reading).await);
            status
        }
    };
    let end = status.map_or(
        Ended {
            code: None,
            signal: None,
        },
        end_of,
    );
    // Nobody asks any more when the run is over.
    ended.send_replace(Some(end));
    (lines.listener)(None, Some(end));
}

fn end_of(status: ExitStatus) -> Ended {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None;
    Ended {
        code: status.code(),
        signal,
    }
}

/// A terminal program redraws its line with `\r`, so both end a line.
async fn read<R: AsyncRead + Unpin>(stream: Option<R>, lines: &Lines) {
    let Some(stream) = stream else { return };
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match reader.read_until(b'\n', &mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        for part in plain(&String::from_utf8_lossy(&bytes)).split(['\r', '\n']) {
            let line: String = part.trim_end().chars().take(KEPT_WIDTH).collect();
            if line.is_empty() {
                continue;
            }
            {
                let mut output = lines.output.lock().unwrap_or_else(PoisonError::into_inner);
                if output.len() >= KEPT_LINES {
                    output.remove(0);
                }
                output.push(line.clone());
            }
            (lines.listener)(Some(&line), None);
        }
    }
}

/// A text without the escape sequences of terminals.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            if c == '\r' || c == '\n' || c == '\t' || !c.is_control() {
                plain.push(c);
            }
            continue;
        }
        match chars.next() {
            // Ends with a letter, `~` or `@`.
            Some('[') => while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
            // Ends with BEL or ESC \.
            Some(']') => {
                while let Some(c) = chars.next() {
                    if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                        break;
                    }
                }
            }
            Some(_) | None => {}
        }
    }
    plain
}

/// Processes that carry the mark of a run, as `PID NAME`: whatever a client left behind. Empty where /proc is not.
pub(crate) fn marked(mark: &str) -> Vec<(i32, String)> {
    let wanted = format!("{MARK}={mark}");
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<(i32, String)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let environment = std::fs::read(entry.path().join("environ")).ok()?;
            let ours = environment
                .split(|byte| *byte == 0)
                .any(|line| line == wanted.as_bytes());
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            ours.then(|| (pid, name.trim().to_owned()))
        })
        .collect();
    found.sort();
    found
}

/// Kills processes that [`marked`] found.
pub(crate) fn kill_all(found: &[(i32, String)]) {
    for (pid, _) in found {
        groups::kill_one(*pid);
    }
}

#[cfg(unix)]
mod groups {
    use nix::sys::signal::{Signal, killpg};
    use nix::unistd::Pid;

    pub(super) fn signal_leader(pid: i32, name: &str) {
        let signal = match name {
            "INT" => Signal::SIGINT,
            "HUP" => Signal::SIGHUP,
            _ => Signal::SIGTERM,
        };
        log(nix::sys::signal::kill(Pid::from_raw(pid), signal));
    }

    pub(super) fn kill(group: i32) {
        log(killpg(Pid::from_raw(group), Signal::SIGKILL));
    }

    pub(super) fn kill_one(pid: i32) {
        log(nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL));
    }

    /// A process that is gone already needs no signal.
    fn log(result: nix::Result<()>) {
        if let Err(error) = result {
            tracing::trace!(%error, "no signal was sent");
        }
    }
}

#[cfg(not(unix))]
mod groups {
    //! Elsewhere the runtime kills the program itself when its handle is dropped.
    pub(super) const fn signal_leader(_pid: i32, _name: &str) {}
    pub(super) const fn kill(_group: i32) {}
    pub(super) const fn kill_one(_pid: i32) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spawn(script: &str) -> Spawn {
        Spawn {
            command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".into())]),
            folder: std::env::temp_dir(),
            mark: format!("test-{}-{}", std::process::id(), script.len()),
        }
    }

    #[tokio::test]
    async fn output_end_and_environment_are_seen() {
        let mut tasks = JoinSet::new();
        let quiet: Listener = Arc::new(|_, _| {});
        let script = "env | cut -d= -f1 | sort | grep -v -e _ -e PWD -e SHLVL; printf '\\033[1mbold\\033[0m\\rredrawn\\n'; exit 7";
        let mut process = Process::start(&mut tasks, &spawn(script), quiet).unwrap();
        let ended = process.wait(Duration::from_secs(20)).await;
        assert_eq!(
            ended,
            Some(Ended {
                code: Some(7),
                signal: None
            })
        );
        assert_eq!(
            process.output(),
            ["PATH", "bold", "redrawn"],
            "nothing of our environment is handed on"
        );
    }

    #[tokio::test]
    async fn stopping_ends_children_that_ignore_signals() {
        let mut tasks = JoinSet::new();
        let quiet: Listener = Arc::new(|_, _| {});
        let wanted = spawn("trap '' TERM; sleep 600 & sleep 600");
        let mut process = Process::start(&mut tasks, &wanted, quiet).unwrap();
        while marked(&wanted.mark).len() < 2 {
            tokio::task::yield_now().await;
        }
        let ended = process.stop("TERM", None, Duration::from_millis(200)).await;
        assert_eq!(ended.and_then(|ended| ended.signal), Some(9));
        while !marked(&wanted.mark).is_empty() {
            tokio::task::yield_now().await;
        }
    }
}
