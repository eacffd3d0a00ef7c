//! Back-ends of [`Wsl`](crate::Wsl) that run programs.
//!
//! - [`process`]: whatever `wsl.exe` is: the stand-in of this crate on Linux, the real one on Windows

//! - `container`: distros as containers with a systemd of their own; with the feature `container`, on Linux

#[cfg(all(target_os = "linux", feature = "container"))]
pub mod container;
pub mod process;
