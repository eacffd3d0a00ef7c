//! A WSL that can be broken on purpose: the verbs of wsl.exe as a typed API, and stand-ins for it.
//!
//! - [`Wsl`]: the verbs that a setup program uses, the same for every back-end
//! - [`argv`], [`expand`], [`output`], [`text`]: how wsl.exe is spoken to, and what it says
//! - [`machine`], [`distro`]: a computer with WSL as a pure state machine, cold start and idle stop included
//! - [`service`]: a user service in a distro, start limit included
//! - [`fault`]: what goes wrong, as data
//! - [`log`]: every command that was run, with secrets redacted
//! - [`model`]: a back-end made of these parts alone; it runs no program
//! - [`backend`]: back-ends that run programs
//! - [`setup`]: the set-up pipeline, from preflight to keepalive, and back
//! - [`standin`]: `wsl.exe` as a program, over namespaces of this machine
//!
//! A stand-in is called a stand-in: nothing here is ever reported as real WSL.
//!
//! ```
//! use wsl_fixtures::{ModelWsl, Wsl as _, argv::{Install, Run}};
//!
//! let mut wsl = ModelWsl::default();
//! wsl.install(&Install::named("Ubuntu-24.04", "OpenClawGateway")).unwrap();
//! assert!(wsl.run(&Run::bash_stdin("OpenClawGateway"), b"true\n").success());
//! assert_eq!(wsl.list().unwrap()[0].name, "OpenClawGateway");
//! ```

pub mod argv;
pub mod backend;
pub mod distro;
pub mod expand;
pub mod fault;
pub mod log;
pub mod machine;
pub mod model;
pub mod output;
pub mod service;
pub mod setup;
pub mod standin;
pub mod text;
mod wsl;
pub mod wsl_conf;

pub use machine::Machine;
pub use model::ModelWsl;
pub use wsl::{Call, Finished, Wsl, WslError};
