//! The wish to end early: Ctrl-C, or what a supervisor sends in its place.

use std::io;

/// Waits for Ctrl-C or, where there is one, for SIGTERM: real programs that were started must not outlive it.
///
/// # Errors
/// When the system can't tell.
pub(crate) async fn interrupted() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            biased;
            pressed = tokio::signal::ctrl_c() => pressed,
            _terminated = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
