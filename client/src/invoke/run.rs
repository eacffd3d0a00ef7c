//! `system.run`: run a program of the allow-list and give back what it said.
//!
//! A program runs in a process group of its own, and the whole group is killed when it ends, when its
//! time is up, or when the call is cancelled.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::InvokeError;

/// What `system.run` may do. The default allows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPolicy {
    /// Programs that may run: exactly the words that a caller may put first, e.g. `echo` or `/bin/echo`.
    pub allow: BTreeSet<String>,
    /// Longest run; a caller's `timeoutMs` can only shorten it.
    pub timeout_max: Duration,
    /// Bytes kept of stdout, and as many of stderr. What is cut off is counted in the result.
    pub output_cap: usize,
}

impl Default for RunPolicy {
    fn default() -> Self {
        Self {
            allow: BTreeSet::new(),
            timeout_max: Duration::from_secs(30),
            output_cap: 256 * 1024,
        }
    }
}

/// A call that passed the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) program: String,
    pub(super) args: Vec<String>,
    pub(super) cwd: Option<String>,
    pub(super) timeout: Duration,
    pub(super) output_cap: usize,
}

impl RunPolicy {
    /// Reads `{"command":["echo","hi"],"cwd"?,"timeoutMs"?}`; `command` may be a string with `args` beside it.
    pub(super) fn admit(&self, args: &Value) -> Result<Job, InvokeError> {
        let mut words = command_words(args)?.into_iter();
        let program = words.next().unwrap_or_default();
        if !self.allow.contains(&program) {
            return Err(InvokeError::Denied);
        }
        let asked = args
            .get("timeoutMs")
            .and_then(Value::as_u64)
            .map(Duration::from_millis);
        Ok(Job {
            program,
            args: words.collect(),
            cwd: args
                .get("cwd")
                .and_then(Value::as_str)
                .map(ToOwned::to_owned),
            timeout: asked.map_or(self.timeout_max, |asked| asked.min(self.timeout_max)),
            output_cap: self.output_cap,
        })
    }
}

fn command_words(args: &Value) -> Result<Vec<String>, InvokeError> {
    let bad = |value: &Value| InvokeError::BadArgument {
        argument: "command",
        expected: "a program and its arguments as strings",
        got: value.to_string(),
    };
    let strings = |value: &Value| -> Result<Vec<String>, InvokeError> {
        let items = value.as_array().ok_or_else(|| bad(value))?;
        items
            .iter()
            .map(|item| {
                item.as_str()
                    .map(ToOwned::to_owned)
                    .ok_or_else(|| bad(item))
            })
            .collect()
    };
    let command = args.get("command").unwrap_or(&Value::Null);
    let words = match command.as_str() {
        None => strings(command)?,
        Some(program) => {
            let mut words = vec![program.to_owned()];
            if let Some(rest) = args.get("args") {
                words.extend(strings(rest)?);
            }
            words
        }
    };
    if words.first().is_none_or(String::is_empty) {
        Err(bad(command))
    } else {
        Ok(words)
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::run;

/// Nothing runs where the process tree could not be killed.
#[cfg(not(target_os = "linux"))]
pub(super) async fn run(
    job: Job,
    _cancel: tokio_util::sync::CancellationToken,
) -> Result<Value, InvokeError> {
    let Job {
        program,
        args,
        cwd,
        timeout,
        output_cap,
    } = job;
    tracing::info!(program, ?args, ?cwd, ?timeout, output_cap, "not run");
    std::future::ready(Err(InvokeError::NotOnThisSystem {
        command: "system.run",
        os: std::env::consts::OS,
    }))
    .await
}

#[cfg(target_os = "linux")]
mod linux {
    use std::process::{ExitStatus, Stdio};
    use std::time::Duration;

    use nix::sys::signal::{Signal, killpg};
    use nix::unistd::Pid;
    use serde_json::{Value, json};
    use tokio::io::{AsyncRead, AsyncReadExt as _};
    use tokio::process::Command;
    use tokio::time::sleep;
    use tokio_util::sync::CancellationToken;

    use super::{InvokeError, Job};

    /// How long output is still read after the group was killed: only a process that left its group can
    /// hold the pipe that long.
    const DRAIN: Duration = Duration::from_millis(500);

    enum End {
        Exited(std::io::Result<ExitStatus>),
        TimedOut,
        Cancelled,
    }

    /// Kills the group when it goes, so that a dropped call leaves nothing behind.
    struct Group(Option<Pid>);

    impl Drop for Group {
        fn drop(&mut self) {
            // ESRCH only means that nobody is left.
            self.0.map(|group| killpg(group, Signal::SIGKILL).ok());
        }
    }

    pub(in crate::invoke) async fn run(
        job: Job,
        cancel: CancellationToken,
    ) -> Result<Value, InvokeError> {
        let mut command = Command::new(&job.program);
        command
            .args(&job.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        if let Some(cwd) = &job.cwd {
            command.current_dir(cwd);
        }
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                return Ok(report(
                    &Captures::default(),
                    None,
                    false,
                    Some(&error.to_string()),
                ));
            }
        };
        let pid = child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .map(Pid::from_raw);
        let group = Group(pid);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut captures = Captures::default();
        let killed = CancellationToken::new();
        let ended = async {
            let end = tokio::select! {
                biased;
                () = cancel.cancelled() => End::Cancelled,
                status = child.wait() => End::Exited(status),
                () = sleep(job.timeout) => End::TimedOut,
            };
            drop(group);
            killed.cancel();
            end
        };
        let drained = async {
            tokio::select! {
                biased;
                _both = async { tokio::join!(captures.out.fill(stdout, job.output_cap), captures.err.fill(stderr, job.output_cap)) } => {}
                () = async { killed.cancelled().await; sleep(DRAIN).await } => {}
            }
        };
        let (end, ()) = tokio::join!(ended, drained);
        match end {
            End::Cancelled => Err(InvokeError::Cancelled),
            End::TimedOut => Ok(report(&captures, None, true, Some("timed out"))),
            End::Exited(Ok(status)) => Ok(report(&captures, status.code(), false, None)),
            End::Exited(Err(error)) => Ok(report(&captures, None, false, Some(&error.to_string()))),
        }
    }

    /// The first bytes of a stream, and how many more there were.
    #[derive(Default)]
    struct Capture {
        kept: Vec<u8>,
        cut: usize,
    }

    #[derive(Default)]
    struct Captures {
        out: Capture,
        err: Capture,
    }

    impl Capture {
        /// Reads to the end even past the cap: a full pipe would stall the program.
        async fn fill(&mut self, stream: Option<impl AsyncRead + Unpin>, cap: usize) {
            let Some(mut stream) = stream else { return };
            let mut chunk = vec![0; 8 * 1024];
            while let Ok(length @ 1..) = stream.read(&mut chunk).await {
                let bytes = chunk.get(..length).unwrap_or_default();
                let room = cap.saturating_sub(self.kept.len()).min(bytes.len());
                let (kept, cut) = bytes.split_at(room);
                self.kept.extend_from_slice(kept);
                self.cut += cut.len();
            }
        }

        fn text(&self) -> String {
            let mut text = String::from_utf8_lossy(&self.kept).into_owned();
            if self.cut > 0 {
                text.push_str("\n... (");
                text.push_str(&self.cut.to_string());
                text.push_str(" more bytes)");
            }
            text
        }
    }

    /// The shape of the real node host. ref: gateway-behaviour.md §A.8
    fn report(
        captures: &Captures,
        code: Option<i32>,
        timed_out: bool,
        error: Option<&str>,
    ) -> Value {
        json!({
            "exitCode": code,
            "timedOut": timed_out,
            "success": code == Some(0),
            "stdout": captures.out.text(),
            "stderr": captures.err.text(),
            "error": error,
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn policy(allow: &[&str]) -> RunPolicy {
        RunPolicy {
            allow: allow.iter().map(|&name| name.to_owned()).collect(),
            ..RunPolicy::default()
        }
    }

    #[rstest]
    #[case(json!({"command": ["echo", "a", "b"]}), &["a", "b"])]
    #[case(json!({"command": "echo", "args": ["a"]}), &["a"])]
    #[case(json!({"command": "echo"}), &[])]
    fn an_allowed_program_is_admitted(#[case] args: Value, #[case] expected: &[&str]) {
        let job = policy(&["echo"]).admit(&args).unwrap();
        assert_eq!(
            (job.program.as_str(), job.args),
            ("echo", expected.iter().map(ToString::to_string).collect())
        );
    }

    #[rstest]
    #[case(json!({"command": ["rm", "-rf", "/"]}), "SYSTEM_RUN_DENIED: approval required")]
    #[case(json!({"command": ["/bin/echo"]}), "SYSTEM_RUN_DENIED: approval required")]
    #[case(json!({"command": []}), "command: expected a program and its arguments as strings, got []")]
    #[case(json!({"command": ["echo", 1]}), "command: expected a program and its arguments as strings, got 1")]
    #[case(json!({}), "command: expected a program and its arguments as strings, got null")]
    fn anything_else_is_refused(#[case] args: Value, #[case] error: &str) {
        assert_eq!(
            policy(&["echo"]).admit(&args).unwrap_err().to_string(),
            error
        );
    }

    #[rstest]
    #[case(json!({"command": "echo", "timeoutMs": 5}), 5)]
    #[case(json!({"command": "echo", "timeoutMs": 999_999}), 30_000)]
    #[case(json!({"command": "echo"}), 30_000)]
    fn a_caller_can_only_shorten_the_time(#[case] args: Value, #[case] millis: u64) {
        assert_eq!(
            policy(&["echo"]).admit(&args).unwrap().timeout,
            Duration::from_millis(millis)
        );
    }

    #[cfg(target_os = "linux")]
    mod on_linux {
        use tokio_util::sync::CancellationToken;

        use super::*;

        fn shell(script: &str, timeout_ms: u64, output_cap: usize) -> Job {
            Job {
                program: "sh".to_owned(),
                args: vec!["-c".to_owned(), script.to_owned()],
                cwd: None,
                timeout: Duration::from_millis(timeout_ms),
                output_cap,
            }
        }

        #[tokio::test]
        async fn a_program_answers_with_code_and_output() {
            let answer = run(
                shell("echo hi; echo no >&2; exit 3", 5_000, 100),
                CancellationToken::new(),
            )
            .await
            .unwrap();
            let expected = json!({"exitCode": 3, "timedOut": false, "success": false, "stdout": "hi\n", "stderr": "no\n", "error": null});
            assert_eq!(answer, expected);
        }

        #[tokio::test]
        async fn output_beyond_the_cap_is_counted_not_kept() {
            let answer = run(
                shell("printf 0123456789", 5_000, 4),
                CancellationToken::new(),
            )
            .await
            .unwrap();
            assert_eq!(answer["stdout"], "0123\n... (6 more bytes)");
        }

        /// The grandchild holds stdout open: only killing the whole group lets the call end at once.
        #[rstest]
        #[case::its_time_is_up("sleep 60 & sleep 60", 50, true)]
        #[case::it_ended_before_its_child("sleep 60 & exit 0", 30_000, false)]
        #[tokio::test]
        async fn the_whole_tree_dies(
            #[case] script: &str,
            #[case] timeout_ms: u64,
            #[case] timed_out: bool,
        ) {
            let started = std::time::Instant::now();
            let answer = run(shell(script, timeout_ms, 100), CancellationToken::new())
                .await
                .unwrap();
            assert_eq!(answer["timedOut"], timed_out);
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "{:?}",
                started.elapsed()
            );
        }

        #[tokio::test]
        async fn a_cancelled_call_says_so() {
            let cancel = CancellationToken::new();
            cancel.cancel();
            assert_eq!(
                run(shell("sleep 60", 60_000, 100), cancel).await,
                Err(InvokeError::Cancelled)
            );
        }

        #[tokio::test]
        async fn a_program_that_is_not_there_is_a_result_with_an_error() {
            let mut job = shell("", 1_000, 100);
            job.program = "/nonexistent/program".to_owned();
            let answer = run(job, CancellationToken::new()).await.unwrap();
            assert!(
                answer["error"].as_str().unwrap().contains("No such file"),
                "{answer}"
            );
        }
    }
}
