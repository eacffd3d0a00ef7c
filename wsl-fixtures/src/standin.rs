//! The executables of this crate: `wsl.exe` on the Windows side, and what a distro finds in `/usr/local/bin`.
//!
//! One program, known by the name it was started under:
//!
//! - `wsl`, `wsl.exe`: [`windows`], over the computer in the folder that `CLAWPROOF_WSL` names
//! - `powershell.exe`, `schtasks.exe` and so on: [`decoy`], which runs nothing
//! - `openclaw`, `systemctl`, `journalctl`, `loginctl`, `curl`, `init`: `inside`, on Linux only
//!
//! ```sh
//! export CLAWPROOF_WSL=$PWD/computer
//! wsl.exe --install --distribution Ubuntu-24.04 --name D --no-launch
//! wsl.exe -d D -u root -- bash -c 'id -u; hostname'
//! ```

pub mod decoy;
pub mod home;
#[cfg(target_os = "linux")]
mod inside;
#[cfg(target_os = "linux")]
mod namespace;
pub mod windows;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// The variable that names the folder of the computer.
pub const HOME: &str = "CLAWPROOF_WSL";

/// Names of the programs that are played here.
const PLAYED: &[&str] = &[
    "wsl",
    "wslrelay",
    "gateway-relay",
    "init",
    "unit-run",
    "openclaw",
    "systemctl",
    "journalctl",
    "loginctl",
    "curl",
];

/// Whether a program that was started under this name is one of those played here.
pub fn plays(program: &std::ffi::OsStr) -> bool {
    let stem = Path::new(program).file_stem().unwrap_or_default();
    let mut names = PLAYED.iter().chain(decoy::DECOYS);
    names.any(|name| stem == *name)
}

/// Runs the program whose name this is. A name that no distro program has is `wsl.exe`.
pub fn main(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let program = words.next().unwrap_or_default();
    let words: Vec<String> = words
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let name = Path::new(&program)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    #[cfg(target_os = "linux")]
    if let Some(exit) = inside::run(&name, &words) {
        return exit;
    }
    let exit = if decoy::DECOYS.contains(&name.as_str()) {
        decoy::run(&name, &words)
    } else {
        windows::run(&name, &words)
    };
    // Windows keeps all of an exit code, and wsl.exe ends with -1; elsewhere one byte of it is left.
    #[cfg(windows)]
    std::process::exit(exit);
    #[cfg(not(windows))]
    ExitCode::from(exit.to_le_bytes().first().copied().unwrap_or(u8::MAX))
}

/// Says something on standard error; a closed one is no reason to stop.
fn complain(text: &str) {
    drop(std::io::stderr().write_all(text.as_bytes()));
}
