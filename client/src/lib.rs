//! The body of a gateway client: sockets, files and clocks around the pure core.
//!
//! `client-core` decides everything; this crate carries it out. One task owns the core, its store and its
//! sockets, so there is one order of events and no lock.
//!
//! # Map
//! - [`Setup`], [`spawn`], [`ClientHandle`]: start a client, tell it what is wanted, watch it, stop it.
//! - `driver`, `socket`: the owning task, and one small task per socket.
//! - [`Connector`]: where byte streams come from; [`TcpConnector`] dials, other worlds bring their own.
//! - [`Clock`]: tokio's clock and a wall clock from a fixed epoch.
//! - [`store`]: `gateways.json` and the identity files, atomic and fail-closed; and a store in memory.
//! - [`invoke`]: what a node does when it is invoked.
//! - `main.rs`: `companion`, the client as a process of its own.
//!
//! # Example
//! See [`Setup`].

mod clock;
mod connector;
mod driver;
mod handle;
pub mod invoke;
mod socket;
pub mod store;
mod upgrade;

pub use clock::Clock;
pub use connector::{ConnectError, Connector, TcpConnector};
pub use handle::{ClientHandle, ClientStopped, Setup, Wishes, spawn};
pub use invoke::{
    BrowserBlock, BrowserProxy, Builtins, DeviceFacts, Invocation, InvokeError, InvokeFuture,
    InvokeHandler, NoCommands, RunPolicy, SearchPath,
};
pub use socket::SocketOptions;
pub use store::{FailurePlan, FileStore, LoadError, MemoryState, MemoryStore, Store};
