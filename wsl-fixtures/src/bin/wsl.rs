//! The stand-in for wsl.exe, and for the programs that a distro needs to be told apart from a real one.

use std::process::ExitCode;

fn main() -> ExitCode {
    wsl_fixtures::standin::main(std::env::args_os())
}
