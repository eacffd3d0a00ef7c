//! The brain of a gateway client: the Windows companion's connection layer as a pure state machine.
//!
//! No sockets, no files, no clock, no chance of its own: the shell (`gateway-client`) feeds [`Input`]s into a
//! [`Client`] and carries out its [`Output`]s. What it does is written in client-behaviour.md; the two generations of
//! the companion are one [`Policy`].
//!
//! # Map
//! - [`Client`]: both roles over one identity per gateway; `client/` has one file per concern (operator, node,
//!   pairing, recovery, setup codes, shared tokens, invokes, requests).
//! - [`Input`], [`Output`], [`Intent`], [`ClientEvent`], [`Snapshot`]: everything that goes in and comes out.
//! - [`state`], [`credential`], [`classify`], [`backoff`], [`url`]: the tables, each testable by itself.
//! - [`Registry`], [`Identity`], [`StoreOp`]: the two files, as values and as changes to be made durable.
//! - [`Mutation`]: deliberate bugs, for proving that the judge finds them.
//!
//! # Example
//! ```
//! use client_core::{Client, ClientOptions, DurableState, GatewayRecord, Input, Intent, Output};
//! use gateway_protocol::{Now, SharedToken, UnixMillis};
//! use std::time::Duration;
//!
//! let now = Now::at(Duration::ZERO, UnixMillis(1_767_225_600_000));
//! let mut record = GatewayRecord::new("g", "ws://127.0.0.1:18789");
//! record.shared_gateway_token = Some(SharedToken::new("secret"));
//! let mut state = DurableState::default();
//! state.registry.upsert(record);
//! state.registry.active_id = Some("g".to_owned());
//!
//! let mut client = Client::new(ClientOptions::default(), state, now);
//! client.handle(now, Input::User(Intent::Connect));
//! // The first connect makes a device key, so the identity has to be durable before a socket opens.
//! let op = loop {
//!     match client.poll().expect("an identity to store") {
//!         Output::Store { op } => break op,
//!         _ => {}
//!     }
//! };
//! client.handle(now, Input::Stored { op, result: Ok(()) });
//! let opened = std::iter::from_fn(|| client.poll()).any(|output| matches!(output, Output::Open { .. }));
//! assert!(opened);
//! ```

pub mod backoff;
pub mod classify;
pub mod credential;
pub mod event;
pub mod guest;
mod handshake;
mod hello;
pub mod identity;
pub mod input;
pub mod intent;
pub mod mutation;
pub mod nodes;
pub mod options;
pub mod output;
pub mod policy;
pub mod provenance;
mod refusal;
pub mod registry;
pub mod snapshot;
pub mod state;
pub mod store;
pub mod url;

mod client;

pub use classify::ErrorKind;
pub use client::{BLOCKED_NODE, BLOCKED_OPERATOR, Client, Dashboard};
pub use credential::{CredentialSource, ResolutionStatus};
pub use event::{ClientEvent, DiagnosticCategory, PairingStatus, Payload, RepairOutcome};
pub use gateway_protocol::Role;
pub use identity::{IDENTITY_RECOVERY, Identity, IdentityDamage};
pub use input::{
    EndpointOwner, Inbound, Input, InvokeOutcome, ManagedEndpoint, RepairId, SocketId, TunnelId,
};
pub use intent::{ApprovalKind, Intent, IntentOutcome};
pub use mutation::Mutation;
pub use options::{ClientOptions, NodeSurface};
pub use output::{InvokeKey, InvokeRequest, Output};
pub use policy::Policy;
pub use registry::{GatewayRecord, Registry, SshTunnel};
pub use snapshot::{CredentialSnapshot, GatewaySnapshot, NodeSnapshot, OperatorSnapshot, Snapshot};
pub use state::{NodeState, OperatorState, OverallState};
pub use store::{DurableState, StoreError, StoreOp};
