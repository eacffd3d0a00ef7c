//! A WSL that is reached by starting `wsl.exe`: the stand-in of this crate, or on Windows the real one.
//!
//! The real one is not verified: nothing here has run on Windows.

use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use super::Pace;
use crate::argv::Verb;
use crate::log::{CommandLog, Draft};
use crate::wsl::{Call, Finished, Wsl, WslError};

/// What is kept of one stream, in bytes.
const CAPTURE: usize = 1_048_576;
/// How often it is looked whether the program has ended while somebody else holds its streams.
const LOOK: Duration = Duration::from_millis(20);

/// How long a stream is read on after the program has ended while somebody else holds it.
const DRAIN: Duration = Duration::from_secs(2);

/// A program called like wsl.exe.
#[derive(Debug)]
pub struct ProcessWsl {
    program: PathBuf,
    env: Vec<(String, String)>,
    pace: Pace,
    /// What limits are multiplied by.
    patience: u32,
    log: CommandLog,
}

impl ProcessWsl {
    /// This program, with nothing in its environment but these variables and those of each call.
    pub fn new(
        program: impl Into<PathBuf>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self {
            program: program.into(),
            env: env.into_iter().collect(),
            pace: Pace::REAL,
            patience: 1,
            log: CommandLog::default(),
        }
    }

    /// The stand-in at this place, over the computer in this folder. Beside it lie decoys, and nothing else is on PATH.
    pub fn stand_in(program: &Path, computer: &Path) -> Self {
        let home = computer.display().to_string();
        let beside = program.parent().unwrap_or(program).display().to_string();
        Self::new(
            program,
            [
                (crate::standin::HOME.to_owned(), home),
                ("PATH".to_owned(), beside),
            ],
        )
    }

    /// The same with pauses this many times shorter.
    #[must_use]
    pub fn with_pace(mut self, pace: u32) -> Self {
        self.pace = Pace::shorter(pace);
        self
    }

    /// The same with limits this many times longer, for a machine that has much else to do.
    #[must_use]
    pub fn with_patience(mut self, patience: u32) -> Self {
        self.patience = patience.max(1);
        self
    }

    fn command(&self, call: &Call) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&call.words);
        if !cfg!(windows) {
            // A Windows program needs what Windows sets; elsewhere nothing of the user's leaks in.
            command.env_clear();
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let set = call
            .env
            .names()
            .filter_map(|name| Some((name, call.env.value(name)?)));
        command.envs(set);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }

    fn note(&mut self, call: &Call, at: Duration, exit: Option<i32>, took: Duration) {
        self.log.learn(&call.env);
        let user = if let Ok(Verb::Run(run)) = Verb::parse(call.words.iter().cloned()) {
            run.user
        } else {
            None
        };
        self.log.record(Draft {
            at,
            argv: call.words.clone(),
            received: None,
            user,
            stdin: call.stdin.clone(),
            env: call.env.crossing().into_keys().collect(),
            exit,
            took,
        });
    }
}

impl Wsl for ProcessWsl {
    fn call(&mut self, call: &Call) -> Finished {
        let (at, begun) = (self.now(), Instant::now());
        let mut command = self.command(call);
        let patient = call.clone().limit(call.limit * self.patience);
        let finished = match run(&mut command, &patient) {
            Ok(finished) => finished,
            Err(error) => Finished {
                exit: Some(-1),
                stderr: format!(
                    "Failed to start process {}: {error}\n",
                    self.program.display()
                )
                .into_bytes(),
                ..Finished::default()
            },
        };
        let finished = Finished {
            took: begun.elapsed(),
            ..finished
        };
        self.note(call, at, finished.exit, finished.took);
        finished
    }

    fn start(&mut self, call: &Call) -> Result<u32, WslError> {
        let at = self.now();
        let mut command = self.command(call);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = command.spawn();
        self.note(call, at, None, Duration::ZERO);
        started
            .map(|child| child.id())
            .map_err(|error| WslError::Failed {
                verb: call.words.first().cloned().unwrap_or_default(),
                exit: -1,
                said: error.to_string(),
            })
    }

    fn pause(&mut self, time: Duration) {
        self.pace.pause(time);
    }

    fn now(&self) -> Duration {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    }

    fn log(&self) -> &CommandLog {
        &self.log
    }
}

fn run(command: &mut Command, call: &Call) -> io::Result<Finished> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let deadline = Instant::now() + call.limit;
    if let Some(mut pipe) = child.stdin.take() {
        let input = call.stdin.clone();
        // A program that reads nothing must not hold us up, nor is it an error that it does not.
        let writer = std::thread::Builder::new().name("wsl-stdin".to_owned());
        drop(writer.spawn(move || drop(pipe.write_all(&input)))?);
    }
    let out = capture(child.stdout.take())?;
    let err = capture(child.stderr.take())?;
    let exit = wait(&mut child, deadline, &out.1, &err.1)?;
    if exit.is_none() {
        kill_tree(&mut child);
    }
    Ok(Finished {
        exit,
        stdout: out.0.lock().map(|bytes| bytes.clone()).unwrap_or_default(),
        stderr: err.0.lock().map(|bytes| bytes.clone()).unwrap_or_default(),
        took: Duration::ZERO,
    })
}

type Captured = (std::sync::Arc<std::sync::Mutex<Vec<u8>>>, Receiver<()>);

/// Reads a stream in the background; the channel closes when the stream does.
fn capture(stream: Option<impl Read + Send + 'static>) -> io::Result<Captured> {
    let bytes = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (open, closed) = sync_channel(0);
    let kept = std::sync::Arc::clone(&bytes);
    let reader = std::thread::Builder::new().name("wsl-output".to_owned());
    drop(reader.spawn(move || {
        let _open = open;
        let mut stream = stream?;
        let mut chunk = vec![0; 16_384];
        loop {
            let n = stream.read(&mut chunk).ok().filter(|n| *n > 0)?;
            let mut kept = kept.lock().ok()?;
            let room = CAPTURE.saturating_sub(kept.len()).min(n);
            kept.extend_from_slice(chunk.get(..room)?);
        }
        #[expect(unreachable_code, reason = "the type of the thread's result")]
        Some(())
    })?);
    Ok((bytes, closed))
}

/// The exit code; `None` when the time is up.
fn wait(
    child: &mut Child,
    deadline: Instant,
    out: &Receiver<()>,
    err: &Receiver<()>,
) -> io::Result<Option<i32>> {
    let mut ended = None;
    for stream in [out, err] {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match stream.recv_timeout(LOOK.min(left)) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if ended.is_none() && child.try_wait()?.is_some() {
                ended = Some(Instant::now());
            }
            // What it has written is still being read. A process in the distro that holds the stream for good
            // must not hold us.
            if ended.is_some_and(|since| since.elapsed() > DRAIN) {
                break;
            }
        }
    }
    loop {
        if let Some(status) = child.try_wait()? {
            // wsl.exe ends with -1, of which other systems keep one byte.
            return Ok(Some(match status.code() {
                Some(255) | None => -1,
                Some(code) => code,
            }));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::park_timeout(LOOK);
    }
}

fn kill_tree(child: &mut Child) {
    #[cfg(unix)]
    if let Ok(group) = i32::try_from(child.id()) {
        use nix::sys::signal::{Signal, kill};
        // It may have ended meanwhile.
        let _killed: nix::Result<()> = kill(nix::unistd::Pid::from_raw(-group), Signal::SIGKILL);
    }
    drop(child.kill());
    drop(child.wait());
}
