//! `systemctl --user`, for units whose processes we run ourselves.
//!
//! What it does not know it refuses by name, as systemctl does.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::supervise;
use super::unit::Place;
use super::{Failed, Said};
use crate::service::Activity;

/// The sign that the distro was started with systemd.
const MARKER: &str = "/run/clawproof/systemd";

pub(super) fn run(words: &[String]) -> Said {
    if !Path::new(MARKER).exists() {
        return Err(Failed(
            1,
            "System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: Host is down".to_owned(),
        ));
    }
    let mut properties = Vec::new();
    let (mut bare, mut now, mut is_user) = (Vec::new(), false, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--user" => is_user = true,
            "--now" => now = true,
            "-p" | "--property" => properties.extend(words.next().cloned()),
            "--value" | "--no-pager" | "--quiet" | "-q" | "--no-block" | "--no-page"
            | "--force" | "-l" | "--full" => {
                bare.extend((word == "--value").then(|| "--value".to_owned()));
            }
            option if option.starts_with("--property=") => {
                properties.push(option.trim_start_matches("--property=").to_owned());
            }
            option if option.starts_with("-n") || option.starts_with("--lines") => {}
            option if option.starts_with('-') => {
                return Err(Failed(
                    1,
                    format!("systemctl: unrecognized option '{option}'"),
                ));
            }
            _ => bare.push(word.clone()),
        }
    }
    if !is_user {
        return Err(Failed(
            1,
            "this stand-in has user units only\nhint: systemctl --user".to_owned(),
        ));
    }
    let value_only = bare.iter().any(|word| word == "--value");
    bare.retain(|word| word != "--value");
    let mut bare = bare.into_iter();
    let verb = bare.next().unwrap_or_default();
    let unit = bare.next();
    match (verb.as_str(), unit) {
        ("daemon-reload" | "show-environment" | "import-environment" | "set-environment", _) => {
            Ok(String::new())
        }
        ("is-system-running", _) => Ok("running\n".to_owned()),
        ("status" | "show", None) => Ok("State: running\n".to_owned()),
        ("reset-failed", None) => Ok(String::new()),
        (verb, Some(unit)) => on_unit(verb, &Place::of(&unit)?, now, &properties, value_only),
        (verb, None) => Err(Failed(
            1,
            format!("Unknown command verb '{verb}', or a unit is missing."),
        )),
    }
}

fn on_unit(verb: &str, place: &Place, now: bool, properties: &[String], value_only: bool) -> Said {
    let is_known = place.file().exists();
    if !is_known && matches!(verb, "start" | "restart" | "enable") {
        let code = if verb == "enable" { 1 } else { 5 };
        return Err(Failed(
            code,
            format!(
                "Failed to {verb} {0}.service: Unit {0}.service not found.",
                place.name()
            ),
        ));
    }
    match verb {
        "start" => start(place),
        "stop" => stop(place),
        "restart" | "try-restart" | "reload-or-restart" => {
            stop(place)?;
            start(place)
        }
        "enable" | "disable" | "reenable" => {
            place.change(|state| state.enabled = verb != "disable")?;
            match (now, verb) {
                (true, "disable") => stop(place),
                (true, _) => start(place),
                (false, _) => Ok(String::new()),
            }
        }
        "reset-failed" => {
            place.change(|state| state.service.reset_failed())?;
            Ok(String::new())
        }
        "is-active" => {
            let activity = place.change(|state| state.service.activity())?;
            let text = format!("{}\n", active(activity));
            if activity == Activity::Active {
                Ok(text)
            } else {
                exits(3, &text)
            }
        }
        "is-enabled" => {
            let enabled = is_known && place.change(|state| state.enabled)?;
            if enabled {
                Ok("enabled\n".to_owned())
            } else {
                exits(
                    1,
                    if is_known {
                        "disabled\n"
                    } else {
                        "not-found\n"
                    },
                )
            }
        }
        "show" => show(place, properties, value_only),
        "status" => status(place),
        "cat" => Ok(std::fs::read_to_string(place.file())?),
        verb => Err(Failed(1, format!("Unknown command verb '{verb}'."))),
    }
}

/// Prints to standard output and fails all the same.
fn exits(code: u8, text: &str) -> Said {
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    Err(Failed(code, String::new()))
}

fn start(place: &Place) -> Said {
    let is_active = place.change(|state| state.service.activity() == Activity::Active)?;
    if is_active {
        return Ok(String::new());
    }
    supervise::leave(place)?;
    Ok(String::new())
}

fn stop(place: &Place) -> Said {
    let pid = place.change(|state| {
        let pid = state.service.main_pid();
        state.supervisor = None;
        state.service.stopped();
        pid
    })?;
    let Some(pid) = i32::try_from(pid)
        .ok()
        .filter(|pid| *pid > 0)
        .map(Pid::from_raw)
    else {
        return Ok(String::new());
    };
    // A number alone may be another's after a restart of the distro: only a leader of its group is ours.
    if nix::unistd::getpgid(Some(pid)) != Ok(pid) {
        return Ok(String::new());
    }
    kill_group(pid, Signal::SIGTERM)?;
    for _ in 0..200 {
        if !is_alive(pid) {
            return Ok(String::new());
        }
        std::thread::park_timeout(std::time::Duration::from_millis(25));
    }
    kill_group(pid, Signal::SIGKILL)?;
    Ok(String::new())
}

fn kill_group(pid: Pid, signal: Signal) -> Result<(), Failed> {
    match kill(Pid::from_raw(-pid.as_raw()), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(Failed(1, error.to_string())),
    }
}

fn is_alive(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit_once(')')
            .is_some_and(|(_, after)| after.trim_start().starts_with('Z'))
    })
}

fn active(activity: Activity) -> &'static str {
    match activity {
        Activity::Inactive => "inactive",
        Activity::Active => "active",
        Activity::Failed => "failed",
    }
}

fn show(place: &Place, properties: &[String], value_only: bool) -> Said {
    let is_known = place.file().exists();
    let state = place.change(|state| state.clone())?;
    let sub = match state.service.activity() {
        Activity::Inactive => "dead",
        Activity::Active => "running",
        Activity::Failed => "failed",
    };
    let all = [
        ("Id", format!("{}.service", place.name())),
        (
            "LoadState",
            if is_known { "loaded" } else { "not-found" }.to_owned(),
        ),
        ("ActiveState", active(state.service.activity()).to_owned()),
        ("SubState", sub.to_owned()),
        ("MainPID", state.service.main_pid().to_string()),
        ("ExecMainStatus", state.service.last_exit().to_string()),
        ("ExecMainCode", "0".to_owned()),
        (
            "UnitFileState",
            if state.enabled { "enabled" } else { "disabled" }.to_owned(),
        ),
        ("FragmentPath", place.file().display().to_string()),
    ];
    let asked: Vec<&str> = properties
        .iter()
        .flat_map(|names| names.split(','))
        .collect();
    let shown = all
        .iter()
        .filter(|(name, _)| asked.is_empty() || asked.contains(name));
    Ok(shown
        .map(|(name, value)| {
            if value_only {
                format!("{value}\n")
            } else {
                format!("{name}={value}\n")
            }
        })
        .collect())
}

fn status(place: &Place) -> Said {
    let state = place.change(|state| state.clone())?;
    let text = format!(
        "{0}.service\n     Loaded: loaded ({1})\n     Active: {2}\n   Main PID: {3}\n",
        place.name(),
        place.file().display(),
        active(state.service.activity()),
        state.service.main_pid()
    );
    if state.service.activity() == Activity::Active {
        Ok(text)
    } else {
        exits(3, &text)
    }
}
