//! Output: data on stdout, everything else on stderr, colours only where they are seen and wanted.

use std::error::Error;
use std::fmt::Display;
use std::io::Write as _;

/// Data. A reader that went away (`| head`) is no failure.
pub(super) fn out(text: impl Display) {
    let mut stdout = anstream::stdout().lock();
    if let Err(error) = writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        tracing::debug!(%error, "nobody reads stdout");
    }
}

/// Everything else.
pub(super) fn say(text: impl Display) {
    let mut stderr = anstream::stderr().lock();
    if let Err(error) = writeln!(stderr, "{text}") {
        tracing::debug!(%error, "nobody reads stderr");
    }
}

/// An error with its causes and what can be done about it.
pub(super) fn fail(error: &dyn Error, hint: Option<&str>) {
    say(format_args!("error: {}", chain(error)));
    if let Some(hint) = hint {
        say(format_args!("hint: {hint}"));
    }
}

/// An error and its causes on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Whether colours are wanted on stderr.
pub(super) fn colour() -> bool {
    use std::io::IsTerminal as _;
    std::env::var_os("NO_COLOR").is_none() && std::io::stderr().is_terminal()
}
