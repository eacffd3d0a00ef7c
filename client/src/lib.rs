//! The body of a gateway client: sockets, files and clocks around the pure core.
//!
//! `client-core` decides everything; this crate carries it out. One task owns the core, its store and its
//! sockets, so there is one order of events and no lock.
//!
//! # Map
//! - [`Setup`], [`spawn`], [`ClientHandle`]: start a client, tell it what is wanted, watch it, stop it.
//! - `driver`, `socket`: the owning task, and one small task per socket.
//! - [`Connector`]: where byte streams come from; [`TcpConnector`] dials, other worlds bring their own.
//! - [`Control`]: the same client from other tasks, with answers.
//! - [`mcp`]: the tools of this computer's own users, on loopback.
//! - [`sanitize`], [`Timeline`]: what may be logged, and the last 500 lines of it.
//! - [`tunnel`]: SSH tunnels, and who owns their near ends.
//! - [`OwnerProbe`]: who owns the port of a gateway that the app manages on this computer.
//! - [`ServiceKeeper`]: restarts the services of such gateways.
//! - [`tls`]: whom a wss URL is believed.
//! - [`Clock`]: tokio's clock and a wall clock from a fixed epoch.
//! - [`store`]: `gateways.json` and the identity files, atomic and fail-closed; and a store in memory.
//! - [`invoke`]: what a node does when it is invoked.
//! - `main.rs`: `companion`, the client as a process of its own.
//!
//! # Example
//! See [`Setup`].

mod answers;
mod clock;
mod connector;
mod control;
mod desk;
mod driver;
mod endpoints;
mod handle;
pub mod invoke;
mod keeper;
pub mod mcp;
mod owner;
pub mod sanitize;
mod socket;
pub mod store;
mod timeline;
pub mod tls;
pub mod tunnel;
mod tunnels;
mod upgrade;

pub use clock::Clock;
pub use connector::{ConnectError, Connector, TcpConnector};
pub use control::Control;
pub use handle::{ClientHandle, ClientStopped, Setup, Wishes, spawn};
pub use invoke::{
    BrowserBlock, BrowserProxy, Builtins, DeviceFacts, Invocation, InvokeError, InvokeFuture,
    InvokeHandler, NoCommands, RunPolicy, SearchPath,
};
pub use keeper::{AnswersFuture, RestartFuture, ServiceKeeper, WslKeeper};
pub use owner::{
    GuestFuture, GuestProbe, LocalOwners, OwnerFuture, OwnerProbe, WslGuest, is_one_process,
};
pub use socket::SocketOptions;
pub use store::{FailurePlan, FileStore, LoadError, MemoryState, MemoryStore, Store};
pub use timeline::{Timeline, TimelineEntry};
pub use tls::{Fingerprint, NetConnector, TlsError, TlsTrust};
