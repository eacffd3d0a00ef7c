//! What can be said between an OpenClaw client and a gateway: frames, identities, codes. No I/O, no clock.
//!
//! A map of the crate, in the order in which a connection meets it:
//!
//! - [`frame`], [`shape`]: requests, responses and events, and the checks a gateway makes before it believes one.
//! - [`connect`], [`role`], [`device`], [`familiar`]: what a client says of itself, and how it proves it.
//! - [`hello`]: what the gateway answers.
//! - [`schema`]: the published schema, where somebody has fetched it.
//! - [`setup_code`], [`secret`]: credentials on their way to a device.
//! - [`error`], [`close`], [`method`], [`event`]: the registries; `docs/reference/` is generated from them.
//! - [`matcher`]: subset patterns over JSON that say where and why something does not fit.
//! - [`skew`]: clocks that are wrong.
//! - [`id`], [`time`], [`limits`]: the small words.
//!
//! ```
//! use gateway_protocol::{Frame, Request};
//!
//! let frame = Frame::parse(r#"{"type":"req","id":"1","method":"health"}"#)?;
//! assert_eq!(frame, Frame::Request(Request::new("1", "health", None)));
//! # Ok::<(), gateway_protocol::FrameError>(())
//! ```

pub mod close;
pub mod connect;
pub mod device;
pub mod error;
pub mod event;
pub mod familiar;
pub mod frame;
pub mod hello;
pub mod id;
pub mod limits;
pub mod matcher;
mod member;
pub mod method;
pub mod role;
pub mod schema;
pub mod secret;
pub mod setup_code;
pub mod shape;
pub mod skew;
pub mod time;

pub use close::CloseFrame;
pub use connect::{AuthParams, ClientInfo, ConnectParams, DeviceParams};
pub use device::{Keypair, PublicKey, SignaturePayload, SignatureVersion};
pub use error::{DetailCode, ErrorCode, ErrorShape};
pub use familiar::FamiliarKey;
pub use frame::{Event, Frame, FrameError, Outgoing, Request, Response, StateVersion};
pub use hello::{HelloAuth, HelloOk, IssuedToken, Policy};
pub use id::{ConnId, DeviceId, InvokeId, NodeId, Nonce, PairingRequestId, RequestId};
pub use matcher::{Bindings, Captures, Mismatch, matches};
pub use member::member;
pub use role::Role;
pub use secret::{BootstrapToken, DeviceToken, Password, SecretKind, SharedToken};
pub use setup_code::{SetupCode, SetupCodeError};
pub use skew::{ClockFault, Hand, SkewClock};
pub use time::{Now, UnixMillis};
