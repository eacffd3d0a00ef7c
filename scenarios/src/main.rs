//! The command `clawproof`.

use std::process::ExitCode;

/// A quarter of a search's time was the system's allocator. Where it must be built with another compiler, that one stays.
#[cfg(target_os = "linux")]
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
