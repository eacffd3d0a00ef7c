//! The wish to end early: Ctrl-C, or what a supervisor sends in its place.

use std::io;

/// Waits for Ctrl-C or, where there is one, for SIGTERM: real programs that were started must not outlive it.
///
/// # Errors
/// When the system can't tell.
pub(crate) async fn interrupted() -> io::Result<()> {
    listen()?.await;
    Ok(())
}

/// From here on the wish is heard, and no longer ends the program by itself; what is given back waits for it.
///
/// # Errors
/// When the system can't tell.
///
/// # Panics
/// Outside of a tokio runtime.
pub(crate) fn listen() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut pressed = signal(SignalKind::interrupt())?;
        let mut terminated = signal(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                biased;
                _pressed = pressed.recv() => (),
                _terminated = terminated.recv() => (),
            }
        })
    }
    #[cfg(not(unix))]
    {
        let mut pressed = tokio::signal::windows::ctrl_c()?;
        Ok(async move {
            let _pressed = pressed.recv().await;
        })
    }
}
