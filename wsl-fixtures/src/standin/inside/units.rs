//! User units for the programs inside: those of a real systemd where the distro has one, else our own.

use std::path::Path;
use std::process::Command;

use super::unit::Place;
use super::{Failed, Said, systemctl};

/// What stands there where systemd is the first process.
const SYSTEMD: &str = "/run/systemd/system";

fn is_real() -> bool {
    Path::new(SYSTEMD).is_dir()
}

/// `systemctl` with these words.
pub(super) fn systemctl(words: &[String]) -> Said {
    if !is_real() {
        return systemctl::run(words);
    }
    let done = Command::new("/usr/bin/systemctl").args(words).output()?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.success() {
        return Ok(said);
    }
    let code = done.status.code().and_then(|code| u8::try_from(code).ok());
    let why = String::from_utf8_lossy(&done.stderr);
    Err(Failed(code.unwrap_or(1), format!("{said}{why}")))
}

/// The main process of a unit; 0 when none runs.
pub(super) fn main_pid(place: &Place) -> Result<u32, Failed> {
    if !is_real() {
        return Ok(place.change(|state| state.service.main_pid())?);
    }
    let words = ["--user", "show", "-p", "MainPID", "--value", place.name()];
    let said = systemctl(&words.map(ToOwned::to_owned))?;
    Ok(said.trim().parse().unwrap_or_default())
}

/// Where a unit's process writes, as a line of its file: a user can't read the journal of a distro that keeps it in
/// memory, and the gateway says there where it is given orders.
pub(super) fn output(place: &Place) -> Result<String, Failed> {
    if !is_real() {
        return Ok(String::new());
    }
    let path = place.journal();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(format!("StandardOutput=append:{}\n", path.display()))
}
