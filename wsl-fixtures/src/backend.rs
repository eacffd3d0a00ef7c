//! Back-ends of [`Wsl`](crate::Wsl) that run programs.
//!
//! - [`process`]: whatever `wsl.exe` is: the stand-in of this crate on Linux, the real one on Windows

pub mod process;
