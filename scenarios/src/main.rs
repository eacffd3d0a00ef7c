//! The command `clawproof`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Linked under the name of wsl.exe, or of a program in a distro, it plays that program.
    if std::env::args_os()
        .next()
        .is_some_and(|program| wsl_fixtures::standin::plays(&program))
    {
        return wsl_fixtures::standin::main(std::env::args_os());
    }
    scenarios::cli::main(std::env::args_os()).into()
}
