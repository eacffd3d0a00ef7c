//! Processes of a distro, told apart from others that got their number later.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The process that a file names, when it is still that process: its number alone may be another's by this time.
pub(super) fn proven(file: &Path) -> Option<u32> {
    let text = fs::read_to_string(file).ok()?;
    let (pid, started) = text.trim().split_once(' ')?;
    let pid = pid.parse().ok()?;
    (start_time(pid)? == started).then_some(pid)
}

/// Writes down which process it is.
pub(super) fn remember(file: &Path, pid: u32) -> io::Result<()> {
    let started =
        start_time(pid).ok_or_else(|| io::Error::other("a process of the distro ended at once"))?;
    File::create(file)?.write_all(format!("{pid} {started}\n").as_bytes())
}

/// When a process was started, as the kernel counts it: the 22nd field, counted after the name in parentheses.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(19).map(ToOwned::to_owned)
}

/// Kills a process and waits until it is gone.
pub(super) fn kill_and_wait(pid: u32) -> io::Result<()> {
    let Ok(raw) = i32::try_from(pid) else {
        return Ok(());
    };
    // The number could be somebody else's by the time it is gone: the start time tells them apart.
    let gone = start_time(pid);
    match kill(Pid::from_raw(raw), Signal::SIGKILL) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
        Err(error) => return Err(error.into()),
    }
    while gone.is_some() && start_time(pid) == gone && !is_zombie(pid) {
        std::thread::yield_now();
    }
    Ok(())
}

fn is_zombie(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        stat.rsplit_once(')')
            .is_some_and(|(_, after)| after.trim_start().starts_with(['Z', 'X']))
    })
}
