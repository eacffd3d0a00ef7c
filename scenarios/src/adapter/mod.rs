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
//! | `mcp` | a server of tools, as its client sees it |
//! | `tools` | the companion's tools in the words of scenarios |
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
mod mcp;
mod needs;
mod packages;
mod placeholder;
mod process;
pub(crate) mod tools;
mod verdicts;

pub(crate) use client::Place;
pub use client::{Client, ClientError};
pub use file::{ActionRow, AdapterFile, StartRow, StopRow, VersionRow, parse};
pub use known::{KnownFailure, parse as parse_known};
pub use library::{Adapter, AdapterError, Library};
pub(crate) use mcp::Endpoint;
pub use mcp::McpError;
pub use needs::{BLACK_BOX, needs_of};
pub(crate) use process::{Ended, Listener, Process, Spawn, kill_all, marked};
pub use verdicts::{Review, review};
