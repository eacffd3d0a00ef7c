//! Foreign clients under test: programs that somebody else wrote, started, told and stopped by an `adapter.toml`.
//!
//! | module | content |
//! |---|---|
//! | `file` | the adapter language, with places in errors |
//! | `known` | `known-failures.toml` |
//! | `placeholder` | `{url}` and its like |
//! | `library` | where adapters lie, `NAME@VERSION` |
//! | `needs` | what a scenario asks of a client |
//! | `client` | an adapter whose programs are found: ready to start |
//! | `process` | one running program: its group, its output, its end |
//! | `verdicts` | a run of a client against what is known of it |
//!
//! ```
//! let text = r#"
//! title = "A client of mine"
//! capabilities = ["reconnects"]
//! [start]
//! command = ["my-client", "--url", "{url}", "--token", "{token}"]
//! "#;
//! let adapter = scenarios::adapter::parse("adapter.toml", text).unwrap();
//! assert!(adapter.stays);
//! ```

mod client;
mod file;
mod known;
mod library;
mod needs;
mod packages;
mod placeholder;
mod process;
mod verdicts;

pub(crate) use client::Place;
pub use client::{Client, ClientError};
pub use file::{ActionRow, AdapterFile, StartRow, StopRow, VersionRow, parse};
pub use known::{KnownFailure, parse as parse_known};
pub use library::{Adapter, AdapterError, Library};
pub use needs::{BLACK_BOX, needs_of};
pub(crate) use process::{Ended, Listener, Process, Spawn, kill_all, marked};
pub use verdicts::{Review, review};
