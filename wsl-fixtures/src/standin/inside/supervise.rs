//! Starts a unit's process, and starts it again when its file says so.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use super::unit::{Place, UnitFile};
use super::{Failed, Said};

/// How long systemd waits before it starts a unit again.
const RESTART_DELAY: Duration = Duration::from_millis(100);

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Leaves a supervisor behind, and returns when the unit's process runs.
pub(super) fn leave(place: &Place) -> Result<(), Failed> {
    let mut child = Command::new("/run/clawproof/standin")
        .arg0("unit-run")
        .arg(place.name())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let mut said = String::new();
    if let Some(mut out) = child.stdout.take() {
        io::Read::read_to_string(&mut out, &mut said)?;
    }
    if said.trim() == "up" {
        Ok(())
    } else {
        Err(Failed(
            1,
            format!("Failed to start {}.service: {}", place.name(), said.trim()),
        ))
    }
}

/// The supervisor of a unit.
pub(super) fn run(words: &[String]) -> Said {
    let place = Place::of(words.first().map_or("", String::as_str))?;
    let file = UnitFile::parse(&std::fs::read_to_string(place.file())?, &place.home);
    let mut child = match start(&place, &file) {
        Ok(child) => child,
        Err(Failed(_, said)) => return Ok(said),
    };
    // The one who waits reads until this end is closed.
    announce()?;
    loop {
        let exit = child.wait()?;
        let me = i32::try_from(std::process::id()).unwrap_or_default();
        let goes_on = place.change(|state| {
            if state.supervisor != Some(me) {
                return false;
            }
            state.service.ended(exit.code().unwrap_or(-1));
            file.restarts
        })?;
        if !goes_on {
            return Ok(String::new());
        }
        std::thread::park_timeout(RESTART_DELAY);
        child = start(&place, &file)?;
    }
}

/// Says that the unit runs, and gives standard output away for good.
fn announce() -> io::Result<()> {
    io::Write::write_all(&mut io::stdout(), b"up\n")?;
    io::Write::flush(&mut io::stdout())?;
    let null = File::options().write(true).open("/dev/null")?;
    nix::unistd::dup2_stdout(null).map_err(io::Error::from)
}

fn start(place: &Place, file: &UnitFile) -> Result<Child, Failed> {
    let now = now_ms();
    place
        .change(|state| state.service.may_start(now))?
        .map_err(|error| Failed(1, error.to_string()))?;
    let [program, words @ ..] = file.exec.as_slice() else {
        return Err(Failed(
            1,
            format!(
                "{}: expected ExecStart=, got nothing",
                place.file().display()
            ),
        ));
    };
    let journal = File::options()
        .create(true)
        .append(true)
        .open(place.journal())?;
    let mut command = Command::new(program);
    command.args(words).env_clear().envs([
        ("HOME", place.home.as_str()),
        (
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
        ("LANG", "C.UTF-8"),
    ]);
    for name in ["USER", "LOGNAME", "SHELL", "XDG_RUNTIME_DIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .envs(&file.env)
        .current_dir(file.folder.as_deref().unwrap_or(&place.home));
    command
        .stdin(Stdio::null())
        .stdout(journal.try_clone()?)
        .stderr(journal)
        .process_group(0);
    let child = command
        .spawn()
        .map_err(|error| Failed(203, format!("{program}: {error}")))?;
    let me = i32::try_from(std::process::id()).ok();
    place.change(|state| {
        state.service.started(now, child.id());
        state.supervisor = me;
    })?;
    Ok(child)
}
