//! A distro as namespaces of this machine: mount, pid, uts, ipc, and with [`Network::Nat`] net, over a private
//! root in which only `/usr` is the host's, read-only.
//!
//! - [`follow`]: makes and removes the files of a distro
//! - [`execute`]: starts the distro when it must, and runs a command in it
//! - [`stop`]: kills its first process, and with it everything in it
//!
//! Nothing here needs a daemon. The programs are util-linux (`unshare`, `nsenter`, `setpriv`, `mount`), which
//! every distribution has. As root no user namespace is needed; without it, one with a range of subordinate ids.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

use super::home::Home;
use crate::machine::{Change, Execution, Machine};

mod boot;
mod process;
mod root;
mod users;

use boot::boot;
use process::{kill_and_wait, proven};
use root::make;
use users::{default_user, environment, user_entry};

/// Where a distro finds this program.
const STANDIN: &str = "/run/clawproof/standin";

/// Where this machine's own programs are, whatever the caller has on PATH.
const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes the disk follow a change.
pub(crate) fn follow(home: &Home, machine: &Machine, change: &Change) -> io::Result<()> {
    match change {
        Change::Made(name) => {
            let location = machine
                .distro(name)
                .and_then(|entry| entry.location.clone());
            make(&home.distro(name), location.as_deref())
        }
        Change::Stopped(name) => stop(home, name),
        Change::Removed(name) => remove(home, name),
        Change::Exported(name, file) => tar(&home.distro(name), &["-cf", file, "root"]),
        Change::Imported(name, file) => {
            make(&home.distro(name), None)?;
            tar(&home.distro(name), &["-xf", file])
        }
    }
}

fn tar(distro: &Path, words: &[&str]) -> io::Result<()> {
    let status = Command::new("tar")
        .env("PATH", SYSTEM_PATH)
        .arg("-C")
        .arg(distro)
        .args(words)
        .status()?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| io::Error::other(format!("tar ended with {status}")))
}

fn remove(home: &Home, name: &str) -> io::Result<()> {
    stop(home, name)?;
    let distro = home.distro(name);
    if distro.exists() {
        fs::remove_dir_all(distro)?;
    }
    Ok(())
}

/// Kills everything in a distro, and its relay.
pub(crate) fn stop(home: &Home, name: &str) -> io::Result<()> {
    for file in ["pid", "relay"] {
        let path = home.distro(name).join(file);
        if let Some(pid) = proven(&path) {
            kill_and_wait(pid)?;
        }
        if path.exists() {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Runs a command in a distro; it starts for it when it must. Gives its exit code.
pub(crate) fn execute(
    home: &Home,
    machine: &Machine,
    execution: &Execution,
    stdin: Vec<u8>,
) -> io::Result<i32> {
    let root = home.distro(&execution.distro).join("root");
    let pid = boot(home, machine, &execution.distro)?;
    let user = execution
        .user
        .clone()
        .unwrap_or_else(|| default_user(&root));
    let Some(entry) = user_entry(&root, &user) else {
        let said = crate::output::encode_utf16le(crate::text::USER_NOT_FOUND, false);
        io::stdout().write_all(&said)?;
        return Ok(-1);
    };
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--target={pid}"))
        .args(["--mount", "--uts", "--ipc", "--net", "--pid"]);
    if !geteuid().is_root() {
        command.args(["--user", "--preserve-credentials"]);
    }
    command.args([
        "setpriv",
        &format!("--reuid={}", entry.uid),
        &format!("--regid={}", entry.gid),
        "--init-groups",
    ]);
    let cd = match execution.cd.as_deref() {
        None | Some("~") => entry.home.clone(),
        Some(folder) => folder.to_owned(),
    };
    command.args(["env", "-i", "-C", &cd]);
    for (name, value) in environment(&execution.distro, &user, &entry)
        .into_iter()
        .chain(execution.env.clone())
    {
        command.arg(format!("{name}={value}"));
    }
    if execution.words.is_empty() {
        command.args([entry.shell.as_str(), "-l"]);
    } else {
        command.args(&execution.words);
    }
    command.env_clear().env("PATH", SYSTEM_PATH);
    finish(command, stdin)
}

fn finish(mut command: Command, stdin: Vec<u8>) -> io::Result<i32> {
    if stdin.is_empty() {
        return Ok(command.status()?.code().unwrap_or(-1));
    }
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // WSL accepts scripts with Windows line ends; a shell that ended early is no error.
        let script: Vec<u8> = stdin.into_iter().filter(|&byte| byte != b'\r').collect();
        drop(pipe.write_all(&script));
    }
    Ok(child.wait()?.code().unwrap_or(-1))
}
