//! Back-ends of [`Wsl`](crate::Wsl) that run programs.
//!
//! - [`process`]: whatever `wsl.exe` is: the stand-in of this crate on Linux, the real one on Windows
//! - `container`: distros as containers with a systemd of their own; with the feature `container`, on Linux

#[cfg(all(target_os = "linux", feature = "container"))]
pub mod container;
pub mod process;

use std::time::Duration;

/// How pauses pass. A stand-in has nothing to wait for that takes seconds on Windows; limits stay as they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace(u32);

impl Pace {
    /// In full.
    pub(crate) const REAL: Self = Self(1);

    /// So many times shorter.
    pub(crate) fn shorter(times: u32) -> Self {
        Self(times.max(1))
    }

    /// Lets a pause pass.
    #[expect(
        clippy::disallowed_methods,
        reason = "what is waited for here tells nobody when it is ready, or is late because that was asked for"
    )]
    pub(crate) fn pause(self, time: Duration) {
        if !time.is_zero() {
            std::thread::sleep(time / self.0);
        }
    }
}
