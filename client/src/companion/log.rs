//! The log on stderr, without secrets.

use gateway_client::sanitize::sanitize_log;
use tracing_subscriber::EnvFilter;

use super::arguments::LogFormat;

/// Level from `RUST_LOG`, else `info`.
pub(crate) fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| CleanStderr);
    match format {
        LogFormat::Json => log.json().init(),
        LogFormat::Text => log.with_ansi(false).init(),
    }
}

/// Standard error without secrets: each event is one write. ref: client-behaviour.md §26
struct CleanStderr;

impl std::io::Write for CleanStderr {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let clean = sanitize_log(&String::from_utf8_lossy(line));
        std::io::stderr().lock().write_all(clean.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().lock().flush()
    }
}
