//! `wsl.exe` as a program: reads its words and its environment, asks the [`Machine`], does what it says.
//!
//! [`Machine`]: crate::machine::Machine

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::time::{Duration, Instant, SystemTime};

use super::home::Home;
use super::{HOME, complain};
use crate::argv::Verb;
use crate::backend::Pace;
use crate::expand::WindowsEnv;
use crate::log::Draft;
use crate::machine::{Answer, Execution, Printed};
use crate::wsl::Call;

/// What a program on Windows has on its PATH, whatever this machine has.
const WINDOWS_PATH: &str = r"C:\Windows\system32;C:\Windows;C:\Program Files\PowerShell\7";

/// How the disk follows and commands run: by the namespace back-end, or not at all.
#[cfg(target_os = "linux")]
use super::namespace as backend;

/// Where there are no namespaces, distros can be registered and nothing runs in them.
#[cfg(not(target_os = "linux"))]
mod backend {
    use std::io;

    use super::super::home::Home;
    use crate::machine::{Change, Execution, Machine};

    pub(crate) fn follow(_: &Home, _: &Machine, _: &Change) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn stop(_: &Home, _: &str) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn execute(_: &Home, _: &Machine, _: &Execution, _: Vec<u8>) -> io::Result<i32> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this stand-in runs commands in a distro on Linux only\nhint: use --version, --status, --list and the other verbs",
        ))
    }
}

/// One call; the exit code is the one that Windows has.
pub(crate) fn run(program: &str, words: &[String]) -> i32 {
    let Some(folder) = std::env::var_os(HOME) else {
        complain(&format!(
            "{program}: this is clawproof's stand-in for wsl.exe, and {HOME} does not name the folder of its computer\nhint: set {HOME} to a folder; a new one is a computer without distros\n"
        ));
        return 2;
    };
    match Home::open(folder).and_then(|home| call(&home, words)) {
        Ok(exit) => exit,
        Err(error) => {
            complain(&format!("{program}: {error}\n"));
            -1
        }
    }
}

fn call(home: &Home, words: &[String]) -> io::Result<i32> {
    let begun = Instant::now();
    let now = since_epoch();
    let mut call = Call::new(words.iter().cloned());
    call.env = std::env::vars().collect::<Vec<_>>().into_iter().collect();
    call.env.set("Path", WINDOWS_PATH);
    // A script on the input is read before anything happens: faults look at it.
    let reads_script = words.last().is_some_and(|word| word == "-s");
    if reads_script && !io::stdin().is_terminal() {
        io::stdin().read_to_end(&mut call.stdin)?;
    }
    let (answer, changes, idle, machine) = home.change(|machine| {
        let idle = machine.idle(now);
        let (answer, changes) = machine.call_with_changes(now, &call, std::process::id());
        (answer, changes, idle, machine.clone())
    })?;
    for name in idle {
        backend::stop(home, &name)?;
    }
    for change in &changes {
        backend::follow(home, &machine, change)?;
    }
    let (exit, received) = match answer {
        Answer::Printed(printed) => (print(&printed)?, None),
        Answer::Hangs(stdout) => {
            io::stdout().write_all(&stdout)?;
            io::stdout().flush()?;
            // Until somebody loses patience.
            record(home, &call, None, begun, now, None)?;
            loop {
                std::thread::park();
            }
        }
        Answer::Execute(execution) => {
            let received = execution.rewritten(&call);
            let exit = execute(home, &machine, &execution, &call)?;
            (exit, received)
        }
    };
    record(home, &call, Some(exit), begun, now, received)?;
    Ok(exit)
}

fn execute(
    home: &Home,
    machine: &crate::Machine,
    execution: &Execution,
    call: &Call,
) -> io::Result<i32> {
    Pace::REAL.pause(execution.delay);
    let result = backend::execute(home, machine, execution, call.stdin.clone());
    home.change(|machine| machine.finished(since_epoch(), &execution.distro))?;
    result
}

fn print(printed: &Printed) -> io::Result<i32> {
    Pace::REAL.pause(printed.delay);
    io::stdout().write_all(&printed.stdout)?;
    io::stderr().write_all(&printed.stderr)?;
    Ok(printed.exit)
}

fn record(
    home: &Home,
    call: &Call,
    exit: Option<i32>,
    begun: Instant,
    at: Duration,
    received: Option<Vec<String>>,
) -> io::Result<()> {
    let user = if let Ok(Verb::Run(run)) = Verb::parse(call.words.iter().cloned()) {
        run.user
    } else {
        None
    };
    let crossing: WindowsEnv = call.env.clone();
    home.record(
        &crossing,
        Draft {
            at,
            argv: call.words.clone(),
            received,
            user,
            stdin: call.stdin.clone(),
            env: call.env.crossing().into_keys().collect(),
            exit,
            took: begun.elapsed(),
        },
    )
}

pub(super) fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
