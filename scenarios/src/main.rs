//! The command `clawproof`.

use std::process::ExitCode;

fn main() -> ExitCode {
    scenarios::cli::main(std::env::args_os()).into()
}
