//! Child processes that end with everything that they started.
//!
//! A program of somebody else starts programs of its own. [`ChildTree`] puts all of them into one
//! process group: signals reach the whole group, and dropping the value kills what is left of it. So
//! neither an error nor Ctrl-C leaves anything running. Where there are no process groups (Windows),
//! only the program itself is ended.
//!
//! ```
//! # #[cfg(unix)]
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use scenarios::process::ChildTree;
//! use std::time::Duration;
//! let mut command = tokio::process::Command::new("sleep");
//! let mut sleeper = ChildTree::spawn(command.arg("1000")).unwrap();
//! let ended = sleeper.terminate(Duration::from_secs(5)).await.unwrap();
//! assert!(!ended.success());
//! # });
//! ```

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::process::{Child, Command};

/// What a whole process group can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Please end (SIGTERM).
    Terminate,
    /// As if Ctrl-C was pressed (SIGINT).
    Interrupt,
    /// What a program makes of it (SIGUSR1).
    User1,
    /// What a program makes of it (SIGUSR2).
    User2,
    /// End at once (SIGKILL).
    Kill,
}

/// A child process and everything that it started.
#[derive(Debug)]
pub struct ChildTree {
    child: Child,
    /// The process group; `None` once nothing can be left of it.
    group: Option<u32>,
}

impl ChildTree {
    /// Starts `command` as the leader of a process group of its own.
    ///
    /// # Errors
    /// What the system says when it can't be started.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        #[cfg(unix)]
        command.process_group(0);
        let child = command.kill_on_drop(true).spawn()?;
        let group = child.id();
        Ok(Self { child, group })
    }

    /// The child, to take its standard streams.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The id of the started process, which is that of its group; `None` once it was waited for.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends a signal to every process of the group. No error when nobody is left.
    pub fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            send(group, signal);
        }
    }

    /// Sends a signal to the started process alone.
    pub fn signal_child(&self, signal: Signal) {
        if let Some(child) = self.child.id() {
            send_one(child, signal);
        }
    }

    /// Waits until the started process ends by itself, then kills what it left behind.
    ///
    /// # Errors
    /// What the system says when it can't be waited for.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.end_group();
        Ok(status)
    }

    /// Asks the group to end, and kills it when the started process has not done so within `grace`.
    ///
    /// # Errors
    /// What the system says when it can't be waited for.
    pub async fn terminate(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        self.signal(Signal::Terminate);
        let status = match tokio::time::timeout(grace, self.child.wait()).await {
            Ok(status) => status?,
            Err(_late) => {
                self.kill();
                self.child.start_kill().or_else(gone)?;
                self.child.wait().await?
            }
        };
        self.end_group();
        Ok(status)
    }

    fn end_group(&mut self) {
        self.kill();
        self.group = None;
    }

    /// Kills the group, and descendants that made a group of their own.
    fn kill(&self) {
        let family = self.id().map(family).unwrap_or_default();
        self.signal(Signal::Kill);
        for member in family {
            send_one(member, Signal::Kill);
        }
    }
}

impl Drop for ChildTree {
    fn drop(&mut self) {
        self.end_group();
    }
}

/// A process that is gone already needs no killing.
fn gone(error: io::Error) -> io::Result<()> {
    if matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::NotFound
    ) {
        Ok(())
    } else {
        Err(error)
    }
}

/// Resident memory of a process and of everything that descends from it, in bytes; none where the system
/// does not tell.
pub fn resident_bytes(process: u32) -> Option<u64> {
    let kilobytes: u64 = family(process)
        .into_iter()
        .filter_map(|member| std::fs::read_to_string(format!("/proc/{member}/status")).ok())
        .filter_map(|status| resident_kilobytes(&status))
        .sum();
    (kilobytes > 0).then(|| kilobytes * 1024)
}

/// A process and its descendants, also those that left its group; only itself where the system does not tell.
fn family(process: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let child = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            Some((child, parent_of(&stat)?))
        })
        .collect();
    let mut family = vec![process];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        next += 1;
        for (child, of) in &parents {
            if *of == parent && !family.contains(child) {
                family.push(*child);
            }
        }
    }
    family
}

/// The parent of a process: the second word behind its name, which stands in brackets and may hold any.
fn parent_of(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn resident_kilobytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(unix)]
const fn unix(signal: Signal) -> nix::sys::signal::Signal {
    use nix::sys::signal::Signal as Unix;
    match signal {
        Signal::Terminate => Unix::SIGTERM,
        Signal::Interrupt => Unix::SIGINT,
        Signal::User1 => Unix::SIGUSR1,
        Signal::User2 => Unix::SIGUSR2,
        Signal::Kill => Unix::SIGKILL,
    }
}

#[cfg(unix)]
fn send(group: u32, signal: Signal) {
    let Ok(group) = i32::try_from(group) else {
        return;
    };
    let group = nix::unistd::Pid::from_raw(group);
    if let Err(error) = nix::sys::signal::killpg(group, unix(signal)) {
        tracing::trace!(%error, %group, "nobody is left");
    }
}

#[cfg(unix)]
fn send_one(process: u32, signal: Signal) {
    let Ok(process) = i32::try_from(process) else {
        return;
    };
    let process = nix::unistd::Pid::from_raw(process);
    if let Err(error) = nix::sys::signal::kill(process, unix(signal)) {
        tracing::trace!(%error, %process, "it is gone");
    }
}

/// Without process groups the caller falls back on ending the started process itself.
#[cfg(not(unix))]
fn send(group: u32, signal: Signal) {
    tracing::trace!(group, ?signal, "no process groups here");
}

#[cfg(not(unix))]
fn send_one(process: u32, signal: Signal) {
    tracing::trace!(process, ?signal, "no signals here");
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::io::{AsyncBufReadExt as _, BufReader};

    use super::*;

    fn alive(pid: i32) -> bool {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok()
    }

    /// A shell that starts a grandchild, prints its id, and waits.
    async fn household(script: &str) -> (ChildTree, i32) {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        let mut tree = ChildTree::spawn(&mut command).unwrap();
        let stdout = tree.child().stdout.take().unwrap();
        let line = BufReader::new(stdout).lines().next_line().await.unwrap();
        (tree, line.unwrap().trim().parse().unwrap())
    }

    /// Waits until the system has cleaned up a killed orphan; its parent is not ours to wait for.
    async fn until_gone(pid: i32) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while alive(pid) && !is_zombie(pid) {
            assert!(tokio::time::Instant::now() < deadline, "{pid} still runs");
            tokio::task::yield_now().await;
        }
    }

    /// In a container whose first process reaps nobody, an orphan stays as a zombie.
    fn is_zombie(pid: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
            stat.rsplit(')')
                .next()
                .is_some_and(|rest| rest.trim_start().starts_with('Z'))
        })
    }

    #[test]
    fn a_process_tells_its_parent_and_its_memory() {
        assert_eq!(parent_of("7 (a ) b) S 4242 7 7 0 -1"), Some(4242));
        assert_eq!(
            resident_kilobytes("Name:\tx\nVmRSS:\t   812 kB\n"),
            Some(812)
        );
    }

    #[tokio::test]
    async fn ending_the_child_ends_what_it_started() {
        let (mut tree, grandchild) = household("sleep 1000 & echo $!; wait").await;
        assert!(alive(grandchild));
        tree.terminate(Duration::from_secs(10)).await.unwrap();
        until_gone(grandchild).await;
    }

    #[tokio::test]
    async fn a_child_that_does_not_listen_is_killed_at_the_deadline() {
        let (mut tree, grandchild) =
            household("trap '' TERM; sleep 1000 & echo $!; while :; do wait; done").await;
        tree.terminate(Duration::from_millis(50)).await.unwrap();
        until_gone(grandchild).await;
    }

    #[tokio::test]
    async fn dropping_the_tree_kills_it() {
        let (tree, grandchild) = household("sleep 1000 & echo $!; wait").await;
        drop(tree);
        until_gone(grandchild).await;
    }

    #[tokio::test]
    async fn a_descendant_with_a_group_of_its_own_is_killed_too() {
        let (tree, grandchild) = household("setsid sleep 1000 & echo $!; wait").await;
        drop(tree);
        until_gone(grandchild).await;
    }

    #[tokio::test]
    async fn a_child_that_ends_by_itself_leaves_nothing_behind() {
        let (mut tree, grandchild) = household("sleep 1000 & echo $!").await;
        assert!(tree.wait().await.unwrap().success());
        until_gone(grandchild).await;
    }
}
