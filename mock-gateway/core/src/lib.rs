//! The brain of the mock gateway: handshake, pairing, nodes and lifecycle as a pure state machine.
//!
//! No clock, no randomness source, no I/O: [`Gateway::handle`] takes the time and one [`Input`], [`Gateway::poll`]
//! gives the [`Output`]s in order. The specification is `gateway-behaviour.md`; each rule names its section.
//!
//! A map:
//!
//! - [`Gateway`] (`gateway.rs`): the hub, its inputs and deadlines; `connection.rs`: one connection.
//! - `handshake.rs`, `auth.rs`, `identity.rs`, `rate_limit.rs`: the order of checks of `connect`.
//! - `devices.rs`, `pairing.rs`, `bootstrap.rs`: paired devices, requests, setup codes.
//! - `nodes.rs`, `platform.rs`, `invoke.rs`: surfaces, what a platform may do, commands on their way.
//! - `method/`: what each method answers; `presence.rs`, `hello.rs`, `lifecycle.rs`: the rest of the protocol.
//! - [`AgentScript`] (`agent/`): who answers chat and agent turns, and with what.
//! - [`WizardScript`] (`wizard.rs`): what the gateway's wizard asks, and its sessions.
//! - [`Behavior`] (`behavior.rs`, `mounted.rs`): scripted answers; [`Control`] (`control.rs`): orders from outside.
//! - [`Memory`] (`memory.rs`): what outlives the process. `reload.rs`: a configuration that changes while the gateway runs.
//! - [`profile()`] (`profile.rs`): what differs between gateway versions.
//!
//! ```
//! use std::time::Duration;
//! use gateway_core::{Config, DEFAULT_PROFILE, Gateway, Input, Output, Peer, profile};
//! use gateway_protocol::{Frame, Now, Outgoing, time::VIRTUAL_EPOCH};
//!
//! let now = Now::at(Duration::ZERO, VIRTUAL_EPOCH);
//! let profile = profile(DEFAULT_PROFILE).ok_or("no such profile")?;
//! let mut gateway = Gateway::new(Config::with_token("t"), profile, 7, now);
//! gateway.handle(now, Input::Opened { conn: 1, peer: Peer::loopback() });
//! let challenge = std::iter::from_fn(|| gateway.poll()).find_map(|output| match output {
//!     Output::Send { message: Outgoing::Frame(Frame::Event(event)), .. } => Some(event.event),
//!     _ => None,
//! });
//! assert_eq!(challenge.as_deref(), Some("connect.challenge"));
//! # Ok::<(), &str>(())
//! ```

#![expect(
    clippy::result_large_err,
    reason = "a refusal is an answer, as frequent as success; a box for each would buy nothing"
)]

mod admit;
mod agent;
mod auth;
mod behavior;
mod bootstrap;
pub mod config;
mod connection;
mod control;
mod devices;
mod entropy;
mod gateway;
mod handshake;
mod hello;
mod http;
mod identity;
mod inbound;
mod invoke;
mod io;
mod json;
mod lifecycle;
mod locality;
mod memory;
mod metadata;
mod method;
mod mounted;
pub mod mutation;
mod nodes;
mod orders;
mod outputs;
mod pairing;
mod platform;
mod presence;
mod profile;
mod rate_limit;
mod reload;
#[cfg(test)]
mod replay;
mod scripted;
mod timers;
mod view;
mod welcome;
mod wizard;

pub use agent::{AgentScript, Ending, Turn};
pub use behavior::{
    Behavior, ChallengeReply, ConnPick, DelayReply, ErrorReply, EventReply, HttpReply, Matcher,
    Reply, Times, Trigger, When, any_request, check_json_patch, glob, method, opening, upgrade,
};
pub use config::{AuthConfig, AuthMode, Config, NodesConfig, RateLimitConfig, ReloadMode};
pub use control::{Control, ControlError};
pub use gateway::Gateway;
pub use http::{HttpAccess, HttpVisit};
pub use io::{
    Admission, Input, Lifecycle, LogLine, Output, Peer, synthetic_method, synthetic_note,
};
pub use memory::Memory;
pub use mutation::Mutation;
pub use profile::{DEFAULT_PROFILE, PROFILES, Profile, profile};
pub use view::{
    BehaviorView, ConnectionView, DeviceView, InvokeView, NodeView, PendingDeviceView,
    PendingNodeView, PhaseView, RateLimitView, StateView, TokenView,
};
pub use wizard::WizardScript;
