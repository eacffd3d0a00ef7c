//! How it is carried, delayed and broken: carriers and faults between a client and a gateway.
//!
//! The link sits at the gateway's end of a connection, so it needs no help from a client. Messages pass a [`Wire`]
//! (pure: which message leaves, and when), bytes pass a [`FaultStream`] under the WebSocket codec, and both obey the
//! [`FaultTable`] of the gateway. A fault has a name and exact socket semantics: see [`FAULTS`].
//!
//! Map:
//! - [`message`], [`rule`], [`wire`]: WebSocket messages on their way
//! - [`fault`], [`spec`], [`table`]: the named faults, how a scenario asks for one, which ones are active where
//! - [`stream`]: faults on bytes: stall, cut, split, swallow
//! - [`memory`], [`tcp`]: listeners for in-memory and loopback connections
//! - [`proxy`]: all of it between any client and any gateway
//!
//! ```
//! use std::time::Duration;
//! use gateway_protocol::{Now, UnixMillis};
//! use link::{Departure, FaultName, FaultSpec, FaultTable, Wire, WireMessage};
//! use transcript::{Direction, Header, Recorder};
//!
//! let faults = FaultTable::new();
//! let recorder = Recorder::in_memory(Header::new(1, "core", "mock profile 2026.6.34"));
//! let mut wire = Wire::new(1, faults.clone(), recorder);
//! faults.install(FaultSpec::new(FaultName::DropMessage).dir(Direction::GatewayToClient));
//!
//! let now = Now::at(Duration::ZERO, UnixMillis(0));
//! wire.enter(now, Direction::GatewayToClient, WireMessage::Text("lost".to_owned()));
//! wire.enter(now, Direction::GatewayToClient, WireMessage::Text("kept".to_owned()));
//! let leaving = wire.poll(now).unwrap();
//! assert_eq!(leaving.what, Departure::Deliver(WireMessage::Text("kept".to_owned())));
//! assert!(wire.poll(now).is_none());
//! ```

pub mod fault;
pub mod memory;
pub mod message;
pub mod proxy;
pub mod rule;
pub mod spec;
pub mod stream;
pub mod table;
pub mod tcp;
pub mod wire;

mod frames;
mod lane;

pub use crate::fault::{FAULTS, FaultName, FaultRow};
pub use crate::memory::{MemoryListener, MemoryNet, MemoryStream};
pub use crate::message::WireMessage;
pub use crate::proxy::{Proxy, ProxyOptions, ProxyTls};
pub use crate::rule::{Cut, Fate, InFlight, Rule};
pub use crate::spec::{ConnSelector, FaultSpec, SpecError};
pub use crate::stream::{Carrier, Controlled, FaultStream, StreamControl, hold_open, linger};
pub use crate::table::{Admission, FaultGuard, FaultId, FaultTable, HealTarget};
pub use crate::tcp::TcpCarrier;
pub use crate::wire::{Departure, Leaving, Wire, refused_upgrade};
