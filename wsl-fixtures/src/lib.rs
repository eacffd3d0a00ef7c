//! A WSL that can be broken on purpose: the verbs of wsl.exe as a typed API, and stand-ins for it.
//!
//! - [`Wsl`]: the verbs that a setup program uses, the same for every back-end
//! - [`argv`]: the argument grammar of wsl.exe, parsed and printed
//! - [`expand`]: what wsl.exe does to variables in arguments before a shell sees them
//! - [`output`]: UTF-16LE, lists and versions as wsl.exe prints them
//! - [`distro`]: a distro's life as a pure state machine, cold start included
//! - [`log`]: every command that was run, with secrets redacted
//! - [`model`]: a back-end made of these parts alone; it runs no program
//!
//! A stand-in is called a stand-in: nothing here is ever reported as real WSL.
//!
//! ```
//! use std::time::Duration;
//! use wsl_fixtures::{ModelWsl, Wsl as _, argv::{Install, Run}};
//!
//! let mut wsl = ModelWsl::new();
//! wsl.install(&Install::named("Ubuntu-24.04", "OpenClawGateway")).unwrap();
//! wsl.elapse(Duration::from_mins(1));
//! assert!(wsl.run(&Run::bash_stdin("OpenClawGateway"), b"true\n").unwrap().success());
//! assert_eq!(wsl.list().unwrap()[0].name, "OpenClawGateway");
//! ```

pub mod argv;
pub mod distro;
pub mod expand;
pub mod log;
pub mod model;
pub mod output;
mod wsl;

pub use model::ModelWsl;
pub use wsl::{Finished, Wsl, WslError};
