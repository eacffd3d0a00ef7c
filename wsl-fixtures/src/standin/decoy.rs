//! Decoys: programs of Windows that a set-up could call, in front of the real ones on PATH.
//!
//! Whoever starts one changes nothing: the call is refused, and stands in the log of the computer.

use std::io;
use std::time::Instant;

use super::home::Home;
use super::{HOME, complain};
use crate::expand::WindowsEnv;
use crate::log::Draft;

/// What is never run.
pub const DECOYS: &[&str] = &[
    "cmd",
    "powershell",
    "pwsh",
    "reg",
    "schtasks",
    "tailscale",
    "taskkill",
    "wslconfig",
];

/// How a refused call ends.
const REFUSED: i32 = 1;

/// Whether a call in the log was one of a decoy.
pub fn is_decoy(argv: &[String]) -> bool {
    let program = argv.first().and_then(|word| word.strip_suffix(".exe"));
    program.is_some_and(|name| DECOYS.contains(&name))
}

pub(super) fn run(name: &str, words: &[String]) -> i32 {
    complain(&format!(
        "{name}.exe: this is clawproof's decoy: nothing was run\n"
    ));
    if let Err(error) = note(name, words) {
        complain(&format!(
            "{name}.exe: the call could not be noted: {error}\n"
        ));
    }
    REFUSED
}

fn note(name: &str, words: &[String]) -> io::Result<()> {
    let begun = Instant::now();
    let folder = std::env::var_os(HOME)
        .ok_or_else(|| io::Error::other(format!("{HOME} names no folder")))?;
    let env: WindowsEnv = std::env::vars().collect::<Vec<_>>().into_iter().collect();
    let mut argv = vec![format!("{name}.exe")];
    argv.extend(words.iter().cloned());
    let draft = Draft {
        at: super::windows::since_epoch(),
        argv,
        exit: Some(REFUSED),
        took: begun.elapsed(),
        ..Draft::default()
    };
    Home::open(folder)?.record(&env, draft)
}
