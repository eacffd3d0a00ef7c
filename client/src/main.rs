//! `companion`: the client as a process of its own.
//!
//! ```text
//! companion [--config FILE] --data-dir D [--url U --token T | --setup-code C] [--node [--allow-run P]... [--browser]]
//!           [--mcp-port PORT] [--wsl PROGRAM] [--tls-ca PEM | --tls-fingerprint SHA256]
//!           [--policy pr741|hardened] [--seed N] [--log-format json|text]
//! ```
//!
//! Both roles connect to the active gateway of the data directory; `--url` with `--token`, or `--setup-code`,
//! names one first. One JSON object per line on stdout tells each change; the log goes to stderr and holds no
//! secret. It runs until SIGTERM or Ctrl-C.
//!
//! | line on stdout | when |
//! |---|---|
//! | `{"type":"ready","pid":…,"mcp":{"url":…,"tokenFile":…}}` | signals are handled, before anything is connected; `mcp` with `--mcp-port` |
//! | `{"type":"state","snapshot":{…}}` | the snapshot changed |
//! | `{"type":"event","event":…}` | anything else that the client tells |
//! | `{"type":"stopped","exitCode":…}` | the last line |
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | ended by a signal, or nobody reads stdout any more |
//! | 1 | the client broke: its task ended by itself, or signals can't be handled |
//! | 2 | wrong usage |
//! | 3 | the data directory can't be used: not readable, not writable, or in use |
//! | 4 | the config file, the setup code, the URL, the CA file or the fingerprint can't be used; nothing was connected |

mod companion;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = companion::Arguments::parse();
    let told = arguments.log_format;
    let arguments = arguments.with_config();
    let format = arguments.as_ref().map_or(told, |it| it.log_format);
    companion::log_to_stderr(format.unwrap_or_default());
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "failed to start the runtime");
            return ExitCode::from(companion::Exit::Broken as u8);
        }
    };
    ExitCode::from(runtime.block_on(companion::run(arguments)) as u8)
}
